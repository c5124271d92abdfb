//! A writer under the append lock: what may be written there, and when.
//!
//! ```text
//! catch up -> (seal a torn tail) -> is the lock's name still ours? -> one write -> is it still? -> (rotate)
//! ```

mod pieces;

use std::io;

use super::Writer;
use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::log::begin::begin_segment;
use crate::log::cursor::Cursor;
use crate::log::frame::Crc;
use crate::log::glance::{self, Names};
use crate::log::group::{self, check_group};
use crate::log::head::head_at;
use crate::log::header::{FORMAT, Predecessor, READER, SegmentHeader, WRITER};
use crate::log::pass::Pass;
use crate::log::poison::{self, Poison};
use crate::log::reader::{Access, From, Position, Sink, Tail};
use crate::log::tail::Shape;
use crate::log::{clearing, lock};
use crate::pipeline::Timestamp;
use crate::position::{Offset, SegmentId, Seq};

/// What an append wrote. Not durable yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The seq of the first record.
    pub first: Seq,
    /// The seq of the last record.
    pub last: Seq,
    /// The checksum of the first record.
    pub first_crc: Crc,
    /// The checksum of the last record.
    pub last_crc: Crc,
}

/// A torn tail that was sealed: its bytes stay where they are, and the log goes on in a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The segment with the torn tail.
    pub segment: SegmentId,
    /// Where the tail begins.
    pub offset: Offset,
    /// How many bytes it has.
    pub bytes: u64,
    /// How it looks.
    pub shape: Shape,
    /// The segment that goes on.
    pub next: SegmentId,
}

/// A writer that holds the append lock. The lock goes when this is dropped.
#[derive(Debug)]
pub struct Locked<'w> {
    writer: &'w mut Writer,
    caught_up: bool,
    /// `wal/` as it was when the lock was taken.
    names: Option<Names>,
    held: lock::Held,
}

impl<'w> Locked<'w> {
    pub(super) fn new(writer: &'w mut Writer, names: Option<Names>, held: lock::Held) -> Self {
        Self {
            writer,
            caught_up: false,
            names,
            held,
        }
    }

    /// Gives the lock back; the writer stays, to sync.
    pub fn unlock(self) -> &'w mut Writer {
        self.writer
    }
}

impl Locked<'_> {
    /// The writer that holds the lock.
    pub fn writer(&self) -> &Writer {
        self.writer
    }

    /// Behind the last record that was read or written.
    pub fn position(&self) -> &Position {
        &self.writer.position
    }

    /// `wal/` as it was when the lock was taken; `None` if nobody looked, or could tell.
    pub fn names(&self) -> Option<Names> {
        self.names
    }

    /// Verifies every byte that others appended, follows their rotations, clears the flag of a failed sync, and makes
    /// sure of the segment's name. Afterwards it may be written, once a torn tail is sealed.
    ///
    /// # Errors
    /// As [`Log::read`](crate::log::Log::read); [`Error::Poisoned`] if the flag could not be cleared; [`Error::NotAcknowledged`] after a
    /// failed sync of a directory.
    pub fn catch_up(&mut self, sink: &mut Sink<'_>) -> Result<&Tail> {
        let writer = &mut *self.writer;
        self.caught_up = false;
        let log = writer.log.clone();
        let path = log.segment_path(writer.position.segment);
        let named = match log.ports.disk.metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            named => Some(named.map_err(Error::io("look at", &path))?),
        };
        let id = writer.file.id().map_err(Error::io("look at", &path))?;
        let len = named.filter(|named| named.id == id).map(|named| named.len);
        let same = len.is_some();
        let flag = poison::read(&*log.ports.disk, &log.wal).map_err(|error| Error::Poisoned {
            detail: format!("the flag cannot be read: {error}"),
            written: writer.unproven_write,
        })?;
        // If the flag could not even be raised, whoever saw the sync fail still clears what it would have stood for.
        let flag = flag.or_else(|| {
            (writer.sync_failed && same).then(|| Poison {
                boot: None,
                segment: writer.position.segment,
                seq: writer.known_durable(),
            })
        });
        if let Some(flag) = &flag {
            clearing::clear(&log, flag, writer.witnesses, writer.position.log)?;
        }
        writer.sync_failed = false;
        let anew = flag.is_some() || writer.doubtful || !same;
        if anew {
            writer.verify_again()?;
        }
        let listed = self.names.is_some() && self.names == writer.names;
        let len = len.filter(|_| listed && !anew && writer.tail == Tail::Clean);
        writer.names = None;
        let mut cursor = Cursor::start(From::Position(writer.position.clone()));
        let read = match len {
            Some(len) => {
                let (file, witnesses) = (&*writer.file, writer.witnesses);
                glance::glance(&log, witnesses, &mut cursor, file, len, sink)
            }
            None => Ok(false),
        };
        let read = read.and_then(|all| match cursor.position() {
            Some(position) if all => Ok((position, Tail::Clean)),
            _ => {
                // The pass goes on with this very file, so that its sync proves what was read before.
                let mut held = Some((cursor.segment, writer.file.clone()));
                let pass = Pass::new(&log, writer.witnesses, Access::ReadWrite, true);
                let end = pass.run(&mut cursor, &mut held, sink)?;
                writer.file = end.file;
                Ok((end.position, end.tail))
            }
        });
        match read {
            Ok((position, tail)) => {
                (writer.position, writer.tail) = (position, tail);
                writer.names = self.names;
            }
            Err(trouble) => {
                // What the sink was given it must not be given again.
                if let Some(position) = cursor.position() {
                    writer.position = position;
                }
                writer.doubtful = true;
                return Err(trouble.into_error());
            }
        }
        writer.prove_name()?;
        self.caught_up = true;
        Ok(&self.writer.tail)
    }

    /// Seals a torn tail, if there is one: the segment ends where it stands, and a new one goes on.
    ///
    /// # Errors
    /// As [`Locked::rotate`].
    pub fn seal_torn(&mut self, at: Timestamp) -> Result<Option<Sealed>> {
        let Tail::Torn { bytes, shape } = self.writer.tail else {
            return Ok(None);
        };
        if faults::on(Fault::TornTailWrittenOver) {
            self.writer.tail = Tail::Clean;
            return Ok(None);
        }
        let (segment, offset) = (self.position().segment, self.position().offset);
        let next = self.rotate(at)?;
        Ok(Some(Sealed {
            segment,
            offset,
            bytes,
            shape,
            next,
        }))
    }

    /// Appends the payloads as one group, in one write at the verified end. They come without `more`.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] if the write failed or was cut short: what was written stays, the position does not
    /// move, and before the next write everything is verified again. [`Error::LockLost`] if somebody else may have
    /// written there too; likewise. [`Error::TooLarge`] and [`Error::Usage`] for a
    /// payload that is none; then nothing was written.
    pub fn append(&mut self, payloads: &[String]) -> Result<Appended> {
        let appended = self.append_groups(&[payloads])?;
        Ok(*appended.first().expect("one group was given"))
    }

    /// As [`Locked::append`], for several groups that each stand or fall alone and share the write.
    ///
    /// # Errors
    /// As [`Locked::append`]. But a write that was cut short may have left the first of several groups whole: then the
    /// next who reads finds them in the log, and nobody may say before that they are not.
    pub fn append_groups(&mut self, groups: &[&[String]]) -> Result<Vec<Appended>> {
        for payloads in groups {
            check_group(payloads)?;
        }
        let durable = self.durable();
        self.check_ready()?;
        let position = self.position();
        let at = position.offset.get();
        let (mut next, mut previous) = (position.next, position.previous);
        let (mut bytes, mut appended) = (Vec::new(), Vec::with_capacity(groups.len()));
        for payloads in groups {
            let encoded = group::encode_group(previous, next, durable, payloads);
            (next, previous) = (encoded.last.next(), encoded.last_crc);
            appended.push(Appended {
                first: encoded.first,
                last: encoded.last,
                first_crc: encoded.first_crc,
                last_crc: encoded.last_crc,
            });
            if bytes.is_empty() {
                bytes = encoded.bytes;
            } else {
                bytes.extend_from_slice(&encoded.bytes);
            }
        }
        self.put(at, &bytes)?;
        let position = &mut self.writer.position;
        position.offset = position.offset.plus(bytes.len() as u64);
        (position.next, position.previous) = (next, previous);
        position.durable_seen = position.durable_seen.max(durable);
        Ok(appended)
    }

    /// Rotates if the active segment has reached its size. A full segment that cannot be followed for want of space
    /// simply grows; that is no error of what was appended to it.
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`] after a failed sync.
    pub fn rotate_if_full(&mut self, at: Timestamp) -> Result<Option<SegmentId>> {
        if self.position().offset.get() < self.writer.options.segment_bytes {
            return Ok(None);
        }
        match self.rotate(at) {
            Ok(id) => Ok(Some(id)),
            Err(Error::NotRecorded { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Seals the active segment and begins a new one. Afterwards everything before the new header is durable, and so
    /// is the header with its name.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] if the new segment could not be made; the old one stays active.
    /// [`Error::NotAcknowledged`] after a failed sync of the old segment or of the directory, which raises the flag.
    pub fn rotate(&mut self, at: Timestamp) -> Result<SegmentId> {
        if !self.caught_up {
            return Err(not_caught_up());
        }
        let writer = &mut *self.writer;
        let last = writer.position.next.before();
        if let Err(source) = writer.file.sync() {
            self.caught_up = false;
            return Err(writer.sync_failed(source, Some(last)));
        }
        // The header attests all that is before it, and another process may have been told of a failure that this
        // sync was not.
        if let Err(error) = writer.check_flag() {
            self.caught_up = false;
            return Err(error);
        }
        let (log, position) = (&writer.log, &writer.position);
        let head = head_at(&*writer.file, position.sha256, position.offset.get())
            .map_err(|source| Error::NotRecorded { source })?;
        let header = SegmentHeader {
            at,
            format: FORMAT,
            min_reader: READER,
            log: position.log,
            prev: Some(Predecessor {
                segment: position.segment,
                last_seq: last,
                valid_bytes: position.offset,
                last_crc32: position.previous,
            }),
            sha256: Some(head),
            lost: position.lost.clone(),
            writer: WRITER.to_owned(),
            clock_given: log.ports.clock.now().given,
        };
        if self.held.check().is_err() {
            self.caught_up = false;
            return Err(without_lock());
        }
        let end = begin_segment(log, &header, position.next, position.previous, last);
        let end = end.inspect_err(|error| {
            // The new segment may have its name by now. Only another look tells.
            self.caught_up = false;
            writer.sync_failed |= matches!(error, Error::NotAcknowledged { .. });
        })?;
        writer.position = end.position;
        writer.file = end.file;
        writer.tail = Tail::Clean;
        Ok(writer.position.segment)
    }

    /// What the lines that are written now say of what is known durable.
    fn durable(&self) -> Seq {
        if faults::on(Fault::AttestsTheUnsynced) {
            return self.position().last_seq();
        }
        self.writer.known_durable()
    }

    fn check_ready(&self) -> Result<()> {
        if !self.caught_up {
            return Err(not_caught_up());
        }
        if self.writer.tail != Tail::Clean {
            let source = io::Error::other("the end of the log is torn and was not sealed");
            return Err(Error::NotRecorded { source });
        }
        Ok(())
    }
}

fn without_lock() -> Error {
    let source = io::Error::other("the lock file was removed or replaced while it was held");
    Error::NotRecorded { source }
}

fn not_caught_up() -> Error {
    let source = io::Error::other("the end of the log was not verified under this lock");
    Error::NotRecorded { source }
}
