//! What is found out about an item: what a report brings with it, and what is said on its own.

use super::{Target, record};
use crate::pipeline::command::{Decision, Report, Unchanged};
use crate::pipeline::enrichment::{DataChange, DataPatch, MAX_LEVELS};
use crate::pipeline::event::Event;
use crate::pipeline::extraction::{ExtractionChange, ExtractionStatus};
use crate::pipeline::item::Item;
use crate::pipeline::rejection::Rejection;

/// What a report brings that the item does not have: of its data, and of its extraction. Who does not say whose the data
/// is was the worker of the phase. Where the phase `ends` by it, so does the extraction, whatever it was before.
pub(super) fn brought(
    target: &Target<'_>,
    report: &Report,
    ends: bool,
) -> (Option<Box<DataChange>>, Option<Box<ExtractionChange>>) {
    let item = &*target.item;
    let data = report
        .data
        .as_ref()
        .and_then(|patch| patch.changes(item.data.as_deref()));
    let data = data.map(|mut data| {
        if data.source.is_none() {
            data.source.clone_from(&target.state().worker);
        }
        Box::new(data)
    });
    let stands = item
        .extraction
        .as_ref()
        .and_then(|extraction| extraction.status);
    let extraction = report
        .extraction
        .filter(|&status| ends || stands != Some(status));
    let extraction = extraction.map(|status| Box::new(ExtractionChange::reported(status)));
    (data, extraction)
}

/// Data that is nested too deep could be written down and never be read again, neither from the log nor from a snapshot.
/// Data with the address of another item would be one thing here and another in the file, where that field is the item.
pub(super) fn can_be_kept(event: &Event) -> Result<(), Rejection> {
    let (Event::Completed {
        item,
        data: Some(data),
        ..
    }
    | Event::Enriched { item, data }) = event
    else {
        return Ok(());
    };
    let is_item =
        |json: &String| serde_json::from_str::<String>(json).is_ok_and(|it| it == item.as_str());
    if let Some(given) = data.address().filter(|json| !is_item(json)) {
        return Err(Rejection::OtherAddress {
            item: item.clone(),
            given,
        });
    }
    let levels = data.levels();
    if levels <= MAX_LEVELS {
        return Ok(());
    }
    Err(Rejection::TooDeep {
        item: item.clone(),
        levels,
        limit: MAX_LEVELS,
    })
}

pub(super) fn enrich(item: &Item, patch: &DataPatch) -> Result<Decision, Rejection> {
    let name = item.name.clone();
    match patch.changes(item.data.as_deref()) {
        Some(data) => record(Event::Enriched {
            item: name,
            data: Box::new(data),
        }),
        None => Ok(Decision::Unchanged(Unchanged::Data { item: name })),
    }
}

/// Each end of an extraction is a look at it, and says when it was: only that somebody is at it is said once.
pub(super) fn extract(item: &Item, status: ExtractionStatus) -> Result<Decision, Rejection> {
    let name = item.name.clone();
    match item.extraction.as_deref() {
        Some(now) if status == ExtractionStatus::InProgress && now.status == Some(status) => {
            Ok(Decision::Unchanged(Unchanged::Extraction {
                item: name,
                status,
                since: now.since,
            }))
        }
        _ => record(Event::Extracted {
            item: name,
            extraction: Box::new(ExtractionChange::reported(status)),
        }),
    }
}
