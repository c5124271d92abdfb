//! Real processes, killed with SIGKILL while several of them append to one store: whatever was acknowledged is there
//! afterwards, in order, bit for bit.
//!
//! Each worker prints a receipt when a record is durable, and not before. The killer reads a random number of receipts,
//! lets the worker run for a random moment longer, kills it, and starts the next. In the end the files are read by a
//! reader of some fifty lines that shares no code with the program, and every receipt is looked up in what it found.
//!
//! `PHASELOG_TEST_SEED=N` repeats the choices of a run; what the processes make of them depends on the machine.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdout, Stdio};

use phaselog::ports::Ports;
use phaselog::position::Seq;
use phaselog::store::{Options, View};
use serde_json::Value;

use crate::support::Lab;

/// Stores, one after the other: a long log only makes each start slower.
const STORES: u64 = 10;

/// Workers on a store at any time.
const WORKERS: u64 = 4;

/// Kills of each.
const KILLS: u64 = 5;

/// What a worker was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Promise {
    worker: String,
    /// The first and the last record; the same but for a group.
    seqs: (u64, u64),
    event: String,
    item: Option<String>,
    phase: Option<String>,
}

#[test]
fn every_acknowledged_record_survives_two_hundred_kills() {
    let seed = seed();
    println!("seed {seed}; again: PHASELOG_TEST_SEED={seed} cargo test --test it kill");
    let (mut receipts, mut records, mut segments, mut sealed) = (0, 0, 0, 0);
    for store in 0..STORES {
        let (promises, found) = one_store(seed ^ store.wrapping_mul(0xd1b5_4a32_d192_ed03));
        receipts += promises;
        records += found.records.len();
        segments += found.segments;
        sealed += found.sealed;
    }
    let kills = STORES * WORKERS * KILLS;
    println!(
        "{kills} kills, {receipts} receipts, {records} records in {segments} segments, {sealed} of them with a torn end"
    );
    assert!(receipts as u64 >= kills, "the workers hardly worked");
}

/// Kills workers on one store and holds what they were promised against what is found; returns how many promises.
fn one_store(seed: u64) -> (usize, Found) {
    // Small segments, so that kills hit rotations too; snapshots as they come.
    let lab = Lab::new()
        .env("PHASELOG_SEGMENT_BYTES", "65536")
        .env("PHASELOG_COMPACT", "auto");
    let items: Vec<String> = (1..=200)
        .map(|n| format!("{n} N Example St, Phoenix"))
        .collect();
    lab.write("houses.txt", &items.join("\n"));
    lab.must(&[
        "init",
        "--linear",
        "--phase",
        "list",
        "--phase",
        "photos",
        "--items",
        "houses.txt",
    ]);

    let lab = &lab;
    let promises: Vec<Promise> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS)
            .map(|worker| scope.spawn(move || killed_again_and_again(lab, seed, worker)))
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no worker failed"));
        joined.flatten().collect()
    });
    let store = lab.path("data");
    let found = read_log(&store);
    check(&promises, &found);

    // Reopened, twice: the program finds the same log, and recovering a second time changes nothing.
    lab.must(&["resume"]);
    let again = read_log(&store);
    check(&promises, &again);
    assert!(again.records.len() >= found.records.len());
    lab.must(&["resume"]);
    assert_eq!(read_log(&store).records.len(), again.records.len());
    let view = View::open(&Ports::real(), &store, &Options::default()).expect("the store opens");
    assert_eq!(view.last_seq(), Seq::new(again.records.len() as u64));
    assert!(view.complete() && view.torn().is_none());
    (promises.len(), again)
}

/// The receipts of one worker that is started and killed again and again.
fn killed_again_and_again(lab: &Lab, seed: u64, worker: u64) -> Vec<Promise> {
    let mut random = Random(seed ^ (worker + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut promises = Vec::new();
    for round in 0..KILLS {
        let name = format!("w{worker}-{round}");
        let mut args = vec!["--json", "demo-worker", "--name", &name];
        // Groups of many pages are what a kill can cut: then it waits for the write to show in the file.
        let cut = random.below(2) == 0;
        if cut {
            args.extend(["--add", "40", "--pad-bytes", "2000"]);
        }
        let mut child = lab
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut receipts = BufReader::new(child.stdout.take().expect("it was piped"));
        let wanted = if cut { 1 } else { random.below(12) };
        for _ in 0..wanted {
            match next_receipt(&mut receipts, &name) {
                Some(promise) => promises.push(promise),
                None => break,
            }
        }
        if cut {
            wait_for_a_large_write(&lab.path("data/wal"));
        } else {
            for _ in 0..random.below(20_000) {
                std::hint::spin_loop();
            }
        }
        child.kill().expect("a child can be killed");
        // What it could still print before it died was promised too.
        while let Some(promise) = next_receipt(&mut receipts, &name) {
            promises.push(promise);
        }
        let status = child.wait().expect("it is dead");
        let mut complaints = String::new();
        let mut stderr = child.stderr.take().expect("it was piped");
        stderr.read_to_string(&mut complaints).expect("it is text");
        assert_eq!(status.code(), None, "{name} ended by itself: {complaints}");
        assert!(
            !complaints.contains("error:") && !complaints.contains("\"code\":"),
            "{name}: {complaints}"
        );
    }
    promises
}

/// Returns while a write of several pages is on its way into the newest segment, or after a while.
fn wait_for_a_large_write(wal: &Path) {
    let newest = || {
        let names = std::fs::read_dir(wal).expect("wal/ can be read");
        let names = names.map(|entry| entry.expect("an entry can be read").path());
        names
            .filter(|path| path.extension().is_some_and(|extension| extension == "wal"))
            .max()
            .expect("a store has a segment")
    };
    for _ in 0..20 {
        let segment = newest();
        let len = || std::fs::metadata(&segment).map_or(0, |found| found.len());
        let mut before = len();
        for _ in 0..2_000 {
            let now = len();
            if now > before + 4_096 {
                return;
            }
            before = now;
        }
    }
}

/// Reads one receipt; `None` at the end. A line without its newline was never printed in full.
fn next_receipt(from: &mut BufReader<ChildStdout>, worker: &str) -> Option<Promise> {
    let mut line = String::new();
    from.read_line(&mut line).expect("receipts are text");
    let receipt: Value = serde_json::from_str(line.strip_suffix('\n')?).expect("a receipt is JSON");
    assert_eq!(receipt["recorded"], true, "{line}");
    let text = |key: &str| receipt[key].as_str().map(str::to_owned);
    let last = receipt["seq"].as_u64().expect("a receipt has a seq");
    Some(Promise {
        worker: worker.to_owned(),
        seqs: (receipt["first_seq"].as_u64().unwrap_or(last), last),
        event: text("event").expect("a receipt has an event"),
        item: text("item"),
        phase: text("phase"),
    })
}

/// Every promise was kept: the record is there, at its place, and says what the receipt said.
fn check(promises: &[Promise], found: &Found) {
    let mut last_of: BTreeMap<&str, u64> = BTreeMap::new();
    let mut taken: BTreeMap<u64, &str> = BTreeMap::new();
    for promise in promises {
        let (first, last) = promise.seqs;
        let before = last_of.insert(&promise.worker, last);
        assert!(
            before.is_none_or(|before| before < first),
            "out of order: {promise:?}"
        );
        for seq in first..=last {
            let other = taken.insert(seq, &promise.worker);
            assert_eq!(other, None, "record {seq} was promised twice");
            let index = usize::try_from(seq - 1).expect("it fits");
            let Some(record) = found.records.get(index) else {
                panic!("lost: {promise:?}; the log ends at {}", found.records.len());
            };
            let said = |key: &str| record[key].as_str().map(str::to_owned);
            assert_eq!(
                said("event").as_ref(),
                Some(&promise.event),
                "{promise:?}: {record}"
            );
            if first == last && promise.event != "added" {
                assert_eq!(said("item"), promise.item, "{promise:?}: {record}");
                assert_eq!(said("phase"), promise.phase, "{promise:?}: {record}");
            }
        }
    }
}

/// What an independent reader finds in a store's log.
pub(crate) struct Found {
    /// The payloads; the record with seq n is at n - 1.
    pub(crate) records: Vec<Value>,
    pub(crate) segments: usize,
    /// Segments that have more bytes than their successor attests.
    sealed: usize,
}

/// Reads all segments: every line's checksum, chain and seq, and no group without its last line.
pub(crate) fn read_log(store: &Path) -> Found {
    let mut names: Vec<String> = std::fs::read_dir(store.join("wal"))
        .expect("wal/ can be read")
        .map(|entry| {
            entry
                .expect("an entry can be read")
                .file_name()
                .into_string()
        })
        .map(|name| name.expect("our names are text"))
        .filter(|name| name.len() == 24 && Path::new(name).extension() == Some("wal".as_ref()))
        .collect();
    names.sort();
    let segments: Vec<Vec<u8>> = names
        .iter()
        .map(|name| std::fs::read(store.join("wal").join(name)).expect("a segment can be read"))
        .collect();
    let mut found = Found {
        records: Vec::new(),
        segments: segments.len(),
        sealed: 0,
    };
    let mut previous = "00000000".to_owned();
    for (index, bytes) in segments.iter().enumerate() {
        let attested = segments.get(index + 1).map(|next| valid_bytes(next));
        let end = attested.unwrap_or(bytes.len());
        found.sealed += usize::from(end < bytes.len());
        let mut group = Vec::new();
        for line in bytes[..end].split_inclusive(|&byte| byte == b'\n') {
            let seq = found.records.len() + group.len() + 1;
            let Some(payload) = verified(line, &previous, seq) else {
                assert_eq!(attested, None, "{} record {seq} is no record", names[index]);
                break;
            };
            previous = String::from_utf8_lossy(&line[..8]).into_owned();
            let ends_group = payload["more"] != true;
            group.push(payload);
            if ends_group {
                found.records.append(&mut group);
            }
        }
        assert!(
            attested.is_none() || group.is_empty(),
            "{} ends inside a group",
            names[index]
        );
    }
    found
}

/// How many bytes of the segment before are valid, as this one's header says.
fn valid_bytes(segment: &[u8]) -> usize {
    let header = segment
        .split(|&byte| byte == b'\n')
        .next()
        .expect("a first part");
    let json = header
        .splitn(5, |&byte| byte == b' ')
        .nth(4)
        .expect("a header has five fields");
    let header: Value = serde_json::from_slice(json).expect("a header is JSON");
    let bytes = header["prev"]["valid_bytes"]
        .as_u64()
        .expect("it names the segment before");
    usize::try_from(bytes).expect("it fits")
}

/// The payload of a line that is the record it should be; `None` if it is not.
fn verified(line: &[u8], previous: &str, seq: usize) -> Option<Value> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, rest) = text.split_at_checked(8)?;
    let mut fields = rest.strip_prefix(' ')?.splitn(4, ' ');
    let (before, number) = (fields.next()?, fields.next()?);
    let durable: usize = fields.next()?.parse().ok()?;
    let is_good = format!("{:08x}", crc32fast::hash(rest.as_bytes())) == crc
        && before == previous
        && number == seq.to_string()
        && durable < seq;
    is_good.then(|| serde_json::from_str(fields.next()?).ok())?
}

pub(crate) fn seed() -> u64 {
    match std::env::var("PHASELOG_TEST_SEED") {
        Ok(text) => text.parse().expect("PHASELOG_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one(0),
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
