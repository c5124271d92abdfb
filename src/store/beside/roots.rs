//! What the roots around a file beside the root tell of it: whether it is as we wrote it, and when that was.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::log::files::parent;
use crate::pipeline::event::ImportedFile;
use crate::ports::{EntryKind, FromStart};
use crate::snapshot::set::{self, NEXT, ROOT};
use crate::snapshot::{LogPlace, enrichment, extraction, work_items};

use super::super::given::BesideOriginal;
use super::super::lineage::is_own_place;
use super::super::originals::sha256_of;
use super::finder::Finder;

/// What the roots around a file tell of it.
pub(super) struct Roots {
    /// It is the file that a root names; that root's place.
    pub(super) named: Option<LogPlace>,
    /// The place of the root that it lies beside.
    pub(super) place: Option<LogPlace>,
    /// It has the name that a compaction writes to.
    pub(super) is_own: bool,
    /// And lies in the store.
    pub(super) is_in_store: bool,
    /// The places of all roots of this log around it.
    pub(super) places: Vec<LogPlace>,
}

impl Roots {
    pub(super) fn around(finder: &Finder<'_>, original: &BesideOriginal) -> Result<Self> {
        let (path, file) = (&original.path, &original.document.file);
        let own = if file.kind == ImportedFile::EXTRACTION {
            extraction::NAME
        } else {
            enrichment::NAME
        };
        let name = path.file_name().unwrap_or_default();
        let (is_own, is_bak) = (name == own, name == &*set::bak(own));
        let crc32 = original.document.crc32;
        let mut roots = Self {
            named: None,
            place: None,
            is_own,
            is_in_store: is_own && is_own_place(&*finder.ports.disk, finder.dir, path),
            places: Vec::new(),
        };
        let bak = set::bak(ROOT);
        let beside = if is_bak {
            [&*bak, ROOT, NEXT]
        } else {
            [ROOT, &*bak, NEXT]
        };
        for (at, here) in [(parent(path), true), (finder.dir, false)] {
            for root in beside {
                let Some(bytes) = read(finder, &at.join(root))? else {
                    continue;
                };
                let Some(names) = work_items::stated_names(&bytes) else {
                    continue;
                };
                if names.place.id != finder.log {
                    continue;
                }
                roots.places.push(names.place.clone());
                let mut companions = names.companions.iter();
                let is_named = companions
                    .any(|it| it.name == own && it.bytes == file.bytes && it.crc32 == crc32);
                // What lies in the store as the set before had it, somebody has put back.
                let is_put_back = || {
                    let is_old = roots.is_in_store && root == bak && roots.place.is_some();
                    Ok::<_, Error>(is_old && is_there_still(finder, original)?)
                };
                if is_named && !is_put_back()? {
                    roots.named = Some(names.place);
                    return Ok(roots);
                }
                // A set that is still being put in place says nothing about what somebody edits.
                if here && (is_own || is_bak) && root != NEXT {
                    roots.place = roots.place.or(Some(names.place));
                }
            }
        }
        Ok(roots)
    }
}

/// True if no compaction has put another file in its place since it was read.
fn is_there_still(finder: &Finder<'_>, original: &BesideOriginal) -> Result<bool> {
    let path = &original.path;
    let found = finder.ports.disk.open_read(path).and_then(|file| {
        let found = sha256_of(&mut FromStart::new(&*file), &mut |_| Ok(()))?;
        Ok(found == original.document.file.sha256)
    });
    match found {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("read", path)(error))
        }
        found => Ok(found.unwrap_or(false)),
    }
}

fn read(finder: &Finder<'_>, path: &Path) -> Result<Option<Vec<u8>>> {
    let disk = &*finder.ports.disk;
    match disk.read(path, set::MAX_FILE_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        // What is no regular file is no root.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || disk
                    .metadata(path)
                    .is_ok_and(|found| found.kind != EntryKind::File) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
