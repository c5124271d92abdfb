//! Rows for other tools: one for each phase of each item, for each item, or for each record.
//!
//! A table is a list of columns, each with its name, what it says, and how it is taken from a row: what the help says
//! and what is written cannot differ. Columns may be added at the end, never changed.

use std::borrow::Cow;

use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::pipeline::extraction::{ExtractionStatus, ItemExtraction};
use crate::pipeline::ready::{self, Reason};
use crate::pipeline::{Facts, Item, Now, PhasePlan, PhaseState, Status, Timestamp};

use super::history::Told;

/// One value of a row.
#[derive(Clone, Debug)]
pub enum Cell<'r> {
    /// Unknown, or there is none.
    None,
    /// Text as it stands.
    Text(Cow<'r, str>),
    /// A count, an index or the number of a record.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A point in time.
    Time(Timestamp),
    /// A length of time in microseconds; written in seconds.
    Micros(u64),
    /// JSON as it stands.
    Json(&'r RawValue),
}

/// A column of a table whose rows are `R`.
pub struct Column<R> {
    /// Its name: the CSV header, the key in JSON lines.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    cell: for<'r> fn(&'r R) -> Cell<'r>,
}

impl<R> Column<R> {
    /// The column's value in a row.
    pub fn of<'r>(&self, row: &'r R) -> Cell<'r> {
        (self.cell)(row)
    }
}

/// A phase of an item.
pub struct PhaseRow<'a> {
    index: usize,
    item: &'a Item,
    planned: &'a PhasePlan,
    state: &'a PhaseState,
    reason: Reason,
}

/// An item.
pub struct ItemRow<'a> {
    index: usize,
    item: &'a Item,
}

/// A record.
pub struct EventRow<'a> {
    told: &'a Told,
    payload: Map<String, Value>,
}

macro_rules! columns {
    ($row:ident: $($name:literal, $about:literal, |$it:ident| $cell:expr;)*) => {
        impl<'a> $row<'a> {
            /// The columns.
            pub const COLUMNS: &'a [Column<Self>] =
                &[$(Column { name: $name, about: $about, cell: |$it| $cell }),*];
        }
    };
}

columns! { PhaseRow:
    "item", "the item", |row| text(row.item.name.as_str());
    "id", "its id: the imported one, else derived from its name; not unique", |row| Cell::Text(row.item.id().into());
    "index", "its place among the items, from 0; unique", |row| Cell::Number(row.index as u64);
    "phase", "the phase", |row| text(row.planned.phase.as_str());
    "status", "pending, in_progress, completed, failed or skipped", |row| text(row.state.status.as_str());
    "reason", "why it stands there: ready, waiting, held, backing_off, in_progress, stuck, failed, exhausted, completed or skipped", |row| text(row.reason.as_str());
    "attempts", "how often it was started", |row| Cell::Number(row.state.attempts.into());
    "retry_count", "how often it failed", |row| Cell::Number(row.state.retry_count.into());
    "started_at", "when it was started, unless it was handed back since", |row| time(row.state.started_at);
    "completed_at", "when it was completed", |row| time(row.state.completed_at);
    "failed_at", "when it failed", |row| time(row.state.failed_at);
    "took_secs", "seconds from its start to its end", |row| took(row.state);
    "stale_reset_at", "when it was reset last", |row| time(row.state.stale_reset_at);
    "error_message", "the last error, until it is completed", |row| maybe(row.state.error_message.as_deref());
    "worker", "who is at it", |row| maybe(row.state.worker.as_deref());
    "token", "the record of its last start", |row| row.state.token.map_or(Cell::None, |token| Cell::Number(token.get()));
    "record", "the record that gave it its status; none while nothing ever happened to it", |row| match row.state.since.get() {
        0 => Cell::None,
        seq => Cell::Number(seq),
    };
    "item_status", "the item's status", |row| text(row.item.status().as_str());
    "held", "whether a person holds the item", |row| Cell::Flag(row.item.hold.is_some());
}

columns! { ItemRow:
    "item", "the item", |row| text(row.item.name.as_str());
    "id", "its id: the imported one, else derived from its name; not unique", |row| Cell::Text(row.item.id().into());
    "index", "its place among the items, from 0; unique", |row| Cell::Number(row.index as u64);
    "status", "pending, in_progress, completed, failed or blocked", |row| text(row.item.status().as_str());
    "held", "whether a person holds it", |row| Cell::Flag(row.item.hold.is_some());
    "hold_reason", "why", |row| maybe(row.item.hold.as_ref().and_then(|hold| hold.reason.as_deref()));
    "created_at", "when it came in, or was made by another program", |row| time(row.item.created_at);
    "last_updated", "when it was changed last", |row| time(row.item.last_updated);
    "pending", "how many of its phases are pending", |row| phases(row, Status::Pending);
    "in_progress", "how many are in progress", |row| phases(row, Status::InProgress);
    "completed", "how many are completed", |row| phases(row, Status::Completed);
    "failed", "how many are failed", |row| phases(row, Status::Failed);
    "skipped", "how many are skipped", |row| phases(row, Status::Skipped);
    "attempts", "how often its phases were started", |row| sum(row, |phase| phase.attempts);
    "retry_count", "how often they failed", |row| sum(row, |phase| phase.retry_count);
    "extraction", "its image extraction: in_progress, completed or failed", |row| extraction(row, |it| maybe(it.status.map(ExtractionStatus::as_str)));
    "extraction_checked_at", "when that was looked at last", |row| extraction(row, |it| time(it.last_checked));
    "extraction_retry_count", "how often that failed", |row| extraction(row, |it| Cell::Number(it.retry_count.into()));
    "data", "everything that is known about it: a JSON object", |row| data(row);
}

/// What the columns of [`item_rows`] are called that stand for the plan's phases, before the phase's name.
pub const OF_PHASE: &str = "phases.";

columns! { EventRow:
    "seq", "the record's number", |row| Cell::Number(row.told.seq.get());
    "at", "when it was written, as the clock was", |row| time(row.told.at);
    "event", "what happened: started, completed, failed, reset, …", |row| text(&row.told.event);
    "item", "the item that it is about", |row| maybe(row.told.item.as_deref());
    "phase", "the phase that it is about", |row| maybe(row.told.phase.as_deref());
    "token", "the start that it belongs to; of started its own number", |row| token(row);
    "worker", "who started it", |row| field(row, "worker");
    "late", "whether it was reported after the phase had been handed back", |row| field(row, "late");
    "error", "what went wrong", |row| field(row, "error");
    "detail", "the rest in words, as log shows it", |row| text(&row.told.derived.words);
    "payload", "the whole record: JSON as it stands in the log", |row| payload(row);
}

/// One row for each phase of each item, in item order then plan order. False ends it.
pub fn phase_rows(facts: &dyn Facts, now: &Now, give: &mut dyn FnMut(&PhaseRow<'_>) -> bool) {
    let plan = facts.plan();
    for index in 0..facts.item_count() {
        let Some(item) = facts.item(index) else {
            continue;
        };
        let phases = plan.phases().iter().zip(&item.phases).enumerate();
        for (phase, (planned, state)) in phases {
            let row = PhaseRow {
                index,
                item: &item,
                planned,
                state,
                reason: ready::reason(plan, &item, phase, now),
            };
            if !give(&row) {
                return;
            }
        }
    }
}

/// One row for each item, in item order. Behind [`ItemRow::COLUMNS`] stands the status of each phase of the plan.
/// False ends it.
pub fn item_rows(facts: &dyn Facts, give: &mut dyn FnMut(&ItemRow<'_>) -> bool) {
    for index in 0..facts.item_count() {
        let Some(item) = facts.item(index) else {
            continue;
        };
        if !give(&ItemRow { index, item: &item }) {
            return;
        }
    }
}

/// The row of a record, be it of a kind that this version knows or not.
pub fn event_row(told: &Told) -> EventRow<'_> {
    let payload = serde_json::from_str(&told.payload).unwrap_or_default();
    EventRow { told, payload }
}

impl ItemRow<'_> {
    /// The statuses of its phases, in the order of the plan.
    pub fn statuses(&self) -> impl Iterator<Item = Cell<'_>> {
        let phases = self.item.phases.iter();
        phases.map(|phase| text(phase.status.as_str()))
    }
}

impl Cell<'_> {
    /// The value as text, for a format that has nothing else; `None` is nothing.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Time(at) => Cow::Owned(at.to_offset_text()),
            Self::Micros(micros) => Cow::Owned(secs(*micros).to_string()),
            Self::Json(json) => Cow::Borrowed(json.get()),
        }
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Micros(micros) => serializer.serialize_f64(secs(*micros)),
            Self::Json(json) => json.serialize(serializer),
            Self::Text(_) | Self::Time(_) => serializer.serialize_str(&self.to_text()),
        }
    }
}

fn secs(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(Cow::Borrowed(text))
}

fn maybe(maybe: Option<&str>) -> Cell<'_> {
    maybe.map_or(Cell::None, text)
}

fn time(at: Option<Timestamp>) -> Cell<'static> {
    at.map_or(Cell::None, Cell::Time)
}

fn took(phase: &PhaseState) -> Cell<'static> {
    let end = match phase.status {
        Status::Completed => phase.completed_at,
        Status::Failed => phase.failed_at,
        Status::Pending | Status::InProgress | Status::Skipped => None,
    };
    // An imported end before its start is no length of time.
    let both = phase
        .started_at
        .zip(end)
        .filter(|(start, end)| start <= end);
    both.map_or(Cell::None, |(start, end)| {
        Cell::Micros(end.micros_since(start))
    })
}

fn phases<'r>(row: &'r ItemRow<'_>, status: Status) -> Cell<'r> {
    let phases = row.item.phases.iter();
    Cell::Number(phases.filter(|phase| phase.status == status).count() as u64)
}

fn sum<'r>(row: &'r ItemRow<'_>, count: fn(&PhaseState) -> u32) -> Cell<'r> {
    Cell::Number(
        row.item
            .phases
            .iter()
            .map(|phase| u64::from(count(phase)))
            .sum(),
    )
}

fn extraction<'r>(row: &'r ItemRow<'_>, cell: fn(&'r ItemExtraction) -> Cell<'r>) -> Cell<'r> {
    row.item.extraction.as_deref().map_or(Cell::None, cell)
}

fn data<'r>(row: &'r ItemRow<'_>) -> Cell<'r> {
    let Some(data) = &row.item.data else {
        return Cell::None;
    };
    let json = serde_json::from_str(data.object().as_str());
    Cell::Json(json.expect("a Json was looked through when it was made"))
}

fn field<'r>(row: &'r EventRow<'_>, key: &str) -> Cell<'r> {
    match row.payload.get(key) {
        None | Some(Value::Null) => Cell::None,
        Some(Value::String(value)) => text(value),
        Some(Value::Bool(flag)) => Cell::Flag(*flag),
        Some(value) => Cell::Text(value.to_string().into()),
    }
}

fn token<'r>(row: &'r EventRow<'_>) -> Cell<'r> {
    if row.told.event == "started" {
        return Cell::Number(row.told.seq.get());
    }
    let token = row.payload.get("token").and_then(Value::as_u64);
    token.map_or(Cell::None, Cell::Number)
}

fn payload<'r>(row: &'r EventRow<'_>) -> Cell<'r> {
    match serde_json::from_str(&row.told.payload) {
        Ok(json) => Cell::Json(json),
        Err(_) => text(&row.told.payload),
    }
}
