//! A file of the set from its beginning to its end, with the checksum of what was read.

use std::io;

use crc32fast::Hasher;

use crate::ports::{File, FromStart};
use crate::snapshot::CompanionName;
use crate::snapshot::work_items::{LOG_KEY, Names, START, UNCOVERED, names_of_parts};

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

/// What a root says about its set, of one that is too long to be held in memory without need. `None` if it is not laid out as we
/// do it, or its checksum does not hold: only who reads the whole of it can tell what it is.
pub(super) fn names_in(file: &dyn File) -> io::Result<Option<Names>> {
    let len = file.len()?;
    let Some(covered) = len.checked_sub(UNCOVERED as u64) else {
        return Ok(None);
    };
    let Some(log) = last_key(file, len)?.filter(|log| *log < covered) else {
        return Ok(None);
    };
    let Ok(size) = usize::try_from(len - log) else {
        return Ok(None);
    };
    let mut end = vec![0; size];
    if file.read_full_at(log, &mut end)? < size {
        return Ok(None);
    }
    let (mut block, mut crc32) = (vec![0; BLOCK], Hasher::new());
    let (mut start, mut at) = (Vec::new(), 0);
    while at < covered {
        let want = usize::try_from(covered - at).map_or(BLOCK, |left| left.min(BLOCK));
        let new = &mut block[..want];
        if file.read_full_at(at, new)? < want {
            return Ok(None);
        }
        crc32.update(new);
        if at == 0 {
            start.extend_from_slice(&new[..want.min(START)]);
        }
        at += want as u64;
    }
    Ok(names_of_parts(&start, &end, crc32.finalize()))
}

/// Where the last [`LOG_KEY`] of a file stands; `None` if it has none. It is near the end, however long the file is.
fn last_key(file: &dyn File, len: u64) -> io::Result<Option<u64>> {
    // Behind each block stand the first bytes of the one after it: a key may lie across both.
    let carried = LOG_KEY.len() as u64 - 1;
    let mut block = Vec::new();
    let mut end = len;
    while end > 0 {
        let begin = end.saturating_sub(BLOCK as u64);
        let until = len.min(end + carried);
        block.resize(usize::try_from(until - begin).unwrap_or(BLOCK), 0);
        if file.read_full_at(begin, &mut block)? < block.len() {
            return Ok(None);
        }
        if let Some(found) = memchr::memmem::rfind(&block, LOG_KEY) {
            return Ok(Some(begin + found as u64));
        }
        end = begin;
    }
    Ok(None)
}
