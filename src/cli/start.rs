//! `start`: begin an attempt. The token on standard output is the right to report.

use crate::pipeline::Command;

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_start;
use super::values::{Target, WorkerArgs};

pub(super) const NAME: &str = "start";

/// Begin an attempt at a phase; prints the token
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    worker: WorkerArgs,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { target, worker } = args;
    let Target { item, phase } = target;
    let owner = worker.owner(context)?;
    submit_start(
        context,
        &Command::Start {
            item,
            phase,
            worker: worker.worker,
            owner,
        },
    )
}
