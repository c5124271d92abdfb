//! The door to files. Each method says what is durable when it returns.
//!
//! Durable means: it survives a power cut. Two things are made durable apart from each other: the bytes of a
//! file, by [`File::sync`] on the file, and its name, by [`Disk::sync_dir`] on the directory that holds it.

mod real;

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::faults::{self, Fault};

/// Files, by path. Paths are taken as they are; the last part of a path is never followed if it is a symbolic link.
/// Only where a directory is asked for, in [`Disk::list`], [`Disk::sync_dir`] and [`Disk::network_file_system`], it
/// is followed (as it would be in the middle of a path), and the empty path means the current directory.
pub trait Disk: Send + Sync {
    /// Opens an existing regular file for reading only.
    ///
    /// # Errors
    /// As the system says; `FilesystemLoop` for a symbolic link, `IsADirectory` for a directory.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens an existing regular file for reading and writing. Nothing is truncated.
    ///
    /// # Errors
    /// As [`Disk::open_read`].
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Creates a file that must not exist yet, for reading and writing. Neither it nor its name is durable. Nobody gets
    /// more rights to it than to the directory.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has that name, a symbolic link included.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Creates one directory; its parent must exist. Its name is not durable. Nobody gets more rights in it than in the
    /// parent.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has that name.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Creates one directory that nobody gets more rights in than in each of `like`. Its name is not durable.
    ///
    /// # Errors
    /// As [`Disk::create_dir`].
    fn create_dir_like(&self, path: &Path, like: &[&Path]) -> io::Result<()> {
        let _ = like;
        self.create_dir(path)
    }

    /// Creates one directory unless it is there; true if it was created. A symbolic link is none: who put it there would
    /// choose where copies go.
    ///
    /// # Errors
    /// `NotADirectory` if anything else has that name; otherwise as [`Disk::create_dir`].
    fn ensure_own_dir(&self, path: &Path) -> io::Result<bool> {
        match self.create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.metadata(path)?.kind {
                    EntryKind::Dir => Ok(false),
                    _ => Err(io::ErrorKind::NotADirectory.into()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// True if every user of the system may make, replace and remove names in the directory.
    ///
    /// # Errors
    /// As the system says.
    fn is_world_writable(&self, dir: &Path) -> io::Result<bool> {
        let _ = dir;
        Ok(false)
    }

    /// The names in a directory, sorted, without `.` and `..`. Names that are not UTF-8 are left out: none of ours is.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Gives each name in a directory to `take`, in any order, as [`Disk::list`] has them: for directories that may have
    /// more names than should be held in memory.
    ///
    /// # Errors
    /// As [`Disk::list`]; some names may have been given by then.
    fn each_name(&self, dir: &Path, take: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.list(dir)?.iter().for_each(|name| take(name));
        Ok(())
    }

    /// What a path leads to, without following a symbolic link at its end.
    ///
    /// # Errors
    /// `NotFound` if nothing has that name.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Gives a file a new name, atomically, in place of what had it. Not durable until both directories are synced.
    /// If both names are links to one file nothing happens and both stay (POSIX `rename`).
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name. Not durable until the directory is synced.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has the new name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name. Not durable until the directory is synced.
    ///
    /// # Errors
    /// `NotFound` if nothing has that name.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory. Not durable until the directory that holds it is synced. A store never does this;
    /// the demo tidies up.
    ///
    /// # Errors
    /// `DirectoryNotEmpty`; `Unsupported` where a disk knows no such call.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes every name in the directory durable as it is now: new ones, changed ones, and that others are gone.
    ///
    /// # Errors
    /// After an error nothing is known about any name in it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The kind of network file system that holds the path, such as `nfs`; `None` for a local one.
    ///
    /// # Errors
    /// As the system says.
    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>>;

    /// What the file system around a path is like, and who may write to it. A symbolic link is followed, and nothing
    /// rests on the answer: it is for people. Unless a disk says otherwise it says nothing.
    ///
    /// # Errors
    /// As the system says.
    fn surroundings(&self, path: &Path) -> io::Result<Surroundings> {
        let _ = path;
        Ok(Surroundings::default())
    }
}

/// One open file. Errors of a failed sync are reported once per open file, so who syncs matters: sync through the
/// file that was open before the bytes to be proven were read or written.
pub trait File: Send + Sync {
    /// Which file this is, whatever its names are by now.
    ///
    /// # Errors
    /// As the system says.
    fn id(&self) -> io::Result<FileId>;

    /// Its length in bytes now.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// True if it has no bytes.
    ///
    /// # Errors
    /// As [`File::len`].
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Reads at an offset; returns how many bytes were read, 0 at the end of the file.
    ///
    /// # Errors
    /// `Interrupted` may happen and means: again.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes at an offset; returns how many bytes were taken, which may be fewer than given. Nothing is durable.
    ///
    /// # Errors
    /// `Interrupted` may happen and means: again.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes all bytes of the file, and its length, durable (`fdatasync`); also those written by others before the call.
    ///
    /// # Errors
    /// After an error nothing is known about any byte written since the last good sync, and trying again proves
    /// nothing: Linux marks the pages clean.
    fn sync(&self) -> io::Result<()>;

    /// Takes the kernel's lock on this open file (`flock`), waiting at most `wait`. Returns false when the wait is over.
    /// The lock goes when the file is dropped, or when the process dies.
    ///
    /// # Errors
    /// As the system says.
    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool>;

    /// Gives the lock back.
    ///
    /// # Errors
    /// As the system says.
    fn unlock(&self) -> io::Result<()>;
}

/// Which file, regardless of name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Which file it is.
    pub id: FileId,
    /// What kind of thing it is.
    pub kind: EntryKind,
    /// Its length in bytes.
    pub len: u64,
    /// A number that differs once bytes, length or names of it changed, as far as the system tells: the time of the last such
    /// change in nanoseconds on Unix (`ctime`), of the last change of its bytes elsewhere.
    pub changed: u64,
    /// False if that may not show another change: the last one was so short a time ago that a clock of files has not moved on since.
    pub settled: bool,
}

/// What the file system around a path is like; `None` is unknown.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The device.
    pub device: u64,
    /// Its kind: `ext4`, `xfs`, `tmpfs`, or its number.
    pub kind: Option<String>,
    /// It is reached over the network.
    pub network: bool,
    /// It lies in memory: a power cut takes all of it.
    pub volatile: bool,
    /// It is mounted read-only.
    pub read_only: bool,
    /// Bytes that we may still use.
    pub free_bytes: Option<u64>,
    /// Files that we may still make.
    pub free_inodes: Option<u64>,
    /// Every user of this machine may write to what the path leads to.
    pub world_writable: bool,
}

/// The kinds of things a name can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link; where to is not asked.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Beside other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}

impl dyn Disk + '_ {
    /// True if anything has that name, a dangling symbolic link included.
    ///
    /// # Errors
    /// As [`Disk::metadata`], but for `NotFound`.
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// `FileTooLarge` beyond the limit.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        let len = file.len()?;
        if len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
        let read = file.read_full_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Removes a directory with all that is in it; symbolic links are removed, not followed.
    ///
    /// # Errors
    /// As the system says; some of it may be gone then.
    pub fn remove_tree(&self, dir: &Path) -> io::Result<()> {
        for name in self.list(dir)? {
            let path = dir.join(&name);
            if self.metadata(&path)?.kind == EntryKind::Dir {
                self.remove_tree(&path)?;
            } else {
                self.remove_file(&path)?;
            }
        }
        self.remove_dir(dir)
    }

    /// Copies a directory with all that is in it, each file of at most `limit` bytes. Nothing is synced.
    ///
    /// # Errors
    /// As the system says; `AlreadyExists` if anything has the name `to`.
    pub fn copy_tree(&self, from: &Path, to: &Path, limit: u64) -> io::Result<()> {
        self.create_dir(to)?;
        for name in self.list(from)? {
            let (from, to) = (from.join(&name), to.join(&name));
            if self.metadata(&from)?.kind == EntryKind::Dir {
                self.copy_tree(&from, &to, limit)?;
            } else {
                let bytes = self.read(&from, limit)?;
                self.create_new(&to)?.write_full_at(0, &bytes)?;
            }
        }
        Ok(())
    }
}

impl dyn File + '_ {
    /// Reads until the buffer is full or the file ends; returns how many bytes were read.
    ///
    /// # Errors
    /// As [`File::read_at`], but for `Interrupted`.
    pub fn read_full_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.read_at(offset + done as u64, &mut into[done..]) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if faults::on(Fault::ReadErrorIsTheEnd) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Writes all bytes, going on after short writes.
    ///
    /// # Errors
    /// As [`File::write_at`], but for `Interrupted`; `WriteZero` if the file takes nothing more. What was written
    /// before the error stays.
    pub fn write_full_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.write_at(offset + done as u64, &bytes[done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) if faults::on(Fault::ShortWriteIsWhole) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A file from its beginning on, for who reads it piece by piece.
#[expect(missing_debug_implementations, reason = "an open file has none")]
pub struct FromStart<'f> {
    file: &'f dyn File,
    at: u64,
}

impl<'f> FromStart<'f> {
    /// Begins at the first byte.
    pub const fn new(file: &'f dyn File) -> Self {
        Self { file, at: 0 }
    }

    /// How many bytes were read.
    pub const fn at(&self) -> u64 {
        self.at
    }
}

impl io::Read for FromStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.at, into)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;
