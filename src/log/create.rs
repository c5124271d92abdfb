//! A new log: directories, locks, and a first segment that is there whole or not at all.
//!
//! Header, plan and items are one file, and the rename commits. So there is no moment at which a crash leaves half a
//! store behind. An import may bring more than fits into memory twice, so the records are written as they come.

use std::path::Path;

use super::begin::place_segment;
use super::frame::{self, Crc};
use super::group::{as_line, check_payload};
use super::header::{LogId, SegmentHeader};
use super::reader::{Log, LogEnd, Position, Tail, Witnesses};
use super::writer::{LogOptions, Writer};
use super::{files, lock, mark};
use crate::error::{Error, Result};
use crate::pipeline::Timestamp;
use crate::ports::{Disk, File, Ports};
use crate::position::{Offset, SegmentId, Seq};

/// Bytes that are gathered before they are written.
pub(super) const PIECE: usize = 1 << 20;

/// Records that stand or fall together, on their way into a new log.
#[expect(
    missing_debug_implementations,
    reason = "it holds what is not made yet"
)]
pub struct Group<'a> {
    /// How many there are: at least one.
    pub len: usize,
    /// Their payloads, asked for one by one.
    pub payloads: Box<dyn Iterator<Item = String> + 'a>,
}

impl From<Vec<String>> for Group<'_> {
    fn from(payloads: Vec<String>) -> Self {
        Self {
            len: payloads.len(),
            payloads: Box::new(payloads.into_iter()),
        }
    }
}

/// Makes a log with these groups as its first records, durable when this returns.
///
/// Directories that are missing are made, the store's parents included; the append lock is held meanwhile.
///
/// # Errors
/// [`Error::StoreExists`] if there is a segment; [`Error::Damaged`] if there is none but a mark says that there was;
/// [`Error::NotRecorded`] if the segment could not be made; [`Error::NotAcknowledged`] if a directory could not be
/// synced, which raises the flag; [`Error::LockTimeout`]; [`Error::TooLarge`] and [`Error::Usage`] for a payload that is
/// none.
pub fn create(
    ports: Ports,
    store_dir: &Path,
    mut groups: Vec<Group<'_>>,
    at: Timestamp,
    id: LogId,
    options: LogOptions,
) -> Result<Writer> {
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
    let header = SegmentHeader {
        clock_given: log.ports.clock.now().given,
        ..SegmentHeader::first(at, id)
    };
    let first = SegmentId::FIRST;
    let (mut written, mut last, mut crc) = (0, Seq::FIRST, Crc::NONE);
    let file = place_segment(&log, first, &mut |file| {
        (written, last, crc) = write_segment(file, &header, &mut groups)?;
        Ok(())
    })?;
    let synced = [&*log.wal, &*log.store, files::parent(&log.store)];
    // Parents that were made here need their own names to be durable too.
    let parents = made.iter().map(|dir| files::parent(dir));
    for dir in synced.into_iter().chain(parents) {
        disk.sync_dir(dir)
            .map_err(|source| log.poisoned_by(first, Seq::NONE, source, Some(last)))?;
    }
    let position = Position {
        segment: first,
        offset: Offset::new(written),
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

/// Writes the header and the groups; returns how many bytes that are, and the last record with its checksum.
fn write_segment(
    file: &dyn File,
    header: &SegmentHeader,
    groups: &mut [Group<'_>],
) -> Result<(u64, Seq, Crc)> {
    let (mut bytes, mut written) = (Vec::new(), 0_u64);
    let mut put = |bytes: &mut Vec<u8>| {
        let done = file.write_full_at(written, bytes);
        done.map_err(|source| Error::NotRecorded { source })?;
        written += bytes.len() as u64;
        bytes.clear();
        Ok::<u64, Error>(written)
    };
    let header = header.to_payload();
    let mut crc = frame::encode(&mut bytes, Crc::NONE, Seq::FIRST, Seq::NONE, &header);
    let mut last = Seq::FIRST;
    for group in groups {
        for (index, payload) in group.payloads.by_ref().enumerate() {
            check_payload(&payload)?;
            let payload = as_line(&payload, index + 1 < group.len);
            last = last.next();
            // Nothing is durable yet, and the lines say so: whoever reads them first makes sure of the names.
            crc = frame::encode(&mut bytes, crc, last, Seq::NONE, &payload);
            if bytes.len() >= PIECE {
                put(&mut bytes)?;
            }
        }
    }
    Ok((put(&mut bytes)?, last, crc))
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
