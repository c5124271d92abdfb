//! A new log: directories, locks, and a first segment that is there whole or not at all.
//!
//! Header, plan and items are one file, and the rename commits. So there is no moment at which a crash leaves half a
//! store behind.

use std::path::Path;

use super::begin::place_segment;
use super::frame::{self, Crc};
use super::group;
use super::header::{LogId, SegmentHeader};
use super::reader::{Log, LogEnd, Position, Tail, Witnesses};
use super::writer::{LogOptions, Writer, check_payloads};
use super::{files, lock, mark};
use crate::error::{Error, Result};
use crate::pipeline::Timestamp;
use crate::ports::{Disk, Ports};
use crate::position::{Offset, SegmentId, Seq};

/// Makes a log with these groups as its first records, durable when this returns.
///
/// Directories that are missing are made, the store's parents included; the append lock is held meanwhile.
///
/// # Errors
/// [`Error::StoreExists`] if there is a segment; [`Error::Damaged`] if there is none but a mark says that there was;
/// [`Error::NotRecorded`] if the segment could not be made; [`Error::NotAcknowledged`] if a directory could not be
/// synced, which raises the flag; [`Error::LockTimeout`].
pub fn create(
    ports: Ports,
    store_dir: &Path,
    groups: &[Vec<String>],
    at: Timestamp,
    id: LogId,
    options: LogOptions,
) -> Result<Writer> {
    for group in groups {
        check_payloads(group)?;
    }
    let log = Log::new(ports, store_dir).with_lock_wait(options.lock_wait);
    let disk = &*log.ports.disk;
    let made = make_dirs(disk, &log.wal).map_err(Error::io("create", &log.wal))?;
    let path = log.wal.join(files::LOCK);
    let _held = lock::exclusive(&log.ports, &path, options.lock_wait)?;
    let compact = log.wal.join(files::COMPACT_LOCK);
    files::open_or_create(disk, &compact).map_err(Error::io("create", &compact))?;
    if !log.segments()?.is_empty() {
        return Err(Error::StoreExists {
            dir: log.store.to_path_buf(),
            what: "holds a store already",
        });
    }
    // A mark without a segment: the segments were lost. A new log here would hide that.
    if disk
        .exists(&log.wal.join(mark::MARK))
        .map_err(Error::io("look at", &log.wal))?
    {
        let witnesses = Witnesses {
            mark: log.mark(),
            snapshot: Seq::NONE,
        };
        return Err(log.no_segments(witnesses));
    }
    let (bytes, last, crc) = first_segment(
        groups,
        &SegmentHeader {
            clock_given: log.ports.clock.now().given,
            ..SegmentHeader::first(at, id)
        },
    );
    let first = SegmentId::FIRST;
    let file =
        place_segment(&log, first, &bytes).map_err(|source| Error::NotRecorded { source })?;
    let synced = [&*log.wal, &*log.store, files::parent(&log.store)];
    // Parents that were made here need their own names to be durable too.
    let parents = made.iter().map(|dir| files::parent(dir));
    for dir in synced.into_iter().chain(parents) {
        disk.sync_dir(dir)
            .map_err(|source| log.poisoned_by(first, Seq::NONE, source, Some(last)))?;
    }
    let position = Position {
        segment: first,
        offset: Offset::new(bytes.len() as u64),
        next: last.next(),
        previous: crc,
        log: id,
        // The file was synced before it got its name.
        durable_seen: last,
        name_proven: true,
        sha256: None,
        lost: Vec::new(),
    };
    let end = LogEnd {
        position,
        tail: Tail::Clean,
        file: file.into(),
    };
    Ok(Writer::new(log.clone(), end, Witnesses::default(), options))
}

fn first_segment(groups: &[Vec<String>], header: &SegmentHeader) -> (Vec<u8>, Seq, Crc) {
    let header = header.to_payload();
    let mut bytes = Vec::new();
    let mut crc = frame::encode(&mut bytes, Crc::NONE, Seq::FIRST, Seq::NONE, &header);
    let mut last = Seq::FIRST;
    for payloads in groups {
        // Nothing is durable yet, and the lines say so: whoever reads them first makes sure of the names.
        let group = group::encode_group(crc, last.next(), Seq::NONE, payloads);
        bytes.extend_from_slice(&group.bytes);
        (crc, last) = (group.last_crc, group.last);
    }
    (bytes, last, crc)
}

/// Makes a directory and the missing ones above it; returns those it made.
fn make_dirs(disk: &dyn Disk, dir: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|dir| !dir.as_os_str().is_empty())
        .take_while(|dir| matches!(disk.exists(dir), Ok(false)))
        .collect();
    let mut made = Vec::new();
    for dir in missing.into_iter().rev() {
        if files::ensure_dir(disk, dir)? {
            made.push(dir.to_owned());
        }
    }
    Ok(made)
}
