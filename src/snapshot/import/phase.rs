//! One phase of one item: an object with a status, or the word alone.

use super::fields::{self, Known};
use super::finding::{About, Remark};
use super::reader::{Found, Reader, keep};
use super::tree::{Field, Node, Value};
use super::words::Sure;
use crate::error::Error;
use crate::pipeline::event::ImportedPhase;
use crate::pipeline::json::Extras;
use crate::pipeline::{Phase, Status, Timestamp};

const KNOWN: [Known; 11] = [
    Known::written("status", &["status"]),
    Known::written("started_at", &["started_at", "started"]),
    Known::behind("started_at", "completed_at", &["completed_at", "completed"]),
    Known::behind("started_at", "failed_at", &["failed_at"]),
    Known::behind("started_at", "worker", &["worker"]),
    Known::behind("started_at", "token", &["token"]),
    Known::written("attempts", &["attempts"]),
    Known::written("retry_count", &["retry_count"]),
    Known::behind("retry_count", "error_message", &["error_message", "error"]),
    Known::behind("retry_count", "stale_reset_at", &["stale_reset_at"]),
    Known::behind("status", "imported_status", &["imported_status"]),
];

/// A phase that was read.
pub(super) struct Draft {
    pub(super) state: ImportedPhase,
    /// The word that says the item is to be held.
    pub(super) holds: Option<String>,
}

/// Reads the phase that stands in a field of `phases`.
pub(super) fn read(reader: &mut Reader<'_>, item: &str, field: &Field<'_>) -> Result<Draft, Error> {
    let phase = name(reader, item, field)?;
    let about = About::item(item).phase(phase.as_str());
    let (mut found, mut draft) = (Found::new(), empty(phase.clone()));
    match &field.node.value {
        Value::Object(fields) => read_object(reader, fields, about, &mut found, &mut draft)?,
        Value::Null => {}
        _ => read_status(reader, Some(&field.node), about, &mut draft),
    }
    let state = &mut draft.state;
    if state.status == Status::InProgress && state.started_at.is_none() {
        let message = "in progress without a start time; the time limit counts from the import";
        let remark = Remark::note("I-NO-START", field.at).about(about);
        reader.remark(
            remark
                .found("no start time")
                .decided("counts from the import")
                .says(message),
        );
    }
    if state.status == Status::Completed && state.completed_at.is_none() {
        let remark = Remark::note("I-NO-END", field.at).about(about);
        let message = "completed, and nothing says when";
        reader.remark(remark.found("no end time").decided("unknown").says(message));
    }
    state.found = found;
    Ok(draft)
}

fn read_object(
    reader: &mut Reader<'_>,
    fields: &[Field<'_>],
    about: About<'_>,
    found: &mut Found,
    draft: &mut Draft,
) -> Result<(), Error> {
    let sorted = fields::sort(reader, fields, &KNOWN)?;
    let status = sorted.get("status").map(|field| &field.node);
    read_status(reader, status, about, draft);
    let state = &mut draft.state;
    state.started_at = reader.time(sorted.get("started_at"), about, found);
    state.completed_at = reader.time(sorted.get("completed_at"), about, found);
    state.failed_at = reader.time(sorted.get("failed_at"), about, found);
    state.stale_reset_at = reader.time(sorted.get("stale_reset_at"), about, found);
    state.attempts = count(reader, sorted.get("attempts"), about, found);
    state.retry_count = count(reader, sorted.get("retry_count"), about, found);
    let error = sorted.get("error_message").map(|field| &field.node);
    // An error that is no text is kept as the JSON that it is.
    state.error_message = match error.filter(|node| !node.is_blank()) {
        Some(node) => Some(match node.text() {
            Some(text) => text.to_owned(),
            None => reader.json(node)?.to_string(),
        }),
        None => None,
    };
    let word = sorted
        .get("imported_status")
        .and_then(|field| field.node.text());
    if state.imported_status.is_none() {
        state.imported_status = word.filter(|word| !word.is_empty()).map(str::to_owned);
    }
    for key in ["worker", "token"] {
        let Some(field) = sorted.get(key).filter(|field| !field.node.is_blank()) else {
            continue;
        };
        // Nobody holds a phase here by a token of another log, and nobody will report with it.
        let text = reader.shown(&field.node);
        let remark = Remark::note("I-FIELD", field.at).about(about).found(&text);
        let message =
            format!("{key} means nothing in this store; it is kept in the record of the import");
        reader.remark(remark.decided("kept in the record").says(message));
        keep(found, key, &text);
    }
    check_order(
        reader,
        sorted.get("started_at"),
        about,
        state,
        found,
        |end| sorted.get(end),
    );
    state.extras = sorted.extras;
    Ok(())
}

fn read_status(
    reader: &mut Reader<'_>,
    node: Option<&Node<'_>>,
    about: About<'_>,
    draft: &mut Draft,
) {
    let Some(node) = node.filter(|node| !node.is_blank()) else {
        return;
    };
    let word = reader.shown(node);
    let meaning = reader.word(&word, node.at, about);
    draft.state.status = meaning.status;
    if meaning.sure != Sure::Ours {
        draft.state.imported_status = Some(word.clone());
    }
    draft.holds = meaning.holds.then_some(word);
}

/// Reports an end before the start. Both stay: which of them is wrong cannot be told from here.
fn check_order<'n, 'a: 'n>(
    reader: &mut Reader<'_>,
    started: Option<&Field<'_>>,
    about: About<'_>,
    state: &ImportedPhase,
    found: &mut Found,
    field_of: impl Fn(&str) -> Option<&'n Field<'a>>,
) {
    let (Some(start), Some(started)) = (state.started_at, started) else {
        return;
    };
    let ends: [(&str, Option<Timestamp>); 2] = [
        ("completed_at", state.completed_at),
        ("failed_at", state.failed_at),
    ];
    for (key, end) in ends {
        let (Some(end), Some(field)) = (end.filter(|end| *end < start), field_of(key)) else {
            continue;
        };
        let (start_text, end_text) = (reader.shown(&started.node), reader.shown(&field.node));
        keep(found, &started.key, &start_text);
        keep(found, &field.key, &end_text);
        let remark = Remark::judged("I-END-BEFORE-START", field.node.at).about(about);
        let message = format!(
            "{} ({end}) lies before {} ({start}); both stay",
            field.key, started.key
        );
        let text = format!("{start_text} .. {end_text}");
        reader.remark(remark.found(text).decided("both stay").says(message));
    }
}

/// Reads how often something happened; what is no such number counts as 0.
fn count(
    reader: &mut Reader<'_>,
    field: Option<&Field<'_>>,
    about: About<'_>,
    found: &mut Found,
) -> u32 {
    let Some(field) = field.filter(|field| !field.node.is_blank()) else {
        return 0;
    };
    let text = reader.shown(&field.node);
    let plain = text.strip_suffix(".0").unwrap_or(&text);
    plain.parse().unwrap_or_else(|_| {
        let remark = Remark::judged("I-FIELD", field.node.at)
            .about(about)
            .found(&text);
        let message = format!("{} is no number of attempts; it counts as 0", field.key);
        reader.remark(remark.decided("0").says(message));
        keep(found, &field.key, &text);
        0
    })
}

/// The phase's name. Names here are words without spaces; a name that is none is changed, and that is reported.
fn name(reader: &mut Reader<'_>, item: &str, field: &Field<'_>) -> Result<Phase, Error> {
    if let Some(phase) = reader.phase(&field.key) {
        return Ok(phase);
    }
    let word = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let text: String = field.key.chars().map(word).collect();
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let phase = Phase::new(text).map_err(|error| reader.error(field.at, error.to_string()))?;
    if reader.renamed.insert(field.key.clone().into_owned()) {
        let remark = Remark::judged("I-PHASE-NAME", field.at);
        let about = About::item(item).phase(phase.as_str());
        let message = format!(
            "{:?} cannot be the name of a phase here; it is {phase} from now on",
            field.key
        );
        reader.remark(
            remark
                .about(about)
                .found(&*field.key)
                .decided(phase.as_str())
                .says(message),
        );
    }
    Ok(phase)
}

fn empty(phase: Phase) -> Draft {
    let state = ImportedPhase {
        phase,
        status: Status::Pending,
        imported_status: None,
        started_at: None,
        completed_at: None,
        failed_at: None,
        stale_reset_at: None,
        error_message: None,
        attempts: 0,
        retry_count: 0,
        found: Found::new(),
        extras: Extras::default(),
    };
    Draft { state, holds: None }
}
