//! The ids under which reports were made, as bytes.

use super::super::names::{ItemId, Phase};
use super::super::op_ids::{OpIds, Operation};
use super::put;
use crate::position::Seq;

/// Adds the bytes of the ids under which reports were made.
pub fn encode_operations(operations: &OpIds, into: &mut Vec<u8>) {
    let rows: Vec<(u64, &str, &str, &str, &str)> = operations
        .iter()
        .map(|(seq, operation)| {
            let Operation {
                id,
                event,
                item,
                phase,
            } = operation;
            (
                seq.get(),
                id.as_str(),
                event.as_str(),
                item.as_str(),
                phase.as_str(),
            )
        })
        .collect();
    put(&rows, into);
}

/// The ids that these bytes are; `None` if they are none.
pub fn decode_operations(bytes: &[u8]) -> Option<OpIds> {
    let rows: Vec<(u64, &str, &str, &str, &str)> = postcard::from_bytes(bytes).ok()?;
    let mut operations = OpIds::default();
    for (seq, id, event, item, phase) in rows {
        let operation = Operation {
            id: id.to_owned(),
            event: event.to_owned(),
            item: ItemId::new(item).ok()?,
            phase: Phase::new(phase).ok()?,
        };
        operations.note(Seq::new(seq), operation);
    }
    Some(operations)
}
