//! One append, among many processes: the only place where state changes.
//!
//! ```text
//!   lock -> catch up -> decide -> one write at the verified end -> unlock -> sync, apply -> receipt
//! ```
//!
//! The state is recovered before (read ahead, without the lock), so that little is left to read under it. Every answer is
//! an acknowledgement: "unchanged" and "refused" rest on records too, and wait until those are durable.

use std::path::Path;

use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::log::Group;
use crate::log::group::Look;
use crate::log::writer::{Locked, Writer};
use crate::pipeline::command::Unchanged;
use crate::pipeline::{
    Command, Decision, Event, Now, PipelineState, Record, Rejection, codec, decide,
};
use crate::ports::Ports;
use crate::position::Seq;

use super::facts::SnapshotFacts;
use super::recovery::fold;
use super::{CacheMode, Options, Receipt, Store, TornTail, Warning, cache};

/// What is to be appended, as decided under the lock.
pub(super) enum Verdict<T> {
    /// Append these, all or none. A torn tail before them is sealed.
    Append(Vec<Event>, T),
    /// As `Append`, but a torn tail is sealed also if there is nothing to append.
    SealAndAppend(Vec<Event>, T),
    /// Append nothing; the answer rests on what was read.
    Answer(T),
}

/// What a transaction did. All of it is durable.
pub(super) struct Transacted<T> {
    pub(super) records: Vec<Record>,
    /// The tail that a crash had cut off, sealed before them.
    pub(super) torn: Option<TornTail>,
    pub(super) outcome: T,
}

/// Whoever can append: a store that has recovered everything, or one that reads what it needs.
pub(super) trait Transact {
    /// Runs `choose` under the lock on the newest state, appends what it chooses, and returns when that, and everything
    /// that the answer rests on, is durable. `choose` is asked again if what it was told does not count.
    fn transact<T>(
        &mut self,
        choose: &mut dyn FnMut(&PipelineState, &Now) -> Verdict<T>,
    ) -> Result<Transacted<T>>;
}

impl Transact for Store {
    fn transact<T>(
        &mut self,
        choose: &mut dyn FnMut(&PipelineState, &Now) -> Verdict<T>,
    ) -> Result<Transacted<T>> {
        transact(self, choose)
    }
}

/// Decides and appends a command.
pub(super) fn submit(store: &mut impl Transact, command: &Command) -> Result<Receipt> {
    submit_by(store, &|state, now| decide(state, command, now))
}

/// Appends what is decided.
pub(super) fn submit_by(
    store: &mut impl Transact,
    decide: &dyn Fn(&PipelineState, &Now) -> Result<Decision, Rejection>,
) -> Result<Receipt> {
    let Transacted {
        records, outcome, ..
    } = store.transact(&mut |state, now| verdict(decide(state, now), state))?;
    receipt(records, outcome)
}

/// What a command comes to, besides its records: nothing more, that it is so already, or that it was refused.
pub(super) type Outcome = Result<Option<Unchanged>, Rejection>;

/// What is to be appended for a command that was decided; some refusals are on record too.
pub(super) fn verdict(
    decided: Result<Decision, Rejection>,
    state: &PipelineState,
) -> Verdict<Outcome> {
    match decided {
        Ok(Decision::Record(events)) => Verdict::Append(events, Ok(None)),
        Ok(Decision::Unchanged(unchanged)) => Verdict::Answer(Ok(Some(unchanged))),
        Err(rejection) => match rejection.to_be_recorded(state) {
            Some(event) => Verdict::Append(vec![event], Err(rejection)),
            None => Verdict::Answer(Err(rejection)),
        },
    }
}

/// The answer to a command of which everything is durable.
pub(super) fn receipt(records: Vec<Record>, outcome: Outcome) -> Result<Receipt> {
    match outcome {
        Ok(None) => Ok(Receipt::Recorded(records)),
        Ok(Some(unchanged)) => Ok(Receipt::Unchanged(unchanged)),
        Err(rejection) => Err(rejection.into()),
    }
}

/// As [`Transact::transact`], for a store that has recovered everything.
pub(super) fn transact<T>(
    store: &mut Store,
    choose: impl FnOnce(&PipelineState, &Now) -> Verdict<T>,
) -> Result<Transacted<T>> {
    let (ground, locked) = under_lock(store)?;
    let done = decide_and_append(ground, locked, choose)?;
    Ok(done.expect("a state that is all in memory is always sound"))
}

/// As [`transact`], for a store that ends with it: `choose` may take into the state what it has chosen so far, before it
/// chooses more.
pub(super) fn transact_last<T>(
    mut store: Store,
    choose: impl FnOnce(&mut PipelineState, &Now) -> Verdict<T>,
) -> Result<Transacted<T>> {
    let (ground, locked) = under_lock(&mut store)?;
    let now = ground.ports.clock.now();
    let verdict = choose(ground.state, &now);
    // Nobody asks this state again, and it may have taken in already what is recorded only now.
    *ground.state = PipelineState::default();
    let done = append_chosen(ground, locked, &now, verdict)?;
    Ok(done.expect("a state that is all in memory is always sound"))
}

/// What a transaction stands on.
pub(super) struct Ground<'a> {
    pub(super) ports: &'a Ports,
    pub(super) dir: &'a Path,
    pub(super) options: &'a Options,
    pub(super) state: &'a mut PipelineState,
    pub(super) snapshot: &'a mut SnapshotFacts,
    pub(super) warnings: &'a mut Vec<Warning>,
}

/// Takes the lock of a store that has recovered everything, and reads what others appended since: what a transaction stands on.
pub(super) fn under_lock(store: &mut Store) -> Result<(Ground<'_>, Locked<'_>)> {
    let Store {
        ports,
        dir,
        options,
        state,
        writer,
        snapshot,
        warnings,
        ..
    } = store;
    let mut locked = writer.lock()?;
    catch_up(&mut locked, state, snapshot)?;
    let ground = Ground {
        ports,
        dir,
        options,
        state,
        snapshot,
        warnings,
    };
    Ok((ground, locked))
}

/// The rest of a transaction, from the state as it is under the lock to the answer. `None` if what was decided rests on
/// something that could not be read: then nothing was written.
pub(super) fn decide_and_append<T>(
    ground: Ground<'_>,
    locked: Locked<'_>,
    choose: impl FnOnce(&PipelineState, &Now) -> Verdict<T>,
) -> Result<Option<Transacted<T>>> {
    // Read under the lock: times then run with the order of the records as far as the clock does.
    let now = ground.ports.clock.now();
    let verdict = choose(ground.state, &now);
    append_chosen(ground, locked, &now, verdict)
}

/// The rest of a transaction once everything is decided; as [`decide_and_append`].
fn append_chosen<T>(
    ground: Ground<'_>,
    mut locked: Locked<'_>,
    now: &Now,
    verdict: Verdict<T>,
) -> Result<Option<Transacted<T>>> {
    let Ground {
        ports,
        dir,
        options,
        state,
        snapshot,
        warnings,
    } = ground;
    let (events, seals, outcome) = match verdict {
        Verdict::Append(events, outcome) => (events, false, outcome),
        Verdict::SealAndAppend(events, outcome) => (events, true, outcome),
        Verdict::Answer(outcome) => (Vec::new(), false, outcome),
    };
    // Without the lock nobody can say what stands behind a state that is not all in memory.
    state.touch(&events);
    if !state.is_sound() {
        return Ok(None);
    }
    let torn = if seals || !events.is_empty() {
        seal(&mut locked, now, state, warnings)?
    } else {
        None
    };
    if events.is_empty() {
        settle(locked.unlock())?;
        let records = Vec::new();
        return Ok(Some(Transacted {
            records,
            torn,
            outcome,
        }));
    }
    let before = locked.position().offset;
    let few = looked_at(&events, now)?;
    let are_many = few.is_none() && events.len() > 1;
    let appended = match few {
        Some(payloads) => locked.append(&payloads)?,
        None => locked.append_pieces(Group {
            len: events.len(),
            payloads: Box::new(events.iter().map(|event| payload(event, now))),
        })?,
    };
    snapshot.tail_bytes += locked.position().offset.get() - before.get();
    // From here the records are in the log, and reading goes on behind them. Whatever the sync says, the state takes them in: it
    // says what was read so far, and a store that goes on after a failed sync must not decide as if they were not there.
    note_in_cache(ports, dir, options, snapshot, &locked);
    let rotated = locked.rotate_if_full(now.at);
    let header = locked.position().last_seq();
    let synced = locked.unlock().sync_and_prove();
    let mut records = records(events, appended.first, now);
    for record in &mut records {
        state.apply(record);
        snapshot.note(record, 0);
        if are_many {
            // The state has it now, and of so many records nobody is told each field.
            record.event.strip_data();
        }
    }
    if header > appended.last {
        state.apply(&header_record(header, now));
    }
    synced.map_err(|error| name_record(error, appended.first))?;
    warnings.extend(rotation_warning(rotated.err()));
    Ok(Some(Transacted {
        records,
        torn,
        outcome,
    }))
}

/// The payloads of events that happen now.
pub(super) fn payloads(events: &[Event], now: &Now) -> Vec<String> {
    events.iter().map(|event| payload(event, now)).collect()
}

fn payload(event: &Event, now: &Now) -> String {
    codec::encode(event, now.at, now.given)
}

/// More bytes of payloads than this are not held in memory, but made a second time when they are written.
const MANY: u64 = 4 << 20;

/// The payloads of events that happen now, each looked at: they can be recorded, and read back. `None` if they are many.
fn looked_at(events: &[Event], now: &Now) -> Result<Option<Vec<String>>> {
    let (mut look, mut kept) = (Look::default(), Vec::new());
    for event in events {
        let payload = payload(event, now);
        look.take(&payload)?;
        reads_back(std::slice::from_ref(&payload))?;
        if look.bytes()? > MANY {
            kept = Vec::new();
        } else {
            kept.push(payload);
        }
    }
    Ok((look.bytes()? <= MANY).then_some(kept))
}

/// The records of events that happen now, from `first` on.
pub(super) fn records(events: Vec<Event>, first: Seq, now: &Now) -> Vec<Record> {
    let record = |(event, index)| Record {
        seq: first.plus(index),
        at: now.at,
        clock_given: now.given,
        event,
    };
    events.into_iter().zip(0..).map(record).collect()
}

/// A segment that could not be followed by another is no failure of what was appended to it.
pub(super) fn rotation_warning(error: Option<Error>) -> Option<Warning> {
    let message = format!("no new segment could be made: {}", error?);
    Some(Warning::new("W-ROTATE", message))
}

/// Notes in the cache, if there is one, how the active segment is now.
pub(super) fn note_in_cache(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    facts: &mut SnapshotFacts,
    locked: &Locked<'_>,
) {
    let names = locked.names();
    let none = names.is_some() && names == facts.uncached;
    if options.cache == CacheMode::Auto && !none {
        let found = cache::note(ports, dir, locked.position().segment);
        facts.uncached = names.filter(|_| !found);
    }
}

/// Makes durable what an answer without a record rests on: every answer is an acknowledgement.
pub(super) fn settle(writer: &mut Writer) -> Result<()> {
    let waits = !faults::on(Fault::AnswersWithoutSync);
    if waits && writer.position().last_seq() > writer.known_durable() {
        writer.sync_and_prove()?;
    }
    Ok(())
}

/// Reads and verifies what others appended since this process looked last.
fn catch_up(
    locked: &mut Locked<'_>,
    state: &mut PipelineState,
    snapshot: &mut SnapshotFacts,
) -> Result<()> {
    locked
        .catch_up(&mut |entry| fold(state, snapshot, &entry).map(drop))
        .map(drop)
}

/// Seals a torn tail that a dead writer left, so that nothing is ever written behind it.
pub(super) fn seal(
    locked: &mut Locked<'_>,
    now: &Now,
    state: &mut PipelineState,
    warnings: &mut Vec<Warning>,
) -> Result<Option<TornTail>> {
    let Some(sealed) = locked.seal_torn(now.at)? else {
        return Ok(None);
    };
    apply_header(locked, now, state);
    warnings.retain(|warning| warning.code != "W-TORN");
    warnings.push(Warning::new(
        "W-TORN",
        format!(
            "wal/{} byte {}: {} bytes of a write that a crash cut off, never acknowledged, were left where they are; the log goes on in wal/{}",
            sealed.segment, sealed.offset, sealed.bytes, sealed.next
        ),
    ));
    Ok(Some(TornTail::from(sealed)))
}

/// Takes the header that was just written under the lock into the state, which has everything before it.
pub(super) fn apply_header(locked: &Locked<'_>, now: &Now, state: &mut PipelineState) {
    state.apply(&header_record(locked.position().last_seq(), now));
}

fn header_record(seq: Seq, now: &Now) -> Record {
    Record {
        seq,
        at: now.at,
        clock_given: now.given,
        event: Event::Segment,
    }
}

/// Says which record may or may not survive.
pub(super) fn name_record(error: Error, first: Seq) -> Error {
    match error {
        Error::NotAcknowledged { source, .. } => Error::NotAcknowledged {
            source,
            seq: Some(first),
        },
        Error::Poisoned { detail, .. } => Error::Poisoned {
            detail,
            written: true,
        },
        other => other,
    }
}

/// What cannot be read back must not be written: acknowledged, it would stop everybody who comes after.
///
/// What this version writes most is read back at a glance (`codec::fast`), so this costs every writer next to nothing.
pub(super) fn reads_back(payloads: &[String]) -> Result<()> {
    for payload in payloads {
        if let Err(error) = codec::decode(Seq::NONE, payload) {
            let message = format!("this cannot be recorded: {error}");
            return Err(Error::Usage { message });
        }
    }
    Ok(())
}
