//! How a segment begins: its first bytes are durable before it has a name, and its name before anything follows.

use std::io;

use super::files;
use super::frame::{self, Crc};
use super::group;
use super::header::SegmentHeader;
use super::reader::{Log, LogEnd, Position, Tail};
use crate::error::{Error, Result};
use crate::ports::File;
use crate::position::{Offset, SegmentId, Seq};

/// Writes a segment that holds its header, durable with its name: the one way a segment begins.
///
/// Call it under the append lock, when everything before `seq` is durable. Repair uses it to go on behind what was
/// given up; then `header.lost` says so.
///
/// # Errors
/// [`Error::NotRecorded`] if the file could not be made; [`Error::NotAcknowledged`] if the directory could not be
/// synced, which raises the flag.
pub fn begin_segment(
    log: &Log,
    header: &SegmentHeader,
    seq: Seq,
    previous: Crc,
    durable: Seq,
) -> Result<LogEnd> {
    begin_segment_with(log, header, seq, previous, durable, &[])
}

/// As [`begin_segment`], with a group of records behind the header: all of it is there, or nothing.
///
/// # Errors
/// As [`begin_segment`]; [`Error::TooLarge`] and [`Error::Usage`] for a payload that is none.
pub fn begin_segment_with(
    log: &Log,
    header: &SegmentHeader,
    seq: Seq,
    previous: Crc,
    durable: Seq,
    payloads: &[String],
) -> Result<LogEnd> {
    let id = SegmentId::starting_at(seq);
    let mut bytes = Vec::new();
    let mut crc = frame::encode(&mut bytes, previous, seq, durable, &header.to_payload());
    let mut last = seq;
    if !payloads.is_empty() {
        group::check_payloads(payloads)?;
        let group = group::encode_group(crc, seq.next(), durable, payloads);
        bytes.extend_from_slice(&group.bytes);
        (crc, last) = (group.last_crc, group.last);
    }
    let file = place_segment(log, id, &mut |file| {
        file.write_full_at(0, &bytes)
            .map_err(|source| Error::NotRecorded { source })
    })?;
    if let Err(source) = log.ports.disk.sync_dir(&log.wal) {
        return Err(log.poisoned_by(id, durable, source, Some(seq)));
    }
    let position = Position {
        segment: id,
        offset: Offset::new(bytes.len() as u64),
        next: last.next(),
        previous: crc,
        log: header.log,
        // The file got its name only when its bytes were durable.
        durable_seen: last,
        name_proven: true,
        sha256: header.sha256,
        lost: header.lost.clone(),
    };
    Ok(LogEnd {
        position,
        tail: Tail::Clean,
        file: file.into(),
    })
}

/// Makes a new segment, whose first bytes `write` writes, and gives it its name; the name is not durable yet.
///
/// # Errors
/// [`Error::NotRecorded`] if the file could not be made, and what `write` says: then there is no segment.
pub(super) fn place_segment(
    log: &Log,
    id: SegmentId,
    write: &mut dyn FnMut(&dyn File) -> Result<()>,
) -> Result<Box<dyn File>> {
    let not_recorded = |source| Error::NotRecorded { source };
    let path = log.segment_path(id);
    // The rename would replace it, whatever it is.
    if log.ports.disk.exists(&path).map_err(not_recorded)? {
        return Err(not_recorded(io::ErrorKind::AlreadyExists.into()));
    }
    // What a crash left of earlier tries; only the holder of the lock makes such files.
    for name in log.ports.disk.list(&log.wal).map_err(not_recorded)? {
        // A cache that somebody is making just now is then not put in place: it is only a cache.
        let ours = |target: &str| target == "cache" || SegmentId::from_file_name(target).is_some();
        if files::temp_target(&name).is_some_and(ours) {
            let path = log.wal.join(name);
            log.ports.disk.remove_file(&path).map_err(not_recorded)?;
        }
    }
    let temp = files::Temp::create(&log.ports, &log.wal, &id.file_name()).map_err(not_recorded)?;
    write(temp.file())?;
    temp.rename_to(&path).map_err(not_recorded)
}
