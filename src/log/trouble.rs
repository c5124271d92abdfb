//! Why reading could not go on: headers that do not fit, damage, and which of it a second look may change.

use std::io;
use std::path::{Path, PathBuf};

use super::frame::{self, Crc};
use super::header::{HeaderFault, SegmentHeader};
use super::reader::Log;
use super::resume::resume;
use super::segment::Stop;
use super::tail;
use super::window::read_range;
use crate::error::{Damage, DamageKind, Error, Order, Result, Witness};
use crate::ports::{EntryKind, File};
use crate::position::{Offset, SegmentId, Seq};

/// Why a pass did not reach the end.
pub(super) enum Trouble {
    /// Something is wrong with what was read. Without the lock: look again.
    Bad(Error),
    /// No second look changes it: the system refused, or the sink did.
    Final(Error),
}

impl Trouble {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Bad(error) | Self::Final(error) => error,
        }
    }
}

/// The bytes of a segment's header line, verified, and what they say.
pub(super) type HeaderLine = std::result::Result<SegmentHeader, HeaderProblem>;

/// What is wrong with a header.
#[derive(Clone)]
pub(super) enum HeaderProblem {
    /// A newer version's.
    Newer(Seq, String),
    /// Hurt, or not a header.
    Hurt(DamageKind),
    /// The file is not there.
    NoFile,
}

/// Reads a segment's header, by name.
pub(super) fn read_header(log: &Log, id: SegmentId) -> Result<HeaderLine> {
    let path = log.segment_path(id);
    let file = match log.ports.disk.open_read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err(HeaderProblem::NoFile));
        }
        Err(error) => {
            return match not_opened(log, id, error) {
                Trouble::Bad(_) => Ok(Err(HeaderProblem::Hurt(DamageKind::NoFile))),
                Trouble::Final(error) => Err(error),
            };
        }
    };
    let line = header_of(&*file, id).map_err(Error::io("read", path))?;
    Ok(line.map(|(header, _)| header))
}

/// Reads the header of another segment that lies under this one's name, with which segment that is; `None` if what lies there is
/// this one's, or no header that fits anywhere, or cannot be read.
pub(super) fn strange_header(log: &Log, id: SegmentId) -> Option<(SegmentId, SegmentHeader)> {
    let file = log.ports.disk.open_read(&log.segment_path(id)).ok()?;
    let line = first_line(&*file).ok()?.ok()?;
    let own = SegmentId::starting_at(frame::parse(&line).ok()?.seq);
    let (header, _) = header_line(&line, own).ok().filter(|_| own != id)?;
    Some((own, header))
}

/// Reads the header of an open segment, with the checksum it gives as its predecessor's.
pub(super) fn header_of(
    file: &dyn File,
    id: SegmentId,
) -> io::Result<std::result::Result<(SegmentHeader, Crc), HeaderProblem>> {
    let line = first_line(file)?;
    Ok(line.and_then(|line| header_line(&line, id)))
}

/// The first line of a file, without its newline.
fn first_line(file: &dyn File) -> io::Result<std::result::Result<Vec<u8>, HeaderProblem>> {
    // Nearly every header is this short; only a log with many lost ranges has a longer one.
    let mut size = 4096;
    loop {
        let mut bytes = read_range(file, 0, size)?;
        match memchr::memchr(b'\n', &bytes) {
            Some(len) => {
                bytes.truncate(len);
                return Ok(Ok(bytes));
            }
            None if (bytes.len() as u64) < size => {
                let kind = if bytes.is_empty() {
                    DamageKind::Missing
                } else {
                    DamageKind::Unterminated
                };
                return Ok(Err(HeaderProblem::Hurt(kind)));
            }
            None if size > frame::MAX_LINE as u64 => {
                let kind = DamageKind::Malformed("longer than a record can be");
                return Ok(Err(HeaderProblem::Hurt(kind)));
            }
            None => size *= 16,
        }
    }
}

fn header_line(
    line: &[u8],
    id: SegmentId,
) -> std::result::Result<(SegmentHeader, Crc), HeaderProblem> {
    let hurt = HeaderProblem::Hurt;
    let frame = frame::parse(line).map_err(|fault| hurt(fault.into()))?;
    if frame.seq != id.first_seq() {
        return Err(hurt(DamageKind::Sequence));
    }
    let header = SegmentHeader::parse(frame.payload).map_err(|fault| match fault {
        HeaderFault::Newer(what) => HeaderProblem::Newer(frame.seq, what),
        HeaderFault::Invalid(what) => hurt(DamageKind::Header(what)),
    })?;
    match header.misfit(id, frame.previous) {
        Some(what) => Err(hurt(DamageKind::Header(what))),
        None => Ok((header, frame.previous)),
    }
}

pub(super) fn header_trouble(log: &Log, id: SegmentId, problem: HeaderProblem) -> Trouble {
    match problem {
        HeaderProblem::Newer(seq, what) => Trouble::Final(Error::NewerFormat {
            file: log.segment_path(id),
            seq: Some(seq),
            what,
        }),
        HeaderProblem::Hurt(kind) => {
            let witness = Some(Witness::Name(id));
            Trouble::Bad(damaged(id, Offset::START, id.first_seq(), kind, witness))
        }
        HeaderProblem::NoFile => Trouble::Bad(missing(id, Witness::Name(id))),
    }
}

/// The damage at a stop. `bytes` begin at the stop, `previous` is the checksum of the record before it.
pub(super) fn damage(
    id: SegmentId,
    stop: &Stop,
    previous: Option<Crc>,
    bytes: &[u8],
    witness: Option<Witness>,
) -> Damage {
    let found = resume(stop, previous, None, bytes);
    let damage = damage_of(id, stop, &bytes[..found.hurt], witness);
    if found.seq == Some(stop.seq) {
        return in_front(damage, found.hurt as u64, &bytes[..found.hurt]);
    }
    damage
}

/// The damage of so many hurt bytes behind which the record stands that was expected where they begin: none is missing for them, and
/// if there is no record among them they are nothing but in its way.
pub(super) fn in_front(damage: Damage, bytes: u64, hurt: &[u8]) -> Damage {
    let strange = tail::records_within(hurt).next().is_none();
    match damage.kind {
        DamageKind::Malformed(_) | DamageKind::Checksum if strange => Damage {
            kind: DamageKind::Inserted(bytes),
            items: Vec::new(),
            ..damage
        },
        _ => damage,
    }
}

/// The damage of bytes that are no record, in front of the record with that seq.
pub(super) fn inserted_before(
    id: SegmentId,
    (offset, bytes): (Offset, u64),
    seq: Seq,
    witness: Option<Witness>,
) -> Damage {
    Damage {
        file: file_name(id),
        segment: Some(id),
        offset,
        seq,
        kind: DamageKind::Inserted(bytes),
        witness,
        items: Vec::new(),
    }
}

/// The damage at a stop, of these bytes.
pub(super) fn damage_of(
    id: SegmentId,
    stop: &Stop,
    hurt: &[u8],
    witness: Option<Witness>,
) -> Damage {
    Damage {
        file: file_name(id),
        segment: Some(id),
        offset: stop.offset,
        seq: stop.seq,
        kind: stop.fault.clone().unwrap_or(DamageKind::Missing),
        witness,
        items: tail::items(hurt),
    }
}

/// The damage at a stop behind which all records are there, in another order.
pub(super) fn disordered(
    id: SegmentId,
    stop: &Stop,
    order: Order,
    witness: Option<Witness>,
) -> Damage {
    Damage {
        file: file_name(id),
        segment: Some(id),
        offset: stop.offset,
        seq: stop.seq,
        kind: DamageKind::Order(order),
        witness,
        // None of them is hit: no record is hurt.
        items: Vec::new(),
    }
}

/// A file that the header of `by` passes over, for it names `before` as the segment before it.
pub(super) fn out_of_place(id: SegmentId, by: SegmentId, before: SegmentId) -> Damage {
    Damage {
        file: file_name(id),
        segment: Some(id),
        offset: Offset::START,
        seq: id.first_seq(),
        kind: DamageKind::OutOfPlace { by, before },
        witness: Some(Witness::Header(by)),
        items: Vec::new(),
    }
}

/// True if a segment's name leads to a regular file.
pub(super) fn is_file(log: &Log, id: SegmentId) -> bool {
    let found = log.ports.disk.metadata(&log.segment_path(id));
    found.is_ok_and(|found| found.kind == EntryKind::File)
}

pub(super) fn damaged(
    id: SegmentId,
    offset: Offset,
    seq: Seq,
    kind: DamageKind,
    by: Option<Witness>,
) -> Error {
    Error::Damaged(Box::new(Damage {
        file: file_name(id),
        segment: Some(id),
        offset,
        seq,
        kind,
        witness: by,
        items: Vec::new(),
    }))
}

/// What it means that a segment cannot be opened: damage where its name leads to something that is no file; else the
/// system's refusal, which is never a verdict.
pub(super) fn not_opened(log: &Log, id: SegmentId, error: io::Error) -> Trouble {
    let path = log.segment_path(id);
    match log.ports.disk.metadata(&path) {
        Ok(found) if found.kind != EntryKind::File => {
            let by = Some(Witness::Name(id));
            Trouble::Bad(damaged(
                id,
                Offset::START,
                id.first_seq(),
                DamageKind::NoFile,
                by,
            ))
        }
        _ => Trouble::Final(Error::io("open", path)(error)),
    }
}

pub(super) fn missing(id: SegmentId, witness: Witness) -> Error {
    damaged(
        id,
        Offset::START,
        id.first_seq(),
        DamageKind::MissingSegment,
        Some(witness),
    )
}

/// A segment's file, relative to the store.
pub(super) fn file_name(id: SegmentId) -> PathBuf {
    Path::new("wal").join(id.file_name())
}
