//! The programs of this machine: one `poll` over their pipes, their ends and our signals.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

use super::{Crew, Ending, Happening, Member, Program, Signal, Stream, guard};

/// As much is read from a pipe at once.
const CHUNK: usize = 64 << 10;
/// No pipe of Linux holds more for an ordinary user, so all that a program wrote before it ended is in the first so many
/// bytes after that.
const MOST_IN_PIPE: usize = 1 << 20;
/// How often is asked whether a program has ended, where the system does not tell by itself.
const LOOK: Duration = Duration::from_millis(50);

/// The programs that were started and the signals that reach us.
pub(in crate::ports) struct RealCrew {
    started: u64,
    members: Vec<Running>,
    happened: VecDeque<Happening>,
    ears: Vec<Ear>,
    guard: Guard,
}

impl RealCrew {
    /// Listens for signals from here on. The guard is this same program with these arguments, started with the first
    /// member; none if there are no arguments.
    ///
    /// # Errors
    /// As the system says.
    pub(in crate::ports) fn new(guard: Vec<OsString>) -> io::Result<Self> {
        let ends = [
            (Signal::Interrupt, SIGINT),
            (Signal::Terminate, SIGTERM),
            (Signal::Hangup, SIGHUP),
            (Signal::Quit, SIGQUIT),
        ];
        let ears = ends
            .into_iter()
            .filter(|&(_, number)| !is_ignored(number))
            .map(|(signal, number)| Ear::new(signal, number))
            .collect::<io::Result<_>>()?;
        let guard = if guard.is_empty() {
            Guard::None
        } else {
            Guard::Wanted(guard)
        };
        Ok(Self {
            started: 0,
            members: Vec::new(),
            happened: VecDeque::new(),
            ears,
            guard,
        })
    }

    /// Returns when something can be read, a program has ended, a signal came, or the time is over.
    fn wait(&self, patience: Option<Duration>) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        let fd = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        fds.extend(self.ears.iter().map(|ear| fd(ear.inner.as_fd())));
        let mut patience = patience;
        for member in &self.members {
            fds.extend(member.fds().map(fd));
            if member.end.is_none() {
                patience = Some(patience.map_or(LOOK, |patience| patience.min(LOOK)));
            }
        }
        let timeout = patience.map(|patience| Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            // A signal: its ear has something to tell.
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes in all that there is by now, without waiting.
    fn gather(&mut self) -> io::Result<()> {
        for ear in &mut self.ears {
            for _ in 0..ear.heard() {
                self.happened.push_back(Happening::Told(ear.signal));
            }
        }
        let mut at = 0;
        while let Some(member) = self.members.get_mut(at) {
            let Some(status) = member.child.try_wait()? else {
                member.read(CHUNK, &mut self.happened);
                at += 1;
                continue;
            };
            member.read(MOST_IN_PIPE, &mut self.happened);
            let ended = self.members.remove(at);
            self.guard.tell(&guard::ended(ended.child.id()));
            self.happened.push_back(Happening::Ended {
                member: ended.member,
                ending: ending(status),
            });
        }
        Ok(())
    }
}

impl Crew for RealCrew {
    fn look_for(&self, program: &OsStr) -> io::Result<()> {
        look_for(program, std::env::var_os("PATH"))
    }

    fn start(&mut self, program: &Program) -> io::Result<Member> {
        let (name, args) = program.words.split_first().ok_or(ErrorKind::InvalidInput)?;
        self.guard.stand();
        let mut command = Command::new(name);
        command
            .args(args)
            .envs(program.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let child = command.spawn()?;
        self.started += 1;
        let member = Member(self.started);
        self.guard.tell(&guard::started(child.id()));
        self.members.push(Running::new(member, child));
        Ok(member)
    }

    fn next(&mut self, patience: Option<Duration>) -> io::Result<Option<Happening>> {
        if self.happened.is_empty() {
            self.wait(patience)?;
            self.gather()?;
        }
        Ok(self.happened.pop_front())
    }

    fn signal(&mut self, member: Member, signal: Signal) {
        let Some(running) = self.members.iter().find(|running| running.member == member) else {
            return;
        };
        let signal = match signal {
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Hangup => rustix::process::Signal::HUP,
            Signal::Quit => rustix::process::Signal::QUIT,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        // Not waited for yet, so the number is still that of this program. If it has ended, nobody needs to hear.
        let _ = kill_process_group(pid_of(&running.child), signal);
    }
}

/// A program that runs.
struct Running {
    member: Member,
    child: Child,
    /// Readable as soon as it has ended; `None` where the system has no such thing.
    end: Option<OwnedFd>,
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
}

impl Running {
    fn new(member: Member, mut child: Child) -> Self {
        let out: Option<OwnedFd> = child.stdout.take().map(Into::into);
        let err: Option<OwnedFd> = child.stderr.take().map(Into::into);
        for pipe in [&out, &err].into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true).expect("every pipe can be read without waiting");
        }
        Self {
            member,
            end: end_of(&child),
            child,
            out,
            err,
        }
    }

    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let fds = [&self.end, &self.out, &self.err];
        fds.into_iter().flatten().map(AsFd::as_fd)
    }

    /// Reads up to so many bytes of each pipe, without waiting.
    fn read(&mut self, most: usize, happened: &mut VecDeque<Happening>) {
        let pipes = [(Stream::Out, &mut self.out), (Stream::Err, &mut self.err)];
        for (stream, pipe) in pipes {
            let mut left = most;
            while let Some(fd) = pipe.as_ref().filter(|_| left > 0) {
                let mut bytes = vec![0; CHUNK.min(left)];
                match rustix::io::read(fd, &mut bytes) {
                    Ok(read @ 1..) => {
                        left -= read;
                        bytes.truncate(read);
                        happened.push_back(Happening::Wrote {
                            member: self.member,
                            stream,
                            bytes,
                        });
                    }
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(rustix::io::Errno::INTR) => {}
                    // Closed by all who wrote to it, or as good as that.
                    Ok(_) | Err(_) => *pipe = None,
                }
            }
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[cfg(target_os = "linux")]
fn end_of(child: &Child) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid_of(child), rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn end_of(_: &Child) -> Option<OwnedFd> {
    None
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Killed(signal.unwrap_or_default()),
    }
}

/// Hears one signal for as long as it is there.
struct Ear {
    signal: Signal,
    inner: UnixStream,
    handler: signal_hook::SigId,
}

impl Ear {
    fn new(signal: Signal, number: i32) -> io::Result<Self> {
        let (inner, outer) = UnixStream::pair()?;
        inner.set_nonblocking(true)?;
        let handler = pipe::register(number, outer)?;
        Ok(Self {
            signal,
            inner,
            handler,
        })
    }

    /// How often the signal came since this was asked last.
    fn heard(&mut self) -> usize {
        let mut bytes = [0; 16];
        self.inner.read(&mut bytes).unwrap_or(0)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        unregister(self.handler);
    }
}

/// True if whoever started this process wants it not to hear the signal: `nohup`, or `&` in a script.
#[cfg(target_os = "linux")]
fn is_ignored(signal: i32) -> bool {
    let Some(status) = crate::ports::process::proc_text("self/status") else {
        return false;
    };
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(not(target_os = "linux"))]
fn is_ignored(_: i32) -> bool {
    false
}

/// The process that ends our programs if we cannot any more.
enum Guard {
    /// Nobody wants one, or none could be started.
    None,
    /// To be started with these arguments.
    Wanted(Vec<OsString>),
    /// It stands, and hears us.
    Stands(Post),
}

impl Guard {
    fn stand(&mut self) {
        if let Self::Wanted(args) = self {
            *self = Post::new(args).map_or(Self::None, Self::Stands);
        }
    }

    fn tell(&mut self, line: &str) {
        if let Self::Stands(Post { line_in, .. }) = self
            && let Some(pipe) = line_in
        {
            // One that is gone guards nothing; the token still does.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

/// The guard and the pipe to it.
struct Post {
    child: Child,
    line_in: Option<ChildStdin>,
}

impl Post {
    fn new(args: &[OsString]) -> io::Result<Self> {
        // Out of our process group: what kills us all together leaves it.
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let line_in = child.stdin.take();
        Ok(Self { child, line_in })
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        drop(self.line_in.take());
        let _ = self.child.wait();
    }
}

/// As `execvp` looks: a name with a slash is a path, any other is sought in `PATH`.
fn look_for(program: &OsStr, path: Option<OsString>) -> io::Result<()> {
    let is_path = program.as_encoded_bytes().contains(&b'/');
    let places: Vec<PathBuf> = match path {
        _ if is_path => vec![program.into()],
        // The system has a path of its own then.
        None => return Ok(()),
        Some(path) => std::env::split_paths(&path)
            .map(|dir| dir.join(program))
            .collect(),
    };
    let mut why = ErrorKind::NotFound;
    for place in places {
        match runnable(&place) {
            Ok(()) => return Ok(()),
            Err(ErrorKind::PermissionDenied) => why = ErrorKind::PermissionDenied,
            Err(_) => {}
        }
    }
    let errno = match why {
        ErrorKind::PermissionDenied => rustix::io::Errno::ACCESS,
        _ => rustix::io::Errno::NOENT,
    };
    Err(errno.into())
}

fn runnable(place: &Path) -> Result<(), ErrorKind> {
    use rustix::fs::{Access, FileType, access, stat};

    let found = stat(place).map_err(rustix::io::Errno::kind)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(ErrorKind::PermissionDenied);
    }
    access(place, Access::EXEC_OK).map_err(rustix::io::Errno::kind)
}

#[cfg(test)]
mod tests;
