//! Copying files, each synced before anybody relies on it, and counting them.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::files::{parent, temp_target};
use crate::ports::{EntryKind, File, Ports};

use super::Warning;

/// How much of a file is held in memory.
const BLOCK: usize = 1 << 20;

/// Copies files into directories that it made.
pub(super) struct Copier<'p> {
    ports: &'p Ports,
    made: Vec<PathBuf>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) warnings: Vec<Warning>,
}

impl<'p> Copier<'p> {
    pub(super) const fn new(ports: &'p Ports) -> Self {
        Self {
            ports,
            made: Vec::new(),
            files: 0,
            bytes: 0,
            warnings: Vec::new(),
        }
    }

    /// Makes the copy of a directory; nobody gets more rights in it than in each of `like`.
    pub(super) fn make_dir(&mut self, dir: &Path, like: &[&Path]) -> Result<()> {
        self.ports
            .disk
            .create_dir_like(dir, like)
            .map_err(Error::io("make", dir))?;
        self.made.push(dir.to_owned());
        Ok(())
    }

    /// Copies a whole file.
    pub(super) fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        let file = self.open(from)?;
        let len = file.len().map_err(Error::io("read", from))?;
        self.copy_open(&*file, len, to)
    }

    /// Copies the first bytes of a file.
    pub(super) fn copy_part(&mut self, from: &Path, len: u64, to: &Path) -> Result<()> {
        let file = self.open(from)?;
        self.copy_open(&*file, len, to)
    }

    /// Copies the first bytes of an open file.
    pub(super) fn copy_open(&mut self, from: &dyn File, len: u64, to: &Path) -> Result<()> {
        let copied = || -> io::Result<()> {
            let file = self.ports.disk.create_new(to)?;
            let mut block = vec![0; BLOCK];
            let mut at = 0;
            while at < len {
                let wanted = usize::try_from(len - at).map_or(BLOCK, |left| left.min(BLOCK));
                let read = from.read_full_at(at, &mut block[..wanted])?;
                file.write_full_at(at, &block[..read])?;
                at += read as u64;
                if read < wanted {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            file.sync()
        };
        copied().map_err(Error::io("copy to", to))?;
        self.count(len);
        Ok(())
    }

    /// Writes a new file.
    pub(super) fn write(&mut self, to: &Path, bytes: &[u8]) -> Result<()> {
        let written = || -> io::Result<()> {
            let file = self.ports.disk.create_new(to)?;
            file.write_full_at(0, bytes)?;
            file.sync()
        };
        written().map_err(Error::io("write", to))?;
        self.count(bytes.len() as u64);
        Ok(())
    }

    /// Copies the files of a directory, if it is there. What is no file, or half written, is left out.
    pub(super) fn copy_folder(&mut self, from: &Path, to: &Path) -> Result<()> {
        let disk = &*self.ports.disk;
        match disk.metadata(from) {
            Ok(found) if found.kind == EntryKind::Dir => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("look at", from)(error)),
            Ok(_) => {
                // A link may lead anywhere.
                let what = format!("{} is not copied: it is no directory", from.display());
                self.warnings.push(Warning::new("W-NOT-COPIED", what));
                return Ok(());
            }
        }
        let names = disk.list(from).map_err(Error::io("list", from))?;
        self.make_dir(to, &[from, parent(to)])?;
        for name in names.iter().filter(|name| temp_target(name).is_none()) {
            let path = from.join(name);
            let found = disk.metadata(&path).map_err(Error::io("look at", &path))?;
            if found.kind == EntryKind::File {
                self.copy(&path, &to.join(name))?;
            } else {
                let what = format!("{} is not copied: it is no regular file", path.display());
                self.warnings.push(Warning::new("W-NOT-COPIED", what));
            }
        }
        Ok(())
    }

    /// Makes the names of everything durable, from the deepest directory up.
    pub(super) fn sync_dirs(&self) -> Result<()> {
        for dir in self.made.iter().rev() {
            self.ports
                .disk
                .sync_dir(dir)
                .map_err(Error::io("sync", dir))?;
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn File>> {
        let opened = self.ports.disk.open_read(path);
        opened.map_err(Error::io("open", path))
    }

    fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}
