//! The files of a set as they were at one moment: whether anybody touched one since is seen without reading it.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::survey::{Claims, Found, Set, Survey};
use super::{COMPANIONS, NEXT, ROOT, Source, Usable, bak};
use crate::ports::{Disk, EntryKind};
use crate::snapshot::work_items::Names;

/// What each name of a snapshot led to; `None` for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps(Vec<(String, Option<Stamp>)>);

/// Which file, how long, and when it was changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    changed: u64,
}

impl Stamps {
    /// Looks at every name that a snapshot can have. To be called before the snapshots are read: what changes meanwhile shows
    /// then. `None` if one of them leads to something that is no file, or cannot be looked at.
    pub fn take(disk: &dyn Disk, dir: &Path) -> Option<Self> {
        take(disk, dir).map(|(stamps, _)| stamps)
    }

    /// True if all of it is still so.
    pub fn hold(&self, disk: &dyn Disk, dir: &Path) -> bool {
        let mut stamps = self.0.iter();
        let now = |name| stamp(disk, &dir.join(name)).map(|(stamp, _)| stamp);
        stamps.all(|(name, before)| now(name) == Some(*before))
    }
}

/// The stamps, and whether each later change will show in them.
fn take(disk: &dyn Disk, dir: &Path) -> Option<(Stamps, bool)> {
    let mut names = vec![ROOT.to_owned(), NEXT.to_owned(), bak(ROOT)];
    for name in COMPANIONS {
        names.push(name.to_owned());
        names.push(bak(name));
    }
    let (mut stamps, mut settled) = (Vec::with_capacity(names.len()), true);
    for name in names {
        let (found, is_settled) = stamp(disk, &dir.join(&name))?;
        stamps.push((name, found));
        settled &= is_settled;
    }
    Some((Stamps(stamps), settled))
}

/// What a name leads to, nothing included, and whether each later change will show. `None` if it cannot be stamped.
fn stamp(disk: &dyn Disk, path: &Path) -> Option<(Option<Stamp>, bool)> {
    match disk.metadata(path) {
        Ok(found) if found.kind == EntryKind::File => {
            let stamp = Stamp {
                device: found.id.device,
                inode: found.id.inode,
                len: found.len,
                changed: found.changed,
            };
            Some((Some(stamp), found.settled))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some((None, true)),
        _ => None,
    }
}

/// A moment at which the names of a set were looked at, before they were read.
#[derive(Debug)]
pub(super) struct Moment(Option<(Stamps, bool)>);

impl Moment {
    /// Now.
    pub(super) fn now(disk: &dyn Disk, dir: &Path) -> Self {
        Self(take(disk, dir))
    }

    /// The stamps, if each name can be stamped.
    pub(super) fn stamps(&self) -> Option<&Stamps> {
        self.0.as_ref().map(|(stamps, _)| stamps)
    }

    /// What was read since, if it is worth to be kept: a whole set in its own place, nothing odd beside it, and no file of it changed
    /// so short a time ago that another change could look the same.
    pub(super) fn seen(self, survey: &Survey<Names>) -> Option<Seen> {
        let (stamps, settled) = self.0?;
        let set = survey.valid.as_ref()?;
        let mut companions = set.companions.iter();
        let is_kept = |it: &Found| it.in_place && COMPANIONS.contains(&&*it.companion.name.name);
        let is_whole = set.source == Source::Root && companions.all(is_kept);
        let is_alone = survey.strays.is_empty() && matches!(survey.next, Content::Missing);
        (settled && is_whole && is_alone).then(|| Seen {
            set: set.names_only(),
            stamps,
        })
    }
}

/// A look at a set with nothing odd in it: until one of its files is touched, another look would show the same.
#[derive(Debug)]
pub struct Seen {
    set: Set<Names>,
    stamps: Stamps,
}

impl Seen {
    /// True if no name of the set leads to anything else, and no file was touched since.
    pub fn holds(&self, disk: &dyn Disk, dir: &Path) -> bool {
        self.stamps.hold(disk, dir)
    }

    /// The set, from outside.
    pub fn usable(&self) -> Usable {
        self.set.usable()
    }

    /// What another look would show.
    pub(super) fn survey(&self) -> Survey<Names> {
        Survey {
            claims: Claims(self.set.inside.companions.clone()),
            valid: Some(self.set.names_only()),
            root: (self.set.source == Source::Root).then_some(self.set.inside.place.seq),
            strays: Vec::new(),
            next: Content::Missing,
        }
    }
}
