//! The ids under which reports were made: after "outcome unknown" the same report is made again and applied once.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::names::{ItemId, Phase};
use crate::position::Seq;

/// How many ids are kept; the oldest is forgotten first. Part of the format: every replay forgets the same ones.
const KEPT: usize = 10_000;

/// What was reported under an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The id.
    pub id: String,
    /// The event that it became: `completed`, `failed`, `skipped`.
    pub event: String,
    /// The item.
    pub item: ItemId,
    /// The phase.
    pub phase: Phase,
}

/// The newest ids, with what was reported under each and as which record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpIds {
    by_seq: BTreeMap<Seq, Operation>,
    by_id: HashMap<String, Seq>,
}

impl OpIds {
    /// What was reported under that id, and as which record.
    pub fn get(&self, id: &str) -> Option<(Seq, &Operation)> {
        let seq = *self.by_id.get(id)?;
        Some((seq, self.by_seq.get(&seq)?))
    }

    /// Notes a report; one of the same id before it is forgotten.
    pub fn note(&mut self, seq: Seq, operation: Operation) {
        if let Some(before) = self.by_id.insert(operation.id.clone(), seq) {
            self.by_seq.remove(&before);
        }
        self.by_seq.insert(seq, operation);
        while self.by_seq.len() > KEPT {
            if let Some((_, oldest)) = self.by_seq.pop_first() {
                self.by_id.remove(&oldest.id);
            }
        }
    }

    /// All that are kept, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &Operation)> {
        self.by_seq.iter().map(|(seq, operation)| (*seq, operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(id: &str) -> Operation {
        Operation {
            id: id.to_owned(),
            event: "completed".to_owned(),
            item: ItemId::new("x").unwrap(),
            phase: Phase::new("p").unwrap(),
        }
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut ids = OpIds::default();
        for number in 1..=KEPT as u64 + 1 {
            ids.note(Seq::new(number), operation(&number.to_string()));
        }
        assert_eq!(ids.iter().count(), KEPT);
        assert_eq!(ids.get("1"), None);
        assert_eq!(ids.get("2").map(|(seq, _)| seq), Some(Seq::new(2)));
        ids.note(Seq::new(20_000), operation("2"));
        assert_eq!(ids.get("2").map(|(seq, _)| seq), Some(Seq::new(20_000)));
        assert_eq!(ids.iter().count(), KEPT);
    }
}
