//! The set on disk.
