//! Several commands in one write and one sync. Each is decided by itself, stands alone in the log, and has its own answer.
//!
//! ```text
//!   lock -> catch up -> (decide, apply) for each -> one write -> unlock -> one sync -> an answer for each
//! ```
//!
//! A command is decided on what the ones before it came to, so their records are folded before they are written. If the
//! write then fails, the state holds what the log does not, and the store has to be opened anew: [`Batch::is_void`].

use crate::error::{Error, Result};
use crate::log::group::check_group;
use crate::pipeline::{Command, Record, decide};

use super::append::{
    Ground, Outcome, Verdict, apply_header, name_record, note_in_cache, payloads, reads_back,
    receipt, records, rotation_warning, seal, settle, under_lock, verdict,
};
use super::{Receipt, Store};

/// What became of several commands.
pub(super) struct Batch {
    /// One answer for each, in their order.
    pub(super) answers: Vec<Result<Receipt>>,
    /// The state of the store is ahead of its log: open it anew.
    pub(super) is_void: bool,
}

/// What one command comes to, before it is durable.
enum Planned {
    /// Its records, and what else it comes to.
    Sound(Vec<Record>, Outcome),
    /// It cannot be recorded at all, whatever becomes of the others.
    Impossible(Error),
}

/// Decides, appends and makes durable.
///
/// # Errors
/// What keeps the store as a whole from being written: then nothing was.
pub(super) fn submit_all(store: &mut Store, commands: &[&Command]) -> Result<Batch> {
    let (ground, mut locked) = under_lock(store)?;
    let Ground {
        ports,
        dir,
        options,
        state,
        snapshot,
        warnings,
    } = ground;
    let now = ports.clock.now();
    let (mut planned, mut groups) = (Vec::with_capacity(commands.len()), Vec::new());
    let mut next = locked.position().next;
    for command in commands {
        let (events, outcome) = match verdict(decide(state, command, &now), state) {
            Verdict::Append(events, outcome) | Verdict::SealAndAppend(events, outcome) => {
                (events, outcome)
            }
            Verdict::Answer(outcome) => {
                planned.push(Planned::Sound(Vec::new(), outcome));
                continue;
            }
        };
        let payloads = payloads(&events, &now);
        if let Err(error) = check_group(&payloads).and_then(|()| reads_back(&payloads)) {
            planned.push(Planned::Impossible(error));
            continue;
        }
        if groups.is_empty() && seal(&mut locked, &now, state, warnings)?.is_some() {
            next = locked.position().next;
        }
        let records = records(events, next, &now);
        next = next.plus(records.len() as u64);
        for record in &records {
            state.apply(record);
            snapshot.note(record, 0);
        }
        groups.push(payloads);
        planned.push(Planned::Sound(records, outcome));
    }
    if groups.is_empty() {
        let settled = settle(locked.unlock());
        return Ok(answered(planned, settled.err().as_ref(), false));
    }
    let slices: Vec<&[String]> = groups.iter().map(Vec::as_slice).collect();
    let before = locked.position().offset;
    if let Err(error) = locked.append_groups(&slices) {
        let error = if slices.len() > 1 {
            maybe_recorded(error)
        } else {
            error
        };
        return Ok(answered(planned, Some(&error), true));
    }
    snapshot.tail_bytes += locked.position().offset.get() - before.get();
    note_in_cache(ports, dir, options, snapshot, &locked);
    let last = locked.position().last_seq();
    let rotated = locked.rotate_if_full(now.at);
    if locked.position().last_seq() > last {
        apply_header(&locked, &now, state);
    }
    let synced = locked.unlock().sync_and_prove();
    warnings.extend(rotation_warning(rotated.err()));
    Ok(answered(planned, synced.err().as_ref(), false))
}

/// A write of several groups that was cut short may have left the first of them whole.
fn maybe_recorded(error: Error) -> Error {
    match error {
        Error::NotRecorded { source } => Error::NotAcknowledged { source, seq: None },
        other => other,
    }
}

/// The answers: all rest on what was written or read, so all fail if that is not durable.
fn answered(planned: Vec<Planned>, failure: Option<&Error>, is_void: bool) -> Batch {
    let answer = |planned: Planned| match (planned, failure) {
        (Planned::Impossible(error), _) => Err(error),
        (Planned::Sound(records, _), Some(failure)) => Err(failed(&records, failure)),
        (Planned::Sound(records, outcome), None) => receipt(records, outcome),
    };
    Batch {
        answers: planned.into_iter().map(answer).collect(),
        is_void,
    }
}

/// The failure of the write or the sync that all share, as it concerns the one with these records.
fn failed(records: &[Record], failure: &Error) -> Error {
    let failure = alike(failure).unwrap_or_else(|| Error::NotAcknowledged {
        source: std::io::Error::other(failure.to_string()),
        seq: None,
    });
    match (records.first(), failure) {
        (Some(first), failure) => name_record(failure, first.seq),
        // Nothing of its own was written, whatever became of the others'.
        (None, Error::NotAcknowledged { source, .. }) => {
            Error::NotAcknowledged { source, seq: None }
        }
        (None, Error::Poisoned { detail, .. }) => Error::Poisoned {
            detail,
            written: false,
        },
        (None, other) => other,
    }
}

/// An error that says the same to somebody else; `None` for one that nobody shares.
pub(super) fn alike(error: &Error) -> Option<Error> {
    let again = |source: &std::io::Error| match source.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::new(source.kind(), source.to_string()),
    };
    Some(match error {
        Error::NotRecorded { source } => Error::NotRecorded {
            source: again(source),
        },
        Error::LockLost { path } => Error::LockLost { path: path.clone() },
        Error::NotAcknowledged { source, seq } => Error::NotAcknowledged {
            source: again(source),
            seq: *seq,
        },
        Error::Poisoned { detail, written } => Error::Poisoned {
            detail: detail.clone(),
            written: *written,
        },
        Error::LockTimeout {
            path,
            holder,
            waited_secs,
        } => Error::LockTimeout {
            path: path.clone(),
            holder: holder.clone(),
            waited_secs: *waited_secs,
        },
        Error::Damaged(damage) => Error::Damaged(damage.clone()),
        Error::AmbiguousTail(damage) => Error::AmbiguousTail(damage.clone()),
        Error::Io {
            action,
            path,
            source,
        } => Error::Io {
            action,
            path: path.clone(),
            source: again(source),
        },
        _ => return None,
    })
}
