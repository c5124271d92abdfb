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

mod in_place;
mod other_log;

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
        .outcomes(OUTCOMES)
        .run(|disk, claims| goes_on(disk, claims.last().copied().unwrap_or(oldest)))
}

/// How many outcomes of each power cut are tried: all that matter in a release build.
const OUTCOMES: usize = if cfg!(debug_assertions) { 40 } else { 1024 };

/// After a crash: a whole set, none older than `least`, nothing strange, and the next compaction goes through.
fn goes_on(disk: &SimDisk, least: u64) -> Result<(), String> {
    let actor = disk.actor("check");
    let found = number(&actor)?;
    if found < least {
        return Err(format!("set {least} was in place, set {found} is there"));
    }
    let next = set(9, &["a.json", "b.json", "c.json"]);
    let saved = save(&actor, &next, false).map_err(|error| error.to_string())?;
    if !saved.set_aside.is_empty() {
        return Err(format!("set aside: {:?}", saved.set_aside));
    }
    match number(&actor)? {
        9 => only_ours(&actor),
        other => Err(format!("set 9 was written, set {other} is read")),
    }
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
const HISTORIES: [[&[&str]; 3]; 4] = [
    [
        &["a.json", "b.json"],
        &["a.json", "b.json"],
        &["a.json", "b.json"],
    ],
    [&[], &["a.json", "b.json"], &["a.json", "b.json"]],
    [&["a.json"], &["a.json", "b.json"], &["a.json", "b.json"]],
    [&[], &[], &[]],
];

#[test]
fn at_every_instant_one_set_is_usable() {
    for [before, first, second] in HISTORIES {
        let base = with_set(&set(1, before));
        let explored = crash_twice(&base, &set(2, first), &set(3, second), Forgets::default());
        explored.assert_clean();
        assert!(explored.distinct > 50, "{explored}");
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
fn a_power_cut_between_two_compactions_changes_nothing() {
    let [before, first, second] = HISTORIES[2];
    let base = with_set(&set(1, before));
    let left = std::cell::RefCell::new(std::collections::BTreeMap::new());
    let compact = |number, companions| {
        move |ports: crate::ports::Ports, claims: &crate::testing::Claims<u64>| {
            if save(&*ports.disk, &set(number, companions), false).is_ok() {
                claims.push(number);
            }
        }
    };
    let crashed = Explorer::new(&base)
        .stage("A", Kills::AtEveryCall, compact(2, first))
        .outcomes(OUTCOMES)
        .run(|disk, _| {
            left.borrow_mut().insert(disk.digest(), disk.fork());
            Ok(())
        });
    crashed.assert_clean();
    let left = left.into_inner();
    // A temp file more or less makes no other case: the next compaction removes it first.
    let names = |disk: &SimDisk| {
        let files = disk.files().into_iter();
        files
            .filter(|(name, _)| !name.contains(".tmp"))
            .collect::<Vec<_>>()
    };
    let mut cases: Vec<SimDisk> = Vec::new();
    for disk in left.into_values() {
        if cases.iter().all(|case| names(case) != names(&disk)) {
            cases.push(disk);
        }
    }
    assert!(cases.len() > 10, "{}", cases.len());
    for disk in cases {
        let oldest = number(&disk.actor("look")).unwrap();
        let explored = Explorer::new(&disk)
            .stage("B", Kills::AtEveryCall, compact(3, second))
            .outcomes(OUTCOMES)
            .run(|disk, claims| goes_on(disk, claims.last().copied().unwrap_or(oldest)));
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

#[test]
fn a_reader_beside_a_compaction_finds_a_whole_set() {
    let explored = Explorer::new(&with_two_sets())
        .stage("C", Kills::Never, |ports, _| {
            save(&*ports.disk, &set(3, BOTH), false).unwrap();
        })
        .stage("R", Kills::Never, |ports, claims| {
            let set = load_from(&*ports.disk).unwrap().snapshot;
            let whole = |set: LoadedSet| {
                let number = set.place.seq.get();
                let of_set =
                    |it: &Companion| content(it) == companion(&it.name.name, number).as_bytes();
                (set.companions.iter().all(of_set) && set.state == state(number)).then_some(number)
            };
            claims.push(set.and_then(whole).unwrap_or_default());
        })
        .outcomes(1)
        .run_interleaved(2, 4 * OUTCOMES, |_, claims| match claims {
            [] | [2 | 3] => Ok(()),
            other => Err(format!("read {other:?}")),
        });
    explored.assert_clean();
    assert!(explored.runs > 100, "{explored}");
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
fn an_edited_root_is_refused_and_set_aside_only_when_asked() {
    let disk = with_two_sets();
    let text = String::from_utf8(disk.peek("data/work_items.json").unwrap()).unwrap();
    let changed = text
        .replacen("\"attempts\": 0", "\"attempts\": 5", 1)
        .replacen("item 2", "item 7", 1);
    plant_over(&disk, ROOT, changed.as_bytes());
    assert_eq!(kinds(&disk), [(ROOT.to_owned(), edited(Some(2)))]);
    let loaded = load_from(&disk.actor("look")).unwrap();
    assert_eq!(
        loaded.findings[0].sha256,
        Some(sha256_of(changed.as_bytes()))
    );
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!(
        (snapshot.source, snapshot.place.seq),
        (Source::Bak, Seq::new(1))
    );
    let before = files(&disk);
    let refused = save(&disk.actor("C"), &set(3, BOTH), false);
    assert!(
        matches!(refused, Err(Error::Edited { file, .. }) if file == Path::new("data/work_items.json"))
    );
    assert_eq!(files(&disk), before, "nothing was changed");
    let saved = save(&disk.actor("D"), &set(3, BOTH), true).unwrap();
    let [copy] = &*saved.set_aside else {
        panic!("{saved:?}")
    };
    assert!(
        copy.starts_with("work_items.json.20261123T014015.") && copy.len() == 40,
        "{copy}"
    );
    let kept = disk.peek(Path::new(QUARANTINE).join(copy)).unwrap();
    assert_eq!(kept, changed.as_bytes());
    assert_eq!(number(&disk.actor("look")), Ok(3));
    let after_a_cut = disk.power_cut(&mut |_| false);
    assert_eq!(
        after_a_cut.peek(Path::new(QUARANTINE).join(copy)).unwrap(),
        changed.as_bytes()
    );
}

#[test]
fn a_damaged_root_is_set_aside_without_asking() {
    let disk = with_two_sets();
    plant_over(&disk, ROOT, b"{\"schema_ver");
    assert_eq!(kinds(&disk)[0], (ROOT.to_owned(), FindingKind::Damaged));
    let snapshot = load_from(&disk.actor("look")).unwrap().snapshot.unwrap();
    assert_eq!(
        (snapshot.source, snapshot.place.seq),
        (Source::Bak, Seq::new(1))
    );
    let contents: Vec<_> = snapshot.companions.iter().map(content).collect();
    assert_eq!(
        contents,
        BOTH.iter()
            .map(|name| companion(name, 1).into_bytes())
            .collect::<Vec<_>>()
    );
    let saved = save(&disk.actor("C"), &set(3, BOTH), false).unwrap();
    assert_eq!(
        saved.set_aside.len(),
        3,
        "the root, and two files that no root names any more"
    );
    assert_eq!(number(&disk.actor("look")), Ok(3));
}

#[test]
fn a_companion_that_somebody_changed_is_read_from_its_bak_or_not_at_all() {
    let disk = with_two_sets();
    save(&disk.actor("again"), &set(2, BOTH), false).unwrap();
    plant_over(&disk, "a.json", b"{\"mine\": 1}");
    assert_eq!(kinds(&disk), [("a.json".to_owned(), edited(None))]);
    let snapshot = load_from(&disk.actor("look")).unwrap().snapshot.unwrap();
    assert_eq!(
        (snapshot.source, snapshot.place.seq),
        (Source::Root, Seq::new(2))
    );
    let refused = save(&disk.actor("C"), &set(3, BOTH), false);
    assert!(matches!(refused, Err(Error::Edited { file, .. }) if file == Path::new("data/a.json")));
    // The copy in the .bak is the only one left: it must stay until the new set is in place.
    let explored = Explorer::new(&disk)
        .stage(
            "D",
            Kills::AtEveryCall,
            |ports, _: &crate::testing::Claims<u64>| {
                let _ = save(&*ports.disk, &set(3, BOTH), true);
            },
        )
        .outcomes(OUTCOMES)
        .run(|disk, _| {
            let loaded = load_from(&disk.actor("look")).map_err(|error| error.to_string())?;
            let set = loaded.snapshot.ok_or("no set is left")?;
            let content = companion("a.json", set.place.seq.get());
            if self::content(&set.companions[0]) != content.as_bytes() {
                return Err("another a.json".to_owned());
            }
            Ok(())
        });
    explored.assert_clean();

    plant_over(&disk, "a.json.bak", b"{}");
    plant_over(&disk, "a.json", b"not JSON");
    let root = (ROOT.to_owned(), FindingKind::MissingCompanion);
    assert_eq!(kinds(&disk)[..1], [root]);
    // No crash of ours leaves that: it is somebody's, as well.
    assert!(kinds(&disk).contains(&("a.json".to_owned(), FindingKind::Unparsable)));
    let refused = save(&disk.actor("E"), &set(4, BOTH), false);
    assert!(
        matches!(refused, Err(Error::Edited { file, unreadable: Some(why) })
            if file == Path::new("data/a.json") && why.starts_with("it is no JSON"))
    );
    let saved = save(&disk.actor("E"), &set(4, BOTH), true).unwrap();
    assert_eq!(saved.set_aside.len(), 1, "{saved:?}");
    assert_eq!(number(&disk.actor("look")), Ok(4));
}

#[test]
fn after_a_crash_anywhere_a_companion_that_somebody_changes_is_noticed_and_left_alone() {
    let base = with_two_sets();
    for mine in [&b"{\"mine\": 1}"[..], b"{\"mine\": 1", b""] {
        let explored = Explorer::new(&base)
            .stage(
                "A",
                Kills::AtEveryCall,
                |ports, _: &crate::testing::Claims<u64>| {
                    let _ = save(&*ports.disk, &set(3, BOTH), false);
                },
            )
            .outcomes(OUTCOMES)
            .run(|disk, _| {
                let before = load_from(&disk.actor("look")).map_err(|error| error.to_string())?;
                if let Some(found) = before.findings.iter().find(|it| it.file == "a.json") {
                    return Err(format!("nobody did this: {found:?}"));
                }
                plant_over(disk, "a.json", mine);
                let wanted = if mine.ends_with(b"}") {
                    edited(None)
                } else {
                    FindingKind::Unparsable
                };
                if !kinds(disk).contains(&("a.json".to_owned(), wanted)) {
                    return Err(format!("not noticed: {:?}", kinds(disk)));
                }
                let saved = save(&disk.actor("B"), &set(4, BOTH), false);
                let refused =
                    matches!(&saved, Err(Error::Edited { file, .. }) if file.ends_with("a.json"));
                let kept = disk.peek("data/a.json").as_deref() == Some(mine);
                (refused && kept)
                    .then_some(())
                    .ok_or_else(|| format!("written over: {saved:?}"))
            });
        explored.assert_clean();
    }
}

#[test]
fn a_file_of_another_program_is_refused_unless_it_was_imported() {
    let disk = fresh();
    plant_over(&disk, ROOT, b"{\"work_items\": [1]}");
    assert_eq!(kinds(&disk), [(ROOT.to_owned(), FindingKind::Foreign)]);
    assert!(matches!(
        save(&disk.actor("A"), &set(1, BOTH), false),
        Err(Error::Edited { .. })
    ));
    plant_over(&disk, ROOT, IMPORTED);
    plant_over(&disk, "a.json", b"{}");
    let refused = save(&disk.actor("B"), &set(1, BOTH), false);
    assert!(matches!(refused, Err(Error::Edited { file, .. }) if file == Path::new("data/a.json")));
    plant_over(&disk, "a.json", IMPORTED);
    let saved = save(&disk.actor("C"), &set(1, BOTH), false).unwrap();
    assert_eq!(
        saved.set_aside, [""; 0],
        "the originals are in wal/imported"
    );
    assert_eq!(number(&disk.actor("look")), Ok(1));
}

#[test]
fn a_bak_of_the_user_is_copied_first() {
    let disk = with_set(&set(1, BOTH));
    for file in ["work_items.json.bak", "a.json.bak"] {
        plant_over(&disk, file, b"my backup");
    }
    let saved = save(&disk.actor("A"), &set(2, BOTH), false).unwrap();
    assert_eq!(saved.set_aside.len(), 2);
    for copy in &saved.set_aside {
        assert_eq!(
            disk.peek(Path::new(QUARANTINE).join(copy)).unwrap(),
            b"my backup"
        );
    }
    assert_eq!(number(&disk.actor("look")), Ok(2));
}

#[test]
fn a_newer_snapshot_stops_everything() {
    let disk = with_two_sets();
    let text = String::from_utf8(disk.peek("data/work_items.json").unwrap()).unwrap();
    let text = text.replacen("\"1.0.0\"", "\"2.0.0\"", 1);
    let (covered, _) = text.split_at(text.rfind("  \"crc32\"").unwrap());
    let crc32 = crc32fast::hash(covered.as_bytes());
    let text = format!("{covered}  \"crc32\": \"{crc32:08x}\"\n}}\n");
    plant_over(&disk, ROOT, text.as_bytes());
    let before = files(&disk);
    assert!(matches!(
        load_from(&disk.actor("look")),
        Err(Error::NewerFormat { .. })
    ));
    for discard_edits in [false, true] {
        let refused = save(&disk.actor("A"), &set(3, BOTH), discard_edits);
        assert!(matches!(refused, Err(Error::NewerFormat { .. })));
    }
    assert_eq!(files(&disk), before);
}

#[test]
fn a_reformatted_root_is_as_good_as_ours() {
    let disk = with_two_sets();
    let root = disk.peek("data/work_items.json").unwrap();
    let value: serde_json::Value = serde_json::from_slice(&root).unwrap();
    plant_over(&disk, ROOT, value.to_string().as_bytes());
    assert_eq!(number(&disk.actor("look")), Ok(2));
    let saved = save(&disk.actor("A"), &set(3, BOTH), false).unwrap();
    assert_eq!(saved.set_aside, [""; 0]);
    assert_eq!(number(&disk.actor("look")), Ok(3));
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
