//! A disk around any other, real or simulated, that sees each call before it is carried out and may spoil it.
//!
//! ```text
//!   store --> Proxy --> the disk
//!               |
//!              Hook: do it, fail it, cut it short, leave it out
//! ```
//!
//! The simulated disk injects faults by itself; this is for disks that cannot, and for faults that no disk has.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::sim_disk::{CallKind, Errno};
use crate::ports::{Disk, File, FileId, LockKind, Metadata, Ports};

/// A call that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCall {
    /// What is asked for.
    pub kind: CallKind,
    /// The path; for an open file the one under which it was opened.
    pub path: PathBuf,
    /// The other path of a rename or link.
    pub to: Option<PathBuf>,
    /// Where reading or writing begins, and how many bytes are asked for.
    pub range: Option<(u64, usize)>,
}

impl fmt::Display for PortCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.path.display())?;
        if let Some(to) = &self.to {
            write!(f, " -> {}", to.display())?;
        }
        match self.range {
            Some((offset, bytes)) => write!(f, " {offset}+{bytes}"),
            None => Ok(()),
        }
    }
}

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The disk carries it out.
    Do,
    /// It has no effect but this error.
    Fail(Errno),
    /// A read gives, a write takes, at most so many bytes; any other call is carried out.
    Short(usize),
    /// It is left out and says OK: a sync that syncs nothing, a lock that nobody holds, a name that stays. What must
    /// answer with something is carried out.
    LeaveOut,
    /// `File::id` answers with the file that the path leads to now, whatever file is open: code that compares the two
    /// sees no difference. Any other call is carried out.
    AsNamed,
}

/// Is asked about each call before it is made.
pub trait Hook: Send + Sync {
    /// Says what is to become of the call.
    fn before(&self, call: &PortCall) -> Order;

    /// Hears that a call failed, by itself or by order.
    fn failed(&self, call: &PortCall, error: &io::Error) {
        let _ = (call, error);
    }
}

impl<F: Fn(&PortCall) -> Order + Send + Sync> Hook for F {
    fn before(&self, call: &PortCall) -> Order {
        self(call)
    }
}

/// Notes each call and lets it pass. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    calls: Vec<PortCall>,
    failed: Vec<PortCall>,
}

impl Recorder {
    /// All calls so far.
    pub fn calls(&self) -> Vec<PortCall> {
        self.list().calls.clone()
    }

    /// Those of them that failed.
    pub fn failed_calls(&self) -> Vec<PortCall> {
        self.list().failed.clone()
    }

    /// The calls so far that change what others see: bytes or names. Syncs and locks do not.
    pub fn writes(&self) -> Vec<PortCall> {
        let recorded = self.list();
        let writes = recorded.calls.iter().filter(|call| call.kind.writes());
        writes.cloned().collect()
    }

    fn list(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hook for Recorder {
    fn before(&self, call: &PortCall) -> Order {
        self.list().calls.push(call.clone());
        Order::Do
    }

    fn failed(&self, call: &PortCall, _: &io::Error) {
        self.list().failed.push(call.clone());
    }
}

/// A disk with a hook before it.
#[derive(Clone)]
pub struct Proxy {
    inner: Arc<dyn Disk>,
    hook: Arc<dyn Hook>,
}

impl Proxy {
    /// Puts a hook before a disk.
    pub fn new(inner: Arc<dyn Disk>, hook: impl Hook + 'static) -> Self {
        Self {
            inner,
            hook: Arc::new(hook),
        }
    }

    /// The same doors, with the hook before their disk.
    pub fn before(ports: &Ports, hook: impl Hook + 'static) -> Ports {
        let disk = Arc::new(Self::new(Arc::clone(&ports.disk), hook));
        Ports {
            disk,
            ..ports.clone()
        }
    }

    fn call<T>(
        &self,
        call: &PortCall,
        left_out: Option<T>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let answer = match (self.hook.before(call), left_out) {
            (Order::Fail(errno), _) => Err(errno.error()),
            (Order::LeaveOut, Some(answer)) => Ok(answer),
            _ => run(),
        };
        answer.inspect_err(|error| self.hook.failed(call, error))
    }

    fn open(
        &self,
        kind: CallKind,
        path: &Path,
        open: impl FnOnce() -> io::Result<Box<dyn File>>,
    ) -> io::Result<Box<dyn File>> {
        let file = self.call(&about(kind, path), None, open)?;
        Ok(Box::new(ProxyFile {
            proxy: self.clone(),
            file,
            path: path.to_owned(),
        }))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy")
    }
}

fn about(kind: CallKind, path: &Path) -> PortCall {
    PortCall {
        kind,
        path: path.to_owned(),
        to: None,
        range: None,
    }
}

fn from_to(kind: CallKind, from: &Path, to: &Path) -> PortCall {
    PortCall {
        to: Some(to.to_owned()),
        ..about(kind, from)
    }
}

impl Disk for Proxy {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open(CallKind::OpenRead, path, || self.inner.open_read(path))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open(CallKind::OpenWrite, path, || self.inner.open_write(path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open(CallKind::CreateNew, path, || self.inner.create_new(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(&about(CallKind::CreateDir, path), None, || {
            self.inner.create_dir(path)
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call(&about(CallKind::List, dir), None, || self.inner.list(dir))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.call(&about(CallKind::Metadata, path), None, || {
            self.inner.metadata(path)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(&from_to(CallKind::Rename, from, to), Some(()), || {
            self.inner.rename(from, to)
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(&from_to(CallKind::HardLink, from, to), Some(()), || {
            self.inner.hard_link(from, to)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(&about(CallKind::RemoveFile, path), Some(()), || {
            self.inner.remove_file(path)
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(&about(CallKind::SyncDir, dir), Some(()), || {
            self.inner.sync_dir(dir)
        })
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.call(&about(CallKind::NetworkFileSystem, path), None, || {
            self.inner.network_file_system(path)
        })
    }
}

/// An open file behind the hook.
struct ProxyFile {
    proxy: Proxy,
    file: Box<dyn File>,
    path: PathBuf,
}

impl ProxyFile {
    fn order(&self, kind: CallKind, range: Option<(u64, usize)>) -> Order {
        self.proxy.hook.before(&PortCall {
            range,
            ..about(kind, &self.path)
        })
    }

    fn call<T>(
        &self,
        kind: CallKind,
        left_out: Option<T>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.proxy.call(&about(kind, &self.path), left_out, run)
    }
}

/// How many of `asked` bytes an order lets pass.
const fn limit(order: Order, asked: usize) -> usize {
    match order {
        Order::Short(bytes) if bytes < asked => bytes,
        _ => asked,
    }
}

impl File for ProxyFile {
    fn id(&self) -> io::Result<FileId> {
        match self.order(CallKind::Id, None) {
            Order::Fail(errno) => Err(errno.error()),
            Order::AsNamed => match self.proxy.inner.metadata(&self.path) {
                Ok(named) => Ok(named.id),
                Err(_) => self.file.id(),
            },
            _ => self.file.id(),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.call(CallKind::Len, None, || self.file.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match self.order(CallKind::ReadAt, Some((offset, into.len()))) {
            Order::Fail(errno) => Err(errno.error()),
            order => {
                let bytes = limit(order, into.len());
                self.file.read_at(offset, &mut into[..bytes])
            }
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        match self.order(CallKind::WriteAt, Some((offset, bytes.len()))) {
            Order::Fail(errno) => Err(errno.error()),
            Order::LeaveOut => Ok(bytes.len()),
            order => self
                .file
                .write_at(offset, &bytes[..limit(order, bytes.len())]),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.call(CallKind::Sync, Some(()), || self.file.sync())
    }

    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool> {
        self.call(CallKind::Lock, Some(true), || self.file.lock(kind, wait))
    }

    fn unlock(&self) -> io::Result<()> {
        self.call(CallKind::Unlock, Some(()), || self.file.unlock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimDisk;

    fn spoiled(order: Order, kind: CallKind) -> (SimDisk, Ports) {
        let disk = SimDisk::new();
        let hook = move |call: &PortCall| if call.kind == kind { order } else { Order::Do };
        let ports = Proxy::before(&disk.ports_for("A"), hook);
        (disk, ports)
    }

    #[test]
    fn calls_are_seen_with_their_paths() {
        let disk = SimDisk::new();
        let recorder = Recorder::default();
        let ports = Proxy::before(&disk.ports_for("A"), recorder.clone());
        let file = ports.disk.create_new(Path::new("a")).unwrap();
        file.write_full_at(3, b"xyz").unwrap();
        ports.disk.rename(Path::new("a"), Path::new("b")).unwrap();
        file.sync().unwrap();
        let calls: Vec<String> = recorder.calls().iter().map(PortCall::to_string).collect();
        assert_eq!(
            calls,
            ["create_new a", "write_at a 3+3", "rename a -> b", "sync a"]
        );
        assert_eq!(recorder.writes().len(), 3);
        assert_eq!(disk.peek("b").unwrap(), b"\0\0\0xyz");
    }

    #[test]
    fn a_sync_left_out_makes_nothing_durable() {
        let (disk, ports) = spoiled(Order::LeaveOut, CallKind::Sync);
        let file = ports.disk.create_new(Path::new("a")).unwrap();
        file.write_full_at(0, b"x").unwrap();
        file.sync().unwrap();
        assert!(!disk.pending().is_empty());
        ports.disk.sync_dir(Path::new("")).unwrap();
        assert_eq!(disk.power_cut(&mut |_| false).peek("a").unwrap(), b"");
    }

    #[test]
    fn a_lock_left_out_keeps_nobody_out() {
        let (_, ports) = spoiled(Order::LeaveOut, CallKind::Lock);
        let lock = |file: &dyn File| file.lock(LockKind::Exclusive, Duration::ZERO).unwrap();
        let first = ports.disk.create_new(Path::new("a")).unwrap();
        let second = ports.disk.open_write(Path::new("a")).unwrap();
        assert!(lock(&*first) && lock(&*second));
    }

    #[test]
    fn calls_fail_or_come_short() {
        let (disk, ports) = spoiled(Order::Short(2), CallKind::WriteAt);
        let file = ports.disk.create_new(Path::new("a")).unwrap();
        assert_eq!(file.write_at(0, b"abc").unwrap(), 2);
        assert_eq!(disk.peek("a").unwrap(), b"ab");
        let (disk, ports) = spoiled(Order::Fail(Errno::Enospc), CallKind::WriteAt);
        let file = ports.disk.create_new(Path::new("a")).unwrap();
        assert_eq!(
            file.write_at(0, b"abc").unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(disk.peek("a").unwrap(), b"");
    }

    #[test]
    fn an_open_file_may_pass_for_the_one_at_its_name() {
        let (_, ports) = spoiled(Order::AsNamed, CallKind::Id);
        let old = ports.disk.create_new(Path::new("a")).unwrap();
        ports.disk.create_new(Path::new("b")).unwrap();
        ports.disk.rename(Path::new("b"), Path::new("a")).unwrap();
        let named = ports.disk.metadata(Path::new("a")).unwrap().id;
        assert_eq!(old.id().unwrap(), named);
    }
}
