//! Workers at one store: claims, leases and signs of life, as whole outputs and in real shells.

use std::process::Command;

use crate::support::{HOUSE, HOUSES, Lab, Output, PROGRAM, shows};

/// A store with a fixed time and a plan with every limit.
fn fixed() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T01:40:15.123456Z");
    lab.write(
        "plan.json",
        r#"[{"phase":"list"},{"phase":"photos","needs":["list"],"max_attempts":3,"backoff_seconds":60}]"#,
    );
    lab.write("houses.txt", &HOUSES.join("\n"));
    lab.must(&["init", "--plan", "plan.json", "--items", "houses.txt", "-q"]);
    lab
}

/// Runs with another time.
fn at(lab: &Lab, time: &str, args: &[&str]) -> Output {
    let all: Vec<&str> = ["--now", time]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    lab.run(&all)
}

/// Runs a script in a shell in which the program is known as `phaselog`.
fn script(lab: &Lab, shell: &str, text: &str) -> String {
    let bin = std::path::Path::new(PROGRAM)
        .parent()
        .expect("a program lies in a directory");
    let output = Command::new(shell)
        .args(["-c", text])
        .current_dir(lab.path(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("PHASELOG_COMPACT", "never")
        .output()
        .expect("the shell starts");
    format!(
        "{}--- stderr\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_claim_takes_the_first_line_of_resume() {
    let lab = fixed();
    shows(
        "claim__taken",
        &[
            lab.run(&["claim", "--worker", "w1"]),
            lab.run(&["claim", "--worker", "w2", "--json"]),
            lab.run(&["claim", "--limit", "9", "--format", "jsonl"]),
            lab.run(&["claim", "--json"]),
        ],
    );
    let lab = fixed();
    shows(
        "claim__several",
        &[
            lab.run(&["claim", "--limit", "2"]),
            lab.run(&["claim", "-0"]),
            lab.run(&["resume"]),
        ],
    );
}

#[test]
fn a_claim_hands_back_what_is_stuck_before_it_takes() {
    let lab = fixed();
    lab.must(&["claim"]);
    shows(
        "claim__reset",
        &[
            at(
                &lab,
                "2026-11-23T02:10:15.123456Z",
                &["claim", "--phase", "photos"],
            ),
            at(&lab, "2026-11-23T02:10:15.123457Z", &["claim"]),
            lab.run(&["complete", HOUSE, "list", "--token", "6"]),
        ],
    );
}

/// The limit at its edges, and clocks that jump, as the built program has them.
#[test]
fn thirty_minutes_and_not_a_moment_less() {
    let lab = fixed();
    lab.must(&["claim", "--worker", "w1"]);
    let table = [
        ("29:59.999", "2026-11-23T02:10:15.122456Z"),
        ("30:00.000", "2026-11-23T02:10:15.123456Z"),
        ("30:00.001", "2026-11-23T02:10:15.124456Z"),
        ("an hour forward", "2026-11-23T02:40:15.123456Z"),
        ("a year back", "2025-11-23T01:40:15.123456Z"),
        ("1970", "1970-01-01T00:00:00Z"),
    ];
    let would = table.map(|(_, time)| at(&lab, time, &["resume", "--dry-run", "--phase", "list"]));
    for ((name, _), output) in table.iter().zip(&would) {
        let stuck = matches!(*name, "30:00.001" | "an hour forward");
        assert_eq!(
            output.stderr.contains("Would reset"),
            stuck,
            "{name}: {}",
            output.text()
        );
    }
    // What is only looked at stays; a clock that went back takes nothing away.
    let [_, _, (_, over), _, (_, back), (_, epoch)] = table;
    let does = [back, epoch, over].map(|time| at(&lab, time, &["resume", "--phase", "list"]));
    let late = at(&lab, epoch, &["complete", HOUSE, "list", "--token", "6"]);
    shows(
        "resume__boundaries",
        &[&would[..], &does[..], &[late]].concat(),
    );
}

#[test]
fn a_claim_that_gets_nothing_says_whether_waiting_helps() {
    let lab = fixed();
    for house in HOUSES {
        lab.must(&["complete", house, "list"]);
    }
    let [a, b, c] = HOUSES;
    lab.must(&["fail", a, "photos", "--error", "x"]);
    lab.must(&["hold", b]);
    lab.must(&["skip", c, "photos"]);
    let backing_off = [
        lab.run(&["claim"]),
        lab.run(&["claim", "--json"]),
        lab.run(&["claim", "--export"]),
    ];
    shows("claim__nothing_ready", &backing_off);
    lab.must(&["fail", a, "photos", "--error", "y", "--permanent"]);
    shows(
        "claim__drained",
        &[
            lab.run(&["claim"]),
            lab.run(&["claim", "--json"]),
            lab.run(&["claim", "--export", "--wait"]),
        ],
    );
    shows(
        "claim__misuse",
        &[
            lab.run(&["claim", "--phase", "nope", "--export"]),
            lab.run(&["claim", "--limit", "0"]),
            lab.run(&["claim", "--wait=soon", "--export"]),
            lab.run(&["claim", "--pid", "4194399"]),
            lab.run(&["-s", "nowhere", "claim", "--export"]),
        ],
    );
}

#[test]
fn a_claim_waits_as_long_as_it_is_told() {
    let lab = fixed();
    lab.must(&["claim", "--limit", "3"]);
    shows("claim__waited", &[lab.run(&["claim", "--wait=50ms"])]);
    // What becomes ready meanwhile is taken.
    let waiting = lab
        .command(&["claim", "--wait=60s"])
        .stdout(std::process::Stdio::piped())
        .spawn();
    let waiting = waiting.expect("the program starts");
    lab.must(&["complete", HOUSE, "list"]);
    let output = waiting.wait_with_output().expect("the program ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{HOUSE}\tphotos\t10\n")
    );
}

#[test]
fn the_documented_loop_ends_by_itself() {
    let text = r#"
        while job=$(phaselog claim --wait --export); do
            eval "$job"
            echo "$PHASELOG_PHASE of $PHASELOG_ITEM"
            phaselog complete -q
        done
        eval "$(phaselog claim --export 2>&1)"; echo "eval: $?"
        eval "$(phaselog claim --export --no-such-flag 2>/dev/null)"; echo "eval: $?"
    "#;
    for shell in ["bash", "dash"] {
        let lab = Lab::new();
        lab.must(&[
            "init",
            "--phase",
            "list",
            "--phase",
            "photos:needs=list",
            "1 O'Hare $(St)",
            "b  b",
        ]);
        let expected = "list of 1 O'Hare $(St)\nrecorded 6: completed list of 1 O'Hare $(St)\n\
            photos of 1 O'Hare $(St)\nrecorded 8: completed photos of 1 O'Hare $(St)\n\
            list of b  b\nrecorded 10: completed list of b  b\n\
            photos of b  b\nrecorded 12: completed photos of b  b\neval: 9\neval: 2\n";
        let output = script(&lab, shell, &text.replace("2>&1", "2>/dev/null"));
        let (stdout, _) = output.split_once("--- stderr\n").expect("it stands there");
        assert_eq!(stdout, expected, "{shell}: {output}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_work_of_a_dead_process_is_handed_back_at_once() {
    let lab = Lab::with_store();
    let mut owner = Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("sleep starts");
    let pid = owner.id().to_string();
    lab.must(&["start", HOUSE, "list", "--pid", &pid]);
    let text = |output: Output| format!("{}{}", output.stdout, output.stderr);
    let alive = text(lab.run(&["resume"]));
    assert!(!alive.contains("Reset"), "{alive}");
    owner.kill().expect("it runs");
    owner.wait().expect("it ends");
    // Whoever looks is told before anything is done.
    for (args, told) in [
        (&["status"][..], "STUCK: its owner process is gone"),
        (
            &["why", HOUSE, "list"],
            "so nobody goes on with it: the next resume hands it back",
        ),
        (&["show", HOUSE], "STUCK: its owner process is gone"),
        (
            &["list", "--stuck"],
            "the next resume hands it back (its owner process is gone)",
        ),
        (&["list", "--stuck", "--json"], r#""cause":"owner_dead""#),
        (&["status", "--json"], r#""found":"gone""#),
    ] {
        let shown = text(lab.run(args));
        assert!(shown.contains(told), "{args:?}: {shown}");
    }
    let stale = Output {
        line: String::new(),
        ..lab.run(&["claim", "--worker", "w2"])
    };
    shows(
        "claim__owner_dead",
        &[
            stale,
            lab.run(&["complete", HOUSE, "list", "--token", "6"]),
            // Long before the start: no time has gone by.
            at(&lab, "2001-01-01T00:00:00Z", &["why", HOUSE, "list"]),
        ],
    );
}

#[test]
fn a_heartbeat_renews_and_is_recorded_when_it_matters() {
    let lab = fixed();
    lab.must(&["claim", "--worker", "w1"]);
    shows(
        "heartbeat__renewed",
        &[
            at(
                &lab,
                "2026-11-23T01:50:15.123456Z",
                &["heartbeat", "6", "--progress", "page 3 of 7"],
            ),
            at(
                &lab,
                "2026-11-23T01:50:15.123456Z",
                &["heartbeat", "6", "--json"],
            ),
            at(
                &lab,
                "2026-11-23T02:20:15.123456Z",
                &["resume", "--dry-run"],
            ),
            at(
                &lab,
                "2026-11-23T02:20:15.123457Z",
                &["resume", "--dry-run"],
            ),
            at(&lab, "2026-11-23T02:00:00Z", &["heartbeat", "6"]),
            at(&lab, "2026-11-23T02:00:00Z", &["status", "--json"]),
            at(&lab, "2026-11-23T02:00:00Z", &["status"]),
            at(&lab, "2026-11-23T02:00:00Z", &["show", HOUSE]),
            at(&lab, "2026-11-23T02:00:00Z", &["why", HOUSE, "list"]),
            at(&lab, "2026-11-23T03:00:00Z", &["list", "--stuck"]),
        ],
    );
    // The file is only an advantage.
    std::fs::remove_file(lab.path("data/wal/heartbeats")).expect("it is there");
    let output = at(&lab, "2026-11-23T02:30:00Z", &["resume", "--dry-run"]);
    assert!(!output.stderr.contains("Would reset"), "{}", output.text());
}

#[test]
fn a_heartbeat_under_a_token_that_is_none_is_refused() {
    let lab = fixed();
    lab.must(&["claim"]);
    let beat = |token: &str| lab.run(&["heartbeat", token]);
    let never = [beat("0"), beat("3"), beat("99")];
    at(&lab, "2026-11-23T03:00:00Z", &["claim"]);
    shows(
        "heartbeat__refused",
        &[
            never.to_vec(),
            vec![beat("6"), lab.run(&["heartbeat", "6", "--json"]), beat("x")],
        ]
        .concat(),
    );
}

#[test]
fn a_worker_that_hangs_and_goes_on_is_refused_each_time_and_written_down_once() {
    let lab = fixed();
    lab.must(&["claim", "--worker", "w1"]);
    at(&lab, "2026-11-23T03:00:00Z", &["claim", "--worker", "w2"]);
    for _ in 0..3 {
        for args in [
            &["heartbeat", "6", "--progress", "page 4"][..],
            &["complete", HOUSE, "list", "--token", "6"],
            &["fail", HOUSE, "list", "--token", "6", "--error", "x"],
        ] {
            assert_eq!(lab.run(args).exit, Some(5));
        }
    }
    shows(
        "history__refused_once",
        &[lab.run(&["history", HOUSE, "--phase", "list", "--utc"])],
    );
    // From a snapshot as from the log.
    lab.must(&["compact"]);
    assert_eq!(lab.run(&["heartbeat", "6"]).exit, Some(5));
    let status = lab.must(&["status", "--json"]).stdout;
    assert!(status.contains(r#""rejected":3,"#), "{status}");
    lab.must(&["verify", "--deep"]);
}

#[test]
fn a_report_under_an_id_is_applied_once() {
    let lab = fixed();
    lab.must(&["claim"]);
    let complete = [
        "complete", HOUSE, "list", "--token", "6", "--op-id", "7d0e-1",
    ];
    let json: Vec<&str> = ["--json"].into_iter().chain(complete).collect();
    let first = lab.run(&complete);
    lab.must(&["retry", HOUSE, "list", "--force"]);
    lab.must(&["claim"]);
    shows(
        "complete__op_id",
        &[
            first,
            // Somebody else is at it by now: what was applied stays applied.
            lab.run(&complete),
            lab.run(&json),
            lab.run(&[
                "complete", HOUSE, "list", "--token", "6", "--op-id", "other",
            ]),
            lab.run(&["fail", HOUSE, "list", "--error", "x", "--op-id", "7d0e-1"]),
            lab.run(&["complete", HOUSE, "list", "--op-id", ""]),
        ],
    );
    // From a snapshot as from the log.
    lab.must(&["compact"]);
    assert!(lab.must(&complete).stdout.starts_with("unchanged: "));
}

#[test]
fn everything_that_failed_gets_another_chance() {
    let lab = fixed();
    let [a, b, c] = HOUSES;
    for house in [a, b] {
        lab.must(&["complete", house, "list"]);
        lab.must(&["complete", house, "photos"]);
        lab.must(&["retry", house, "list", "--force"]);
        lab.must(&["fail", house, "list", "--error", "x"]);
    }
    lab.must(&["fail", c, "photos", "--error", "y", "--permanent"]);
    let all = ["retry", "--status", "failed"];
    let dry = |more: &[&'static str]| lab.run(&[&all[..], more, &["--dry-run"]].concat());
    shows(
        "retry__bulk",
        &[
            dry(&[]),
            dry(&["--phase", "list", "--cascade", "--json"]),
            dry(&["--phase", "nope"]),
            lab.run(&["retry", a, "--status", "failed"]),
            lab.run(&["retry"]),
            lab.run(&["retry", "--status", "failed", "--cascade"]),
            lab.run(&["retry", "--status", "failed", "--json"]),
            lab.run(&["resume"]),
        ],
    );
}

#[test]
fn the_plan_may_change_while_the_pipeline_lives() {
    let lab = fixed();
    let [a, b, _] = HOUSES;
    lab.must(&["complete", a, "list"]);
    lab.must(&["claim", "--phase", "photos"]);
    lab.must(&["fail", b, "list", "--error", "x"]);
    let set = |plan: &str| {
        lab.write("new.json", plan);
        lab.run(&["plan", "set", "new.json"])
    };
    let renamed = r#"[{"phase":"list","timeout_minutes":45},{"phase":"images","from":["photos"],"needs":["list"]}]"#;
    let refused = [
        set(r#"[{"phase":"list"}]"#),
        set(renamed),
        set(r#"[{"phase":"all","from":["list","photos"]}]"#),
        set(r#"[{"phase":"list","needs":["photos"]},{"phase":"photos","needs":["list"]}]"#),
        set(r#"[{"phase":"list"},{"phase":"photos"},{"phase":"x","from":["photos"]}]"#),
        set(r#"[{"phase":"list","from":["photos"]}]"#),
        set(r#"[{"phase":"list"},{"phase":"x","from":["y"]}]"#),
        set(r#"[{"phase":"list"},{"phase":"photos","colour":1}]"#),
        set(
            r#"[{"phase":"list"},{"phase":"photos","needs":["list"],"max_attempts":3,"backoff_seconds":60}]"#,
        ),
    ];
    shows("plan__set_refused", &refused);
    lab.must(&["complete", a, "photos"]);
    let changes = [
        set(renamed),
        lab.run(&["plan"]),
        lab.run(&["list", "--phase", "images"]),
        set(r#"[{"phase":"all","from":["list","images"]},{"phase":"report","needs":["all"]}]"#),
        lab.run(&["list", "--phase", "all"]),
        lab.run(&["resume", "--all"]),
        set(r#"[{"phase":"report"}]"#),
        lab.run(&["complete", a, "all"]),
        lab.run(&["history", a, "--phase", "photos", "--utc"]),
    ];
    shows("plan__set", &changes);
    lab.must(&["verify", "--deep"]);
    assert!(
        lab.must(&["replay", "--at", "@6"])
            .stdout
            .contains("photos")
    );
}

#[test]
fn a_wait_ends_when_all_is_done_or_nothing_more_will_be() {
    let lab = fixed();
    let [a, b, c] = HOUSES;
    lab.must(&["complete", a, "list"]);
    let time_over = lab.run(&["wait", "--timeout", "20ms"]);
    lab.must(&["skip", a, "photos"]);
    let done = lab.run(&["wait", "--item", a]);
    lab.must(&["fail", b, "list", "--error", "x"]);
    lab.must(&["hold", c]);
    shows(
        "wait__ended",
        &[
            time_over,
            done,
            lab.run(&["wait"]),
            lab.run(&["wait", "--json"]),
            lab.run(&["wait", "--item", "nobody"]),
        ],
    );
    // Somebody else's work ends the wait.
    lab.must(&["unhold", c]);
    let waiting = lab
        .command(&["wait", "--item", c])
        .spawn()
        .expect("the program starts");
    lab.must(&["skip", c, "list"]);
    lab.must(&["skip", c, "photos"]);
    let output = waiting.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn log_and_status_go_on() {
    use std::io::{BufRead as _, BufReader};

    let lab = fixed();
    let follow = |args: &[&str]| {
        let child = lab
            .command(args)
            .stdout(std::process::Stdio::piped())
            .spawn();
        child.expect("the program starts")
    };
    let mut log = follow(&["log", "-f", "-n", "1", "--format", "jsonl"]);
    let mut status = follow(&["status", "--watch", "--format", "jsonl"]);
    let mut lines = BufReader::new(log.stdout.take().expect("it was piped")).lines();
    let mut screens = BufReader::new(status.stdout.take().expect("it was piped")).lines();
    let mut next = || {
        lines
            .next()
            .expect("there is a line")
            .expect("it can be read")
    };
    assert!(next().contains(r#""seq":5,"#));
    lab.must(&["claim"]);
    assert!(next().contains(r#""seq":6,"#));
    let mut state = || {
        screens
            .next()
            .expect("there is a line")
            .expect("it can be read")
    };
    state();
    assert!(state().contains(r#""as_of_seq":6,"#));
    for mut child in [log, status] {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}

#[cfg(unix)]
#[test]
fn who_follows_a_quiet_store_ends_when_nobody_reads_any_more() {
    use std::io::{BufRead as _, BufReader};

    let lab = fixed();
    for args in [&["log", "-f"][..], &["status", "--watch", "--json"]] {
        let mut child = lab
            .command(args)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        lines.next().expect("a line").expect("it can be read");
        // Nothing is recorded: only the closed pipe can end it.
        drop(lines);
        let status = child.wait().expect("it ends by itself");
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn what_follows_goes_on_behind_new_segments_and_snapshots() {
    use std::io::{BufRead as _, BufReader};

    let lab = fixed().env("PHASELOG_SEGMENT_BYTES", "700");
    let mut child = lab
        .command(&["log", "-f", "--format", "jsonl"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
    let mut seq = 0;
    let mut read_through = |last: u64| {
        while seq < last {
            let line = lines.next().expect("a line").expect("it can be read");
            seq += 1;
            assert!(line.starts_with(&format!("{{\"seq\":{seq},")), "{line}");
        }
    };
    read_through(5);
    for house in HOUSES {
        lab.must(&["complete", house, "list"]);
        lab.must(&["compact"]);
    }
    let status = lab.must(&["status", "--json"]).stdout;
    let (_, after) = status
        .split_once("\"as_of_seq\":")
        .expect("it stands there");
    let last = after.split(',').next().expect("a number");
    read_through(last.parse().expect("a number"));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}
