//! What a name of ours leads to: a root as its bytes, a companion, which may be most of all that a store has, as what tells it
//! from others.

use std::io::{self, Read};
use std::path::Path;

use crc32fast::Hasher;
use sha2::{Digest, Sha256};

use super::MAX_FILE_BYTES;
use crate::error::{Error, Result};
use crate::ports::{Disk, EntryKind, File, FromStart};
use crate::snapshot::{CompanionName, sha256_text};

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// What a name leads to.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing has that name.
    Missing,
    /// No regular file.
    Odd(EntryKind),
    /// A file of more bytes than any snapshot has.
    TooLarge(u64),
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file that was looked through.
    Large(Seen),
}

/// What tells the bytes of a file from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    bytes: u64,
    crc32: u32,
    sha256: String,
}

impl Content {
    /// The bytes of a root.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Missing | Self::Odd(_) | Self::TooLarge(_) | Self::Large(_) => None,
        }
    }

    /// The same, without the bytes of a file that are too many to be held without need.
    pub(super) fn without_bytes(self) -> Self {
        match self {
            Self::Bytes(bytes) if bytes.len() > BLOCK => Self::Large(Looking::of(&bytes).end()),
            other => other,
        }
    }

    /// SHA-256 as 64 hex digits.
    pub(super) fn sha256(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => Some(Looking::of(bytes).end().sha256),
            Self::Large(seen) => Some(seen.sha256.clone()),
            Self::Missing | Self::Odd(_) | Self::TooLarge(_) => None,
        }
    }

    /// True if these are the bytes that a root names.
    pub(super) fn is(&self, named: &CompanionName) -> bool {
        let is = |bytes, crc32| (bytes, crc32) == (named.bytes, named.crc32);
        match self {
            Self::Bytes(bytes) => is(bytes.len() as u64, crc32fast::hash(bytes)),
            Self::Large(seen) => is(seen.bytes, seen.crc32),
            Self::Missing | Self::Odd(_) | Self::TooLarge(_) => false,
        }
    }
}

/// A file while it is looked through.
#[derive(Default)]
pub(super) struct Looking {
    bytes: u64,
    crc32: Hasher,
    sha256: Sha256,
}

impl Looking {
    fn of(bytes: &[u8]) -> Self {
        let mut looking = Self::default();
        looking.take(bytes);
        looking
    }

    /// Takes the bytes that follow.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc32.update(bytes);
        self.sha256.update(bytes);
    }

    /// What all of them are told by.
    pub(super) fn end(self) -> Seen {
        Seen {
            bytes: self.bytes,
            crc32: self.crc32.finalize(),
            sha256: sha256_text(self.sha256),
        }
    }
}

/// Goes through a file block by block.
pub(super) fn each_block(
    file: &dyn File,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (mut from, mut block) = (FromStart::new(file), Vec::with_capacity(BLOCK));
    loop {
        block.clear();
        (&mut from).take(BLOCK as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(());
        }
        take(&block)?;
    }
}

/// Reads a root.
pub(super) fn read(disk: &dyn Disk, dir: &Path, file: &str) -> Result<Content> {
    let read = |path: &Path| disk.read(path, MAX_FILE_BYTES);
    content(disk, &dir.join(file), &|path| {
        read(path).map(Content::Bytes)
    })
}

/// Looks a companion through, which is never in memory.
pub(super) fn look(disk: &dyn Disk, dir: &Path, file: &str) -> Result<Content> {
    content(disk, &dir.join(file), &|path| {
        let file = disk.open_read(path)?;
        if file.len()? > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut looking = Looking::default();
        each_block(&*file, &mut |block| {
            looking.take(block);
            Ok(())
        })?;
        Ok(Content::Large(looking.end()))
    })
}

fn content(
    disk: &dyn Disk,
    path: &Path,
    get: &dyn Fn(&Path) -> io::Result<Content>,
) -> Result<Content> {
    match get(path) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::Missing),
        Err(error) => match disk.metadata(path) {
            Ok(found) if found.kind != EntryKind::File => Ok(Content::Odd(found.kind)),
            Ok(found) if error.kind() == io::ErrorKind::FileTooLarge => {
                Ok(Content::TooLarge(found.len))
            }
            _ => Err(Error::io("read", path)(error)),
        },
    }
}

/// Why a file is no JSON; `None` if it is.
pub(super) fn no_json(disk: &dyn Disk, dir: &Path, file: &str) -> Result<Option<String>> {
    let path = dir.join(file);
    let file = match disk.open_read(&path) {
        // It was there a moment ago: the next look finds it gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(Error::io("read", &path))?,
    };
    let from = io::BufReader::with_capacity(BLOCK, FromStart::new(&*file));
    match serde_json::from_reader::<_, serde::de::IgnoredAny>(from) {
        Ok(_) => Ok(None),
        Err(error) if error.is_io() => Err(Error::io("read", &path)(error.into())),
        Err(error) => Ok(Some(error.to_string())),
    }
}
