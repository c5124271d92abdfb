//! `run-guard`: the second process of `run`, hidden from the help. It ends the commands of a `run` that was killed.

use super::context::Context;
use super::exit;
use super::failure::Failure;

pub(super) const NAME: &str = "run-guard";

/// End the commands of a `run` that was killed: started by `run` itself
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every subcommand's run answers alike"
)]
pub(super) fn run(_: Args, _: &mut Context<'_>) -> Result<u8, Failure> {
    #[cfg(unix)]
    crate::ports::crew::keep_guard(&mut std::io::stdin().lock());
    Ok(exit::DONE)
}
