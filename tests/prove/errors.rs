//! The error loop: every call of every operation fails in every way, once or from then on; then others go on, and then
//! the power goes.

use phaselog::testing::oracles::Claim;
use phaselog::testing::{CallKind, Claims, Errno, Explored, Failure, Fault, Outcome, SimDisk};

use crate::bench::{Bench, check};
use crate::table::Row;
use crate::workload::{DIR, OLD, OLD_FILES, Step, add, base, complete, hold, lay};

/// Each with how long it lasts.
const FAILURES: [(Failure, &str, Lasts); 11] = [
    (Failure::Error(Errno::Eio), "EIO", Lasts::Once),
    (Failure::Error(Errno::Eio), "EIO", Lasts::FromThenOn),
    (Failure::Error(Errno::Enospc), "ENOSPC", Lasts::Once),
    (Failure::Error(Errno::Enospc), "ENOSPC", Lasts::FromThenOn),
    // For ever would be no error but the end of the program.
    (Failure::Error(Errno::Eintr), "EINTR", Lasts::Once),
    (Failure::Error(Errno::Eacces), "EACCES", Lasts::Once),
    (Failure::Error(Errno::Eacces), "EACCES", Lasts::FromThenOn),
    (Failure::Error(Errno::Erofs), "EROFS", Lasts::Once),
    (Failure::Error(Errno::Erofs), "EROFS", Lasts::FromThenOn),
    (Failure::Short(1), "short", Lasts::Once),
    (Failure::Short(7), "short", Lasts::FromThenOn),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    Once,
    FromThenOn,
}

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let (mut sites, mut runs, mut unseen) = (0, 0, 0);
    let mut total = Explored::default();
    let mut violations = Vec::new();
    for (name, base, steps) in operations() {
        let calls = calls(bench, &base, &steps);
        sites += calls;
        // In a short run each call fails in some of the ways, in turn, so that every call site has its turn.
        let every = bench.pick(3, 1);
        for at in 1..=calls {
            for (way, failure) in FAILURES.iter().enumerate() {
                if !(way as u64 + at).is_multiple_of(every) {
                    continue;
                }
                if bench.first_only && !violations.is_empty() {
                    break;
                }
                runs += 1;
                let case = Case {
                    bench,
                    base: &base,
                    steps: &steps,
                    at,
                    failure,
                };
                match case.run(&mut total) {
                    Ok(told) => unseen += u64::from(!told),
                    Err(wrong) => {
                        let (_, errno, lasts) = failure;
                        violations.push(format!("{name}, call {at}, {errno} {lasts:?}: {wrong}"));
                    }
                }
            }
        }
    }
    vec![Row {
        layer: "error loop",
        count: sites,
        unit: "call sites",
        target: 0,
        more: format!(
            "{runs} errors, {} power cuts; {unseen} of them not promised (nobody could raise the flag)",
            total.states
        ),
        violations,
        long: bench.is_long(),
    }]
}

/// Each operation, on what, in which every call fails once.
fn operations() -> Vec<(&'static str, SimDisk, Vec<Step>)> {
    let torn = || {
        let disk = base();
        disk.kill_in_write("dead", u64::MAX, 0);
        let path = format!("{DIR}/wal/{}", crate::bench::FIRST);
        let mut bytes = disk.peek(&path).unwrap();
        bytes.extend_from_slice(b"0123abcd 0123");
        disk.plant(&path, &bytes).unwrap();
        disk
    };
    let compacted = || {
        let (disk, claims) = (base(), Claims::default());
        let steps = [Step::Compact, hold("a"), Step::Compact, complete("b")];
        crate::workload::work(&disk.ports_for("setup"), &claims, &steps);
        disk.settle();
        disk
    };
    let with_files = |disk| {
        lay(&disk, OLD, &OLD_FILES);
        disk
    };
    vec![
        ("init", SimDisk::new(), vec![Step::Init]),
        ("append", base(), vec![hold("b")]),
        ("group", base(), vec![add(&["c", "d", "e"])]),
        (
            "start, complete",
            base(),
            vec![Step::Start("a", "p"), Step::Complete("a", "p")],
        ),
        ("seal", torn(), vec![hold("b")]),
        ("rotate", base(), vec![Step::SmallSegments, hold("b")]),
        ("resume", compacted(), vec![Step::Late, Step::Resume]),
        ("compact", base(), vec![Step::Compact]),
        ("compact again", compacted(), vec![Step::Compact]),
        ("look", compacted(), vec![Step::Look]),
        ("import", with_files(compacted()), vec![Step::Import(OLD)]),
    ]
}

/// How many calls an operation makes when nothing fails.
fn calls(bench: &Bench, base: &SimDisk, steps: &[Step]) -> u64 {
    let disk = base.fork();
    bench.work(disk.ports_for("A"), &Claims::default(), steps);
    disk.calls("A")
}

struct Case<'c> {
    bench: &'c Bench,
    base: &'c SimDisk,
    steps: &'c [Step],
    at: u64,
    failure: &'c (Failure, &'static str, Lasts),
}

impl Case<'_> {
    /// True if somebody else could know of a failed sync.
    fn run(&self, total: &mut Explored) -> Result<bool, String> {
        let (failure, _, lasts) = *self.failure;
        let (disk, claims) = (self.base.fork(), Claims::default());
        let mut fault = Fault::new(failure).by("A").nth(self.at);
        fault.from_then_on = lasts == Lasts::FromThenOn;
        disk.fail(fault);
        self.bench.work(disk.ports_for("A"), &claims, self.steps);
        // It is over with A, whatever it still holds.
        disk.kill("A");
        disk.clear_faults();
        self.cuts(&disk, &claims, total)?;
        // Not promised: the only process that saw a failed sync could not raise the flag; or what failed is a sync of
        // the directory that `wal/` itself was just made in, whose name cannot be made again.
        let flag = disk.peek(format!("{DIR}/wal/poisoned")).is_some();
        if sync_failed(&disk) && (!flag || above_the_log(&disk)) {
            return Ok(false);
        }
        let others: [(&str, Vec<Step>); 2] = [
            ("B", vec![Step::Init, complete("a"), Step::Look]),
            ("C", vec![hold("b"), Step::Compact]),
        ];
        for (actor, steps) in others {
            let before = claims.all().len();
            self.bench.work(disk.ports_for(actor), &claims, &steps);
            if claims.all().len() < before + 2 {
                return Err(format!("{actor} could not go on\n{}", disk.trace()));
            }
        }
        self.cuts(&disk, &claims, total)?;
        Ok(true)
    }

    fn cuts(
        &self,
        disk: &SimDisk,
        claims: &Claims<Claim>,
        total: &mut Explored,
    ) -> Result<(), String> {
        for after in disk.crash_states(self.bench.pick(3, 8)) {
            total.states += 1;
            check(&after, &claims.all()).map_err(|wrong| format!("{wrong}\n{}", disk.trace()))?;
        }
        Ok(())
    }
}

/// A sync of the log, or of its directory, failed.
fn sync_failed(disk: &SimDisk) -> bool {
    disk.calls_made().iter().any(|call| {
        let failed = matches!(call.outcome, Outcome::Failed(_));
        // A segment that its writer has made is open under its temp name.
        let of_log = call.kind == CallKind::SyncDir || call.path.contains(".wal");
        &*call.actor == "A" && call.kind.syncs() && failed && of_log
    })
}

/// The sync that failed is of the store's directory, or the one it lies in.
fn above_the_log(disk: &SimDisk) -> bool {
    disk.calls_made().iter().any(|call| {
        let failed = matches!(call.outcome, Outcome::Failed(_));
        call.kind == CallKind::SyncDir && failed && !call.path.ends_with("wal")
    })
}
