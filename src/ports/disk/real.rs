//! The disk of this machine: `std::fs`, with the flags that keep links and pipes out.
//!
//! No call here retries, buffers or cleans up: what the system said is what the caller hears.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the door through which everybody else opens files"
)]

#[cfg(any(target_os = "linux", target_os = "android"))]
mod magic;
#[cfg(all(test, unix))]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::{self, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Disk, EntryKind, File, FileId, LockKind, Metadata, RealDisk, Surroundings};
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

/// Whoever waits for a lock tries again after this part of the time it has waited so far: a writer holds the append lock for some
/// ten microseconds, a compaction or a stopped process for seconds.
const TRIES_AGAIN_AFTER: u32 = 16;

/// The longest wait between two tries for a lock.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

impl Disk for RealDisk {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        open_regular(OpenOptions::new().read(true), path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        open_regular(OpenOptions::new().read(true).write(true), path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        open_regular(os::no_wider_than(&mut options, parent(path)), path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        os::create_dir_like(path, &[parent(path)])
    }

    fn create_dir_like(&self, path: &Path, like: &[&Path]) -> io::Result<()> {
        os::create_dir_like(path, like)
    }

    fn is_world_writable(&self, dir: &Path) -> io::Result<bool> {
        os::is_world_writable(or_here(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(dir, &mut |name| names.push(name.to_owned()))?;
        names.sort_unstable();
        Ok(names)
    }

    fn each_name(&self, dir: &Path, take: &mut dyn FnMut(&str)) -> io::Result<()> {
        for entry in fs::read_dir(or_here(dir))? {
            if let Some(name) = entry?.file_name().to_str() {
                take(name);
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = fs::symlink_metadata(path)?;
        let kind = if found.is_file() {
            EntryKind::File
        } else if found.is_dir() {
            EntryKind::Dir
        } else if found.is_symlink() {
            EntryKind::Symlink
        } else {
            EntryKind::Other
        };
        Ok(Metadata {
            id: os::id(&found)?,
            kind,
            len: found.len(),
            changed: os::changed(&found),
            settled: os::is_settled(&found),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        // std calls linkat without AT_SYMLINK_FOLLOW: a link to a symbolic link is that link.
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        os::sync_dir(or_here(dir))
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        os::network_file_system(or_here(path))
    }

    fn surroundings(&self, path: &Path) -> io::Result<Surroundings> {
        os::surroundings(or_here(path))
    }
}

/// An open file of this machine.
struct RealFile {
    file: fs::File,
    /// Which file it is, asked for when it was opened: an open file stays what it is. `None` where the system cannot tell.
    id: Option<FileId>,
    /// A lock was taken and not given back.
    locked: AtomicBool,
}

impl Drop for RealFile {
    fn drop(&mut self) {
        // A child that another thread is just starting has this open file until its exec, and the lock with it:
        // closing alone would leave it locked for that long.
        if *self.locked.get_mut() {
            // There is nobody to tell, and closing follows.
            let _ = self.file.unlock();
        }
    }
}

impl File for RealFile {
    fn id(&self) -> io::Result<FileId> {
        self.id.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|found| found.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        os::read_at(&self.file, offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        os::write_at(&self.file, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool> {
        if self.try_lock(kind)? {
            return Ok(true);
        }
        let begin = Instant::now();
        loop {
            let waited = begin.elapsed();
            let left = wait.saturating_sub(waited);
            if left.is_zero() {
                return Ok(false);
            }
            let step = (waited / TRIES_AGAIN_AFTER).min(LONGEST_WAIT);
            std::thread::sleep(jittered(step).min(left));
            if self.try_lock(kind)? {
                return Ok(true);
            }
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()?;
        self.locked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl RealFile {
    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let tried = match kind {
            LockKind::Shared => self.file.try_lock_shared(),
            LockKind::Exclusive => self.file.try_lock(),
        };
        match tried {
            Ok(()) => {
                self.locked.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<Box<dyn File>> {
    let file = os::without_following(options).open(path)?;
    let found = file.metadata()?;
    let kind = found.file_type();
    if kind.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if kind.is_file() {
        let (id, locked) = (os::id(&found).ok(), AtomicBool::new(false));
        Ok(Box::new(RealFile { file, id, locked }))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// The directory itself, or the current one for the empty path, which is the parent of `data`.
fn or_here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    }
}

/// The directory that a path is in.
fn parent(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(path))
}

/// Between half of a wait and the whole of it, so that waiters do not come back in step.
fn jittered(step: Duration) -> Duration {
    let random = RandomState::new().hash_one(step) >> 32;
    step / 2 + (step / 2).mul_f64(random as f64 / f64::from(u32::MAX))
}
