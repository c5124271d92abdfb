//! Whether a file that was taken over and edited again goes on from that, though a snapshot was put in its place since.
//!
//! A script that read the file once and writes all of it again at each step never reads what was put there meanwhile. A
//! second one that read the file before the first wrote does not know what the first one did: then a place that an edit has
//! changed since is as it was before that edit.

use std::collections::HashMap;

use crate::error::Result;
use crate::pipeline::enrichment::FieldChange;
use crate::pipeline::members::Members;
use crate::pipeline::merge::{at, is_same};
use crate::pipeline::{Event, ExtractionStatus, ItemId, Json, PipelineState};
use crate::snapshot::import::Says;

use super::super::given::BesideOriginal;
use super::super::lineage::is_same_place;
use super::super::originals::Values;
use super::super::replay;
use super::finder::Finder;

/// What edits of a file have changed in one item.
#[derive(Default)]
struct Edited {
    /// Fields of its data, in the order of the log.
    fields: Vec<FieldChange>,
    /// Its data was brought as a whole.
    whole: bool,
    /// Its extraction, as an edit set it.
    extraction: Option<ExtractionStatus>,
}

/// True unless the file has anything as it was before an edit of it that was taken over behind the state `then`.
///
/// # Errors
/// As [`replay::each`]; the system's refusal to read the file.
pub(super) fn goes_on(
    finder: &Finder<'_>,
    then: &PipelineState,
    original: &BesideOriginal,
) -> Result<bool> {
    let mut edited = edits(finder, then, original)?;
    let mut values = Values::of(finder.ports, None, original)?;
    for item in &original.document.items {
        let Some(edited) = edited.remove(&item.name) else {
            continue;
        };
        let is_older = match &item.says {
            Says::Data(span) => is_before(&values.json(span)?, &edited.fields),
            Says::Extraction(theirs) => {
                let index = then.index_of(item.name.as_str());
                let then = index.and_then(|index| then.item_at(index).extraction.clone());
                let then = then.and_then(|it| it.status);
                edited.extraction.is_some() && theirs.status == then && then != edited.extraction
            }
        };
        if is_older {
            return Ok(false);
        }
    }
    // What an edit brought, and the file does not know.
    let mut left = edited.values();
    Ok(!left.any(|it| it.whole || it.extraction.is_some()))
}

/// What edits of the file have changed behind a state, item by item.
fn edits(
    finder: &Finder<'_>,
    then: &PipelineState,
    original: &BesideOriginal,
) -> Result<HashMap<ItemId, Edited>> {
    let (disk, own) = (&*finder.ports.disk, &original.document.file);
    let (mut edited, mut here) = (HashMap::<ItemId, Edited>::new(), false);
    replay::each(finder.ports, finder.dir, finder.options, &mut |record| {
        if record.seq <= then.last_seq {
            return;
        }
        match &record.event {
            Event::Imported(file) => {
                here = file.kind == own.kind && is_same_place(disk, &file.path, &own.path);
            }
            Event::Enriched { item, data } if here => {
                let edited = edited.entry(item.clone()).or_default();
                edited.whole |= data.object.is_some();
                edited.fields.extend_from_slice(&data.changes);
            }
            Event::Extracted { item, extraction } if here => {
                let edited = edited.entry(item.clone()).or_default();
                edited.extraction = extraction.status.or(edited.extraction);
            }
            _ => {}
        }
    })?;
    Ok(edited)
}

/// True if an object has any of these fields as it was before it was edited, and not as it was in the end.
fn is_before(object: &Json, fields: &[FieldChange]) -> bool {
    let object = Members::of(object.as_str()).unwrap_or_default();
    fields.iter().any(|change| {
        let theirs = at(&object, &change.field);
        let is = |value: &Option<Json>| is_same(theirs, value.as_ref().map(Json::as_str));
        let last = fields.iter().rfind(|it| it.field == change.field);
        is(&change.old) && !last.is_some_and(|last| is(&last.new))
    })
}
