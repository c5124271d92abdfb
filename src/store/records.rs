//! Every record that can be read, in the order of the log, and every place that cannot: for history and log.
//!
//! ```text
//!   Ground    what may be shown: through which record it is durable, and the state, as far as it can be folded
//!   walk      log -> records; behind damage the survey's; behind a newer version's header the lines as they stand
//! ```
//!
//! Unlike everybody else these readers go on where they must not believe what they read: they show it and say so.

use std::path::{Path, PathBuf};

use crate::error::{Damage, Error, Result};
use crate::log::frame::{self, Crc};
use crate::log::reader::{Access, Entry, From, Log, Witnesses};
use crate::log::survey::{Severity, Survey};
use crate::pipeline::{PipelineState, Timestamp, codec};
use crate::ports::Ports;
use crate::position::{SegmentId, Seq};

use super::dir::{self, WAL};
use super::proof::{self, Unproven};
use super::{Options, View, Warning};

/// A segment that a newer version wrote is read as it stands, up to this size.
const MAX_RAW_BYTES: u64 = 1 << 30;

/// A record as it stands in the log.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Its place.
    pub seq: Seq,
    /// Its checksum.
    pub crc: Crc,
    /// Its payload: JSON, unless somebody else's program wrote it.
    pub payload: &'a str,
}

/// A place in the log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The file, relative to the store.
    pub file: PathBuf,
    /// Where in it.
    pub byte: u64,
    /// The first record that is missing.
    pub seq: Seq,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// What a walk comes upon.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// A record.
    Record(Raw<'a>),
    /// A place that cannot be read.
    Unreadable(&'a Unreadable),
}

/// Takes what a walk comes upon; false ends the walk.
pub type Walker<'w> = dyn FnMut(Found<'_>) -> bool + 'w;

/// What may be shown of a log that perhaps cannot be read as a whole.
pub struct Ground {
    /// The state: the store's, or what the readable records come to.
    state: State,
    /// The last record that may be shown.
    pub through: Seq,
    /// Why the store itself cannot be opened.
    pub failure: Option<Error>,
    /// What was noticed on the way.
    pub warnings: Vec<Warning>,
    /// False if there is more than may be shown.
    pub complete: bool,
}

enum State {
    Whole(Box<View>),
    Readable(Box<PipelineState>),
}

impl Ground {
    /// Opens the store; where it cannot be opened for what stands in its log, folds what can be read of it.
    /// What may be shown is durable.
    ///
    /// # Errors
    /// No store, or the system's refusal. Damage and records of a newer version are no errors here: see
    /// [`Ground::failure`].
    pub fn open(ports: &Ports, dir: &Path, options: &Options) -> Result<Self> {
        let failure = match View::open(ports, dir, options) {
            Ok(view) => {
                return Ok(Self {
                    through: view.last_seq(),
                    failure: None,
                    warnings: view.warnings().to_vec(),
                    complete: view.complete(),
                    state: State::Whole(Box::new(view)),
                });
            }
            Err(
                error @ (Error::Damaged(_)
                | Error::AmbiguousTail(_)
                | Error::OtherLog { .. }
                | Error::NewerFormat { .. }),
            ) => error,
            Err(error) => return Err(error),
        };
        let log = dir::check(ports, dir, options)?;
        // The sync below proves what is read after this.
        let held = proof::hold(ports, &log)?;
        let (mut state, mut through) = (PipelineState::default(), Seq::NONE);
        walk(ports, dir, options, Seq::new(u64::MAX), &mut |found| {
            if let Found::Record(raw) = found {
                through = raw.seq;
                if let Ok(record) = codec::decode(raw.seq, raw.payload) {
                    state.apply(&record);
                }
            }
            true
        })?;
        let (mut warnings, mut complete) = (Vec::new(), true);
        if let Some(Unproven { known, why }) = proof::prove_held(ports, &log, &held, through)? {
            let message = format!(
                "records beyond {known} could not be made durable ({why}) and are not shown"
            );
            warnings.push(Warning::new("W-UNCONFIRMED", message));
            (through, complete) = (known, false);
        }
        let state = State::Readable(Box::new(state));
        Ok(Self {
            state,
            through,
            failure: Some(failure),
            warnings,
            complete,
        })
    }

    /// The state: the store's, or, where that cannot be opened, what the readable records come to.
    pub fn state(&self) -> &PipelineState {
        match &self.state {
            State::Whole(view) => view.state(),
            State::Readable(state) => state,
        }
    }
}

/// Gives the walker every record through `through` that can be read, in the order of the log, and each place that
/// cannot.
///
/// # Errors
/// The system's refusal to read.
pub fn walk(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    through: Seq,
    walker: &mut Walker<'_>,
) -> Result<()> {
    let log = dir::check(ports, dir, options)?;
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: Seq::NONE,
    };
    let (mut last, mut ended) = (Seq::NONE, false);
    let mut give = |found: Found<'_>| {
        let seq = match found {
            Found::Record(raw) if raw.seq <= last => return Ok(()),
            Found::Record(raw) => raw.seq,
            Found::Unreadable(place) => place.seq,
        };
        if let Found::Record(_) = found {
            last = seq;
        }
        ended = ended || seq > through || !walker(found);
        if ended { Err(end_of_walk()) } else { Ok(()) }
    };
    let read = log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadOnly,
        false,
        &mut |entry| give(Found::Record(raw(&entry))),
    );
    let read = match read {
        Err(Error::Damaged(_)) => {
            let surveyed = log.survey(witnesses, false, &mut |found| match found {
                Survey::Record(entry) => give(Found::Record(raw(&entry))),
                Survey::Finding(finding)
                    if matches!(finding.severity, Severity::Damaged | Severity::Ambiguous) =>
                {
                    give(Found::Unreadable(&unreadable(&finding.damage)))
                }
                Survey::Finding(_) | Survey::Segment(_) => Ok(()),
            });
            surveyed.map(drop)
        }
        other => other.map(drop),
    };
    let read = match read {
        // Nothing tells whether what follows was ever acknowledged: a person decides, and until then it is not shown.
        Err(Error::AmbiguousTail(damage)) => give(Found::Unreadable(&unreadable(&damage))),
        Err(Error::NewerFormat { .. }) => walk_raw(ports, &log, &mut give),
        other => other,
    };
    match read {
        Err(_) if ended => Ok(()),
        read => read,
    }
}

/// The last record, of those that can be read, whose `at` is not later than `time`; [`Seq::NONE`] if all are later.
///
/// # Errors
/// As [`walk`].
pub fn last_before(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    through: Seq,
    time: Timestamp,
) -> Result<Seq> {
    let mut found_seq = Seq::NONE;
    walk(ports, dir, options, through, &mut |found| {
        if let Found::Record(raw) = found
            && at_of(raw.payload).is_some_and(|at| at <= time)
        {
            found_seq = raw.seq;
        }
        true
    })?;
    Ok(found_seq)
}

/// The first record, of those that can be read, whose `at` is not earlier than `time`; the one after the last if all
/// are earlier. Where a clock was set back this shows more, never less.
///
/// # Errors
/// As [`walk`].
pub fn first_from(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    through: Seq,
    time: Timestamp,
) -> Result<Seq> {
    let mut first = None;
    walk(ports, dir, options, through, &mut |found| {
        if let Found::Record(raw) = found
            && at_of(raw.payload).is_some_and(|at| at >= time)
        {
            first = Some(raw.seq);
        }
        first.is_none()
    })?;
    Ok(first.unwrap_or(through.next()))
}

/// When a payload says that it was written.
pub(super) fn at_of(payload: &str) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Dated {
        at: Timestamp,
    }
    serde_json::from_str::<Dated>(payload)
        .ok()
        .map(|dated| dated.at)
}

/// Reads the segments line by line, as far as the next one says that they go: what a newer version wrote is not
/// understood, but its checksums tell that it stands as it was written.
fn walk_raw(ports: &Ports, log: &Log, give: &mut dyn FnMut(Found<'_>) -> Result<()>) -> Result<()> {
    let read = |id: SegmentId| {
        let path = log.segment_path(id);
        let bytes = ports.disk.read(&path, MAX_RAW_BYTES);
        bytes.map_err(Error::io("read", &path))
    };
    let (mut expected, segments) = (Seq::NONE, log.segments()?);
    let mut after: Option<Vec<u8>> = None;
    for (index, &id) in segments.iter().enumerate() {
        let mut bytes = match after.take() {
            Some(bytes) => bytes,
            None => read(id)?,
        };
        if let Some(&successor) = segments.get(index + 1) {
            let next = read(successor)?;
            bytes.truncate(sealed_at(&next).unwrap_or(bytes.len()));
            after = Some(next);
        }
        let (mut byte, mut hurt) = (0, false);
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let parsed = line
                .strip_suffix(b"\n")
                .and_then(|line| frame::parse(line).ok());
            match parsed.filter(|frame| frame.seq >= expected) {
                Some(frame) => {
                    give(Found::Record(Raw {
                        seq: frame.seq,
                        crc: frame.crc,
                        payload: frame.payload,
                    }))?;
                    (expected, hurt) = (frame.seq.next(), false);
                }
                // A line that nobody finished says nothing; the hurt ones after another are one place.
                None if hurt || !line.ends_with(b"\n") => {}
                None => {
                    hurt = true;
                    let (file, seq) = (id.file_name(), expected.max(id.first_seq()));
                    let message = format!("{WAL}/{file} byte {byte}: record {seq} cannot be read");
                    let file = Path::new(WAL).join(file);
                    give(Found::Unreadable(&Unreadable {
                        file,
                        byte,
                        seq,
                        message,
                    }))?;
                }
            }
            byte += line.len() as u64;
        }
    }
    Ok(())
}

/// Where a segment's header, of whatever version, says that the one before it ends.
fn sealed_at(bytes: &[u8]) -> Option<usize> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    let header: serde_json::Value = serde_json::from_str(frame::parse(line).ok()?.payload).ok()?;
    let end = header.pointer("/prev/valid_bytes")?.as_u64()?;
    usize::try_from(end).ok()
}

fn raw<'a>(entry: &Entry<'a>) -> Raw<'a> {
    Raw {
        seq: entry.frame.seq,
        crc: entry.frame.crc,
        payload: entry.frame.payload,
    }
}

fn unreadable(damage: &Damage) -> Unreadable {
    Unreadable {
        file: damage.file.clone(),
        byte: damage.offset.get(),
        seq: damage.seq,
        message: damage.to_string(),
    }
}

/// What the sink returns when the walk is over; never seen by anybody.
fn end_of_walk() -> Error {
    Error::Usage {
        message: String::new(),
    }
}
