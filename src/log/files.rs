//! The names of the files in `wal/`, and how a file gets its name only when its bytes are durable.

use std::io;
use std::path::{Path, PathBuf};

use crate::pipeline::Timestamp;
use crate::ports::{Disk, File, Ports};

/// The lock that every append holds.
pub const LOCK: &str = "lock";
/// The lock that a compaction holds.
pub const COMPACT_LOCK: &str = "compact.lock";
/// Where replaced and given up files go.
pub const QUARANTINE: &str = "quarantine";

/// A name that readers pass over: `.<name>.<16 hex>.tmp`.
pub fn temp_name(name: &str, random: u64) -> String {
    format!(".{name}.{random:016x}.tmp")
}

/// The file that a temp file was to become; `None` if it is no temp file.
pub fn temp_target(name: &str) -> Option<&str> {
    let inner = name.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (target, random) = inner.rsplit_once('.')?;
    let hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (random.len() == 16 && random.bytes().all(hex) && !target.is_empty()).then_some(target)
}

/// A name in `wal/quarantine/`: `<name>.<UTC yyyymmddThhmmss>.<8 hex>`.
pub fn quarantine_name(name: &str, at: Timestamp, random: u64) -> String {
    let time = at.utc().format("%Y%m%dT%H%M%S");
    format!("{name}.{time}.{:08x}", random & 0xffff_ffff)
}

/// A file under a temp name, not yet in place. Dropped before it is in place, it goes away.
pub(super) struct Temp<'a> {
    disk: &'a dyn Disk,
    path: PathBuf,
    file: Option<Box<dyn File>>,
}

impl<'a> Temp<'a> {
    /// Creates the temp file of `name` in `dir`, empty.
    pub(super) fn create(ports: &'a Ports, dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(temp_name(name, ports.process.random()));
        let file = ports.disk.create_new(&path)?;
        Ok(Self {
            disk: &*ports.disk,
            path,
            file: Some(file),
        })
    }

    pub(super) fn file(&self) -> &dyn File {
        self.file
            .as_deref()
            .expect("it is taken only when it is renamed")
    }

    /// Syncs the file and gives it its name. The name is durable only when the directory is synced.
    pub(super) fn rename_to(mut self, name: &Path) -> io::Result<Box<dyn File>> {
        self.file().sync()?;
        self.disk.rename(&self.path, name)?;
        Ok(self.file.take().expect("it is taken only here"))
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Nobody reads it; if it cannot be removed now, the next holder of the lock removes it.
            let _ = self.disk.remove_file(&self.path);
        }
    }
}

/// Creates a directory unless it is there; true if it was created.
pub(super) fn ensure_dir(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    match disk.create_dir(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a file for writing; creates it empty if nothing has its name.
pub(crate) fn open_or_create(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn File>> {
    match disk.open_write(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match disk.create_new(path) {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open_write(path),
        created => created,
    }
}

/// The parent of a directory, as a path that can be opened.
pub(crate) fn parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => dir,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_design() {
        let temp = temp_name("00000000000000000518.wal", 0xfeed);
        assert_eq!(temp, ".00000000000000000518.wal.000000000000feed.tmp");
        assert_eq!(temp_target(&temp), Some("00000000000000000518.wal"));
        for name in [
            "lock",
            ".lock.tmp",
            ".0123456789abcdef.tmp",
            ".lock.0123456789ABCDEF.tmp",
        ] {
            assert_eq!(temp_target(name), None, "{name}");
        }
        let at = Timestamp::parse_rfc3339("2026-11-23T01:40:15Z").unwrap();
        assert_eq!(
            quarantine_name("mark", at, 0x12_0000_00ab),
            "mark.20261123T014015.000000ab"
        );
    }
}
