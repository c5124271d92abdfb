//! The JSON files that people and scripts read: a cache of the log, never the only copy of anything.
//!
//! ```text
//!   PipelineState --work_items::encode--> work_items.json, which names ...
//!                                           |-- its place in the log: id, seq, crc32, head
//!                                           |-- the other snapshots of the set, by length and checksum
//!                                           '-- everything `apply` keeps: decode gives the same state back
//!   set::load   reads one usable set, writes nothing
//!   set::save   puts a new set in place of the old; at every instant one of them is usable
//! ```
//!
//! Which part of the log a snapshot continues is not known here: `store` brings the two together.

mod times;
mod layout;
mod sink;
pub mod work_items;
pub mod enrichment;
pub mod extraction;
pub mod set;
pub mod import;

use sha2::{Digest, Sha256};

use crate::position::Seq;

pub use times::{Offsets, TimeStyle};

/// A place in the log, as a snapshot names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The log's id: 32 hex digits.
    pub id: String,
    /// The last record that the snapshot covers.
    pub seq: Seq,
    /// The checksum of that record.
    pub crc32: u32,
    /// The head of the log at that record, as 64 hex digits: it stands for all history before it.
    pub sha256: String,
}

/// Another file of the set, as the root names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanionName {
    /// Its file name in the store.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// CRC-32 of all its bytes.
    pub crc32: u32,
}

/// Writes a CRC-32 as snapshots do.
fn crc_text(crc32: u32) -> String {
    format!("{crc32:08x}")
}

/// Writes a SHA-256 as snapshots and records do: 64 hex digits.
pub(crate) fn sha256_text(hash: Sha256) -> String {
    let digits = hash
        .finalize()
        .into_iter()
        .map(|byte| format!("{byte:02x}"));
    digits.collect()
}

/// The SHA-256 of bytes, written so.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    sha256_text(Sha256::new_with_prefix(bytes))
}

/// Reads a CRC-32 back; `None` if it is not exactly 8 lower-case hex digits.
fn parse_crc(text: &str) -> Option<u32> {
    let good = text.len() == 8
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    good.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}
