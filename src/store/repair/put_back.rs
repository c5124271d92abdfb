//! Segments that lie under another name: swapped, renamed, or set aside. Their headers say where they belong.
//!
//! A file is put in a segment's place only if the segment after it attests every byte of it (SHA-256), or if it is the
//! last of the log and verifies from its first byte to its last.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::log::files::QUARANTINE;
use crate::log::frame;
use crate::log::head::Head;
use crate::log::header::SegmentHeader;
use crate::log::reader::Log;
use crate::log::segment::{Scan, Step as Scanned};
use crate::ports::{EntryKind, Ports};
use crate::position::{Offset, SegmentId, Seq};

use super::super::dir::{self, WAL};
use super::{MAX_HELD, Step, StepKind};

/// Headers are shorter; only a log with very many lost ranges has a longer one.
const HEADER: u64 = 1 << 20;

/// A file with a header, whatever its name.
struct Found {
    path: PathBuf,
    /// Relative to the store.
    name: String,
    id: SegmentId,
    header: SegmentHeader,
    len: u64,
    /// It lies among the segments, not in quarantine.
    beside: bool,
}

/// What is to be changed so that files have the names their headers say.
pub(super) struct PutBack {
    pub(super) step: Step,
    pub(super) path: PathBuf,
    pub(super) id: SegmentId,
    /// The bytes that belong there; `None` if nothing does.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Finds the files that belong elsewhere.
pub(super) fn find(ports: &Ports, log: &Log) -> Result<Vec<PutBack>> {
    let found = headers(ports, log)?;
    let own = |file: &Found| file.path == log.segment_path(file.id);
    let right: BTreeSet<SegmentId> = found
        .iter()
        .filter(|file| own(file))
        .map(|file| file.id)
        .collect();
    let mut wanted: BTreeSet<SegmentId> = found.iter().map(|file| file.id).collect();
    wanted.retain(|id| !right.contains(id));
    let mut back = Vec::new();
    let mut filled = BTreeSet::new();
    for &id in &wanted {
        for file in found.iter().filter(|file| file.id == id && !own(file)) {
            // What is longer is nobody's segment.
            let bytes = dir::read_range(ports, &file.path, 0, file.len.min(MAX_HELD))?;
            if proven(&found, file, &bytes) {
                let message = format!(
                    "{} is this segment, as its header and every byte of it prove: it is put back",
                    file.name
                );
                filled.insert(id);
                back.push(put(log, id, Some(bytes), StepKind::PutBack, message));
                break;
            }
        }
    }
    // A name under which another segment lies, and that is none of its own.
    for file in found.iter().filter(|file| file.beside && !own(file)) {
        let named = file
            .path
            .file_name()
            .and_then(|name| SegmentId::from_file_name(name.to_str()?));
        let Some(named) = named else { continue };
        let there = right.contains(&file.id) || filled.contains(&file.id);
        if there && !filled.contains(&named) {
            let message = format!(
                "it is a second copy of {}: it goes into quarantine",
                file.id
            );
            back.push(put(log, named, None, StepKind::SetAside, message));
        }
    }
    keep_displaced(ports, log, &found, back)
}

/// Finds a place for records that stand where a segment is put back, in a file whose header nobody can read: under the name
/// that becomes free, if they belong there. If there is none for them, nothing is put back: they would be lost without
/// having been typed.
fn keep_displaced(
    ports: &Ports,
    log: &Log,
    found: &[Found],
    mut back: Vec<PutBack>,
) -> Result<Vec<PutBack>> {
    let mut displaced = Vec::new();
    for put in &back {
        let (Some(new), false) = (&put.bytes, found.iter().any(|file| file.path == put.path))
        else {
            continue;
        };
        let there = match ports.disk.metadata(&put.path) {
            Ok(there) if there.kind == EntryKind::File => there,
            _ => continue,
        };
        let old = dir::read_range(ports, &put.path, 0, there.len.min(MAX_HELD))?;
        let kept: BTreeSet<_> = records(new).collect();
        let first = records(&old).find(|record| !kept.contains(record));
        if let Some((seq, _)) = first {
            displaced.push((put.id, seq, old));
        }
    }
    for (from, seq, old) in displaced {
        let taken = |id: SegmentId| {
            let own = |file: &Found| file.id == id && file.path == log.segment_path(id);
            found.iter().any(own) || back.iter().any(|put| put.id == id && put.bytes.is_some())
        };
        let belongs = |free: SegmentId| {
            let others = log.segments().into_iter().flatten();
            free.first_seq() <= seq
                && !taken(free)
                && others
                    .filter(|&other| other > free && taken(other))
                    .all(|other| seq < other.first_seq())
        };
        let place = back
            .iter()
            .position(|put| put.bytes.is_none() && belongs(put.id));
        let Some(place) = place else {
            return Ok(Vec::new());
        };
        let message = format!(
            "its records lie in {WAL}/{from}, without a header that can be read: they are put back"
        );
        let id = back[place].id;
        back[place] = put(log, id, Some(old), StepKind::PutBack, message);
    }
    Ok(back)
}

/// The records in these bytes, each with its checksum; what is no record is passed over.
fn records(bytes: &[u8]) -> impl Iterator<Item = (Seq, u32)> + '_ {
    let lines = bytes.split(|&byte| byte == b'\n');
    lines.filter_map(|line| {
        let frame = frame::parse(line).ok()?;
        Some((frame.seq, frame.crc.value()))
    })
}

fn put(
    log: &Log,
    id: SegmentId,
    bytes: Option<Vec<u8>>,
    kind: StepKind,
    message: String,
) -> PutBack {
    let step = Step {
        kind,
        file: format!("{WAL}/{id}"),
        byte: 0,
        bytes: bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
        seqs: None,
        message,
    };
    PutBack {
        step,
        path: log.segment_path(id),
        id,
        bytes,
    }
}

fn headers(ports: &Ports, log: &Log) -> Result<Vec<Found>> {
    let wal = log.wal_dir();
    let mut found = Vec::new();
    for (dir, name, beside) in [
        (wal.to_owned(), WAL.to_owned(), true),
        (wal.join(QUARANTINE), format!("{WAL}/{QUARANTINE}"), false),
    ] {
        let names = match ports.disk.list(&dir) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("list", dir)(error)),
        };
        for file in names.iter().filter(|file| file.contains(".wal")) {
            let path = dir.join(file);
            let there = ports
                .disk
                .metadata(&path)
                .map_err(Error::io("look at", &path))?;
            if there.kind != EntryKind::File {
                continue;
            }
            let bytes = dir::read_range(ports, &path, 0, HEADER.min(there.len))?;
            if let Some((id, header)) = header(&bytes) {
                found.push(Found {
                    path,
                    name: format!("{name}/{file}"),
                    id,
                    header,
                    len: there.len,
                    beside,
                });
            }
        }
    }
    Ok(found)
}

fn header(bytes: &[u8]) -> Option<(SegmentId, SegmentHeader)> {
    let line = &bytes[..memchr::memchr(b'\n', bytes)?];
    let frame = frame::parse(line).ok()?;
    let header = SegmentHeader::parse(frame.payload).ok()?;
    let id = SegmentId::starting_at(frame.seq);
    header
        .misfit(id, frame.previous)
        .is_none()
        .then_some((id, header))
}

/// True if these bytes are that segment beyond doubt.
fn proven(found: &[Found], file: &Found, bytes: &[u8]) -> bool {
    let same_log = |other: &&Found| other.header.log == file.header.log;
    let seals = found.iter().filter(same_log).filter_map(|other| {
        let prev = other.header.prev.filter(|prev| prev.segment == file.id)?;
        Some((prev.valid_bytes, other.header.sha256?))
    });
    let mut sealed = false;
    for (end, sha256) in seals {
        sealed = true;
        let end = usize::try_from(end.get()).unwrap_or(usize::MAX);
        if let Some(valid) = bytes.get(..end) {
            let mut head = Head::of_segment(file.header.sha256);
            head.update(valid);
            if head.value() == sha256 {
                return true;
            }
        }
    }
    // What lies in quarantine may be an older copy, and only a seal tells.
    let last = found
        .iter()
        .filter(same_log)
        .all(|other| other.id <= file.id);
    !sealed && last && file.beside && verifies(file, bytes)
}

fn verifies(file: &Found, bytes: &[u8]) -> bool {
    let previous = file.header.prev.map(|prev| prev.last_crc32);
    let mut scan = Scan::new(Offset::START, file.id.first_seq(), previous);
    loop {
        let at = usize::try_from(scan.offset().get()).unwrap_or(usize::MAX);
        match scan.step(bytes.get(at..).unwrap_or_default(), true) {
            Scanned::Line(_) => {}
            Scanned::Hungry => return false,
            Scanned::Stop(stop) => return stop.fault.is_none(),
        }
    }
}
