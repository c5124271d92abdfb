//! The simulated disk: every short sequence of operations by one to three actors, each killed at every call, then the
//! power cut, within the last write and with every subset of what was not synced.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use phaselog::testing::{Claims, Explored, Kills, Rng, Seen, SimDisk};

use crate::bench::{Bench, check, enrich, extract};
use crate::table::Row;
use crate::workload::{Step, add, base, complete, hold, work};

/// An operation of the sweep, as the steps that do it.
type Op = (&'static str, fn() -> Vec<Step>);

/// All operations.
const OPS: [Op; 8] = [
    ("append", || vec![hold("b")]),
    ("group", || vec![add(&["c", "d", "e"])]),
    ("start", || vec![Step::Start("a", "p")]),
    ("complete", || vec![Step::Complete("a", "p")]),
    ("reset", || vec![Step::Late, Step::Resume]),
    ("rotate", || vec![Step::SmallSegments, complete("b")]),
    ("compact", || vec![Step::Compact]),
    ("open", || vec![Step::Look]),
];

/// One search: what each actor does, in turn.
struct Case {
    name: String,
    operations: usize,
    stages: Vec<Vec<Step>>,
}

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let cases = cases(bench);
    let by = |actors: usize| {
        cases
            .iter()
            .filter(|case| case.stages.len() == actors)
            .count()
    };
    let more = format!(
        "{} sequences by one actor, {} by two, {} by three",
        by(1),
        by(2),
        by(3)
    );
    let found = explore(bench, &cases);
    let mut row = bench.row("simulated disk", "crash states", 1_000_000, &found);
    row.more = format!("{more}; {}", row.more);
    vec![row]
}

fn cases(bench: &Bench) -> Vec<Case> {
    let mut cases = vec![case(&[], &[vec![Step::Init], vec![Step::Init]])];
    let mut sequences: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..3 {
        let longer = sequences.iter().flat_map(|prefix| {
            (0..OPS.len()).map(|op| prefix.iter().copied().chain([op]).collect::<Vec<usize>>())
        });
        let longer: Vec<Vec<usize>> = longer.collect();
        for sequence in &longer {
            for actors in 1..=sequence.len() {
                cases.push(split(sequence, actors));
            }
        }
        sequences = longer;
    }
    if !bench.is_long() {
        // Every operation alone, every pair by two actors, and a few of three: those by the seed.
        let mut rng = Rng::new(bench.seed);
        let share = if bench.first_only { 1 } else { 6 };
        cases.retain(|case| match (case.operations, case.stages.len()) {
            (0 | 1, _) => true,
            (2, 2) => rng.below(share) == 0,
            (3, 3) => !bench.first_only && rng.below(200) == 0,
            _ => false,
        });
    }
    cases
}

/// The first actors do one operation each, the last one the rest.
fn split(sequence: &[usize], actors: usize) -> Case {
    let names: Vec<&str> = sequence.iter().map(|op| OPS[*op].0).collect();
    let steps = |ops: &[usize]| ops.iter().flat_map(|op| (OPS[*op].1)()).collect();
    let (alone, rest) = sequence.split_at(actors - 1);
    let mut stages: Vec<Vec<Step>> = alone.iter().map(|op| steps(&[*op])).collect();
    stages.push(steps(rest));
    case(&names, &stages)
}

fn case(names: &[&str], stages: &[Vec<Step>]) -> Case {
    Case {
        name: names.join(","),
        operations: names.len(),
        stages: stages.to_vec(),
    }
}

/// Somebody is at `a`, `q` already, and has a token for it; and there is data.
fn begun() -> SimDisk {
    let disk = base();
    let claims = Claims::default();
    // With data and an extraction a compaction writes three files.
    let steps = [Step::Start("a", "q"), enrich("a", 1), extract("b")];
    work(&disk.ports_for("setup"), &claims, &steps);
    disk.settle();
    disk
}

/// All cases, shared among the cores.
fn explore(bench: &Bench, cases: &[Case]) -> Explored {
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Explored::default()));
    let (seen, begun) = (Seen::default(), begun());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((at, case)) = take(cases, &next) {
                    if bench.is_long() && at.is_multiple_of(100) && at > 0 {
                        println!("{at} of {}: {}", cases.len(), total.lock().unwrap());
                    }
                    if bench.first_only && !total.lock().unwrap().violations.is_empty() {
                        break;
                    }
                    let mut found = one(bench, &begun, &seen, case);
                    for violation in &mut found.violations {
                        let before = &violation.message;
                        violation.message = format!("{}: {before}", case.name);
                    }
                    total.lock().unwrap().add(found);
                }
            });
        }
    });
    total.into_inner().unwrap()
}

fn take<'c>(cases: &'c [Case], next: &AtomicUsize) -> Option<(usize, &'c Case)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, cases.get(at)?))
}

fn one(bench: &Bench, begun: &SimDisk, seen: &Seen, case: &Case) -> Explored {
    let empty = SimDisk::new();
    let base = if case.name.is_empty() { &empty } else { begun };
    let actors = ["A", "B", "C"].into_iter().zip(&case.stages);
    let stages: Vec<_> = actors
        .map(|(actor, steps)| (actor, Kills::AtEveryCall, steps.clone()))
        .collect();
    let outcomes = bench.pick(6, 16);
    bench
        .explorer(base, seen, &stages)
        .outcomes(outcomes)
        .torn(2)
        .run(check)
}
