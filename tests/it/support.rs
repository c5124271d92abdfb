//! A directory in which the built program runs, and what it printed there.
//!
//! The environment is empty but for `TZ=UTC`, `NO_COLOR` and what a test sets, so nothing of the caller's shell gets in.
//! Snapshots are written when a test says so (`PHASELOG_COMPACT`), so that a record's number depends on nothing but the
//! commands before it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_phaselog");

/// The items of [`Lab::with_store`].
pub(crate) const HOUSES: [&str; 3] = [
    "100 N Example St, Phoenix, AZ 85001",
    "207 W Mockup Blvd, Phoenix, AZ 85014",
    "8 E Sample Ave, Mesa, AZ 85201",
];

/// The first of them.
pub(crate) const HOUSE: &str = HOUSES[0];

/// A directory of its own for one test.
pub(crate) struct Lab {
    dir: TempDir,
    env: Vec<(String, String)>,
}

impl Lab {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temp directory can be made");
        Self {
            dir,
            env: Vec::new(),
        }
    }

    /// A directory with a store `data` in it: three houses, the phase `list`, and `photos`, which needs it.
    pub(crate) fn with_store() -> Self {
        let lab = Self::new();
        let [a, b, c] = HOUSES;
        lab.must(&[
            "init",
            "--phase",
            "list",
            "--phase",
            "photos:needs=list",
            a,
            b,
            c,
        ]);
        lab
    }

    /// Sets a variable for every command from here on.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    /// The program with these arguments, ready to be started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("PHASELOG_COMPACT", "never")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_with_input(args, "")
    }

    /// Runs the program with this on standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // A program that does not read its input closes it.
        let _ = child
            .stdin
            .take()
            .expect("it was piped")
            .write_all(input.as_bytes());
        let output = child.wait_with_output().expect("the program ends");
        Output {
            line: command_line(args, &self.env),
            exit: output.status.code(),
            stdout: self.fixed(&output.stdout),
            stderr: self.fixed(&output.stderr),
        }
    }

    /// Runs the program, which has to succeed.
    pub(crate) fn must(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.exit, Some(0), "{}", output.text());
        output
    }

    /// Starts a phase, which has to succeed, and gives the token.
    pub(crate) fn start(&self, item: &str, phase: &str) -> String {
        self.must(&["start", item, phase, "--worker", "w1"])
            .stdout
            .trim_end()
            .to_owned()
    }

    /// The text of one command and of the same with `--json`.
    pub(crate) fn both(&self, args: &[&str]) -> [Output; 2] {
        let json: Vec<&str> = std::iter::once("--json")
            .chain(args.iter().copied())
            .collect();
        [self.run(args), self.run(&json)]
    }

    /// Output with what differs from run to run replaced: the directory, and the log's random id.
    fn fixed(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).replace('\0', "\\0");
        let real = self
            .dir
            .path()
            .canonicalize()
            .expect("the directory is there");
        for dir in [real.as_path(), self.dir.path()] {
            text = text.replace(&*dir.to_string_lossy(), "[DIR]");
        }
        match log_id(&self.path("data")) {
            Some(id) => without_head(text.replace(&id, "[LOG]")),
            None => text,
        }
    }
}

/// The text with the head of the log, which hangs on its random id, replaced where `status` shows it.
fn without_head(mut text: String) -> String {
    for mark in ["log head   ", "\"head\":\""] {
        let mut at = 0;
        while let Some(found) = text[at..].find(mark) {
            at += found + mark.len();
            let is_hex = |head: &str| head.bytes().all(|byte| byte.is_ascii_hexdigit());
            if text.get(at..at + 64).is_some_and(is_hex) {
                text.replace_range(at..at + 64, "[HEAD]");
            }
        }
    }
    text
}

/// The random id in the header of a store's first segment.
fn log_id(store: &Path) -> Option<String> {
    let segment = std::fs::read_to_string(store.join("wal/00000000000000000001.wal")).ok()?;
    let (_, after) = segment.lines().next()?.split_once("\"log\":\"")?;
    after.get(..32).map(str::to_owned)
}

/// What one run of the program came to.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) line: String,
    /// `None` if a signal ended it.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// All of it, as a snapshot shows it.
    pub(crate) fn text(&self) -> String {
        let exit = self
            .exit
            .map_or_else(|| "a signal".to_owned(), |status| status.to_string());
        let ended = |text: &str| match text {
            "" => String::new(),
            text if text.ends_with('\n') => text.to_owned(),
            // Without this a missing last newline would not show.
            text => format!("{text}[no newline]\n"),
        };
        format!(
            "$ {}\n[exit {exit}]\n--- stdout\n{}--- stderr\n{}",
            self.line,
            ended(&self.stdout),
            ended(&self.stderr)
        )
    }

    /// The same with a text that differs from run to run replaced.
    pub(crate) fn with(mut self, text: &str, shown: &str) -> Self {
        self.stdout = self.stdout.replace(text, shown);
        self.stderr = self.stderr.replace(text, shown);
        self
    }
}

/// The command line as one would type it, with the variables that were set.
fn command_line(args: &[&str], env: &[(String, String)]) -> String {
    let set = env
        .iter()
        .map(|(name, value)| format!("{name}={}", quote(value)));
    let words = args.iter().map(|arg| quote(arg));
    let words: Vec<String> = set
        .chain(std::iter::once("phaselog".to_owned()))
        .chain(words)
        .collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{word}'")
    }
}

/// Compares whole outputs with the snapshot `snapshots/<name>.snap`.
#[track_caller]
pub(crate) fn shows(name: &str, outputs: &[Output]) {
    let texts: Vec<String> = outputs.iter().map(Output::text).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, texts.join("\n")));
}
