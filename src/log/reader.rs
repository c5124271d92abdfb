//! Reading the log: which segments there are, in what order they are read, and what their end means.
//!
//! ```text
//! list -> header of the successor -> scan up to where it says -> … -> scan the last -> verdict on its tail
//! ```
//!
//! Without the append lock a reader may look at a write halfway. So what looks wrong is looked at again, twice, the
//! last time under the shared lock, and only then is it called by a name. What the sink was given once it is not given
//! again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cursor::Cursor;
use super::frame::{Crc, Frame};
use super::head::Sha256Hex;
use super::header::{LogId, LostRange};
use super::pass::Pass;
use super::tail::{Attested, Shape};
use super::trouble::{self, Trouble};
use super::{files, lock, mark, poison};
use crate::error::{Damage, DamageKind, Error, Result, Witness};
use crate::ports::{File, Ports};
use crate::position::{Offset, SegmentId, Seq};

/// The log of one store. Knows where it is and nothing of what is in it.
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) ports: Ports,
    pub(super) store: Arc<Path>,
    pub(super) wal: Arc<Path>,
    pub(super) lock_wait: Duration,
}

/// What is attested outside of the segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// What the mark says.
    pub mark: Seq,
    /// The seq that the snapshot covers.
    pub snapshot: Seq,
}

impl Witnesses {
    /// The stronger of the two.
    pub(super) fn strongest(self) -> Attested {
        let snapshot = Attested {
            seq: self.snapshot,
            by: Witness::Snapshot(self.snapshot),
        };
        snapshot.or(Attested {
            seq: self.mark,
            by: Witness::Mark(self.mark),
        })
    }
}

/// Where reading begins.
#[derive(Clone, Debug)]
pub enum From {
    /// At the first record there is.
    FirstRecord,
    /// Behind a snapshot. The record after it is a segment's header and must be the one the snapshot was taken before.
    AfterSnapshot {
        /// The seq that the snapshot covers.
        seq: Seq,
        /// The checksum of that record.
        crc: Crc,
        /// The log it was taken of.
        log: LogId,
    },
    /// Where reading ended before.
    Position(Position),
}

/// How the last segment is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For readers.
    ReadOnly,
    /// For who may go on to write.
    ReadWrite,
}

/// One record, with its place.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The segment.
    pub segment: SegmentId,
    /// Where in it the record begins.
    pub offset: Offset,
    /// The record.
    pub frame: Frame<'a>,
}

/// A place in the log behind a verified record, with all that is needed to go on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The segment.
    pub segment: SegmentId,
    /// The end of the last verified record in it.
    pub offset: Offset,
    /// The seq of the next record.
    pub next: Seq,
    /// The checksum of the last verified record.
    pub previous: Crc,
    /// Which log it is.
    pub log: LogId,
    /// The highest seq that any record read attests to be durable.
    pub durable_seen: Seq,
    /// The segment's name is known to be durable: a record in it, or a sync of our own, says so.
    pub name_proven: bool,
    /// The `sha256` of the segment's header.
    pub sha256: Option<Sha256Hex>,
    /// Every range that was given up.
    pub lost: Vec<LostRange>,
}

impl Position {
    /// The last record before this place; [`Seq::NONE`] at the start.
    pub const fn last_seq(&self) -> Seq {
        self.next.before()
    }
}

/// What stands behind the last verified record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// Bytes that were never acknowledged.
    Torn {
        /// How many.
        bytes: u64,
        /// How they look.
        shape: Shape,
    },
    /// Bytes that somebody may be writing just now. No finding.
    InFlight {
        /// How many.
        bytes: u64,
    },
}

/// Where the log ends.
pub struct LogEnd {
    /// Behind the last verified record.
    pub position: Position,
    /// What stands behind it.
    pub tail: Tail,
    /// The last segment, opened before any of its bytes was read: a sync through it reports every error since.
    pub file: Arc<dyn File>,
}

impl std::fmt::Debug for LogEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogEnd")
            .field("position", &self.position)
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

/// Takes records in the order of their seq.
pub type Sink<'s> = dyn FnMut(Entry<'_>) -> Result<()> + 's;

impl Log {
    /// The log of the store in `store_dir`. Looks at nothing yet.
    pub fn new(ports: Ports, store_dir: &Path) -> Self {
        Self {
            ports,
            store: store_dir.into(),
            wal: store_dir.join("wal").into(),
            lock_wait: Duration::from_secs(10),
        }
    }

    /// The same log, whose readers wait this long for the shared lock instead of 10 s.
    #[must_use]
    pub fn with_lock_wait(self, lock_wait: Duration) -> Self {
        Self { lock_wait, ..self }
    }

    /// The store's directory.
    pub fn store_dir(&self) -> &Path {
        &self.store
    }

    /// The directory of the segments.
    pub fn wal_dir(&self) -> &Path {
        &self.wal
    }

    /// The path of a segment.
    pub fn segment_path(&self, id: SegmentId) -> PathBuf {
        self.wal.join(id.file_name())
    }

    /// The segments there are, in order.
    ///
    /// # Errors
    /// [`Error::NoStore`] if there is no `wal/`.
    pub fn segments(&self) -> Result<Vec<SegmentId>> {
        let readable = |id: &SegmentId| i64::try_from(id.first_seq().get()).is_ok();
        let mut ids: Vec<SegmentId> = Vec::new();
        let listed = self.ports.disk.each_name(&self.wal, &mut |name| {
            ids.extend(SegmentId::from_file_name(name).filter(readable));
        });
        listed.map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                self.no_store()
            } else {
                Error::io("list", &self.wal)(error)
            }
        })?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// What the mark says now; 0 if there is none that can be read.
    pub fn mark(&self) -> Seq {
        mark::read(&*self.ports.disk, &self.wal)
    }

    /// Reads every record from a place on to the end of the log and says what that end means. Writes nothing.
    ///
    /// `under_lock` says that the caller holds the append lock; then nothing can be in flight, and what is seen once is
    /// so. Records of a group come one after the other, once the whole group is verified.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::AmbiguousTail`], [`Error::OtherLog`], [`Error::NewerFormat`] as the design has
    /// them, [`Error::Io`] where the system refuses to read, and what the sink returns.
    pub fn read(
        &self,
        from: From,
        witnesses: Witnesses,
        access: Access,
        under_lock: bool,
        sink: &mut Sink<'_>,
    ) -> Result<LogEnd> {
        let mut cursor = Cursor::start(from);
        let mut held = None;
        if under_lock {
            let pass = Pass::new(self, witnesses, access, true);
            let end = pass.run(&mut cursor, &mut held, sink);
            return end.map_err(Trouble::into_error);
        }
        for _ in 0..2 {
            let pass = Pass::new(self, witnesses, access, false);
            match pass.run(&mut cursor, &mut held, sink) {
                Ok(end) if end.tail == Tail::Clean => return Ok(end),
                Ok(end) => held = Some((end.position.segment, end.file)),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Bad(_)) => {}
            }
        }
        let (lock, refused) = match self.shared_lock() {
            Ok(lock) => (lock, None),
            Err(error @ Error::LockTimeout { .. }) => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let pass = Pass::new(self, witnesses, access, lock.is_some());
        let end = pass.run(&mut cursor, &mut held, sink);
        end.map_err(|trouble| match (trouble, refused) {
            // Without the lock nothing bad may be said of anybody's bytes.
            (Trouble::Bad(_), Some(refused)) => refused,
            (trouble, _) => trouble.into_error(),
        })
    }

    /// Syncs the last segment's name where no record attests it, and with the first segment's also the store's.
    ///
    /// A file whose name is lost is lost, however durable its bytes are.
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`] after a failed sync, which raises the flag.
    pub fn prove_name(&self, position: &mut Position) -> Result<()> {
        if position.name_proven {
            return Ok(());
        }
        let mut dirs = vec![&*self.wal];
        if position.segment == SegmentId::FIRST {
            dirs.extend([&*self.store, files::parent(&self.store)]);
        }
        for dir in dirs {
            self.ports.disk.sync_dir(dir).map_err(|source| {
                self.poisoned_by(position.segment, position.durable_seen, source, None)
            })?;
        }
        position.name_proven = true;
        Ok(())
    }

    /// Raises the flag after a failed sync, and says so.
    pub fn poisoned_by(
        &self,
        segment: SegmentId,
        durable: Seq,
        source: io::Error,
        seq: Option<Seq>,
    ) -> Error {
        // Where even the flag cannot be raised, this process at least acknowledges nothing.
        let _ = poison::raise(&self.ports, &self.wal, segment, durable);
        Error::NotAcknowledged { source, seq }
    }

    /// The append lock, shared; `None` if there is no lock file, hence nobody who holds it.
    pub(super) fn shared_lock(&self) -> Result<Option<lock::Held>> {
        lock::shared(&self.ports, &self.wal.join(files::LOCK), self.lock_wait)
    }

    pub(super) fn no_store(&self) -> Error {
        let importable = self.ports.disk.exists(&self.store.join("work_items.json"));
        Error::NoStore {
            dir: std::path::absolute(&self.store).unwrap_or_else(|_| self.store.to_path_buf()),
            importable: importable.unwrap_or(false),
        }
    }

    /// What it means that `wal/` has no segment: no store, unless something says that there was one.
    /// Which log it is, as the first header says that can be read; `None` if none can.
    pub(crate) fn id(&self) -> Result<Option<LogId>> {
        let headers = self.segments()?.into_iter();
        Ok(headers
            .filter_map(|id| trouble::read_header(self, id).ok()?.ok())
            .map(|header| header.log)
            .next())
    }

    /// The header of a segment; `None` if it cannot be read.
    pub(crate) fn header(&self, id: SegmentId) -> Option<super::header::SegmentHeader> {
        trouble::read_header(self, id).ok()?.ok()
    }

    pub(crate) fn no_segments(&self, witnesses: Witnesses) -> Error {
        let marked = self
            .ports
            .disk
            .exists(&self.wal.join(mark::MARK))
            .unwrap_or(false);
        if !marked && witnesses.snapshot == Seq::NONE {
            return self.no_store();
        }
        Error::Damaged(Box::new(Damage {
            file: "wal".into(),
            segment: None,
            offset: Offset::START,
            seq: Seq::FIRST,
            kind: DamageKind::MissingSegment,
            witness: Some(match witnesses.snapshot {
                // Its seq may not be readable any more: that it is there is enough.
                Seq::NONE => Witness::Mark(witnesses.mark),
                _ => witnesses.strongest().by,
            }),
            items: Vec::new(),
        }))
    }
}
