//! What lies around the segments: the mark, the flag of a failed sync, names, left-overs, snapshots.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::reader::Log;
use crate::log::{files, lock, mark, poison};
use crate::ports::{EntryKind, LockKind, Ports};
use crate::position::{SegmentId, Seq};
use crate::snapshot::set::{self, FindingKind, NEXT};

use super::super::cache;
use super::super::dir::{IMPORTED, WAL};
use super::{Finding, Verdict};

/// How long the holder of the mark's lock is waited for: two small calls.
const MARK_WAIT: Duration = Duration::from_millis(200);

/// Looks at everything but the segments.
pub(super) fn look(
    ports: &Ports,
    dir: &Path,
    log: &Log,
    strays: &[set::Finding],
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let wal = log.wal_dir();
    findings.extend(super::super::dir::world_writable(ports, dir).map(|open| {
        let file = open
            .strip_prefix(dir)
            .ok()
            .filter(|inner| !inner.as_os_str().is_empty());
        let file = file.map_or_else(|| ".".to_owned(), |inner| inner.display().to_string());
        Finding::of_file("V-OPEN", Verdict::Warnings, file)
            .saying("every user of the system may replace its files")
            .with_next("chmod o-w")
    }));
    findings.extend(bad_mark(ports, log));
    findings.extend(flag(ports, wal));
    for lock in [files::LOCK, files::COMPACT_LOCK] {
        if is_odd(ports, &wal.join(lock)) {
            let finding = Finding::of_file("V-LOCK", Verdict::Warnings, format!("{WAL}/{lock}"));
            findings.push(finding.saying("it is no regular file: nobody can lock it, or write"));
        }
    }
    for kept in [files::QUARANTINE, IMPORTED] {
        let found = ports.disk.metadata(&wal.join(kept));
        if found.is_ok_and(|found| found.kind != EntryKind::Dir) {
            let finding = Finding::of_file("V-NAME", Verdict::Warnings, format!("{WAL}/{kept}"));
            let what = "it is no directory: no file can be kept in it, and who must keep one stops";
            findings.push(finding.saying(what).with_next("move it away"));
        }
    }
    // There may be any number of other names.
    let mut odd = Vec::new();
    let listed = ports.disk.each_name(wal, &mut |name| {
        let temp = files::temp_target(name).is_some();
        if temp || name.contains(".wal") && SegmentId::from_file_name(name).is_none() {
            odd.push(name.to_owned());
        }
    });
    listed.map_err(Error::io("list", wal))?;
    odd.sort_unstable();
    for name in odd {
        findings.extend(in_wal(ports, wal, &name)?);
    }
    findings.extend(strays.iter().map(|found| {
        // What loses nothing comes first: `compact --discard-edits` is the last resort.
        let (warning, take) = (Verdict::Warnings, "phaselog import --dry-run");
        let (code, weight, what, next) = match found.kind {
            FindingKind::Edited { .. } | FindingKind::Unparsable => ("V-EDITED", warning, "", take),
            FindingKind::Beyond => {
                let what = "it was changed by another program: ";
                (
                    "V-EDITED",
                    warning,
                    what,
                    "phaselog compact --discard-edits",
                )
            }
            FindingKind::PutBack => {
                let what = "it was put back in place of the snapshot: ";
                ("V-EDITED", warning, what, take)
            }
            FindingKind::Foreign | FindingKind::Unnamed => {
                ("V-FOREIGN", warning, "it is another program's: ", take)
            }
            FindingKind::NotAFile => ("V-NAME", warning, "", "move it away"),
            // With a root of another history the store does not open.
            FindingKind::OtherLog if found.file == set::ROOT => {
                ("V-OTHER-LOG", Verdict::Damaged, "", "move it away")
            }
            _ => ("V-SNAPSHOT", warning, "", "phaselog compact"),
        };
        let file = found.file.clone();
        Finding::of_file(code, weight, file)
            .saying(format!("{what}{}; {}", found.message, what_is_left(found)))
            .with_next(next)
    }));
    let in_the_way = set::in_any_way(&*ports.disk, dir);
    let untold = in_the_way.iter().filter(|found| {
        let told = |stray: &set::Finding| stray.file == found.file;
        !strays.iter().any(told)
    });
    findings.extend(untold.map(|found| {
        Finding::of_file("V-NAME", Verdict::Warnings, found.file.clone())
            .saying(format!("{}: a compaction stops at it", found.message))
            .with_next("move it away")
    }));
    for name in ports.disk.list(dir).map_err(Error::io("list", dir))? {
        let target = files::temp_target(&name);
        let ours =
            target.is_some_and(|target| target.ends_with(".json") || target.contains(".json."));
        if (ours || name == NEXT)
            && !is_held(ports, &wal.join(files::COMPACT_LOCK))
            && exists(ports, &dir.join(&name))?
        {
            findings.push(left_over(name, "a compaction that was cut short left it"));
        }
    }
    Ok(())
}

/// Files that every user may write to, and directories that every user may put files into. Each file is looked at.
pub(super) fn exposed(ports: &Ports, dir: &Path) -> Vec<Finding> {
    let exposed = super::super::dir::exposed(ports, dir, usize::MAX).into_iter();
    let found = exposed.map(|found| {
        let file = found.path.strip_prefix(dir).unwrap_or(&found.path);
        let file = Some(file.display().to_string()).filter(|file| !file.is_empty());
        let file = file.unwrap_or_else(|| ".".to_owned());
        Finding::of_file("V-OPEN", Verdict::Warnings, file)
            .saying(found.what)
            .with_next("chmod o-w")
    });
    found.collect()
}

/// A mark that cannot be read counts 0, and hurt bytes at the very end of the log are then nobody's witness.
fn bad_mark(ports: &Ports, log: &Log) -> Option<Finding> {
    let path = log.wal_dir().join(mark::MARK);
    let what = match is_hurt(ports, &path, log) {
        Ok(false) => return None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Ok(true) => {
            "it cannot be read and counts nothing; the next record writes it anew".to_owned()
        }
        Err(error) => format!("it cannot be read ({error}) and counts nothing; move it away"),
    };
    let file = format!("{WAL}/{}", mark::MARK);
    Some(Finding::of_file("V-MARK", Verdict::Warnings, file).saying(what))
}

fn is_hurt(ports: &Ports, mark: &Path, log: &Log) -> io::Result<bool> {
    let file = ports.disk.open_read(mark)?;
    // Who writes it holds its lock; without that lock it may be seen halfway.
    let locked = file.lock(LockKind::Shared, MARK_WAIT)?;
    let hurt = locked && log.mark() == Seq::NONE && !file.is_empty()?;
    if locked {
        file.unlock()?;
    }
    Ok(hurt)
}

/// The flag of a failed sync. That it is there counts, whatever it is.
fn flag(ports: &Ports, wal: &Path) -> Option<Finding> {
    let file = format!("{WAL}/{}", poison::POISONED);
    let finding = Finding::of_file("V-POISONED", Verdict::Warnings, file);
    if let Some(what) = poison::in_its_place(&*ports.disk, wal) {
        let what = format!("{what} or takes away; who writes stops at it");
        return Some(finding.saying(what).with_next("move it away"));
    }
    match poison::read(&*ports.disk, wal) {
        Ok(None) => None,
        Ok(Some(flag)) => {
            let what = format!("a sync of the log failed ({flag}); the next writer clears that");
            Some(Finding {
                seq: Some(flag.seq),
                ..finding.saying(what).with_next("phaselog resume")
            })
        }
        Err(error) => Some(finding.saying(format!(
            "it says that a sync of the log failed, and cannot be read ({error})"
        ))),
    }
}

/// What is not lost with a file, and what may be: the log has every record, and nothing that somebody typed into the file.
fn what_is_left(found: &set::Finding) -> &'static str {
    match found.kind {
        FindingKind::Damaged if !set::is_bak(&found.file) => {
            "the log has every record, but not what somebody may have typed into the file, which the next compaction keeps in wal/quarantine/"
        }
        FindingKind::Edited { .. } | FindingKind::Unparsable => {
            "the log has every record, but not what somebody typed into the file; `compact --discard-edits` keeps it in wal/quarantine/"
        }
        _ => "the log has everything",
    }
}

/// A snapshot that the system does not give.
pub(super) fn refused(dir: &Path, why: &Error) -> Finding {
    let path = match why {
        Error::Io { path, .. } => path.strip_prefix(dir).unwrap_or(path),
        _ => Path::new(set::ROOT),
    };
    Finding::of_file("V-SNAPSHOT", Verdict::Warnings, path.display().to_string())
        .saying(format!("{why}; the log has everything"))
}

fn in_wal(ports: &Ports, wal: &Path, name: &str) -> Result<Option<Finding>> {
    if files::temp_target(name) == Some(cache::CACHE) {
        // Derived: somebody makes one, or did; nobody reads it.
        return Ok(None);
    }
    if files::temp_target(name).is_some() {
        let held = is_held(ports, &wal.join(files::LOCK));
        let left = !held && exists(ports, &wal.join(name))?;
        let what = "a writer that was cut short left it; the next new segment removes it";
        return Ok(left.then(|| left_over(format!("{WAL}/{name}"), what)));
    }
    // What has the name of a segment was surveyed as one.
    Ok(Some(
        Finding::of_file("V-NAME", Verdict::Warnings, format!("{WAL}/{name}"))
            .saying("it is no name of a segment: nobody reads it"),
    ))
}

fn left_over(file: String, what: &str) -> Finding {
    Finding::of_file("V-LEFT-OVER", Verdict::Warnings, file).saying(what)
}

/// True if somebody holds a lock now: what its holders make is then in use.
fn is_held(ports: &Ports, path: &Path) -> bool {
    // What the system refuses to lock is told where it hurts.
    matches!(
        lock::shared(ports, path, Duration::ZERO),
        Err(Error::LockTimeout { .. })
    )
}

/// True if a name leads to something that is no regular file.
pub(super) fn is_odd(ports: &Ports, path: &Path) -> bool {
    let found = ports.disk.metadata(path);
    found.is_ok_and(|found| found.kind != EntryKind::File)
}

fn exists(ports: &Ports, path: &Path) -> Result<bool> {
    ports.disk.exists(path).map_err(Error::io("look at", path))
}
