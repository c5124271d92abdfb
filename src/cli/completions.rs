//! `completions`: what a shell needs to complete our command lines.

use clap::CommandFactory;
use clap_complete::Shell;

use super::context::Context;
use super::failure::Failure;
use super::{Cli, exit};

pub(super) const NAME: &str = "completions";

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell that is to read them
    shell: Shell,
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "every subcommand's run takes its arguments and may fail"
)]
pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "phaselog", &mut script);
    context.print.data(&script);
    Ok(exit::DONE)
}
