//! Behaviour through the public API and the built program.
mod oracles;
mod crash;
mod damage;
mod repair;
