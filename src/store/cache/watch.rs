//! The snapshot files as they were when the state was recovered: whether anybody touched one since is seen without reading it.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ports::{Disk, EntryKind};
use crate::snapshot::set;

/// The files that a root may name beside itself.
const COMPANIONS: [&str; 2] = ["enrichment_data.json", "extraction_state.json"];

/// What each name of a snapshot led to; `None` for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Stamps(Vec<(String, Option<Stamp>)>);

/// Which file, how long, and when it was changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    changed: u64,
}

/// Looks at every name that a snapshot can have. To be called before the snapshots are read: what changes meanwhile shows then.
/// `None` if one of them leads to something that is no file, or cannot be looked at.
pub(in crate::store) fn stamps(disk: &dyn Disk, dir: &Path) -> Option<Stamps> {
    let mut names = vec![set::ROOT.to_owned(), set::NEXT.to_owned()];
    names.push(set::bak(set::ROOT));
    for name in COMPANIONS {
        names.push(name.to_owned());
        names.push(set::bak(name));
    }
    let stamped = names.into_iter().map(|name| {
        let stamp = stamp(disk, &dir.join(&name))?;
        Some((name, stamp))
    });
    stamped.collect::<Option<_>>().map(Stamps)
}

/// True if [`stamps`] looks at the companion of that name.
pub(in crate::store) fn is_stamped(companion: &str) -> bool {
    COMPANIONS.contains(&companion)
}

impl Stamps {
    /// True if all of it is still so.
    pub(super) fn hold(&self, disk: &dyn Disk, dir: &Path) -> bool {
        let mut stamps = self.0.iter();
        stamps.all(|(name, before)| stamp(disk, &dir.join(name)) == Some(*before))
    }
}

#[expect(
    clippy::option_option,
    reason = "nothing there, and nothing that can be stamped, are two things"
)]
fn stamp(disk: &dyn Disk, path: &Path) -> Option<Option<Stamp>> {
    match disk.metadata(path) {
        Ok(found) if found.kind == EntryKind::File => Some(Some(Stamp {
            device: found.id.device,
            inode: found.id.inode,
            len: found.len,
            changed: found.changed,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
        _ => None,
    }
}
