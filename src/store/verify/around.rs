//! What lies around the segments: the mark, the flag of a failed sync, names, left-overs, snapshots.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::reader::Log;
use crate::log::{files, lock, mark, poison};
use crate::ports::{EntryKind, LockKind, Ports};
use crate::position::{SegmentId, Seq};
use crate::snapshot::set::{self, FindingKind, NEXT};

use super::super::dir::WAL;
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
    findings.extend(bad_mark(ports, log)?);
    findings.extend(flag(ports, log)?);
    let wal = log.wal_dir();
    for name in ports.disk.list(wal).map_err(Error::io("list", wal))? {
        findings.extend(in_wal(ports, wal, &name)?);
    }
    findings.extend(strays.iter().map(|found| {
        let (code, what) = match found.kind {
            FindingKind::Edited { .. } => ("V-EDITED", "another program changed it: "),
            FindingKind::Foreign => ("V-FOREIGN", "it is another program's: "),
            _ => ("V-SNAPSHOT", ""),
        };
        Finding::of_file(code, Verdict::Warnings, found.file.clone())
            .saying(format!("{what}{}; the log has everything", found.message))
            .with_next("phaselog compact")
    }));
    for name in ports.disk.list(dir).map_err(Error::io("list", dir))? {
        let target = files::temp_target(&name);
        let ours =
            target.is_some_and(|target| target.ends_with(".json") || target.contains(".json."));
        if (ours || name == NEXT)
            && !is_held(ports, &wal.join(files::COMPACT_LOCK))?
            && exists(ports, &dir.join(&name))?
        {
            findings.push(left_over(name, "a compaction that was cut short left it"));
        }
    }
    Ok(())
}

/// A mark that cannot be read counts 0, and hurt bytes at the very end of the log are then nobody's witness.
fn bad_mark(ports: &Ports, log: &Log) -> Result<Option<Finding>> {
    let path = log.wal_dir().join(mark::MARK);
    let file = match ports.disk.open_read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    // Who writes it holds its lock; without that lock it may be seen halfway.
    let locked = file
        .lock(LockKind::Shared, MARK_WAIT)
        .map_err(Error::io("lock", &path))?;
    let hurt =
        locked && log.mark() == Seq::NONE && !file.is_empty().map_err(Error::io("read", &path))?;
    if locked {
        file.unlock().map_err(Error::io("unlock", &path))?;
    }
    Ok(hurt.then(|| {
        Finding::of_file("V-MARK", Verdict::Warnings, format!("{WAL}/{}", mark::MARK))
            .saying("it cannot be read and counts nothing; the next record writes it anew")
    }))
}

fn flag(ports: &Ports, log: &Log) -> Result<Option<Finding>> {
    let wal = log.wal_dir();
    let flag =
        poison::read(&*ports.disk, wal).map_err(Error::io("read", wal.join(poison::POISONED)))?;
    Ok(flag.map(|flag| {
        let finding = Finding::of_file(
            "V-POISONED",
            Verdict::Warnings,
            format!("{WAL}/{}", poison::POISONED),
        );
        let what = format!("a sync of the log failed ({flag}); the next writer clears that");
        Finding {
            seq: Some(flag.seq),
            ..finding.saying(what).with_next("phaselog resume")
        }
    }))
}

fn in_wal(ports: &Ports, wal: &Path, name: &str) -> Result<Option<Finding>> {
    if files::temp_target(name).is_some() {
        let held = is_held(ports, &wal.join(files::LOCK))?;
        let left = !held && exists(ports, &wal.join(name))?;
        let what = "a writer that was cut short left it; the next new segment removes it";
        return Ok(left.then(|| left_over(format!("{WAL}/{name}"), what)));
    }
    let stray = match SegmentId::from_file_name(name) {
        Some(_) => {
            let path = wal.join(name);
            let found = ports
                .disk
                .metadata(&path)
                .map_err(Error::io("look at", path))?;
            (found.kind != EntryKind::File).then_some("it has the name of a segment and is no file")
        }
        None => name
            .contains(".wal")
            .then_some("it is no name of a segment: nobody reads it"),
    };
    Ok(stray.map(|what| {
        Finding::of_file("V-NAME", Verdict::Warnings, format!("{WAL}/{name}")).saying(what)
    }))
}

fn left_over(file: String, what: &str) -> Finding {
    Finding::of_file("V-LEFT-OVER", Verdict::Warnings, file).saying(what)
}

/// True if somebody holds a lock now: what its holders make is then in use.
fn is_held(ports: &Ports, path: &Path) -> Result<bool> {
    match lock::shared(ports, path, Duration::ZERO) {
        Ok(_) => Ok(false),
        Err(Error::LockTimeout { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn exists(ports: &Ports, path: &Path) -> Result<bool> {
    ports.disk.exists(path).map_err(Error::io("look at", path))
}
