//! Putting other bytes in a segment's place: what repair does, and only with the old file kept in `quarantine/`.
//!
//! ```text
//! write and sync every new file -> link every old one into quarantine/ -> sync it -> rename -> sync wal/
//! ```
//!
//! Nothing has changed before every new byte is durable and every old one has a second name.

use std::io;
use std::path::{Path, PathBuf};

use super::files::{self, QUARANTINE, Temp};
use super::reader::Log;
use crate::error::{Error, Result};
use crate::position::SegmentId;

/// Puts these bytes in the place of these segments, durable when this returns. Call it under the append lock.
/// Returns where the old files are now, relative to the store.
///
/// # Errors
/// [`Error::Io`]; then each segment is the old one or the new one, and the old ones are in `quarantine/`.
pub fn replace_segments(log: &Log, contents: &[(SegmentId, &[u8])]) -> Result<Vec<PathBuf>> {
    if contents.is_empty() {
        return Ok(Vec::new());
    }
    make_room(log)?;
    replace(log, contents).map_err(Error::io("replace a segment in", &log.wal))
}

fn replace(log: &Log, contents: &[(SegmentId, &[u8])]) -> io::Result<Vec<PathBuf>> {
    let mut copies = Vec::new();
    for (id, bytes) in contents {
        let copy = Temp::create(&log.ports, &log.wal, &id.file_name())?;
        copy.file().write_full_at(0, bytes)?;
        copy.file().sync()?;
        copies.push((log.segment_path(*id), copy));
    }
    let mut kept = Vec::new();
    for (path, _) in &copies {
        if log.ports.disk.exists(path)? {
            kept.push(keep(log, path)?);
        }
    }
    sync_quarantine(log)?;
    for (path, copy) in copies {
        copy.rename_to(&path)?;
    }
    log.ports.disk.sync_dir(&log.wal)?;
    Ok(kept)
}

/// Moves a file of the store into `quarantine/`, durable when this returns; says where it is now, relative to the
/// store.
///
/// # Errors
/// [`Error::Io`]; then it has its old name, or both.
pub fn set_aside(log: &Log, path: &Path) -> Result<PathBuf> {
    make_room(log)?;
    let moved = || -> io::Result<PathBuf> {
        let kept = keep(log, path)?;
        sync_quarantine(log)?;
        log.ports.disk.remove_file(path)?;
        log.ports.disk.sync_dir(files::parent(path))?;
        Ok(kept)
    };
    moved().map_err(Error::io("set aside", path))
}

/// Makes `quarantine/` unless it is there.
fn make_room(log: &Log) -> Result<()> {
    let quarantine = log.wal.join(QUARANTINE);
    let made = log.ports.disk.ensure_own_dir(&quarantine);
    made.map(drop)
        .map_err(Error::io("keep files in", quarantine))
}

fn keep(log: &Log, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
    let (at, random) = (log.ports.clock.now().at, log.ports.process.random());
    let kept = files::quarantine_name(name, at, random);
    log.ports
        .disk
        .hard_link(path, &log.wal.join(QUARANTINE).join(&kept))?;
    Ok(Path::new("wal").join(QUARANTINE).join(kept))
}

fn sync_quarantine(log: &Log) -> io::Result<()> {
    let quarantine = log.wal.join(QUARANTINE);
    if log.ports.disk.exists(&quarantine)? {
        log.ports.disk.sync_dir(&quarantine)?;
    }
    // Its own name.
    log.ports.disk.sync_dir(&log.wal)
}
