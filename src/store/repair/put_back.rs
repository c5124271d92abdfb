//! Segments that lie under another name: swapped, renamed, or set aside. Their headers say where they belong, or else their
//! records do.
//!
//! A file is put in a segment's place only if the segment after it attests every byte of it (SHA-256), or if it is the
//! last of the log and verifies from its first byte to its last; or if it has another segment's name, no other file says to
//! be this one, and so where it is its records are nobody's. What is hurt in it then is told of its own place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::log::files::QUARANTINE;
use crate::log::frame;
use crate::log::head::{Head, Sha256Hex};
use crate::log::header::{LogId, SegmentHeader};
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
    /// The segment that its name says it is, among the segments.
    named: Option<SegmentId>,
}

/// A segment without a header that can be read.
struct Unheaded {
    /// What its name says it is.
    id: SegmentId,
    len: u64,
    /// The first record in it.
    first: Option<Seq>,
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
    let (found, unheaded) = headers(ports, log)?;
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
    let mut claims: BTreeMap<SegmentId, Vec<&Found>> = BTreeMap::new();
    for file in found.iter().filter(|file| wanted.contains(&file.id)) {
        claims.entry(file.id).or_default().push(file);
    }
    let proof = Proof::of(&found);
    for (&id, files) in &claims {
        let mut chosen = None;
        for file in files {
            // What is longer is nobody's segment.
            let bytes = dir::read_range(ports, &file.path, 0, file.len.min(MAX_HELD))?;
            if proof.proves(file, &bytes) {
                chosen = Some((*file, bytes, "as its header and every byte of it prove"));
                break;
            }
            if proof.is_only_claim(file, files) {
                chosen = Some((*file, bytes, "as its header says, and no other file is"));
            }
        }
        if let Some((file, bytes, why)) = chosen {
            let message = format!("{} is this segment, {why}: it is put back", file.name);
            filled.insert(id);
            back.push(put(log, id, Some(bytes), StepKind::PutBack, message));
        }
    }
    // A name under which another segment lies, and that is none of its own.
    for file in found.iter().filter(|file| file.beside && !own(file)) {
        let Some(named) = file.named else { continue };
        let there = right.contains(&file.id) || filled.contains(&file.id);
        if there && !filled.contains(&named) {
            let message = format!(
                "it is a second copy of {}: it goes into quarantine",
                file.id
            );
            back.push(put(log, named, None, StepKind::SetAside, message));
        }
    }
    by_records(ports, log, &found, &unheaded, &mut back)?;
    keep_displaced(ports, log, &found, back)
}

/// Puts segments without a header that can be read where their records belong: where that name leads to no records that
/// belong there.
fn by_records(
    ports: &Ports,
    log: &Log,
    found: &[Found],
    unheaded: &[Unheaded],
    back: &mut Vec<PutBack>,
) -> Result<()> {
    // Every segment that a name, a header, or the header behind it speaks of.
    let own = unheaded.iter().map(|file| file.id);
    let said = found.iter().flat_map(|file| {
        let before = file.header.prev.map(|prev| prev.segment);
        [file.named, Some(file.id), before]
    });
    let mut all: BTreeSet<SegmentId> = own.chain(said.flatten()).collect();
    // Every log has begun with that one.
    all.insert(SegmentId::FIRST);
    let home = |file: &Unheaded| {
        let upto = SegmentId::starting_at(file.first?);
        all.range(..=upto).next_back().copied()
    };
    let mut at_home: BTreeSet<SegmentId> = found
        .iter()
        .filter(|file| file.named == Some(file.id))
        .map(|file| file.id)
        .collect();
    at_home.extend(
        back.iter()
            .filter(|put| put.bytes.is_some())
            .map(|put| put.id),
    );
    let mut claims: BTreeMap<SegmentId, Vec<&Unheaded>> = BTreeMap::new();
    for file in unheaded {
        if let Some(home) = home(file) {
            claims.entry(home).or_default().push(file);
        }
    }
    let mut moved = Vec::new();
    for (&id, files) in &claims {
        let [file] = **files else { continue };
        if file.id == id || at_home.contains(&id) {
            continue;
        }
        let bytes = dir::read_range(ports, &log.segment_path(file.id), 0, file.len.min(MAX_HELD))?;
        let message = format!(
            "the records of this segment lie in {WAL}/{}, without a header that can be read: they are put back",
            file.id
        );
        back.retain(|put| put.id != id);
        back.push(put(log, id, Some(bytes), StepKind::PutBack, message));
        moved.push((file.id, id));
        at_home.insert(id);
    }
    for (from, to) in moved {
        if !back.iter().any(|put| put.id == from) {
            let message = format!("it holds records of {to}: it goes into quarantine");
            back.push(put(log, from, None, StepKind::SetAside, message));
        }
    }
    Ok(())
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
        let others = || {
            let others = back.iter().filter_map(|put| put.bytes.as_deref());
            others.flat_map(records).collect::<BTreeSet<_>>()
        };
        let mut left = records(&old).filter(|record| !kept.contains(record));
        // Most files are put where nothing else stood.
        let first = left.next().and_then(|first| {
            let others = others();
            let mut left = std::iter::once(first).chain(left);
            left.find(|record| !others.contains(record))
        });
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

/// All files with a header, and the segments without one.
fn headers(ports: &Ports, log: &Log) -> Result<(Vec<Found>, Vec<Unheaded>)> {
    let wal = log.wal_dir();
    let (mut found, mut unheaded) = (Vec::new(), Vec::new());
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
            let says = SegmentId::from_file_name(file).filter(|_| beside);
            if let Some((id, header)) = header(&bytes) {
                found.push(Found {
                    named: says,
                    path,
                    name: format!("{name}/{file}"),
                    id,
                    header,
                    len: there.len,
                    beside,
                });
            } else if let Some(id) = says {
                unheaded.push(Unheaded {
                    id,
                    len: there.len,
                    first: records(&bytes).next().map(|(seq, _)| seq),
                });
            }
        }
    }
    Ok((found, unheaded))
}

/// The header that the first record of these bytes is.
fn header(bytes: &[u8]) -> Option<(SegmentId, SegmentHeader)> {
    // What stands before it is no record.
    const LINES: usize = 64;
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').take(LINES);
    let whole = lines.filter_map(|line| line.strip_suffix(b"\n"));
    let frame = whole.into_iter().find_map(|line| frame::parse(line).ok())?;
    let header = SegmentHeader::parse(frame.payload).ok()?;
    let id = SegmentId::starting_at(frame.seq);
    header
        .misfit(id, frame.previous)
        .is_none()
        .then_some((id, header))
}

/// What all files with a header say of each other.
struct Proof {
    /// The segment before each, with where it ends and its head there, by the log that says so.
    seals: BTreeMap<SegmentId, Vec<(LogId, Offset, Sha256Hex)>>,
    /// The last segment of each log.
    last: Vec<(LogId, SegmentId)>,
}

impl Proof {
    fn of(found: &[Found]) -> Self {
        let mut seals: BTreeMap<SegmentId, Vec<_>> = BTreeMap::new();
        let mut last: Vec<(LogId, SegmentId)> = Vec::new();
        for file in found {
            let header = &file.header;
            if let (Some(prev), Some(sha256)) = (header.prev, header.sha256) {
                let said = (header.log, prev.valid_bytes, sha256);
                let seals = seals.entry(prev.segment).or_default();
                if !seals.contains(&said) {
                    seals.push(said);
                }
            }
            match last.iter_mut().find(|(log, _)| *log == header.log) {
                Some((_, last)) => *last = file.id.max(*last),
                None => last.push((header.log, file.id)),
            }
        }
        Self { seals, last }
    }

    /// True if these bytes are that segment beyond doubt.
    fn proves(&self, file: &Found, bytes: &[u8]) -> bool {
        let seals = self.seals.get(&file.id).into_iter().flatten();
        let mut sealed = false;
        for &(_, end, sha256) in seals.filter(|(log, ..)| *log == file.header.log) {
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
        let last = self.last.contains(&(file.header.log, file.id));
        !sealed && last && file.beside && verifies(file, bytes)
    }

    /// True if the file lies under another segment's name, and no other among the segments says to be this one. A copy
    /// under a name of no segment may be older than what was lost.
    fn is_only_claim(&self, file: &Found, claims: &[&Found]) -> bool {
        let most = self.seals.values().flatten().map(|(log, ..)| *log);
        let ours = most.into_iter().all(|log| log == file.header.log);
        let others = claims.iter().filter(|other| other.named.is_some());
        ours && file.named.is_some() && others.count() == 1
    }
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
