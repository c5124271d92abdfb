//! One pass over the segments: from a cursor to the log's end, or to what is wrong on the way.
//!
//! A sealed segment is as long as its successor's header attests; that header is read first. Ranges that any header
//! declares lost are passed over, and every later header repeats them, so the last header knows them all.

use std::io;
use std::path::Path;

use super::frame::{self, Crc};
use super::head::Sha256Hex;
use super::header::{HeaderFault, LogId, LostRange, SegmentHeader};
use super::reader::{Access, Entry, From, Log, LogEnd, Position, Sink, Tail, Witnesses};
use super::segment::{Part, Scan, Step, Stop};
use super::tail::{self, Evidence, Verdict};
use super::window::{Window, read_range};
use crate::error::{Damage, DamageKind, Error, Result, Witness};
use crate::ports::File;
use crate::position::{Offset, SegmentId, Seq};

/// Hurt bytes beyond this many are not searched for the names of items.
const SEARCHED: u64 = 64 << 20;

/// Where a pass is. Moves only behind what the sink has taken, so that the next pass goes on from there.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) segment: SegmentId,
    pub(super) scan: Scan,
    pub(super) log: Option<LogId>,
    pub(super) sha256: Option<Sha256Hex>,
    pub(super) durable_seen: Seq,
    pub(super) name_proven: bool,
    pub(super) lost: Vec<LostRange>,
    /// The snapshot that must have been taken just before this segment.
    snapshot: Option<(Crc, LogId)>,
}

impl Cursor {
    pub(super) fn start(from: From) -> Self {
        match from {
            From::FirstRecord => Self::at(SegmentId::FIRST, Some(Crc::NONE)),
            From::AfterSnapshot { seq, crc, log } => Self {
                snapshot: Some((crc, log)),
                ..Self::at(SegmentId::starting_at(seq.next()), Some(crc))
            },
            From::Position(position) => Self {
                segment: position.segment,
                scan: Scan::new(position.offset, position.next, Some(position.previous)),
                log: Some(position.log),
                sha256: position.sha256,
                durable_seen: position.durable_seen,
                name_proven: position.name_proven,
                lost: position.lost,
                snapshot: None,
            },
        }
    }

    /// The first byte of a segment.
    pub(super) fn at(segment: SegmentId, previous: Option<Crc>) -> Self {
        Self {
            segment,
            scan: Scan::new(Offset::START, segment.first_seq(), previous),
            log: None,
            sha256: None,
            durable_seen: Seq::NONE,
            name_proven: false,
            lost: Vec::new(),
            snapshot: None,
        }
    }

    pub(super) fn enter(&mut self, segment: SegmentId, previous: Option<Crc>) {
        self.segment = segment;
        self.scan = Scan::new(Offset::START, segment.first_seq(), previous);
        self.name_proven = false;
        self.sha256 = None;
    }

    /// Takes over what the header of its segment says.
    pub(super) fn learn(&mut self, header: &SegmentHeader) {
        self.log = Some(header.log);
        self.sha256 = header.sha256;
        if let Some(prev) = &header.prev {
            // The segment before was synced before this header was written.
            self.durable_seen = self.durable_seen.max(prev.last_seq);
        }
        self.learn_lost(header);
    }

    /// Takes over the lost ranges in segments before the one that declares them.
    pub(super) fn learn_lost(&mut self, header: &SegmentHeader) {
        for lost in &header.lost {
            if !self.lost.contains(lost) {
                self.lost.push(*lost);
            }
        }
        self.lost
            .sort_by_key(|lost| (lost.segment, lost.from_byte, lost.from_seq));
    }

    /// True if a header declared this segment's own header lost.
    pub(super) fn header_lost(&self, id: SegmentId) -> bool {
        self.lost
            .iter()
            .any(|lost| lost.segment == id && lost.from_byte == Offset::START)
    }

    /// The segment was given up with its file: the range that says so.
    fn segment_lost(&self, id: SegmentId, successor: SegmentId) -> bool {
        let first = id.first_seq();
        self.lost.iter().any(|lost| {
            lost.from_seq <= first
                && lost.to_seq >= first
                && lost.to_seq.next() >= successor.first_seq()
        })
    }

    fn position(&self) -> Option<Position> {
        Some(Position {
            segment: self.segment,
            offset: self.scan.offset(),
            next: self.scan.next(),
            previous: self.scan.previous()?,
            log: self.log?,
            durable_seen: self.durable_seen,
            name_proven: self.name_proven,
            sha256: self.sha256,
            lost: self.lost.clone(),
        })
    }
}

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

/// Where a segment ends that has a successor.
pub(super) enum Seal {
    /// As the successor's header attests.
    Attested(Box<SegmentHeader>),
    /// Nobody knows, for the successor's header, or a segment between, was given up: where this seq would follow.
    Open(Seq),
}

/// The bytes of a segment's header line, verified, and what they say.
pub(super) type HeaderLine = std::result::Result<SegmentHeader, HeaderProblem>;

/// What is wrong with a header.
pub(super) enum HeaderProblem {
    /// A newer version's.
    Newer(Seq, String),
    /// Hurt, or not a header.
    Hurt(DamageKind),
    /// The file is not there.
    NoFile,
}

/// A segment's open file.
pub(super) type Opened = (SegmentId, Box<dyn File>);

/// True if a path leads to this open file.
pub(super) fn same_file(log: &Log, path: &Path, file: &dyn File) -> io::Result<bool> {
    match log.ports.disk.metadata(path) {
        Ok(named) => Ok(named.id == file.id()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) struct Pass<'l> {
    log: &'l Log,
    witnesses: Witnesses,
    access: Access,
    locked: bool,
    window: Window,
}

impl<'l> Pass<'l> {
    pub(super) fn new(log: &'l Log, witnesses: Witnesses, access: Access, locked: bool) -> Self {
        Self {
            log,
            witnesses,
            access,
            locked,
            window: Window::default(),
        }
    }

    /// Reads to the end. `held` is a segment that the caller has open already; after trouble it is the one that was
    /// read last, so that another pass goes on with the file that was open before the first read.
    pub(super) fn run(
        mut self,
        cursor: &mut Cursor,
        held: &mut Option<Opened>,
        sink: &mut Sink<'_>,
    ) -> Result<LogEnd, Trouble> {
        let ids = self.log.segments().map_err(|error| match error {
            error @ Error::NoStore { .. } => Trouble::Bad(error),
            error => Trouble::Final(error),
        })?;
        let Some(&last) = ids.last() else {
            return Err(Trouble::Bad(self.log.no_segments(self.witnesses)));
        };
        if last != cursor.segment
            && let Ok(header) = read_header(self.log, last).map_err(Trouble::Final)?
        {
            cursor.learn_lost(&header);
        }
        loop {
            let id = cursor.segment;
            let successor = ids.iter().copied().find(|&other| other > id);
            if ids.binary_search(&id).is_err() {
                match successor {
                    Some(successor) if cursor.segment_lost(id, successor) => {
                        cursor.enter(successor, None);
                        continue;
                    }
                    _ => return Err(Trouble::Bad(missing(id, successor))),
                }
            }
            let file = match held.take() {
                Some((of, file)) if of == id && self.has_its_name(id, &*file)? => file,
                _ => self.open(id, successor.is_some())?,
            };
            // The bytes that count as read are those there were now, whoever appends meanwhile.
            let len = file.len().map_err(|error| self.refused(id, error))?;
            self.window.clear();
            if cursor.scan.offset() == Offset::START {
                self.check_header(cursor, &*file)?;
            }
            match successor {
                Some(successor) => self.read_sealed(cursor, &*file, len, successor, sink)?,
                None => {
                    return match self.read_last(cursor, &*file, len, sink) {
                        Ok((position, tail)) => Ok(LogEnd {
                            position,
                            tail,
                            file,
                        }),
                        Err(trouble) => {
                            *held = Some((id, file));
                            Err(trouble)
                        }
                    };
                }
            }
        }
    }

    /// True if the segment's name still leads to this file.
    fn has_its_name(&self, id: SegmentId, file: &dyn File) -> Result<bool, Trouble> {
        let path = self.log.segment_path(id);
        same_file(self.log, &path, file)
            .map_err(|error| Trouble::Final(Error::io("look at", path)(error)))
    }

    fn open(&self, id: SegmentId, sealed: bool) -> Result<Box<dyn File>, Trouble> {
        let path = self.log.segment_path(id);
        let disk = &self.log.ports.disk;
        let opened = if sealed || self.access == Access::ReadOnly {
            disk.open_read(&path)
        } else {
            disk.open_write(&path)
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::Bad(missing(id, None)),
            _ => Trouble::Final(Error::io("open", path)(error)),
        })
    }

    fn refused(&self, id: SegmentId, error: io::Error) -> Trouble {
        Trouble::Final(Error::io("read", self.log.segment_path(id))(error))
    }

    /// Checks a segment's header against its place before any record of it is believed.
    fn check_header(&self, cursor: &mut Cursor, file: &dyn File) -> Result<(), Trouble> {
        let id = cursor.segment;
        if cursor.header_lost(id) {
            return Ok(());
        }
        let hurt = |kind| {
            Trouble::Bad(damaged(
                id,
                Offset::START,
                id.first_seq(),
                kind,
                Some(Witness::Name(id)),
            ))
        };
        let line = header_of(file, id).map_err(|error| self.refused(id, error))?;
        let (header, previous) = match line {
            Ok(found) => found,
            Err(problem) => return Err(header_trouble(self.log, id, problem)),
        };
        if let Some((crc, log)) = cursor.snapshot {
            let what = if header.log != log {
                format!("its log is {log}, the segments are of {}", header.log)
            } else if previous != crc {
                let seq = id.first_seq().before();
                format!("its record {seq} has the checksum {crc}, the log's has {previous}")
            } else {
                String::new()
            };
            if !what.is_empty() {
                let file = self.log.store.join("work_items.json");
                return Err(Trouble::Bad(Error::OtherLog { file, what }));
            }
        }
        if cursor.log.is_some_and(|log| log != header.log) {
            let what = format!("it belongs to the log {}", header.log);
            return Err(hurt(DamageKind::Header(what)));
        }
        cursor.learn(&header);
        Ok(())
    }

    /// Says where a sealed segment ends, from its successor's header.
    fn seal(&self, cursor: &Cursor, successor: SegmentId) -> Result<Seal, Trouble> {
        if cursor.header_lost(successor) {
            return Ok(Seal::Open(successor.first_seq()));
        }
        let header = match read_header(self.log, successor).map_err(Trouble::Final)? {
            Ok(header) => header,
            Err(problem) => return Err(header_trouble(self.log, successor, problem)),
        };
        let prev = header.prev.map(|prev| prev.segment);
        if prev == Some(cursor.segment) {
            return Ok(Seal::Attested(Box::new(header)));
        }
        // Its predecessor is a segment that is not there.
        let gone = prev
            .filter(|&prev| prev > cursor.segment)
            .unwrap_or(successor);
        if gone < successor && cursor.segment_lost(gone, successor) {
            let lost = cursor
                .lost
                .iter()
                .filter(|lost| lost.segment >= cursor.segment);
            let first = lost
                .map(|lost| lost.from_seq)
                .min()
                .unwrap_or(gone.first_seq());
            return Ok(Seal::Open(
                first.max(cursor.segment.first_seq()).min(gone.first_seq()),
            ));
        }
        if gone < successor {
            return Err(Trouble::Bad(missing(gone, Some(successor))));
        }
        let what = format!("the segment before it is {}", cursor.segment);
        Err(header_trouble(
            self.log,
            successor,
            HeaderProblem::Hurt(DamageKind::Header(what)),
        ))
    }

    fn read_sealed(
        &mut self,
        cursor: &mut Cursor,
        file: &dyn File,
        len: u64,
        successor: SegmentId,
        sink: &mut Sink<'_>,
    ) -> Result<(), Trouble> {
        let id = cursor.segment;
        let seal = self.seal(cursor, successor)?;
        let limit = match &seal {
            Seal::Attested(header) => header.prev.map_or(0, |prev| prev.valid_bytes.get()),
            Seal::Open(_) => len,
        };
        if cursor.scan.offset().get() > limit {
            return Err(Trouble::Bad(Error::OtherLog {
                file: file_name(id),
                what: format!("it ends at byte {limit}, and was read beyond that"),
            }));
        }
        let stop = self.run_over_lost(cursor, file, limit, sink)?;
        let previous = match &seal {
            Seal::Attested(header) => {
                let end = header
                    .prev
                    .as_ref()
                    .expect("a seal is made of a header that names this segment");
                if stop.fault.is_some() || stop.offset != end.valid_bytes {
                    return Err(self.hurt(
                        cursor,
                        &stop,
                        file,
                        limit,
                        Witness::Header(successor),
                    )?);
                }
                let crc = cursor.scan.previous();
                if stop.seq != end.last_seq.next() || crc.is_some_and(|crc| crc != end.last_crc32) {
                    let what = format!("record {} does not end {id}", end.last_seq);
                    let problem = HeaderProblem::Hurt(DamageKind::Header(what));
                    return Err(header_trouble(self.log, successor, problem));
                }
                Some(end.last_crc32)
            }
            Seal::Open(next) if stop.seq >= *next => None,
            Seal::Open(_) => {
                return Err(self.hurt(cursor, &stop, file, limit, Witness::Name(successor))?);
            }
        };
        cursor.enter(successor, previous);
        Ok(())
    }

    fn read_last(
        &mut self,
        cursor: &mut Cursor,
        file: &dyn File,
        len: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(Position, Tail), Trouble> {
        let id = cursor.segment;
        let stop = self.run_over_lost(cursor, file, len, sink)?;
        let attested = self.witnesses.strongest();
        let short = len < stop.offset.get();
        let bytes = match stop.fault {
            None => Vec::new(),
            Some(_) => {
                read_range(file, stop.offset.get(), len).map_err(|error| self.refused(id, error))?
            }
        };
        let verdict = tail::judge(&Evidence {
            stop: &stop,
            bytes: &bytes,
            attested,
            segment: id,
            successor: None,
        });
        let tail = match verdict {
            // The bytes that were verified before are gone.
            _ if short => {
                let witness = Some(Witness::Record(stop.seq.before()));
                let error = damaged(
                    id,
                    Offset::new(len),
                    stop.seq.before(),
                    DamageKind::Missing,
                    witness,
                );
                return Err(Trouble::Bad(error));
            }
            Verdict::Clean => Tail::Clean,
            Verdict::Torn(shape) if self.locked => Tail::Torn {
                bytes: bytes.len() as u64,
                shape,
            },
            Verdict::Torn(_) => Tail::InFlight {
                bytes: bytes.len() as u64,
            },
            Verdict::Damaged(witness) => {
                return Err(Trouble::Bad(Error::Damaged(Box::new(damage(
                    id,
                    &stop,
                    &bytes,
                    Some(witness),
                )))));
            }
            Verdict::Ambiguous => {
                return Err(Trouble::Bad(Error::AmbiguousTail(Box::new(damage(
                    id, &stop, &bytes, None,
                )))));
            }
        };
        let position = cursor.position().ok_or_else(|| {
            let what = "it was declared lost with nothing behind it".to_owned();
            header_trouble(self.log, id, HeaderProblem::Hurt(DamageKind::Header(what)))
        })?;
        Ok((position, tail))
    }

    /// An error for damage in a sealed segment, with the items it hits.
    fn hurt(
        &self,
        cursor: &Cursor,
        stop: &Stop,
        file: &dyn File,
        limit: u64,
        witness: Witness,
    ) -> Result<Trouble, Trouble> {
        let (from, id) = (stop.offset.get(), cursor.segment);
        let bytes = read_range(file, from, limit.min(from + SEARCHED))
            .map_err(|error| self.refused(id, error))?;
        Ok(Trouble::Bad(Error::Damaged(Box::new(damage(
            id,
            stop,
            &bytes,
            Some(witness),
        )))))
    }

    /// Scans to `limit`, passing over the ranges that were given up.
    fn run_over_lost(
        &mut self,
        cursor: &mut Cursor,
        file: &dyn File,
        limit: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Stop, Trouble> {
        let id = cursor.segment;
        let begin = cursor.scan.offset();
        let ranges: Vec<LostRange> = cursor
            .lost
            .iter()
            .filter(|lost| {
                lost.segment == id && lost.from_byte >= begin && lost.from_byte.get() < limit
            })
            .copied()
            .collect();
        for lost in ranges {
            let stop = scan(
                self.log,
                &mut self.window,
                cursor,
                file,
                lost.from_byte.get(),
                sink,
            )?;
            let there = stop.fault.is_none() && stop.offset == lost.from_byte;
            if !there || stop.seq != lost.from_seq {
                return Ok(stop);
            }
            let to = lost.to_byte.max(lost.from_byte);
            cursor
                .scan
                .pass_over(Offset::new(to.get().min(limit)), lost.to_seq.next());
        }
        scan(self.log, &mut self.window, cursor, file, limit, sink)
    }
}

/// Scans one file up to `limit` and gives every record that counts to the sink.
pub(super) fn scan(
    log: &Log,
    window: &mut Window,
    cursor: &mut Cursor,
    file: &dyn File,
    limit: u64,
    sink: &mut Sink<'_>,
) -> Result<Stop, Trouble> {
    let id = cursor.segment;
    let refused = |error| Trouble::Final(Error::io("read", log.segment_path(id))(error));
    // The group that is open: verified once to its last line, then read again and given out. Its size is its author's
    // affair; memory is ours.
    let mut opened: Option<Scan> = None;
    let mut want = 0;
    loop {
        let before = cursor.scan.clone();
        let offset = before.offset().get();
        let (bytes, at_end) = window.at(file, offset, limit, want).map_err(refused)?;
        let given = bytes.len();
        let part = match cursor.scan.step(bytes, at_end) {
            Step::Line(line) => {
                if line.part == Part::Whole {
                    let entry = Entry {
                        segment: id,
                        offset: line.offset,
                        frame: line.frame,
                    };
                    let attests = line.frame.durable;
                    sink(entry).map_err(Trouble::Final)?;
                    cursor.durable_seen = cursor.durable_seen.max(attests);
                    cursor.name_proven |= attests >= id.first_seq();
                }
                line.part
            }
            Step::Hungry => {
                want = given.max(1) * 2;
                continue;
            }
            Step::Stop(stop) => {
                cursor.scan = cursor.scan.at_group_start();
                return Ok(stop);
            }
        };
        want = 0;
        match part {
            Part::Whole => {}
            Part::Open => {
                opened.get_or_insert(before);
            }
            Part::Last => {
                let start = opened.take().unwrap_or(before);
                let durable = give_group(window, file, id, start, &cursor.scan, sink)
                    .map_err(|trouble| trouble.unwrap_or_else(refused))?;
                cursor.durable_seen = cursor.durable_seen.max(durable);
                cursor.name_proven |= durable >= id.first_seq();
            }
        }
    }
}

/// Gives out a verified group; returns what its lines attest.
fn give_group(
    window: &mut Window,
    file: &dyn File,
    id: SegmentId,
    mut scan: Scan,
    end: &Scan,
    sink: &mut Sink<'_>,
) -> Result<Seq, Failed> {
    let mut durable = Seq::NONE;
    let mut want = 0;
    while scan.offset() < end.offset() {
        let (from, to) = (scan.offset().get(), end.offset().get());
        let (bytes, at_end) = window.at(file, from, to, want).map_err(Failed::Io)?;
        let given = bytes.len();
        match scan.step(bytes, at_end) {
            Step::Line(line) => {
                want = 0;
                durable = line.frame.durable;
                sink(Entry {
                    segment: id,
                    offset: line.offset,
                    frame: line.frame,
                })
                .map_err(Failed::Sink)?;
            }
            Step::Hungry => want = given.max(1) * 2,
            // It verified a moment ago. A disk that says two things about the same bytes is no verdict on them.
            Step::Stop(_) => {
                return Err(Failed::Io(io::Error::other(
                    "its bytes changed while they were read",
                )));
            }
        }
    }
    Ok(durable)
}

/// Why a group could not be given out.
enum Failed {
    Io(io::Error),
    Sink(Error),
}

impl Failed {
    fn unwrap_or_else(self, refused: impl FnOnce(io::Error) -> Trouble) -> Trouble {
        match self {
            Self::Io(error) => refused(error),
            Self::Sink(error) => Trouble::Final(error),
        }
    }
}

/// Reads a segment's header, by name.
pub(super) fn read_header(log: &Log, id: SegmentId) -> Result<HeaderLine> {
    let path = log.segment_path(id);
    let file = match log.ports.disk.open_read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err(HeaderProblem::NoFile));
        }
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let line = header_of(&*file, id).map_err(Error::io("read", path))?;
    Ok(line.map(|(header, _)| header))
}

/// Reads the header of an open segment, with the checksum it gives as its predecessor's.
pub(super) fn header_of(
    file: &dyn File,
    id: SegmentId,
) -> io::Result<std::result::Result<(SegmentHeader, Crc), HeaderProblem>> {
    // Nearly every header is this short; only a log with many lost ranges has a longer one.
    let mut size = 4096;
    let mut bytes;
    let len = loop {
        bytes = read_range(file, 0, size)?;
        match memchr::memchr(b'\n', &bytes) {
            Some(len) => break len,
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
    };
    Ok(header_line(&bytes[..len], id))
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
        HeaderProblem::NoFile => Trouble::Bad(missing(id, None)),
    }
}

/// The damage at a stop. `bytes` begin at the stop.
pub(super) fn damage(id: SegmentId, stop: &Stop, bytes: &[u8], witness: Option<Witness>) -> Damage {
    let hurt = tail::resume(stop, bytes).hurt;
    Damage {
        file: file_name(id),
        segment: Some(id),
        offset: stop.offset,
        seq: stop.seq,
        kind: stop.fault.clone().unwrap_or(DamageKind::Missing),
        witness,
        items: tail::items(&bytes[..hurt]),
    }
}

fn damaged(
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

fn missing(id: SegmentId, successor: Option<SegmentId>) -> Error {
    let witness = Witness::Name(successor.unwrap_or(id));
    damaged(
        id,
        Offset::START,
        id.first_seq(),
        DamageKind::MissingSegment,
        Some(witness),
    )
}

/// A segment's file, relative to the store.
pub(super) fn file_name(id: SegmentId) -> std::path::PathBuf {
    Path::new("wal").join(id.file_name())
}
