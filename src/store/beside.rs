//! Takes the files beside `work_items.json` in: the items' data, and their image extraction.
//!
//! ```text
//!   file -> compared with what?  (against)
//!        -> three-way merge (taking) -> imported, enriched, extracted, added …     on the state under the lock: see `import`
//! ```
//!
//! Of a large file the data is read object by object, first where it lies, then where its original is kept: in memory is
//! what differs. What it is compared with is made before the store is opened, so that the two are never there together.
//!
//! What was changed in the file since it was written becomes records; where the log has moved the same field meanwhile
//! the log stays, and that is reported. A file that does not tell when it was written may only fill in. An item that
//! only such a file knows is added, held, with that reason; one that was taken out of the file stays.

mod against;
mod finder;
mod goes_on;
mod last;
mod roots;
mod older;
mod sayable;
mod watch;
mod one;
mod cross;
mod shape;
mod only;
mod taking;

use std::path::Path;

use crate::error::Result;
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, PipelineState, Record, Timestamp};
use crate::ports::{Disk, Ports};
use crate::position::Seq;
use crate::snapshot::import::{Finding, Severity};

use super::Options;
use super::given::{BesideOriginal, MergeOptions};
use super::lineage::{last_from, put_back};
use super::originals::{Values, keep_beside};
use super::strays::last_import;
use against::{Against, Base};
use finder::Finder;
use taking::Taking;

/// What taking one file in came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BesideResult {
    /// Items that are new.
    pub added: usize,
    /// Items of which something was recorded.
    pub changed: usize,
    /// Items of which nothing was.
    pub unchanged: usize,
    /// Why nothing in it is news, if that is so.
    pub known: Option<KnownAs>,
    /// True if the log names it by its checksum now, and its original is kept.
    pub recorded: bool,
    /// What was not as it should be, and what was decided.
    pub findings: Vec<Finding>,
}

/// Why nothing in a file is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAs {
    /// It was taken over here, byte for byte.
    Imported(Seq),
    /// It is a snapshot of this record, as we wrote it.
    Snapshot(Seq),
}

impl BesideResult {
    /// True if something was decided that a person should look at, now: a file that was taken over before was judged
    /// then.
    pub fn is_judged(&self) -> bool {
        let judged = |finding: &Finding| finding.severity == Severity::Judged;
        self.recorded && self.findings.iter().any(judged)
    }
}

/// What taking files in came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "it says what was recorded and what a person should look at"]
pub struct BesideTaken {
    /// The first and the last record; `None` if there is nothing to record.
    pub recorded: Option<(Seq, Seq)>,
    /// File by file.
    pub files: Vec<BesideResult>,
}

/// What files add to a store that these events make; they are read where they are kept in the store `kept`, or where they lie.
///
/// # Errors
/// [`crate::Error::Io`] where a file cannot be read any more.
pub(super) fn onto(
    ports: &Ports,
    kept: Option<&Path>,
    events: impl IntoIterator<Item = Event>,
    originals: &[BesideOriginal],
) -> Result<(Vec<Event>, Vec<BesideResult>)> {
    let mut state = PipelineState::default();
    fold(&mut state, events);
    let nothing = nothing_of(originals);
    take((ports, kept), &state, originals, &nothing, false)
}

/// Files that are compared with nothing.
pub(super) fn nothing_of(originals: &[BesideOriginal]) -> Compared {
    Compared(originals.iter().map(|_| None).collect())
}

/// Applies events that nobody has recorded.
pub(super) fn fold(state: &mut PipelineState, events: impl IntoIterator<Item = Event>) {
    for event in events {
        state.apply(&Record {
            seq: state.last_seq.next(),
            at: Timestamp::EPOCH,
            clock_given: false,
            event,
        });
    }
}

/// What tells whether a file is news.
pub(super) struct Known {
    /// The id of the log.
    pub(super) log: String,
    /// What was imported so far.
    pub(super) imports: Vec<ImportSource>,
    /// The last record in snapshots that are in place, for certain.
    pub(super) compacted: Seq,
}

impl Known {
    /// True if anything has to be compared with anything.
    pub(super) fn is_news(
        &self,
        ports: &Ports,
        dir: &Path,
        originals: &[BesideOriginal],
        how: MergeOptions<'_>,
    ) -> bool {
        let is_new = |it: &BesideOriginal| {
            before(&self.imports, it).is_none()
                || is_back(&*ports.disk, &self.imports, it)
                || self.put_back(ports, dir, it).is_some()
        };
        !originals.is_empty() && (how.prefer_file || originals.iter().any(is_new))
    }

    /// See [`put_back`].
    fn put_back(&self, ports: &Ports, dir: &Path, original: &BesideOriginal) -> Option<Seq> {
        let file = (&*original.path, &*original.document.file.sha256);
        put_back((ports, dir), &self.imports, self.compacted, file)
    }
}

/// What each of some files is compared with.
pub(super) struct Compared(Vec<Option<Against>>);

/// What each file is compared with; `None` for one that was taken over before and does not count now.
pub(super) fn find(
    (ports, dir, options): (&Ports, &Path, &Options),
    originals: &[BesideOriginal],
    how: MergeOptions<'_>,
    known: &Known,
) -> Result<Compared> {
    let imports = &*known.imports;
    let mut finder = Finder {
        ports,
        dir,
        options,
        how,
        log: &known.log,
        imports,
        past: Vec::new(),
    };
    let find = |original: &BesideOriginal| {
        let put_back = known.put_back(ports, dir, original);
        // Asked to let the file count, the same bytes may come to something else.
        let is_new = before(imports, original).is_none() || how.prefer_file;
        if !is_new && put_back.is_none() && !is_back(&*ports.disk, imports, original) {
            return Ok(None);
        }
        let found = finder.find(original, put_back)?;
        Ok(Some(found).filter(|found| is_new || found.base().is_some()))
    };
    let found: Result<_> = originals.iter().map(find).collect();
    found.map(Compared)
}

/// Keeps the originals of the files that may bring news.
pub(super) fn keep_news(
    ports: &Ports,
    dir: &Path,
    originals: &[BesideOriginal],
    against: &Compared,
    known: &Known,
) -> Result<()> {
    for (original, against) in originals.iter().zip(&against.0) {
        if known_as(&*ports.disk, &known.imports, original, against.as_ref()).is_none() {
            keep_beside(ports, dir, original)?;
        }
    }
    Ok(())
}

/// The record that has taken over these bytes.
fn before(imports: &[ImportSource], original: &BesideOriginal) -> Option<Seq> {
    let sha256 = &original.document.file.sha256;
    let mut imports = imports.iter();
    imports.find(|it| it.sha256 == *sha256).map(|it| it.seq)
}

/// True if the bytes, which were taken over before, lie there again in place of what came after them.
fn is_there_again(
    disk: &dyn Disk,
    imports: &[ImportSource],
    original: &BesideOriginal,
    base: &Base,
) -> bool {
    // Another process may have taken that in meanwhile.
    let last = || last_import(imports, &original.document.file.sha256);
    let is_put_back = base.put_back.is_some() && base.put_back == last();
    is_put_back || is_back(disk, imports, original)
}

/// True if another version was taken over since from the same place: with these bytes an edit of that was undone.
fn is_back(disk: &dyn Disk, imports: &[ImportSource], original: &BesideOriginal) -> bool {
    let file = &original.document.file;
    let last = last_from(disk, imports, &file.path);
    last.is_some_and(|last| last.sha256 != file.sha256)
}

/// Why nothing in the file is news; `None` if something may be.
fn known_as(
    disk: &dyn Disk,
    imports: &[ImportSource],
    original: &BesideOriginal,
    against: Option<&Against>,
) -> Option<KnownAs> {
    match against {
        Some(Against::Snapshot(seq)) => Some(KnownAs::Snapshot(*seq)),
        Some(Against::Base(base)) if is_there_again(disk, imports, original, base) => None,
        _ => before(imports, original).map(KnownAs::Imported),
    }
}

/// What the files come to, read where they are kept in the store, or where they lie.
pub(super) fn take(
    (ports, kept): (&Ports, Option<&Path>),
    state: &PipelineState,
    originals: &[BesideOriginal],
    against: &Compared,
    prefer_file: bool,
) -> Result<(Vec<Event>, Vec<BesideResult>)> {
    let mut taking = Taking::new(&*ports.disk, state, prefer_file);
    let mut files = Vec::with_capacity(originals.len());
    for (original, against) in originals.iter().zip(&against.0) {
        let open = || Values::of(ports, kept, original);
        files.push(taking.file(original, against.as_ref(), &open)?);
    }
    Ok((taking.into_events(), files))
}
