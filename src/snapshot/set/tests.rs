//! The set on a simulated disk: every crash of a compaction, and files that others touched.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::{Error, Result};
use crate::pipeline::event::{Event, Record};
use crate::pipeline::{ItemId, Timestamp};
use crate::ports::{File, Metadata};
use crate::position::Seq;
use crate::snapshot::TimeStyle;
use crate::snapshot::work_items::encode;
use crate::testing::{Errno, Explored, Explorer, Failure, Fault, Kills, Rng, SimActor, SimDisk};

mod crashes;
mod in_place;
mod other_log;
mod strays;

const DIR: &str = "data";
const QUARANTINE: &str = "data/wal/quarantine";

/// The set with that number: its state has so many items, its companions tell the number.
struct Numbered {
    number: u64,
    companions: &'static [&'static str],
}

const fn set(number: u64, companions: &'static [&'static str]) -> Numbered {
    Numbered { number, companions }
}

fn state(number: u64) -> PipelineState {
    let mut state = PipelineState::default();
    for seq in 1..=number {
        state.apply(&Record {
            seq: Seq::new(seq),
            at: Timestamp::EPOCH,
            clock_given: false,
            event: Event::Added {
                item: ItemId::new(&format!("item {seq}")).unwrap(),
                id: None,
                imported: None,
            },
        });
    }
    state
}

fn place(number: u64) -> LogPlace {
    LogPlace {
        id: "0".repeat(32),
        seq: Seq::new(number),
        crc32: 1,
        sha256: "0".repeat(64),
    }
}

fn companion(name: &str, number: u64) -> String {
    format!("{{\"file\": \"{name}\", \"set\": {number}}}\n")
}

fn root(number: u64, companions: &[CompanionName]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (state, place) = (state(number), place(number));
    encode(&state, &place, companions, TimeStyle::Utc, &mut bytes).unwrap();
    bytes
}

type WriteFn<'a> = dyn FnMut(&mut dyn io::Write) -> io::Result<()> + 'a;

/// Puts a set in place; edits are refused unless `discard_edits`, originals of imports are the files that say so.
fn save(disk: &dyn Disk, set: &Numbered, discard_edits: bool) -> Result<Saved> {
    save_of(disk, None, set, discard_edits)
}

/// The same, of the log with that id.
fn save_of(
    disk: &dyn Disk,
    log: Option<&str>,
    set: &Numbered,
    discard_edits: bool,
) -> Result<Saved> {
    let mut rng = Rng::new(set.number);
    let mut saving = Saving {
        disk,
        dir: Path::new(DIR),
        log,
        quarantine: Path::new(QUARANTINE),
        random: &mut || rng.next_u64(),
        stamp: Timestamp::parse_rfc3339("2026-11-23T01:40:15Z").unwrap(),
        imported: &|_, sha256| sha256 == sha256_of(IMPORTED),
        seen: None,
        discard_edits,
    };
    let mut writers: Vec<(&str, Box<WriteFn<'_>>)> = Vec::new();
    for &name in set.companions {
        let write =
            move |out: &mut dyn io::Write| out.write_all(companion(name, set.number).as_bytes());
        writers.push((name, Box::new(write)));
    }
    let mut companions: Vec<(&str, Write<'_>)> = Vec::new();
    for (name, write) in &mut writers {
        companions.push((name, &mut **write));
    }
    saving.save(&mut companions, &mut |names, out| {
        out.write_all(&root(set.number, names))
    })
}

const IMPORTED: &[u8] = b"{\"work_items\": []}";

fn sha256_of(bytes: &[u8]) -> String {
    content::Content::Bytes(bytes.to_vec()).sha256().unwrap()
}

fn load_from(disk: &dyn Disk) -> Result<Loaded> {
    load(disk, Path::new(DIR))
}

/// The bytes of a file of the set.
fn content(companion: &Companion) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(companion.name.bytes).unwrap()];
    let read = companion.file.read_full_at(0, &mut bytes).unwrap();
    assert_eq!(read, bytes.len());
    bytes
}

/// The number of the usable set, all of which must be of that number; 0 if there is none. Nothing may look strange.
fn number(disk: &dyn Disk) -> Result<u64, String> {
    let loaded = load_from(disk).map_err(|error| error.to_string())?;
    if !loaded.findings.is_empty() {
        return Err(format!("a crash was reported as {:?}", loaded.findings));
    }
    let Some(set) = loaded.snapshot else {
        return Ok(0);
    };
    let number = set.place.seq.get();
    if set.state != state(number) {
        return Err(format!("set {number} has another state"));
    }
    for found in &set.companions {
        if content(found) != companion(&found.name.name, number).as_bytes() {
            return Err(format!("{} is not of set {number}", found.name.name));
        }
    }
    Ok(number)
}

fn fresh() -> SimDisk {
    let disk = SimDisk::new();
    disk.plant_dir("data/wal").unwrap();
    disk
}

fn with_set(set: &Numbered) -> SimDisk {
    let disk = fresh();
    save(&disk.actor("first"), set, false).unwrap();
    disk.settle();
    disk
}

/// How many outcomes of each power cut are tried: all that matter in a release build.
const OUTCOMES: usize = if cfg!(debug_assertions) { 40 } else { 1024 };

/// No temp file and no `.next` is left.
fn only_ours(disk: &SimActor) -> Result<(), String> {
    let files = disk.list(Path::new(DIR)).unwrap();
    let strange = |file: &&String| file.starts_with('.') || *file == NEXT;
    match files.iter().find(strange) {
        Some(file) => Err(format!("{file} is left")),
        None => Ok(()),
    }
}

/// The files of the store, without the directories.
fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let files = disk.files().into_iter();
    files
        .filter_map(|(name, bytes)| Some((name, bytes?)))
        .collect()
}

fn kinds(disk: &SimDisk) -> Vec<(String, FindingKind)> {
    let findings = load_from(&disk.actor("look")).unwrap().findings;
    findings
        .into_iter()
        .map(|found| (found.file, found.kind))
        .collect()
}

fn edited(log_seq: Option<u64>) -> FindingKind {
    FindingKind::Edited {
        log_seq: log_seq.map(Seq::new),
    }
}

const BOTH: &[&str] = &["a.json", "b.json"];

/// Set 2 in place, set 1 in the `.bak`s.
fn with_two_sets() -> SimDisk {
    let disk = with_set(&set(1, BOTH));
    save(&disk.actor("second"), &set(2, BOTH), false).unwrap();
    disk.settle();
    disk
}

fn plant_over(disk: &SimDisk, file: &str, bytes: &[u8]) {
    // As an editor does: a new file in place of the old, so that no other name of that one changes.
    let path = Path::new(DIR).join(file);
    if disk.peek(&path).is_some() {
        disk.uproot(&path).unwrap();
    }
    disk.plant(&path, bytes).unwrap();
}

#[test]
fn whatever_fails_a_set_stays_and_the_next_compaction_goes_through() {
    let base = with_two_sets();
    let count = {
        let disk = base.fork();
        save(&disk.actor("A"), &set(3, BOTH), false).unwrap();
        disk.calls("A")
    };
    let mut tidy = 0;
    for nth in 1..=count {
        for errno in [Errno::Eio, Errno::Enospc] {
            let disk = base.fork();
            disk.fail(Fault {
                nth,
                ..Fault::new(Failure::Error(errno))
            });
            let result = save(&disk.actor("A"), &set(3, BOTH), false);
            let found = number(&disk.actor("look")).unwrap();
            assert!(
                found == 3 || (found == 2 && result.is_err()),
                "call {nth}: {result:?}"
            );
            let left = only_ours(&disk.actor("look"));
            tidy += u64::from(left.is_ok());
            if let Err(error) = result {
                assert!(matches!(error, Error::Io { .. }), "{error}");
            }
            save(&disk.actor("B"), &set(4, BOTH), false).unwrap();
            assert_eq!(number(&disk.actor("look")), Ok(4), "call {nth}");
            only_ours(&disk.actor("look")).unwrap();
        }
    }
    assert!(tidy > count, "{tidy} of {} left nothing behind", 2 * count);
}

#[test]
fn what_changes_while_the_set_is_written_is_not_replaced() {
    let disk = with_two_sets();
    let actor = disk.actor("A");
    let mut rng = Rng::new(1);
    let mut saving = Saving {
        disk: &actor,
        dir: Path::new(DIR),
        log: None,
        quarantine: Path::new(QUARANTINE),
        random: &mut || rng.next_u64(),
        stamp: Timestamp::EPOCH,
        imported: &|_, _| false,
        seen: None,
        discard_edits: false,
    };
    let result = saving.save(&mut [], &mut |names, out| {
        plant_over(&disk, ROOT, b"{\"my\": \"notes\"}");
        out.write_all(&root(3, names))
    });
    assert!(matches!(result, Err(Error::Edited { .. })));
    assert_eq!(
        disk.peek("data/work_items.json").unwrap(),
        b"{\"my\": \"notes\"}"
    );
    only_ours(&actor).unwrap();
}

/// What happens to a set that was seen before another is put in place, and how often its root was read for that.
fn saved_after_a_look(meanwhile: &dyn Fn(&SimDisk)) -> (Result<Saved>, usize) {
    let disk = with_set(&set(1, &COMPANIONS));
    save(&disk.actor("second"), &set(2, &COMPANIONS), false).unwrap();
    let actor = disk.actor("A");
    let dir = Path::new(DIR);
    let glance = look_of(&actor, dir, None, &|_, _| false).unwrap();
    let seen = glance.seen.expect("there is nothing odd");
    meanwhile(&disk);
    let before = disk.calls_made().len();
    let mut rng = Rng::new(3);
    let mut saving = Saving {
        disk: &actor,
        dir,
        log: None,
        quarantine: Path::new(QUARANTINE),
        random: &mut || rng.next_u64(),
        stamp: Timestamp::EPOCH,
        imported: &|_, _| false,
        seen: Some(&seen),
        discard_edits: false,
    };
    let mut companions: Vec<Box<WriteFn<'_>>> = Vec::new();
    for name in COMPANIONS {
        companions.push(Box::new(move |out: &mut dyn io::Write| {
            out.write_all(companion(name, 3).as_bytes())
        }));
    }
    let mut named: Vec<(&str, Write<'_>)> = Vec::new();
    for (name, write) in std::iter::zip(COMPANIONS, &mut companions) {
        named.push((name, &mut **write));
    }
    let result = saving.save(&mut named, &mut |names, out| out.write_all(&root(3, names)));
    let calls = disk.calls_made();
    let of_set = |path: &str| path == "data/work_items.json" || path == "data/enrichment_data.json";
    let reads = calls[before..]
        .iter()
        .filter(|call| call.kind == crate::testing::CallKind::ReadAt && of_set(&call.path));
    (result, reads.count())
}

#[test]
fn a_set_that_was_seen_is_not_read_again_unless_somebody_touched_it() {
    let (result, reads) = saved_after_a_look(&|_| {});
    let _ = result.unwrap();
    assert_eq!(reads, 0);
    for file in [ROOT, COMPANIONS[0]] {
        // As long as what stood there, in the same file.
        let (result, _) = saved_after_a_look(&|disk| {
            let path = Path::new(DIR).join(file);
            let text = String::from_utf8(disk.peek(&path).unwrap()).unwrap();
            disk.plant(&path, text.replace('2', "7").as_bytes())
                .unwrap();
        });
        assert!(
            matches!(result, Err(Error::Edited { .. })),
            "{file}: {result:?}"
        );
    }
}

#[test]
fn the_set_goes_onto_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let disk = crate::ports::RealDisk;
    disk.create_dir(&dir.path().join("wal")).unwrap();
    for number in 1..4 {
        let mut rng = Rng::new(number);
        let quarantine = dir.path().join("wal/quarantine");
        let mut saving = Saving {
            disk: &disk,
            dir: dir.path(),
            log: None,
            quarantine: &quarantine,
            random: &mut || rng.next_u64(),
            stamp: Timestamp::EPOCH,
            imported: &|_, _| false,
            seen: None,
            discard_edits: false,
        };
        let mut write =
            |out: &mut dyn io::Write| out.write_all(companion("a.json", number).as_bytes());
        let saved = saving
            .save(&mut [("a.json", &mut write)], &mut |names, out| {
                out.write_all(&root(number, names))
            })
            .unwrap();
        let loaded = load(&disk, dir.path()).unwrap();
        assert_eq!(loaded.findings, []);
        let snapshot = loaded.snapshot.unwrap();
        assert_eq!(snapshot.place.seq.get(), number);
        assert_eq!(snapshot.total_bytes, saved.bytes);
    }
    let files = disk.list(dir.path()).unwrap();
    assert_eq!(
        files,
        [
            "a.json",
            "a.json.bak",
            "wal",
            "work_items.json",
            "work_items.json.bak"
        ]
    );
}
