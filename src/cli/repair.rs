//! STUB
use super::context::Context;
use super::failure::Failure;
pub(super) const NAME: &str = "repair";
/// stub
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) fn run(_args: Args, _context: &mut Context<'_>) -> Result<u8, Failure> { Ok(0) }
