//! Part of a cache's file, held while what stands near each other in it is read.

use std::io;

use super::block::{self, BLOCK};
use crate::ports::File;

/// How many bytes are read at once where one follows the other.
const MOST: usize = 1 << 18;

/// How many where it goes on elsewhere.
const LEAST: usize = 4 * BLOCK;

/// Part of a file. What is asked for mostly stands behind what was asked for before.
pub(super) struct Window<'a> {
    file: &'a dyn File,
    at: u64,
    bytes: Vec<u8>,
    size: usize,
}

impl<'a> Window<'a> {
    /// Nothing of it so far.
    pub(super) const fn of(file: &'a dyn File) -> Self {
        Self {
            file,
            at: 0,
            bytes: Vec::new(),
            size: LEAST,
        }
    }

    /// The bytes from a place on, as far as they were read; a block of them, unless the file ends.
    pub(super) fn at(&mut self, place: u64) -> io::Result<&[u8]> {
        let end = self.at + self.bytes.len() as u64;
        if place < self.at || place + BLOCK as u64 > end {
            let goes_on = place >= self.at && place <= end;
            self.size = if goes_on {
                MOST.min(2 * self.size)
            } else {
                LEAST
            };
            self.bytes.resize(self.size, 0);
            let read = self.file.read_full_at(place, &mut self.bytes)?;
            self.bytes.truncate(read);
            self.at = place;
        }
        let from = usize::try_from(place - self.at).map_err(|_| block::damaged())?;
        Ok(&self.bytes[from.min(self.bytes.len())..])
    }
}
