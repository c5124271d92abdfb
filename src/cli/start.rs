//! `start`: begin an attempt. The token on standard output is the right to report.

use crate::pipeline::Command;

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
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Target { item, phase } = args.target;
    submit_start(
        context,
        &Command::Start {
            item,
            phase,
            worker: args.worker,
            owner: None,
        },
    )
}
