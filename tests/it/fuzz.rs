//! The corpora of the fuzz targets, and mutants of them, as plain tests: no panic, no hang, no write by a reader.
//!
//! `PHASELOG_TEST_FULL=1 cargo test --test it fuzz` makes a hundred times as many; `cargo fuzz run TARGET` looks for ever.

use std::path::{Path, PathBuf};

use phaselog::testing::Rng;
use phaselog::testing::fuzz::{self, TARGETS};

/// Mutants of each file of a corpus.
const MUTANTS: usize = 60;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// The files of a corpus, in order.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let names = std::fs::read_dir(corpus(target)).unwrap();
    let mut names: Vec<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let seeds = names.into_iter().map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        (path.display().to_string(), bytes)
    });
    seeds.collect()
}

#[test]
fn corpora_and_their_mutants_break_nothing() {
    let full = std::env::var_os("PHASELOG_TEST_FULL").is_some();
    let mutants = if full { 100 * MUTANTS } else { MUTANTS };
    for (target, run) in TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 3, "{target}");
        let mut rng = Rng::new(target.len() as u64);
        for (name, bytes) in &seeds {
            println!("{name}");
            run(bytes);
            for _ in 0..mutants {
                let other = &seeds[rng.below(seeds.len())].1;
                run(&mutant(bytes, other, &mut rng));
            }
        }
        let runs = seeds.len() * (mutants + 1);
        println!(
            "fuzz {target}: {} seeds, {runs} inputs, 0 crashes",
            seeds.len()
        );
    }
}

/// One to four changes of a file; `other` lends pieces. Checksums are mended in half of them, so that what lies behind
/// them is reached.
fn mutant(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() + 1);
        let len = 1 + rng.below(40);
        let end = (at + len).min(bytes.len());
        match rng.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => bytes[at..end].fill(0),
            5 if !other.is_empty() => {
                let from = rng.below(other.len());
                let piece = other[from..(from + len).min(other.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            _ => {
                let digits = b"0123456789-\"{}[],:nulltrueE+.";
                let new = (0..len.min(6)).map(|_| digits[rng.below(digits.len())]);
                let new: Vec<u8> = new.collect();
                bytes.splice(at..end, new);
            }
        }
    }
    if rng.coin() { mended(&bytes) } else { bytes }
}

/// The same bytes with the checksum of each line that looks like a record computed anew.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let mended = lines.flat_map(|line| {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if text.len() < 10 || text[8] != b' ' {
            return line.to_vec();
        }
        let crc = format!("{:08x}", crc32fast::hash(&text[8..]));
        [crc.as_bytes(), &line[8..]].concat()
    });
    mended.collect()
}

/// Makes the corpora out of the golden store; run by hand when a format changes:
/// `PHASELOG_MAKE_CORPUS=1 cargo test --test it make_the_corpora`.
#[test]
fn make_the_corpora() {
    if std::env::var_os("PHASELOG_MAKE_CORPUS").is_none() {
        return;
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(corpus(target).join(name), bytes).unwrap();
    };
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    walk(&golden, &golden, &mut all);
    let mut kinds = std::collections::BTreeSet::new();
    for (name, bytes) in &all {
        let short = name.replace('/', "-");
        if name.ends_with(".wal") {
            put("segment", &short, bytes);
            for line in bytes
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let text = String::from_utf8_lossy(line);
                let kind = text.split("\"event\":\"").nth(1).unwrap_or("none");
                let kind = kind.split('"').next().unwrap_or("none").to_owned();
                if kinds.insert(kind.clone()) {
                    put("line", &kind, line);
                }
            }
        }
        if name.ends_with(".json") || name.ends_with(".json.bak") {
            put("snapshot", &short, bytes);
            put("import", &short, bytes);
        }
    }
    for (name, text) in [
        (
            "list",
            "[{\"address\":\"1 Example St\",\"phase1\":\"complete\",\"phase2\":\"failed\"}]",
        ),
        (
            "map",
            "{\"1 Example St\":{\"status\":\"done\",\"phases\":{\"p1\":true,\"p2\":null}}}",
        ),
        (
            "items",
            "{\"work_items\":[{\"address\":\"1 Example St\",\"phases\":{\"p1\":{\"status\":\"in_progress\",\"started_at\":\"2026-11-21T09:00:00\"}}}]}",
        ),
        ("deep", "[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]"),
    ] {
        put("import", name, text.as_bytes());
        put("snapshot", name, text.as_bytes());
    }
    let store: Vec<(String, Vec<u8>)> = all;
    let files: Vec<(&str, &[u8])> = store
        .iter()
        .filter_map(|(name, bytes)| Some((name.strip_prefix("format-1/")?, bytes.as_slice())))
        .collect();
    put("directory", "golden", &fuzz::pack(&files));
    let first = files
        .iter()
        .find(|(name, _)| name.ends_with("1.wal"))
        .unwrap()
        .1;
    let one = [("wal/00000000000000000001.wal", first)];
    put("directory", "first", &fuzz::pack(&one));
    let torn = [("wal/00000000000000000001.wal", &first[..first.len() - 7])];
    put("directory", "torn", &fuzz::pack(&torn));
    let marked: [(&str, &[u8]); 3] = [
        one[0],
        (
            "wal/mark",
            b"phaselog-mark 1 1050 29f68402                                  \n",
        ),
        ("wal/poisoned", b""),
    ];
    put("directory", "marked", &fuzz::pack(&marked));
}

fn walk(top: &Path, dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(top, &path, found);
        } else {
            let name = path.strip_prefix(top).unwrap().display().to_string();
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
}
