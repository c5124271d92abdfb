//! Behaviour through the public API and the built program, in one binary.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what stands outside the program looks at real files"
)]

mod support;
mod layers;
mod cli;
mod workers;
mod kill;
mod oracles;
mod crash;
