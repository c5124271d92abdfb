//! Calls of the disk port: their kinds, the trace of them, and the faults that can be put into them.

use std::fmt;
use std::io;
use std::sync::Arc;

/// What a call asks for: one for each method of the disk port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallKind {
    /// `Disk::open_read`.
    OpenRead,
    /// `Disk::open_write`.
    OpenWrite,
    /// `Disk::create_new`.
    CreateNew,
    /// `Disk::create_dir`.
    CreateDir,
    /// `Disk::list`.
    List,
    /// `Disk::metadata`.
    Metadata,
    /// `Disk::rename`.
    Rename,
    /// `Disk::hard_link`.
    HardLink,
    /// `Disk::remove_file`.
    RemoveFile,
    /// `Disk::sync_dir`.
    SyncDir,
    /// `Disk::network_file_system`.
    NetworkFileSystem,
    /// `File::id`.
    Id,
    /// `File::len`.
    Len,
    /// `File::read_at`.
    ReadAt,
    /// `File::write_at`.
    WriteAt,
    /// `File::sync`.
    Sync,
    /// `File::lock`.
    Lock,
    /// `File::unlock`.
    Unlock,
}

impl CallKind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::OpenRead,
        Self::OpenWrite,
        Self::CreateNew,
        Self::CreateDir,
        Self::List,
        Self::Metadata,
        Self::Rename,
        Self::HardLink,
        Self::RemoveFile,
        Self::SyncDir,
        Self::NetworkFileSystem,
        Self::Id,
        Self::Len,
        Self::ReadAt,
        Self::WriteAt,
        Self::Sync,
        Self::Lock,
        Self::Unlock,
    ];

    /// True for calls that change what others see: bytes or names. Syncs and locks do not.
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::CreateNew
                | Self::CreateDir
                | Self::Rename
                | Self::HardLink
                | Self::RemoveFile
                | Self::WriteAt
        )
    }

    /// True for the two that make something durable.
    pub const fn syncs(self) -> bool {
        matches!(self, Self::Sync | Self::SyncDir)
    }

    /// The method's name: `write_at`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenRead => "open_read",
            Self::OpenWrite => "open_write",
            Self::CreateNew => "create_new",
            Self::CreateDir => "create_dir",
            Self::List => "list",
            Self::Metadata => "metadata",
            Self::Rename => "rename",
            Self::HardLink => "hard_link",
            Self::RemoveFile => "remove_file",
            Self::SyncDir => "sync_dir",
            Self::NetworkFileSystem => "network_file_system",
            Self::Id => "id",
            Self::Len => "len",
            Self::ReadAt => "read_at",
            Self::WriteAt => "write_at",
            Self::Sync => "sync",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
        }
    }
}

/// One line of the trace: a call and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who called.
    pub actor: Arc<str>,
    /// The how-manieth call of this actor it was, from 1.
    pub no: u64,
    /// What was asked for.
    pub kind: CallKind,
    /// The path, as it was when the file was opened.
    pub path: Arc<str>,
    /// The other path of a rename or link.
    pub to: Option<Arc<str>>,
    /// Where reading or writing began, and how many bytes were asked for.
    pub range: Option<(u64, usize)>,
    /// What came of it: `ok`, `ok 17`, or the error.
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; bytes read or written, or whether the lock was taken, where that is told.
    Done(Option<u64>),
    /// It failed, by itself or by a fault.
    Failed(String),
    /// A fault let it say OK and do nothing.
    Ignored,
    /// Its actor was killed before it had any effect, or after so many bytes.
    Killed(usize),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:>3}  {} {}",
            self.actor,
            self.no,
            self.kind.name(),
            self.path
        )?;
        if let Some(to) = &self.to {
            write!(f, " -> {to}")?;
        }
        if let Some((offset, len)) = self.range {
            write!(f, " {offset}+{len}")?;
        }
        match &self.outcome {
            Outcome::Done(None) => f.write_str(": ok"),
            Outcome::Done(Some(count)) => write!(f, ": ok {count}"),
            Outcome::Failed(error) => write!(f, ": {error}"),
            Outcome::Ignored => f.write_str(": said ok, did nothing"),
            Outcome::Killed(0) => f.write_str(": killed"),
            Outcome::Killed(bytes) => write!(f, ": killed after {bytes} bytes"),
        }
    }
}

/// Errors of the system, by their numbers on Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// Input/output error.
    Eio = 5,
    /// Interrupted system call.
    Eintr = 4,
    /// Permission denied.
    Eacces = 13,
    /// Invalid argument.
    Einval = 22,
    /// No space left on device.
    Enospc = 28,
    /// Read-only file system.
    Erofs = 30,
}

impl Errno {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Eio,
        Self::Eintr,
        Self::Eacces,
        Self::Einval,
        Self::Enospc,
        Self::Erofs,
    ];

    /// The error as `std` shows it, with its number.
    pub fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self as i32)
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The call has no effect but this error. A sync that fails with `Eio` or `Enospc` has the after-effects that it
    /// has on Linux: what was pending in that file is lost for good though the cache shows it, each other open file
    /// on it reports the error once, files opened later never do, and later syncs say OK and prove nothing. Names
    /// that were pending in a directory stay in doubt whatever later syncs say.
    Error(Errno),
    /// A write takes, or a read gives, at most so many bytes; no effect on other calls.
    Short(usize),
    /// The call says OK and does nothing: what a disk that lies does, or code whose sync was removed. Only for
    /// syncs; no effect on other calls.
    Ignored,
}

/// A fault to be put into calls to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose calls; `None` for everybody's.
    pub actor: Option<String>,
    /// Which calls; `None` for all.
    pub kind: Option<CallKind>,
    /// Only calls whose path ends with this, taken as text; empty for all.
    pub path_end: String,
    /// The how-manieth such call from now on, from 1.
    pub nth: u64,
    /// True if each later such call fails too.
    pub from_then_on: bool,
    /// What goes wrong.
    pub failure: Failure,
}

impl Fault {
    /// The next call of any kind by anybody goes wrong, once. The methods narrow it down.
    pub const fn new(failure: Failure) -> Self {
        Self {
            actor: None,
            kind: None,
            path_end: String::new(),
            nth: 1,
            from_then_on: false,
            failure,
        }
    }

    /// Only calls of that actor.
    #[must_use]
    pub fn by(self, actor: &str) -> Self {
        Self {
            actor: Some(actor.to_owned()),
            ..self
        }
    }

    /// Only calls of that kind.
    #[must_use]
    pub fn on(self, kind: CallKind) -> Self {
        Self {
            kind: Some(kind),
            ..self
        }
    }

    /// Only calls on a path that ends so; for a file, the path under which it was opened.
    #[must_use]
    pub fn at_path(self, end: &str) -> Self {
        Self {
            path_end: end.to_owned(),
            ..self
        }
    }

    /// Only the `nth` such call from now on, from 1.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        Self { nth, ..self }
    }

    /// And each one after it.
    #[must_use]
    pub fn from_then_on(self) -> Self {
        Self {
            from_then_on: true,
            ..self
        }
    }

    /// Counts a call; tells what goes wrong with it, if anything.
    pub(super) fn strikes(&mut self, actor: &str, kind: CallKind, path: &str) -> Option<Failure> {
        let meant = self.actor.as_deref().is_none_or(|only| only == actor)
            && self.kind.is_none_or(|only| only == kind)
            && path.ends_with(&self.path_end);
        if !meant || self.nth == 0 {
            return None;
        }
        self.nth -= 1;
        if self.nth > 0 {
            return None;
        }
        // Counted down to 1 it strikes the next one too; 0 is over.
        self.nth = u64::from(self.from_then_on);
        Some(self.failure)
    }
}
