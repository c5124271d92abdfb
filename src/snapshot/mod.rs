//! The JSON files that people and scripts read, and how they come to be.

pub mod import;
