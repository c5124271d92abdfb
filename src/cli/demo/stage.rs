//! The directory in which the demo plays, and how it runs and shows commands there.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pipeline::Timestamp;
use crate::ports::{Child, Ports};
use crate::store::{Options, View};

use super::super::context::Context;
use super::super::exit;
use super::super::failure::Failure;
use super::super::hints::quote;

/// The store, in the directory.
pub(super) const STORE: &str = "data";

/// The largest file that is copied, in bytes; those of the demo are far smaller.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;

/// Where the demo plays.
pub(super) struct Stage<'c, 'a> {
    /// The directory, absolute; also the current one.
    pub(super) dir: PathBuf,
    /// False once a command ended as it should not have.
    pub(super) all_well: bool,
    pub(super) ports: Ports,
    context: &'c mut Context<'a>,
}

impl<'c, 'a> Stage<'c, 'a> {
    /// Makes the directory and goes there.
    pub(super) fn set(dir: &Path, context: &'c mut Context<'a>) -> Result<Self, Failure> {
        let ports = context.ports.clone();
        ports.disk.create_dir(dir).map_err(Error::io("make", dir))?;
        let dir = std::path::absolute(dir).map_err(Error::io("look at", dir))?;
        std::env::set_current_dir(&dir).map_err(Error::io("go to", &dir))?;
        let mut stage = Self {
            dir,
            all_well: true,
            ports,
            context,
        };
        let place = stage.dir.display().to_string();
        stage.show(&format!("cd {}", quote(&place)));
        Ok(stage)
    }

    /// Leaves the directory and removes it. What cannot be removed stays; a warning says so.
    pub(super) fn clear(self) {
        let away = std::env::set_current_dir(std::env::temp_dir());
        if let Err(error) = away.and_then(|()| self.ports.disk.remove_tree(&self.dir)) {
            let dir = self.dir.display();
            self.context
                .print
                .warning(&format!("{dir} was not removed: {error}"));
        }
    }

    pub(super) fn heading(&mut self, text: &str) {
        let text = self
            .context
            .print
            .style
            .paint(anstyle::AnsiColor::Cyan, text);
        self.say("");
        self.say(&text);
        self.say("");
    }

    /// Prints a line, at once: what follows may take a moment.
    pub(super) fn say(&mut self, line: &str) {
        self.context.print.line(line);
        self.context.print.flush();
    }

    /// Shows a command line.
    pub(super) fn show(&mut self, line: &str) {
        self.say(&format!("$ {line}"));
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.ports.clock.now().at
    }

    /// Looks at the store.
    pub(super) fn view(&self) -> Result<View> {
        View::open(&self.ports, Path::new(STORE), &Options::default())
    }

    /// Writes a file into the directory.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let write = || {
            self.ports
                .disk
                .create_new(Path::new(name))?
                .write_full_at(0, bytes)
        };
        write().map_err(Error::io("write", name))
    }

    /// Shows a command line, runs it in this process, and shows what it prints.
    pub(super) fn run(&mut self, args: &[&str]) {
        self.run_briefly(args, usize::MAX, "");
    }

    /// As [`Stage::run`], with no more than so many lines of standard output; how many more there were is told.
    pub(super) fn run_briefly(&mut self, args: &[&str], lines: usize, of_what: &str) {
        self.show(&command_line(args));
        let (status, printed) = self.printed(args);
        self.all_well &= matches!(status, exit::DONE | exit::FINDINGS);
        let (mut shown, mut left_out) = (0, 0);
        for (stream, bytes) in printed {
            for line in String::from_utf8_lossy(&bytes).lines() {
                if stream == Stream::Err || shown < lines {
                    self.context.print.line(line);
                    shown += usize::from(stream == Stream::Out);
                } else {
                    left_out += 1;
                }
            }
        }
        if left_out > 0 {
            self.say(&format!("… and {left_out} more lines ({of_what})"));
        }
        if status != exit::DONE {
            self.say(&format!("(exit {status})"));
        }
        self.say("");
    }

    /// Runs a command in this process and gives its standard output, unseen.
    pub(super) fn ask(&self, args: &[&str]) -> Vec<u8> {
        let (_, printed) = self.printed(args);
        let out = printed
            .into_iter()
            .filter(|(stream, _)| *stream == Stream::Out);
        out.flat_map(|(_, bytes)| bytes).collect()
    }

    /// Runs a command in this process; its exit status, and what it printed, whole lines in order.
    fn printed(&self, args: &[&str]) -> (u8, Vec<(Stream, Vec<u8>)>) {
        let all = RefCell::default();
        let words = std::iter::once("phaselog").chain(args.iter().copied());
        // Said, because PHASELOG_STORE would say otherwise: the demo must never touch the user's own store.
        let words = words.chain(["--store", STORE]).map(OsString::from);
        let (mut out, mut err) = (Sink(Stream::Out, &all), Sink(Stream::Err, &all));
        let status = super::super::run(words, &self.ports, &mut out, &mut err);
        (status, all.into_inner())
    }

    /// Starts a command as a process of its own; gives its command line too.
    pub(super) fn spawn(&self, args: &[&str]) -> Result<(Box<dyn Child>, String)> {
        let words = args.iter().copied().chain(["--store", STORE]);
        let words: Vec<OsString> = words.map(OsString::from).collect();
        let child = self
            .ports
            .process
            .spawn_self(&words, &[])
            .map_err(Error::io("start", "a worker"))?;
        let line = format!("{} &    # pid {}", command_line(args), child.pid());
        Ok((child, line))
    }
}

fn command_line(args: &[&str]) -> String {
    // A flag needs no quotes; an item that begins with a hyphen would.
    let word = |arg: &&str| {
        if arg.starts_with('-') {
            (*arg).to_owned()
        } else {
            quote(arg)
        }
    };
    let words: Vec<String> = args.iter().map(word).collect();
    format!("phaselog {}", words.join(" "))
}

/// The two ways out of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Where a command prints to: one list for both streams, so that the order stays.
struct Sink<'b>(Stream, &'b RefCell<Vec<(Stream, Vec<u8>)>>);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.1.borrow_mut();
        match all.last_mut() {
            Some((stream, text)) if *stream == self.0 => text.extend_from_slice(bytes),
            _ => all.push((self.0, bytes.to_vec())),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
