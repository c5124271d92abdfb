//! What the log says about who has worked on what.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::error::Result;
use crate::pipeline::edit::key;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::merge::SetLast;
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
    /// Which imports have set fields of a phase of an item, or its own, since that added it.
    brought: HashMap<(ItemId, Option<Phase>), Vec<Brought>>,
    /// Which import added an item, with all that it brought.
    added: HashMap<ItemId, Bringer>,
    /// The paths of imports with the progress of items, as records have them.
    paths: Vec<String>,
    /// The last record that was asked.
    pub(super) through: Seq,
}

/// Where what an import has set came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bringer {
    /// Which of the paths.
    path: usize,
    /// The record.
    seq: Seq,
}

/// A field, and who brought what stands there.
type Brought = (Box<str>, Bringer);

/// The key of a phase's status. It brings all along that a report of that kind does.
const STATUS: &str = "status";

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
    let mut here = None;
    records::walk(ports, dir, options, &ground, ground.through, &mut |found| {
        if let Found::Record(raw) = found
            && let Ok(record) = codec::decode(raw.seq, raw.payload)
        {
            touched.note(&record.event, raw.seq, &mut here);
        }
        true
    })?;
    Ok(touched)
}

impl Touched {
    /// Items that somebody has freed, and nothing else.
    pub(super) fn of_freed(items: impl Iterator<Item = ItemId>) -> Self {
        Self {
            places: items.map(|item| (item, None)).collect(),
            ..Self::default()
        }
    }

    /// Which import has set a field last, of a phase of an item or (with `None`) of the item itself. Which paths `is_file` takes
    /// are those of the file that is asked about.
    pub(super) fn set_by(
        &self,
        item: &ItemId,
        phase: Option<&Phase>,
        key: &str,
        is_file: &dyn Fn(usize) -> bool,
    ) -> Option<SetLast> {
        let brought = self.brought.get(&(item.clone(), phase.cloned()));
        let is_it = |it: &str| it == key || it == STATUS && key::ALL.contains(&key);
        let own = brought.into_iter().flatten();
        let own = own.filter(|(it, _)| is_it(it)).map(|(_, by)| *by);
        let last = own
            .chain(self.added.get(item).copied())
            .max_by_key(|by| by.seq)?;
        Some(SetLast {
            is_file: is_file(last.path),
            seq: last.seq,
        })
    }

    /// The paths of imports with the progress of items, each once.
    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    fn note(&mut self, event: &Event, seq: Seq, here: &mut Option<usize>) {
        let place = match event {
            Event::Imported(file) if file.kind != ImportedFile::WORK_ITEMS => {
                *here = None;
                None
            }
            Event::Imported(file) => {
                let known = self.paths.iter().position(|path| *path == file.path);
                *here = Some(known.unwrap_or_else(|| {
                    self.paths.push(file.path.clone());
                    self.paths.len() - 1
                }));
                None
            }
            Event::Added {
                item,
                imported: Some(_),
                ..
            } => {
                if let Some(path) = *here {
                    self.added.insert(item.clone(), Bringer { path, seq });
                }
                None
            }
            // What a file brought another version of that file may change.
            Event::Edited(edit) => {
                if let Some(path) = *here {
                    let place = (edit.item.clone(), edit.phase.clone());
                    let (own, by) = (
                        self.brought.entry(place).or_default(),
                        Bringer { path, seq },
                    );
                    let change = &edit.change;
                    let set = change.set.iter().map(|field| &*field.key);
                    let unset = change.unset.iter().map(String::as_str);
                    for key in set.chain(unset).chain(change.now.map(|_| STATUS)) {
                        match own.iter_mut().find(|(known, _)| **known == *key) {
                            Some((_, known)) => *known = by,
                            None => own.push((key.into(), by)),
                        }
                    }
                }
                None
            }
            Event::Rejected { .. } => None,
            Event::Held { item, .. } | Event::Unheld { item } => Some((item.clone(), None)),
            other => other
                .item()
                .zip(other.phase())
                .map(|(item, phase)| (item.clone(), Some(phase.clone()))),
        };
        self.places.extend(place);
    }
}
