//! The bytes of the log.
