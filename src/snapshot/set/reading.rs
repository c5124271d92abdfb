//! A file of the set from its beginning to its end, with the checksum of what was read.

use std::io;

use crc32fast::Hasher;

use crate::ports::{File, FromStart};
use crate::snapshot::CompanionName;

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// A file that is being read.
pub(super) struct Reading<'f> {
    from: FromStart<'f>,
    crc32: Hasher,
}

impl<'f> Reading<'f> {
    pub(super) fn of(file: &'f dyn File) -> Self {
        let (from, crc32) = (FromStart::new(file), Hasher::new());
        Self { from, crc32 }
    }

    /// True if what was read is what a root names.
    pub(super) fn read(&self, name: &CompanionName) -> bool {
        self.from.at() == name.bytes && self.crc32.clone().finalize() == name.crc32
    }
}

impl io::Read for Reading<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = io::Read::read(&mut self.from, into)?;
        self.crc32.update(&into[..read]);
        Ok(read)
    }
}

/// True if a file's bytes are those that a root names.
pub(super) fn is_named(file: &dyn File, name: &CompanionName) -> io::Result<bool> {
    if file.len()? != name.bytes {
        return Ok(false);
    }
    let mut reading = Reading::of(file);
    let size = usize::try_from(name.bytes).map_or(BLOCK, |bytes| bytes.clamp(1, BLOCK));
    let mut block = vec![0; size];
    loop {
        match io::Read::read(&mut reading, &mut block) {
            Ok(0) => return Ok(reading.read(name)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
