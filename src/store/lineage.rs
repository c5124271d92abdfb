//! What a file at a place was made from: the edits of it that were taken over from there, and the snapshots put there since.
//!
//! ```text
//!   snapshot of 5 -> edit -> import 8 -> edit -> import 12 -> compaction: snapshot of 14
//!                                        made from what was taken over at 8, not from the snapshot
//! ```

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::error::{Error, Result};
use crate::log::files::parent;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, ItemId};
use crate::ports::{Disk, Ports};
use crate::position::Seq;
use crate::snapshot::set::{self, ROOT};
use crate::snapshot::{enrichment, extraction};

use super::originals::kept_at;
use super::strays::last_import;
use super::{Options, replay};

/// True if both paths name one file, as far as the system tells today: a record has the path that somebody gave, from wherever
/// they stood.
pub(super) fn is_same_place(disk: &dyn Disk, one: &str, other: &str) -> bool {
    let id = |path: &str| disk.metadata(Path::new(path)).ok().map(|found| found.id);
    one == other || id(one).is_some_and(|one| Some(one) == id(other))
}

/// True if the file lies in the store itself, where a compaction puts its snapshots.
pub(super) fn is_own_place(disk: &dyn Disk, dir: &Path, path: &Path) -> bool {
    let id = |dir: &Path| disk.metadata(&dir.join(".")).ok().map(|found| found.id);
    id(dir).is_some_and(|dir| Some(dir) == id(parent(path)))
}

/// The last record with these bytes, where they were taken over before, snapshots with that are in place, those through
/// `compacted`, and the file lies where such a snapshot was put: somebody put it back.
pub(super) fn put_back(
    (ports, dir): (&Ports, &Path),
    imports: &[ImportSource],
    compacted: Seq,
    (path, sha256): (&Path, &str),
) -> Option<Seq> {
    let last = last_import(imports, sha256).filter(|last| *last <= compacted)?;
    let names = [ROOT, enrichment::NAME, extraction::NAME];
    let disk = &*ports.disk;
    let is_snapshots = path.file_name().is_some_and(|name| {
        let mut names = names.iter();
        names.any(|it| name == *it) && is_own_place(disk, dir, path)
    });
    // While a set is put in place, or where a crash came meanwhile, that may be where the file comes from.
    (is_snapshots && !set::is_moving(disk, dir).unwrap_or(true)).then_some(last)
}

/// The last that was taken over from the place of `path`.
pub(super) fn last_from<'i>(
    disk: &dyn Disk,
    imports: &'i [ImportSource],
    path: &str,
) -> Option<&'i ImportSource> {
    let mut imports = imports.iter();
    imports.rfind(|it| is_same_place(disk, &it.path, path))
}

/// The last that was taken over from the place of a file, if those were other bytes; with `before` the last that had others.
pub(super) fn last_other<'i>(
    disk: &dyn Disk,
    imports: &'i [ImportSource],
    file: &ImportedFile,
    before: bool,
) -> Option<&'i ImportSource> {
    let is_other = |it: &&ImportSource| it.sha256 != file.sha256;
    if before {
        let mut others = imports.iter().filter(is_other);
        return others.rfind(|it| is_same_place(disk, &it.path, &file.path));
    }
    last_from(disk, imports, &file.path).filter(is_other)
}

/// The original of a file that was taken over, as far as it is kept still and is what it was.
///
/// # Errors
/// [`Error::Io`] if the system refuses it.
pub(super) fn original_of(
    ports: &Ports,
    dir: &Path,
    import: &ImportSource,
) -> Result<Option<Vec<u8>>> {
    let path = kept_at(dir, Path::new(&import.path), &import.sha256);
    let bytes = match ports.disk.read(&path, import.bytes) {
        Ok(bytes) => bytes,
        // What was taken over long ago may have been cleared away.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    Ok((crate::snapshot::sha256(&bytes) == import.sha256).then_some(bytes))
}

/// What the log tells about one file.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// The records that took in what edits of the file said.
    pub(super) by_file: HashSet<Seq>,
    /// The records that snapshots were written of, in order.
    pub(super) snapshots: Vec<Seq>,
    /// The items that somebody has freed, and where last.
    pub(super) freed: HashMap<ItemId, Seq>,
}

impl Lineage {
    /// Walks the log for the file at this path: what of the records behind its own is true for `took`.
    ///
    /// # Errors
    /// As [`replay::each`].
    pub(super) fn of(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        (kind, path): (&str, &str),
        took: &dyn Fn(&Event) -> bool,
    ) -> Result<Self> {
        let (mut lineage, mut here) = (Self::default(), false);
        let mut known: Option<(String, bool)> = None;
        let mut is_file = |file: &ImportedFile| {
            if file.kind != kind {
                return false;
            }
            match &known {
                Some((path, is_same)) if *path == file.path => *is_same,
                _ => {
                    let is_same = is_same_place(&*ports.disk, &file.path, path);
                    known = Some((file.path.clone(), is_same));
                    is_same
                }
            }
        };
        replay::each(ports, dir, options, &mut |record| match &record.event {
            Event::Imported(file) => here = is_file(file),
            Event::Compacted { covers, .. } => lineage.snapshots.push(*covers),
            Event::Unheld { item } => drop(lineage.freed.insert(item.clone(), record.seq)),
            event if here && took(event) => {
                lineage.by_file.insert(record.seq);
            }
            _ => {}
        })?;
        Ok(lineage)
    }
}
