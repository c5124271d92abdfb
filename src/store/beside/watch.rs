//! What a file has otherwise than it is compared with, of one item, while the log is gone through for when it had the same.

use std::sync::Arc;

use crate::pipeline::enrichment::ItemData;
use crate::pipeline::members::Members;
use crate::pipeline::merge::{Differing, Evidence, at, is_same};
use crate::pipeline::{DataChange, FieldPath, ItemExtraction, Json, Record};
use crate::position::Seq;

use super::sayable::{Said, sayable};

/// One item.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Of the data what stands under `keys`: all of it may be most of the memory.
    data: Option<Arc<ItemData>>,
    keys: Vec<String>,
    extraction: Option<Box<ItemExtraction>>,
    fields: Vec<Field>,
    /// The records that set what the file has as what it is compared with.
    pub(super) present: Vec<Seq>,
}

/// One thing that differs.
#[derive(Debug)]
struct Field {
    theirs: Theirs,
    /// Since when the log has what the file has; `None` if it has not.
    since: Option<Seq>,
    found: Differing,
}

/// What the file has.
#[derive(Debug)]
enum Theirs {
    /// At a field of the data.
    Data(FieldPath, Option<Json>),
    /// Of the extraction.
    Extraction(Said),
}

/// The key of the member of the data that a field is, or lies in.
fn outermost(field: &FieldPath) -> String {
    let keys = field.keys();
    keys.first().map(ToString::to_string).unwrap_or_default()
}

impl Watched {
    fn watch(&mut self, theirs: Theirs) {
        self.fields.push(Field {
            theirs,
            since: None,
            found: Differing::default(),
        });
    }

    /// Watches a field of the data.
    pub(super) fn watch_data(&mut self, path: FieldPath, theirs: Option<Json>) {
        let key = outermost(&path);
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        self.watch(Theirs::Data(path, theirs));
    }

    /// Watches the extraction.
    pub(super) fn watch_extraction(&mut self, theirs: Said) {
        self.watch(Theirs::Extraction(theirs));
    }

    /// True if it is the data that differs.
    pub(super) fn is_data(&self) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|field| matches!(field.theirs, Theirs::Data(..)))
    }

    /// Of a change what is watched.
    fn watched_of(&self, change: &DataChange) -> DataChange {
        let is_watched = |key: &str| self.keys.iter().any(|it| it == key);
        let object = change.object.as_ref().map(|object| {
            let mut members = Members::of(object.as_str()).unwrap_or_default();
            members.retain(|key, _| is_watched(key));
            members.to_json()
        });
        let changes = change.changes.iter();
        let changes = changes.filter(|it| is_watched(&outermost(&it.field)));
        DataChange {
            source: None,
            confidence: None,
            object,
            changes: changes.cloned().collect(),
        }
    }

    /// Takes in a record about the item.
    pub(super) fn take(&mut self, record: &Record, shape: &str) {
        let (seq, time) = (record.seq, record.at);
        let (data, extraction) = (record.event.data(), record.event.extraction());
        if let Some(change) = data {
            let change = self.watched_of(change);
            ItemData::apply(&mut self.data, &change, seq, time);
        }
        if let Some(change) = extraction {
            ItemExtraction::apply(&mut self.extraction, change, seq, time);
        }
        let object = self.data.as_ref().map(|data| data.object());
        let object = object.and_then(|object| Members::of(object.as_str()));
        for field in &mut self.fields {
            let has_same = match (&field.theirs, data, extraction) {
                (Theirs::Data(path, theirs), Some(change), _) => {
                    let mut changes = change.changes.iter().map(|it| &it.field);
                    let is_about = |it: &FieldPath| it.is_within(path) || path.is_within(it);
                    if change.object.is_none() && !changes.any(is_about) {
                        continue;
                    }
                    let ours = object.as_ref().and_then(|object| at(object, path));
                    is_same(theirs.as_ref().map(Json::as_str), ours)
                }
                (Theirs::Extraction(theirs), _, Some(_)) => {
                    let now = self.extraction.as_deref().cloned().unwrap_or_default();
                    sayable(shape, (now.status, now.last_checked, now.retry_count)) == *theirs
                }
                _ => continue,
            };
            field.found.moved = seq;
            if has_same {
                field.since.get_or_insert(seq);
            } else if let Some(since) = field.since.take() {
                field.found.held.push((since, seq));
            }
        }
    }

    /// Marks what an edit of the file had in the data.
    pub(super) fn mark_data(&mut self, object: &Json) {
        let object = Members::of(object.as_str()).unwrap_or_default();
        for field in &mut self.fields {
            if let Theirs::Data(path, theirs) = &field.theirs {
                let before = at(&object, path);
                field.found.of_version = is_same(theirs.as_ref().map(Json::as_str), before);
            }
        }
    }

    /// Marks what an edit of the file said of the extraction.
    pub(super) fn mark_extraction(&mut self, said: Said) {
        for field in &mut self.fields {
            if let Theirs::Extraction(theirs) = &field.theirs {
                field.found.of_version = *theirs == said;
            }
        }
    }

    /// What it tells, with where each of the fields stands; `None` for the extraction. What the log had at the end was put back
    /// on purpose.
    pub(super) fn into_evidence(self) -> (Vec<Option<FieldPath>>, Evidence) {
        let fields = self.fields.into_iter();
        let fields = fields.filter(|field| field.since.is_none());
        let fields = fields.map(|field| match field.theirs {
            Theirs::Data(path, _) => (Some(path), field.found),
            Theirs::Extraction(_) => (None, field.found),
        });
        let (paths, differing) = fields.unzip();
        let present = self.present;
        (
            paths,
            Evidence {
                differing,
                present,
                gone: Vec::new(),
            },
        )
    }
}
