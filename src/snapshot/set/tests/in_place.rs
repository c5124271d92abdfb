//! A large root is read through once and not held in memory; what it says is what it says as a whole.

use crate::snapshot::crc_text;
use crate::snapshot::set::survey::{Inside, in_place};
use crate::snapshot::work_items::{LOG_KEY, Names, UNCOVERED, decode_names};

use super::*;

/// A root of which so many bytes stand from the key of `log` on.
fn padded(from_key: usize) -> Vec<u8> {
    let small = root(3, &[]);
    let log = memchr::memmem::rfind(&small, LOG_KEY).unwrap();
    let (field, key) = ("\n    \"pad\": \"\",", log + LOG_KEY.len());
    let pad = "x".repeat(from_key - (small.len() - log) - field.len());
    let mut bytes = small[..key].to_vec();
    bytes.extend_from_slice(format!("\n    \"pad\": \"{pad}\",").as_bytes());
    bytes.extend_from_slice(&small[key..small.len() - UNCOVERED]);
    let crc32 = crc_text(crc32fast::hash(&bytes));
    bytes.extend_from_slice(format!("  \"crc32\": \"{crc32}\"\n}}\n").as_bytes());
    bytes
}

fn read_in_place(bytes: &[u8]) -> Option<(Names, u64)> {
    let disk = SimDisk::new();
    let disk = disk.actor("reader");
    let file = disk.create_new(Path::new("root")).unwrap();
    file.write_full_at(0, bytes).unwrap();
    in_place::<Names>(&disk, Path::new(""), "root").unwrap()
}

#[test]
fn a_large_root_says_in_place_what_it_says_as_a_whole() {
    let bytes = root(12_000, &[]);
    assert!(bytes.len() > 2 << 20, "{}", bytes.len());
    let whole = Names::decode(&bytes).usable().unwrap();
    assert_eq!(read_in_place(&bytes), Some((whole, bytes.len() as u64)));
}

#[test]
fn a_small_root_is_read_as_a_whole() {
    assert_eq!(read_in_place(&root(3, &[])), None);
}

#[test]
fn its_key_may_lie_across_two_blocks() {
    let block = 256 << 10;
    for before in 0..=LOG_KEY.len() {
        // Blocks are read from the end.
        let bytes = padded(5 * block + before);
        let whole = decode_names(&bytes).usable();
        assert!(whole.is_some());
        let found = read_in_place(&bytes).map(|(names, _)| names);
        assert_eq!(found, whole, "{before} bytes before the last five blocks");
    }
}

#[test]
fn one_that_is_hurt_anywhere_says_nothing_in_place() {
    let bytes = root(12_000, &[]);
    let log = memchr::memmem::rfind(&bytes, LOG_KEY).unwrap();
    for at in [
        0,
        30,
        bytes.len() / 2,
        log,
        log + 40,
        bytes.len() - 8,
        bytes.len() - 1,
    ] {
        let mut hurt = bytes.clone();
        hurt[at] ^= 1;
        assert_eq!(read_in_place(&hurt), None, "byte {at}");
    }
    assert_eq!(read_in_place(&bytes[..bytes.len() - 1]), None);
}
