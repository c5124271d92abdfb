//! `run`: every way in which a command ends, as whole outputs, and what becomes of it when somebody is killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::{HOUSE, HOUSES, Lab, Output, PROGRAM, shows};

/// The store of [`Lab::with_store`], and programs to run.
fn lab() -> Lab {
    Lab::with_store().env("PATH", "/usr/bin:/bin")
}

/// `run` with a line for the shell; `phaselog` is the program in it.
fn sh<'a>(flags: &[&'a str], line: &'a str) -> Vec<&'a str> {
    let head = ["run"].into_iter().chain(flags.iter().copied());
    head.chain(["--", "sh", "-c", line, "{phase}", "{item}"])
        .collect()
}

/// Starts `run` and waits until its command has written a first line, which is given.
fn begin(
    lab: &Lab,
    flags: &[&str],
    line: &str,
) -> (Child, String, BufReader<std::process::ChildStdout>) {
    let mut run = lab
        .command(&sh(flags, line))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut out = BufReader::new(run.stdout.take().expect("it was piped"));
    let mut first = String::new();
    out.read_line(&mut first).expect("it can be read");
    (run, first.trim_end().to_owned(), out)
}

fn send(run: &Child, signal: Signal) {
    kill_process(Pid::from_child(run), signal).expect("it runs");
}

/// The exit status and what was written after the first line.
fn end(mut run: Child, mut out: BufReader<std::process::ChildStdout>) -> (Option<i32>, String) {
    let mut text = String::new();
    out.read_to_string(&mut text).expect("it can be read");
    let mut err = run.stderr.take().expect("it was piped");
    err.read_to_string(&mut text).expect("it can be read");
    (run.wait().expect("it ends").code(), text)
}

/// Waits until no process has that id.
fn is_gone(pid: &str) {
    let pid = Pid::from_raw(pid.parse().expect("a pid")).expect("not 0");
    for _ in 0..4_000 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        // Nobody may have asked yet how it ended.
        if test_kill_process(pid).is_err() || stat.is_ok_and(|stat| stat.contains(") Z ")) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("process {pid:?} goes on");
}

#[test]
fn a_command_ends_and_is_reported() {
    let lab = lab();
    shows(
        "run__outcomes",
        &[
            lab.run(&sh(&["--worker", "w1"], "echo \"$0 of $1\"")),
            lab.run(&sh(&[], "echo 'no such listing' >&2; exit 3")),
            lab.run(&["why", HOUSE, "photos"]),
            lab.run(&sh(
                &["--phase", "list"],
                "echo 'too many requests' >&2; exit 75",
            )),
            lab.run(&sh(&[], "kill -9 $$")),
        ],
    );
}

#[test]
fn the_same_for_programs() {
    let lab = lab();
    shows(
        "run__json",
        &[
            lab.run(&sh(&["--json"], "echo out; echo err >&2")),
            lab.run(&sh(&["--json"], "echo err >&2; exit 1")),
            lab.run(&sh(&["--json"], "exit 75")),
            lab.run(&sh(&["--format", "jsonl"], "kill -15 $$")),
            lab.run(&sh(&["--all", "--json"], "[ $0 = list ]")),
            lab.run(&sh(&["--all", "--json"], "")),
            lab.run(&sh(&["--json"], "")),
        ],
    );
    let lab = self::lab();
    shows(
        "run__jsonl",
        &[
            lab.run(&sh(&["--all", "--format", "jsonl"], "[ $0 = list ]")),
            lab.run(&["run", "--json", "--", "nosuch"]),
        ],
    );
}

#[test]
fn nothing_to_run() {
    let lab = lab();
    lab.must(&["claim", "--limit", "3"]);
    let busy = lab.run(&sh(&[], ""));
    for house in HOUSES {
        lab.must(&["skip", house, "list"]);
        lab.must(&["skip", house, "photos"]);
    }
    shows(
        "run__nothing",
        &[
            busy,
            lab.run(&sh(&[], "")),
            lab.run(&sh(&["--all"], "")),
            lab.run(&sh(&["--phase", "nope"], "")),
            lab.run(&["run", "echo"]),
            lab.run(&["run", "--jobs", "2", "--", "true"]),
            lab.run(&["-s", "nowhere", "run", "--", "true"]),
        ],
    );
}

#[test]
fn a_command_that_cannot_be_started_uses_up_nothing() {
    let lab = lab();
    lab.write("plain", "no program");
    lab.write("empty.sh", "#!/no/such/shell\n");
    let path = lab.path("empty.sh");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("it is ours");
    shows(
        "run__no_such_command",
        &[
            lab.run(&["run", "--", "nosuch"]),
            lab.run(&["run", "--", "./plain"]),
            lab.run(&["run", "--all", "--", "nosuch"]),
            // This is found out only by starting it.
            lab.run(&["run", "--all", "--jobs", "2", "--", "./empty.sh"]),
            lab.run(&["run", "--", "{phase}"]),
            lab.run(&["why", HOUSE, "list"]),
        ],
    );
}

#[test]
fn all_that_can_be_done_is_done() {
    let lab = lab();
    shows(
        "run__all",
        &[
            lab.run(&sh(
                &["--all"],
                "echo \"$0 $1\"; [ \"$1\" != '207 W Mockup Blvd, Phoenix, AZ 85014' ]",
            )),
            lab.run(&["retry", HOUSES[1]]),
            lab.run(&sh(&["--all", "-q", "--phase", "list"], "echo \"$0 $1\"")),
            lab.run(&sh(&["--all"], "")),
        ],
    );
}

#[test]
fn what_a_command_gives_back_is_taken_again_later() {
    let lab = lab();
    let line = "[ -e \"$1\" ] && exit 0; touch \"$1\"; [ $0 = list ] && exit 75; exit 0";
    let output = lab.run(&sh(&["--all"], line));
    assert_eq!(output.exit, Some(0), "{}", output.text());
    // The others come first: what was given back rests.
    let done = output
        .stderr
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(_, what)| what));
    let done: Vec<&str> = done.collect();
    let [a, b, c] = HOUSES.map(|house| format!("released list of {house} (exit status 75)"));
    assert_eq!(done[..3], [a, b, c], "{}", output.text());
    assert!(output.stderr.ends_with(
        "done: 6 completed, 0 failed, 3 released; everything is completed or skipped\n"
    ));
}

#[test]
fn each_phase_is_run_exactly_once() {
    let lab = Lab::new().env("PATH", "/usr/bin:/bin");
    let items: Vec<String> = (1..=20)
        .map(|number| format!("{number} N Example St\n"))
        .collect();
    lab.write("items.txt", &items.concat());
    lab.must(&[
        "init",
        "--phase",
        "list",
        "--phase",
        "photos:needs=list",
        "--items",
        "items.txt",
    ]);
    let output = lab.run(&sh(
        &["--all", "--jobs", "4"],
        "printf '%s ' \"$0\"; echo \"$1\"; echo note >&2",
    ));
    assert_eq!(output.exit, Some(0), "{}", output.text());
    let mut ran: Vec<&str> = output.stdout.lines().collect();
    ran.sort_unstable();
    let mut wanted: Vec<String> = ["list", "photos"]
        .iter()
        .flat_map(|phase| {
            items
                .iter()
                .map(move |item| format!("{phase} {}", item.trim_end()))
        })
        .collect();
    wanted.sort_unstable();
    assert_eq!(ran, wanted);
    let log = lab.must(&["log", "--json"]).stdout;
    assert_eq!(log.matches("\"event\":\"completed\"").count(), 40);
    assert_eq!(log.matches("\"event\":\"started\"").count(), 40);
    assert!(output.stderr.ends_with(
        "done: 40 completed, 0 failed, 0 released; everything is completed or skipped\n"
    ));
}

#[test]
fn the_end_of_what_went_wrong_is_kept() {
    let lab = lab();
    let long =
        "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'the last line' >&2; exit 1";
    let output = lab.run(&sh(&["--keep-stderr", "20"], long));
    assert_eq!(
        (output.exit, output.stderr.len() > 10_000_000),
        (Some(1), true)
    );
    let binary = "printf 'a\\377b\\n\\tc' >&2; exit 2";
    lab.run(&sh(&[], binary));
    lab.run(&sh(&["--keep-stderr", "0"], binary));
    let errors = lab.must(&["list", "--phase", "list", "--json"]).stdout;
    let errors: serde_json::Value = serde_json::from_str(&errors).expect("JSON");
    let errors: Vec<&str> = (0..3)
        .map(|index| errors["items"][index]["error"].as_str().expect("it failed"))
        .collect();
    assert_eq!(
        errors,
        [
            "exit status 1: …\nthe last line",
            "exit status 2: a\u{fffd}b\n\tc",
            "exit status 2"
        ]
    );
}

#[test]
fn pipes_hold_nobody_up() {
    let lab = lab();
    // Standard input is empty, whatever ours is.
    let output = lab.run_with_input(&sh(&[], "cat; echo end"), "secret");
    assert_eq!((output.exit, output.stdout.as_str()), (Some(0), "end\n"));
    // A program that is left behind keeps the pipes open.
    let output = lab.run(&sh(&[], "sleep 600 & echo $!"));
    assert_eq!(output.exit, Some(0), "{}", output.text());
    let left = Pid::from_raw(output.stdout.trim().parse().expect("a pid")).expect("not 0");
    kill_process(left, Signal::KILL).expect("it runs");
    // Closed, by the command or by whoever reads ours.
    let output = lab.run(&sh(&[], "exec >&- 2>&-; exit 0"));
    assert_eq!(output.exit, Some(0), "{}", output.text());
    let mut run = lab.command(&sh(&[], "echo a; echo b; echo c"));
    let mut run = run
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(run.stdout.take());
    assert_eq!(run.wait().expect("it ends").code(), Some(0));
}

#[test]
fn an_interrupted_attempt_is_not_a_failed_one() {
    for (signal, status, words) in [
        (Signal::INT, 130, "killed by SIGINT"),
        (Signal::TERM, 143, "killed by SIGTERM"),
    ] {
        if signal == Signal::INT && ignores_interrupts() {
            println!(
                "skipped for SIGINT: whoever runs the tests has it ignored, as for a command behind `&`"
            );
            continue;
        }
        for flags in [&[][..], &["--all"]] {
            let lab = lab();
            let (run, pid, out) = begin(&lab, flags, "echo $$; exec sleep 600");
            send(&run, signal);
            let (code, text) = end(run, out);
            assert_eq!(code, Some(status), "{text}");
            let receipt = format!("recorded 7: released list of {HOUSE} ({words})\n");
            assert!(text.starts_with(&receipt), "{text}");
            is_gone(&pid);
            let next = lab.must(&["resume"]).stdout;
            assert!(next.starts_with(&format!("{HOUSE}\tlist\n")), "{next}");
        }
    }
    // Nothing runs, and it waits: it ends at once.
    let lab = lab();
    lab.must(&["claim", "--limit", "3"]);
    let mut run = lab
        .command(&sh(&["--all", "--json"], ""))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while !is_listening(&run) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send(&run, Signal::TERM);
    assert_eq!(run.wait().expect("it ends").code(), Some(143));
}

/// True when the program hears SIGTERM by itself.
fn is_listening(run: &Child) -> bool {
    has_signal(&run.id().to_string(), "SigCgt:", 15)
}

/// True if SIGINT does nothing to this process, and so to none that it starts.
pub(crate) fn ignores_interrupts() -> bool {
    ignores(2)
}

/// True if a signal does nothing to this process, and so to none that it starts.
pub(crate) fn ignores(signal: u32) -> bool {
    has_signal("self", "SigIgn:", signal)
}

/// True if a set of signals of a process, as `/proc` shows it, has that one in it.
fn has_signal(process: &str, set: &str, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let mask = status.lines().find_map(|line| line.strip_prefix(set));
    let mask = mask.expect("it is there").trim();
    u64::from_str_radix(mask, 16).expect("hex") & (1 << (signal - 1)) != 0
}

#[test]
fn a_command_that_finishes_when_told_to_end_has_finished() {
    let lab = lab();
    let (run, _, out) = begin(
        &lab,
        &[],
        "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done",
    );
    send(&run, Signal::TERM);
    let (code, text) = end(run, out);
    // What the shell says of its own child stands before.
    let receipt = format!("recorded 7: completed list of {HOUSE}\n");
    assert!(code == Some(143) && text.ends_with(&receipt), "{text}");
}

#[test]
fn a_second_signal_kills() {
    let lab = lab();
    let (run, pid, mut out) = begin(
        &lab,
        &[],
        "trap 'echo no' TERM; echo $$; while :; do sleep 0.01; done",
    );
    send(&run, Signal::TERM);
    let mut answer = String::new();
    out.read_line(&mut answer).expect("it can be read");
    assert_eq!(answer, "no\n");
    send(&run, Signal::TERM);
    let (code, text) = end(run, out);
    let receipt = format!("recorded 7: released list of {HOUSE} (killed by SIGKILL)\n");
    assert!(code == Some(143) && text.ends_with(&receipt), "{text}");
    is_gone(&pid);
}

#[test]
fn the_work_of_a_killed_run_is_handed_back_at_once_and_its_command_is_ended() {
    let lab = lab();
    // The command's own child is in its group.
    let (mut run, pids, _out) = begin(&lab, &[], "sleep 600 & echo $$ $!; wait");
    send(&run, Signal::KILL);
    run.wait().expect("it ends");
    shows(
        "run__killed",
        &[lab.run(&sh(&["--worker", "w2"], "echo again"))],
    );
    for pid in pids.split(' ') {
        is_gone(pid);
    }
}

#[test]
fn a_lost_token_is_refused() {
    let lab = lab().env("PHASELOG_NOW", "2026-11-23T01:40:15.123456Z");
    let take = format!(
        "PHASELOG_TOKEN= {PROGRAM} -q --now 2026-11-23T03:00:00Z claim --worker w2 >&- 2>&-"
    );
    let lost = lab.run(&sh(&["--worker", "w1"], &take));
    let lost = Output {
        line: lost.line.replace(PROGRAM, "phaselog"),
        ..lost
    };
    shows("run__lost", &[lost, lab.run(&["log", "-n", "1", "--utc"])]);
}

#[test]
fn a_report_that_cannot_be_made_is_tried_again_and_then_named() {
    let lab = lab().env("PHASELOG_LOCK_TIMEOUT", "20ms");
    let line = "echo ready; while [ ! -e go ]; do sleep 0.01; done; echo 'it is gone' >&2; exit 1";
    let held = |flags: &[&str]| {
        let (run, _, out) = begin(&lab, flags, line);
        let lock = std::fs::File::open(lab.path("data/wal/lock")).expect("it is there");
        lock.lock().expect("it can be locked");
        lab.write("go", "");
        let (code, text) = end(run, out);
        drop(lock);
        std::fs::remove_file(lab.path("go")).expect("it is there");
        let pid = std::process::id().to_string();
        let comm = std::fs::read_to_string("/proc/self/comm").expect("it is there");
        (
            code,
            text.replace(&format!("pid {pid} ({})", comm.trim_end()), "[TEST]"),
        )
    };
    let (code, text) = held(&[]);
    assert_eq!(
        (code, text.as_str()),
        (
            Some(11),
            "it is gone\nerror: could not get data/wal/lock within 0.02 s, held by [TEST]\nhint: phaselog fail --token 6 --error 'exit status 1: it is gone' '100 N Example St, Phoenix, AZ 85001' list\n"
        )
    );
    lab.must(&["fail", "--token", "6", "--error", "x", HOUSE, "list"]);
    let (code, text) = held(&["--all"]);
    assert_eq!(code, Some(11), "{text}");
}

#[test]
fn a_lock_that_is_free_again_in_time_changes_nothing() {
    let lab = lab();
    let (run, _, out) = begin(
        &lab,
        &[],
        "echo ready; while [ ! -e go ]; do sleep 0.01; done",
    );
    let lock = std::fs::File::open(lab.path("data/wal/lock")).expect("it is there");
    lock.lock().expect("it can be locked");
    lab.write("go", "");
    drop(lock);
    let (code, text) = end(run, out);
    assert_eq!(
        (code, text),
        (Some(0), format!("recorded 7: completed list of {HOUSE}\n"))
    );
}

#[test]
fn an_item_that_no_command_can_be_given_fails_for_good() {
    let lab = Lab::new().env("PATH", "/usr/bin:/bin");
    lab.write("items.json", "[\"a\\u0000b\", \"c\"]");
    lab.must(&["init", "--phase", "list", "--items", "items.json"]);
    shows(
        "run__item_with_nul",
        &[lab.run(&sh(&["--all"], "echo \"$1\""))],
    );
}

#[test]
fn what_a_command_prints_last_is_the_data() {
    let lab = lab().env("PHASELOG_NOW", "2026-11-23T01:40:15.123456Z");
    let flags = ["-q", "--worker", "w1", "--enrich-from-stdout"];
    shows(
        "run__data",
        &[
            lab.run(&sh(
                &flags,
                "echo looking; echo '{\"price\": 0.90, \"lot\": null}'",
            )),
            lab.run(&["log", "-n", "1", "--utc"]),
            lab.run(&sh(&flags, "echo '{}'; echo bye")),
            lab.run(&sh(&flags, "")),
            lab.run(&sh(&flags, "echo '{}'; exit 75")),
        ],
    );
}

#[test]
fn what_a_command_reports_by_itself_stands() {
    let lab = lab();
    let report = |verb: &str| format!("{PROGRAM} -q {verb} >&-; exit $?");
    let named = |output: Output| Output {
        line: output.line.replace(PROGRAM, "phaselog"),
        ..output
    };
    let fails = report("fail --permanent --error 'no such house'");
    shows(
        "run__own_report",
        &[
            named(lab.run(&sh(&[], &fails))),
            named(lab.run(&sh(&["--json"], &report("release")))),
            named(lab.run(&sh(&[], &report("complete").replace("$?", "1")))),
            lab.run(&["why", HOUSE, "list"]),
        ],
    );
}

/// Runs a worker of the README as it stands; `None` with a printed reason if there is no such interpreter.
fn documented(interpreter: &str, name: &str) -> Option<(Lab, String)> {
    let lab = Lab::with_store();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scripts");
    let bin = std::path::Path::new(PROGRAM)
        .parent()
        .expect("a program lies in a directory");
    let path = std::env::var("PATH").expect("tests run with a path");
    let output = std::process::Command::new(interpreter)
        .arg(script.join(name))
        .arg("w1")
        .current_dir(lab.path(""))
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("PHASELOG_COMPACT", "never")
        .env_remove("PHASELOG_STORE")
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: there is no {interpreter} here");
            return None;
        }
        output => output.expect("the worker starts"),
    };
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{interpreter}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Some((
        lab,
        String::from_utf8(output.stdout).expect("it prints text"),
    ))
}

#[test]
fn the_documented_workers_run_as_they_stand() {
    let [a, b, c] = HOUSES;
    for (interpreter, name) in [
        ("bash", "worker.sh"),
        ("dash", "worker.sh"),
        ("python3", "worker.py"),
    ] {
        let Some((lab, printed)) = documented(interpreter, name) else {
            continue;
        };
        // What each piece of work found out is there together with the phase, and number text as it was written.
        let score = if name.ends_with("py") { "0.9" } else { "0.90" };
        for (house, phases) in [
            (a, &["list", "photos"][..]),
            (b, &[]),
            (c, &["list", "photos"]),
        ] {
            let shown = lab.must(&["--json", "show", house, "--data"]).stdout;
            let found =
                |phase: &&str| format!("\"{phase}\":{{\"price\":650000,\"score\":{score}}}");
            let all: Vec<String> = phases.iter().map(found).collect();
            let data = if all.is_empty() {
                "\"data\":null".to_owned()
            } else {
                format!("\"data\":{{{}}}", all.join(","))
            };
            assert!(shown.contains(&data), "{interpreter}: {data} in {shown}");
        }
        let looks = printed.lines().filter(|line| line.starts_with("looked"));
        assert_eq!(
            looks.count(),
            if name.ends_with("py") { 4 } else { 0 },
            "{interpreter}"
        );
        let why = lab
            .must(&["list", "--phase", "list", "--status", "failed", "--json"])
            .stdout;
        assert!(
            why.contains("the listing site said 404") && why.contains(b),
            "{interpreter}: {why}"
        );
        let log = lab.must(&["log", "--json"]).stdout;
        assert_eq!(
            log.matches("\"worker\":\"w1\"").count(),
            5,
            "{interpreter}: {log}"
        );
        assert_eq!(
            log.matches("\"owner\":{").count(),
            5,
            "{interpreter}: {log}"
        );
    }
}
