//! Behaviour through the public API and the built program, in one binary.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what stands outside the program looks at real files, and tests tell what they did or skipped"
)]

mod support;
mod layers;
mod promise;
mod cli;
mod workers;
mod run;
mod kill;
mod eight;
mod crowd;
mod demo;
mod look;
mod refusals;
mod files;
mod workload;
mod crash;
mod together;
mod put_back;
mod cache;
mod damage;
mod repair;
mod backup;
mod syscalls;
mod soak;
mod fuzz;
mod security;
mod live;
mod mutations;
mod again;
mod older;
mod fields;
mod taken_out;
mod forms;
mod crossed;
mod audit;
mod shared;
mod odd;
mod in_the_way;
mod export;
mod merge;
mod doctor;
mod stands;
mod enrich;
mod importing;
mod companions;
mod shapes;
