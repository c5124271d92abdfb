//! The directory of a store: where its files are, and whether it is one.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::files;
use crate::log::mark::MARK;
use crate::log::reader::{Log, Witnesses};
use crate::ports::{Disk, EntryKind, Ports};
use crate::position::Seq;
use crate::snapshot::set::{self, Loaded};

use super::Options;
use super::cache::CACHE;
use super::heartbeats::HEARTBEATS;

/// The directory of the log inside a store.
pub(super) const WAL: &str = "wal";
/// Where originals of imported files are kept, inside the log's directory.
pub(super) const IMPORTED: &str = "imported";

/// Checks that `dir` is a store: a `wal/` with a segment in it.
///
/// # Errors
/// [`Error::NoStore`]; or [`Error::Damaged`] if there is no segment although a mark or a snapshot attests that
/// there was one.
pub(super) fn check(ports: &Ports, dir: &Path, options: &Options) -> Result<Log> {
    let log = place(ports, dir, options)?;
    if log.segments()?.is_empty() {
        // No store, unless a mark or a snapshot attests that there was one.
        let snapshot = snapshots(&*ports.disk, dir, &log)?
            .0
            .snapshot
            .map_or(Seq::NONE, |found| found.place.seq);
        return Err(log.no_segments(Witnesses {
            mark: log.mark(),
            snapshot,
        }));
    }
    Ok(log)
}

/// Checks that `dir` is where a store may be: it has a `wal/`, on a file system that will do.
///
/// # Errors
/// As [`check`], but that no segment was looked for.
pub(super) fn place(ports: &Ports, dir: &Path, options: &Options) -> Result<Log> {
    let disk = &*ports.disk;
    match disk.metadata(&dir.join(".")) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_store(ports, dir)),
        Err(error) => return Err(Error::io("open", dir)(error)),
    }
    let wal = dir.join(WAL);
    match disk.metadata(&wal) {
        Ok(found) if found.kind == EntryKind::Dir => {}
        Ok(found) if found.kind == EntryKind::Symlink => return Err(linked(disk, &wal)),
        Ok(_) => return Err(no_store(ports, dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_store(ports, dir)),
        Err(error) => return Err(Error::io("open", wal)(error)),
    }
    refuse_network(ports, &wal, options)?;
    Ok(Log::new(ports.clone(), dir).with_lock_wait(options.lock_wait))
}

/// What is said of a log's directory that is a symbolic link: who put it there, or what it leads to next time, nobody
/// knows. A log that is to lie on another disk is mounted there.
pub(super) fn linked(disk: &dyn Disk, wal: &Path) -> Error {
    // The system has a word of its own for it, which it says when such a thing is opened.
    let refused = disk.open_read(wal).err();
    let refused = refused.unwrap_or_else(|| io::ErrorKind::NotADirectory.into());
    Error::io("open", wal)(refused)
}

/// Reads the snapshots of this log for who can do without them: where the system refuses one there is at most the set
/// before, and second stands why. A snapshot of another log is a finding.
pub(super) fn snapshots(disk: &dyn Disk, dir: &Path, log: &Log) -> Result<(Loaded, Option<Error>)> {
    let own = log.id()?.map(|id| id.to_string());
    match set::load_of(disk, dir, own.as_deref()) {
        Ok(loaded) => Ok((loaded, None)),
        Err(refused @ (Error::Io { .. } | Error::TooLarge { .. })) => {
            let before = set::load_before(disk, dir, own.as_deref());
            Ok((before.unwrap_or_default(), Some(refused)))
        }
        Err(error) => Err(error),
    }
}

/// A lock or a sync may not hold on a network file system.
pub(super) fn refuse_network(ports: &Ports, dir: &Path, options: &Options) -> Result<()> {
    let kind = ports
        .disk
        .network_file_system(dir)
        .map_err(Error::io("look at", dir))?;
    match kind {
        Some(kind) if !options.allow_network => Err(Error::NetworkFileSystem {
            dir: dir.to_owned(),
            kind,
        }),
        _ => Ok(()),
    }
}

/// The first of the store's directories in which every user of the system may replace files, if there is one.
pub(super) fn world_writable(ports: &Ports, dir: &Path) -> Option<PathBuf> {
    let dirs = [dir.to_owned(), dir.join(WAL)];
    // What the system does not tell is no reason to stop.
    let open = |dir: &PathBuf| ports.disk.is_world_writable(dir).unwrap_or(false);
    dirs.into_iter().find(open)
}

/// What else lets every user of the system into a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exposed {
    /// The file or directory.
    pub(super) path: PathBuf,
    /// What they may do with it.
    pub(super) what: &'static str,
}

/// Files of the store that every user may write to, and directories that every user may put files into: what
/// [`world_writable`] does not say. At most `most` names of a directory are looked at, the last of them.
pub(super) fn exposed(ports: &Ports, dir: &Path, most: usize) -> Vec<Exposed> {
    let open = |path: &Path| {
        let found = ports.disk.surroundings(path);
        found.is_ok_and(|found| found.world_writable)
    };
    let mut all = Vec::new();
    for dir in [dir.to_owned(), dir.join(WAL)] {
        if open(&dir) && !ports.disk.is_world_writable(&dir).unwrap_or(true) {
            let what = "every user of the system may put files there";
            let path = dir.clone();
            all.push(Exposed { path, what });
        }
        let names = ports.disk.list(&dir).unwrap_or_default();
        let folder = |name: &str| [IMPORTED, files::QUARANTINE].contains(&name);
        let ours = |name: &&String| {
            let word = [files::LOCK, files::COMPACT_LOCK, MARK, CACHE, HEARTBEATS];
            let ends = [".wal", ".json", ".json.bak"];
            let is_word = word.contains(&&***name) || folder(name);
            is_word || ends.iter().any(|end| name.ends_with(end))
        };
        let names = names.iter().filter(ours).rev().take(most);
        let mut found: Vec<Exposed> = names
            .filter_map(|name| {
                let path = dir.join(name);
                // Where a link leads is not ours, and links are not followed.
                let what = match ports.disk.metadata(&path).ok()?.kind {
                    EntryKind::File => "every user of the system may write to it",
                    EntryKind::Dir if folder(name) => {
                        "every user of the system may put files there"
                    }
                    _ => return None,
                };
                open(&path).then_some(Exposed { path, what })
            })
            .collect();
        found.reverse();
        all.extend(found);
    }
    all
}

fn no_store(ports: &Ports, dir: &Path) -> Error {
    let importable = ports.disk.exists(&dir.join(set::ROOT)).unwrap_or(false);
    Error::NoStore {
        dir: absolute(dir),
        importable,
    }
}

/// The path from the root, for messages that must be understood elsewhere.
pub(super) fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// Reads a range of a file, as far as the file goes.
pub(super) fn read_range(ports: &Ports, path: &Path, from: u64, to: u64) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let len =
            usize::try_from(to.saturating_sub(from)).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        let read = ports.disk.open_read(path)?.read_full_at(from, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    };
    read().map_err(Error::io("read", path))
}
