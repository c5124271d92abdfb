//! Nested crashes: recovery, compaction and repair are killed at every call themselves, on disks that a crash left.

use std::cell::{Cell, RefCell};
use std::path::Path;

use phaselog::testing::oracles::{self, Claim, Place, Reading};
use phaselog::testing::{Explored, Explorer, Kills, Seen, SimDisk};
use phaselog::{Error, Options, Ports, Store};

use crate::bench::{Bench, FIRST, check, enrich, extract};
use crate::table::Row;
use crate::workload::{DIR, OLD, OLD_FILES, Step, base, complete, hold, lay, options, start};

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let mut total = Explored::default();
    for (name, first, second) in cases() {
        if bench.first_only && !total.violations.is_empty() {
            break;
        }
        let mut found = crash_in_crash(bench, &first, &second);
        for violation in &mut found.violations {
            let before = &violation.message;
            violation.message = format!("{name}: {before}");
        }
        total.add(found);
    }
    if !bench.first_only || total.violations.is_empty() {
        total.add(repair_in_crash(bench));
    }
    vec![bench.row("nested crashes", "crash states", 200_000, &total)]
}

/// What crashes first, and what crashes in what it left.
fn cases() -> Vec<(&'static str, Vec<Step>, Vec<Step>)> {
    let compacted_twice = || {
        vec![
            Step::Compact,
            hold("b"),
            Step::Compact,
            complete("a"),
            Step::Compact,
        ]
    };
    vec![
        (
            "compaction of three files after compactions",
            vec![
                enrich("a", 1),
                extract("a"),
                Step::Compact,
                enrich("a", 2),
                extract("b"),
                Step::Compact,
            ],
            vec![enrich("b", 3), Step::Compact, Step::Look],
        ),
        (
            "compaction after imports",
            vec![
                Step::Import(OLD),
                Step::Compact,
                Step::Prefer(OLD),
                complete("b"),
                Step::Compact,
            ],
            vec![Step::Import(OLD), Step::Compact, Step::Look],
        ),
        (
            "recovery after an append",
            vec![Step::SmallSegments, Step::Start("a", "p"), hold("b")],
            vec![Step::Late, Step::Resume],
        ),
        (
            "compaction after compactions",
            compacted_twice(),
            vec![complete("b"), Step::Compact, Step::Look],
        ),
        (
            "recovery after compactions",
            compacted_twice(),
            vec![Step::Resume, Step::Compact],
        ),
    ]
}

/// The first workload is killed at every call, the power goes; on each disk so left the second one is killed at every
/// call, and the power goes again.
fn crash_in_crash(bench: &Bench, first: &[Step], second: &[Step]) -> Explored {
    let (inner, seen) = (RefCell::new(Explored::default()), Seen::default());
    let (turn, disk) = (Cell::new(0_u64), base());
    lay(&disk, OLD, &OLD_FILES);
    let mut outer = bench
        .explorer(
            &disk,
            &Seen::default(),
            &[("A", Kills::AtEveryCall, first.to_vec())],
        )
        .outcomes(bench.pick(2, 16))
        .run(|disk, before| {
            // In a short run some of those disks, in turn.
            turn.set(turn.get() + 1);
            let each = bench.pick(if bench.first_only { 2 } else { 20 }, 1);
            if !turn.get().is_multiple_of(each) {
                return check(disk, before);
            }
            let found = bench
                .explorer(disk, &seen, &[("R", Kills::AtEveryCall, second.to_vec())])
                .outcomes(bench.pick(2, 8))
                .torn(1)
                .run(|disk, claims| {
                    let all: Vec<Claim> = before.iter().chain(claims).cloned().collect();
                    check(disk, &all)
                });
            let wrong = found.violations.first().map(ToString::to_string);
            inner.borrow_mut().add(found);
            wrong.map_or(Ok(()), Err)
        });
    let inner = inner.into_inner();
    outer.violations.truncate(3);
    // What counts are the crashes in crashes.
    Explored {
        violations: outer.violations,
        ..inner
    }
}

/// Repairs of hurt stores, killed at every call: each leaves a store that is still loudly hurt or is mended, and
/// another repair mends it.
fn repair_in_crash(bench: &Bench) -> Explored {
    let mut total = Explored::default();
    let whole = long_store();
    let bytes = whole.peek(segment(1)).unwrap();
    let places = bench.pick(3, 24);
    for at in 1..=places {
        let hurt = whole.fork();
        let mut damaged = bytes.clone();
        let byte = at * bytes.len() / (places + 1);
        damaged[byte] ^= 0x40;
        damaged[byte + 1] ^= 0x01;
        hurt.plant(segment(1), &damaged).unwrap();
        let issued = oracles::read_lines(&whole.ports_for("lister"), Path::new(DIR)).unwrap();
        let last = issued.last().unwrap().seq;
        let found = Explorer::<Claim>::new(&hurt)
            .outcomes(bench.pick(4, 64))
            .torn(1)
            .max_violations(1)
            .stage("R", Kills::AtEveryCall, |ports, _| {
                // What it was killed in, another repair goes on from.
                let _ = repair(&bench.ports(ports));
            })
            .run(|disk, _| mended_or_loud(disk, last));
        total.add(found);
    }
    total
}

fn mended_or_loud(disk: &SimDisk, last: u64) -> Result<(), String> {
    let (dir, options) = (Path::new(DIR), options());
    let reader = disk.ports_for("reader");
    let place = Place {
        ports: &reader,
        dir,
        options: &options,
    };
    let mended = oracles::o6_what_is_missing_is_loud(place, &[])?;
    if matches!(mended, Reading::Loud(_)) {
        repair(&disk.ports_for("again")).map_err(|error| format!("repair again: {error}"))?;
    }
    let lines = place.lines()?;
    oracles::o2_only_a_beginning_of_what_was_written(&lines, None)?;
    oracles::o7_one_owner(&lines)?;
    next_token_is_new(disk, &options, last)
}

/// No token is ever issued twice, not even one that was in the range given up.
fn next_token_is_new(disk: &SimDisk, options: &Options, last: u64) -> Result<(), String> {
    let mut store = Store::open(disk.ports_for("worker"), Path::new(DIR), options.clone())
        .map_err(|error| format!("open after the repair: {error}"))?;
    let token = store
        .submit(&start("a", "q"))
        .or_else(|_| store.submit(&start("b", "q")))
        .map_err(|error| format!("start after the repair: {error}"))?
        .seq();
    match token {
        Some(token) if token.get() > last => Ok(()),
        token => Err(format!("{token:?} was given out, and {last} before")),
    }
}

/// The path of the how-manieth segment, from 0; only the first is asked for by name.
fn segment(at: usize) -> String {
    let disk = long_store();
    let files = disk.files().into_iter().map(|(path, _)| path);
    let mut segments = files.filter(|path| path.ends_with(".wal"));
    segments
        .nth(at)
        .unwrap_or_else(|| format!("{DIR}/wal/{FIRST}"))
}

/// A store of a few segments, all of it durable.
fn long_store() -> SimDisk {
    let disk = base();
    let claims = phaselog::testing::Claims::default();
    let steps = [
        Step::Start("a", "p"),
        Step::Complete("a", "p"),
        hold("b"),
        Step::Compact,
        Step::Start("a", "q"),
        Step::Do(phaselog::pipeline::Command::Unhold {
            item: crate::workload::item("b"),
        }),
        complete("b"),
        Step::Complete("a", "q"),
    ];
    crate::workload::work(&disk.ports_for("setup"), &claims, &steps);
    disk.settle();
    disk
}

/// Repairs the store, and gives up whatever is lost.
fn repair(ports: &Ports) -> Result<(), Error> {
    use phaselog::store::repair::{Occasion, apply, plan};
    let (dir, options) = (Path::new(DIR), options());
    let lost = plan(ports, dir, &options, Occasion::Hurt)?.lost;
    apply(ports, dir, &options, Occasion::Hurt, &lost).map(drop)
}
