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

mod exit;
mod global;
mod context;
mod values;
mod times;
mod render;
mod bar;
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

use clap::{Args as _, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::ports::Ports;
use context::Context;
use failure::Failure;
use global::Global;

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
            /// The command of that name, by itself.
            fn alone(name: &str) -> Option<clap::Command> {
                match name {
                    $(
                        $(#[$when])?
                        $module::NAME => {
                            Some($module::Args::augment_args(clap::Command::new($module::NAME)))
                        }
                    )*
                    _ => None,
                }
            }

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
    let cli = match parse(&args) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error, &args, out, err),
    };
    let exports = matches!(&cli.command, Some(Command::Claim(args)) if args.export);
    let mut context = match Context::new(&cli.global, ports, out, err) {
        Ok(context) => context,
        Err((failure, mut printer)) => {
            if exports {
                printer.line(&exit::shell(failure.code().1));
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

/// Reads a command line.
fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    match parse_lean(args) {
        Some(cli) => Ok(cli),
        None => Cli::from_arg_matches(&Cli::command().try_get_matches_from(args)?),
    }
}

/// Reads a command line with only that command in mind whose name stands in it first: to build all the others takes longer
/// than to do what is asked. What it understands means the same to the whole; what it does not is for the whole to judge,
/// and to explain.
fn parse_lean(args: &[OsString]) -> Option<Cli> {
    let named = |arg: &OsString| Command::alone(arg.to_str()?);
    let command = args.iter().skip(1).find_map(named)?;
    let root = Global::augment_args(clap::Command::new("phaselog")).subcommand(command);
    let matches = root
        .disable_help_subcommand(true)
        .try_get_matches_from(args);
    Cli::from_arg_matches(&matches.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        std::iter::once("phaselog")
            .chain(line.split(' '))
            .map(OsString::from)
            .collect()
    }

    #[test]
    fn one_command_by_itself_is_read_as_among_all() {
        for line in [
            "complete a b",
            "-s d complete a b --token 7 --json",
            "--now 2026-11-23T00:00:00Z -C d claim --phase x --worker w --quiet",
            "start a b --color never",
            "import x.json --assume-tz america/phoenix --dry-run",
            "status",
            "list --status failed --utc",
            "export --format jsonl",
            "history a -v",
        ] {
            let words = words(line);
            let whole = Cli::command().try_get_matches_from(&words);
            let whole = whole.and_then(|matches| Cli::from_arg_matches(&matches));
            let (lean, whole) = (parse_lean(&words).unwrap(), whole.unwrap());
            assert_eq!(format!("{lean:?}"), format!("{whole:?}"), "{line}");
        }
    }

    #[test]
    fn what_one_command_cannot_say_is_left_to_all() {
        for line in [
            "",
            "complet a b",
            "complete",
            "complete --help",
            "--version complete a b",
            "-s complete start a b",
            "help complete",
        ] {
            assert!(parse_lean(&words(line)).is_none(), "{line}");
        }
        let value = words("-s complete start a b");
        let command = parse(&value).unwrap().command;
        assert!(matches!(command, Some(Command::Start(_))));
        for command in Cli::command().get_subcommands() {
            assert!(Command::alone(command.get_name()).is_some());
        }
    }
}
