//! Whether a cache counts that another boot wrote last: then a power cut may have taken any part of it, and of the log.
//!
//! ```text
//!   its digest    every part that its header leads to is as the header's change left it, however little of that was synced
//!   the log       from the segment on in which the cache ends: every record is there up to the cache's end, which is the one
//!                 that the cache knows. Of records that nobody had acknowledged a power cut may take one and leave the next.
//! ```
//!
//! The segments before that one were synced before it got its name. What of them rots is for `verify` to find, as on the boot that
//! wrote the cache.

use std::io;

use super::End;
use super::base::CacheBase;
use super::block::{self, BLOCK};
use super::digest::Digest;
use super::layout::Layout;
use super::window::Window;
use crate::log::reader::{Access, From, Log, Witnesses};
use crate::ports::Ports;
use crate::position::{SegmentId, Seq};

/// True if a cache counts, as far as the boot is concerned. `under_lock` says that the caller holds the append lock.
pub(super) fn counts(
    ports: &Ports,
    log: &Log,
    base: &CacheBase,
    end: &End,
    under_lock: bool,
) -> bool {
    is_of_this(ports, base) || (log_has(log, end, under_lock) && is_whole(base).unwrap_or(false))
}

/// As [`counts`], for who holds the append lock: from then on it is a cache of this boot.
pub(super) fn take_over(ports: &Ports, log: &Log, base: &mut CacheBase, end: &End) -> bool {
    if is_of_this(ports, base) {
        return true;
    }
    let Some(boot) = ports.clock.now().boot else {
        return false;
    };
    if !counts(ports, log, base, end, true) {
        return false;
    }
    base.header.boot = boot.boot;
    let block = base.header.to_block();
    block.is_some_and(|block| base.file.write_full_at(0, &block).is_ok())
}

/// True if this boot wrote it.
pub(super) fn is_of_this(ports: &Ports, base: &CacheBase) -> bool {
    let boot = ports.clock.now().boot;
    boot.is_some_and(|boot| boot.boot == base.header.boot)
}

/// True if the log has all records from the beginning of the segment in which the cache ends, and the last of them.
fn log_has(log: &Log, end: &End, under_lock: bool) -> bool {
    let position = &end.position;
    let Some(from) = beginning(log, position.segment).filter(|_| position.lost.is_empty()) else {
        return false;
    };
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: Seq::NONE,
    };
    let mut found = false;
    let access = Access::ReadOnly;
    let read = log.read(from, witnesses, access, under_lock, &mut |entry| {
        let frame = &entry.frame;
        found |= (entry.segment, frame.seq, frame.crc)
            == (position.segment, position.last_seq(), position.previous);
        Ok(())
    });
    found && read.is_ok()
}

/// Where reading begins so that a segment is the first that is read.
fn beginning(log: &Log, segment: SegmentId) -> Option<From> {
    if segment == SegmentId::FIRST {
        return Some(From::FirstRecord);
    }
    let header = log.header(segment)?;
    Some(From::AfterSnapshot {
        seq: segment.first_seq().before(),
        crc: header.prev?.last_crc32,
        log: header.log,
    })
}

/// True if all of a cache is as the change that its header tells of left it.
fn is_whole(base: &CacheBase) -> io::Result<bool> {
    let (header, tie) = (&base.header, base.header.tie());
    let layout = header.layout();
    let mut digest = Digest::default();
    let mut window = Window::of(&*base.file);
    let mut places = Vec::with_capacity(layout.directory_blocks() * block::NUMBERS);
    let directory = layout.directory_block(0)..layout.directory_block(layout.room);
    for number in Layout::key_block(0)..layout.heap() / BLOCK as u64 {
        let bytes = window.at(number * BLOCK as u64)?;
        let block: &[u8; BLOCK] = bytes.first_chunk().ok_or_else(block::damaged)?;
        let Some(content) = tie.unseal(number, block) else {
            return Ok(false);
        };
        digest.add_block(number, block);
        if directory.contains(&number) {
            places.extend_from_slice(&block::numbers(&content));
        }
    }
    places.truncate(header.count);
    places.extend([header.still, header.moving, header.operations]);
    // One that has outgrown its place stands behind all others.
    places.sort_unstable();
    for place in places {
        let bytes = window.at(place)?;
        if tie.text_at(place, bytes).is_some() {
            digest.add_text(place, bytes);
        } else {
            // It goes on behind the window.
            base.text(place)?;
            digest.toggle(place, block::stated_crc_of_text(&*base.file, place)?);
        }
    }
    Ok(digest == header.digest)
}
