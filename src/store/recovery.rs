//! Recovery: the snapshot, then every record after it. Reads only.
//!
//! ```text
//!   mark -> root snapshot (else .bak, else nothing) -> records after S, verified -> where the log ends
//!   mark -> cache, for who only looks               -> records after it, verified -> where the log ends
//! ```
//!
//! In this order: a mark or a snapshot that was read before the log can only attest what the log then has.

use std::path::{Path, PathBuf};

use crate::error::{Damage, DamageKind, Error, Result, Witness};
use crate::faults::{self, Fault};
use crate::log::frame::Crc;
use crate::log::header::LogId;
use crate::log::reader::{Access, Entry, From, Log, LogEnd, Position, Tail, Witnesses};
use crate::pipeline::codec::{self, PayloadError};
use crate::pipeline::{PipelineState, Record};
use crate::ports::{Disk, Ports};
use crate::position::Seq;
use crate::snapshot::set::{self, Loaded, Stamps};

use super::cache;
use super::dir::{self, WAL};
use super::facts::SnapshotFacts;
use super::{CacheMode, Options, Warning, strays};

/// What a store holds, as far as it can be proven.
pub(super) struct Recovered {
    pub(super) log: Log,
    pub(super) state: PipelineState,
    pub(super) end: LogEnd,
    pub(super) witnesses: Witnesses,
    pub(super) snapshot: SnapshotFacts,
    /// Records read behind the snapshot.
    pub(super) replayed: u64,
    pub(super) warnings: Vec<Warning>,
}

/// Whether the data of the items is recovered: it may be most of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// It is.
    Kept,
    /// It is not: no item of the state has any.
    LeftOut,
}

/// Recovers the store in `dir`.
pub(super) fn recover(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    access: Access,
    data: Data,
) -> Result<Recovered> {
    let log = dir::check(ports, dir, options)?;
    let late = faults::on(Fault::LogReadBeforeMark);
    if access == Access::ReadOnly
        // Its rows have the data, so it is in memory before anybody could leave it out.
        && data == Data::Kept
        && options.cache == CacheMode::Auto
        && !late
        && let Some(recovered) = from_cache(ports, dir, &log)
    {
        return Ok(recovered);
    }
    let mark = if late { Seq::NONE } else { log.mark() };
    let own = log.id()?.map(|id| id.to_string());
    let Loaded {
        snapshot,
        root,
        findings,
        stamps,
        seen,
    } = match data {
        Data::Kept => load_snapshot(ports, dir, own.as_deref()),
        Data::LeftOut => load_by((ports, dir), own.as_deref(), set::load_without_data),
    }?;
    let mut facts = SnapshotFacts {
        root,
        seen,
        ..SnapshotFacts::default()
    };
    let (mut state, from) = match snapshot {
        Some(found) => {
            let (seq, crc) = (found.place.seq, Crc::new(found.place.crc32));
            let id = LogId::parse(&found.place.id).ok_or_else(|| Error::OtherLog {
                file: PathBuf::from(set::ROOT),
                what: format!("{:?} is no log id", found.place.id),
            })?;
            (facts.seq, facts.bytes) = (Some(seq), found.total_bytes);
            (found.state, From::AfterSnapshot { seq, crc, log: id })
        }
        None => (PipelineState::default(), From::FirstRecord),
    };
    let witnesses = Witnesses {
        mark,
        snapshot: facts.seq.unwrap_or(Seq::NONE),
    };
    let mut replayed = 0;
    let end = log.read(from, witnesses, access, false, &mut |entry| {
        replayed += 1;
        let mut record = decode(&entry)?;
        if data == Data::LeftOut {
            record.event.strip_data();
        }
        take(&mut state, &mut facts, &record, &entry);
        Ok(())
    })?;
    if late && log.mark() > state.last_seq {
        return Err(log.no_segments(Witnesses {
            mark: log.mark(),
            snapshot: Seq::NONE,
        }));
    }
    let mut findings = strays::unexplained((ports, dir), findings, &state, facts.compacted);
    strays::beyond(&mut findings, state.last_seq);
    strays::stop_at_other_history(dir, &findings)?;
    facts.edited = strays::edited(&findings);
    // A set that is older than the one that was written last is told of, so it is not remembered as what it should be.
    let is_last = facts.seq.is_none_or(|seq| facts.compacted <= seq);
    facts.stamps = stamps.filter(|_| findings.is_empty() && is_last);
    let mut warnings: Vec<Warning> = findings.iter().map(strays::snapshot_warning).collect();
    if let Tail::Torn { bytes, .. } = end.tail {
        warnings.push(torn_warning(&end.position, bytes));
    }
    warnings.extend(world_writable_warning(ports, dir));
    Ok(Recovered {
        log,
        state,
        end,
        witnesses,
        snapshot: facts,
        replayed,
        warnings,
    })
}

/// As [`recover`], for a look, with what a cache that counts says in place of the snapshot and of all records that it goes
/// beyond. `None` if there is none, or if anything is wrong: that is for whoever reads everything to say.
fn from_cache(ports: &Ports, dir: &Path, log: &Log) -> Option<Recovered> {
    let mark = log.mark();
    let cache::Loaded {
        end: known,
        mut state,
        mut facts,
    } = cache::load(ports, dir, log)?;
    let covered = facts.seq.unwrap_or(Seq::NONE);
    let witnesses = Witnesses {
        mark,
        snapshot: covered,
    };
    // Seqs that were given up are no records: then how many were read cannot be told from where it ends.
    let whole = known.position.lost.is_empty();
    // Nothing about the files is odd, so a root in its place is the one that is known.
    let is_there = || ports.disk.exists(&dir.join(set::ROOT)).unwrap_or(false);
    facts.root = facts.seq.filter(|_| is_there());
    let from = From::Position(known.position);
    let access = Access::ReadOnly;
    let end = log
        .read(from, witnesses, access, false, &mut |entry| {
            fold(&mut state, &mut facts, &entry).map(drop)
        })
        .ok()
        .filter(|end| whole && end.position.lost.is_empty())?;
    let mut warnings = Vec::new();
    if let Tail::Torn { bytes, .. } = end.tail {
        warnings.push(torn_warning(&end.position, bytes));
    }
    warnings.extend(world_writable_warning(ports, dir));
    Some(Recovered {
        replayed: end.position.last_seq().get().saturating_sub(covered.get()),
        log: log.clone(),
        state,
        end,
        witnesses,
        snapshot: facts,
        warnings,
    })
}

/// How often the snapshots are looked at before a finding is believed: a compaction may be swapping them just now.
const LOOKS: usize = 3;

/// The files of the set while they are read: what is found wrong in files that nobody has touched meanwhile is wrong, and
/// reading all of them again would find the same.
struct Watch<'a> {
    ports: &'a Ports,
    dir: &'a Path,
    before: Option<Stamps>,
}

impl<'a> Watch<'a> {
    fn new(ports: &'a Ports, dir: &'a Path) -> Self {
        let before = Stamps::take(&*ports.disk, dir);
        Self { ports, dir, before }
    }

    /// True if nothing has changed since the last call, or since the watch began.
    fn all_quiet(&mut self) -> bool {
        let now = Stamps::take(&*self.ports.disk, self.dir);
        let quiet = now.is_some() && now == self.before;
        self.before = now;
        quiet
    }
}

/// Reads the snapshots of this log, again if something is wrong with them that a compaction may be about to put right.
pub(super) fn load_snapshot(ports: &Ports, dir: &Path, log: Option<&str>) -> Result<Loaded> {
    load_by((ports, dir), log, set::load_of)
}

/// Reads a set of the log with that id.
type Load = fn(&dyn Disk, &Path, Option<&str>) -> Result<Loaded>;

fn load_by((ports, dir): (&Ports, &Path), log: Option<&str>, load: Load) -> Result<Loaded> {
    let mut watch = Watch::new(ports, dir);
    let mut loaded = load(&*ports.disk, dir, log)?;
    for _ in 1..LOOKS {
        if loaded.findings.is_empty() || watch.all_quiet() {
            break;
        }
        let glance = set::look_of(&*ports.disk, dir, log, &|_, _| false)?;
        if glance.looked != set::Looked::from(&loaded) {
            // One state at a time is in memory.
            drop(loaded);
            loaded = load(&*ports.disk, dir, log)?;
        }
    }
    Ok(loaded)
}

/// As [`load_snapshot`], for who has the state: what the snapshots say about items is only read if they cover anything else
/// than what is known, which this process has read or written itself; and nothing at all, as long as it was not touched since.
pub(super) fn look_at_snapshot(
    ports: &Ports,
    dir: &Path,
    log: &str,
    known: &SnapshotFacts,
    state: &PipelineState,
) -> Result<set::Glance> {
    let seen = known.seen.as_ref();
    if let Some(seen) = seen.filter(|seen| seen.holds(&*ports.disk, dir)) {
        return Ok(seen.into());
    }
    let imported = |_: &str, sha256: &str| strays::is_imported(state, sha256);
    let mut watch = Watch::new(ports, dir);
    for _ in 0..LOOKS {
        let glance = set::look_of(&*ports.disk, dir, Some(log), &imported)?;
        if glance.looked.usable.map(|usable| usable.seq) != known.seq {
            break;
        }
        if glance.looked.findings.is_empty() || watch.all_quiet() {
            return Ok(glance);
        }
    }
    let loaded = load_snapshot(ports, dir, Some(log))?;
    let looked = set::Looked::from(&loaded);
    let seen = loaded.seen;
    Ok(set::Glance { looked, seen })
}

/// Takes one entry of the log into the state.
pub(super) fn fold(
    state: &mut PipelineState,
    facts: &mut SnapshotFacts,
    entry: &Entry<'_>,
) -> Result<Record> {
    let record = decode(entry)?;
    take(state, facts, &record, entry);
    Ok(record)
}

fn take(state: &mut PipelineState, facts: &mut SnapshotFacts, record: &Record, entry: &Entry<'_>) {
    state.apply(record);
    facts.note(record, entry.frame.encoded_len());
}

/// Reads an entry's payload as an event.
///
/// # Errors
/// [`Error::NewerFormat`] for an event of a newer version; damage for a verified line that is no event.
pub(super) fn decode(entry: &Entry<'_>) -> Result<Record> {
    let seq = entry.frame.seq;
    codec::decode(seq, entry.frame.payload).map_err(|error| {
        let file = Path::new(WAL).join(entry.segment.file_name());
        match error {
            PayloadError::UnknownKind { .. } => Error::NewerFormat {
                file,
                seq: Some(seq),
                what: error.to_string(),
            },
            PayloadError::Malformed { message } => Error::Damaged(Box::new(Damage {
                file,
                segment: Some(entry.segment),
                offset: entry.offset,
                seq,
                kind: DamageKind::Payload(message),
                // Its checksum holds, so somebody wrote it as it stands.
                witness: Some(Witness::Record(seq)),
                items: Vec::new(),
            })),
        }
    })
}

fn world_writable_warning(ports: &Ports, dir: &Path) -> Option<Warning> {
    let open = dir::world_writable(ports, dir)?;
    let (open, what) = (
        open.display(),
        "every user of the system may replace its files",
    );
    Some(Warning::new(
        "W-WORLD-WRITABLE",
        format!("{open} is open to all: {what}; chmod o-w {open}"),
    ))
}

pub(super) fn torn_warning(position: &Position, bytes: u64) -> Warning {
    Warning::new(
        "W-TORN",
        format!(
            "{WAL}/{} byte {}: {bytes} bytes of a write that a crash cut off, never acknowledged; the next writer goes on in a new segment",
            position.segment, position.offset
        ),
    )
}
