//! Every record that can be read, in the order of the log, and every place that cannot: for history and log.
//!
//! ```text
//!   Ground    what may be shown: through which record it is durable, and the state, as far as it can be folded
//!   walk      log -> records; behind damage the survey's; behind a newer version's header the lines as they stand
//!   walk_naming   the same, for who only wants the records that name something
//! ```
//!
//! Both know the witnesses that recovery knows: what they attest and nobody can read is missing, however well the log
//! seems to end before it. Unlike everybody else these readers go on where they must not believe what they read: they show it and say so.

mod naming;
mod raw;

pub use naming::walk_naming;

use std::path::{Path, PathBuf};

use crate::error::{Damage, DamageKind, Error, Result};
use crate::log::frame::Crc;
use crate::log::reader::{Access, Entry, From, Log, Witnesses};
use crate::log::survey::{Severity, Survey};
use crate::pipeline::{PipelineState, Timestamp, codec};
use crate::ports::Ports;
use crate::position::Seq;

use super::dir::{self, WAL};
use super::proof::{self, Unproven};
use super::{Options, View, Warning};

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
    /// The record is shown as it stands; only what it means is not known.
    pub shown: bool,
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
    /// What is attested outside of the segments.
    witnesses: Witnesses,
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
        let failure = match View::open(ports, dir, &options.without_cache()) {
            Ok(view) => {
                return Ok(Self {
                    through: view.last_seq(),
                    failure: None,
                    witnesses: Witnesses {
                        mark: view.durable_seq(),
                        snapshot: view.snapshot_seq().unwrap_or(Seq::NONE),
                    },
                    warnings: view.warnings().to_vec(),
                    complete: view.complete(),
                    state: State::Whole(Box::new(view)),
                });
            }
            Err(
                error @ (Error::Damaged(_)
                | Error::AmbiguousTail(_)
                | Error::OtherLog { .. }
                | Error::NewerFormat { .. }
                // A snapshot that the system refuses is no hindrance; a segment that it refuses stops the walk below.
                | Error::Io { .. }
                | Error::TooLarge { .. }),
            ) => error,
            Err(error) => return Err(error),
        };
        let log = dir::check(ports, dir, options)?;
        let witnesses = witnesses(ports, dir, &log, &failure);
        // The sync below proves what is read after this.
        let held = proof::hold(ports, &log)?;
        let (mut state, mut through) = (PipelineState::default(), Seq::NONE);
        let walk = Walk {
            ports,
            log: &log,
            witnesses,
            stop: unreadable_for(&failure),
            to_the_end: true,
        };
        walk.run(Seq::new(u64::MAX), &mut |found| {
            if let Found::Record(raw) = found {
                through = raw.seq;
                if let Ok(record) = codec::decode(raw.seq, raw.payload) {
                    state.apply(&record);
                }
            }
            true
        })?;
        let mut warnings = Vec::new();
        // What a newer version's or another log's snapshot knows may not be in this log.
        let strange = matches!(
            failure,
            Error::OtherLog { .. } | Error::NewerFormat { seq: None, .. }
        );
        let mut complete = !strange;
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
            witnesses,
            warnings,
            complete,
        })
    }

    /// The store, if it could be opened and all of it is shown: to be looked at again.
    pub fn into_view(self) -> Option<Box<View>> {
        match self.state {
            State::Whole(view) if self.complete => Some(view),
            _ => None,
        }
    }

    /// The state: the store's, or, where that cannot be opened, what the readable records come to.
    pub fn state(&self) -> &PipelineState {
        match &self.state {
            State::Whole(view) => view.state(),
            State::Readable(state) => state,
        }
    }
}

/// What is attested outside of the segments; of another history's snapshot nothing.
fn witnesses(ports: &Ports, dir: &Path, log: &Log, failure: &Error) -> Witnesses {
    let mark = log.mark();
    let snapshot = match failure {
        Error::OtherLog { .. } => None,
        // What cannot be read attests nothing; that it cannot is the failure.
        _ => dir::snapshots(&*ports.disk, dir, log)
            .ok()
            .and_then(|(loaded, _)| loaded.snapshot),
    };
    Witnesses {
        mark,
        snapshot: snapshot.map_or(Seq::NONE, |found| found.place.seq),
    }
}

/// Gives the walker every record through `through` that can be read, in the order of the log, and each place that
/// cannot. Where `through` is not before all that the ground shows, that includes what is missing behind it.
///
/// # Errors
/// The system's refusal to read.
pub fn walk(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    ground: &Ground,
    through: Seq,
    walker: &mut Walker<'_>,
) -> Result<()> {
    let log = dir::check(ports, dir, options)?;
    let walk = Walk {
        ports,
        log: &log,
        witnesses: ground.witnesses,
        stop: ground.failure.as_ref().and_then(unreadable_for),
        to_the_end: through >= ground.through,
    };
    walk.run(through, walker)
}

/// A walk over the log.
struct Walk<'w> {
    ports: &'w Ports,
    log: &'w Log,
    witnesses: Witnesses,
    /// The place for which the store cannot be opened.
    stop: Option<Unreadable>,
    /// Also what cannot be read behind the last record is asked for.
    to_the_end: bool,
}

impl Walk<'_> {
    fn run(&self, through: Seq, walker: &mut Walker<'_>) -> Result<()> {
        let (mut last, mut ended, mut told) = (Seq::NONE, false, false);
        let mut give = |found: Found<'_>| {
            let beyond = match found {
                Found::Record(raw) if raw.seq <= last => return Ok(()),
                Found::Record(raw) => {
                    last = raw.seq;
                    raw.seq > through
                }
                Found::Unreadable(place) => {
                    let beyond = place.seq > through && !self.to_the_end;
                    told |= !beyond;
                    beyond
                }
            };
            ended = ended || beyond || !walker(found);
            if ended { Err(end_of_walk()) } else { Ok(()) }
        };
        let read = match self.read(&mut give) {
            Err(_) if ended => Ok(()),
            read => read,
        };
        read?;
        // The store was not opened for something that no walk from its first record comes upon.
        if let Some(place) = &self.stop
            && self.to_the_end
            && !told
        {
            walker(Found::Unreadable(place));
        }
        Ok(())
    }

    fn read(&self, give: &mut Give<'_>) -> Result<()> {
        let (log, witnesses) = (self.log, self.witnesses);
        let read = log.read(
            From::FirstRecord,
            witnesses,
            Access::ReadOnly,
            false,
            &mut |entry| self.record(&entry, give),
        );
        let read = match read {
            Err(Error::Damaged(_)) => {
                let surveyed = log.survey(witnesses, false, &mut |found| match found {
                    Survey::Record(entry) => self.record(&entry, give),
                    Survey::Finding(finding)
                        if matches!(finding.severity, Severity::Damaged | Severity::Ambiguous) =>
                    {
                        give(Found::Unreadable(&unreadable(&finding.damage)))
                    }
                    Survey::Finding(finding) if finding.severity == Severity::Unreadable => {
                        Err(finding.refused())
                    }
                    Survey::Finding(_) | Survey::Segment(_) => Ok(()),
                });
                surveyed.map(drop)
            }
            other => other.map(drop),
        };
        match read {
            // Nothing tells whether what follows was ever acknowledged: a person decides, and until then it is not
            // shown.
            Err(Error::AmbiguousTail(damage)) => give(Found::Unreadable(&unreadable(&damage))),
            Err(Error::NewerFormat { seq, what, .. }) => self.read_raw(seq, &what, give),
            other => other,
        }
    }

    /// Gives a record, and behind it the place, if the fold stops at it.
    fn record(&self, entry: &Entry<'_>, give: &mut Give<'_>) -> Result<()> {
        let seq = entry.frame.seq;
        give(Found::Record(Raw {
            seq,
            crc: entry.frame.crc,
            payload: entry.frame.payload,
        }))?;
        match &self.stop {
            Some(place) if place.shown && place.seq == seq => {
                give(Found::Unreadable(&Unreadable {
                    byte: entry.offset.get(),
                    ..place.clone()
                }))
            }
            _ => Ok(()),
        }
    }
}

/// Takes what a walk comes upon; an error ends the walk.
type Give<'g> = dyn FnMut(Found<'_>) -> Result<()> + 'g;

/// The place in the log for which the store cannot be opened, if it is one.
fn unreadable_for(failure: &Error) -> Option<Unreadable> {
    match failure {
        Error::Damaged(damage) | Error::AmbiguousTail(damage) => Some(unreadable(damage)),
        Error::NewerFormat {
            file,
            seq: Some(seq),
            what,
        } => {
            // Some name the file from the store's directory on, some with it.
            let file = Path::new(WAL).join(file.file_name()?);
            Some(Unreadable {
                message: newer(&file, *seq, what),
                file,
                byte: 0,
                seq: *seq,
                shown: true,
            })
        }
        _ => None,
    }
}

fn newer(file: &Path, seq: Seq, what: &str) -> String {
    let file = file.display();
    format!(
        "{file}: record {seq} was written by a newer version of phaselog ({what}); it is shown as it stands"
    )
}

/// The last record, of those that can be read, whose `at` is not later than `time`; [`Seq::NONE`] if all are later.
///
/// # Errors
/// As [`walk`].
pub fn last_before(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    ground: &Ground,
    time: Timestamp,
) -> Result<Seq> {
    let mut found_seq = Seq::NONE;
    walk(ports, dir, options, ground, ground.through, &mut |found| {
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
    ground: &Ground,
    time: Timestamp,
) -> Result<Seq> {
    let mut first = None;
    walk(ports, dir, options, ground, ground.through, &mut |found| {
        if let Found::Record(raw) = found
            && at_of(raw.payload).is_some_and(|at| at >= time)
        {
            first = Some(raw.seq);
        }
        first.is_none()
    })?;
    Ok(first.unwrap_or(ground.through.next()))
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

fn unreadable(damage: &Damage) -> Unreadable {
    Unreadable {
        file: damage.file.clone(),
        byte: damage.offset.get(),
        seq: damage.seq,
        message: damage.to_string(),
        shown: matches!(damage.kind, DamageKind::Payload(_)),
    }
}

/// What the sink returns when the walk is over; never seen by anybody.
fn end_of_walk() -> Error {
    Error::Usage {
        message: String::new(),
    }
}
