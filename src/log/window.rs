//! A file seen through one reused buffer: large blocks, whatever the file's size.

use std::io;

use crate::ports::File;

/// How much is read at once, in bytes.
const BLOCK: usize = 1 << 20;

/// The part of a file that is in memory.
#[derive(Debug, Default)]
pub(super) struct Window {
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    start: u64,
    /// How many bytes of the buffer are the file's.
    filled: usize,
    /// The file ended within the buffer.
    ended: bool,
}

impl Window {
    /// Forgets everything, as for another file; the memory stays.
    pub(super) fn clear(&mut self) {
        (self.start, self.filled, self.ended) = (0, 0, false);
    }

    /// The bytes from `offset` on, at least `want` of them unless `end` or the file's end comes first; true with them
    /// if nothing follows.
    pub(super) fn at(
        &mut self,
        file: &dyn File,
        offset: u64,
        end: u64,
        want: usize,
    ) -> io::Result<(&[u8], bool)> {
        let have = self.start + self.filled as u64;
        let inside = (self.start..=have).contains(&offset);
        let enough = inside && (have >= end || self.ended || have - offset >= want.max(1) as u64);
        if !enough {
            self.fill(file, offset, end, want)?;
        }
        let have = self.start + self.filled as u64;
        let from = index(offset - self.start);
        let to = index(end.min(have).max(offset) - self.start);
        Ok((&self.buffer[from..to], have >= end || self.ended))
    }

    fn fill(&mut self, file: &dyn File, offset: u64, end: u64, want: usize) -> io::Result<()> {
        let have = self.start + self.filled as u64;
        if (self.start..have).contains(&offset) {
            let keep = index(offset - self.start);
            self.buffer.copy_within(keep..self.filled, 0);
            self.filled -= keep;
        } else {
            self.filled = 0;
        }
        self.start = offset;
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let size = want.max(BLOCK).min(left).max(self.filled);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        let room = &mut self.buffer[self.filled..size];
        let read = file.read_full_at(offset + self.filled as u64, room)?;
        self.ended = read < room.len();
        self.filled += read;
        Ok(())
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("what is in memory has a length that fits")
}

/// Where the NULs begin that reach from somewhere behind `from` to `to`; `to` if there are none.
pub(super) fn zeros_begin(file: &dyn File, from: u64, to: u64) -> io::Result<u64> {
    let mut end = to;
    while end > from {
        let begin = end.saturating_sub(BLOCK as u64).max(from);
        let bytes = read_range(file, begin, end)?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(from)
}

/// Reads a range of a file, as far as the file goes.
pub(super) fn read_range(file: &dyn File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(to.saturating_sub(from)).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let read = file.read_full_at(from, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}
