//! The store: what a directory of state means, and who may do what to it.
//!
//! ```text
//!   recovery    snapshot, then the log after it        -> Recovered     (reads only)
//!   append      lock, catch up, decide, write, sync    -> Receipt       (the only place where state changes)
//!   brief       append, with the state read in place   -> Receipt       (at the same cost for any number of items)
//!   import      append, for files that others wrote    -> what was taken in
//!   batch       append, for several commands           -> Receipts      (one write and one sync for all)
//!   shared      batch, for many threads                -> Receipt
//!   claim       append, for the next piece of work     -> Claimed
//!   resume      append, for what a crash left behind   -> Resumed
//!   compaction  state at S                             -> work_items.json
//!   view        Recovered, synced                      -> whoever asks
//!   replay      record 1 to any other                  -> the state then
//!   records     whatever can be read                   -> history, log
//!   export      state, or records                    -> rows for other tools
//!   verify      everything there is, read              -> Verified      (reads only)
//!   doctor      store, clock, file system, other files -> what to look at
//!   repair      a log that cannot be read              -> one that can, and says what it lost
//!   backup      a store, while writers run             -> a copy that opens
//! ```
//!
//! This layer alone knows that a snapshot and a log continue each other.

mod dir;
pub mod progress;
mod facts;
mod strays;
mod recovery;
pub mod receipt;
mod append;
mod cache;
pub mod brief;
mod batch;
pub mod shared;
mod proof;
mod heartbeats;
mod known;
pub mod claim;
pub mod resume;
pub mod compaction;
pub mod view;
pub mod replay;
pub mod records;
pub mod verify;
pub mod repair;
pub mod backup;
pub mod history;
pub mod export;
pub mod given;
mod originals;
mod as_written;
mod lineage;
pub mod merge;
pub mod beside;
mod import;
pub mod create;
pub mod doctor;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use brief::Brief;
pub use claim::{Beat, Claimed};
pub use compaction::Compacted;
pub use receipt::{Receipt, Warning};
pub use resume::{Resumed, TornTail};
pub use shared::SharedStore;
pub use view::View;

use crate::error::Result;
use crate::log::reader::Access;
use crate::log::writer::{LogOptions, Writer};
use crate::pipeline::{Command, PipelineState, Report, decide};
use crate::ports::Ports;
use crate::position::Seq;
use facts::SnapshotFacts;
use progress::Progress;
use recovery::{Data, Recovered};

/// How a store behaves; the defaults are those of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// A segment of at least so many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// How long to wait for a lock.
    pub lock_wait: Duration,
    /// When snapshots are written.
    pub compact: CompactMode,
    /// Work on a network file system all the same.
    pub allow_network: bool,
    /// Whether `wal/cache` is used.
    pub cache: CacheMode,
    /// Where long work tells how far it is.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 20,
            lock_wait: Duration::from_secs(10),
            compact: CompactMode::Auto,
            allow_network: false,
            cache: CacheMode::default(),
            progress: Progress::default(),
        }
    }
}

impl Options {
    /// The same, for who looks for trouble: everything is read.
    pub(crate) fn without_cache(&self) -> Self {
        Self {
            cache: CacheMode::Never,
            ..self.clone()
        }
    }
}

/// Whether `wal/cache` is used, from which one command is answered at a cost that does not grow with the store. It changes no
/// answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Where it counts; else it is made.
    #[default]
    Auto,
    /// Neither read nor written.
    Never,
}

/// When snapshots are written without being asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompactMode {
    /// When there is none yet, and when the log after the last one has outgrown it.
    #[default]
    Auto,
    /// After every command that writes.
    Always,
    /// Never.
    Never,
}

/// A store, open for writing. Made by [`Store::open`], which has recovered it.
///
/// Several processes may have one store open; each append takes the lock, catches up and decides anew.
pub struct Store {
    ports: Ports,
    dir: PathBuf,
    options: Options,
    state: PipelineState,
    writer: Writer,
    snapshot: SnapshotFacts,
    replayed: u64,
    warnings: Vec<Warning>,
}

impl Store {
    /// Opens the store in `dir`: the snapshot, then every record after it. Writes nothing and takes no lock.
    ///
    /// # Errors
    /// No store, damage, a newer format, another history, or the system's refusal: see [`crate::Error`].
    pub fn open(ports: Ports, dir: &Path, options: Options) -> Result<Self> {
        Self::open_with(ports, dir, options, Data::Kept)
    }

    /// As [`Store::open`], without the data of the items, for who asks for everything else.
    fn open_without_data(ports: Ports, dir: &Path, options: Options) -> Result<Self> {
        Self::open_with(ports, dir, options, Data::LeftOut)
    }

    fn open_with(ports: Ports, dir: &Path, options: Options, data: Data) -> Result<Self> {
        let Recovered {
            log,
            state,
            end,
            witnesses,
            snapshot,
            replayed,
            warnings,
        } = recovery::recover(&ports, dir, &options, Access::ReadWrite, data)?;
        let log_options = LogOptions {
            segment_bytes: options.segment_bytes,
            lock_wait: options.lock_wait,
        };
        let writer = Writer::new(log, end, witnesses, log_options);
        let dir = dir.to_owned();
        Ok(Self {
            ports,
            dir,
            options,
            state,
            writer,
            snapshot,
            replayed,
            warnings,
        })
    }

    /// Does what the command wants, if the rules allow it. When this returns, the answer is durable: what was
    /// recorded, and every record that the answer rests on.
    ///
    /// # Errors
    /// [`crate::Error::Rejected`] if the rules do not allow it; [`crate::Error::NotRecorded`] and
    /// [`crate::Error::NotAcknowledged`] if the disk does not.
    pub fn submit(&mut self, command: &Command) -> Result<Receipt> {
        append::submit(self, command)
    }

    /// As [`Store::submit`] for a report by whoever ran a command for the work: what the command has reported by itself
    /// under the same token stands, and so does a report that was recorded although that was not known.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub fn report_end(&mut self, report: &Report) -> Result<Receipt> {
        append::submit_by(self, &|state, now| decide::end_of_work(state, report, now))
    }

    /// Takes in place of the cache what this store knows, for the commands that come.
    fn renew_cache(&self) {
        if let Ok(file) = self.writer.file_id() {
            let position = self.writer.position().clone();
            let end = cache::End { position, file };
            cache::renew(
                &self.ports,
                &self.dir,
                &self.options,
                &self.state,
                &end,
                &self.snapshot,
            );
        }
    }

    /// The state as far as this process has read the log.
    pub fn state(&self) -> &PipelineState {
        &self.state
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The highest record known to be durable.
    pub fn durable_seq(&self) -> Seq {
        self.writer.known_durable()
    }

    /// Takes out what was noticed on the way and changed no result.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }
}
