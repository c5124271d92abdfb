//! One item as bytes: in memory, where most items stand untouched, and in caches. Read without knowing any other, and good
//! for this version of the program only.
//!
//! ```text
//!   what is to be found in it (a byte), name, created, what few items have, number of phases
//!   phase by phase:   what it has (a byte, 0 if it is as it was at first)
//!                     attempts, token, since, started, completed, what few phases have: each that it has
//!   last updated
//! ```
//!
//! Records and times stand as their distance from the one before them in the row: a phase that was done within the hour takes
//! about 15 bytes. Integers are the varints of [postcard](https://postcard.jamesmunns.com/wire-format).
//!
//! Not a format that anybody is promised: whoever keeps rows keeps [`LAYOUT`] and the program's version beside them and
//! throws them away when either differs.

mod rare;
mod operations;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::enrichment::ItemData;
use super::item::{Item, PhaseState};
use super::names::ItemId;
use super::status::Status;
use super::time::Timestamp;
use crate::position::Seq;
use rare::{RareOfItem, RareOfPhase};

pub use operations::{decode_operations, encode_operations};

/// Changes with every change of what a row holds.
pub const LAYOUT: u32 = 3;

/// What stands before the phases of an item. The rows borrow from it, so that writing copies nothing.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    name: &'a str,
    created_at: Option<i64>,
    #[serde(borrow)]
    rare: Option<RareOfItem<'a>>,
    phases: u32,
}

/// What is to be found in a row, in a byte: who looks for it need not read the rest.
pub(super) mod holding {
    /// What few items or few phases have.
    pub(in crate::pipeline) const RARE: u8 = 1;
    /// A phase in progress.
    pub(in crate::pipeline) const RUNNING: u8 = 1 << 1;
    /// A phase that is pending or failed.
    pub(in crate::pipeline) const OPEN: u8 = 1 << 2;
}

/// What a phase has, in a byte: its status in the lowest bits, and whether it has each of the rest.
mod has {
    pub(super) const STATUS: u8 = 0b111;
    pub(super) const TOKEN: u8 = 1 << 3;
    pub(super) const STARTED: u8 = 1 << 4;
    pub(super) const COMPLETED: u8 = 1 << 5;
    pub(super) const RARE: u8 = 1 << 6;
    /// It is not as it was at first.
    pub(super) const ANY: u8 = 1 << 7;
}

/// The object, and who set what as JSON.
type DataRow<'a> = Option<(&'a str, Cow<'a, str>)>;

/// The record and the time before, from which the next are counted. Wraps around: every number has a distance from every other.
#[derive(Default)]
struct Before {
    seq: u64,
    micros: i64,
}

impl Before {
    fn distance_to_seq(&mut self, seq: Seq) -> i64 {
        let distance = seq.get().wrapping_sub(self.seq).cast_signed();
        self.seq = seq.get();
        distance
    }

    fn seq(&mut self, distance: i64) -> Seq {
        self.seq = self.seq.wrapping_add(distance.cast_unsigned());
        Seq::new(self.seq)
    }

    fn distance_to_time(&mut self, time: Timestamp) -> i64 {
        let distance = time.micros().wrapping_sub(self.micros);
        self.micros = time.micros();
        distance
    }

    /// `None` for a time that cannot be.
    fn time(&mut self, distance: i64) -> Option<Timestamp> {
        self.micros = self.micros.wrapping_add(distance);
        Timestamp::from_micros(self.micros)
    }
}

/// Takes one value after the other from the front of bytes.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// `None` if there is no such value.
    fn take<T: Deserialize<'b>>(&mut self) -> Option<T> {
        let (value, behind) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = behind;
        Some(value)
    }

    /// As [`Reader::take`], if it is there at all.
    #[expect(
        clippy::option_option,
        reason = "nothing, and bytes that are none, are two things"
    )]
    fn take_if<T: Deserialize<'b>>(&mut self, is_there: bool) -> Option<Option<T>> {
        if is_there {
            self.take().map(Some)
        } else {
            Some(None)
        }
    }
}

/// Adds the bytes of an item.
pub fn encode(item: &Item, into: &mut Vec<u8>) {
    encode_bare(item, into);
    let data: DataRow<'_> = item.data.as_deref().map(|data| {
        let marks = serde_json::to_string(&(data.origin(), data.later()));
        let marks = marks.expect("who set what is plain JSON");
        (data.object().as_str(), Cow::Owned(marks))
    });
    put(&data, into);
}

/// The item that these bytes are; `None` if they are none.
pub fn decode(bytes: &[u8]) -> Option<Item> {
    decode_apart(bytes).map(|(item, _)| item)
}

/// The item that these bytes are, and of the bytes those that are the item without its data; `None` if they are none.
pub(super) fn decode_apart(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let (mut item, behind) = decode_bare(bytes)?;
    // Whoever looks for something believes that byte; in bytes of our own it is as we wrote it.
    if stated(bytes) != holds(&item) {
        return None;
    }
    item.data = decode_data(behind)?.map(Into::into);
    Some((item, &bytes[..bytes.len() - behind.len()]))
}

/// The data that stands behind an item; `None` if that is none.
#[expect(
    clippy::option_option,
    reason = "no data, and bytes that are none, are two things"
)]
fn decode_data(bytes: &[u8]) -> Option<Option<ItemData>> {
    let data: DataRow<'_> = postcard::from_bytes(bytes).ok()?;
    let Some((object, marks)) = data else {
        return Some(None);
    };
    let object = serde_json::from_str(object).ok()?;
    let (origin, later) = serde_json::from_str(&marks).ok()?;
    Some(Some(ItemData::from_parts(object, origin, later)))
}

/// Adds the bytes of an item without its data.
pub(super) fn encode_bare(item: &Item, into: &mut Vec<u8>) {
    let mut before = Before::default();
    into.push(holds(item));
    let head = Head {
        name: item.name.as_str(),
        created_at: item.created_at.map(|at| before.distance_to_time(at)),
        rare: RareOfItem::of(item),
        phases: u32::try_from(item.phases.len()).expect("a plan has few phases"),
    };
    put(&head, into);
    for phase in &item.phases {
        put_phase(phase, &mut before, into);
    }
    put(
        &item.last_updated.map(|at| before.distance_to_time(at)),
        into,
    );
}

/// The item without its data that these bytes begin with, and those behind it; `None` if they are none.
pub(super) fn decode_bare(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let mut reader = Reader(bytes);
    let mut before = Before::default();
    let _: u8 = reader.take()?;
    let head: Head<'_> = reader.take()?;
    let mut item = Item::new(ItemId::new(head.name).ok()?, 0);
    if let Some(distance) = head.created_at {
        item.created_at = Some(before.time(distance)?);
    }
    if let Some(rare) = head.rare {
        rare.put_into(&mut item)?;
    }
    let phases = usize::try_from(head.phases).ok()?;
    // Each takes a byte at least.
    if phases > reader.0.len() {
        return None;
    }
    item.phases.reserve_exact(phases);
    for _ in 0..phases {
        item.phases.push(take_phase(&mut reader, &mut before)?);
    }
    if let Some(distance) = reader.take::<Option<i64>>()? {
        item.last_updated = Some(before.time(distance)?);
    }
    Some((item, reader.0))
}

/// What is to be found in an item.
pub(super) fn holds(item: &Item) -> u8 {
    let mut found = 0;
    let rare = RareOfItem::is_in(item);
    if rare || item.phases.iter().any(PhaseState::has_rare) {
        found |= holding::RARE;
    }
    for phase in &item.phases {
        let status = match phase.status {
            Status::InProgress => holding::RUNNING,
            Status::Pending | Status::Failed => holding::OPEN,
            Status::Completed | Status::Skipped => 0,
        };
        found |= status;
        // Once completed and now in progress, or failed: an edit can leave nothing else behind.
        if phase.completed_at.is_some() && !phase.status.is_settled() {
            found |= holding::RARE;
        }
    }
    found
}

/// What is to be found in the item that these bytes are.
pub(super) fn stated(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or(u8::MAX)
}

/// The name of the item that these bytes are; `None` if they are none.
pub(super) fn name(bytes: &[u8]) -> Option<&str> {
    Reader(bytes.get(1..)?).take()
}

fn put(row: &impl Serialize, into: &mut Vec<u8>) {
    let taken = postcard::to_extend(row, std::mem::take(into));
    *into = taken.expect("a growing buffer takes every row");
}

fn put_phase(phase: &PhaseState, before: &mut Before, into: &mut Vec<u8>) {
    if phase.is_untouched() {
        return into.push(0);
    }
    // Named one by one: a field that is added must be added here.
    let PhaseState {
        status,
        attempts,
        since,
        token,
        started_at,
        completed_at,
        rare: _,
    } = phase;
    let rare = RareOfPhase::of(phase);
    let bits = [
        (token.is_some(), has::TOKEN),
        (started_at.is_some(), has::STARTED),
        (completed_at.is_some(), has::COMPLETED),
        (rare.is_some(), has::RARE),
    ];
    let bits = bits.iter().filter(|(is_there, _)| *is_there);
    into.push(has::ANY | *status as u8 | bits.map(|(_, bit)| bit).sum::<u8>());
    put(attempts, into);
    if let Some(token) = token {
        put(&before.distance_to_seq(*token), into);
    }
    put(&before.distance_to_seq(*since), into);
    for time in [started_at, completed_at].into_iter().flatten() {
        put(&before.distance_to_time(*time), into);
    }
    if let Some(rare) = rare {
        put(&rare, into);
    }
}

fn take_phase(reader: &mut Reader<'_>, before: &mut Before) -> Option<PhaseState> {
    let bits: u8 = reader.take()?;
    let mut phase = PhaseState::default();
    if bits == 0 {
        return Some(phase);
    }
    phase.status = *Status::ALL.get(usize::from(bits & has::STATUS))?;
    phase.attempts = reader.take()?;
    if let Some(token) = reader.take_if(bits & has::TOKEN != 0)? {
        phase.token = Some(before.seq(token));
    }
    phase.since = before.seq(reader.take()?);
    if let Some(distance) = reader.take_if(bits & has::STARTED != 0)? {
        phase.started_at = Some(before.time(distance)?);
    }
    if let Some(distance) = reader.take_if(bits & has::COMPLETED != 0)? {
        phase.completed_at = Some(before.time(distance)?);
    }
    Some(
        match reader.take_if::<RareOfPhase<'_>>(bits & has::RARE != 0)? {
            Some(rare) => phase.with(rare.read()?),
            None => phase,
        },
    )
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::micros)
}

/// `None` for a time that cannot be.
#[expect(
    clippy::option_option,
    reason = "no time, and a row that is none, are two things"
)]
fn time(micros: Option<i64>) -> Option<Option<Timestamp>> {
    match micros {
        None => Some(None),
        Some(micros) => Timestamp::from_micros(micros).map(Some),
    }
}
