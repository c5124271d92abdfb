//! `crash-test`: proves the promise on this machine and disk, in a store of its own.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::error::Error;
use crate::ports::crew::Signal;
use crate::testing::crash_test::{self, Trial, Tried};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::quote;
use super::render::{Report, Style, escape};
use super::table::{Align, Table};

pub(super) const NAME: &str = "crash-test";

/// Prove the promise on this machine and disk, in a store of its own
///
/// Starts writers and kills them at random, cuts their writes, hurts copies of what they left, fills small disks (as
/// root, who may mount them), lets calls fail and cuts the power on a simulated disk; after each of it, holds the store
/// to every answer that was given. Everything happens in a new directory, which is removed at the end unless something
/// was lost. No store of yours is touched.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How often everything is done
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// Make the choices of an earlier run again; what processes make of them depends on the machine
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where to make the directory: the disk that is to be tested; else the current directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also write the result there, as JSON; the file must not exist
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        cycles,
        seed,
        dir,
        report,
    } = args;
    // What was set for a store of the user's, a given time too, is nothing to a store of the test's own.
    let ports = context.real.clone();
    let seed = seed.unwrap_or_else(|| ports.process.random() >> 32);
    let trial = Trial {
        // A writer is another process: it must find the place wherever it starts.
        dir: std::path::absolute(dir.unwrap_or_else(|| PathBuf::from(".")))
            .map_err(Error::io("look at", "."))?,
        cycles: usize::try_from(cycles).unwrap_or(usize::MAX),
        seed,
    };
    // Made first: a long run whose result cannot be kept is of no use.
    let file = match &report {
        Some(path) => {
            let file = ports.disk.create_new(path);
            Some((path, file.map_err(Error::io("create", path))?))
        }
        None => None,
    };
    let shown = std::io::stderr().is_terminal();
    let begin = ports.clock.now().at;
    let tried = crash_test::run(&ports, &trial, &mut |what| {
        if shown {
            // Back to the line's start, then away with what stood there.
            context.print.progress(what);
        }
    });
    if shown {
        context.print.progress("");
    }
    if let (Err(_), Some((path, _))) = (&tried, &file) {
        // Nothing will be written there.
        let _ = ports.disk.remove_file(path);
    }
    let tried = tried.map_err(|error| match error {
        error @ Error::Usage { .. } => Failure::from(error).with_hint(
            "--dir names a directory on the disk that is to be tested, outside of every store",
        ),
        error => error.into(),
    })?;
    let seconds = ports.clock.now().at.micros_since(begin) as f64 / 1e6;
    let status = match tried.told {
        _ if !tried.violations.is_empty() => exit::DAMAGED,
        None => exit::DONE,
        Some(Signal::Interrupt | Signal::Kill) => exit::INTERRUPTED,
        Some(Signal::Terminate) => exit::TERMINATED,
        Some(Signal::Hangup) => exit::HUNG_UP,
        Some(Signal::Quit) => exit::QUIT,
    };
    let result = CrashTestReport {
        tried,
        trial,
        seconds,
    };
    if let Some((path, file)) = file {
        let text = super::render::document(result.json()) + "\n";
        let written = file
            .write_full_at(0, text.as_bytes())
            .and_then(|()| file.sync());
        written.map_err(Error::io("write", path))?;
    }
    context.print.report(&result);
    Ok(status)
}

const fn name_of(signal: Signal) -> &'static str {
    match signal {
        Signal::Interrupt => "SIGINT",
        Signal::Terminate => "SIGTERM",
        Signal::Hangup => "SIGHUP",
        Signal::Quit => "SIGQUIT",
        Signal::Kill => "SIGKILL",
    }
}

struct CrashTestReport {
    tried: Tried,
    trial: Trial,
    seconds: f64,
}

impl CrashTestReport {
    /// The command that makes the same choices again.
    fn again(&self) -> String {
        let dir = self.trial.dir.display().to_string();
        format!(
            "phaselog crash-test --cycles {} --seed {} --dir {}",
            self.trial.cycles,
            self.trial.seed,
            quote(&dir)
        )
    }
}

impl Report for CrashTestReport {
    fn text(&self, style: &Style) -> String {
        let mut table = Table::new(&[
            ("PART", Align::Left),
            ("CHECKED", Align::Right),
            ("KILLS", Align::Right),
            ("ACKNOWLEDGED", Align::Right),
            ("LOST", Align::Right),
            ("SILENT", Align::Right),
        ]);
        for row in &self.tried.rows {
            let numbers = [
                row.checked,
                row.kills,
                row.acknowledged,
                row.lost,
                row.silent,
            ];
            let cells = std::iter::once(row.part.to_owned());
            let cells: Vec<String> = cells
                .chain(numbers.map(|number| number.to_string()))
                .collect();
            table.row(&cells);
        }
        let mut text = table.text("", *style);
        for skipped in &self.tried.skipped {
            let _ = writeln!(text, "skipped: {}: {}", skipped.part, skipped.why);
        }
        for violation in &self.tried.violations {
            let said = escape(&violation.said);
            let _ = writeln!(
                text,
                "VIOLATION in {}, cycle {}: {said}",
                violation.part, violation.cycle
            );
        }
        let cycles = self.trial.cycles;
        let seconds = self.seconds;
        let _ = match &self.tried.kept {
            None if let Some(signal) = self.tried.told => writeln!(
                text,
                "ended by {} after {seconds:.1} s: so far every promise was kept",
                name_of(signal)
            ),
            None => writeln!(
                text,
                "every promise was kept: {cycles} cycles in {seconds:.1} s"
            ),
            Some(kept) => writeln!(text, "what was left is kept in {}", kept.display()),
        };
        let _ = writeln!(text, "the same choices again: {}", self.again());
        text
    }

    fn json(&self) -> Value {
        let rows = self.tried.rows.iter().map(|row| {
            json!({
                "part": row.part, "checked": row.checked, "kills": row.kills,
                "acknowledged": row.acknowledged, "lost": row.lost, "silent": row.silent,
            })
        });
        let skipped = self.tried.skipped.iter();
        let skipped = skipped.map(|skipped| json!({"part": skipped.part, "why": skipped.why}));
        let violations = self.tried.violations.iter().map(|violation| {
            json!({
                "part": violation.part, "cycle": violation.cycle, "message": violation.said,
            })
        });
        json!({
            "seed": self.trial.seed,
            "cycles": self.trial.cycles,
            "dir": self.trial.dir.display().to_string(),
            "seconds": self.seconds,
            "parts": rows.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
            "violations": violations.collect::<Vec<_>>(),
            "told": self.tried.told.map(name_of),
            "kept": self.tried.kept.as_ref().map(|kept| kept.display().to_string()),
            "again": self.again(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("parts")
    }
}
