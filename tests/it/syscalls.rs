//! A real process, killed at every system call that it makes: begin a store, append, append a group, rotate, compact,
//! recover from a torn tail, import, back up, repair.
//!
//! ```text
//!   strace -c: which calls, how often  ->  for each (call, n): the store as it was -> the command, killed there
//!                                      ->  every oracle -> the same command again -> every oracle
//! ```
//!
//! Where `strace` is missing or may not trace, the test says so and skips. It runs a part of the points; all of them:
//! `PHASELOG_TEST_FULL=1 cargo test --test it syscalls -- --nocapture`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use phaselog::View;
use phaselog::ports::Ports;
use phaselog::store::Options;
use phaselog::testing::oracles::{self, Claim, Place};
use serde_json::Value;

use crate::support::{HOUSE, Lab, PROGRAM};

/// Points of each command that are tried without `PHASELOG_TEST_FULL`.
const PART: usize = 9;

/// A command, and the store that it finds.
struct Scene {
    name: &'static str,
    /// Makes `data`, or leaves it away.
    make: fn(&Lab),
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    /// Exit statuses of the whole command, and of the same command after it was killed.
    ends: &'static [i32],
}

const SCENES: [Scene; 9] = [
    Scene {
        name: "init",
        make: |_| {},
        args: &["init", "--phase", "list", HOUSE],
        env: &[],
        ends: &[0, 1],
    },
    Scene {
        name: "import",
        make: |lab| lab.write("old.json", OLD),
        args: &["import", "old.json"],
        env: &[],
        ends: &[0],
    },
    Scene {
        name: "append",
        make: small,
        args: &["--json", "complete", HOUSE, "list"],
        env: &[],
        ends: &[0],
    },
    Scene {
        name: "group",
        make: |lab| {
            small(lab);
            let items: Vec<String> = (0..300)
                .map(|n| format!("{n} E Madeup Way {n:>30}"))
                .collect();
            lab.write("more.txt", &items.join("\n"));
        },
        args: &["--json", "add", "--items", "more.txt"],
        env: &[],
        ends: &[0],
    },
    Scene {
        name: "rotate",
        make: small,
        args: &["--json", "complete", HOUSE, "list"],
        env: &[("PHASELOG_SEGMENT_BYTES", "1")],
        ends: &[0],
    },
    Scene {
        name: "compact",
        make: |lab| {
            small(lab);
            lab.must(&["compact"]);
            lab.must(&["hold", HOUSE]);
        },
        args: &["--json", "compact"],
        env: &[],
        ends: &[0],
    },
    Scene {
        name: "recover",
        make: |lab| {
            small(lab);
            tear(lab);
        },
        args: &["--json", "resume"],
        env: &[],
        ends: &[0],
    },
    Scene {
        name: "backup",
        make: |lab| {
            small(lab);
            lab.must(&["compact"]);
        },
        args: &["--json", "backup", "copy"],
        env: &[],
        // The first one may have been finished.
        ends: &[0, 1],
    },
    Scene {
        name: "repair",
        make: |lab| {
            small(lab);
            hurt(lab);
        },
        args: &["--json", "repair", "--apply"],
        env: &[],
        ends: &[0],
    },
];

const OLD: &str =
    r#"{"work_items":[{"address":"1 Example St","phases":{"list":{"status":"pending"}}}]}"#;

/// A store with a house in progress.
fn small(lab: &Lab) {
    lab.must(&[
        "init",
        "--phase",
        "list",
        "--phase",
        "photos",
        HOUSE,
        "8 E Sample Ave",
    ]);
    lab.must(&["start", HOUSE, "list"]);
}

/// Leaves what a write that was cut leaves.
fn tear(lab: &Lab) {
    use std::io::Write as _;
    let path = lab.path("data/wal/00000000000000000001.wal");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"5f3a90c1 00000000 7 ").unwrap();
}

/// Flips a bit that the record behind it can put right.
fn hurt(lab: &Lab) {
    let path = lab.path("data/wal/00000000000000000001.wal");
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 60;
    bytes[second] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_kill_at_any_system_call_loses_nothing() {
    if let Err(why) = can_trace() {
        println!("skipped: kills at system calls: {why}");
        return;
    }
    let full = std::env::var_os("PHASELOG_TEST_FULL").is_some();
    let (mut all, mut reached) = (0, 0);
    for scene in &SCENES {
        let base = Lab::new();
        (scene.make)(&base);
        let points = points(scene, &base);
        assert!(points.len() > 30, "{}: {points:?}", scene.name);
        // Evenly, the last ones among them: those are what the command is for.
        let step = if full { 1 } else { points.len().div_ceil(PART) };
        let tried: Vec<_> = points.iter().rev().step_by(step).collect();
        let killed = tried
            .iter()
            .filter(|(call, nth)| one_kill(scene, &base, call, *nth))
            .count();
        println!(
            "{:8} {killed:4} kills at {:4} of {:4} system calls, 0 violations",
            scene.name,
            tried.len(),
            points.len()
        );
        all += tried.len();
        reached += killed;
    }
    println!("real kills: {reached} at {all} points, 0 violations");
    assert!(reached * 10 >= all * 8, "most points must be reached");
    assert!(!full || reached >= 1_000);
}

/// Why a process cannot be traced here.
fn can_trace() -> Result<(), String> {
    let tried = Command::new("strace")
        .args(["-o", "/dev/null", "-e", "trace=none", "true"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("strace: {error}"))?;
    if tried.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned())
}

/// The command of a scene under strace, in a fresh copy of the store.
fn traced(scene: &Scene, lab: &Lab, options: &[String]) -> Command {
    let mut command = lab.command(scene.args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(lab.path("trace"));
    strace.args(options).arg(PROGRAM).args(scene.args);
    strace.current_dir(lab.path(".")).env_clear();
    let env: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    strace.envs(env).envs(scene.env.iter().copied());
    strace.stdin(Stdio::null());
    command.stdin(Stdio::null());
    strace
}

/// Every system call that the command makes from its first look at its own files on: name, and the how-manieth of
/// that name.
fn points(scene: &Scene, base: &Lab) -> Vec<(String, usize)> {
    let lab = copy_of(base);
    let output = traced(scene, &lab, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}: {output:?}", scene.name);
    let trace = std::fs::read_to_string(lab.path("trace")).unwrap();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut points = Vec::new();
    // Before that it loads libraries.
    let mut begun = false;
    for line in trace.lines() {
        let call = line
            .split_once(' ')
            .map_or("", |(_, call)| call)
            .trim_start();
        let Some((name, rest)) = call.split_once('(') else {
            continue;
        };
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        let nth = seen.entry(name.to_owned()).or_default();
        *nth += 1;
        begun |= rest.contains("data") || rest.contains("old.json");
        if begun && !matches!(name, "exit_group" | "execve") {
            points.push((name.to_owned(), *nth));
        }
    }
    points
}

/// A directory with the same files.
fn copy_of(base: &Lab) -> Lab {
    let lab = Lab::new();
    copy(&base.path("."), &lab.path("."));
    lab
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// Kills the command there and asks the oracles; false if it never came there.
fn one_kill(scene: &Scene, base: &Lab, call: &str, nth: usize) -> bool {
    let lab = copy_of(base);
    let store = lab.path("data");
    let before = lines(&store);
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let trace = format!("trace={call}");
    let options = ["-e".to_owned(), trace, "-e".to_owned(), inject];
    let output = traced(scene, &lab, &options).output().unwrap();
    let what = format!("{} killed at {call} {nth}", scene.name);
    let killed = output.status.code().is_none();
    let mut claims = promised(&before);
    claims.extend(said(&String::from_utf8_lossy(&output.stdout)));
    check(&store, scene, &claims, &what);
    // Whoever comes next finishes the job, and loses nothing either.
    let mut again = lab.command(scene.args);
    let again = again.envs(scene.env.iter().copied()).output().unwrap();
    let status = again.status.code();
    assert!(
        status.is_some_and(|status| scene.ends.contains(&status)),
        "{what}, then again: {again:?}"
    );
    claims.extend(said(&String::from_utf8_lossy(&again.stdout)));
    check(&store, scene, &claims, &format!("{what}, then again"));
    let verified = lab.run(&["verify", "--deep"]);
    assert!(
        matches!(verified.exit, Some(0 | 3)),
        "{what}: {}",
        verified.text()
    );
    if scene.name == "backup" && lab.path("copy").exists() {
        let verified = lab.run(&["-s", "copy", "verify", "--deep"]);
        assert_eq!(verified.exit, Some(0), "{what}: {}", verified.text());
    }
    killed
}

/// Everything that was there before was acknowledged.
fn promised(lines: &[oracles::Line]) -> Vec<Claim> {
    let claim = |line: &oracles::Line| Claim::Recorded {
        seq: line.seq,
        payload: line.own_payload(),
    };
    lines.iter().map(claim).collect()
}

/// What the command said before it died.
fn said(stdout: &str) -> Vec<Claim> {
    let lines = stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let claims = lines.flat_map(|told: Value| {
        let number = |key: &str| told[key].as_u64();
        let shown = number("seq").or(number("as_of_seq"));
        let covers = number("covers_seq").map(|covers| Claim::Compacted { covers });
        let shown = shown.map(|seq| Claim::Shown { seq });
        [covers, shown].into_iter().flatten().collect::<Vec<_>>()
    });
    claims.collect()
}

fn lines(store: &Path) -> Vec<oracles::Line> {
    if !store.join("wal").exists() {
        return Vec::new();
    }
    oracles::read_lines(&Ports::real(), store).unwrap()
}

fn check(store: &Path, scene: &Scene, claims: &[Claim], what: &str) {
    let (ports, options) = (Ports::real(), Options::default());
    let segments = std::fs::read_dir(store.join("wal")).map(|names| {
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| oracles::is_segment(name)).count()
    });
    if segments.unwrap_or(0) == 0 {
        assert!(claims.is_empty(), "{what}: the store is gone");
        return;
    }
    let place = Place {
        ports: &ports,
        dir: store,
        options: &options,
    };
    let lines = place.lines().unwrap();
    if scene.name == "repair" && View::open(&ports, store, &options).is_err() {
        // Still hurt: nothing was put in place yet.
        return;
    }
    let all = |verdict: oracles::Verdict| verdict.unwrap_or_else(|said| panic!("{what}: {said}"));
    all(oracles::o1_acknowledged_is_there(&lines, claims));
    all(oracles::o2_only_a_beginning_of_what_was_written(
        &lines, None,
    ));
    all(oracles::o7_one_owner(&lines));
    all(oracles::o11_one_set_is_usable(place, claims));
    let view = oracles::o9_reads_only(place, |place| {
        View::open(place.ports, place.dir, place.options)
    });
    let view = view
        .unwrap_or_else(|said| panic!("{what}: {said}"))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    all(oracles::o3_state_is_the_models(view.state(), &lines));
    all(oracles::o8_snapshot_and_tail_are_a_replay(place, &view));
}
