//! The explorer on logs of three lines, right and wrong: what is wrong must be found, and found again.

use std::path::Path;

use super::{Claims, Explored, Explorer, Kills, Replay};
use crate::ports::{LockKind, Ports};
use crate::testing::{Kill, SimDisk, Survivors, Torn};

/// What the log below may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    NoFileSync,
    NoDirSync,
    ClaimTooEarly,
    NoLock,
    /// Says "there already" about a line of another's without a sync of its own.
    TrustsOthers,
}

const LINE: usize = 4;

/// A fixed-width log: adds a line if it is not there, and claims it when it is durable.
fn append(ports: &Ports, claims: &Claims<u8>, line: u8, flaw: Flaw) -> std::io::Result<()> {
    let (path, dir) = (Path::new("log"), Path::new(""));
    let file = match ports.disk.create_new(path) {
        Ok(file) => file,
        Err(_) => ports.disk.open_write(path)?,
    };
    if flaw != Flaw::NoLock && !file.lock(LockKind::Exclusive, std::time::Duration::from_secs(1))? {
        return Ok(());
    }
    let mut bytes = vec![0; usize::try_from(file.len()?).expect("it is short")];
    file.read_full_at(0, &mut bytes)?;
    let there = lines(&bytes).contains(&line);
    if flaw == Flaw::ClaimTooEarly || (there && flaw == Flaw::TrustsOthers) {
        claims.push(line);
    }
    if !there {
        let end = bytes.len() / LINE * LINE;
        file.write_full_at(end as u64, &[line; LINE])?;
    }
    if flaw != Flaw::NoFileSync {
        file.sync()?;
    }
    if flaw != Flaw::NoDirSync {
        ports.disk.sync_dir(dir)?;
    }
    if flaw != Flaw::ClaimTooEarly {
        claims.push(line);
    }
    Ok(())
}

/// The lines that are whole.
fn lines(bytes: &[u8]) -> Vec<u8> {
    let whole = bytes
        .chunks_exact(LINE)
        .filter(|line| line.iter().all(|byte| *byte == line[0]));
    whole.map(|line| line[0]).collect()
}

fn all_claims_are_there(disk: &SimDisk, claims: &[u8]) -> Result<(), String> {
    let there = lines(&disk.peek("log").unwrap_or_default());
    match claims.iter().find(|claim| !there.contains(claim)) {
        Some(claim) => Err(format!("{claim} was claimed; there are {there:?}")),
        None => Ok(()),
    }
}

fn log_explorer(flaw: Flaw, lines: [u8; 2]) -> Explorer<'static, u8> {
    let work = move |line| {
        move |ports: Ports, claims: &Claims<u8>| {
            // Killed or not, what counts is what was claimed.
            let _ = append(&ports, claims, line, flaw);
        }
    };
    Explorer::new(&SimDisk::new())
        .stage("A", Kills::WithinWrites(1), work(lines[0]))
        .stage("B", Kills::AtEveryCall, work(lines[1]))
        .torn(4)
}

fn assert_found_again(explorer: &Explorer<'_, u8>, found: &Explored) {
    let violation = found.violations.first().expect("the flaw is found");
    let replay: Replay = violation.replay.to_string().parse().expect("it reads back");
    assert_eq!(replay, violation.replay);
    let again = explorer
        .replay(&replay, all_claims_are_there)
        .expect_err("it is still there");
    assert!(
        again.starts_with(&violation.message) && again.contains(&violation.before),
        "{again}"
    );
    assert!(found.violations.len() <= 10);
}

#[test]
fn a_sound_log_passes_and_the_states_are_counted() {
    let found = log_explorer(Flaw::None, [1, 2]).run(all_claims_are_there);
    found.assert_clean();
    assert!(
        found.distinct > 20 && found.states > found.distinct,
        "{found}"
    );
    assert!(found.runs > found.instants / 2, "{found}");
}

#[test]
fn each_flaw_of_one_writer_after_the_other_is_found_and_found_again() {
    for flaw in [Flaw::NoFileSync, Flaw::NoDirSync, Flaw::ClaimTooEarly] {
        let explorer = log_explorer(flaw, [1, 2]);
        assert_found_again(&explorer, &explorer.run(all_claims_are_there));
    }
}

#[test]
fn an_answer_that_rests_on_a_killed_writers_line_is_found() {
    // A is killed before its sync; B says "there already"; the power fails.
    let explorer = log_explorer(Flaw::TrustsOthers, [1, 1]);
    let found = explorer.run(all_claims_are_there);
    assert_found_again(&explorer, &found);
    log_explorer(Flaw::None, [1, 1])
        .run(all_claims_are_there)
        .assert_clean();
}

#[test]
fn a_missing_lock_shows_only_when_interleaved() {
    let explorer = log_explorer(Flaw::NoLock, [1, 2]);
    explorer.run(all_claims_are_there).assert_clean();
    explorer
        .run_interleaved(0, 100, all_claims_are_there)
        .assert_clean();
    let found = explorer.run_interleaved(1, 100, all_claims_are_there);
    assert_found_again(&explorer, &found);
    let sound = log_explorer(Flaw::None, [1, 2]);
    let found = sound.run_interleaved(2, 200, all_claims_are_there);
    found.assert_clean();
    assert!(found.runs > 100, "{found}");
}

#[test]
fn a_check_that_panics_is_a_violation() {
    let explorer = log_explorer(Flaw::None, [1, 2]).max_violations(1);
    let found = explorer.run(|_, claims| {
        assert!(claims.is_empty(), "as asked");
        Ok(())
    });
    assert_eq!(found.violations.len(), 1);
    assert!(found.violations[0].message.contains("as asked"));
    assert!(found.violations[0].to_string().contains("replay: kills="));
}

#[test]
fn a_replay_reads_back() {
    let survivors = Survivors {
        kept: vec![true, false],
        torn: Some(Torn {
            bytes: 3,
            zeros: true,
        }),
    };
    let kills = vec![
        None,
        Some(Kill { at: 3, bytes: 0 }),
        Some(Kill { at: 5, bytes: 17 }),
    ];
    let replay = Replay {
        kills,
        schedule: Some((vec![0, 1], 7)),
        survivors,
    };
    assert_eq!(
        replay.to_string(),
        "kills=-,3,5:17 schedule=0,1@7 cut=10+3z"
    );
    let none = "kills= schedule=@0 cut=-";
    for text in [replay.to_string().as_str(), none, "kills=1 cut=0"] {
        assert_eq!(text.parse::<Replay>().unwrap().to_string(), text);
    }
    for wrong in [
        "",
        "kills=x cut=-",
        "kills=1",
        "kills=1 cut=2",
        "kills=1 cut=1 more",
    ] {
        assert!(wrong.parse::<Replay>().is_err(), "{wrong}");
    }
}
