//! `run`: claim, run a command, report.

mod show;

use std::ffi::OsString;

use crate::error::Error;
use crate::pipeline::rejection::Left;
use crate::pipeline::{Phase, Rejection};
use crate::ports::Signal;
use crate::worker::{self, Order, Stop};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use show::Show;

pub(super) const NAME: &str = "run";

/// No more than this is kept of the end of standard error, in bytes: a record must stay readable.
const MOST_KEPT: u32 = 1 << 20;

/// Take work, run a command for it, and report how it ended
///
/// The command is run without a shell, with nothing on standard input. In its words {item} and {phase} stand for those;
/// it also finds PHASELOG_ITEM, PHASELOG_PHASE, PHASELOG_TOKEN, PHASELOG_STORE and, if a worker is named,
/// PHASELOG_WORKER. Exit status 0 completes the phase, 75 gives it back, anything else fails it with the end of standard
/// error as the error. What the command has reported by itself stands. What it prints is passed on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take this phase only
    #[arg(long, value_name = "PHASE")]
    phase: Option<Phase>,
    /// Who does the work
    #[arg(
        long,
        value_name = "NAME",
        env = "PHASELOG_WORKER",
        hide_env_values = true
    )]
    worker: Option<String>,
    /// Go on until nothing is left that can be done; wait while others are at work that may unlock some
    #[arg(long)]
    all: bool,
    /// Run so many commands at once
    #[arg(long, value_name = "N", requires = "all", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Keep so much of the end of standard error as the error
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_KEPT)))]
    keep_stderr: u32,
    /// Take the last line that the command prints for the item's data: a JSON object, merged into what is known
    #[arg(long)]
    enrich_from_stdout: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, num_args = 1.., value_name = "CMD")]
    command: Vec<OsString>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        phase,
        worker,
        all,
        jobs,
        keep_stderr,
        enrich_from_stdout,
        command,
    } = args;
    let order = Order {
        words: command,
        phase,
        worker,
        owner: context.ports.owner(context.ports.process.pid()),
        all,
        jobs: usize::from(jobs),
        keep_stderr: usize::try_from(keep_stderr).unwrap_or(usize::MAX),
        data_from_stdout: enrich_from_stdout,
    };
    let store = context.store()?;
    // From here on the signals that end programs are heard by the crew.
    let mut crew = context
        .ports
        .process
        .crew(&[super::run_guard::NAME.into()])
        .map_err(Error::io("start", &order.words[0]))?;
    let (ports, options) = (context.ports.clone(), context.options.clone());
    let mut show = Show::new(context, &order, &store);
    let stop = worker::work(&order, &ports, &options, store, &mut *crew, &mut show)?;
    // The guard goes before the answer is out: who reads that may take its time.
    drop(crew);
    show.finish(&stop);
    let (failure, status) = (show.failure.take(), show.status);
    match stop {
        Stop::Told(Signal::Interrupt | Signal::Kill) => Ok(exit::INTERRUPTED),
        Stop::Told(Signal::Terminate) => Ok(exit::TERMINATED),
        Stop::Told(Signal::Hangup) => Ok(exit::HUNG_UP),
        Stop::Told(Signal::Quit) => Ok(exit::QUIT),
        Stop::NoStart(error) => Err(no_start(error)),
        Stop::Store(error) => Err(error.into()),
        Stop::Nothing(Rejection::Drained { left }) if all && left == Left::default() => {
            Ok(exit::DONE)
        }
        Stop::Nothing(Rejection::Drained { .. }) if all => Ok(exit::FINDINGS),
        Stop::Nothing(rejection @ Rejection::NothingReady { .. }) => {
            let wait = context.print.shell.command("run --all", &[]);
            Err(Failure::from(rejection).with_hint(format!("{wait} waits for what comes next")))
        }
        Stop::Nothing(rejection) => Err(rejection.into()),
        Stop::One | Stop::Unreported => match failure {
            Some(failure) => Err(failure),
            None => Ok(status),
        },
    }
}

fn no_start(error: Error) -> Failure {
    Failure::from(error).with_hint(
        "nothing was recorded as failed; there is no shell between: sh -c '…' runs a line of one",
    )
}
