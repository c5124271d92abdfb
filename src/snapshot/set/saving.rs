//! How a set is put in place: what all of its steps have in common.

use std::io;
use std::path::Path;

use super::survey::what_it_is;
use super::{NotAFile, Seen};
use crate::error::Error;
use crate::pipeline::Timestamp;
use crate::ports::{Disk, EntryKind};
use crate::snapshot::CompanionName;

/// How to put a set in place. The caller holds `compact.lock`, and everything that the set covers is durable.
pub struct Saving<'a> {
    /// Where.
    pub disk: &'a dyn Disk,
    /// The store.
    pub dir: &'a Path,
    /// The id of its log: a snapshot of another is none of ours. `None` takes any.
    pub log: Option<&'a str>,
    /// `wal/quarantine`; made if it is not there.
    pub quarantine: &'a Path,
    /// Random numbers, for names that nobody has.
    pub random: &'a mut dyn FnMut() -> u64,
    /// The time, for the names of what is set aside.
    pub stamp: Timestamp,
    /// True if an `imported` record carries this SHA-256 (64 hex digits) for the file of this name: its original is kept.
    pub imported: &'a dyn Fn(&str, &str) -> bool,
    /// What was seen of the set before, if anybody has looked: it is not read again as long as no file of it was touched.
    pub seen: Option<&'a Seen>,
    /// Replaces also what others changed; a copy is set aside first.
    pub discard_edits: bool,
}

impl std::fmt::Debug for Saving<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (dir, discard_edits) = (self.dir, self.discard_edits);
        f.debug_struct("Saving")
            .field("dir", &dir)
            .field("discard_edits", &discard_edits)
            .finish_non_exhaustive()
    }
}

/// Writes the bytes of a file.
pub type Write<'a> = &'a mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>;

/// Writes the bytes of the root, which names the companions.
pub type WriteRoot<'a> = &'a mut dyn FnMut(&[CompanionName], &mut dyn io::Write) -> io::Result<()>;

impl Saving<'_> {
    pub(super) fn edited(&self, name: &str, unreadable: Option<&str>) -> Error {
        Error::Edited {
            file: self.dir.join(name),
            unreadable: unreadable.map(str::to_owned),
            beyond: None,
        }
    }

    pub(super) fn not_a_file(&self, name: &str, kind: EntryKind) -> Error {
        let what = format!("it is {}", what_it_is(kind));
        NotAFile::error(self.dir.join(name), &what)
    }
}
