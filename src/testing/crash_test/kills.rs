//! Writers in processes of their own, several on one store, each killed at random or in a write that a limit cuts.
//!
//! After each cycle nobody is alive, and the oracles ask what is left: O1, O2, O3, O4, O7, O8, O9, O11.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::{Row, Stage, count_lost, false_alarm, hurts, options, worker};
use crate::error::{Error, Result};
use crate::ports::Ports;
use crate::store::{Options, View};
use crate::testing::oracles::{self, Claim, Place};
use crate::testing::rng::Rng;

/// Writers on one store at a time.
const WRITERS: usize = 4;

/// Cycles with one store: a long log only makes each start slower.
const CYCLES_A_STORE: usize = 4;

/// The longest that a writer lives on after the answers that were waited for.
const GRACE_MICROS: usize = 15_000;

/// Steps that no writer lives to see the end of.
const STEPS: usize = 100_000;

/// The name under which a crash test starts itself again as a writer.
pub const WRITER: &str = "crash-writer";

const PART: &str = "kills";
const CUTS: &str = "cut writes";

/// How one writer ended.
struct Ended {
    claims: Vec<Claim>,
    /// By a limit on its files, not by us.
    cut: bool,
}

pub(super) fn run(stage: &mut Stage<'_>, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let mut killed = Row {
        part: PART,
        ..Row::default()
    };
    let mut cut = Row {
        part: CUTS,
        ..Row::default()
    };
    let mut hurt = Row {
        part: hurts::PART,
        ..Row::default()
    };
    let mut place: Option<(PathBuf, Vec<Claim>)> = None;
    for cycle in 1..=stage.trial.cycles {
        if !stage.goes_on() {
            break;
        }
        progress(&format!("cycle {cycle} of {}", stage.trial.cycles));
        let (dir, mut claims) = match place.take() {
            Some(place) if (cycle - 1) % CYCLES_A_STORE != 0 => place,
            old => {
                if let Some((old, _)) = old {
                    stage.remove(&old)?;
                }
                let dir = stage.dir.join(format!("store{cycle}"));
                let claims = worker::init(stage.ports, &dir, &options(), 40)?;
                (dir, claims)
            }
        };
        let mut rng = stage.rng(PART, cycle);
        for ended in one_round(stage.ports, &dir, &mut rng)? {
            let row = if ended.cut { &mut cut } else { &mut killed };
            row.kills += 1;
            row.acknowledged += ended.claims.len() as u64;
            claims.extend(ended.claims);
        }
        killed.checked += 1;
        if let Err(said) = check(stage.ports, &dir, &options(), &claims) {
            let lines = oracles::read_lines(stage.ports, &dir).unwrap_or_default();
            killed.lost += count_lost(&lines, &claims);
            stage.violated(PART, cycle, said);
            // What is there is evidence: the next cycle takes another store.
            continue;
        }
        if stage.goes_on() {
            hurts::run(stage, cycle, &dir, &claims, &mut hurt)?;
        }
        place = Some((dir, claims));
    }
    cut.checked = killed.checked;
    stage.tried.rows.extend([killed, cut, hurt]);
    Ok(())
}

/// Starts writers, lets them work for a moment, and kills them one by one.
fn one_round(ports: &Ports, dir: &Path, rng: &mut Rng) -> Result<Vec<Ended>> {
    let seeds: Vec<u64> = (0..WRITERS).map(|_| rng.next_u64()).collect();
    let ended: Vec<Result<Ended>> = std::thread::scope(|scope| {
        let lives: Vec<_> = seeds
            .into_iter()
            .map(|seed| scope.spawn(move || one_life(ports, dir, seed)))
            .collect();
        let ended = lives.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    ended.into_iter().collect()
}

/// One writer, from its start to its death, and what it was told until then.
fn one_life(ports: &Ports, dir: &Path, seed: u64) -> Result<Ended> {
    let mut rng = Rng::new(seed);
    // A third of them die by themselves, in a write.
    let room = (rng.below(3) == 0).then(|| rng.below(20_000));
    let mut args: Vec<OsString> = vec!["--store".into(), dir.into(), WRITER.into()];
    let numbers = [("--seed", seed.to_string()), ("--steps", STEPS.to_string())];
    let room = room.map(|room| ("--room", room.to_string()));
    for (flag, number) in numbers.into_iter().chain(room.clone()) {
        args.extend([flag.into(), number.into()]);
    }
    let started = ports.process.spawn_talking(&args);
    let (mut child, output) = started.map_err(Error::io("start", "a writer"))?;
    let (heard, answers) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut claims = Vec::new();
        let mut line = String::new();
        // A line without its newline was never said in full.
        while matches!(lines.read_line(&mut line), Ok(1..)) && line.ends_with('\n') {
            claims.extend(super::from_line(line.trim_end()));
            line.clear();
            // Whoever killed it does not listen any more.
            let _ = heard.send(());
        }
        claims
    });
    if room.is_none() {
        let wanted = rng.below(16);
        // Ends early if the writer does.
        let _heard = (0..wanted).take_while(|_| answers.recv().is_ok()).count();
        let grace = rng.below(GRACE_MICROS) as u64;
        ports.clock.sleep(Duration::from_micros(grace));
    } else {
        // It writes until the limit ends it; one that only looks and finds nothing to do is helped.
        const LONGEST: Duration = Duration::from_secs(5);
        while answers.recv_timeout(LONGEST).is_ok() {}
    }
    let killed = child.kill().and_then(|()| child.wait());
    let _how_it_ended = killed.map_err(Error::io("kill", "a writer"))?;
    Ok(Ended {
        claims: reader.join().unwrap_or_default(),
        cut: room.is_some(),
    })
}

/// What must be true now that nobody is alive.
pub(super) fn check(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    claims: &[Claim],
) -> oracles::Verdict {
    if let Some(alarm) = false_alarm(claims) {
        return Err(alarm);
    }
    let place = Place {
        ports,
        dir,
        options,
    };
    let lines = place.lines()?;
    oracles::o1_acknowledged_is_there(&lines, claims)?;
    oracles::o2_only_a_beginning_of_what_was_written(&lines, None)?;
    oracles::o7_one_owner(&lines)?;
    oracles::o11_one_set_is_usable(place, claims)?;
    let open = |place: Place<'_>| {
        let opened = View::open(place.ports, place.dir, place.options);
        opened.map_err(|error| format!("open: {error}"))
    };
    let view = oracles::o9_reads_only(place, open)??;
    oracles::o3_state_is_the_models(view.state(), &lines)?;
    oracles::o8_snapshot_and_tail_are_a_replay(place, &view)?;
    oracles::o4_recovering_twice_is_once(place, place)?;
    oracles::o1_acknowledged_is_there(&place.lines()?, claims)
}
