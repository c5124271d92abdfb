//! Writes `work_items.json`, in order, without building it in memory.

use std::io::{self, Write as _};

use super::Written;
use super::rest::{self, DataRow, data_rows};
use crate::pipeline::ready::Counts;
use crate::pipeline::status::ItemStatus;
use crate::pipeline::{Item, Json, PhaseState, PipelineState, Status};
use crate::snapshot::layout::{DOCUMENT, ITEM, PHASE};
use crate::snapshot::sink::{Object, Sink};
use crate::snapshot::{CompanionName, LogPlace, TimeStyle, crc_text};

/// Writes the state as `work_items.json`: 2-space indented, keys in the documented order, unknown fields where they
/// stood, the checksum of everything before it in the last line.
///
/// # Errors
/// Only what `out` returns.
pub fn encode(
    state: &PipelineState,
    place: &LogPlace,
    companions: &[CompanionName],
    times: TimeStyle,
    out: &mut dyn io::Write,
) -> io::Result<Written> {
    let rows = &mut data_rows(state);
    encode_with(state, rows, place, companions, times, out)
}

/// As [`encode`], with what the root says of the items' data given apart.
pub(super) fn encode_with(
    state: &PipelineState,
    rows: &mut dyn Iterator<Item = DataRow>,
    place: &LogPlace,
    companions: &[CompanionName],
    times: TimeStyle,
    out: &mut dyn io::Write,
) -> io::Result<Written> {
    let mut sink = Sink::new(times, out);
    let mut document = Object::open(&mut sink, 1).with(DOCUMENT, &state.document.extras);
    document.text("schema_version", super::SCHEMA_VERSION);
    session(&mut document, state, place);
    plan(&mut document, state);
    let counts = work_items(&mut document, state)?;
    summary(&mut document, &counts);
    document.time("last_checkpoint", state.last_change_at);
    document.extras_at_end();
    log(&mut document, state, rows, place, companions)?;
    sink.seal()
}

fn session(document: &mut Object<'_, '_>, state: &PipelineState, place: &LogPlace) {
    if let Some(session) = &state.document.session {
        document.key("session");
        return document.sink.json(session, 1);
    }
    let id = place.id.get(..8).unwrap_or(&place.id);
    let mut session = document.object("session");
    session.text("session_id", &format!("phaselog_{id}"));
    session.time("started_at", state.document.started_at);
    session.text("mode", "batch");
    session.number("total_items", state.items().len() as u64);
    session.close();
}

fn plan(document: &mut Object<'_, '_>, state: &PipelineState) {
    document.key("plan");
    let phases = serde_json::to_value(state.plan.phases()).expect("a plan is plain JSON");
    document.sink.json(&Json::from_value(&phases), 1);
}

/// The items; gives how many of them stand where.
fn work_items(document: &mut Object<'_, '_>, state: &PipelineState) -> io::Result<Counts> {
    document.key("work_items");
    let sink = &mut *document.sink;
    let mut counts = Counts::default();
    sink.put("[");
    for (index, one) in state.items().enumerate() {
        if index > 0 {
            sink.put(",");
        }
        sink.line(2);
        counts.items[one.status() as usize] += 1;
        item(sink, state, index, &one);
        sink.pass_on()?;
    }
    if counts.total() > 0 {
        sink.line(1);
    }
    sink.put("]");
    Ok(counts)
}

fn item(sink: &mut Sink<'_>, state: &PipelineState, index: usize, item: &Item) {
    let mut object = Object::open(sink, 3).with(ITEM, &item.extras);
    match &item.id {
        Some(id) => object.text("id", id),
        None => object.text("id", &item.name.derived_id()),
    }
    object.text("address", item.name.as_str());
    object.number("index", index as u64);
    object.text("status", item.status().as_str());
    let mut phases = object.object("phases");
    for (plan, phase) in state.plan.phases().iter().zip(&item.phases) {
        let object = phases.object_named(plan.phase.as_str());
        write_phase(object.with(PHASE, &phase.extras), phase);
    }
    phases.close();
    object.time("created_at", item.created_at);
    object.time("last_updated", item.last_updated);
    object.close();
}

fn write_phase(mut object: Object<'_, '_>, phase: &PhaseState) {
    object.text("status", phase.status.as_str());
    object.time("started_at", phase.started_at);
    let failed = phase.status == Status::Failed;
    match phase.status {
        Status::Failed => {
            object.time("failed_at", phase.failed_at);
            match &phase.error_message {
                Some(error) => object.text("error_message", error),
                None => object.time("error_message", None),
            }
        }
        Status::InProgress => {}
        Status::Pending | Status::Completed | Status::Skipped => {
            object.time("completed_at", phase.completed_at);
        }
    }
    if let Some(worker) = &phase.worker {
        object.text("worker", worker);
    }
    if let (Status::InProgress, Some(token)) = (phase.status, phase.token) {
        object.number("token", token.get());
    }
    object.number("attempts", phase.attempts.into());
    object.number("retry_count", phase.retry_count.into());
    if let (Some(error), false) = (&phase.error_message, failed) {
        object.text("error_message", error);
    }
    if phase.stale_reset_at.is_some() {
        object.time("stale_reset_at", phase.stale_reset_at);
    }
    if let Some(word) = &phase.imported_status {
        object.text("imported_status", word);
    }
    object.close();
}

fn summary(document: &mut Object<'_, '_>, counts: &Counts) {
    let mut summary = document.object("summary");
    summary.number("total", counts.total() as u64);
    for status in ItemStatus::ALL {
        summary.number(status.as_str(), counts.items[status as usize] as u64);
    }
    summary.key("completion_percentage");
    write!(summary.sink.buffer, "{:.1}", counts.completion_percentage())
        .expect("a vector takes all bytes");
    summary.close();
}

fn log(
    document: &mut Object<'_, '_>,
    state: &PipelineState,
    rows: &mut dyn Iterator<Item = DataRow>,
    place: &LogPlace,
    companions: &[CompanionName],
) -> io::Result<()> {
    let mut log = document.object("log");
    log.text("id", &place.id);
    log.number("seq", place.seq.get());
    log.text("crc32", &crc_text(place.crc32));
    log.text("sha256", &place.sha256);
    let mut files = log.object("files");
    for companion in companions {
        let mut file = files.object_named(&companion.name);
        file.number("bytes", companion.bytes);
        file.text("crc32", &crc_text(companion.crc32));
        file.close();
    }
    files.close();
    rest::write(log.object("state"), state, rows)?;
    log.close();
    Ok(())
}
