//! Takes the files beside `work_items.json` in: the items' data, and their image extraction.
//!
//! What an item does not have is filled in; where the store says otherwise the store stays, and that is reported. An
//! item that only such a file knows is added, held, with that reason. All files of one import are one group.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::pipeline::enrichment::{FieldChange, differences};
use crate::pipeline::{
    DataChange, Event, ExtractionChange, ExtractionStatus, Item, ItemData, ItemId, Json,
    PipelineState, Record, Status, Timestamp,
};
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::import::{BesideDocument, BesideItem, Finding, Says, Severity};

use super::append::{self, Verdict};
use super::create::keep_original;
use super::{Options, Store, View};

/// A file to be taken in.
#[derive(Debug)]
pub struct BesideOriginal {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub document: BesideDocument,
}

/// What taking one file in came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BesideResult {
    /// Items that are new.
    pub added: usize,
    /// Items of which something was recorded.
    pub changed: usize,
    /// Items of which nothing was.
    pub unchanged: usize,
    /// Where it was taken over before.
    pub before: Option<Seq>,
    /// What was not as it should be, and what was decided.
    pub findings: Vec<Finding>,
}

/// What taking files in came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "it says what was recorded and what a person should look at"]
pub struct BesideTaken {
    /// The first and the last record; `None` if there is nothing to record.
    pub recorded: Option<(Seq, Seq)>,
    /// File by file.
    pub files: Vec<BesideResult>,
}

impl Store {
    /// Takes files in beside what the store has; nothing is recorded of one that was taken over before.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn import_beside(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        originals: &[BesideOriginal],
    ) -> Result<BesideTaken> {
        let mut store = Self::open(ports.clone(), dir, options.clone())?;
        // Where nothing is new nothing is kept.
        let is_news = !take(store.state(), originals).0.is_empty();
        for original in originals.iter().filter(|_| is_news) {
            let (path, file) = (&original.path, &original.document.file);
            if before(store.state(), original).is_none() {
                keep_original(ports, dir, path, &file.sha256, &original.bytes)?;
            }
        }
        let done = append::transact(&mut store, |state, _| {
            let (events, files) = take(state, originals);
            if events.is_empty() {
                Verdict::Answer(files)
            } else {
                Verdict::Append(events, files)
            }
        })?;
        let records = &done.records;
        let recorded = records.first().zip(records.last());
        Ok(BesideTaken {
            recorded: recorded.map(|(first, last)| (first.seq, last.seq)),
            files: done.outcome,
        })
    }

    /// What [`Store::import_beside`] would come to; nothing is written.
    ///
    /// # Errors
    /// As [`View::open`].
    pub fn would_import_beside(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        originals: &[BesideOriginal],
    ) -> Result<BesideTaken> {
        let view = View::open(ports, dir, options)?;
        let (events, files) = take(view.state(), originals);
        // Where they would stand cannot be known; that there are some can.
        let recorded = (!events.is_empty()).then_some((Seq::NONE, Seq::NONE));
        Ok(BesideTaken { recorded, files })
    }
}

/// What files add to a store that these events make.
pub fn onto(events: &[Event], originals: &[BesideOriginal]) -> (Vec<Event>, Vec<BesideResult>) {
    let mut state = PipelineState::default();
    for (event, seq) in events.iter().zip(1..) {
        state.apply(&Record {
            seq: Seq::new(seq),
            at: Timestamp::EPOCH,
            clock_given: false,
            event: event.clone(),
        });
    }
    take(&state, originals)
}

fn before(state: &PipelineState, original: &BesideOriginal) -> Option<Seq> {
    let sha256 = &original.document.file.sha256;
    let mut imports = state.imports.iter();
    imports.find(|it| it.sha256 == *sha256).map(|it| it.seq)
}

fn take(state: &PipelineState, originals: &[BesideOriginal]) -> (Vec<Event>, Vec<BesideResult>) {
    let mut taking = Taking {
        state,
        new: HashSet::new(),
        events: Vec::new(),
    };
    let files = originals.iter().map(|original| taking.file(original));
    let files = files.collect();
    (taking.events, files)
}

struct Taking<'s> {
    state: &'s PipelineState,
    /// Items that are added here.
    new: HashSet<ItemId>,
    events: Vec<Event>,
}

impl Taking<'_> {
    fn file(&mut self, original: &BesideOriginal) -> BesideResult {
        let document = &original.document;
        let mut result = BesideResult::default();
        if let Some(seq) = before(self.state, original) {
            result.before = Some(seq);
            result.unchanged = document.items.len();
            return result;
        }
        result.findings.clone_from(&document.findings);
        let at = self.events.len();
        for item in &document.items {
            self.item(original, item, &mut result);
        }
        let companion = match &*document.file.kind {
            crate::pipeline::event::ImportedFile::ENRICHMENT => &self.state.enrichment,
            _ => &self.state.extraction,
        };
        let known = companion.as_ref().is_some_and(|known| {
            *known.shape == *document.file.shape && known.extras == document.file.extras
        });
        if self.events.len() > at || !known {
            let imported = Event::Imported(Box::new(document.file.clone()));
            self.events.insert(at, imported);
        }
        let place = |finding: &Finding| (finding.line, finding.column);
        result.findings.sort_by_key(place);
        result
    }

    fn item(&mut self, original: &BesideOriginal, item: &BesideItem, result: &mut BesideResult) {
        let name = &item.name;
        let index = self.state.index_of(name.as_str());
        let known = index.map(|index| &self.state.items()[index]);
        let of_file = original.path.file_name().unwrap_or_default();
        let of_file = of_file.to_string_lossy();
        let is_new = known.is_none() && self.new.insert(name.clone());
        if is_new {
            let reason = format!("known only to {of_file}");
            let message = "no other file knows the item; it is added, held";
            result.findings.push(finding(
                "I-ONLY-IN",
                item,
                name.as_str(),
                "added, held",
                message,
            ));
            self.events.push(Event::Added {
                item: name.clone(),
                id: None,
                imported: None,
            });
            self.events.push(Event::Held {
                item: name.clone(),
                reason: Some(reason),
            });
            result.added += 1;
        }
        let events = self.events.len();
        match &item.says {
            Says::Data(object) => {
                let data = known.and_then(|known| known.data.as_deref());
                let source = Some(of_file.as_ref().into());
                self.data(item, object, data, source, result);
            }
            Says::Extraction(change) => {
                self.extraction(item, change, known, result);
            }
        }
        if self.events.len() > events {
            result.changed += usize::from(!is_new);
        } else if !is_new {
            result.unchanged += 1;
        }
    }

    fn data(
        &mut self,
        item: &BesideItem,
        object: &Json,
        data: Option<&ItemData>,
        source: Option<Box<str>>,
        result: &mut BesideResult,
    ) {
        let Some(data) = data else {
            self.enrich(item, Some(object.clone()), Vec::new(), source);
            return;
        };
        let file = ItemData::from_parts(object.clone(), None, Vec::new());
        let mut changes = Vec::new();
        for change in differences(Some(data), Some(&file)) {
            match (&change.old, &change.new) {
                // What the store has and the file has not stays.
                (_, None) => {}
                (None, Some(_)) => changes.push(change),
                (Some(old), Some(new)) => {
                    let (old, new) = (old.as_str(), new.as_str());
                    let field = &change.field;
                    let message = format!(
                        "{field} is {new} in the file, the store has {old}; the store counts"
                    );
                    let found = finding("I-EDIT-CONFLICT", item, new, old, &message);
                    result.findings.push(found);
                }
            }
        }
        if !changes.is_empty() {
            self.enrich(item, None, changes, source);
        }
    }

    fn enrich(
        &mut self,
        item: &BesideItem,
        object: Option<Json>,
        changes: Vec<FieldChange>,
        source: Option<Box<str>>,
    ) {
        let data = DataChange {
            source,
            confidence: None,
            object,
            changes,
        };
        self.events.push(Event::Enriched {
            item: item.name.clone(),
            data: Box::new(data),
        });
    }

    fn extraction(
        &mut self,
        item: &BesideItem,
        change: &ExtractionChange,
        known: Option<&Item>,
        result: &mut BesideResult,
    ) {
        if let Some(known) = known {
            self.cross(item, change, known, result);
        }
        let Some(now) = known.and_then(|known| known.extraction.as_deref()) else {
            self.events.push(Event::Extracted {
                item: item.name.clone(),
                extraction: Box::new(change.clone()),
            });
            return;
        };
        if now.status != change.status && change.status.is_some() {
            let word = |status: Option<ExtractionStatus>| {
                status.map_or("unknown", ExtractionStatus::as_str)
            };
            let (file, own) = (word(change.status), word(now.status));
            let message = format!(
                "its extraction is {file} in the file, {own} in the store; the store counts"
            );
            let found = finding("I-EDIT-CONFLICT", item, file, own, &message);
            result.findings.push(found);
        }
    }

    /// Holds an extraction against the phases that are about images.
    fn cross(
        &self,
        item: &BesideItem,
        change: &ExtractionChange,
        known: &Item,
        result: &mut BesideResult,
    ) {
        for (planned, phase) in self.state.plan.phases().iter().zip(&known.phases) {
            let name = planned.phase.as_str();
            if !["image", "photo"].iter().any(|word| name.contains(word)) {
                continue;
            }
            let file = match (change.status, phase.status) {
                (Some(status @ ExtractionStatus::Completed), Status::Pending | Status::Failed)
                | (Some(status @ ExtractionStatus::Failed), Status::Completed) => status.as_str(),
                _ => continue,
            };
            let status = phase.status.as_str();
            let message = format!("its extraction is {file}, but {name} is {status}; both stay");
            let mut found = finding("I-CROSS", item, file, "both stay", &message);
            found.phase = Some(name.to_owned());
            result.findings.push(found);
        }
    }
}

fn finding(
    code: &'static str,
    item: &BesideItem,
    found: &str,
    decided: &str,
    message: &str,
) -> Finding {
    Finding {
        code,
        severity: Severity::Judged,
        line: Some(item.line),
        column: Some(item.column),
        item: Some(item.name.to_string()),
        phase: None,
        found: found.to_owned(),
        decided: decided.to_owned(),
        message: message.to_owned(),
    }
}
