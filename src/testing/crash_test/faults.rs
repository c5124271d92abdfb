//! The same writer on a simulated disk: each call fails, or is its last and then the power is cut, in many ways.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::{Row, Stage, kills, options, worker};
use crate::log::poison::POISONED;
use crate::store::{Options, Store};
use crate::testing::oracles::{self, Claim};
use crate::testing::sim_disk::{Errno, Failure, Fault, SimDisk};
use worker::Orders;

const FAILS: &str = "failed calls";
const CUTS: &str = "power cuts";

const DIR: &str = "data";

/// Steps of the writer.
const STEPS: usize = 6;

/// Calls that fail or are the last, of each cycle.
const CALLS: usize = 12;

/// Power cuts after each.
const OUTCOMES: usize = 4;

pub(super) fn run(stage: &mut Stage<'_>, progress: &mut dyn FnMut(&str)) {
    let mut failed = Row {
        part: FAILS,
        ..Row::default()
    };
    let mut cut = Row {
        part: CUTS,
        ..Row::default()
    };
    for cycle in 1..=stage.trial.cycles {
        if !stage.goes_on() {
            break;
        }
        progress(&format!(
            "simulated disk, cycle {cycle} of {}",
            stage.trial.cycles
        ));
        let mut rng = stage.rng(CUTS, cycle);
        let base = SimDisk::new();
        let made = worker::init(&base.ports_for("setup"), Path::new(DIR), &sim_options(), 6);
        let Ok(claims) = made else { continue };
        base.settle();
        let seed = rng.next_u64();
        let calls = {
            let disk = base.fork();
            work(&disk, seed);
            usize::try_from(disk.calls("w")).unwrap_or(usize::MAX)
        };
        for _ in 0..CALLS {
            if !stage.goes_on() {
                break;
            }
            let call = 1 + rng.below(calls) as u64;
            let errno = Errno::ALL[rng.below(Errno::ALL.len())];
            let disk = base.fork();
            disk.fail(Fault::new(Failure::Error(errno)).by("w").nth(call));
            let said = work(&disk, seed);
            disk.kill("w");
            disk.clear_faults();
            let what = format!("{errno:?} at call {call} of writer {seed}");
            look(stage, &mut failed, cycle, &disk, &claims, said, &what);

            let disk = base.fork();
            if rng.coin() {
                disk.kill_in_write("w", call, rng.below(4_000));
            } else {
                disk.kill_at("w", call);
            }
            let said = work(&disk, seed);
            cut.kills += 1;
            let what = format!("killed at call {call} of writer {seed}");
            look(stage, &mut cut, cycle, &disk, &claims, said, &what);
        }
    }
    stage.tried.rows.extend([failed, cut]);
}

fn sim_options() -> Options {
    Options {
        segment_bytes: 3_000,
        lock_wait: Duration::ZERO,
        ..options()
    }
}

/// Lets the writer work until it is done, fails or dies; what it was told.
fn work(disk: &SimDisk, seed: u64) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut say = |claim: &Claim| {
        claims.push(claim.clone());
        ControlFlow::Continue(())
    };
    let orders = Orders {
        seed,
        steps: STEPS,
        room: None,
    };
    // How it ended does not matter: what it said by then does.
    let _ = worker::work(
        &disk.ports_for("w"),
        Path::new(DIR),
        &sim_options(),
        orders,
        &mut say,
    );
    claims
}

/// Cuts the power in several ways and asks every oracle.
fn look(
    stage: &mut Stage<'_>,
    row: &mut Row,
    cycle: usize,
    disk: &SimDisk,
    claims: &[Claim],
    said: Vec<Claim>,
    what: &str,
) {
    let claims: Vec<Claim> = claims.iter().cloned().chain(said).collect();
    row.acknowledged += claims.len() as u64;
    for after in disk.crash_states(OUTCOMES) {
        row.checked += 1;
        let asked = ask(&after, &claims);
        if let Err(said) = asked {
            row.lost += u64::from(said.starts_with("O1"));
            row.silent += u64::from(said.starts_with("O6"));
            stage.violated(row.part, cycle, format!("{what}: {said}"));
            return;
        }
    }
}

fn ask(after: &SimDisk, claims: &[Claim]) -> oracles::Verdict {
    let (dir, options) = (Path::new(DIR), sim_options());
    let flag = dir.join("wal").join(POISONED);
    if after.peek(flag).is_none() {
        return oracles::after_power_cut(after, dir, &options, claims);
    }
    // After a failed sync readers show no more than is known durable, until a writer has replaced the file.
    let ports = after.ports_for("heir");
    let lines = oracles::read_lines(&ports, dir)?;
    oracles::o1_acknowledged_is_there(&lines, claims)?;
    let store = Store::open(ports.clone(), dir, options.clone());
    let resumed = store.and_then(|mut store| store.resume(None));
    let _resumed = resumed.map_err(|error| format!("O4: the flag is not cleared: {error}"))?;
    kills::check(&ports, dir, &options, claims)
}
