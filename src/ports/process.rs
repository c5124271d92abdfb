//! The door to processes: this one, those that hold our locks, and those that we start.

mod trial;

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::crew::Crew;
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

    /// What is to be seen of the process with that id, in the pid namespace of this one.
    fn look_at(&self, pid: u32) -> Seen;

    /// The pid namespace of this process, such as `pid:[4026531836]`; `None` where there is none.
    fn pid_namespace(&self) -> Option<String>;

    /// Starts this same program with other arguments, its standard output and error thrown away.
    ///
    /// # Errors
    /// As the system says.
    fn spawn_self(
        &self,
        args: &[OsString],
        env: &[(OsString, OsString)],
    ) -> io::Result<Box<dyn Child>>;

    /// Programs to be run for somebody, none yet; from here on the signals that end programs are heard there. Should this
    /// process be killed, a second one ends its programs: this same program with the arguments `guard`, which calls
    /// [`super::crew::keep_guard`]. Without arguments there is none.
    ///
    /// # Errors
    /// As the system says.
    fn crew(&self, guard: &[OsString]) -> io::Result<Box<dyn Crew>>;

    /// As [`Process::spawn_self`], with its standard output to be read here, and without any variable of ours
    /// (`PHASELOG_…`): what somebody set for a store of their own is none of its business.
    ///
    /// # Errors
    /// As the system says; `Unsupported` where no process can be started.
    fn spawn_talking(
        &self,
        args: &[OsString],
    ) -> io::Result<(Box<dyn Child>, Box<dyn Read + Send>)> {
        let _ = args;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// From now on this process may write no file beyond that many bytes: a write that reaches the limit is cut short,
    /// the next one kills the process (`RLIMIT_FSIZE`, SIGXFSZ). For crash tests.
    ///
    /// # Errors
    /// As the system says; `Unsupported` where it has no such limit.
    fn limit_file_size(&self, bytes: u64) -> io::Result<()> {
        let _ = bytes;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Puts an empty file system of that size, in memory, over an empty directory; or, if it is there already, gives it
    /// that size. For crash tests.
    ///
    /// # Errors
    /// As the system says: most users may not. `Unsupported` where there is no such thing.
    fn mount_small(&self, dir: &Path, bytes: u64, resize: bool) -> io::Result<()> {
        let _ = (dir, bytes, resize);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes away what [`Process::mount_small`] put there, with all that is in it.
    ///
    /// # Errors
    /// As the system says.
    fn unmount(&self, dir: &Path) -> io::Result<()> {
        let _ = dir;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What is to be seen of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there, and was started so many clock ticks after the boot.
    Running {
        /// Field 22 of `/proc/PID/stat`.
        start: u64,
    },
    /// There is no such process, or it has ended and nobody has asked for its exit status yet.
    Gone,
    /// The system does not tell.
    Unknown,
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

impl Process for RealProcess {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn host(&self) -> String {
        host()
    }

    fn random(&self) -> u64 {
        // `RandomState` is `SipHash` under a key of 128 bits that the system gave this thread.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        RandomState::new().hash_one((self.pid(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    fn lock_holder(&self, file: FileId) -> Option<String> {
        lock_holder(file)
    }

    fn look_at(&self, pid: u32) -> Seen {
        look_at(pid)
    }

    fn pid_namespace(&self) -> Option<String> {
        pid_namespace()
    }

    fn spawn_self(
        &self,
        args: &[OsString],
        env: &[(OsString, OsString)],
    ) -> io::Result<Box<dyn Child>> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(args)
            .envs(env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Box::new(RealChild(command.spawn()?)))
    }

    #[cfg(unix)]
    fn crew(&self, guard: &[OsString]) -> io::Result<Box<dyn Crew>> {
        Ok(Box::new(super::crew::RealCrew::new(guard.to_vec())?))
    }

    #[cfg(not(unix))]
    fn crew(&self, _: &[OsString]) -> io::Result<Box<dyn Crew>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn spawn_talking(
        &self,
        args: &[OsString],
    ) -> io::Result<(Box<dyn Child>, Box<dyn Read + Send>)> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PHASELOG_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn()?;
        let output = child.stdout.take().expect("it was piped");
        Ok((Box::new(RealChild(child)), Box::new(output)))
    }

    fn limit_file_size(&self, bytes: u64) -> io::Result<()> {
        trial::limit_file_size(bytes)
    }

    fn mount_small(&self, dir: &Path, bytes: u64, resize: bool) -> io::Result<()> {
        trial::mount_small(dir, bytes, resize)
    }

    fn unmount(&self, dir: &Path) -> io::Result<()> {
        trial::unmount(dir)
    }
}

/// A process of this machine that we started.
struct RealChild(std::process::Child);

impl Child for RealChild {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()
    }

    fn wait(&mut self) -> io::Result<Option<i32>> {
        self.0.wait().map(|status| status.code())
    }
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(target_os = "linux")]
fn lock_holder(file: FileId) -> Option<String> {
    let locks = proc_text("locks")?;
    let mut holders: Vec<String> = Vec::new();
    for lock in locks
        .lines()
        .filter_map(HeldLock::parse)
        .filter(|lock| lock.inode == file.inode)
    {
        if !lock.is_on(file) {
            continue;
        }
        let holder = match proc_text(&format!("{}/comm", lock.pid)) {
            Some(name) => format!("pid {} ({})", lock.pid, name.trim_end()),
            None => format!("pid {}", lock.pid),
        };
        if !holders.contains(&holder) {
            holders.push(holder);
        }
    }
    if holders.is_empty() {
        None
    } else {
        Some(holders.join(", "))
    }
}

#[cfg(not(target_os = "linux"))]
fn lock_holder(_: FileId) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
fn pid_namespace() -> Option<String> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

#[cfg(not(target_os = "linux"))]
fn pid_namespace() -> Option<String> {
    None
}

/// A missing `/proc/PID` proves nothing where `/proc` hides the processes of others (`hidepid`): a signal that is not
/// sent does.
#[cfg(target_os = "linux")]
fn look_at(pid: u32) -> Seen {
    use rustix::process::{Pid, test_kill_process};

    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Seen::Gone;
    };
    if test_kill_process(id) == Err(rustix::io::Errno::SRCH) {
        return Seen::Gone;
    }
    proc_text(&format!("{pid}/stat")).map_or(Seen::Unknown, |stat| seen_in(&stat))
}

#[cfg(not(target_os = "linux"))]
fn look_at(_: u32) -> Seen {
    Seen::Unknown
}

/// Reads `/proc/PID/stat` (proc(5)): `4711 (any name, also with ") ") S 1 …`; the start time is field 22.
#[cfg(target_os = "linux")]
fn seen_in(line: &str) -> Seen {
    let Some((_, fields)) = line.rsplit_once(") ") else {
        return Seen::Unknown;
    };
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    match (
        fields.first(),
        fields.get(19).and_then(|start| start.parse().ok()),
    ) {
        (Some(&("Z" | "X" | "x")), _) => Seen::Gone,
        (_, Some(start)) => Seen::Running { start },
        _ => Seen::Unknown,
    }
}

/// A line of `/proc/locks` (proc(5)) that tells who holds a lock: `1: FLOCK  ADVISORY  WRITE 4711 08:01:131090 0 EOF`.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq, Eq)]
struct HeldLock {
    pid: u32,
    major: u32,
    minor: u32,
    inode: u64,
}

#[cfg(target_os = "linux")]
impl HeldLock {
    /// Reads one line; `None` for other kinds of locks, for waiters (`->`), and for holders of another pid namespace.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let pid = fields.nth(2)?.parse().ok().filter(|&pid| pid != 0)?;
        let mut place = fields.next()?.split(':');
        Some(Self {
            pid,
            major: u32::from_str_radix(place.next()?, 16).ok()?,
            minor: u32::from_str_radix(place.next()?, 16).ok()?,
            inode: place.next()?.parse().ok()?,
        })
    }

    /// True if the lock is on that file and not on another one with the same inode number.
    fn is_on(&self, file: FileId) -> bool {
        let (major, minor) = (
            rustix::fs::major(file.device),
            rustix::fs::minor(file.device),
        );
        (self.major, self.minor) == (major, minor) || self.holder_has_open(file)
    }

    /// On btrfs and overlayfs the device in `/proc/locks` is not the one that `stat` tells: ask the open files.
    #[expect(clippy::disallowed_methods, reason = "/proc is no disk")]
    fn holder_has_open(&self, file: FileId) -> bool {
        use std::os::unix::fs::MetadataExt;

        let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", self.pid)) else {
            return false;
        };
        let mut found = open.filter_map(|entry| std::fs::metadata(entry.ok()?.path()).ok());
        found.any(|found| (found.dev(), found.ino()) == (file.device, file.inode))
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "/proc is no disk")]
pub(super) fn proc_text(path: &str) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{path}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ() {
        let drawn: std::collections::HashSet<u64> =
            (0..1_000).map(|_| RealProcess.random()).collect();
        assert_eq!(drawn.len(), 1_000);
        assert!(!RealProcess.host().is_empty() && RealProcess.pid() != 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_line_of_proc_locks_names_its_holder() {
        let lock = HeldLock::parse("1: FLOCK  ADVISORY  WRITE 4711 fd:01:131090 0 EOF");
        let expected = HeldLock {
            pid: 4711,
            major: 0xfd,
            minor: 1,
            inode: 131_090,
        };
        assert_eq!(lock, Some(expected));
        for other in [
            "1: -> FLOCK  ADVISORY  WRITE 4711 fd:01:131090 0 EOF",
            "2: POSIX  ADVISORY  WRITE 4711 fd:01:131090 0 EOF",
            "3: FLOCK  ADVISORY  WRITE 0 fd:01:131090 0 EOF",
            "4: FLOCK",
            "",
        ] {
            assert_eq!(HeldLock::parse(other), None, "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_seen_as_long_as_it_lives() {
        let own = RealProcess.look_at(RealProcess.pid());
        assert!(matches!(own, Seen::Running { start: 1.. }), "{own:?}");
        assert!(RealProcess.pid_namespace().unwrap().starts_with("pid:["));
        assert_eq!(RealProcess.look_at(0), Seen::Gone);
        assert_eq!(RealProcess.look_at(u32::MAX), Seen::Gone);
        // Ended, and not waited for: it stays in the table and does no more work.
        let args = ["--list".into(), "no such test".into()];
        let mut child = RealProcess.spawn_self(&args, &[]).unwrap();
        let pid = child.pid();
        let mut looks = 0;
        while RealProcess.look_at(pid) != Seen::Gone && looks < 2_000 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            looks += 1;
        }
        assert_eq!(RealProcess.look_at(pid), Seen::Gone);
        child.wait().unwrap();
        assert_eq!(RealProcess.look_at(pid), Seen::Gone);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_does_not_hide_the_start_time() {
        let stat = "7 (a) S 1) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9\n";
        assert_eq!(seen_in(stat), Seen::Running { start: 4242 });
        assert_eq!(seen_in(&stat.replace(") S 1 7", ") Z 1 7")), Seen::Gone);
        assert_eq!(seen_in("7 (a) S 1 7"), Seen::Unknown);
        assert_eq!(seen_in(""), Seen::Unknown);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_holder_of_a_lock_is_told_while_it_holds() {
        use crate::ports::{Disk, LockKind, RealDisk};

        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.create_new(&dir.path().join("lock")).unwrap();
        assert!(
            file.lock(LockKind::Exclusive, std::time::Duration::ZERO)
                .unwrap()
        );
        let id = file.id().unwrap();
        if let Some(holder) = RealProcess.lock_holder(id) {
            assert!(
                holder.starts_with(&format!("pid {} (", RealProcess.pid())),
                "{holder}"
            );
        }
        drop(file);
        assert_eq!(RealProcess.lock_holder(id), None);
    }

    #[test]
    fn a_child_that_was_started_can_be_waited_for() {
        // This same test program, asked to list no test at all.
        let args = ["--list".into(), "no such test".into()];
        let mut child = RealProcess.spawn_self(&args, &[]).unwrap();
        assert_ne!(child.pid(), RealProcess.pid());
        assert_eq!(child.wait().unwrap(), Some(0));
        child.kill().unwrap();
    }
}
