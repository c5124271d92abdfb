//! What the log says about who has worked on what: anybody, or an earlier edit of the same file.

use std::collections::HashSet;
use std::path::Path;

use crate::error::Result;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::{Event, ItemId, Phase, codec};
use crate::ports::Ports;
use crate::position::Seq;

use super::super::records::{self, Found, Ground};
use super::super::{Options, replay};

/// What somebody has worked on: what a file without a place in the log must not change.
#[derive(Default)]
pub(super) struct Touched {
    /// Items with their phases; without one, items that were held or freed.
    pub(super) places: HashSet<(ItemId, Option<Phase>)>,
    /// The last record that was asked.
    pub(super) through: Seq,
}

/// The records behind `place` that took in earlier edits of the file at this path.
pub(super) fn by_file(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    place: Seq,
    (name, path): (&str, &str),
) -> Result<HashSet<Seq>> {
    let is_file = |file: &ImportedFile| file.path == path;
    let took = |event: &Event| match event {
        Event::Edited(edit) => edit.change.file == name,
        Event::Added { imported, .. } => imported.is_some(),
        _ => false,
    };
    let mut by_file = brought_by(ports, dir, options, &is_file, &took)?;
    by_file.retain(|seq| *seq > place);
    Ok(by_file)
}

/// The records of which `took` is true, among those that a file brought: behind its `imported`, before that of another.
pub(in crate::store) fn brought_by(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    is_file: &dyn Fn(&ImportedFile) -> bool,
    took: &dyn Fn(&Event) -> bool,
) -> Result<HashSet<Seq>> {
    let (mut brought, mut here) = (HashSet::new(), false);
    replay::each(ports, dir, options, &mut |record| match &record.event {
        Event::Imported(file) => here = is_file(file),
        event if here && took(event) => {
            brought.insert(record.seq);
        }
        _ => {}
    })?;
    Ok(brought)
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
