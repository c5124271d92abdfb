//! The door to programs that are run for somebody, and to the signals that reach this process meanwhile.
//!
//! ```text
//!   start   ->  a process group of its own, standard input empty, output and error through pipes
//!   next    <-  what it wrote | how it ended | a signal that reached this process | nothing: the time is over
//!   signal  ->  the whole group: what the program has started hears it too
//! ```
//!
//! Whoever holds the crew asks `next` again and again; nothing happens behind its back, and there are no threads.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::time::Duration;

#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod real;

#[cfg(unix)]
pub use guard::keep_guard;
#[cfg(unix)]
pub(super) use real::RealCrew;

/// Programs that run for somebody.
pub trait Crew {
    /// Looks whether a program of that name can be started.
    ///
    /// # Errors
    /// Not found, or not executable.
    fn look_for(&self, program: &OsStr) -> io::Result<()>;

    /// Starts a program.
    ///
    /// # Errors
    /// As the system says; then nothing runs.
    fn start(&mut self, program: &Program) -> io::Result<Member>;

    /// Waits for what happens next, for so long at most; for ever if that is `None`. All that a program wrote before it
    /// ended comes before its end. What its own children write after that is not waited for.
    ///
    /// # Errors
    /// As the system says.
    fn next(&mut self, patience: Option<Duration>) -> io::Result<Option<Happening>>;

    /// Sends a signal to a program and to all that it has started in its process group. Nothing happens if it has ended.
    fn signal(&mut self, member: Member, signal: Signal);
}

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name, then its arguments; there is a name.
    pub words: Vec<OsString>,
    /// Variables that it finds beside those of this process.
    pub env: Vec<(String, OsString)>,
}

/// A program that was started, by its number in this crew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A program wrote something.
    Wrote {
        /// Which.
        member: Member,
        /// Where to.
        stream: Stream,
        /// What.
        bytes: Vec<u8>,
    },
    /// A program has ended; it is no member any more.
    Ended {
        /// Which.
        member: Member,
        /// How.
        ending: Ending,
    },
    /// This process was told to end.
    Told(Signal),
}

/// Where a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit status.
    Exited(i32),
    /// By the signal of this number.
    Killed(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Killed(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {signal}"),
            },
        }
    }
}

#[cfg(unix)]
fn signal_name(signal: i32) -> Option<&'static str> {
    signal_hook::low_level::signal_name(signal)
}

#[cfg(not(unix))]
fn signal_name(_: i32) -> Option<&'static str> {
    None
}

/// The signals that end programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: a person pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: please end.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGQUIT: a person pressed Ctrl-\.
    Quit,
    /// SIGKILL: no program can refuse it.
    Kill,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_in_words() {
        let words = |ending: Ending| ending.to_string();
        assert_eq!(words(Ending::Exited(3)), "exit status 3");
        assert_eq!(words(Ending::Killed(9)), "killed by SIGKILL");
        assert_eq!(words(Ending::Killed(60)), "killed by signal 60");
    }
}
