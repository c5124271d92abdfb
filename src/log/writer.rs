//! Writing the log: one append among many processes.
//!
//! ```text
//! lock -> catch up -> (seal a torn tail) -> append -> (rotate) -> unlock -> sync -> check poison -> mark
//! ```
//!
//! [`Writer`] has no lock and can only sync; [`Locked`] has it and can write. That a record is durable is known only
//! when [`Writer::sync_and_prove`] returns, and it takes the lock to be given back: processes then share their syncs.

mod locked;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::cursor::Cursor;
use super::frame;
use super::glance::Names;
use super::reader::{Log, LogEnd, Position, Tail, Witnesses};
use super::trouble::{Trouble, file_name};
use super::window::Window;
use super::{deliver, files, lock, mark, poison};
use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::ports::{File, FileId};
use crate::position::Seq;

pub use locked::{Appended, Locked, Sealed};

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

impl Writer {
    /// Goes on from where reading ended. The log must have been read with [`Access::ReadWrite`](super::reader::Access::ReadWrite).
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
        Ok(Locked::new(self, names, held))
    }

    /// As [`Writer::lock`], with the append lock that the caller took before it read what this writer goes on from. The mark
    /// among the witnesses was read before that.
    pub fn lock_with(&mut self, held: lock::Held) -> Locked<'_> {
        Locked::new(self, None, held)
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
