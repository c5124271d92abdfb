//! What a fuzzer feeds with bytes: a line, a segment, a snapshot, a state file to import, a whole directory.
//!
//! Each function takes any bytes and panics only where the program is wrong: a reader that panics, hangs, writes, or
//! believes what does not verify. `fuzz/` has one target for each, for `cargo fuzz`; their corpora, and mutants of
//! them, run as plain tests.

use std::path::Path;
use std::time::Duration;

use super::oracles::{self, Budget, Place, read_everything};
use super::sim_disk::SimDisk;
use crate::error::Witness;
use crate::log::frame;
use crate::log::frame::Crc;
use crate::log::segment::{Scan, Step};
use crate::log::tail::{self, Evidence};
use crate::pipeline::{PipelineState, Timestamp, codec};
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::{TimeStyle, import, work_items};
use crate::store::repair::{self, Occasion, Repaired};
use crate::store::{CompactMode, Options};

/// A target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 5] = [
    ("line", line),
    ("segment", segment),
    ("snapshot", snapshot),
    ("import", import_file),
    ("directory", directory),
];

const DIR: &str = "data";

/// The names that a fuzzed directory may use, by their first byte.
const NAMES: [&str; 12] = [
    "wal/00000000000000000001.wal",
    "wal/00000000000000000008.wal",
    "wal/00000000000000000014.wal",
    "wal/00000000000000000022.wal",
    "wal/mark",
    "wal/poisoned",
    "wal/heartbeats",
    "wal/cache",
    "work_items.json",
    "work_items.json.bak",
    "work_items.json.next",
    "enrichment_data.json",
];

/// One line of the log, without its newline. What verifies is canonical, and an event that is read says the same when
/// it is written and read again.
pub fn line(bytes: &[u8]) {
    let Ok(found) = frame::parse(bytes) else {
        return;
    };
    let mut again = Vec::new();
    let crc = frame::encode(
        &mut again,
        found.previous,
        found.seq,
        found.durable,
        found.payload,
    );
    assert_eq!(
        again.strip_suffix(b"\n"),
        Some(bytes),
        "two forms of one record"
    );
    assert_eq!(crc, found.crc);
    let Ok(record) = codec::decode(found.seq, found.payload) else {
        return;
    };
    let mut state = PipelineState::default();
    state.apply(&record);
    let text = codec::encode(&record.event, record.at, record.clock_given);
    let same = codec::decode(found.seq, &text);
    assert_eq!(same.ok().map(|same| same.event), Some(record.event));
}

/// The bytes of a segment: scanned, judged, and read as the only one of a store.
pub fn segment(bytes: &[u8]) {
    let mut scan = Scan::new(Offset::START, Seq::FIRST, Some(Crc::NONE));
    let stop = loop {
        let at = usize::try_from(scan.offset().get()).unwrap_or(usize::MAX);
        match scan.step(&bytes[at.min(bytes.len())..], true) {
            Step::Line(_) => {}
            Step::Hungry => panic!("hungry at the end"),
            Step::Stop(stop) => break stop,
        }
    };
    let from = usize::try_from(stop.offset.get()).unwrap_or(usize::MAX);
    let _verdict = tail::judge(&Evidence {
        stop: &stop,
        bytes: &bytes[from..],
        attested: tail::Attested {
            seq: Seq::NONE,
            by: Witness::Mark(Seq::NONE),
        },
        segment: SegmentId::FIRST,
        successor: None,
    });
    let disk = SimDisk::new();
    plant(&disk, NAMES[0], bytes);
    read_and_repair(&disk);
}

/// The bytes of `work_items.json`. What is taken for ours gives the same state when it is written and read again.
pub fn snapshot(bytes: &[u8]) {
    let _names = work_items::decode_names(bytes);
    let Some(found) = work_items::decode(bytes).usable() else {
        return;
    };
    let mut again = Vec::new();
    let written = work_items::encode(
        &found.state,
        &found.place,
        &found.companions,
        TimeStyle::Utc,
        &mut again,
    );
    assert!(written.is_ok(), "memory takes everything");
    let same = work_items::decode(&again).usable();
    assert_eq!(same.map(|same| same.state), Some(found.state));
}

/// The bytes of somebody's state file.
pub fn import_file(bytes: &[u8]) {
    let now = Timestamp::from_micros(1_764_000_000_000_000).expect("a time of this century");
    for salvage in [false, true] {
        let options = import::Options {
            zone: import::Zone::Utc,
            salvage,
            ..import::Options::new(now)
        };
        let Ok(document) = import::read("work_items.json", bytes, &options) else {
            continue;
        };
        // What is taken over can be written, and read back.
        for event in document.events() {
            let text = codec::encode(&event, now, false);
            let same = codec::decode(Seq::FIRST, &text);
            assert_eq!(same.ok().map(|same| same.event), Some(event));
        }
    }
}

/// A whole directory: files one after the other, each as the number of its name, its length in three bytes (the lowest
/// first), and its bytes.
pub fn directory(bytes: &[u8]) {
    let disk = SimDisk::new();
    let mut rest = bytes;
    while let [name, a, b, c, more @ ..] = rest {
        let len = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        let (file, behind) = more.split_at(len.min(more.len()));
        plant(&disk, NAMES[usize::from(*name) % NAMES.len()], file);
        rest = behind;
    }
    read_and_repair(&disk);
}

/// The directory as [`directory`] reads it; files under other names are left out.
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut packed = Vec::new();
    for (name, bytes) in files {
        let Some(index) = NAMES.iter().position(|known| known == name) else {
            continue;
        };
        let len = (bytes.len() as u64).to_le_bytes();
        packed.push(u8::try_from(index).expect("a dozen names"));
        packed.extend_from_slice(&len[..3]);
        packed.extend_from_slice(bytes);
    }
    packed
}

fn plant(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let planted = disk.plant(Path::new(DIR).join(name), bytes);
    planted.expect("each name is a file, in a directory");
}

/// Reads the store in every way, within bounds and without a write; then repairs what can be repaired, after which it
/// must open.
fn read_and_repair(disk: &SimDisk) {
    let options = Options {
        lock_wait: Duration::ZERO,
        compact: CompactMode::Never,
        ..Options::default()
    };
    let (ports, dir) = (disk.ports_for("reader"), Path::new(DIR));
    let place = Place {
        ports: &ports,
        dir,
        options: &options,
    };
    let before = disk.digest();
    let read = oracles::o10_bounded(place, Budget::default(), read_everything);
    read.unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(disk.digest(), before, "O9: a reader wrote");
    let Ok(plan) = repair::plan(&ports, dir, &options, Occasion::Hurt) else {
        return;
    };
    let done = repair::apply(&ports, dir, &options, Occasion::Hurt, &plan.lost);
    if let Ok(Repaired::Done { .. }) = done {
        let opened = crate::View::open(&ports, dir, &options);
        assert!(
            opens(&opened),
            "repaired, and does not open: {:?}",
            opened.err()
        );
    }
}

/// True unless a repair left it hurt: what a newer version wrote, or a snapshot of another log, no repair changes.
fn opens(opened: &crate::Result<crate::View>) -> bool {
    matches!(
        opened,
        Ok(_) | Err(crate::Error::NewerFormat { .. } | crate::Error::OtherLog { .. })
    )
}
