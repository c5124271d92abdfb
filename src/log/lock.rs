//! Kernel locks: taken with a wait, and only on the file that the lock's name leads to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::files;
use crate::error::{Error, Result};
use crate::ports::{Disk, File, FileId, LockKind, Ports};

/// A lock, held until this is dropped.
pub struct Held {
    file: Arc<dyn File>,
    id: FileId,
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Held {
    /// Refuses to go on if the lock's name leads to another file by now, or to none: whoever removed or replaced it let
    /// others in.
    ///
    /// Looked at before a write and after it. What is found in place after the write was read by everybody who takes the
    /// lock later, so it may be acknowledged.
    ///
    /// # Errors
    /// [`Error::LockLost`]; [`Error::Io`] if nobody can tell.
    pub fn check(&self) -> Result<()> {
        if has_name(&*self.disk, &self.path, self.id)? {
            return Ok(());
        }
        let path = self.path.clone();
        Err(Error::LockLost { path })
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Where this fails, the kernel gives the lock back when the file is closed.
        let _ = self.file.unlock();
    }
}

/// A lock file that stays open between two uses, for who takes its lock again and again: to open a file costs more than to
/// lock it.
#[derive(Default)]
pub struct Kept(Option<Arc<dyn File>>);

impl Kept {
    /// As [`exclusive`].
    ///
    /// # Errors
    /// As [`exclusive`].
    pub fn exclusive(&mut self, ports: &Ports, path: &Path, wait: Duration) -> Result<Held> {
        if let Some(file) = self.0.take() {
            let held = lock(ports, path, LockKind::Exclusive, wait, file)?;
            // A lock on a file that lost its name keeps nobody out.
            if has_name(&*ports.disk, path, held.id)? {
                self.0 = Some(held.file.clone());
                return Ok(held);
            }
        }
        let held = exclusive(ports, path, wait)?;
        self.0 = Some(held.file.clone());
        Ok(held)
    }
}

/// Takes a lock alone, waiting at most `wait`; makes the lock file if there is none.
///
/// # Errors
/// [`Error::LockTimeout`] if somebody held it for the whole wait; [`Error::Io`] for a lock file that is a symbolic
/// link, or keeps being replaced.
pub fn exclusive(ports: &Ports, path: &Path, wait: Duration) -> Result<Held> {
    let open = || files::open_or_create(&*ports.disk, path);
    take(ports, path, LockKind::Exclusive, wait, open)
}

/// Takes a lock beside other readers, waiting at most `wait`; `None` if there is no lock file, which a reader does
/// not make.
///
/// # Errors
/// As [`exclusive`].
pub fn shared(ports: &Ports, path: &Path, wait: Duration) -> Result<Option<Held>> {
    if !ports
        .disk
        .exists(path)
        .map_err(Error::io("look at", path))?
    {
        return Ok(None);
    }
    let open = || ports.disk.open_read(path);
    take(ports, path, LockKind::Shared, wait, open).map(Some)
}

fn take(
    ports: &Ports,
    path: &Path,
    kind: LockKind,
    wait: Duration,
    open: impl Fn() -> std::io::Result<Box<dyn File>>,
) -> Result<Held> {
    // A lock on a file that lost its name keeps nobody out. Nothing of ours replaces one, so twice is a coincidence.
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let file: Arc<dyn File> = open().map_err(Error::io("open", path))?.into();
        let held = lock(ports, path, kind, wait, file)?;
        if has_name(&*ports.disk, path, held.id)? {
            return Ok(held);
        }
    }
    Err(Error::io("lock", path)(std::io::Error::other(
        "the lock file is replaced again and again",
    )))
}

fn lock(
    ports: &Ports,
    path: &Path,
    kind: LockKind,
    wait: Duration,
    file: Arc<dyn File>,
) -> Result<Held> {
    let id = file.id().map_err(Error::io("look at", path))?;
    if file.lock(kind, wait).map_err(Error::io("lock", path))? {
        return Ok(Held {
            file,
            id,
            disk: Arc::clone(&ports.disk),
            path: path.to_owned(),
        });
    }
    Err(Error::LockTimeout {
        path: path.to_owned(),
        holder: ports.process.lock_holder(id),
        waited_secs: wait.as_secs_f64(),
    })
}

/// True if the name leads to that file.
fn has_name(disk: &dyn Disk, path: &Path, id: FileId) -> Result<bool> {
    match disk.metadata(path) {
        Ok(named) => Ok(named.id == id),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}
