//! `crash-writer`: a writer that lives to be killed, hidden from the help. It works through a store in every way there
//! is and says each answer as one line, so that `crash-test`, and the tests, know what was promised.

use std::ops::ControlFlow;

use crate::store::{CompactMode, Options};
use crate::testing::crash_test::{self, worker};

use super::context::Context;
use super::exit;
use super::failure::Failure;

/// As the crash test calls it.
pub(super) const NAME: &str = crash_test::WRITER;

/// Work through a store until killed: for the crash test
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// What its choices follow from
    #[arg(long, value_name = "S")]
    seed: u64,
    /// End after so many steps
    #[arg(long, value_name = "N")]
    steps: usize,
    /// Write no file beyond the length of the last segment and so many bytes; die in the attempt
    #[arg(long, value_name = "BYTES")]
    room: Option<u64>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { seed, steps, room } = args;
    let orders = worker::Orders { seed, steps, room };
    let (ports, dir) = (context.ports.clone(), context.dir().to_owned());
    let options = Options {
        segment_bytes: context.options.segment_bytes.min(crash_test::SEGMENT_BYTES),
        compact: CompactMode::Never,
        ..context.options.clone()
    };
    let print = &mut context.print;
    worker::work(&ports, &dir, &options, orders, &mut |claim| {
        print.line(&crash_test::to_line(claim));
        print.flush();
        if print.is_closed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(exit::DONE)
}
