//! `start`: begin an attempt. The token on standard output is the right to report.

use crate::pipeline::Command;
use crate::pipeline::event::Owner;

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_start;
use super::values::Target;

pub(super) const NAME: &str = "start";

/// Begin an attempt at a phase; prints the token
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Who does the work
    #[arg(
        long,
        value_name = "NAME",
        env = "PHASELOG_WORKER",
        hide_env_values = true
    )]
    worker: Option<String>,
    /// The process that does the work: when it is gone, the work is handed back at once
    #[arg(long, value_name = "N")]
    pid: Option<u32>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Target { item, phase } = args.target;
    let owner = owner(args.pid, context)?;
    submit_start(
        context,
        &Command::Start {
            item,
            phase,
            worker: args.worker,
            owner,
        },
    )
}

/// The process with that id, so named that it can be told from every other.
pub(super) fn owner(pid: Option<u32>, context: &Context<'_>) -> Result<Option<Owner>, Failure> {
    let Some(pid) = pid else {
        return Ok(None);
    };
    match context.ports.owner(pid) {
        Some(owner) => Ok(Some(owner)),
        None => Err(Failure::usage(format!(
            "--pid {pid}: no such process, or it cannot be seen from here"
        ))),
    }
}
