//! Files that are given to an import, as they were read, and how they are to be taken.

use std::path::PathBuf;

use crate::snapshot::import::{self, BesideDocument, ImportedDocument};

/// A state file to take over.
#[derive(Debug)]
pub struct Original {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub document: ImportedDocument,
    /// Files beside it, which a new store takes over with it.
    pub beside: Vec<BesideOriginal>,
}

/// A file to be taken in.
#[derive(Debug)]
pub struct BesideOriginal {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub document: BesideDocument,
}

/// How a file is taken into a store that exists.
#[derive(Clone, Copy, Debug)]
pub struct MergeOptions<'a> {
    /// How the file was read; what it said once is read in the same way.
    pub reading: &'a import::Options,
    /// Where both the file and the log have moved the file counts.
    pub prefer_file: bool,
}
