//! The `phaselog` program: real disk and clock in, exit status out.

use std::io::Write as _;
use std::process::ExitCode;

use phaselog::{cli, ports::Ports};

fn main() -> ExitCode {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut err = std::io::stderr().lock();
    let status = cli::run(std::env::args_os(), &Ports::real(), &mut out, &mut err);
    // Whatever could not be written was reported where it happened.
    let _ = out.flush();
    ExitCode::from(status)
}
