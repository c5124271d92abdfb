//! Fields that were taken out of a file that does not say where in the log it was written: what it said the last time tells of
//! them, and who has set what stands there.
//!
//! ```text
//!   the file last time     the store       who set it last          what becomes of it
//!   y 1                    y 1             the file, or before it   stays, and is told; with `prefer_file` it is unset
//!   y 1                    y 3             somebody since           stays, and is told
//!   -                      y 1             the file, long ago       stays; with `prefer_file` it is unset
//! ```

use super::{BOOKKEEPING, DataConflict, Run, is_same, json};
use crate::pipeline::enrichment::FieldChange;
use crate::pipeline::field::FieldPath;
use crate::pipeline::json::Json;
use crate::pipeline::members::Members;
use crate::position::Seq;

/// What a file without a place in the log said of an item the last time that it was taken over.
#[derive(Clone, Copy, Debug)]
pub struct Last<'a> {
    /// The record that took it over.
    pub seq: Seq,
    /// Of what it had, the fields that it has otherwise or no more.
    pub had: &'a Json,
    /// The last record that took over what it says now: what stood apart then was told.
    pub told: Seq,
}

/// A field that such a file had, and has no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataGone {
    /// Which.
    pub field: FieldPath,
    /// What stays.
    pub stays: Json,
    /// Nobody else has set it since: it goes if the file is to count.
    pub is_free: bool,
}

impl Run<'_, '_> {
    /// What of ours was taken out of an object in a file that does not say when it was written.
    pub(super) fn gone(
        &mut self,
        last: Option<&Members<'_>>,
        theirs: &Members<'_>,
        ours: &Members<'_>,
    ) {
        let prefer = self.wanted.prefer_file;
        if last.is_none() && !prefer {
            return;
        }
        for (key, value) in ours.iter().filter(|(key, _)| theirs.get(key).is_none()) {
            let keeps_book = self.keys.is_empty() && BOOKKEEPING.contains(&key);
            self.keys.push(key.to_owned());
            let field = FieldPath::new(&self.keys);
            self.keys.pop();
            let had = last.and_then(|last| last.get(key));
            let is_by_file = self.is_by_file(&field);
            if had.is_none() && !is_by_file {
                continue;
            }
            let is_free = is_by_file || self.is_as_last(&field, had, Some(value));
            if !prefer {
                // Programs write null for what they do not know.
                if had.is_some() && !keeps_book && value != "null" {
                    let stays = Json::from_compact(value.to_owned());
                    self.merged.gone.push(DataGone {
                        field,
                        stays,
                        is_free,
                    });
                }
            } else if is_free {
                let (old, new) = (json(Some(value)), None);
                let change = FieldChange { field, old, new };
                if keeps_book {
                    self.kept_book.push(change);
                } else {
                    self.merged.changes.push(change);
                }
            } else if !keeps_book && self.is_news(&field) {
                self.merged.conflicts.push(DataConflict {
                    field,
                    base: json(had),
                    found: None,
                    decided: json(Some(value)),
                    doubt: None,
                });
            }
        }
    }

    /// True if all that stands at a field was brought by earlier versions of the file.
    pub(super) fn is_by_file(&self, field: &FieldPath) -> bool {
        let Some(ours) = self.wanted.ours else {
            return false;
        };
        let mut by = ours.set_by(field).peekable();
        by.peek().is_some() && by.all(self.wanted.by_file)
    }

    /// True if the store has what the file `had` the last time, and nobody has set it since.
    pub(super) fn is_as_last(
        &self,
        field: &FieldPath,
        had: Option<&str>,
        ours: Option<&str>,
    ) -> bool {
        let last = self.wanted.last.filter(|_| had.is_some());
        let is_before = |last: Last<'_>| self.set_through(field) <= last.seq;
        is_same(had, ours) && last.is_some_and(is_before)
    }

    /// True if somebody has set what stands at a field since that was told last.
    fn is_news(&self, field: &FieldPath) -> bool {
        let told = self.wanted.last.map_or(Seq::NONE, |last| last.told);
        self.set_through(field) > told
    }

    /// The last record that set something at a field.
    fn set_through(&self, field: &FieldPath) -> Seq {
        let ours = self.wanted.ours.into_iter();
        let by = ours.flat_map(|ours| ours.set_by(field).map(|by| by.seq).collect::<Vec<_>>());
        by.max().unwrap_or(Seq::NONE)
    }
}
