//! `wal/cache`: the state as a file that is read in place, so that one command costs the same at 36 items and at a million.
//!
//! ```text
//!   header, stamp | keys | directory | trees | heap   blocks of 512 bytes, each with its checksum
//!                   |      |           |       '- items, plan, position: each with its length and checksum
//!                   |      |           '--------- from when on each phase of each item can be started, and what runs
//!                   |      '--------------------- where in the heap each item is
//!                   '---------------------------- name or id -> item
//! ```
//!
//! Derived, never synced, always safe to delete. What holds, whatever happens:
//!
//! * It says how far in the log it goes. Nothing is in it that was not read from the log and verified there by the process
//!   that put it in, or written there and synced by it.
//! * It counts only for the program's version that wrote it, and while it agrees with the log: the segment it ends in is the same
//!   file, belongs to the same history, and the record that ends where it says has the checksum it says. Everything behind is read
//!   from the log and verified, as by everybody else.
//! * On the boot that wrote it the page cache is coherent, so that a killed writer is seen as it was. On another one it counts if all
//!   of it is of one moment, and the log has what it rests on: see `boot`.
//! * It is changed in place, under the append lock only, marked unclean first and clean last. What is found unclean, or does not
//!   fit its checksums, or cannot be read, is as good as not there: the store is recovered from snapshot and log, and a new cache
//!   is made beside the old one and renamed over it.
//! * Whatever changes the log other than by appending makes it not fit: a cleared flag replaces the file, a repair declares
//!   ranges lost. Whatever changes a snapshot shows in the names, sizes and times of change that it keeps of those files.
//! * Readers read it as a whole, without a lock and without writing to it; it counts if it was clean, and the same, before and
//!   after. What they show is read to the end of the log, judged and synced as ever.
//! * Whoever opens the store to change all of it (a compaction, `resume`), and verify, doctor, repair, history and replay never
//!   look at it. That a command was answered through it changes nothing of what is checked under the lock, written, synced and
//!   said.
//!
//! * The active segment is as the last append left it, by its length and time of change: who edits it past us makes the cache
//!   not count, and is found out by the recovery that follows.
//!
//! Not seen: bytes of sealed segments before the cache's end that change (`verify` reads them), bytes that rot on the disk, and a
//! disk that is pulled out and put back without a boot.

mod block;
mod layout;
mod rows;
mod base;
mod build;
mod open;
mod load;
mod digest;
mod window;
mod boot;
mod save;
mod follow;
mod stamp;

use super::dir::WAL;
use crate::log::reader::Position;
use crate::ports::FileId;

pub(super) use build::{discard, renew};
pub(super) use follow::follow;
pub(super) use load::{Loaded, load};
pub(super) use open::{Opened, open};
pub(super) use stamp::note;

/// The file's name in `wal/`.
pub(super) const CACHE: &str = "cache";

/// Where a cache ends in the log: behind which record, and in which file that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) position: Position,
    pub(super) file: FileId,
}

/// The path of the cache of a store.
fn path(dir: &std::path::Path) -> std::path::PathBuf {
    dir.join(WAL).join(CACHE)
}
