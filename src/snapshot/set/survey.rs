//! Looks at all files of the set: which set is usable, and which files are not what we wrote. Writes nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::content::{Content, look, no_json, read};
use super::reading::{is_named, names_in};
use super::{COMPANIONS, Companion, FindingKind, MAX_FILE_BYTES, NEXT, Source, Usable, bak};
use crate::error::{Error, Result};
use crate::ports::{Disk, EntryKind, File};
use crate::position::Seq;
use crate::snapshot::work_items::{Decoded, Names, WorkItems, claimed_names, decode, decode_names};
use crate::snapshot::{CompanionName, LogPlace};

/// Everything that is known about a set on disk.
#[derive(Debug)]
pub(super) struct Survey<T> {
    /// The usable set.
    pub(super) valid: Option<Set<T>>,
    /// The last record in the root that lies in its own place, if that is whole and of the log, whatever became of what it names.
    pub(super) root: Option<Seq>,
    /// Files at our names that are not what we wrote there.
    pub(super) strays: Vec<Stray>,
    /// What any root says about files beside it.
    pub(super) claims: Claims,
    /// What `.next` leads to.
    pub(super) next: Content,
}

/// A usable set.
#[derive(Debug)]
pub(super) struct Set<T> {
    /// What the root holds.
    pub(super) inside: T,
    /// Where the root is.
    pub(super) source: Source,
    /// The root's length.
    pub(super) root_bytes: u64,
    /// The root; `None` if it was not held in memory.
    pub(super) content: Option<Content>,
    /// The other files.
    pub(super) companions: Vec<Found>,
}

impl<T> Survey<T> {
    /// True if the file of this name is the one of the usable set.
    pub(super) fn has_in_place(&self, name: &str) -> bool {
        let mut companions = self.valid.iter().flat_map(|set| &set.companions);
        companions.any(|found| found.in_place && found.companion.name.name == name)
    }
}

impl<T> Set<T> {
    /// The same set, with something else that its root holds.
    pub(super) fn with<U>(self, inside: U) -> Set<U> {
        Set {
            inside,
            source: self.source,
            root_bytes: self.root_bytes,
            content: self.content,
            companions: self.companions,
        }
    }
}

impl Set<Names> {
    /// The same set, without the bytes of its root.
    pub(super) fn names_only(&self) -> Self {
        Self {
            inside: self.inside.clone(),
            source: self.source,
            root_bytes: self.root_bytes,
            content: None,
            companions: self.companions.clone(),
        }
    }

    /// The set, from outside.
    pub(super) fn usable(&self) -> Usable {
        let companions = self.companions.iter();
        let sizes = companions.map(|found| found.companion.name.bytes);
        Usable {
            seq: self.inside.place.seq,
            bytes: self.root_bytes + sizes.sum::<u64>(),
            source: self.source,
        }
    }
}

/// A verified file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The file.
    pub(super) companion: Companion,
    /// True in its own place, false in its `.bak`.
    pub(super) in_place: bool,
}

/// A file that is not what we wrote.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) file: String,
    pub(super) kind: FindingKind,
    pub(super) message: String,
    pub(super) content: Content,
}

impl Stray {
    /// Why it cannot be read, if that is what is wrong with it.
    pub(super) fn unreadable(&self) -> Option<&str> {
        (self.kind == FindingKind::Unparsable).then_some(&*self.message)
    }
}

/// What roots say about the files beside them: bytes that they name are ours.
#[derive(Debug, Default)]
pub(super) struct Claims(pub(super) Vec<CompanionName>);

impl Claims {
    /// All names that a root names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|claim| &*claim.name)
    }

    /// True if a root names these bytes under this name.
    pub(super) fn cover(&self, name: &str, content: &Content) -> bool {
        self.0
            .iter()
            .any(|claim| claim.name == name && content.is(claim))
    }

    /// True if a root names the bytes of the file of this name. They are not kept in memory.
    pub(super) fn cover_file(&self, disk: &dyn Disk, dir: &Path, name: &str) -> Result<bool> {
        for claim in self.0.iter().filter(|claim| claim.name == name) {
            if open_named(disk, dir, name, claim)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What is read out of a root.
pub(super) trait Inside: Sized {
    /// Reads it out of the root's bytes.
    fn decode(bytes: &[u8]) -> Decoded<Self>;

    /// Reads it out of a file that is not held in memory; `None` if that is not possible, or not sure.
    fn read_in_place(_file: &dyn File) -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// The place that the set has in the log, and the files that the root names.
    fn parts(&self) -> (&LogPlace, &[CompanionName]);
}

/// Everything.
impl Inside for Box<WorkItems> {
    fn decode(bytes: &[u8]) -> Decoded<Self> {
        decode(bytes)
    }

    fn parts(&self) -> (&LogPlace, &[CompanionName]) {
        (&self.place, &self.companions)
    }
}

/// What it says about its set. Checksums are verified, items are not read.
impl Inside for Names {
    fn decode(bytes: &[u8]) -> Decoded<Self> {
        decode_names(bytes)
    }

    fn read_in_place(file: &dyn File) -> io::Result<Option<Self>> {
        names_in(file)
    }

    fn parts(&self) -> (&LogPlace, &[CompanionName]) {
        (&self.place, &self.companions)
    }
}

/// A root of fewer bytes is read at once.
const READ_AT_ONCE: u64 = 1 << 20;

/// What a large file says that is whole and ours; with it the file's length. `None` if only its bytes tell what it is.
pub(super) fn in_place<T: Inside>(
    disk: &dyn Disk,
    dir: &Path,
    file: &str,
) -> Result<Option<(T, u64)>> {
    let path = dir.join(file);
    let large = |len| (READ_AT_ONCE..=MAX_FILE_BYTES).contains(&len);
    match disk.metadata(&path) {
        Ok(found) if found.kind == EntryKind::File && large(found.len) => {}
        _ => return Ok(None),
    }
    let look = || -> io::Result<Option<(T, u64)>> {
        let file = disk.open_read(&path)?;
        let len = file.len()?;
        Ok(T::read_in_place(&*file)?.map(|inside| (inside, len)))
    };
    match look() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map_err(Error::io("read", &path)),
    }
}

/// Where a survey looks, and what it need not ask there.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: &'a Path,
    /// A root of another log is none.
    pub(super) log: Option<&'a str>,
    /// True if an `imported` record carries this SHA-256 for the file of this name: what is in it was read then.
    pub(super) imported: &'a dyn Fn(&str, &str) -> bool,
}

/// Looks at everything; the root is looked for in `sources`.
pub(super) fn survey<T: Inside>(place: Place<'_>, sources: &[Source]) -> Result<Survey<T>> {
    let Place { disk, dir, log, .. } = place;
    let (mut valid, mut strays, mut in_root) = (None, Vec::new(), None);
    let (mut claims, mut out_of_place) = (Claims::default(), Vec::new());
    // Roots with companions that are nowhere, and the first of these.
    let mut incomplete = Vec::new();
    for &source in sources {
        let file = source.file();
        let Some(root) = root::<T>(disk, dir, file, &mut claims, &mut strays)? else {
            continue;
        };
        let Root {
            inside,
            bytes: root_bytes,
            content,
        } = root;
        let (of, names) = inside.parts();
        if let Some(stray) = of_other_log(file, of, log) {
            let content = content.map_or_else(|| look(disk, dir, file), Ok)?;
            strays.push(Stray { content, ..stray });
            continue;
        }
        if source == Source::Root {
            in_root = Some(of.seq);
        }
        claims.0.extend_from_slice(names);
        let (mut companions, mut nowhere) = (Vec::new(), None);
        for name in names {
            let (found, in_place) = companion(disk, dir, name)?;
            if let Some(content) = in_place {
                out_of_place.push(Displaced {
                    file: name.name.clone(),
                    content,
                    elsewhere: found.is_some(),
                    of: source,
                });
            }
            match found {
                Some(found) => companions.push(found),
                None => nowhere = nowhere.or(Some(name.name.clone())),
            }
        }
        if let Some(name) = nowhere {
            incomplete.push(Incomplete {
                file,
                content,
                name,
            });
            continue;
        }
        valid = Some(Set {
            inside,
            source,
            root_bytes,
            content,
            companions,
        });
        break;
    }
    let unnamed = unnamed(disk, dir, &claims)?;
    // Last of all: a compaction that runs beside has its `.next` from before the first change until after the last.
    let next = read(disk, dir, NEXT)?;
    if let Some(bytes) = next.bytes() {
        let inside = decode_names(bytes).usable();
        let inside = inside.filter(|it| of_other_log(NEXT, &it.place, log).is_none());
        claims
            .0
            .extend(inside.into_iter().flat_map(|it| it.companions));
    }
    for it in incomplete {
        strays.extend(without_companion(place, it, &next)?);
    }
    let at_rest = matches!(next, Content::Missing);
    for it in out_of_place {
        if strays.iter().all(|stray| stray.file != it.file) {
            strays.extend(displaced(place, it, &claims, at_rest)?);
        }
    }
    // A root that cannot be read does not tell which companions are ours.
    let nobody_knows = strays
        .iter()
        .any(|stray| stray.kind == FindingKind::Damaged || stray.kind == FindingKind::OtherLog);
    if !nobody_knows {
        let theirs = unnamed
            .into_iter()
            .filter(|(file, content)| !claims.cover(file, content));
        strays.extend(theirs.map(|(file, content)| Stray {
            file: file.to_owned(),
            kind: FindingKind::Unnamed,
            message: "it is not of any snapshot".to_owned(),
            content,
        }));
    }
    Ok(Survey {
        valid,
        root: in_root,
        strays,
        claims,
        next,
    })
}

/// A root with a companion that is nowhere.
struct Incomplete {
    file: &'static str,
    /// `None` if it was not held in memory.
    content: Option<Content>,
    /// The companion.
    name: String,
}

/// Judges it; `None` if it is what a compaction left that was cut short: the root that it put in place, and its `.next`.
fn without_companion(
    Place { disk, dir, .. }: Place<'_>,
    it: Incomplete,
    next: &Content,
) -> Result<Option<Stray>> {
    // What is compared with nothing need not be in memory.
    let get = match next.bytes() {
        Some(_) => read,
        None => look,
    };
    let content = it.content.map_or_else(|| get(disk, dir, it.file), Ok)?;
    let is_next = !matches!(content, Content::Large(_)) && content.bytes() == next.bytes();
    Ok((!is_next).then(|| Stray {
        file: it.file.to_owned(),
        kind: FindingKind::MissingCompanion,
        message: format!("it names {}, which is nowhere as it was", it.name),
        content,
    }))
}

/// What lies in the place of a companion, and is not what a root names.
struct Displaced {
    file: String,
    content: Content,
    /// What the root names is there, in the `.bak`.
    elsewhere: bool,
    /// The root.
    of: Source,
}

/// Judges it; `None` if it is ours.
fn displaced(
    place: Place<'_>,
    it: Displaced,
    claims: &Claims,
    at_rest: bool,
) -> Result<Option<Stray>> {
    // What another root names got there by a crash only beside a `.next`: that goes when root and companions are in place.
    if at_rest && it.of == Source::Root && claims.cover(&it.file, &it.content) {
        return Ok(Some(Stray {
            file: it.file,
            kind: FindingKind::PutBack,
            message: "it is what the snapshot before had".to_owned(),
            content: it.content,
        }));
    }
    stray(place, &it.file, it.content, claims, it.elsewhere)
}

/// A root that is whole and ours.
struct Root<T> {
    inside: T,
    bytes: u64,
    /// `None` if it was not held in memory.
    content: Option<Content>,
}

/// Reads the root that is called `file`. One that is not as we wrote it is a stray.
fn root<T: Inside>(
    disk: &dyn Disk,
    dir: &Path,
    file: &str,
    claims: &mut Claims,
    strays: &mut Vec<Stray>,
) -> Result<Option<Root<T>>> {
    if let Some((inside, bytes)) = in_place::<T>(disk, dir, file)? {
        let content = None;
        return Ok(Some(Root {
            inside,
            bytes,
            content,
        }));
    }
    let content = read(disk, dir, file)?;
    let Some(bytes) = content.bytes() else {
        strays.extend(odd(file, content));
        return Ok(None);
    };
    match T::decode(bytes) {
        Decoded::Valid(inside) | Decoded::Reformatted(inside) => Ok(Some(Root {
            inside,
            bytes: bytes.len() as u64,
            content: Some(content),
        })),
        Decoded::Newer { what } => {
            let (file, seq) = (dir.join(file), None);
            Err(Error::NewerFormat { file, seq, what })
        }
        changed => {
            let claimed = claimed_names(bytes).into_iter();
            claims.0.extend(claimed.flat_map(|it| it.companions));
            strays.push(changed_root(file, &changed, content.without_bytes()));
            Ok(None)
        }
    }
}

/// The files at the names of companions that no root names so far.
fn unnamed(disk: &dyn Disk, dir: &Path, claims: &Claims) -> Result<Vec<(&'static str, Content)>> {
    let mut unnamed = Vec::new();
    for name in COMPANIONS {
        if claims.names().all(|it| it != name) {
            let content = look(disk, dir, name)?;
            if matches!(content, Content::Large(_)) {
                unnamed.push((name, content));
            }
        }
    }
    Ok(unnamed)
}

/// Judges what lies in the place of a companion; `None` if it is ours.
pub(super) fn stray(
    place: Place<'_>,
    file: &str,
    content: Content,
    claims: &Claims,
    elsewhere: bool,
) -> Result<Option<Stray>> {
    let edited = || {
        let message = "it is not what the snapshot names".to_owned();
        (FindingKind::Edited { log_seq: None }, message)
    };
    let imported = |content: &Content| {
        let sha256 = content.sha256();
        sha256.is_some_and(|sha256| (place.imported)(file, &sha256))
    };
    let (kind, message) = match &content {
        Content::Odd(_) | Content::TooLarge(_) => return Ok(odd(file, content)),
        Content::Missing if elsewhere => (
            FindingKind::MissingCompanion,
            "it is gone; the snapshot is read with the version of it in .bak".to_owned(),
        ),
        Content::Missing => return Ok(None),
        _ if claims.cover(file, &content) => return Ok(None),
        _ if imported(&content) => edited(),
        Content::Bytes(_) | Content::Large(_) => match no_json(place.disk, place.dir, file)? {
            None => edited(),
            Some(why) => (FindingKind::Unparsable, format!("it is no JSON: {why}")),
        },
    };
    let file = file.to_owned();
    Ok(Some(Stray {
        file,
        kind,
        message,
        content,
    }))
}

/// What is no regular file, or longer than any snapshot, cannot be ours; what is not there is nothing.
pub(super) fn odd(file: &str, content: Content) -> Option<Stray> {
    let (kind, message) = match content {
        Content::Odd(kind) => (FindingKind::NotAFile, format!("it is {}", what_it_is(kind))),
        Content::TooLarge(bytes) => (
            FindingKind::Damaged,
            format!("it is too large: {bytes} bytes, at most {MAX_FILE_BYTES}"),
        ),
        Content::Missing | Content::Bytes(_) | Content::Large(_) => return None,
    };
    let file = file.to_owned();
    Some(Stray {
        file,
        kind,
        message,
        content,
    })
}

/// What a name leads to that is no regular file.
pub(super) fn what_it_is(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Dir => "a directory",
        EntryKind::Symlink => "a symbolic link",
        EntryKind::File | EntryKind::Other => "no regular file",
    }
}

/// The stray that a whole snapshot is whose place is in another log than `log`. Its content is still to be filled in.
pub(super) fn of_other_log(file: &str, place: &LogPlace, log: Option<&str>) -> Option<Stray> {
    let log = log.filter(|log| *log != place.id)?;
    Some(Stray {
        file: file.to_owned(),
        kind: FindingKind::OtherLog,
        message: format!("its log is {}, the segments are of {log}", place.id),
        content: Content::Missing,
    })
}

pub(super) fn changed_root<T>(file: &str, decoded: &Decoded<T>, content: Content) -> Stray {
    let (kind, message) = match decoded {
        Decoded::Edited { log_seq } => (
            FindingKind::Edited { log_seq: *log_seq },
            "it was changed by another program".to_owned(),
        ),
        Decoded::Damaged {
            message,
            line,
            column,
        } => (
            FindingKind::Damaged,
            format!("{message} (line {line}, column {column})"),
        ),
        _ => (
            FindingKind::Foreign,
            "it is no snapshot of a log".to_owned(),
        ),
    };
    let file = file.to_owned();
    Stray {
        file,
        kind,
        message,
        content,
    }
}

/// Looks for the bytes that a root names: in their own place, then in the `.bak`. Second, what is in place if it is
/// something else.
fn companion(
    disk: &dyn Disk,
    dir: &Path,
    name: &CompanionName,
) -> Result<(Option<Found>, Option<Content>)> {
    let found = |companion, in_place| Found {
        companion,
        in_place,
    };
    if let Some(companion) = open_named(disk, dir, &name.name, name)? {
        return Ok((Some(found(companion, true)), None));
    }
    let in_place = look(disk, dir, &name.name)?;
    let before = open_named(disk, dir, &bak(&name.name), name)?;
    Ok((before.map(|before| found(before, false)), Some(in_place)))
}

/// The file that is called `file`, open, if its bytes are those that a root names.
fn open_named(
    disk: &dyn Disk,
    dir: &Path,
    file: &str,
    name: &CompanionName,
) -> Result<Option<Companion>> {
    let look = || -> io::Result<Option<Companion>> {
        let file: Arc<dyn File> = disk.open_read(&dir.join(file))?.into();
        let name = name.clone();
        Ok(is_named(&*file, &name)?.then_some(Companion { name, file }))
    };
    match look() {
        Ok(found) => Ok(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => match disk.metadata(&dir.join(file)) {
            Ok(found) if found.kind != EntryKind::File => Ok(None),
            _ => Err(Error::io("read", dir.join(file))(error)),
        },
    }
}
