//! Where the store lies: what kind of file system, how much is free, and who may write there.

use std::path::Path;

use crate::ports::{Ports, Surroundings};

use super::super::dir::WAL;
use super::Finding;

/// Below this many free bytes a compaction, or the next segment, may find no room.
const LITTLE_BYTES: u64 = 64 << 20;

/// Below this many free inodes a new segment may find none.
const LITTLE_INODES: u64 = 1_000;

/// Looks at the directory and at the log's, which may lie elsewhere.
pub(super) fn look(ports: &Ports, dir: &Path, findings: &mut Vec<Finding>) {
    let here = ports.disk.surroundings(dir);
    match &here {
        Ok(here) => of_file_system(here, ".", findings),
        Err(error) => findings.push(
            Finding::warning("D-FILE-SYSTEM", ".")
                .saying(format!("it cannot be asked: {error}"))
                .advice(
                    "look with df -T whether it is a local disk, and with df -h how much is free",
                ),
        ),
    }
    let wal = dir.join(WAL);
    if let Ok(there) = ports.disk.surroundings(&wal.join("."))
        && here.as_ref().is_ok_and(|here| here.device != there.device)
    {
        of_file_system(&there, WAL, findings);
    }
    for path in [dir.to_owned(), wal] {
        who_may_write(ports, dir, &path, findings);
    }
}

fn of_file_system(here: &Surroundings, place: &str, findings: &mut Vec<Finding>) {
    let kind = here.kind.as_deref().unwrap_or("unknown");
    let free = here
        .free_bytes
        .map(|bytes| format!(", {} MB free", bytes / 1_000_000));
    findings.push(
        Finding::note("D-FILE-SYSTEM", place)
            .saying(format!("file system {kind}{}", free.unwrap_or_default()))
            .advice("nothing: phaselog crash-test --dir DIR proves what this disk keeps"),
    );
    if here.network {
        findings.push(
            Finding::warning("D-NETWORK-FS", place)
                .saying(format!(
                    "{kind} is a network file system: locks and syncs may not hold there"
                ))
                .advice("move the store to a local disk"),
        );
    }
    if here.volatile {
        findings.push(
            Finding::warning("D-VOLATILE", place)
                .saying(format!(
                    "{kind} lies in memory: everything in it is gone with the power"
                ))
                .advice("move the store to a disk"),
        );
    }
    if here.read_only {
        findings.push(
            Finding::warning("D-READ-ONLY", place)
                .saying("the file system is mounted read-only: nothing can be recorded")
                .advice("mount it for writing"),
        );
    }
    if let Some(bytes) = here.free_bytes.filter(|bytes| *bytes < LITTLE_BYTES) {
        findings.push(
            Finding::warning("D-FREE-SPACE", place)
                .saying(format!(
                    "{bytes} bytes are free; a full disk records nothing"
                ))
                .advice("make room"),
        );
    }
    // Some file systems have no such number, and say 0 of 0.
    if let Some(inodes) = here.free_inodes.filter(|inodes| *inodes < LITTLE_INODES) {
        findings.push(
            Finding::warning("D-INODES", place)
                .saying(format!(
                    "{inodes} inodes are free; without one no file can be made"
                ))
                .advice("remove files elsewhere on it"),
        );
    }
}

/// Whoever may write into a directory may replace any file in it.
fn who_may_write(ports: &Ports, dir: &Path, path: &Path, findings: &mut Vec<Finding>) {
    let mut writable = Vec::new();
    let mut ask = |path: &Path| {
        if ports
            .disk
            .surroundings(path)
            .is_ok_and(|it| it.world_writable)
        {
            let place = path.strip_prefix(dir).unwrap_or(path);
            let place = place.display().to_string();
            writable.push(if place.is_empty() {
                ".".to_owned()
            } else {
                place
            });
        }
    };
    ask(path);
    for name in ports.disk.list(path).unwrap_or_default() {
        if name.ends_with(".wal") || name.ends_with(".json") {
            ask(&path.join(name));
        }
    }
    findings.extend(writable.into_iter().map(|place| {
        Finding::warning("D-WORLD-WRITABLE", place)
            .saying("every user of this machine may write to it")
            .advice("chmod o-w")
    }));
}
