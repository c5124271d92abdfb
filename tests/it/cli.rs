//! What every writing command prints, and every refusal: whole outputs, as text and as JSON.

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

/// The text of a command and, in a second store that was made the same way, of the same with `--json`.
fn shows_both(name: &str, lab: impl Fn() -> Lab, args: &[&str]) {
    let json: Vec<&str> = std::iter::once("--json")
        .chain(args.iter().copied())
        .collect();
    shows(name, &[lab().run(args), lab().run(&json)]);
}

/// A store in which `list` of the first house is in progress under token 6.
fn started() -> Lab {
    let lab = Lab::with_store();
    assert_eq!(lab.start(HOUSE, "list"), "6");
    lab
}

/// A store in which `list` of the first house is completed.
fn completed() -> Lab {
    let lab = started();
    lab.must(&["complete", HOUSE, "list", "--token", "6"]);
    lab
}

/// A store in which `list` of the first house has failed.
fn failed() -> Lab {
    let lab = started();
    lab.must(&["fail", HOUSE, "list", "--error", "429 Too Many Requests"]);
    lab
}

/// A store in which the first house is held.
fn held() -> Lab {
    let lab = Lab::with_store();
    lab.must(&["hold", HOUSE, "--reason", "sold"]);
    lab
}

// ---- what is recorded ----

#[test]
fn init_makes_a_store() {
    let args = [
        "init",
        "--phase",
        "list",
        "--phase",
        "photos:needs=list",
        HOUSE,
    ];
    shows_both("init__new_store", Lab::new, &args);
}

#[test]
fn init_reads_plans_and_lists() {
    let lab = || {
        let lab = Lab::new();
        lab.write(
            "plan.json",
            r#"[{"phase":"list"},{"phase":"photos","needs":["list"],"timeout_minutes":45}]"#,
        );
        lab.write(
            "houses.csv",
            "id,address\n7,\"1 A St, Mesa\"\n8,2 B St\n8,2 B St\n",
        );
        lab
    };
    shows_both(
        "init__plan_and_items",
        lab,
        &["init", "--plan", "plan.json", "--items", "houses.csv"],
    );
}

#[test]
fn linear_phases_need_the_one_before() {
    let lab = Lab::new();
    lab.must(&["init", "--linear", "--phase", "a", "--phase", "b", "x"]);
    shows(
        "init__linear",
        &[lab.run(&["resume", "--all"]), lab.run(&["start", "x", "b"])],
    );
}

#[test]
fn add_takes_arguments_lists_and_what_is_there_already() {
    let lab = Lab::with_store();
    lab.write("more.txt", "9 S New St\n9 S New St\n10 S New St\n");
    shows(
        "add__items",
        &[
            lab.run(&["add", "9 S New St", HOUSE]),
            lab.run(&["add", "--items", "more.txt"]),
            lab.run(&["--json", "add", "--items", "more.txt"]),
            lab.run_with_input(
                &["--json", "add", "--items", "-"],
                "11 S New St\n12 S New St\n",
            ),
        ],
    );
}

#[test]
fn start_prints_the_token_alone() {
    shows_both(
        "start__token",
        Lab::with_store,
        &["start", HOUSE, "list", "--worker", "w1"],
    );
}

#[test]
fn complete_is_one_record() {
    shows_both(
        "complete__recorded",
        started,
        &["complete", HOUSE, "list", "--token", "6"],
    );
}

#[test]
fn fail_keeps_the_reason() {
    let lab = started();
    lab.write("why.txt", "Traceback (most recent call last):\n  429\n");
    let twice = ["fail", HOUSE, "list", "--token", "6", "--error", "@why.txt"];
    shows(
        "fail__recorded",
        &[
            lab.run(&twice),
            lab.run(&twice),
            lab.run(&["--json", "fail", HOUSE, "list", "--error", "another"]),
        ],
    );
}

#[test]
fn skip_and_release_and_retry() {
    let lab = started();
    shows(
        "skip__release__retry",
        &[
            lab.run(&["release", HOUSE, "list", "--token", "6"]),
            lab.run(&["skip", HOUSE, "list", "--reason", "no listing"]),
            lab.run(&["retry", HOUSE, "list", "--force"]),
            lab.run(&["--json", "skip", HOUSE, "list"]),
            lab.run(&["--json", "retry", HOUSE, "list", "--force"]),
        ],
    );
}

#[test]
fn retry_takes_all_that_failed() {
    let lab = || {
        let lab = failed();
        lab.must(&["fail", HOUSE, "photos", "--error", "no camera"]);
        lab
    };
    shows_both("retry__all_failed", lab, &["retry", HOUSE]);
}

#[test]
fn hold_and_unhold() {
    let lab = Lab::with_store();
    shows(
        "hold__unhold",
        &[
            lab.run(&["hold", HOUSE, "--reason", "sold"]),
            lab.run(&["--json", "hold", HOUSE]),
            lab.run(&["unhold", HOUSE]),
            lab.run(&["--json", "unhold", HOUSE]),
        ],
    );
}

#[test]
fn checkpoint_knows_every_status() {
    let lab = Lab::with_store();
    shows(
        "checkpoint__every_status",
        &[
            lab.run(&["checkpoint", HOUSE, "list", "in_progress"]),
            lab.run(&["checkpoint", HOUSE, "list", "pending"]),
            lab.run(&["checkpoint", HOUSE, "list", "failed", "--error", "429"]),
            lab.run(&["checkpoint", HOUSE, "list", "pending"]),
            lab.run(&["checkpoint", HOUSE, "list", "done"]),
            lab.run(&["checkpoint", HOUSE, "photos", "skipped"]),
            lab.run(&["--json", "checkpoint", HOUSES[1], "list", "in_progress"]),
        ],
    );
}

#[test]
fn a_late_report_is_taken_and_says_so() {
    let lab = || {
        let lab = started();
        lab.must(&["release", HOUSE, "list"]);
        lab
    };
    shows_both(
        "complete__late",
        lab,
        &["complete", HOUSE, "list", "--token", "6"],
    );
}

#[test]
fn items_go_by_id_and_index_too() {
    let lab = Lab::with_store();
    shows(
        "start__by_id_and_index",
        &[
            lab.run(&["start", "index:1", "list"]),
            lab.run(&["start", "id:00000000", "list"]),
        ],
    );
}

#[test]
fn resume_lists_what_is_ready_and_hands_back_what_is_stuck() {
    // Times show here: the start and the reset have given clocks.
    let lab = || {
        let lab = Lab::with_store();
        lab.must(&["--now", "2026-11-23T01:00:00Z", "start", HOUSE, "list"]);
        lab
    };
    let later = ["--now", "2026-11-23T01:31:00Z", "resume"];
    shows_both("resume__reset", lab, &later);
    let lab = lab();
    shows(
        "resume__not_yet",
        &[
            lab.run(&["--now", "2026-11-23T01:30:00Z", "resume"]),
            lab.run(&["--now", "2026-11-23T01:30:01Z", "resume", "--dry-run"]),
            lab.run(&[
                "--now",
                "2026-11-23T01:10:01Z",
                "resume",
                "--timeout",
                "10m",
            ]),
            lab.run(&[
                "--now",
                "2026-11-23T01:31:00Z",
                "resume",
                "--all",
                "--phase",
                "photos",
            ]),
        ],
    );
}

#[test]
fn nul_ends_each_field_where_exact_bytes_are_asked_for() {
    let lab = Lab::new();
    lab.must(&["init", "--phase", "list", "1 A St\n\tUnit 2", "2 B St"]);
    shows(
        "resume__nul",
        &[lab.run(&["resume", "-0"]), lab.run(&["resume"])],
    );
}

// ---- what changes nothing ----

#[test]
fn what_is_so_already_is_unchanged() {
    shows_both(
        "complete__unchanged",
        completed,
        &["complete", HOUSE, "list"],
    );
    shows_both(
        "retry__unchanged",
        Lab::with_store,
        &["retry", HOUSE, "list"],
    );
    shows_both("retry__nothing_failed", Lab::with_store, &["retry", HOUSE]);
    shows_both("hold__unchanged", held, &["hold", HOUSE]);
    shows_both("unhold__unchanged", Lab::with_store, &["unhold", HOUSE]);
    shows_both(
        "add__unchanged",
        Lab::with_store,
        &["add", HOUSE, HOUSES[1]],
    );
}

#[test]
fn an_unchanged_command_leaves_no_byte() {
    let lab = completed();
    let segment = || std::fs::read(lab.path("data/wal/00000000000000000001.wal"));
    let before = segment().expect("the segment is there");
    lab.must(&["complete", HOUSE, "list"]);
    lab.must(&["add", HOUSE]);
    assert_eq!(segment().expect("the segment is there"), before);
    lab.must(&["add", "another"]);
    assert_ne!(segment().expect("the segment is there"), before);
}

// ---- what is refused ----

#[test]
fn an_unknown_item_names_the_nearest() {
    let args = ["start", "100 N Exmaple St, Phoenix, AZ 85001", "list"];
    shows_both("start__unknown_item", Lab::with_store, &args);
}

#[test]
fn an_unknown_phase_names_the_plan() {
    shows_both(
        "start__unknown_phase",
        Lab::with_store,
        &["start", HOUSE, "foto"],
    );
    shows_both(
        "resume__unknown_phase",
        Lab::with_store,
        &["resume", "--phase", "foto"],
    );
}

#[test]
fn an_ambiguous_id_names_the_items() {
    let lab = || {
        let lab = Lab::new();
        lab.write("houses.csv", "id,address\n7,1 A St\n7,2 B St\n");
        lab.must(&["init", "--phase", "list", "--items", "houses.csv"]);
        lab
    };
    shows_both("start__ambiguous", lab, &["start", "id:7", "list"]);
}

#[test]
fn an_illegal_transition_says_where_the_phase_stands() {
    shows_both("start__of_completed", completed, &["start", HOUSE, "list"]);
    shows_both(
        "fail__of_completed",
        completed,
        &["fail", HOUSE, "list", "--error", "x"],
    );
    shows_both(
        "release__of_pending",
        Lab::with_store,
        &["release", HOUSE, "list"],
    );
    shows_both("retry__of_in_progress", started, &["retry", HOUSE, "list"]);
    shows_both("retry__of_completed", completed, &["retry", HOUSE, "list"]);
    shows_both("release__of_failed", failed, &["release", HOUSE, "list"]);
}

#[test]
fn a_stale_token_is_refused_and_says_who_has_it() {
    let lab = || {
        let lab = started();
        lab.must(&["release", HOUSE, "list"]);
        lab.must(&["start", HOUSE, "list", "--worker", "w2"]);
        lab
    };
    shows_both(
        "complete__stale_token",
        lab,
        &["complete", HOUSE, "list", "--token", "6"],
    );
    shows_both(
        "complete__token_never_given",
        started,
        &["complete", HOUSE, "list", "--token", "99"],
    );
}

#[test]
fn a_stale_token_leaves_a_record_and_other_refusals_do_not() {
    let lab = started();
    let rejected = || {
        let segment = std::fs::read_to_string(lab.path("data/wal/00000000000000000001.wal"));
        let segment = segment.expect("the segment is there");
        segment
            .lines()
            .filter(|line| line.contains("\"event\":\"rejected\""))
            .count()
    };
    assert_eq!(lab.run(&["start", HOUSE, "list"]).exit, Some(5));
    assert_eq!(rejected(), 0);
    assert_eq!(
        lab.run(&["complete", HOUSE, "list", "--token", "2"]).exit,
        Some(5)
    );
    assert_eq!(rejected(), 1);
}

#[test]
fn a_reset_takes_the_token_only_when_somebody_starts_again() {
    let lab = Lab::with_store();
    lab.must(&["--now", "2026-11-23T01:00:00Z", "start", HOUSE, "list"]);
    lab.must(&["--now", "2026-11-23T01:47:12Z", "resume"]);
    lab.must(&["start", HOUSE, "list", "--worker", "w3"]);
    shows(
        "complete__after_reset",
        &lab.both(&["complete", HOUSE, "list", "--token", "6"]),
    );
}

#[test]
fn a_second_start_is_a_conflict() {
    shows_both("start__in_progress", started, &["start", HOUSE, "list"]);
}

#[test]
fn needs_come_first() {
    shows_both("start__needs", Lab::with_store, &["start", HOUSE, "photos"]);
}

#[test]
fn a_held_item_is_not_started() {
    shows_both("start__held", held, &["start", HOUSE, "list"]);
}

// ---- bad input and faults ----

#[test]
fn a_plan_that_cannot_be_read_names_line_and_column() {
    let with = |plan: &'static str| {
        move || {
            let lab = Lab::new();
            lab.write("plan.json", plan);
            lab
        }
    };
    let args = ["init", "--plan", "plan.json"];
    shows_both(
        "init__bad_json",
        with("[{\"phase\":\"list\"},\n {\"phase\":\"photos\",}]\n"),
        &args,
    );
    shows_both(
        "init__unknown_key",
        with("[{\"phase\":\"list\",\"need\":[]}]"),
        &args,
    );
    shows_both("init__not_an_array", with("{\"phases\":[]}"), &args);
    shows_both(
        "init__unknown_need",
        with("[{\"phase\":\"list\",\"needs\":[\"x\"]}]"),
        &args,
    );
    shows_both(
        "init__circle",
        with("[{\"phase\":\"a\",\"needs\":[\"b\"]},{\"phase\":\"b\",\"needs\":[\"a\"]}]"),
        &args,
    );
    shows_both("init__no_plan_file", Lab::new, &args);
}

#[test]
fn a_list_that_cannot_be_read_names_its_line() {
    let lab = Lab::with_store();
    lab.write("no_column.csv", "house\n1 A St\n");
    lab.write("bad.jsonl", "\"1 A St\"\n{\"address\":\n");
    std::fs::write(lab.path("latin1.txt"), b"1 A St\n2 Caf\xe9 St\n")
        .expect("a file can be written");
    let add = |file| ["--json", "add", "--items", file];
    shows(
        "add__bad_lists",
        &[
            lab.run(&["add", "--items", "no_column.csv"]),
            lab.run(&["add", "--items", "bad.jsonl"]),
            lab.run(&["add", "--items", "latin1.txt"]),
            lab.run(&add("latin1.txt")),
            lab.run(&["add", "--items", "missing.txt"]),
            lab.run(&["add"]),
        ],
    );
}

#[test]
fn no_store_says_where_it_was_looked_for() {
    shows_both("start__no_store", Lab::new, &["start", HOUSE, "list"]);
    shows_both("resume__no_store", Lab::new, &["-s", "elsewhere", "resume"]);
    let importable = || {
        let lab = Lab::new();
        std::fs::create_dir(lab.path("data")).expect("a directory can be made");
        lab.write("data/work_items.json", "{}");
        lab
    };
    shows_both(
        "start__no_store_but_a_state_file",
        importable,
        &["start", HOUSE, "list"],
    );
    shows_both(
        "init__beside_a_state_file",
        importable,
        &["init", "--phase", "list"],
    );
}

#[test]
fn a_store_is_not_made_twice() {
    shows_both(
        "init__store_exists",
        Lab::with_store,
        &["init", "--phase", "list"],
    );
}

#[test]
fn a_store_that_is_a_file_is_none() {
    let lab = || {
        let lab = Lab::new();
        lab.write("data", "not a directory");
        lab
    };
    shows_both("start__store_is_a_file", lab, &["start", HOUSE, "list"]);
    shows_both("init__store_is_a_file", lab, &["init", "--phase", "list"]);
}

#[cfg(unix)]
#[test]
fn a_symlink_where_the_lock_should_be_is_not_followed() {
    let lab = || {
        let lab = Lab::with_store();
        lab.write("victim", "precious");
        let lock = lab.path("data/wal/lock");
        std::fs::remove_file(&lock).expect("the lock is there");
        std::os::unix::fs::symlink(lab.path("victim"), &lock).expect("a link can be made");
        lab
    };
    shows_both("start__lock_is_a_symlink", lab, &["start", HOUSE, "list"]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;

    let lab = Lab::new();
    let set = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(lab.path(""), permissions).expect("the mode can be set");
    };
    set(0o555);
    if std::fs::write(lab.path("probe"), "").is_ok() {
        eprintln!("skipped: this user (root?) writes where nobody may");
        return;
    }
    let outputs = lab.both(&["init", "--phase", "list"]);
    set(0o755);
    shows("init__read_only_directory", &outputs);
}

#[test]
fn a_lock_that_is_held_names_its_holder() {
    let lab = Lab::with_store().env("PHASELOG_LOCK_TIMEOUT", "50ms");
    let file = std::fs::File::open(lab.path("data/wal/lock")).expect("the lock is there");
    file.lock().expect("nobody holds it");
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let holder = format!("pid {} ({})", std::process::id(), name.trim_end());
    let outputs = lab.both(&["start", HOUSE, "list"]);
    if !outputs[0].stderr.contains(&holder) {
        assert_eq!(outputs[0].exit, Some(11), "{}", outputs[0].text());
        eprintln!("skipped: /proc/locks does not tell holders here");
        return;
    }
    let shown = outputs.map(|output: Output| output.with(&holder, "pid [PID] ([NAME])"));
    shows("start__lock_timeout", &shown);
    drop(file);
    lab.must(&["start", HOUSE, "list"]);
}

#[test]
fn a_damaged_record_stops_everything_and_says_where() {
    let lab = || {
        let lab = completed();
        let path = lab.path("data/wal/00000000000000000001.wal");
        let mut bytes = std::fs::read(&path).expect("the segment is there");
        let line = bytes
            .windows(7)
            .position(|text| text == b"planned")
            .expect("a plan is in it");
        bytes[line] ^= 1;
        std::fs::write(&path, bytes).expect("the segment can be written");
        lab
    };
    shows_both("start__damaged", lab, &["start", HOUSE, "photos"]);
}

#[test]
fn a_torn_tail_is_sealed_by_the_next_writer() {
    use std::io::Write as _;

    let lab = started();
    let path = lab.path("data/wal/00000000000000000001.wal");
    // How long the record before is depends on how long this machine has been up.
    let end = format!(
        "byte {}",
        std::fs::metadata(&path).expect("it is there").len()
    );
    let file = std::fs::OpenOptions::new().append(true).open(path);
    let torn = b"0123abcd 01234567 7 6 {\"at\":\"2026-11-2";
    file.expect("the segment is there")
        .write_all(torn)
        .expect("it can be written");
    shows(
        "complete__torn_tail",
        &[
            lab.run(&["resume", "--dry-run"]).with(&end, "byte [END]"),
            lab.run(&["complete", HOUSE, "list", "--token", "6"])
                .with(&end, "byte [END]"),
            lab.run(&["complete", HOUSE, "list", "--token", "6"]),
        ],
    );
}

#[test]
fn words_that_make_no_sense_are_usage() {
    shows_both("init__no_plan", Lab::new, &["init"]);
    shows_both(
        "init__bad_need",
        Lab::new,
        &["init", "--phase", "a:after=b"],
    );
    shows_both(
        "init__bad_phase_name",
        Lab::new,
        &["init", "--phase", "a b"],
    );
    shows_both("start__too_few", Lab::with_store, &["start", HOUSE]);
    shows_both("start__empty_item", Lab::with_store, &["start", "", "list"]);
    shows_both(
        "start__bad_now",
        Lab::with_store,
        &["--now", "soon", "start", HOUSE, "list"],
    );
    shows_both(
        "checkpoint__unknown_status",
        Lab::with_store,
        &["checkpoint", HOUSE, "list", "finished"],
    );
    shows_both(
        "checkpoint__error_without_failed",
        Lab::with_store,
        &["checkpoint", HOUSE, "list", "done", "--error", "x"],
    );
    shows_both(
        "phaselog__unknown_command",
        Lab::with_store,
        &["frobnicate", HOUSE, "list"],
    );
    let lab = || Lab::with_store().env("PHASELOG_LOCK_TIMEOUT", "soon");
    shows_both("start__bad_variable", lab, &["start", HOUSE, "list"]);
}

// ---- what the environment gives ----

#[test]
fn item_phase_and_token_come_from_the_environment() {
    let lab = || {
        started()
            .env("PHASELOG_ITEM", HOUSE)
            .env("PHASELOG_PHASE", "list")
    };
    let stale = || {
        let lab = lab();
        lab.must(&["release"]);
        lab.must(&["start"]);
        lab
    };
    shows(
        "complete__from_environment",
        &[lab().env("PHASELOG_TOKEN", "6").run(&["complete"])],
    );
    shows(
        "complete__stale_from_environment",
        &[stale().env("PHASELOG_TOKEN", "6").run(&["complete"])],
    );
    let other = started()
        .env("PHASELOG_ITEM", HOUSES[1])
        .env("PHASELOG_PHASE", "list")
        .env("PHASELOG_TOKEN", "99");
    // Another item than the environment's: its token is not meant.
    shows(
        "complete__other_than_environment",
        &[other.run(&["complete", HOUSE, "list"])],
    );
    shows(
        "complete__bad_token_in_environment",
        &[lab().env("PHASELOG_TOKEN", "six").run(&["complete"])],
    );
}

#[test]
fn the_store_comes_from_the_environment_unless_it_is_named() {
    let lab = Lab::new().env("PHASELOG_STORE", "work");
    lab.must(&["init", "--phase", "list", "a"]);
    assert!(lab.path("work/wal").is_dir() && !lab.path("data").exists());
    shows(
        "resume__store_from_environment",
        &[lab.run(&["resume"]), lab.run(&["-C", "other", "resume"])],
    );
}

// ---- the words of the program itself ----

#[test]
fn a_given_time_warns_and_the_record_says_so() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T01:40:15.123456Z");
    shows(
        "init__given_time",
        &[
            lab.run(&["init", "--phase", "list", "a"]),
            lab.run(&["start", "a", "list"]),
        ],
    );
    let segment = std::fs::read_to_string(lab.path("data/wal/00000000000000000001.wal"));
    let segment = segment.expect("the segment is there");
    let started = segment.lines().last().expect("a record is there");
    let expected = r#""at":"2026-11-23T01:40:15.123456Z""#;
    assert!(
        started.contains(expected) && started.contains(r#""clock":"given""#),
        "{started}"
    );
}

#[test]
fn quiet_drops_hints_only() {
    let lab = Lab::with_store();
    shows(
        "start__quiet",
        &[lab.run(&["-q", "start", "nowhere", "list"])],
    );
}

#[test]
fn a_closed_standard_output_ends_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    // Closed before the program starts: whatever it writes finds nobody.
    drop(reader);
    let lab = Lab::new();
    let mut command = lab.command(&["completions", "zsh"]);
    let output = command.stdout(writer).output().expect("the program ends");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn completions_know_every_command_and_no_hidden_one() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.must(&["completions", shell]).stdout;
        assert!(script.contains("checkpoint"), "{shell}");
    }
    shows(
        "completions__unknown_shell",
        &[lab.run(&["completions", "csh"])],
    );
}

#[test]
fn the_manual_has_a_section_for_every_command() {
    let lab = Lab::new();
    let page = lab.must(&["man"]).stdout;
    let help = lab.must(&["--help"]).stdout;
    let commands = commands_of(&help);
    assert!(commands.len() > 12, "{help}");
    for command in &commands {
        let section = format!(".SH \"PHASELOG {}\"", command.to_uppercase());
        assert!(page.contains(&section), "no section for {command}");
    }
    assert!(!page.to_lowercase().contains("demo-worker") && !help.contains("demo-worker"));

    std::fs::create_dir(lab.path("man")).expect("a directory can be made");
    let pages = lab.must(&["man", "--dir", "man"]).stdout;
    assert_eq!(pages.lines().count(), commands.len() + 1);
    for page in pages.lines() {
        let text = std::fs::read_to_string(lab.path(page)).expect("the page is there");
        assert!(text.contains(".SH NAME"), "{page}");
    }
    // A second time replaces them.
    assert_eq!(lab.must(&["man", "--dir", "man"]).stdout, pages);
    shows("man__no_directory", &lab.both(&["man", "--dir", "nowhere"]));
}

/// The commands that the help lists.
fn commands_of(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// `retry ITEM PHASE --dry-run` was recorded all the same, and `--cascade` beside a phase was let go without a word.
#[test]
fn retry_of_one_phase_takes_no_bulk_flags() {
    let lab = failed();
    for flag in ["--dry-run", "--cascade"] {
        let told = lab.run(&["retry", HOUSE, "list", flag]);
        assert_eq!(told.exit, Some(2), "{}", told.text());
    }
}
