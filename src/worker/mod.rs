//! Running a command for each piece of work: claim, run, signs of life, report.
//!
//! ```text
//!   order     what is to be run, and how           words     the command for one piece of work
//!   floor     the loop: the only code that waits   job       one piece of work while its command runs
//!   lines     output in whole lines                verdict   what an ending is reported as
//!   tail      the end of standard error: the error last_line of standard output: the data
//!   outcome   what it came to
//! ```
//!
//! One loop holds the store, the crew and every job, so nothing is shared and nothing is locked: it claims while there
//! is room, passes on what commands write, gives signs of life, and reports as commands end. Whoever wants to see that
//! is a [`Watcher`].

mod order;
mod words;
mod lines;
mod tail;
mod last_line;
mod verdict;
mod outcome;
mod job;
mod floor;

pub use floor::work;
pub use order::Order;
pub use outcome::{Outcome, Piece, Stop, Watcher};
