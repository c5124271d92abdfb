//! One pass over the segments: from a cursor to the log's end, or to what is wrong on the way.
//!
//! A sealed segment is as long as its successor's header attests; that header is read first. Ranges that any header
//! declares lost are passed over, and every later header repeats them, so the last header knows them all; of each segment the
//! last header counts that says anything of it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cursor::Cursor;
use super::deliver::scan;
use super::gone::gone;
use super::header::{LostRange, SegmentHeader};
use super::inserted;
use super::order::look_for_order;
use super::reader::{Access, Log, LogEnd, Position, Sink, Tail, Witnesses};
use super::segment::Stop;
use super::tail::{self, Evidence, Verdict};
use super::trouble::{
    HeaderProblem, Trouble, damage, damaged, disordered, file_name, header_of, header_trouble,
    inserted_before, missing, not_opened, out_of_place, read_header,
};
use super::window::{Window, read_range, zeros_begin};
use crate::error::{Damage, DamageKind, Error, Witness};
use crate::faults::{self, Fault};
use crate::ports::File;
use crate::position::{Offset, SegmentId, Seq};

/// Hurt bytes beyond this many are not searched for the names of items.
pub(super) const SEARCHED: u64 = 64 << 20;

/// The longest tail that a crash can leave, in bytes: what is longer is held in memory by nobody, and no crash left it.
pub(super) const MAX_TAIL: u64 = super::group::MAX_GROUP + super::frame::MAX_LINE as u64;

/// Where a segment ends that has a successor.
pub(super) enum Seal {
    /// As the successor's header attests.
    Attested(Box<SegmentHeader>),
    /// Nobody knows, for the successor's header, or a segment between, was given up: where this seq would follow.
    Open(Seq),
}

/// A segment's open file.
pub(super) type Opened = (SegmentId, Arc<dyn File>);

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
            cursor.learn_lost(last, &header);
        }
        loop {
            let id = cursor.segment;
            let blind = faults::on(Fault::WritesBehindASeal) && self.locked && held.is_some();
            let behind = ids.partition_point(|&other| other <= id);
            let successor = ids.get(behind).copied().filter(|_| !blind);
            if ids.binary_search(&id).is_err() {
                match successor {
                    Some(successor) if cursor.segment_lost(id, successor) => {
                        cursor.enter(successor, None);
                        continue;
                    }
                    _ => return Err(gone(self.log, self.witnesses, &ids, cursor)?),
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

    fn open(&self, id: SegmentId, sealed: bool) -> Result<Arc<dyn File>, Trouble> {
        let path = self.log.segment_path(id);
        let disk = &self.log.ports.disk;
        let opened = if sealed || self.access == Access::ReadOnly {
            disk.open_read(&path)
        } else {
            disk.open_write(&path)
        };
        opened.map(Arc::from).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::Bad(missing(id, Witness::Name(id))),
            _ => not_opened(self.log, id, error),
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
        if let Some((segment, crc, log)) = cursor.snapshot {
            let what = if header.log != log {
                format!("its log is {log}, the segments are of {}", header.log)
            } else if id == segment && previous != crc {
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
            // Others may be gone before it, and the end of this one with them.
            let first = cursor.lost.begin(gone.first_seq());
            return Ok(Seal::Open(first.max(cursor.segment.first_seq())));
        }
        if gone < successor {
            return Err(Trouble::Bad(missing(gone, Witness::Name(successor))));
        }
        if let Some(before) = prev.filter(|&prev| prev < cursor.segment) {
            let damage = out_of_place(cursor.segment, successor, before);
            return Err(Trouble::Bad(Error::Damaged(Box::new(damage))));
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
                if faults::on(Fault::SealNotCompared) {
                    cursor.enter(successor, None);
                    return Ok(());
                }
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
                // What is missing at the very end leaves no bytes to be passed over.
                let given_up =
                    stop.seq <= end.last_seq && cursor.lost_through(stop.seq) > end.last_seq;
                let fits = crc.is_none_or(|crc| crc == end.last_crc32);
                if !given_up && (stop.seq != end.last_seq.next() || !fits) {
                    let what = format!("record {} does not end {id}", end.last_seq);
                    let problem = HeaderProblem::Hurt(DamageKind::Header(what));
                    return Err(header_trouble(self.log, successor, problem));
                }
                Some(end.last_crc32)
            }
            Seal::Open(next) if stop.seq >= *next => None,
            // What is missing at the very end of a segment leaves no bytes to be passed over.
            Seal::Open(next)
                if stop.fault.is_none()
                    && stop.offset.get() == limit
                    && cursor.lost_through(stop.seq) >= *next =>
            {
                None
            }
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
        // A power cut, or a disk that makes room ahead, may leave any number of NULs: one stands for all.
        let end =
            zeros_begin(file, stop.offset.get(), len).map_err(|error| self.refused(id, error))?;
        let end = end.saturating_add(1).min(len);
        let left = end.saturating_sub(stop.offset.get());
        let held = match left {
            _ if stop.fault.is_none() => 0,
            ..=MAX_TAIL => left,
            _ => SEARCHED,
        };
        let from = stop.offset.get();
        let bytes = read_range(file, from, from + held).map_err(|error| self.refused(id, error))?;
        let verdict = tail::judge(&Evidence {
            stop: &stop,
            bytes: &bytes,
            attested,
            segment: id,
            successor: None,
        });
        let verdict = match verdict {
            // No write of ours was that long.
            Verdict::Torn(_) if left > MAX_TAIL => Verdict::Ambiguous,
            verdict => verdict,
        };
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
                bytes: len - stop.offset.get(),
                shape,
            },
            Verdict::Torn(_) => Tail::InFlight {
                bytes: len - stop.offset.get(),
            },
            Verdict::Damaged(witness) => {
                let damage = self.damage(cursor, &stop, file, len, &bytes, Some(witness))?;
                return Err(Trouble::Bad(Error::Damaged(Box::new(damage))));
            }
            Verdict::Ambiguous => {
                let damage = self.damage(cursor, &stop, file, len, &bytes, None)?;
                return Err(Trouble::Bad(Error::AmbiguousTail(Box::new(damage))));
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
        let damage = self.damage(cursor, stop, file, limit, &bytes, Some(witness))?;
        Ok(Trouble::Bad(Error::Damaged(Box::new(damage))))
    }

    /// What is wrong at a stop; `bytes` are what stands behind it, up to `limit`.
    fn damage(
        &self,
        cursor: &Cursor,
        stop: &Stop,
        file: &dyn File,
        limit: u64,
        bytes: &[u8],
        witness: Option<Witness>,
    ) -> Result<Damage, Trouble> {
        let (id, previous) = (cursor.segment, cursor.scan.previous());
        let ordered =
            look_for_order(file, stop, previous, limit).map_err(|error| self.refused(id, error))?;
        if let Some(ordered) = ordered {
            return Ok(disordered(id, stop, ordered.order, witness));
        }
        let found =
            inserted::look(file, stop, previous, limit).map_err(|error| self.refused(id, error))?;
        let place = found.and_then(|found| found.first());
        Ok(match place {
            Some((place, bytes, seq)) => {
                let offset = stop.offset.plus(place);
                inserted_before(id, (offset, bytes), seq, witness)
            }
            None => damage(id, stop, previous, bytes, witness),
        })
    }

    /// Forgets the bytes of the file before.
    pub(super) fn forget(&mut self) {
        self.window.clear();
    }

    /// Scans to `limit`, passing over the ranges that were given up.
    pub(super) fn run_over_lost(
        &mut self,
        cursor: &mut Cursor,
        file: &dyn File,
        limit: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Stop, Trouble> {
        let begin = cursor.scan.offset();
        let ranges: Vec<LostRange> = cursor
            .lost
            .of(cursor.segment)
            .iter()
            .filter(|lost| lost.from_byte >= begin && lost.from_byte.get() < limit)
            .copied()
            .collect();
        let (stop, _) = self.run_over(cursor, file, &ranges, limit, sink)?;
        Ok(stop)
    }

    /// Scans to `limit`, passing over these ranges. Says where it stopped, and how many of them it had passed by then.
    pub(super) fn run_over(
        &mut self,
        cursor: &mut Cursor,
        file: &dyn File,
        ranges: &[LostRange],
        limit: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(Stop, usize), Trouble> {
        for (passed, lost) in ranges.iter().enumerate() {
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
                return Ok((stop, passed));
            }
            let to = lost.to_byte.max(lost.from_byte);
            cursor
                .scan
                .pass_over(Offset::new(to.get().min(limit)), lost.to_seq.next());
        }
        let stop = scan(self.log, &mut self.window, cursor, file, limit, sink)?;
        Ok((stop, ranges.len()))
    }
}
