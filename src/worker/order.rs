//! What is to be run, and how.

use std::ffi::OsString;

use crate::pipeline::Phase;
use crate::pipeline::event::Owner;

/// What is to be run, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// The command: its name, then its arguments; there is a name. `{item}` and `{phase}` stand for those.
    pub words: Vec<OsString>,
    /// Only this phase.
    pub phase: Option<Phase>,
    /// Who does the work.
    pub worker: Option<String>,
    /// This process.
    pub owner: Option<Owner>,
    /// Go on until nothing is left that can be done; else one piece of work.
    pub all: bool,
    /// So many commands at once; at least 1.
    pub jobs: usize,
    /// So many bytes of the end of standard error are kept as the error.
    pub keep_stderr: usize,
    /// The last line of standard output is the data of the item, as a JSON object.
    pub data_from_stdout: bool,
}
