//! Writing the log: one append among many processes.
//!
//! ```text
//! lock -> catch up -> (seal a torn tail) -> append -> (rotate) -> unlock -> sync -> check poison -> mark
//! ```
//!
//! [`Writer`] has no lock and can only sync; [`Locked`] has it and can write. That a record is durable is known only
//! when [`Writer::sync_and_prove`] returns, and it takes the lock to be given back: processes then share their syncs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::begin::begin_segment;
use super::cursor::Cursor;
use super::frame::{self, Crc};
use super::glance::{self, Names};
use super::group::{self, MORE};
use super::head::head_at;
use super::header::{FORMAT, Predecessor, READER, SegmentHeader, WRITER};
use super::pass::Pass;
use super::poison::Poison;
use super::reader::{Access, From, Log, LogEnd, Position, Sink, Tail, Witnesses};
use super::tail::Shape;
use super::trouble::{Trouble, file_name};
use super::window::Window;
use super::{clearing, deliver, files, lock, mark, poison};
use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::pipeline::Timestamp;
use crate::ports::{File, FileId};
use crate::position::{Offset, SegmentId, Seq};

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment of this many bytes or more is followed by a new one.
    pub segment_bytes: u64,
    /// How long the append lock is waited for.
    pub lock_wait: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 20,
            lock_wait: Duration::from_secs(10),
        }
    }
}

/// Somebody who has read the log to its end and may go on to write there.
pub struct Writer {
    pub(super) log: Log,
    options: LogOptions,
    witnesses: Witnesses,
    position: Position,
    tail: Tail,
    /// Opened before any byte of it was read; every sync of the segment goes through it.
    file: Arc<dyn File>,
    /// Everything through here was synced by this process.
    proven: Seq,
    /// This process wrote something that it has not synced yet.
    unproven_write: bool,
    /// A sync failed here, and nobody has cleared that yet.
    sync_failed: bool,
    /// What is in the segment up to the position must be read again before anything is written behind it.
    doubtful: bool,
    /// `wal/` as it was before its names were listed last; the active segment was the last one then.
    names: Option<Names>,
    /// Files that every append uses.
    lock_file: lock::Kept,
    mark_file: mark::Kept,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("position", &self.position)
            .field("tail", &self.tail)
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}

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

impl Writer {
    /// Goes on from where reading ended. The log must have been read with [`Access::ReadWrite`].
    pub fn new(log: Log, end: LogEnd, witnesses: Witnesses, options: LogOptions) -> Self {
        Self {
            log,
            options,
            witnesses,
            position: end.position,
            tail: end.tail,
            file: end.file,
            proven: Seq::NONE,
            unproven_write: false,
            sync_failed: false,
            doubtful: false,
            names: None,
            lock_file: lock::Kept::default(),
            mark_file: mark::Kept::default(),
        }
    }

    /// Behind the last record that was read or written.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// What stood behind it when it was looked at last.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The highest seq known to be durable: synced by this process, attested by a record, or by the mark.
    pub fn known_durable(&self) -> Seq {
        let last = self.position.next.before();
        let known = self.proven.max(self.position.durable_seen);
        known.max(self.witnesses.mark).min(last)
    }

    /// Takes the append lock.
    ///
    /// # Errors
    /// [`Error::LockTimeout`] with who holds it; [`Error::Io`] if the lock file is not what it should be.
    pub fn lock(&mut self) -> Result<Locked<'_>> {
        let path = self.log.wal.join(files::LOCK);
        let wait = self.options.lock_wait;
        let held = self.lock_file.exclusive(&self.log.ports, &path, wait)?;
        let names = Names::look(&self.log);
        let same = names.is_some() && names == self.names;
        // Before the log: what the mark says is then in what is read.
        let marked = (self.mark_file).read(&*self.log.ports.disk, &self.log.wal, same);
        self.witnesses.mark = self.witnesses.mark.max(marked);
        Ok(Locked {
            writer: self,
            caught_up: false,
            names,
            held,
        })
    }

    /// As [`Writer::lock`], with the append lock that the caller took before it read what this writer goes on from. The mark
    /// among the witnesses was read before that.
    pub fn lock_with(&mut self, held: lock::Held) -> Locked<'_> {
        Locked {
            writer: self,
            caught_up: false,
            names: None,
            held,
        }
    }

    /// Which file the active segment is.
    ///
    /// # Errors
    /// As the system says.
    pub fn file_id(&self) -> Result<FileId> {
        let path = || self.log.segment_path(self.position.segment);
        self.file
            .id()
            .map_err(|error| Error::io("look at", path())(error))
    }

    /// Makes everything that this process has read or written durable, and returns the last seq of it.
    ///
    /// Call it without the lock, before anything is acknowledged that rests on a record beyond
    /// [`Writer::known_durable`]. One call covers everything before it.
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`] if the sync failed, which raises the flag; [`Error::Poisoned`] if the flag is up. In
    /// both cases nothing may be acknowledged, and nothing is tried again here.
    pub fn sync_and_prove(&mut self) -> Result<Seq> {
        // Only what was read or written before the sync begins is proven by it.
        let last = self.position.next.before();
        let written = self.unproven_write;
        let known = self.known_durable();
        if self.sync_failed {
            let detail = "a sync failed in this process".to_owned();
            return Err(Error::Poisoned { detail, written });
        }
        self.prove_name()?;
        if faults::on(Fault::MarkBeforeSync) {
            let _ = mark::raise(&*self.log.ports.disk, &self.log.wal, last);
        }
        if known < last
            && let Err(source) = self.file.sync()
            && !(faults::on(Fault::SyncRetried) && self.file.sync().is_ok())
        {
            return Err(self.sync_failed(source, Some(last)));
        }
        // Another process may have been told of a failure that this sync was not: the kernel tells each open file once.
        self.check_flag()?;
        let last = if faults::on(Fault::ProvesWhatItDidNotRead) {
            self.last_there_is(last)
        } else {
            last
        };
        self.proven = last;
        self.unproven_write = false;
        if self.witnesses.mark < last
            && (self.mark_file)
                .raise(&*self.log.ports.disk, &self.log.wal, last)
                .is_ok()
        {
            self.witnesses.mark = last;
        }
        Ok(last)
    }

    /// Refuses to go on if the flag of a failed sync is up.
    fn check_flag(&self) -> Result<()> {
        let written = self.unproven_write;
        let detail = match poison::read(&*self.log.ports.disk, &self.log.wal) {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if faults::on(Fault::FlagCheckedOnlyBefore) => return Ok(()),
            Ok(Some(flag)) => flag.to_string(),
            Err(error) => format!("the flag cannot be read: {error}"),
        };
        Err(Error::Poisoned { detail, written })
    }

    /// The last record in the active segment by now: [`Fault::ProvesWhatItDidNotRead`].
    fn last_there_is(&self, read: Seq) -> Seq {
        let mut bytes = vec![0; 1 << 16];
        let from = self.position.offset.get();
        let len = self.file.read_full_at(from, &mut bytes).unwrap_or(0);
        let lines = bytes[..len].split(|&byte| byte == b'\n');
        let seqs = lines.filter_map(|line| Some(frame::parse(line).ok()?.seq));
        seqs.max().unwrap_or(read).max(read)
    }

    fn prove_name(&mut self) -> Result<()> {
        let proven = self.log.prove_name(&mut self.position);
        self.sync_failed |= proven.is_err();
        proven
    }

    /// Remembers that a sync of the active segment failed, and tells everybody.
    fn sync_failed(&mut self, source: io::Error, seq: Option<Seq>) -> Error {
        (self.sync_failed, self.doubtful) = (true, true);
        let durable = self.known_durable();
        self.log
            .poisoned_by(self.position.segment, durable, source, seq)
    }

    /// Reads the active segment again up to the position, through the file its name leads to now.
    fn verify_again(&mut self) -> Result<()> {
        let id = self.position.segment;
        let path = self.log.segment_path(id);
        let file: Arc<dyn File> = self
            .log
            .ports
            .disk
            .open_write(&path)
            .map_err(Error::io("open", &path))?
            .into();
        let mut cursor = Cursor::at(id, None);
        let limit = self.position.offset.get();
        let mut window = Window::default();
        let stop = deliver::scan(
            &self.log,
            &mut window,
            &mut cursor,
            &*file,
            limit,
            &mut |_| Ok(()),
        )
        .map_err(Trouble::into_error)?;
        let same = stop.fault.is_none()
            && stop.offset == self.position.offset
            && stop.seq == self.position.next
            && (limit == 0 || cursor.scan.previous() == Some(self.position.previous));
        if !same {
            return Err(Error::OtherLog {
                file: file_name(id),
                what: format!(
                    "it was replaced, and does not go as far as record {}",
                    stop.seq.before()
                ),
            });
        }
        self.file = file;
        self.doubtful = false;
        Ok(())
    }
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
    /// As [`Log::read`]; [`Error::Poisoned`] if the flag could not be cleared; [`Error::NotAcknowledged`] after a
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
        let mut durable = self.writer.known_durable();
        if faults::on(Fault::AttestsTheUnsynced) {
            durable = self.position().last_seq();
        }
        self.check_ready()?;
        let writer = &mut *self.writer;
        let position = &mut writer.position;
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
        // As near to the write as can be: the lock may have been taken away from under us.
        if self.held.check().is_err() {
            return Err(without_lock());
        }
        writer.unproven_write = true;
        if let Err(source) = writer.file.write_full_at(position.offset.get(), &bytes) {
            // Nothing is cut back: a region that is written twice may show old text after a power cut.
            writer.doubtful = true;
            self.caught_up = false;
            return Err(Error::NotRecorded { source });
        }
        if let Err(error) = self.held.check() {
            // Somebody else may have written there too: only another look tells whose bytes these are.
            writer.doubtful = true;
            self.caught_up = false;
            return Err(error);
        }
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

/// Refuses a group that no reader would take: it holds nothing, a payload is none, or all of it is too large. Whether the
/// payloads say something is for whoever encoded them.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Usage`].
pub fn check_group(payloads: &[String]) -> Result<()> {
    check_payloads(payloads)?;
    check_size(payloads)
}

/// Refuses what could not be read back.
pub(super) fn check_payloads(payloads: &[String]) -> Result<()> {
    if payloads.is_empty() {
        let message = "a group has at least one record".to_owned();
        return Err(Error::Usage { message });
    }
    payloads
        .iter()
        .try_for_each(|payload| check_payload(payload))
}

/// Refuses a payload that could not be read back.
pub(super) fn check_payload(payload: &str) -> Result<()> {
    let bytes = payload.len() + MORE.len();
    if bytes > frame::MAX_PAYLOAD {
        return Err(Error::TooLarge {
            what: "a record".to_owned(),
            bytes: bytes as u64,
            limit: frame::MAX_PAYLOAD as u64,
        });
    }
    let fault = frame::payload_fault(payload).or_else(|| {
        let inner = payload.starts_with("{\"") && !group::is_more(payload);
        (!inner).then_some("it is empty or says itself that more follows")
    });
    match fault {
        None => Ok(()),
        Some(fault) => {
            let message = format!("this cannot be recorded: {fault}");
            Err(Error::Usage { message })
        }
    }
}

/// A group is held in memory by whoever judges what a crash left of it.
fn check_size(payloads: &[String]) -> Result<()> {
    let line = |payload: &String| (payload.len() + frame::MAX_LINE - frame::MAX_PAYLOAD) as u64;
    let bytes: u64 = payloads.iter().map(line).sum();
    if bytes > group::MAX_GROUP {
        return Err(Error::TooLarge {
            what: "what is recorded at once".to_owned(),
            bytes,
            limit: group::MAX_GROUP,
        });
    }
    Ok(())
}
