//! The blocks of a cache: 63 numbers of 8 bytes, the change that wrote them, and a checksum over both and the place.
//!
//! ```text
//!   504 bytes of content | generation, 4 bytes | crc32, 4 bytes, over nonce, block number, generation, content
//! ```
//!
//! A block that lies elsewhere, belongs to another cache or is newer than the header says is no block.

use std::io;

use crate::ports::File;

/// The length of a block in bytes.
pub(super) const BLOCK: usize = 512;

/// How much of it is content.
pub(super) const CONTENT: usize = 504;

/// How many numbers the content is.
pub(super) const NUMBERS: usize = crate::pipeline::wide::FAN;

/// The longest text in the heap.
const MAX_TEXT: u32 = 1 << 30;

/// The length of what stands before each text in the heap.
const HEAD: usize = 16;

/// What ties the parts of one cache together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tie {
    /// Drawn when the cache was made.
    pub(super) nonce: u64,
    /// Counts its changes.
    pub(super) generation: u32,
}

impl Tie {
    /// The bytes of a block.
    pub(super) fn seal(self, number: u64, content: &[u8; CONTENT]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..CONTENT].copy_from_slice(content);
        block[CONTENT..CONTENT + 4].copy_from_slice(&self.generation.to_le_bytes());
        let crc = self.crc(number, &block[..CONTENT + 4]);
        block[CONTENT + 4..].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// The content of a block, if it is one.
    pub(super) fn unseal(self, number: u64, block: &[u8; BLOCK]) -> Option<[u8; CONTENT]> {
        let stated = u32_at(block, CONTENT + 4);
        let written = u32_at(block, CONTENT);
        if written > self.generation || stated != self.crc(number, &block[..CONTENT + 4]) {
            return None;
        }
        block[..CONTENT].try_into().ok()
    }

    /// The bytes of a text in the heap, which may later grow to `room` bytes.
    pub(super) fn wrap(self, at: u64, room: u32, text: &[u8]) -> Option<Vec<u8>> {
        let len = u32::try_from(text.len())
            .ok()
            .filter(|&len| len <= room && room <= MAX_TEXT)?;
        let mut bytes = Vec::with_capacity(HEAD + text.len());
        for number in [room, len, self.generation, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(text);
        let crc = self.crc_of_text(at, &bytes);
        bytes[12..HEAD].copy_from_slice(&crc.to_le_bytes());
        Some(bytes)
    }

    fn crc_of_text(self, at: u64, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.nonce.to_le_bytes());
        hasher.update(&at.to_le_bytes());
        hasher.update(&bytes[..12]);
        hasher.update(&bytes[HEAD..]);
        hasher.finalize()
    }

    fn crc(self, number: u64, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.nonce.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }

    /// Reads a block.
    pub(super) fn read(self, file: &dyn File, number: u64) -> io::Result<[u8; CONTENT]> {
        let mut block = [0; BLOCK];
        let read = file.read_full_at(number * BLOCK as u64, &mut block)?;
        let content = (read == BLOCK).then(|| self.unseal(number, &block));
        content.flatten().ok_or_else(damaged)
    }

    /// Reads a text in the heap: its room, and its bytes.
    pub(super) fn read_text(self, file: &dyn File, at: u64) -> io::Result<(u32, Vec<u8>)> {
        // Most texts are short: one read then is enough.
        let mut bytes = vec![0; BLOCK];
        let read = file.read_full_at(at, &mut bytes)?;
        bytes.truncate(read);
        let whole = self.len_of(&bytes).ok_or_else(damaged)?;
        if bytes.len() < whole {
            let have = bytes.len();
            bytes.resize(whole, 0);
            let more = file.read_full_at(at + have as u64, &mut bytes[have..])?;
            bytes.truncate(have + more);
        }
        let text = self.text_at(at, &bytes).ok_or_else(damaged)?.to_vec();
        Ok((u32_at(&bytes, 0), text))
    }

    /// The text that stands at a place, of which these are the bytes from there on; `None` if it is none, or goes on behind them.
    pub(super) fn text_at(self, at: u64, bytes: &[u8]) -> Option<&[u8]> {
        let whole = self.len_of(bytes)?;
        let bytes = bytes.get(..whole)?;
        (self.crc_of_text(at, bytes) == u32_at(bytes, 12)).then_some(&bytes[HEAD..])
    }

    /// How many bytes the text that begins here takes, what stands before it included; `None` if it is none.
    fn len_of(self, bytes: &[u8]) -> Option<usize> {
        let head = bytes.get(..HEAD)?;
        let (room, len, written) = (u32_at(head, 0), u32_at(head, 4), u32_at(head, 8));
        let sane = len <= room && room <= MAX_TEXT && written <= self.generation;
        sane.then_some(HEAD + len as usize)
    }
}

/// How many bytes a text takes in the heap, with room for it to grow; a multiple of 16.
pub(super) fn room_for(len: usize) -> Option<u32> {
    let roomy = (len + len / 2 + 64).next_multiple_of(16);
    u32::try_from(roomy).ok().filter(|&room| room <= MAX_TEXT)
}

/// How many bytes of the heap a text with that room takes.
pub(super) const fn taken(room: u32) -> u64 {
    HEAD as u64 + room as u64
}

/// The checksum of a block.
pub(super) fn crc_of_block(block: &[u8; BLOCK]) -> u32 {
    u32_at(block, CONTENT + 4)
}

/// The checksum of a text with what stands before it.
pub(super) fn crc_of_text(wrapped: &[u8]) -> u32 {
    u32_at(wrapped, 12)
}

/// The checksum that a block or a text has on the disk, where that stands at byte `at`.
fn stated_crc(file: &dyn File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    let whole = file.read_full_at(at, &mut bytes)? == bytes.len();
    whole.then(|| u32::from_le_bytes(bytes)).ok_or_else(damaged)
}

/// The checksum of the block of that number on the disk.
pub(super) fn stated_crc_of_block(file: &dyn File, number: u64) -> io::Result<u32> {
    stated_crc(file, (number + 1) * BLOCK as u64 - 4)
}

/// The checksum of the text on the disk that begins at byte `at`.
pub(super) fn stated_crc_of_text(file: &dyn File, at: u64) -> io::Result<u32> {
    stated_crc(file, at + 12)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes[at..at + 4].try_into();
    u32::from_le_bytes(four.expect("four bytes are four bytes"))
}

/// The numbers of a content.
pub(super) fn numbers(content: &[u8; CONTENT]) -> [u64; NUMBERS] {
    let mut numbers = [0; NUMBERS];
    for (number, bytes) in numbers.iter_mut().zip(content.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().expect("a chunk of eight"));
    }
    numbers
}

/// The content of these numbers.
pub(super) fn content(numbers: &[u64; NUMBERS]) -> [u8; CONTENT] {
    let mut content = [0; CONTENT];
    for (bytes, number) in content.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    content
}

/// What is not as it was written.
pub(super) fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIE: Tie = Tie {
        nonce: 7,
        generation: 5,
    };

    #[test]
    fn a_block_counts_only_where_and_when_it_was_written() {
        let content = content(&std::array::from_fn(|at| at as u64));
        let block = TIE.seal(3, &content);
        assert_eq!(TIE.unseal(3, &block), Some(content));
        assert_eq!(numbers(&content)[62], 62);
        assert_eq!(TIE.unseal(4, &block), None, "elsewhere");
        let other = Tie { nonce: 8, ..TIE };
        assert_eq!(other.unseal(3, &block), None, "of another cache");
        let older = Tie {
            generation: 4,
            ..TIE
        };
        assert_eq!(older.unseal(3, &block), None, "newer than the header");
        let newer = Tie {
            generation: 6,
            ..TIE
        };
        assert_eq!(newer.unseal(3, &block), Some(content));
        for at in 0..BLOCK {
            let mut hurt = block;
            hurt[at] ^= 1;
            assert_eq!(TIE.unseal(3, &hurt), None, "byte {at}");
        }
    }

    #[test]
    fn a_text_counts_only_as_it_was_written() {
        let text = vec![b'x'; 700];
        let room = room_for(text.len()).unwrap();
        let bytes = TIE.wrap(1024, room, &text).unwrap();
        let read = |at, bytes: Vec<u8>| TIE.text_at(at, &bytes).map(<[u8]>::to_vec);
        assert_eq!(read(1024, bytes.clone()), Some(text));
        assert_eq!(read(1040, bytes.clone()), None);
        assert_eq!(read(1024, bytes[..bytes.len() - 1].to_vec()), None);
        for at in 0..bytes.len() {
            let mut hurt = bytes.clone();
            hurt[at] ^= 1;
            assert_eq!(read(1024, hurt), None, "byte {at}");
        }
    }
}
