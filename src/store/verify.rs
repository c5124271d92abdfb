//! Verify: reads everything, trusts nothing, and never stops early.
//!
//! ```text
//!   around    mark, flag, names, left-overs, snapshots   -> findings
//!   log       survey of every segment, folded meanwhile  -> findings, records, heads
//!   differ    snapshot against that fold, at its place   -> findings       (deep)
//! ```
//!
//! Writes nothing. What live writers have in flight is no finding: what looks wrong is surveyed again, the last time
//! under the shared append lock, where nothing can be in flight.

mod around;
mod words;
mod collect;
mod differ;
mod sense;

use std::path::Path;

use crate::error::{Damage, Error, Result};
use crate::log::reader::{Log, Witnesses};
use crate::log::{Sha256Hex, files, lock};
use crate::pipeline::PipelineState;
use crate::ports::Ports;
use crate::position::Seq;

use super::{Options, dir, strays};
use collect::Collector;
use differ::DataMarks;

/// What to verify beyond what is always verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Compare the snapshot with a replay from record 1, in everything that a fold keeps.
    pub deep: bool,
    /// The head that the log had at a record (at its last one, without a seq), as somebody kept it elsewhere.
    pub head: Option<(Sha256Hex, Option<Seq>)>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says whether the store is damaged"]
pub struct Verified {
    /// The worst of the findings.
    pub verdict: Verdict,
    /// Whether the snapshot was compared with a replay.
    pub deep: bool,
    /// Records that can be read.
    pub records: u64,
    /// The last of them.
    pub last_seq: Seq,
    /// The highest that is known durable.
    pub durable_seq: Seq,
    /// Segments that are there.
    pub segments: usize,
    /// The head of the log at the last record, to be kept elsewhere; `None` if the last segment is hurt.
    pub head: Option<Sha256Hex>,
    /// What is not as it should be, in the order of the log.
    pub findings: Vec<Finding>,
}

/// The worst of several findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything is as it was written.
    Clean,
    /// Nothing acknowledged is hurt.
    Warnings,
    /// A crash cut off a write; it was never acknowledged.
    Torn,
    /// Nothing tells whether what is hurt was acknowledged.
    Ambiguous,
    /// Something acknowledged is hurt.
    Damaged,
}

impl Verdict {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Warnings => "warnings",
            Self::Torn => "torn",
            Self::Ambiguous => "ambiguous",
            Self::Damaged => "damaged",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// A stable word for programs: `V-CRC`.
    pub code: &'static str,
    /// What it makes of the whole store; [`Verdict::Clean`] for what is only noted.
    pub weight: Verdict,
    /// The file, relative to the store.
    pub file: String,
    /// Where in it.
    pub byte: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
    /// The record, or the first of them.
    pub seq: Option<Seq>,
    /// The items it touches, as far as they are known.
    pub items: Vec<String>,
    /// The items come out of bytes that verify.
    pub items_certain: bool,
    /// What attests that the record was acknowledged.
    pub witness: Option<String>,
    /// What, for people.
    pub message: String,
    /// The command that helps.
    pub next: Option<&'static str>,
}

impl Finding {
    /// A finding about a whole file.
    fn of_file(code: &'static str, weight: Verdict, file: impl Into<String>) -> Self {
        Self {
            code,
            weight,
            file: file.into(),
            byte: None,
            bytes: None,
            seq: None,
            items: Vec::new(),
            items_certain: false,
            witness: None,
            message: String::new(),
            next: None,
        }
    }

    fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    fn with_next(mut self, next: &'static str) -> Self {
        self.next = Some(next);
        self
    }
}

/// Verifies the store in `dir`. Damage is a finding here, not an error.
///
/// # Errors
/// [`Error::NoStore`];
/// [`Error::NewerFormat`] for a segment of a newer version; [`Error::LockTimeout`] if something looks hurt and a writer
/// held the lock for the whole wait; [`Error::Io`]: what the system refuses to read is no verdict.
pub fn verify(ports: &Ports, dir: &Path, options: &Options, extent: &Extent) -> Result<Verified> {
    let mut verified = looks(ports, dir, options, extent)?;
    // Once: the looks at the log may be several.
    for finding in around::exposed(ports, dir) {
        verified.verdict = verified.verdict.max(finding.weight);
        verified.findings.push(finding);
    }
    Ok(verified)
}

/// Looks at the store until what is seen is so.
fn looks(ports: &Ports, dir: &Path, options: &Options, extent: &Extent) -> Result<Verified> {
    let log = match dir::check(ports, dir, options) {
        Ok(log) => log,
        Err(Error::Damaged(damage)) => return no_segments(ports, dir, extent, *damage),
        Err(error) => return Err(error),
    };
    for _ in 0..2 {
        let verified = survey(ports, dir, &log, extent, false)?;
        if !verified.suspect {
            return Ok(verified.result);
        }
    }
    let path = log.wal_dir().join(files::LOCK);
    match lock::shared(ports, &path, options.lock_wait) {
        Ok(_held) => Ok(survey(ports, dir, &log, extent, true)?.result),
        Err(refused @ Error::LockTimeout { .. }) => {
            // Bytes in flight are nothing bad; of anything else nothing may be said without the lock.
            let verified = survey(ports, dir, &log, extent, false)?;
            if verified.bad {
                Err(refused)
            } else {
                Ok(verified.result)
            }
        }
        // What is no file nobody holds, and so nobody writes.
        Err(_) if around::is_odd(ports, &path) => {
            Ok(survey(ports, dir, &log, extent, true)?.result)
        }
        Err(error) => Err(error),
    }
}

/// A store that has lost all its segments, though something attests that it had some.
fn no_segments(ports: &Ports, dir: &Path, extent: &Extent, damage: Damage) -> Result<Verified> {
    let log = Log::new(ports.clone(), dir);
    let mark = log.mark();
    let (loaded, refused) = dir::snapshots(&*ports.disk, dir, &log)?;
    let place = loaded.snapshot.map(|found| found.place.seq);
    let attested = mark.max(place.unwrap_or(Seq::NONE));
    let mut findings = vec![words::no_segments(damage, attested)];
    let strays = strays::unexplained(
        (ports, dir),
        loaded.findings,
        &PipelineState::default(),
        Seq::NONE,
    );
    around::look(ports, dir, &log, &strays, &mut findings)?;
    findings.extend(refused.map(|why| around::refused(dir, &why)));
    Ok(Verified {
        verdict: Verdict::Damaged,
        deep: extent.deep,
        records: 0,
        last_seq: Seq::NONE,
        durable_seq: Seq::NONE,
        segments: 0,
        head: None,
        findings,
    })
}

/// One look at everything.
struct Look {
    result: Verified,
    /// Another look may see something else.
    suspect: bool,
    /// Something but bytes in flight is suspect.
    bad: bool,
}

fn survey(ports: &Ports, dir: &Path, log: &Log, extent: &Extent, under_lock: bool) -> Result<Look> {
    // In this order: what the mark and the snapshot attest is then in the log that is read after them.
    let mark = log.mark();
    let (mut loaded, refused) = dir::snapshots(&*ports.disk, dir, log)?;
    let data = loaded
        .snapshot
        .as_mut()
        .map(|found| DataMarks::take(&mut found.state));
    let place = loaded.snapshot.as_ref().map(|found| &found.place);
    let witnesses = Witnesses {
        mark,
        snapshot: place.map_or(Seq::NONE, |place| place.seq),
    };
    let mut collector = Collector::new(ports, log, extent, loaded.snapshot.as_ref().zip(data));
    let end = log.survey(witnesses, under_lock, &mut |what| collector.take(&what))?;
    let in_flight = collector.in_flight;
    // What is known durable stays so, though it cannot be read any more.
    let durable = collector
        .durable
        .max(witnesses.mark)
        .max(witnesses.snapshot);
    let (records, segments) = (collector.records, collector.segments);
    let compacted = collector.compacted;
    let (mut findings, state) = collector.finish(&end)?;
    // A file that was taken over, byte for byte, is ours to replace.
    let found = loaded.findings.clone();
    let mut strays = strays::unexplained((ports, dir), found, &state, compacted);
    // What is hurt may be what a snapshot was written of.
    if findings.iter().all(|it| it.weight < Verdict::Ambiguous) {
        strays::beyond(&mut strays, state.last_seq);
    }
    around::look(ports, dir, log, &strays, &mut findings)?;
    findings.extend(refused.map(|why| around::refused(dir, &why)));
    let verdict = findings.iter().map(|finding| finding.weight).max();
    let verdict = verdict.unwrap_or(Verdict::Clean);
    Ok(Look {
        // Beside a live compaction what is not right may be on its way.
        suspect: in_flight || verdict > Verdict::Warnings || !strays.is_empty(),
        bad: verdict > Verdict::Torn,
        result: Verified {
            verdict,
            deep: extent.deep,
            records,
            last_seq: end.last,
            durable_seq: durable,
            segments,
            head: end.head,
            findings,
        },
    })
}
