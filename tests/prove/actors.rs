//! Several actors at once: interleaved at every call, one killed, then the power cut; and what a failed sync does to
//! those that hold the file, had it open before, or open it later.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use phaselog::log::mark;
use phaselog::testing::oracles::Claim;
use phaselog::testing::{
    Actors, CallKind, Claims, Errno, Explored, Failure, Fault, Kills, Run, Seen, SimDisk,
    each_schedule, interleave,
};
use phaselog::{Ports, Store};

use crate::bench::{Bench, check};
use crate::table::Row;
use crate::workload::{DIR, Step, add, base, complete, hold, options, start, work};

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let mut together = Explored::default();
    for (name, steps) in crowds() {
        if bench.first_only && !together.violations.is_empty() {
            break;
        }
        let mut found = crowd(bench, &steps);
        for violation in &mut found.violations {
            let before = &violation.message;
            violation.message = format!("{name}: {before}");
        }
        together.add(found);
    }
    let mut rows = vec![bench.row("actors at once", "crash states", 0, &together)];
    rows.push(marks(bench));
    rows.push(failed_sync(bench));
    rows
}

/// Who does what at once.
fn crowds() -> Vec<(&'static str, Vec<Vec<Step>>)> {
    let ab = |name: &'static str| vec![Step::Start(name, "p"), Step::Complete(name, "p")];
    vec![
        ("two writers", vec![ab("a"), ab("b")]),
        ("one item", vec![ab("a"), ab("a")]),
        (
            "writer and reader",
            vec![ab("a"), vec![Step::Look, Step::Look]],
        ),
        (
            "rotations",
            vec![
                vec![Step::SmallSegments, hold("a"), complete("a")],
                vec![Step::SmallSegments, hold("b"), complete("b")],
            ],
        ),
        (
            "reset and report",
            vec![
                vec![Step::Late, Step::Resume],
                vec![Step::Complete("a", "p")],
            ],
        ),
        (
            "compaction and groups",
            vec![vec![Step::Compact], vec![add(&["c", "d"]), hold("a")]],
        ),
        (
            "three",
            vec![vec![hold("a")], vec![complete("b")], vec![Step::Look]],
        ),
    ]
}

/// A store in which `a` is in progress.
fn begun() -> SimDisk {
    let disk = base();
    work(
        &disk.ports_for("setup"),
        &Claims::default(),
        &[Step::Start("a", "p")],
    );
    disk.settle();
    disk
}

fn crowd(bench: &Bench, steps: &[Vec<Step>]) -> Explored {
    let actors = ["A", "B", "C"].into_iter().zip(steps);
    let stages: Vec<_> = actors
        .zip([Kills::AtEveryCall, Kills::Never, Kills::Never])
        .map(|((actor, steps), kills)| (actor, kills, steps.clone()))
        .collect();
    let base = if steps.iter().flatten().any(|it| matches!(it, Step::Late)) {
        begun()
    } else {
        base()
    };
    let whole: Vec<_> = stages
        .iter()
        .map(|(actor, _, steps)| (*actor, Kills::Never, steps.clone()))
        .collect();
    // Nobody is killed, and the schedules are many; then each call kills, and they are fewer.
    let mut found = bench
        .explorer(&base, &Seen::default(), &whole)
        .outcomes(4)
        .run_interleaved(bench.pick(1, 2), bench.pick(300, 4_000), check);
    if found.violations.is_empty() {
        let killed = bench
            .explorer(&base, &Seen::default(), &stages)
            .outcomes(4)
            .run_interleaved(1, bench.pick(2, 60), check);
        found.add(killed);
    }
    found
}

/// A mark never goes backwards, whoever raises it meanwhile.
fn marks(bench: &Bench) -> Row {
    let (base, violations) = (base(), Arc::new(Mutex::new(BTreeSet::new())));
    let mut instants = 0;
    let limit = bench.pick(400, 5_000);
    let runs = each_schedule(2, limit, |schedule| {
        let disk = base.fork();
        let (wrong, seen) = (Arc::clone(&violations), Arc::new(Mutex::new((0, 0_u64))));
        let told = Arc::clone(&seen);
        disk.watch(move |fork| {
            let ports = fork.ports_for("watcher");
            let wal = Path::new(DIR).join("wal");
            let now = mark::read(&*ports.disk, &wal).get();
            let mut seen = told.lock().unwrap();
            if now < seen.0 {
                wrong
                    .lock()
                    .unwrap()
                    .insert(format!("the mark went from {} back to {now}", seen.0));
            }
            *seen = (now, seen.1 + 1);
        });
        let actors: Actors<'_> = ["a", "b"]
            .into_iter()
            .map(|name| {
                let run = move |ports: Ports| {
                    let steps = [Step::Start(name, "p"), Step::Complete(name, "p")];
                    bench.work(ports, &Claims::default(), &steps);
                };
                (name, Box::new(run) as Box<dyn FnOnce(Ports) + Send + '_>)
            })
            .collect();
        let run: Run = interleave(&disk, actors, schedule);
        disk.unwatch();
        instants += seen.lock().unwrap().1;
        run
    });
    let violations = violations.lock().unwrap().iter().cloned().collect();
    Row {
        layer: "the mark, actors at once",
        count: instants,
        unit: "instants",
        target: 0,
        more: format!("{runs} schedules"),
        violations,
        long: bench.is_long(),
    }
}

/// Which sync fails, and with what.
const FAILING: [(CallKind, &str, Errno); 4] = [
    (CallKind::Sync, ".wal", Errno::Eio),
    (CallKind::Sync, ".wal", Errno::Enospc),
    (CallKind::SyncDir, "wal", Errno::Eio),
    (CallKind::SyncDir, "wal", Errno::Enospc),
];

/// A holds the file whose sync fails, B had it open before, C opens it later. Whoever goes on first, each killed at
/// every call, and then the power goes.
fn failed_sync(bench: &Bench) -> Row {
    let (mut cases, mut states) = (0, 0);
    let mut violations = Vec::new();
    let orders = ["BC", "CB", "BAC", "CAB", "ABC", "ACB", "C", "B"];
    for (kind, path, errno) in FAILING {
        for order in orders.iter().take(bench.pick(6, 8)) {
            let whole = FailedSync::new(bench, kind, path, errno);
            whole.go_on(order);
            let last = order.chars().next().unwrap().to_string();
            let calls = whole.disk.calls(&last);
            let step = bench.pick(3, 1);
            for kill in (0..=calls).step_by(step) {
                if bench.first_only && !violations.is_empty() {
                    break;
                }
                cases += 1;
                let run = FailedSync::new(bench, kind, path, errno);
                if kill > 0 {
                    let made = run.disk.calls(&last);
                    run.disk.kill_at(&last, made.max(kill));
                }
                run.go_on(order);
                for after in run.disk.crash_states(bench.pick(8, 64)) {
                    states += 1;
                    if let Err(wrong) = check(&after, &run.claims.all()) {
                        let trace = run.disk.trace();
                        violations.push(format!(
                            "{errno:?} at {path}, then {order}, killed at {kill}: {wrong}\n{trace}"
                        ));
                        break;
                    }
                }
            }
        }
    }
    Row {
        layer: "a failed sync, three actors",
        count: states,
        unit: "crash states",
        target: 0,
        more: format!("{cases} orders and kills"),
        violations,
        long: bench.is_long(),
    }
}

struct FailedSync<'b> {
    bench: &'b Bench,
    disk: SimDisk,
    claims: Claims<Claim>,
    a: std::cell::RefCell<Store>,
    b: std::cell::RefCell<Store>,
}

impl<'b> FailedSync<'b> {
    fn new(bench: &'b Bench, kind: CallKind, path: &str, errno: Errno) -> Self {
        let (disk, claims) = (base(), Claims::default());
        let mut options = options();
        if kind == CallKind::SyncDir {
            options.segment_bytes = 1;
        }
        let open = |actor: &str| {
            let ports = bench.ports(disk.ports_for(actor));
            Store::open(ports, Path::new(DIR), options.clone()).unwrap()
        };
        let (mut a, b) = (open("A"), open("B"));
        disk.fail(
            Fault::new(Failure::Error(errno))
                .by("A")
                .on(kind)
                .at_path(path),
        );
        submit(&mut a, &start("a", "p"), &claims);
        disk.clear_faults();
        Self {
            bench,
            disk,
            claims,
            a: a.into(),
            b: b.into(),
        }
    }

    fn go_on(&self, order: &str) {
        for actor in order.chars() {
            let (claims, command) = (&self.claims, hold("b"));
            let Step::Do(command) = command else { return };
            match actor {
                'A' => submit(&mut self.a.borrow_mut(), &start("b", "q"), claims),
                'B' => {
                    submit(&mut self.b.borrow_mut(), &start("b", "p"), claims);
                    submit(&mut self.b.borrow_mut(), &command, claims);
                }
                _ => {
                    let steps = [complete("b"), Step::Look];
                    self.bench.work(self.disk.ports_for("C"), claims, &steps);
                }
            }
        }
    }
}

fn submit(store: &mut Store, command: &phaselog::pipeline::Command, claims: &Claims<Claim>) {
    let answer = store.submit(command);
    let promised = Claim::of_answer(&answer, store.state().last_seq.get());
    for claim in promised.into_iter().flatten() {
        claims.push(claim);
    }
}
