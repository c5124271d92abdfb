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
use crate::testing::{
    CallKind, Errno, Explored, Explorer, Failure, Fault, Kills, Rng, SimActor, SimDisk,
};

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

/// Puts a set in place; edits are refused unless `discard_edits`, originals of imports are the files that say so.
fn save(disk: &dyn Disk, set: &Numbered, discard_edits: bool) -> Result<Saved> {
    let mut rng = Rng::new(set.number);
    let mut saving = Saving {
        disk,
        dir: Path::new(DIR),
        quarantine: Path::new(QUARANTINE),
        random: &mut || rng.next_u64(),
        stamp: Timestamp::parse_rfc3339("2026-11-23T01:40:15Z").unwrap(),
        imported: &|_, sha256| sha256 == sha256_of(IMPORTED),
        discard_edits,
    };
    type Writer<'a> = Box<dyn FnMut(&mut dyn io::Write) -> io::Result<()> + 'a>;
    let mut writers: Vec<(&str, Writer<'_>)> = Vec::new();
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
    survey::Content::Bytes(bytes.to_vec()).sha256().unwrap()
}

fn load_from(disk: &dyn Disk) -> Result<Loaded> {
    load(disk, Path::new(DIR))
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
        if found.content != companion(&found.name.name, number).as_bytes() {
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

/// A disk on which some syncs say OK and do nothing.
struct Forgetful<'a> {
    disk: &'a dyn Disk,
    /// The how-manieth sync of a directory, from 1; 0 for none.
    dir_sync: usize,
    /// Forgets it only if a `.next` was there at the beginning (true) or was not (false).
    with_next: bool,
    had_next: bool,
    dir_syncs: AtomicUsize,
    file_syncs: bool,
}

impl<'a> Forgetful<'a> {
    fn new(disk: &'a dyn Disk, dir_sync: usize, with_next: bool) -> Self {
        let had_next = disk.metadata(&Path::new(DIR).join(NEXT)).is_ok();
        Self {
            disk,
            dir_sync,
            with_next,
            had_next,
            dir_syncs: AtomicUsize::new(0),
            file_syncs: false,
        }
    }
}

struct ForgetfulFile(Box<dyn File>);

impl File for ForgetfulFile {
    fn id(&self) -> io::Result<crate::ports::FileId> {
        self.0.id()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, kind: crate::ports::LockKind, wait: std::time::Duration) -> io::Result<bool> {
        self.0.lock(kind, wait)
    }
    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

impl Disk for Forgetful<'_> {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.disk.open_read(path)
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.disk.open_write(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = self.disk.create_new(path)?;
        if self.file_syncs {
            return Ok(Box::new(ForgetfulFile(file)));
        }
        Ok(file)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.disk.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.hard_link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let nth = self.dir_syncs.fetch_add(1, Ordering::Relaxed) + 1;
        if nth == self.dir_sync && self.had_next == self.with_next {
            return Ok(());
        }
        self.disk.sync_dir(dir)
    }
    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.disk.network_file_system(path)
    }
}

/// What each compaction of a search forgets.
#[derive(Clone, Copy, Default)]
struct Forgets {
    dir_sync: usize,
    with_next: bool,
    file_syncs: bool,
}

/// Kills two compactions, one after the other, at every call, cuts the power after each, and looks at what is left:
/// a whole set, never an older one than was reported, nothing strange, and the next compaction goes through.
fn crash_twice(base: &SimDisk, first: &Numbered, second: &Numbered, forgets: Forgets) -> Explored {
    let compact = |set: Numbered| {
        move |ports: crate::ports::Ports, claims: &crate::testing::Claims<u64>| {
            let mut disk = Forgetful::new(&*ports.disk, forgets.dir_sync, forgets.with_next);
            disk.file_syncs = forgets.file_syncs;
            if save(&disk, &set, false).is_ok() {
                claims.push(set.number);
            }
        }
    };
    let oldest = number(&base.actor("look")).unwrap();
    let first = set(first.number, first.companions);
    let second = set(second.number, second.companions);
    Explorer::new(base)
        .stage("A", Kills::AtEveryCall, compact(first))
        .stage("B", Kills::AtEveryCall, compact(second))
        .outcomes(256)
        .run(|disk, claims| {
            let actor = disk.actor("check");
            let found = number(&actor)?;
            let least = claims.last().copied().unwrap_or(oldest);
            if found < least {
                return Err(format!("set {least} was in place, set {found} is there"));
            }
            let next = set(9, &["a.json", "c.json"]);
            let saved = save(&actor, &next, false).map_err(|error| error.to_string())?;
            if !saved.set_aside.is_empty() {
                return Err(format!("set aside: {:?}", saved.set_aside));
            }
            match number(&actor)? {
                9 => only_ours(&actor),
                other => Err(format!("set 9 was written, set {other} is read")),
            }
        })
}

/// No temp file and no `.next` is left.
fn only_ours(disk: &SimActor) -> Result<(), String> {
    let files = disk.list(Path::new(DIR)).unwrap();
    let strange = |file: &&String| file.starts_with('.') || *file == NEXT;
    match files.iter().find(strange) {
        Some(file) => Err(format!("{file} is left")),
        None => Ok(()),
    }
}

/// Which companions the sets have that follow each other.
const HISTORIES: [[&[&str]; 3]; 5] = [
    [
        &["a.json", "b.json"],
        &["a.json", "b.json"],
        &["a.json", "b.json"],
    ],
    [&[], &["a.json", "b.json"], &["a.json"]],
    [&["a.json", "b.json"], &["b.json"], &["a.json", "b.json"]],
    [&["a.json"], &["a.json", "b.json"], &[]],
    [&[], &[], &[]],
];

#[test]
fn at_every_instant_one_set_is_usable() {
    for [before, first, second] in HISTORIES {
        let base = with_set(&set(1, before));
        let explored = crash_twice(&base, &set(2, first), &set(3, second), Forgets::default());
        explored.assert_clean();
        assert!(explored.distinct > 500, "{explored}");
    }
}

#[test]
fn the_first_set_of_all_comes_whole_or_not() {
    for [_, first, second] in HISTORIES {
        let explored = crash_twice(
            &fresh(),
            &set(2, first),
            &set(3, second),
            Forgets::default(),
        );
        explored.assert_clean();
    }
}

#[test]
fn without_any_one_of_its_syncs_it_would_fail() {
    let forgets = |dir_sync, with_next| Forgets {
        dir_sync,
        with_next,
        file_syncs: false,
    };
    let cases = [
        ("of the .baks", forgets(1, false)),
        ("of the new set", forgets(2, false)),
        ("of the set put back", forgets(1, true)),
        (
            "of the files",
            Forgets {
                file_syncs: true,
                ..Forgets::default()
            },
        ),
    ];
    for (name, forgets) in cases {
        let explored = HISTORIES.iter().map(|[before, first, second]| {
            let base = with_set(&set(1, before));
            crash_twice(&base, &set(2, first), &set(3, second), forgets)
        });
        let violations: usize = explored.map(|explored| explored.violations.len()).sum();
        assert!(
            violations > 0,
            "nothing shows that the sync {name} is missing"
        );
    }
}
