//! The active segment as this cache's writers left it: whether anybody else touched it since is seen without reading it.
//!
//! Each append is followed, under the same lock, by a note of the segment's length and time of change. Where the segment is
//! not as noted somebody wrote past us (an editor, a version without caches), or was killed before the note: then everything is
//! recovered, and what was done to bytes that were verified long ago is found.

use std::io;
use std::path::Path;

use super::base::CacheBase;
use super::block::{BLOCK, NUMBERS, Tie, content};
use super::layout::STAMP;
use super::open::clean_base;
use crate::log::reader::Log;
use crate::ports::{EntryKind, File, Ports};
use crate::position::{SegmentId, Seq};

/// Notes how the active segment is now. To be called under the append lock, after every append. Where it cannot be noted the cache
/// does not count any more. False if there is no cache at all.
pub(in crate::store) fn note(ports: &Ports, dir: &Path, active: SegmentId) -> bool {
    let Some(base) = clean_base(ports, dir) else {
        return ports.disk.exists(&super::path(dir)).unwrap_or(true);
    };
    // What fails leaves the old note, which does not fit.
    let log = Log::new(ports.clone(), dir);
    let _ = write(ports, &log, &*base.file, base.header.tie(), active);
    true
}

/// Writes the note into a cache.
pub(super) fn write(
    ports: &Ports,
    log: &Log,
    file: &dyn File,
    tie: Tie,
    active: SegmentId,
) -> io::Result<()> {
    let mut numbers = [0; NUMBERS];
    numbers[..5].copy_from_slice(&look(ports, log, active)?);
    let block = tie.seal(STAMP, &content(&numbers));
    file.write_full_at(STAMP * BLOCK as u64, &block)
}

/// True if the segment that was noted is still as it was.
pub(super) fn holds(ports: &Ports, log: &Log, base: &CacheBase) -> io::Result<bool> {
    let numbers = base.numbers(STAMP)?;
    let active = SegmentId::starting_at(Seq::new(numbers[0]));
    Ok(numbers[..5] == look(ports, log, active)?)
}

/// First seq, device, inode, length, time of change.
fn look(ports: &Ports, log: &Log, active: SegmentId) -> io::Result<[u64; 5]> {
    let found = ports.disk.metadata(&log.segment_path(active))?;
    if found.kind != EntryKind::File {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok([
        active.first_seq().get(),
        found.id.device,
        found.id.inode,
        found.len,
        found.changed,
    ])
}
