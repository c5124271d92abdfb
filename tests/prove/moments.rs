//! Moments that a search through few preemptions does not come to: each is staged by a schedule of its own, and the
//! power goes at every instant of it.

use std::sync::{Arc, Mutex};

use phaselog::pipeline::ReportKind;
use phaselog::testing::oracles::Claim;
use phaselog::testing::{
    Actors, Call, CallKind, Claims, Errno, Failure, Fault, Outcome, SimDisk, interleave,
};

use crate::bench::{Bench, check};
use crate::table::Row;
use crate::workload::{Step, base, hold, report};

/// Two actors, what each does, and who goes on after these calls.
struct Moment {
    name: &'static str,
    fault: Option<Fault>,
    steps: [Vec<Step>; 2],
    next: fn(&[Call]) -> usize,
}

const A: usize = 0;
const B: usize = 1;

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let moments = moments();
    let (mut states, mut violations) = (0, Vec::new());
    for moment in &moments {
        let found = stage(bench, moment, bench.pick(16, 256));
        states += found.0;
        violations.extend(found.1);
    }
    vec![Row {
        layer: "staged moments",
        count: states,
        unit: "crash states",
        target: 0,
        more: format!("{} schedules", moments.len()),
        violations,
        long: bench.is_long(),
    }]
}

fn moments() -> Vec<Moment> {
    vec![
        // A's sync fails. Before A has raised the flag B opens the file, sees no flag, and writes; then the flag goes
        // up; then B syncs, and is told that all is well. It must look at the flag once more.
        Moment {
            name: "flag after the write",
            fault: Some(
                Fault::new(Failure::Error(Errno::Eio))
                    .by("A")
                    .on(CallKind::Sync)
                    .at_path(".wal"),
            ),
            steps: [
                vec![hold("a")],
                vec![Step::Do(report("b", "p", None, ReportKind::Complete))],
            ],
            next: |calls| {
                let failed = calls.iter().any(|call| {
                    call.kind == CallKind::Sync && matches!(call.outcome, Outcome::Failed(_))
                });
                let wrote = did(calls, "B", CallKind::WriteAt, ".wal");
                let flag = did(calls, "A", CallKind::CreateNew, "poisoned");
                if failed && (!wrote || flag) { B } else { A }
            },
        },
        // B writes while A's sync runs: the sync need not cover it. Only what A read before its sync is proven by it.
        Moment {
            name: "written during the sync",
            fault: None,
            steps: [
                vec![hold("a")],
                vec![Step::Do(report("b", "p", None, ReportKind::Complete))],
            ],
            next: |calls| {
                let synced = did(calls, "A", CallKind::WriteAt, ".wal")
                    && did(calls, "A", CallKind::Sync, ".wal");
                let wrote = did(calls, "B", CallKind::WriteAt, ".wal");
                if synced && !wrote { B } else { A }
            },
        },
    ]
}

fn did(calls: &[Call], actor: &str, kind: CallKind, end: &str) -> bool {
    calls
        .iter()
        .any(|call| &*call.actor == actor && call.kind == kind && call.path.ends_with(end))
}

/// How many crash states there were, and what was wrong with the first that was.
fn stage(bench: &Bench, moment: &Moment, outcomes: usize) -> (u64, Option<String>) {
    let (disk, claims) = (base(), Claims::default());
    if let Some(fault) = &moment.fault {
        disk.fail(fault.clone());
    }
    let found = Arc::new(Mutex::new((0, None)));
    let look = {
        let (found, claims, name) = (Arc::clone(&found), claims.clone(), moment.name);
        move |at: &SimDisk| {
            let mut found = found.lock().unwrap();
            for after in at.crash_states(outcomes) {
                found.0 += 1;
                if found.1.is_none()
                    && let Err(wrong) = check(&after, &claims.all())
                {
                    found.1 = Some(format!("{name}: {wrong}\n{}", at.trace()));
                }
            }
        }
    };
    disk.watch({
        let look = look.clone();
        move |fork| look(&fork)
    });
    let (watched, next) = (disk.clone(), moment.next);
    let schedule = move |_: &[usize], _: Option<usize>| next(&watched.calls_made());
    let actors: Actors<'_> = ["A", "B"]
        .into_iter()
        .zip(&moment.steps)
        .map(|(actor, steps)| {
            let claims: Claims<Claim> = claims.clone();
            let run = move |ports| bench.work(ports, &claims, steps);
            (actor, Box::new(run) as Box<dyn FnOnce(_) + Send + '_>)
        })
        .collect();
    interleave(&disk, actors, schedule);
    disk.unwatch();
    look(&disk);
    let mut found = found.lock().unwrap();
    (found.0, found.1.take())
}
