//! The words of the command line: parsed here, printed here, decided elsewhere.
//!
//! One file a subcommand, each with its `Args`, its `run` and the type that it prints. What they share:
//!
//! ```text
//!   global    flags that stand anywhere            context   store, ports, where output goes
//!   data      what is found out about items
//!   values    items, phases, JSON, files           times     what people write for a time, and how one is shown
//!   render    text, JSON, JSON lines               failure   an error's code and exit status
//!   hints     what to do next, as commands to copy
//!   moment    now, or any time before              told      records in words          table  aligned columns
//!   leases    work in progress: who, how long, until when
//! ```

#![expect(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    clippy::doc_markdown,
    reason = "a command owns its arguments; a report may grow; clap prints these docs as they stand"
)]

mod global;
mod context;
mod values;
mod times;
mod render;
mod hints;
mod failure;
mod receipts;
mod data;
mod items;
mod moment;
mod table;
mod leases;
mod estimate;
mod told;
mod welcome;

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::ports::Ports;
use context::Context;
use failure::Failure;
use global::Global;

/// Exit statuses that are no error.
mod exit {
    /// Done.
    pub(super) const DONE: u8 = 0;
    /// The command that was run failed, and that is recorded.
    pub(super) const FAILED: u8 = 1;
    /// Done, with findings.
    pub(super) const FINDINGS: u8 = 3;
    /// There is more to do, only not now.
    pub(super) const NOT_NOW: u8 = 4;
    /// Readable in part: what could be read was printed.
    pub(super) const DAMAGED: u8 = 7;
    /// A person pressed Ctrl-C.
    pub(super) const INTERRUPTED: u8 = 130;
    /// Told to end.
    pub(super) const TERMINATED: u8 = 143;
}

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "phaselog",
    version,
    about = "The crash-safe state of batch pipelines: many items, several phases, one write-ahead log",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

macro_rules! commands {
    ($($(#[$when:meta])? $module:ident => $variant:ident),* $(,)?) => {
        $($(#[$when])? mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Command {
            $(
                $(#[$when])?
                #[command(name = $module::NAME)]
                $variant($module::Args),
            )*
        }

        impl Command {
            fn run(self, context: &mut Context<'_>) -> Result<u8, Failure> {
                match self {
                    $($(#[$when])? Self::$variant(args) => $module::run(args, context),)*
                }
            }
        }
    };
}

// In the order of the help: make one, work, look, mend.
commands! {
    init => Init,
    import => Import,
    add => Add,
    claim => Claim,
    run => Run,
    heartbeat => Heartbeat,
    start => Start,
    complete => Complete,
    fail => Fail,
    skip => Skip,
    release => Release,
    retry => Retry,
    hold => Hold,
    unhold => Unhold,
    checkpoint => Checkpoint,
    enrich => Enrich,
    extract => Extract,
    resume => Resume,
    wait => Wait,
    status => Status,
    list => List,
    show => Show,
    why => Why,
    plan => Plan,
    history => History,
    log => Log,
    diff => Diff,
    replay => Replay,
    export => Export,
    compact => Compact,
    verify => Verify,
    doctor => Doctor,
    repair => Repair,
    backup => Backup,
    #[cfg(feature = "testing")]
    crash_test => CrashTest,
    demo => Demo,
    completions => Completions,
    man => Man,
    demo_worker => DemoWorker,
    run_guard => RunGuard,
    #[cfg(feature = "testing")]
    crash_writer => CrashWriter,
}

/// Runs one command line and returns the exit status. Nothing is read from the process but through the arguments,
/// the environment that clap reads, and the ports.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    ports: &Ports,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match Cli::command().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return failure::usage(&error, &args, out, err),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error, &args, out, err),
    };
    let exports = matches!(&cli.command, Some(Command::Claim(args)) if args.export);
    let mut context = match Context::new(&cli.global, ports, out, err) {
        Ok(context) => context,
        Err((failure, mut printer)) => {
            if exports {
                printer.line(&claim::shell_exit(failure.code().1));
            }
            return printer.fail(&failure);
        }
    };
    let result = match cli.command {
        Some(command) => command.run(&mut context),
        None => welcome::run(&mut context),
    };
    context.finish(result)
}
