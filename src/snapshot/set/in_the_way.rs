//! What stands in the way of a set: something that is no regular file, at a name that is needed to put one in place. Nothing is
//! opened for that, and no link is followed.

use std::io;
use std::path::Path;

use super::content::Content;
use super::files::is_temp;
use super::survey::odd;
use super::{Finding, NEXT, ROOT, bak, finding};
use crate::error::{Error, Result};
use crate::ports::{Disk, EntryKind};

/// What stands in the way of a set with these companions: at their names, the root's, the versions' before where there is one to
/// be kept, and a directory at the name of a temp file, which is removed else.
///
/// # Errors
/// What the system says.
pub fn in_the_way(disk: &dyn Disk, dir: &Path, companions: &[&str]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for name in [&[ROOT][..], companions].concat() {
        let there = kind(disk, dir, name)?;
        let before = bak(name);
        if there.is_some()
            && let Some(kind) = no_file(kind(disk, dir, &before)?)
        {
            found.extend(odd(&before, Content::Odd(kind)));
        }
        found.extend(no_file(there).and_then(|kind| odd(name, Content::Odd(kind))));
    }
    let next = no_file(kind(disk, dir, NEXT)?);
    found.extend(next.and_then(|kind| odd(NEXT, Content::Odd(kind))));
    let files = disk.list(dir).map_err(Error::io("list", dir))?;
    for name in files.iter().filter(|name| is_temp(name)) {
        if kind(disk, dir, name)? == Some(EntryKind::Dir) {
            found.extend(odd(name, Content::Odd(EntryKind::Dir)));
        }
    }
    Ok(found.into_iter().map(finding).collect())
}

/// What would stand in the way of any set that is still to come. What the system refuses to tell is told by who needs it.
pub fn in_any_way(disk: &dyn Disk, dir: &Path) -> Vec<Finding> {
    let ours = super::names().flat_map(|name| [name.to_owned(), bak(name)]);
    let names = ours.chain([NEXT.to_owned()]);
    let there = |name: &str| disk.metadata(&dir.join(name)).ok().map(|found| found.kind);
    let found = names.filter_map(|name| odd(&name, Content::Odd(no_file(there(&name))?)));
    let files = disk.list(dir).unwrap_or_default();
    let temps = files
        .iter()
        .filter(|name| is_temp(name) && there(name) == Some(EntryKind::Dir));
    let temps = temps.filter_map(|name| odd(name, Content::Odd(EntryKind::Dir)));
    found.chain(temps).map(finding).collect()
}

fn no_file(kind: Option<EntryKind>) -> Option<EntryKind> {
    kind.filter(|&kind| kind != EntryKind::File)
}

fn kind(disk: &dyn Disk, dir: &Path, name: &str) -> Result<Option<EntryKind>> {
    let path = dir.join(name);
    match disk.metadata(&path) {
        Ok(found) => Ok(Some(found.kind)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}
