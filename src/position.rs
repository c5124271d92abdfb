//! Places in the log: the sequence number, the segment, the byte.
//!
//! ```text
//! seq 517 | seq 518  <- the first record of 00000000000000000518.wal
//!           ^ offset 0
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

/// A sequence number: the place of a record in the log, counted 1, 2, 3 … for ever.
///
/// [`Seq::NONE`] (0) stands for "before the first record".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// The place before the first record.
    pub const NONE: Self = Self(0);
    /// The first record of every log.
    pub const FIRST: Self = Self(1);

    /// Makes a sequence number from its value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The sequence number before this one; [`Seq::NONE`] stays where it is.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// True if no log comes so far: at a million records a second it would take 146,000 years. Who says that it did was
    /// not writing of a log of ours.
    #[must_use]
    pub const fn is_beyond_reach(self) -> bool {
        self.0 > 1 << 62
    }

    /// The sequence number `count` places after this one.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A segment of the log, known by the sequence number of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(Seq);

impl SegmentId {
    /// The first segment of every log.
    pub const FIRST: Self = Self(Seq::FIRST);

    /// The segment whose first record is `first`.
    pub const fn starting_at(first: Seq) -> Self {
        Self(first)
    }

    /// The sequence number of the segment's first record, its header.
    pub const fn first_seq(self) -> Seq {
        self.0
    }

    /// The file name: twenty digits and `.wal`. The only place that knows it.
    pub fn file_name(self) -> String {
        format!("{:020}.wal", self.0.get())
    }

    /// Reads a file name back; `None` if it is not exactly a segment's name.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(".wal")?;
        if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let first = digits.parse().ok().filter(|&first| first > 0)?;
        Some(Self(Seq::new(first)))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_name())
    }
}

/// A position inside a file, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// The start of a file.
    pub const START: Self = Self(0);

    /// Makes an offset from a byte count.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes from the start of the file.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset `bytes` further on.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_round_trip() {
        let id = SegmentId::starting_at(Seq::new(518));
        assert_eq!(id.file_name(), "00000000000000000518.wal");
        assert_eq!(SegmentId::from_file_name(&id.file_name()), Some(id));
    }

    #[test]
    fn only_canonical_names_are_segments() {
        for name in [
            "518.wal",
            "00000000000000000000.wal",
            "00000000000000000518.wal.bak",
            "+0000000000000000518.wal",
            "99999999999999999999.wal",
            "lock",
            "",
        ] {
            assert_eq!(SegmentId::from_file_name(name), None, "{name}");
        }
    }
}
