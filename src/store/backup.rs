//! Backup: a copy of a store that opens, verifies and is whole, taken while writers run; or none at all.
//!
//! ```text
//!   mark -> snapshots -> log, from record 1 to its end, verified -> synced        (the order of every reader)
//!   .DIR.<16 hex>.tmp: segments, snapshots, originals -> synced -> verified, deep
//!   rename to DIR -> sync its parent
//! ```
//!
//! A crash leaves a directory under a temp name, or the whole backup. What readers of the source may not be shown
//! is not in the copy either: it ends at a record that was durable when it was taken.

mod copy;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::Sha256Hex;
use crate::log::files::{self, COMPACT_LOCK, LOCK, QUARANTINE};
use crate::log::mark;
use crate::log::reader::{Access, From, Log, LogEnd, Witnesses};
use crate::pipeline::{Event, PipelineState, codec};
use crate::ports::{EntryKind, Ports};
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::set::{self, Finding, LoadedSet, ROOT};
use crate::snapshot::work_items;

use super::dir::{self, IMPORTED, WAL};
use super::verify::{self, Extent, Verdict};
use super::{Options, Warning, proof, recovery, replay, strays};
use copy::Copier;

/// A backup that was made.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says how far the copy goes"]
pub struct BackedUp {
    /// Which log it is.
    pub log: String,
    /// Records in it.
    pub records: u64,
    /// The last of them.
    pub last_seq: Seq,
    /// The head of the log there, to be kept elsewhere.
    pub head: Option<Sha256Hex>,
    /// Segments in it.
    pub segments: usize,
    /// The last record in the copied snapshots; `None` if the copy has none.
    pub snapshot_seq: Option<Seq>,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// False if the source has more that could not be made durable, and is not in the copy.
    pub complete: bool,
    /// What was noticed and is not in the copy.
    pub warnings: Vec<Warning>,
}

/// A usable set, and the bytes of its root.
struct Snapshot {
    set: LoadedSet,
    root: Vec<u8>,
}

/// What is to be copied.
struct Source {
    log: Log,
    end: LogEnd,
    /// The last segment and the end of the last record in it.
    cut: (SegmentId, Offset),
    durable: Seq,
    snapshot: Option<Snapshot>,
    complete: bool,
    warnings: Vec<Warning>,
}

/// Copies the store in `dir` into the directory `target`, which must be new or empty. Writes nothing in the store but
/// `poisoned`, after a failed sync.
///
/// # Errors
/// [`Error::StoreExists`] if something is in the target; [`Error::Usage`] if it is inside the store. What a reader of the
/// log stops at, damage first of all, stops a backup too, and what [`Error::Io`] says of the target. Then there is no
/// backup.
pub fn backup(ports: &Ports, dir: &Path, options: &Options, target: &Path) -> Result<BackedUp> {
    check_target(ports, dir, target)?;
    let source = read(ports, dir, options)?;
    let (parent, name) = (files::parent(target), file_name(target)?);
    let temp = parent.join(files::temp_name(&name, ports.process.random()));
    // An empty one may be there, of somebody who keeps others out of it.
    let is_there = ports.disk.exists(target);
    let is_there = is_there.map_err(Error::io("look at", target))?;
    let like = [dir, target];
    let like = if is_there { &like[..] } else { &like[..1] };
    let made = fill(ports, &temp, like, &source).and_then(|copier| {
        let verified = check_copy(ports, &temp, options)?;
        ports
            .disk
            .rename(&temp, target)
            .map_err(Error::io("make", target))?;
        Ok((copier, verified))
    });
    let (copier, verified) = made.inspect_err(|_| {
        // Best effort: what stays has a name that nothing reads.
        let _ = ports.disk.remove_tree(&temp);
    })?;
    ports
        .disk
        .sync_dir(parent)
        .map_err(Error::io("sync", parent))?;
    let mut warnings = source.warnings;
    warnings.extend(copier.warnings);
    Ok(BackedUp {
        log: source.end.position.log.to_string(),
        records: verified.records,
        last_seq: verified.last_seq,
        head: verified.head,
        segments: verified.segments,
        snapshot_seq: source.snapshot.map(|found| found.set.place.seq),
        files: copier.files,
        bytes: copier.bytes,
        complete: source.complete,
        warnings,
    })
}

fn check_target(ports: &Ports, dir: &Path, target: &Path) -> Result<()> {
    if replay::is_within(&*ports.disk, target, dir)? {
        return Err(Error::Usage {
            message: format!("{} is inside the store", target.display()),
        });
    }
    let taken = |what| {
        let dir = dir::absolute(target);
        Err(Error::StoreExists { dir, what })
    };
    match ports.disk.metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("look at", target)(error)),
        Ok(found) if found.kind != EntryKind::Dir => taken("is there, and is no directory"),
        Ok(_) => {
            let names = ports.disk.list(target).map_err(Error::io("list", target))?;
            if names.is_empty() {
                Ok(())
            } else {
                taken("is not empty")
            }
        }
    }
}

fn file_name(target: &Path) -> Result<String> {
    let name = target.file_name().map(|name| name.to_string_lossy());
    name.map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::Usage {
            message: format!("{} names no directory", target.display()),
        })
}

/// Reads all of the log, and makes durable what will be copied.
fn read(ports: &Ports, dir: &Path, options: &Options) -> Result<Source> {
    let log = dir::check(ports, dir, options)?;
    // In the order of every reader: what the mark and the snapshot attest is then in the log that is read after them.
    let mark = log.mark();
    let (mut snapshot, findings) = read_snapshot(ports, dir, &log)?;
    let witnesses = Witnesses {
        mark,
        snapshot: snapshot
            .as_ref()
            .map_or(Seq::NONE, |found| found.set.place.seq),
    };
    let (mut state, mut compacted) = (PipelineState::default(), Seq::NONE);
    let mut end = log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadOnly,
        false,
        &mut |entry| {
            // A kind of event that only a newer version knows is copied like any other.
            if let Ok(record) = codec::decode(entry.frame.seq, entry.frame.payload) {
                state.apply(&record);
                if let Event::Compacted { covers } = record.event {
                    compacted = compacted.max(covers);
                }
            }
            Ok(())
        },
    )?;
    let mut warnings: Vec<Warning> = strays::unexplained((ports, dir), findings, &state, compacted)
        .iter()
        .map(left_out)
        .collect();
    let last = end.position.last_seq();
    let mut cut = (end.position.segment, end.position.offset);
    let (durable, complete) = match proof::prove(ports, &log, &mut end)? {
        Ok(durable) => (durable.min(last), true),
        Err(unproven) => {
            let known = unproven.known;
            cut = end_of(&log, witnesses, known, &unproven.why)?;
            // A snapshot is followed by a header, and the copy may end before that.
            snapshot = None;
            let said = format!("{}; the copy ends with {known}", unproven.words(last));
            warnings.push(Warning::new("W-UNCONFIRMED", said));
            (known, false)
        }
    };
    Ok(Source {
        log,
        end,
        cut,
        durable,
        snapshot,
        complete,
        warnings,
    })
}

/// The usable snapshots with the bytes of their root, and what is wrong with others.
fn read_snapshot(ports: &Ports, dir: &Path, log: &Log) -> Result<(Option<Snapshot>, Vec<Finding>)> {
    // A compaction may put another root in place between the two looks.
    const LOOKS: usize = 5;
    let own = log.id()?.map(|id| id.to_string());
    let mut findings = Vec::new();
    for _ in 0..LOOKS {
        let loaded = match recovery::load_snapshot(ports, dir, own.as_deref()) {
            // The log has everything.
            Err(Error::Io { .. } | Error::TooLarge { .. }) => break,
            loaded => loaded?,
        };
        findings = loaded.findings;
        let Some(set) = loaded.snapshot else { break };
        let path = dir.join(set.source.file());
        let Ok(root) = ports.disk.read(&path, set::MAX_FILE_BYTES) else {
            continue;
        };
        let names = work_items::decode_names(&root).usable();
        if names.is_some_and(|names| names.place == set.place) {
            return Ok((Some(Snapshot { set, root }), findings));
        }
    }
    Ok((None, findings))
}

/// What is in the store and not in the copy.
fn left_out(finding: &Finding) -> Warning {
    Warning::new(
        "W-SNAPSHOT",
        format!("{} is not copied: {}", finding.file, finding.message),
    )
}

/// The segment and the end of a record that was read before.
fn end_of(log: &Log, witnesses: Witnesses, last: Seq, why: &str) -> Result<(SegmentId, Offset)> {
    let mut found = None;
    log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadOnly,
        false,
        &mut |entry| {
            if entry.frame.seq == last {
                let end = entry.offset.plus(entry.frame.encoded_len());
                found = Some((entry.segment, end));
            }
            Ok(())
        },
    )?;
    let why = || io::Error::other(why.to_owned());
    found.ok_or_else(|| Error::io("make durable", log.wal_dir())(why()))
}

/// Copies everything into a new directory, durable when this returns.
fn fill<'p>(ports: &'p Ports, temp: &Path, like: &[&Path], source: &Source) -> Result<Copier<'p>> {
    let mut copier = Copier::new(ports);
    let (from, wal) = (source.log.wal_dir(), temp.join(WAL));
    copier.make_dir(temp, like)?;
    copier.make_dir(&wal, &[from, temp])?;
    let (last, offset) = source.cut;
    for id in source.log.segments()? {
        let path = wal.join(id.file_name());
        if id < last {
            // Whole, with what lies behind its end: that is kept for people.
            copier.copy(&from.join(id.file_name()), &path)?;
        } else if id == last && last == source.end.position.segment {
            copier.copy_open(&*source.end.file, offset.get(), &path)?;
        } else if id == last {
            copier.copy_part(&from.join(id.file_name()), offset.get(), &path)?;
        }
    }
    for name in [LOCK, COMPACT_LOCK] {
        copier.write(&wal.join(name), b"")?;
    }
    if let Some(Snapshot { set, root }) = &source.snapshot {
        for companion in &set.companions {
            let name = &companion.name;
            copier.copy_open(&*companion.file, name.bytes, &temp.join(&name.name))?;
        }
        copier.write(&temp.join(ROOT), root)?;
    }
    for folder in [IMPORTED, QUARANTINE] {
        copier.copy_folder(&from.join(folder), &wal.join(folder))?;
    }
    // A mark is never synced where it is only advice; here it belongs to what is verified.
    let path = wal.join(mark::MARK);
    let marked = mark::raise(&*ports.disk, &wal, source.durable);
    let marked = marked.and_then(|()| ports.disk.open_read(&path)?.sync());
    marked.map_err(Error::io("write", path))?;
    copier.sync_dirs()?;
    Ok(copier)
}

/// The copy is read to its end as any store is, deep: what a disk gave wrongly would show here.
fn check_copy(ports: &Ports, temp: &Path, options: &Options) -> Result<verify::Verified> {
    // Nobody else works on it: a copy may lie on a network file system.
    let options = Options {
        allow_network: true,
        ..options.clone()
    };
    let deep = Extent {
        deep: true,
        head: None,
    };
    let verified = verify::verify(ports, temp, &options, &deep)?;
    let worst = verified
        .findings
        .iter()
        .max_by_key(|finding| finding.weight)
        .filter(|finding| finding.weight > Verdict::Warnings);
    match worst {
        None => Ok(verified),
        Some(finding) => {
            let place: PathBuf = temp.join(&finding.file);
            let what = format!(
                "the copy is not what was read: {}: {}",
                finding.code, finding.message
            );
            Err(Error::io("verify", place)(io::Error::other(what)))
        }
    }
}
