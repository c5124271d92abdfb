//! The state as it stood at any record or time, folded from record 1.

use std::path::Path;

use crate::error::{Error, Result};
use crate::log::reader::{Access, From, Witnesses};
use crate::pipeline::{PipelineState, Timestamp};
use crate::ports::Ports;
use crate::position::Seq;

use super::{Options, dir, proof, recovery};

/// A place in the log, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After this record.
    Seq(Seq),
    /// After the last record whose `at` is not later than this.
    Time(Timestamp),
}

/// The state after the record that `at` names. Snapshots are not asked.
///
/// # Errors
/// [`Error::UnknownSeq`] beyond the log's end; damage if the log cannot be read so far.
pub fn state_at(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<PipelineState> {
    let seq = match at {
        At::Seq(seq) => seq,
        At::Time(time) => seq_at(ports, dir, options, time)?,
    };
    fold_through(ports, dir, options, seq)
}

/// The highest record whose `at` is not later than `time`. The clock may have gone back in between: seq is the order.
///
/// # Errors
/// [`Error::Usage`] if the log begins later; damage anywhere in the log, since any record might be the one.
pub fn seq_at(ports: &Ports, dir: &Path, options: &Options, time: Timestamp) -> Result<Seq> {
    let (mut found, mut begins) = (Seq::NONE, None);
    read_all(ports, dir, options, &mut |entry| {
        let record = recovery::decode(&entry)?;
        begins = begins.or(Some(record.at));
        if record.at <= time {
            found = record.seq;
        }
        Ok(())
    })?;
    match begins {
        Some(begins) if found == Seq::NONE => Err(Error::Usage {
            message: format!("{time} lies before the log, which begins at {begins}"),
        }),
        _ => Ok(found),
    }
}

/// The state after record `last`.
pub(super) fn fold_through(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    last: Seq,
) -> Result<PipelineState> {
    let mut state = PipelineState::default();
    let read = read_all(ports, dir, options, &mut |entry| {
        if entry.frame.seq <= last {
            state.apply(&recovery::decode(&entry)?);
        }
        Ok(())
    });
    match read {
        // What lies behind the place that was asked for is no business of this answer.
        Err(Error::Damaged(_) | Error::AmbiguousTail(_)) if state.last_seq == last => Ok(state),
        Err(error) => Err(error),
        Ok(()) if state.last_seq < last => Err(Error::UnknownSeq {
            seq: last,
            last: state.last_seq,
        }),
        Ok(()) => Ok(state),
    }
}

fn read_all(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    sink: &mut dyn FnMut(crate::log::reader::Entry<'_>) -> Result<()>,
) -> Result<()> {
    let log = dir::check(ports, dir, options)?;
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: Seq::NONE,
    };
    let mut end = log.read(From::FirstRecord, witnesses, Access::ReadOnly, false, sink)?;
    // What is shown stays shown. Where that cannot be promised, a view of the present says so.
    let _ = proof::prove(ports, &log, &mut end)?;
    Ok(())
}
