//! What the log says about who has worked on what.

use std::collections::HashSet;
use std::path::Path;

use crate::error::Result;
use crate::pipeline::{Event, ItemId, Phase, codec};
use crate::ports::Ports;
use crate::position::Seq;

use super::super::Options;
use super::super::records::{self, Found, Ground};

/// What somebody has worked on: what a file without a place in the log must not change.
#[derive(Default)]
pub(super) struct Touched {
    /// Items with their phases; without one, items that were held or freed.
    pub(super) places: HashSet<(ItemId, Option<Phase>)>,
    /// The last record that was asked.
    pub(super) through: Seq,
}

/// Walks the log for what was done by anything but an import.
pub(super) fn touched(ports: &Ports, dir: &Path, options: &Options) -> Result<Touched> {
    let mut ground = Ground::open(ports, dir, options)?;
    if let Some(error) = ground.failure.take() {
        return Err(error);
    }
    let mut touched = Touched {
        through: ground.through,
        ..Touched::default()
    };
    records::walk(ports, dir, options, &ground, ground.through, &mut |found| {
        if let Found::Record(raw) = found
            && let Ok(record) = codec::decode(raw.seq, raw.payload)
        {
            touched.note(&record.event);
        }
        true
    })?;
    Ok(touched)
}

impl Touched {
    fn note(&mut self, event: &Event) {
        let place = match event {
            // What a file brought another version of that file may change.
            Event::Edited(_) | Event::Rejected { .. } => None,
            Event::Held { item, .. } | Event::Unheld { item } => Some((item.clone(), None)),
            other => other
                .item()
                .zip(other.phase())
                .map(|(item, phase)| (item.clone(), Some(phase.clone()))),
        };
        self.places.extend(place);
    }
}
