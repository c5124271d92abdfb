//! The disk as it would be: what a repair is going to change lies over it, and nothing can be written through it.
//!
//! A plan is made, and proven to open, before anything is changed; `--apply` then does exactly what was proven.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::{Disk, EntryKind, File, FileId, LockKind, Metadata};

/// The disk with other files in some places.
pub(super) struct Overlay {
    below: Arc<dyn Disk>,
    /// The bytes of each file that is another, `None` for one that is gone.
    files: Mutex<BTreeMap<PathBuf, Option<Arc<[u8]>>>>,
}

/// What a path leads to.
enum Place {
    /// What it leads to on the disk.
    Below,
    Gone,
    Changed(Arc<[u8]>),
}

impl Overlay {
    pub(super) fn new(below: Arc<dyn Disk>) -> Self {
        Self {
            below,
            files: Mutex::default(),
        }
    }

    /// Puts a file there.
    pub(super) fn put(&self, path: PathBuf, bytes: Vec<u8>) {
        self.set(path, Some(bytes.into()));
    }

    /// Takes a file away.
    pub(super) fn remove(&self, path: PathBuf) {
        self.set(path, None);
    }

    /// The bytes that were put there.
    pub(super) fn changed(&self, path: &Path) -> Option<Arc<[u8]>> {
        match self.get(path) {
            Place::Changed(bytes) => Some(bytes),
            Place::Below | Place::Gone => None,
        }
    }

    fn set(&self, path: PathBuf, bytes: Option<Arc<[u8]>>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path, bytes);
    }

    fn get(&self, path: &Path) -> Place {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get(path) {
            None => Place::Below,
            Some(None) => Place::Gone,
            Some(Some(bytes)) => Place::Changed(Arc::clone(bytes)),
        }
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

/// A number that no file below has: there is no such device.
const fn id(bytes: &[u8]) -> FileId {
    FileId {
        device: u64::MAX,
        inode: bytes.len() as u64,
    }
}

impl Disk for Overlay {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        match self.get(path) {
            Place::Below => self.below.open_read(path),
            Place::Gone => Err(io::ErrorKind::NotFound.into()),
            Place::Changed(bytes) => Ok(Box::new(Bytes(bytes))),
        }
    }

    fn open_write(&self, _: &Path) -> io::Result<Box<dyn File>> {
        refused()
    }

    fn create_new(&self, _: &Path) -> io::Result<Box<dyn File>> {
        refused()
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names: BTreeSet<String> = self.below.list(dir)?.into_iter().collect();
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, bytes) in &*files {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| path.parent() == Some(dir)) else {
                continue;
            };
            if bytes.is_some() {
                names.insert(name.to_owned());
            } else {
                names.remove(name);
            }
        }
        Ok(names.into_iter().collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self.get(path) {
            Place::Below => self.below.metadata(path),
            Place::Gone => Err(io::ErrorKind::NotFound.into()),
            Place::Changed(bytes) => Ok(Metadata {
                id: id(&bytes),
                kind: EntryKind::File,
                len: bytes.len() as u64,
                changed: u64::from(crc32fast::hash(&bytes)),
                settled: true,
            }),
        }
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn hard_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.below.network_file_system(path)
    }
}

struct Bytes(Arc<[u8]>);

impl File for Bytes {
    fn id(&self) -> io::Result<FileId> {
        Ok(id(&self.0))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).map_or(self.0.len(), |from| from.min(self.0.len()));
        let bytes = &self.0[from..];
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<usize> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }

    fn lock(&self, _: LockKind, _: Duration) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}
