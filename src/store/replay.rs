//! The state as it stood at any record or time, folded from record 1.

use std::path::Path;

use crate::error::{Error, Result};
use crate::log::frame::{self, Crc};
use crate::log::head::{Head, Sha256Hex};
use crate::log::header::{LogId, SegmentHeader};
use crate::log::reader::{Access, From, Witnesses};
use crate::pipeline::{Event, Now, PipelineState, Timestamp};
use crate::ports::Ports;
use crate::position::{SegmentId, Seq};

use super::{Options, dir, proof, recovery};

/// A place in the log, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After this record.
    Seq(Seq),
    /// After the last record whose `at` is not later than this.
    Time(Timestamp),
}

/// The state as it was once, and where that was.
#[derive(Clone, Debug)]
pub struct Past {
    /// The state.
    pub state: PipelineState,
    /// When its last record was written.
    pub at: Timestamp,
    /// Which log it is of; `None` if the header says nothing that this version reads.
    pub log: Option<LogId>,
    /// The checksum of its last record.
    pub crc: Crc,
    /// The head of the log there.
    pub head: Sha256Hex,
}

impl Past {
    /// That moment, for rules that ask how late it is. No boot clock reaches back there.
    pub fn now(&self) -> Now {
        Now {
            at: self.at,
            given: true,
            boot: None,
        }
    }
}

/// The state after the record that `at` names, folded from record 1. Snapshots are not asked.
///
/// # Errors
/// [`Error::UnknownSeq`] beyond the log's end; damage if the log cannot be read so far.
pub fn past(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<Past> {
    let seq = seq_of(ports, dir, options, at)?;
    let mut past = fold(ports, dir, options, seq)?;
    if let At::Time(time) = at {
        past.at = time;
    }
    Ok(past)
}

/// The state after the record that `at` names.
///
/// # Errors
/// As [`past`].
pub fn state_at(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<PipelineState> {
    past(ports, dir, options, at).map(|past| past.state)
}

/// The last record that can be replayed where this error stopped a replay; `None` if there is none, or the error is
/// another.
pub fn last_good(error: &Error) -> Option<Seq> {
    let stopped_at = match error {
        Error::Damaged(damage) | Error::AmbiguousTail(damage) => Some(damage.seq),
        // Behind a newer version's segment header nothing is read, not even what is before it.
        Error::NewerFormat { file, seq, .. } => seq.filter(|&seq| {
            file.file_name().and_then(|name| name.to_str())
                != Some(&SegmentId::starting_at(seq).file_name())
        }),
        _ => None,
    };
    stopped_at
        .map(Seq::before)
        .filter(|&last| last != Seq::NONE)
}

fn seq_of(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<Seq> {
    match at {
        At::Seq(seq) => Ok(seq),
        At::Time(time) => seq_at(ports, dir, options, time),
    }
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
    fold(ports, dir, options, last).map(|past| past.state)
}

fn fold(ports: &Ports, dir: &Path, options: &Options, last: Seq) -> Result<Past> {
    let (mut state, mut at, mut log, mut crc) =
        (PipelineState::default(), Timestamp::EPOCH, None, Crc::NONE);
    let (mut head, mut line) = (Head::of_segment(None), Vec::new());
    let read = read_all(ports, dir, options, &mut |entry| {
        let frame = &entry.frame;
        if frame.seq > last {
            return Ok(());
        }
        let record = recovery::decode(&entry)?;
        if matches!(record.event, Event::Segment)
            && let Ok(header) = SegmentHeader::parse(frame.payload)
        {
            log = Some(header.log);
            head = Head::of_segment(header.sha256);
        }
        line.clear();
        crc = frame::encode(
            &mut line,
            frame.previous,
            frame.seq,
            frame.durable,
            frame.payload,
        );
        head.update(&line);
        at = record.at;
        state.apply(&record);
        Ok(())
    });
    match read {
        // What lies behind the place that was asked for is no business of this answer.
        Err(Error::Damaged(_) | Error::AmbiguousTail(_) | Error::NewerFormat { .. })
            if state.last_seq == last => {}
        Err(error) => return Err(error),
        Ok(()) if state.last_seq < last => {
            return Err(Error::UnknownSeq {
                seq: last,
                last: state.last_seq,
            });
        }
        Ok(()) => {}
    }
    Ok(Past {
        state,
        at,
        log,
        crc,
        head: head.value(),
    })
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
    // What is shown stays shown. Where that cannot be promised, a view of the present says so.
    let held = proof::hold(ports, &log)?;
    match log.read(From::FirstRecord, witnesses, Access::ReadOnly, false, sink) {
        Ok(mut end) => proof::prove(ports, &log, &mut end).map(drop),
        Err(error) => {
            proof::prove_held(ports, &log, &held, Seq::NONE)?;
            Err(error)
        }
    }
}
