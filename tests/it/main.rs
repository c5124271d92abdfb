//! Behaviour through the public API and the built program.
