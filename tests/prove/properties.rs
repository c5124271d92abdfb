//! Properties: random commands against the real store, with reopening, compaction, kills and power cuts among them;
//! the naive model and all other oracles say what must hold after each crash.

use std::fmt::Write as _;

use phaselog::pipeline::{Command, ReportKind};
use phaselog::testing::oracles::Claim;
use phaselog::testing::{Claims, SimDisk};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::bench::{Bench, check};
use crate::table::Row;
use crate::workload::{Step, add, base, item, phase, report};

/// One step of a case.
#[derive(Clone, Debug)]
enum Act {
    /// In the store that is open.
    Do(Step),
    /// Somebody else opens the store.
    Reopen,
    /// The actor is killed at its so-manieth call from now on, within a write after so many bytes.
    Kill(u64, usize),
    /// The power goes; of what is pending survives what has a bit in this.
    Cut(u64),
}

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let cases = bench.pick(if bench.first_only { 300 } else { 10_000 }, 40_000);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&bench.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let acts = prop::collection::vec(act(), 1..24);
    let failed = runner.run(&acts, |acts| {
        go_through(bench, &acts).map_err(TestCaseError::fail)
    });
    let violations = match failed {
        Ok(()) => Vec::new(),
        Err(TestError::Fail(why, acts)) => {
            let mut told = format!("{why}\nacts:");
            for act in acts {
                let _ = write!(told, "\n  {act:?}");
            }
            vec![told]
        }
        Err(aborted) => vec![aborted.to_string()],
    };
    vec![Row {
        layer: "properties",
        count: u64::from(cases),
        unit: "cases",
        target: 10_000,
        more: format!("seed {}", bench.seed),
        violations,
        long: bench.is_long(),
    }]
}

fn act() -> impl Strategy<Value = Act> {
    // Mostly one place: what somebody does there must meet what others did before, a late report a retry.
    let name = prop::sample::select(vec!["a", "a", "a", "b", "c"]);
    let on = prop::sample::select(vec!["p", "p", "q"]);
    let place = (name.clone(), on);
    let op = prop::option::of(prop::sample::select(vec!["op-1", "op-2"]));
    let kind = prop::sample::select(vec![
        ReportKind::Complete,
        ReportKind::Fail {
            error: "no price".to_owned(),
            permanent: false,
        },
        ReportKind::Skip { reason: None },
        ReportKind::Release,
    ]);
    let step = prop_oneof![
        4 => place.clone().prop_map(|(name, on)| Step::Start(name, on)),
        3 => place.clone().prop_map(|(name, on)| Step::Complete(name, on)),
        3 => (place.clone(), kind, op).prop_map(|((name, on), kind, op)| {
            let Command::Report(made) = report(name, on, None, kind) else {
                unreachable!("a report is one")
            };
            Step::Do(Command::Report(phaselog::pipeline::Report { op: op.map(str::to_owned), ..made }))
        }),
        2 => place.prop_map(|(name, on)| Step::Do(Command::Retry {
            item: item(name),
            phase: Some(phase(on)),
            force: true,
        })),
        1 => name.clone().prop_map(|name| Step::Do(Command::Hold {
            item: item(name),
            reason: None,
        })),
        1 => name.prop_map(|name| Step::Do(Command::Unhold { item: item(name) })),
        1 => Just(add(&["c", "d", "e"])),
        1 => Just(Step::Resume),
        1 => Just(Step::Late),
        2 => Just(Step::Compact),
        1 => Just(Step::Look),
        1 => Just(Step::SmallSegments),
    ];
    prop_oneof![
        12 => step.prop_map(Act::Do),
        2 => Just(Act::Reopen),
        2 => (1_u64..60, 0_usize..200).prop_map(|(at, bytes)| Act::Kill(at, bytes)),
        2 => any::<u64>().prop_map(Act::Cut),
    ]
}

/// Each act, one after the other; the oracles speak after each crash and at the end.
fn go_through(bench: &Bench, acts: &[Act]) -> Result<(), String> {
    let (mut disk, claims) = (base(), Claims::<Claim>::default());
    let mut steps: Vec<Step> = Vec::new();
    let (mut actor, mut kill) = (0, None);
    for act in acts.iter().chain([&Act::Cut(0)]) {
        match act {
            Act::Do(step) => steps.push(step.clone()),
            Act::Kill(at, bytes) => kill = Some((*at, *bytes)),
            Act::Reopen | Act::Cut(_) => {
                let name = format!("actor {actor}");
                actor += 1;
                if let Some((at, bytes)) = kill.take() {
                    disk.kill_in_write(&name, at, bytes);
                }
                bench.work(disk.ports_for(&name), &claims, &std::mem::take(&mut steps));
                disk.kill(&name);
            }
        }
        if let Act::Cut(bits) = act {
            disk = power_cut(&disk, *bits);
            check(&disk, &claims.all())?;
            disk = disk.fork();
        }
    }
    Ok(())
}

fn power_cut(disk: &SimDisk, bits: u64) -> SimDisk {
    let mut at = 0;
    disk.power_cut(&mut |_| {
        at += 1;
        bits >> (at % 64) & 1 == 1
    })
}
