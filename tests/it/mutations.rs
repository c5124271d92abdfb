//! A log of two hundred records in three segments, with snapshots, and every small hurt that can be done to it: each bit
//! flipped, each length cut, each byte gone or twice, lines swapped, files gone, repeated, renamed.
//!
//! Whatever opens gives everything; whatever does not says so; and what a snapshot hides from who opens, verify tells.
//! A part of the hurts runs always; all of them: `PHASELOG_TEST_FULL=1 cargo test --test it mutations -- --nocapture`.

use std::path::Path;
use std::time::Duration;

use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
use phaselog::store::verify::{Extent, Verdict, verify};
use phaselog::store::{CompactMode, Options};
use phaselog::testing::oracles::{self, Line};
use phaselog::testing::{Errno, Failure, Fault, SimDisk};
use phaselog::{Error, PipelineState, Store, View};

const DIR: &str = "data";

/// Of so many hurts one is tried without `PHASELOG_TEST_FULL`; a prime, so that every bit has its turn.
const STEP: usize = 37;

fn options() -> Options {
    Options {
        // Segments end where a compaction ends them.
        segment_bytes: 1 << 30,
        lock_wait: Duration::ZERO,
        compact: CompactMode::Never,
        ..Options::default()
    }
}

/// What is hurt, and what there was.
struct Base {
    disk: SimDisk,
    lines: Vec<Line>,
    state: PipelineState,
    segments: Vec<String>,
}

/// Two hundred records in three segments; two snapshots were written, the second is in place, the first its `.bak`.
fn base() -> Base {
    let disk = SimDisk::new();
    let ports = disk.ports_for("writer");
    let phases = ["county", "listing", "images"].map(|name| Phase::new(name).unwrap());
    let plan = Plan::new(phases.iter().cloned().map(PhasePlan::named).collect()).unwrap();
    let items: Vec<NewItem> = (0..36)
        .map(|n| NewItem {
            name: ItemId::new(&format!("{n} N Example St")).unwrap(),
            id: None,
        })
        .collect();
    let dir = Path::new(DIR);
    let _ = Store::init(&ports, dir, &options(), &plan, &items).unwrap();
    let mut store = Store::open(ports.clone(), dir, options()).unwrap();
    for n in 0..79 {
        let (item, phase) = (items[n % 36].name.clone(), phases[n / 36].clone());
        let start = Command::Start {
            item: item.clone(),
            phase: phase.clone(),
            worker: Some("w1".to_owned()),
            owner: None,
        };
        let token = store.submit(&start).unwrap().seq();
        let kind = match n % 5 {
            0 => ReportKind::Fail {
                error: "HTTP 503".to_owned(),
                permanent: false,
            },
            _ => ReportKind::Complete,
        };
        let report = Command::Report(Report::new(item, phase, token, kind));
        let _ = store.submit(&report).unwrap();
        if n == 25 || n == 52 {
            let _ = store.compact(false).unwrap();
        }
    }
    disk.settle();
    let files = disk.files();
    let segments = files.into_iter().map(|(name, _)| name);
    let segments: Vec<String> = segments.filter(|name| name.ends_with(".wal")).collect();
    let lines = oracles::read_lines(&ports, dir).unwrap();
    assert!(
        (200..210).contains(&lines.len()) && segments.len() == 3,
        "{}",
        lines.len()
    );
    let state = View::open(&ports, dir, &options()).unwrap().into_state();
    Base {
        disk,
        lines,
        state,
        segments,
    }
}

/// What hurts came to.
#[derive(Default)]
struct Count {
    whole: u64,
    refused: u64,
    told: u64,
}

impl Count {
    fn print(&self, what: &str) {
        let all = self.whole + self.refused + self.told;
        println!(
            "{what}: {all} mutants, {} refused loudly, {} told by verify alone, {} read whole, 0 silent losses",
            self.refused, self.told, self.whole
        );
    }

    /// Looks at a hurt store.
    fn look(&mut self, base: &Base, disk: &SimDisk, what: &str) {
        let ports = disk.ports_for("reader");
        let dir = Path::new(DIR);
        match View::open(&ports, dir, &options()) {
            Ok(view) => assert!(*view.state() == base.state, "{what}: another state"),
            Err(Error::Damaged(_) | Error::AmbiguousTail(_) | Error::OtherLog { .. }) => {
                self.refused += 1;
                return;
            }
            Err(error) => panic!("{what}: {error}"),
        }
        let lines = oracles::read_lines(&ports, dir).unwrap();
        if lines == base.lines {
            self.whole += 1;
            return;
        }
        // The snapshot hides it from who opens the store.
        let verified = verify(&ports, dir, &options(), &Extent::default()).unwrap();
        assert!(
            verified.verdict >= Verdict::Ambiguous,
            "{what}: {} of {} records, and verify says {}",
            lines.len(),
            base.lines.len(),
            verified.verdict.as_str()
        );
        self.told += 1;
    }
}

/// As [`Count::look`], for what lies where nothing of ours would: where no record is missing, `verify` says so all the same.
fn look_odd(count: &mut Count, base: &Base, disk: &SimDisk, what: &str) {
    let before = count.whole;
    count.look(base, disk, what);
    if count.whole > before {
        let ports = disk.ports_for("verifier");
        let verified = verify(&ports, Path::new(DIR), &options(), &Extent::default()).unwrap();
        assert!(
            verified.verdict > Verdict::Clean,
            "{what}: nobody says a word"
        );
    }
}

fn step() -> usize {
    if std::env::var_os("PHASELOG_TEST_FULL").is_some() {
        1
    } else {
        STEP
    }
}

/// Tries every hurt of one file, of which there are `count`; `hurt` gives the bytes after it.
fn each(
    base: &Base,
    path: &str,
    count: usize,
    into: &mut Count,
    what: &str,
    hurt: impl Fn(&[u8], usize) -> Vec<u8>,
) {
    let whole = base.disk.peek(path).unwrap();
    let disk = base.disk.fork();
    for index in (0..count).step_by(step()) {
        disk.plant(path, &hurt(&whole, index)).unwrap();
        into.look(base, &disk, &format!("{path}: {what} {index}"));
    }
}

#[test]
fn no_small_hurt_of_the_log_is_silent() {
    let base = base();
    let (mut flips, mut cuts) = (Count::default(), Count::default());
    let (mut gone, mut twice) = (Count::default(), Count::default());
    for path in &base.segments {
        let len = base.disk.peek(path).unwrap().len();
        each(&base, path, len * 8, &mut flips, "bit", |whole, bit| {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        each(&base, path, len, &mut cuts, "cut at", |whole, at| {
            whole[..at].to_vec()
        });
        each(&base, path, len, &mut gone, "without byte", |whole, at| {
            [&whole[..at], &whole[at + 1..]].concat()
        });
        each(&base, path, len, &mut twice, "twice byte", |whole, at| {
            [&whole[..=at], &whole[at..]].concat()
        });
    }
    flips.print("bits flipped");
    cuts.print("lengths cut");
    gone.print("bytes gone");
    twice.print("bytes twice");
    let step = step() as u64;
    assert!((flips.refused + flips.told) * step > 200_000);
    // A newline that is gone at the very end, or twice, hurts nothing that was written.
    assert!(flips.whole == 0 && gone.whole <= 3 && cuts.whole == 0);
}

#[test]
fn no_small_hurt_of_a_snapshot_changes_an_answer() {
    let base = base();
    let mut count = Count::default();
    for path in ["data/work_items.json", "data/work_items.json.bak"] {
        let len = base.disk.peek(path).unwrap().len();
        each(&base, path, len * 8, &mut count, "bit", |whole, bit| {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        each(&base, path, len, &mut count, "cut at", |whole, at| {
            whole[..at].to_vec()
        });
    }
    count.print("hurt snapshots");
    assert_eq!((count.refused, count.told), (0, 0));
}

/// Where the system does not give the root, the set before it is a witness still.
#[test]
fn the_set_before_attests_where_the_root_is_refused() {
    let base = base();
    let disk = base.disk.fork();
    for path in &base.segments[1..] {
        disk.uproot(path).unwrap();
    }
    disk.uproot("data/wal/mark").unwrap();
    let ports = disk.ports_for("reader");
    let refused = Fault::new(Failure::Error(Errno::Eacces)).at_path("/work_items.json");
    disk.fail(refused.from_then_on());
    let verified = verify(&ports, Path::new(DIR), &options(), &Extent::default()).unwrap();
    assert_eq!(verified.verdict, Verdict::Damaged, "{verified:?}");
    let by = verified
        .findings
        .iter()
        .filter_map(|finding| finding.witness.as_deref());
    assert!(
        by.clone().any(|by| by.starts_with("the snapshot at")),
        "{verified:?}"
    );
}

#[test]
fn no_line_or_file_goes_missing_in_silence() {
    let base = base();
    let mut count = Count::default();
    for path in &base.segments {
        let whole = base.disk.peek(path).unwrap();
        let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
        let disk = base.disk.fork();
        let mut look = |order: Vec<usize>, what: &str| {
            let bytes: Vec<&[u8]> = order.iter().map(|&line| lines[line]).collect();
            disk.plant(path, &bytes.concat()).unwrap();
            // The last line once more lies behind the end that the next header attests: like any sealed tail it says nothing.
            count.look(&base, &disk, &format!("{path}: {what}"));
        };
        for one in 0..lines.len() {
            let all = 0..lines.len();
            look(
                all.clone().filter(|&line| line != one).collect(),
                &format!("without line {one}"),
            );
            let repeated = all
                .clone()
                .flat_map(|line| vec![line; 1 + usize::from(line == one)]);
            look(repeated.collect(), &format!("line {one} twice"));
            for other in [one + 1, lines.len() - 1] {
                if other < lines.len() && other != one {
                    let mut swapped: Vec<usize> = all.clone().collect();
                    swapped.swap(one, other);
                    look(swapped, &format!("lines {one} and {other} swapped"));
                }
            }
        }
        // The file gone, under another name, in the place of another, or there a second time.
        let other = |path: &str| format!("data/wal/{:020}.wal", path.len());
        for (gone, put) in [
            (true, None),
            (true, Some(other(path))),
            (true, Some(format!("{path}.old"))),
            (false, Some(other(path))),
            (false, Some(base.segments[0].clone())),
            (false, Some(base.segments[2].clone())),
        ] {
            if put.as_ref() == Some(path) {
                continue;
            }
            let disk = base.disk.fork();
            if gone {
                disk.uproot(path).unwrap();
            }
            if let Some(put) = &put {
                disk.plant(put, &whole).unwrap();
            }
            let what = format!("{path}: gone {gone}, put {put:?}");
            look_odd(&mut count, &base, &disk, &what);
        }
    }
    // Those read whole have a copy of a line or a segment where none belongs, and everything that belongs there.
    count.print("lines and files");
}
