//! The door to processes: this one, those that hold our locks, and those that we start.

use std::ffi::OsString;
use std::io;

use super::disk::FileId;

/// This process and others.
pub trait Process: Send + Sync {
    /// The id of this process.
    fn pid(&self) -> u32;

    /// The name of this host.
    fn host(&self) -> String;

    /// 64 bits that nobody can guess, for names that must not collide.
    fn random(&self) -> u64;

    /// Who holds a lock on that file, as far as the system tells: `pid 4711 (phaselog)`.
    fn lock_holder(&self, file: FileId) -> Option<String>;

    /// Starts this same program with other arguments, its standard output and error thrown away.
    ///
    /// # Errors
    /// As the system says.
    fn spawn_self(
        &self,
        args: &[OsString],
        env: &[(OsString, OsString)],
    ) -> io::Result<Box<dyn Child>>;
}

/// A process that we started.
pub trait Child: Send {
    /// Its process id.
    fn pid(&self) -> u32;

    /// Kills it at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// As the system says; none if it is gone already.
    fn kill(&mut self) -> io::Result<()>;

    /// Waits for its end; the exit status, or `None` if a signal ended it.
    ///
    /// # Errors
    /// As the system says.
    fn wait(&mut self) -> io::Result<Option<i32>>;
}

/// The processes of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealProcess;
