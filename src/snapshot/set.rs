//! The snapshot set on disk: the root, the companions that it names, and the set before it.
//!
//! ```text
//!   work_items.json ------ names by length and checksum ---> enrichment_data.json, …
//!   work_items.json.bak -- names --------------------------> enrichment_data.json.bak, … or the file without .bak
//!   work_items.json.next   the root of a set that is being put in place: there only while a compaction runs
//! ```
//!
//! A companion is the file *or* the `.bak` whose bytes the root names; a root whose companions cannot be found is no
//! root. A set is looked for behind the root, then behind `.next`, then behind `.bak`.

mod survey;
mod content;
mod reading;
mod stamps;
mod saving;
mod files;
mod in_the_way;
mod save;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::work_items::{self, Names, WorkItems};
use super::{CompanionName, LogPlace};
use super::{enrichment, extraction};
use crate::error::{Error, Result};
use crate::pipeline::PipelineState;
use crate::ports::{Disk, File, FromStart};
use crate::position::Seq;
use reading::Reading;
use stamps::Moment;
use survey::{Place, Stray, Survey, survey};

pub use in_the_way::{in_any_way, in_the_way};
pub use save::Saved;
pub use saving::{Saving, Write, WriteRoot};
pub use stamps::{Seen, Stamps};

/// The root snapshot.
pub const ROOT: &str = "work_items.json";

/// The root of the set that is being put in place.
pub const NEXT: &str = "work_items.json.next";

/// The companions that there are.
pub const COMPANIONS: [&str; 2] = [enrichment::NAME, extraction::NAME];

/// The names of the files of a set, the root first.
pub fn names() -> impl Iterator<Item = &'static str> {
    [ROOT].into_iter().chain(COMPANIONS)
}

/// The largest snapshot that is read, in bytes: what is longer is no snapshot.
pub const MAX_FILE_BYTES: u64 = 4 << 30;

/// The name of the version before.
pub fn bak(name: &str) -> String {
    format!("{name}.bak")
}

/// True if that is the name of a version before, which a compaction keeps in a store.
pub fn is_bak(name: &str) -> bool {
    names().any(|it| name == bak(it))
}

/// What was found in a store.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The usable set, if there is one; else the log is replayed from its first record.
    pub snapshot: Option<LoadedSet>,
    /// The last record in the root that lies in its own place, if that is whole and of the log, whatever became of what it names.
    pub root: Option<Seq>,
    /// What is not as it was written. Whoever reads beside a live compaction looks again before it believes them, and
    /// a file that an `imported` record names by its SHA-256 is none.
    pub findings: Vec<Finding>,
    /// The files as they were before they were read; `None` where that cannot be told, or not of all that the root names.
    pub stamps: Option<Stamps>,
    /// What was seen, where nothing was odd.
    pub seen: Option<Arc<Seen>>,
}

/// A usable set.
#[derive(Clone, Debug)]
pub struct LoadedSet {
    /// The state that the root holds.
    pub state: PipelineState,
    /// The place in the log that it covers.
    pub place: LogPlace,
    /// The other files of the set.
    pub companions: Vec<Companion>,
    /// Where the root was.
    pub source: Source,
    /// The length of all files of the set together.
    pub total_bytes: u64,
}

/// A verified file of the set. It is held open, so that it stays what it is whatever gets its name meanwhile.
#[derive(Clone)]
pub struct Companion {
    /// As the root names it.
    pub name: CompanionName,
    /// The file, as long as its name says.
    pub file: Arc<dyn File>,
}

impl std::fmt::Debug for Companion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Companion")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where a root was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In its own place.
    Root,
    /// On its way there: a compaction runs, or was cut short.
    Next,
    /// The one before.
    Bak,
}

impl Source {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Root, Self::Next, Self::Bak];

    /// The file's name.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Root => ROOT,
            Self::Next => NEXT,
            Self::Bak => "work_items.json.bak",
        }
    }
}

/// A file at one of our names that is not what we wrote there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's name in the store.
    pub file: String,
    /// What it is.
    pub kind: FindingKind,
    /// What is wrong, for people.
    pub message: String,
    /// SHA-256 of its bytes, as 64 hex digits; `None` if it has none.
    pub sha256: Option<String>,
}

/// What a file at one of our names is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// Ours, with changes by somebody else; or, for a companion, JSON of which the root does not know.
    Edited {
        /// The place in the log that it covered when it was written, if it says so.
        log_seq: Option<Seq>,
    },
    /// As `Edited`, and what it says of its place in the log is not true: the log ends before that. Nobody can tell what was
    /// changed in it.
    Beyond,
    /// What lay there before the snapshot that belongs there, put in its place by somebody: as the set before had it, or as it
    /// was once taken over.
    PutBack,
    /// Not JSON, or not whole.
    Damaged,
    /// Not JSON, at the name of a companion. No crash leaves that: a companion gets its name when all of it is on disk.
    Unparsable,
    /// A file at the name of a companion of which no root knows: it matters once a companion of that name is written.
    Unnamed,
    /// Never ours.
    Foreign,
    /// A file that the root names is not there, or nowhere as it was.
    MissingCompanion,
    /// A whole snapshot, of another log.
    OtherLog,
    /// A directory, a symbolic link or the like: nothing that a snapshot is ever written over.
    NotAFile,
}

/// Why a name of ours cannot get a snapshot, asked or not: it leads to something other than a regular file.
#[derive(Debug, thiserror::Error)]
#[error("{0}, and a snapshot is only written over a regular file")]
pub struct NotAFile(String);

impl NotAFile {
    /// The error about what is at `path`.
    pub(crate) fn error(path: PathBuf, what: &str) -> Error {
        let source = io::Error::new(io::ErrorKind::InvalidInput, Self(what.to_owned()));
        Error::io("replace", path)(source)
    }

    /// True if that is what an error says.
    pub fn is(error: &Error) -> bool {
        let Error::Io { source, .. } = error else {
            return false;
        };
        matches!(source.get_ref(), Some(inner) if inner.is::<Self>())
    }
}

/// Reads the usable set and tells what is not as it should be. Writes nothing, takes no lock.
///
/// # Errors
/// [`Error::NewerFormat`] for a file of a newer version, and what the system says: an error while reading is never a
/// verdict. A file of more than [`MAX_FILE_BYTES`] is a finding, and is not read.
pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Loaded> {
    load_of(disk, dir, None)
}

/// What stands at our names, without what it says about any item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The usable set; `None` if there is none.
    pub usable: Option<Usable>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// What stands at our names, and whether another look may be spared.
#[derive(Debug)]
pub struct Glance {
    /// What stands there.
    pub looked: Looked,
    /// What was seen, where nothing was odd.
    pub seen: Option<Arc<Seen>>,
}

/// A usable set, from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usable {
    /// The last record in it.
    pub seq: Seq,
    /// The length of all its files together.
    pub bytes: u64,
    /// Where its root is.
    pub source: Source,
}

/// As [`load_of`], for who has the state already. Checksums are verified, items are not read.
///
/// What is in a file that was imported, of that name and SHA-256, is not looked at once more.
///
/// # Errors
/// As [`load`].
pub fn look_of(
    disk: &dyn Disk,
    dir: &Path,
    log: Option<&str>,
    imported: &dyn Fn(&str, &str) -> bool,
) -> Result<Glance> {
    let moment = Moment::now(disk, dir);
    let place = Place {
        disk,
        dir,
        log,
        imported,
    };
    let survey: Survey<Names> = survey(place, &Source::ALL)?;
    let seen = moment.seen(&survey).map(Arc::new);
    let usable = survey.valid.as_ref().map(survey::Set::usable);
    let findings = survey.strays.into_iter().map(finding).collect();
    let looked = Looked { usable, findings };
    Ok(Glance { looked, seen })
}

impl From<&Arc<Seen>> for Glance {
    fn from(seen: &Arc<Seen>) -> Self {
        let looked = Looked {
            usable: Some(seen.usable()),
            findings: Vec::new(),
        };
        let seen = Some(Arc::clone(seen));
        Self { looked, seen }
    }
}

impl From<&Loaded> for Looked {
    fn from(loaded: &Loaded) -> Self {
        let usable = |set: &LoadedSet| Usable {
            seq: set.place.seq,
            bytes: set.total_bytes,
            source: set.source,
        };
        Self {
            usable: loaded.snapshot.as_ref().map(usable),
            findings: loaded.findings.clone(),
        }
    }
}

fn finding(stray: Stray) -> Finding {
    let sha256 = stray.content.sha256();
    let (file, kind, message) = (stray.file, stray.kind, stray.message);
    Finding {
        file,
        kind,
        message,
        sha256,
    }
}

/// True if the file is what it was when that was found.
///
/// # Errors
/// What the system says.
pub fn is_there_still(disk: &dyn Disk, dir: &Path, finding: &Finding) -> Result<bool> {
    let now = content::look(disk, dir, &finding.file)?;
    Ok(now.sha256() == finding.sha256)
}

/// True if a set is being put in place, or was when a crash came.
///
/// # Errors
/// What the system says.
pub fn is_moving(disk: &dyn Disk, dir: &Path) -> Result<bool> {
    let next = dir.join(NEXT);
    disk.exists(&next).map_err(Error::io("look at", next))
}

/// As [`load`], of the log with this id: a snapshot of another log is a finding then, and not usable.
///
/// # Errors
/// As [`load`].
pub fn load_of(disk: &dyn Disk, dir: &Path, log: Option<&str>) -> Result<Loaded> {
    load_from(disk, dir, log, &Source::ALL, attach_data)
}

/// As [`load_of`], without the data of the items: it may be most of the memory. The files of the set are verified all the same.
///
/// # Errors
/// As [`load`].
pub fn load_without_data(disk: &dyn Disk, dir: &Path, log: Option<&str>) -> Result<Loaded> {
    load_from(disk, dir, log, &Source::ALL, |_, _| Ok(None))
}

/// As [`load_of`], of the set before only: what it covers is a witness also where the system gives no root.
///
/// # Errors
/// As [`load`].
pub fn load_before(disk: &dyn Disk, dir: &Path, log: Option<&str>) -> Result<Loaded> {
    load_from(disk, dir, log, &[Source::Bak], attach_data)
}

/// Brings the items' data into the state of a set; returns what is wrong, if something is.
type Attach = fn(&Path, &mut survey::Set<Box<WorkItems>>) -> Result<Option<Finding>>;

fn load_from(
    disk: &dyn Disk,
    dir: &Path,
    log: Option<&str>,
    sources: &[Source],
    attach: Attach,
) -> Result<Loaded> {
    let moment = Moment::now(disk, dir);
    let mut stamps = moment.stamps().cloned();
    let (survey, seen) = survey_whole(disk, dir, log, sources, moment)?;
    let root = survey.root;
    let mut findings: Vec<Finding> = survey.strays.into_iter().map(finding).collect();
    let mut valid = survey.valid;
    if let Some(set) = &mut valid
        && let Some(finding) = attach(dir, set)?
    {
        findings.push(finding);
        valid = None;
    }
    // Only what is looked at can be seen to change.
    let names = valid.iter().flat_map(|set| &set.companions);
    let mut names = names.map(|found| &*found.companion.name.name);
    if !names.all(|name| COMPANIONS.contains(&name)) {
        stamps = None;
    }
    let seen = seen.filter(|_| findings.is_empty()).map(Arc::new);
    let snapshot = valid.map(|set| {
        let companions = set.companions.iter().map(|found| found.companion.clone());
        let companions: Vec<Companion> = companions.collect();
        let sizes = companions.iter().map(|companion| companion.name.bytes);
        LoadedSet {
            total_bytes: set.root_bytes + sizes.sum::<u64>(),
            state: set.inside.state,
            place: set.inside.place,
            companions,
            source: set.source,
        }
    });
    Ok(Loaded {
        snapshot,
        root,
        findings,
        stamps,
        seen,
    })
}

/// Which set is usable is told without the items; only of that one they are read.
fn survey_whole(
    disk: &dyn Disk,
    dir: &Path,
    log: Option<&str>,
    sources: &[Source],
    moment: Moment,
) -> Result<(Survey<Box<WorkItems>>, Option<Seen>)> {
    let place = Place {
        disk,
        dir,
        log,
        // Whoever knows has what this is to read.
        imported: &|_, _| false,
    };
    let names: Survey<Names> = survey(place, sources)?;
    let seen = moment.seen(&names);
    let valid = match names.valid {
        Some(set) => match items_of(disk, dir, &set)? {
            Some(inside) => Some(set.with(inside)),
            // Its items say otherwise, or it was replaced meanwhile.
            None => return Ok((survey(place, sources)?, None)),
        },
        None => None,
    };
    let survey = Survey {
        valid,
        root: names.root,
        strays: names.strays,
        claims: names.claims,
        next: names.next,
    };
    Ok((survey, seen))
}

/// Reads the whole root of a set, if it is still that one. A small one is in memory, and is not read a second time.
fn items_of(
    disk: &dyn Disk,
    dir: &Path,
    set: &survey::Set<Names>,
) -> Result<Option<Box<WorkItems>>> {
    let whole = |content: &content::Content| {
        content
            .bytes()
            .and_then(|it| work_items::decode(it).usable())
    };
    let file = set.source.file();
    let inside = match &set.content {
        Some(content) => whole(content),
        None => match in_pieces(disk, &dir.join(file))? {
            Some(inside) => Some(inside),
            None => whole(&content::read(disk, dir, file)?),
        },
    };
    Ok(inside.filter(|inside| {
        let (place, companions) = (&inside.place, &inside.companions);
        (place, companions) == (&set.inside.place, &set.inside.companions)
    }))
}

/// Reads a root that is too long to be held in memory without need; `None` if it has to be read as a whole.
fn in_pieces(disk: &dyn Disk, path: &Path) -> Result<Option<Box<WorkItems>>> {
    let read = || -> io::Result<Option<Box<WorkItems>>> {
        let file = disk.open_read(path)?;
        work_items::decode_in_pieces(&mut FromStart::new(&*file))
    };
    match read() {
        // It was there a moment ago: the next look finds it gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        inside => inside.map_err(Error::io("read", path)),
    }
}

/// Brings the items' data into the state of a set; returns what is wrong, if something is. The bytes are those that the
/// root names: what does not fit them was written by something that is not this.
fn attach_data(dir: &Path, set: &mut survey::Set<Box<WorkItems>>) -> Result<Option<Finding>> {
    let rows = std::mem::take(&mut set.inside.data);
    if rows.is_empty() {
        return Ok(None);
    }
    let named = |found: &&survey::Found| found.companion.name.name == enrichment::NAME;
    let found = set.companions.iter().find(named);
    let attached = match found {
        None => None,
        Some(survey::Found { companion, .. }) => {
            // It is read a second time, now that it is known to be whole.
            let mut reading = Reading::of(&*companion.file);
            enrichment::attach(&mut set.inside.state, rows, &mut reading)
                .map_err(Error::io("read", dir.join(&companion.name.name)))?
                .filter(|()| reading.read(&companion.name))
        }
    };
    Ok(attached.is_none().then(|| Finding {
        file: enrichment::NAME.to_owned(),
        kind: FindingKind::Damaged,
        message: "it does not fit what the snapshot says of it".to_owned(),
        sha256: None,
    }))
}
