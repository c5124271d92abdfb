//! What the log says about who has worked on what.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::error::Result;
use crate::pipeline::event::ImportedFile;
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
    /// Whose imports have said something of a phase of an item, or of its own fields.
    brought: HashMap<(ItemId, Option<Phase>), Bringer>,
    /// The same of all phases of an item and its own fields, by the import that added it.
    added: HashMap<ItemId, usize>,
    /// The paths of imports with the progress of items, as records have them.
    paths: Vec<String>,
    /// The last record that was asked.
    pub(super) through: Seq,
}

/// Where what imports have said of one place came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bringer {
    /// From this path alone.
    Path(usize),
    Several,
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
    let mut here = None;
    records::walk(ports, dir, options, &ground, ground.through, &mut |found| {
        if let Found::Record(raw) = found
            && let Ok(record) = codec::decode(raw.seq, raw.payload)
        {
            touched.note(&record.event, &mut here);
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

    /// True if all that imports have said of a phase of an item, or (with `None`) of its own fields, came from files for
    /// which `is_file` is true, by the paths that they had.
    pub(super) fn came_from(
        &self,
        item: &ItemId,
        phase: Option<&Phase>,
        is_file: &dyn Fn(usize) -> bool,
    ) -> bool {
        let brought = self.brought.get(&(item.clone(), phase.cloned()));
        let added = self.added.get(item).copied();
        let own = match brought {
            None => return added.is_some_and(is_file),
            Some(Bringer::Several) => return false,
            Some(Bringer::Path(path)) => *path,
        };
        is_file(own) && added.is_none_or(is_file)
    }

    /// The paths of imports with the progress of items, each once.
    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    fn note(&mut self, event: &Event, here: &mut Option<usize>) {
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
                if let Some(here) = *here {
                    self.added.insert(item.clone(), here);
                }
                None
            }
            // What a file brought another version of that file may change.
            Event::Edited(edit) => {
                if let Some(here) = *here {
                    let place = (edit.item.clone(), edit.phase.clone());
                    let own = self.brought.entry(place).or_insert(Bringer::Path(here));
                    if *own != Bringer::Path(here) {
                        *own = Bringer::Several;
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
