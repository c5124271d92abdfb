//! Kills and power cuts at every call of a compaction, and syncs that are left out.

use super::*;

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
