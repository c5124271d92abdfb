//! What every looking command prints, as text and as JSON, on the golden store of format 1, which loads for ever.

use phaselog::store::replay::{self, At};
use phaselog::{Options, Ports, View};

use crate::support::{Lab, shows};

/// A house with a past: failed, retried, reset, started again, a late report refused.
const HOUSE: &str = "200 W Mockup Ave, Phoenix, AZ 85002";

/// The moment at which everything is looked at.
const NOW: &str = "2026-11-21T11:00:00Z";

/// A copy of the golden store, which was written by version 0.1.0 and is never written anew.
pub(crate) fn golden() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", NOW);
    copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/format-1").as_ref(),
        &lab.path("data"),
    );
    lab
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Compares the text of a command and its JSON with one snapshot.
fn looks(name: &str, args: &[&str]) {
    shows(name, &golden().both(args));
}

#[test]
fn the_golden_store_of_format_1_loads_for_ever() {
    let lab = golden();
    let (ports, dir, options) = (Ports::real(), lab.path("data"), Options::default());
    let view = View::open(&ports, &dir, &options).unwrap();
    assert_eq!(
        (
            view.last_seq().get(),
            view.snapshot_seq().map(phaselog::position::Seq::get)
        ),
        (31, Some(13))
    );
    assert!(view.warnings().is_empty(), "{:?}", view.warnings());
    let replayed = replay::state_at(&ports, &dir, &options, At::Seq(view.last_seq())).unwrap();
    assert_eq!(&replayed, view.state());
    let checked = lab.run(&["replay", "--check"]);
    assert_eq!(checked.stderr, lab.run(&["verify", "--deep"]).stderr);
    shows(
        "verify__golden",
        &[
            lab.run(&["verify", "--deep"]),
            lab.run(&["--json", "verify"]),
        ],
    );
}

#[test]
fn status_now_and_then() {
    looks("status__golden", &["status", "--utc"]);
    shows(
        "status__at",
        &golden().both(&["status", "--utc", "--at", "@17"]),
    );
}

#[test]
fn list_items_and_phases() {
    looks("list__items", &["list"]);
    looks("list__phase", &["list", "--phase", "phase1_listing"]);
    let lab = golden();
    let outputs = [
        lab.run(&["list", "--status", "failed"]),
        lab.run(&[
            "list",
            "--phase",
            "phase0_county",
            "--status",
            "completed",
            "-0",
        ]),
        lab.run(&["list", "--format", "jsonl"]),
        lab.run(&["list", "--stuck"]),
        lab.run(&["list", "--at", "@17", "--stuck"]),
        lab.run(&["list", "--phase", "phase9"]),
    ];
    shows("list__choices", &outputs);
}

#[test]
fn show_one_item() {
    looks("show__golden", &["show", "--utc", HOUSE]);
    shows(
        "show__at",
        &golden().both(&["show", "--utc", "index:1", "--at", "@13"]),
    );
    shows(
        "show__unknown",
        &golden().both(&["show", "200 W Mokup Ave"]),
    );
}

#[test]
fn why_tells_record_rule_and_next_command() {
    let lab = golden();
    let why = |args: &[&str]| lab.run(&[&["why", "--utc"], args].concat());
    let outputs = [
        why(&[HOUSE]),
        why(&[HOUSE, "phase2_images"]),
        why(&["300 E Sample Dr, Mesa, AZ 85201", "phase1_listing"]),
        why(&["4 Held Ct, Mesa, AZ 85201", "phase0_county"]),
        why(&["4 Held Ct, Mesa, AZ 85201", "phase1_listing"]),
        lab.run(&[
            "--json",
            "why",
            "4 Held Ct, Mesa, AZ 85201",
            "phase1_listing",
        ]),
    ];
    shows("why__golden", &outputs);
}

#[test]
fn history_is_what_an_auditor_reads() {
    looks("history__golden", &["history", "--utc", HOUSE]);
    let lab = golden();
    let outputs = [
        lab.run(&[
            "history",
            "--utc",
            HOUSE,
            "-r",
            "--since",
            "@17",
            "--until",
            "2026-11-21T10:08:00Z",
        ]),
        lab.run(&["history", "--utc", HOUSE, "--phase", "phase0_county"]),
        lab.run(&["history", "--format", "jsonl", HOUSE, "--since", "@20"]),
        lab.run(&["history", "nobody"]),
    ];
    shows("history__ranges", &outputs);
}

#[test]
fn history_goes_on_behind_damage_and_says_what_it_cannot_read() {
    let lab = golden();
    let path = lab.path("data/wal/00000000000000000014.wal");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replacen("\"worker\":\"w2\"", "\"worker\":\"w9\"", 1),
    )
    .unwrap();
    shows("history__damaged", &lab.both(&["history", "--utc", HOUSE]));
    // The fold stops: what it would say is not known.
    shows("status__damaged", &lab.both(&["status"]));
}

#[test]
fn log_with_journal_flags() {
    looks("log__last", &["log", "--utc", "-n", "3"]);
    let lab = golden();
    shows(
        "log__ranges",
        &[
            lab.run(&["log", "--utc", "-r", "--since", "@9", "--until", "@13"]),
            lab.run(&["log", "--since", "tomorrow"]),
        ],
    );
}

#[test]
fn plan_in_the_form_that_init_reads() {
    let lab = golden();
    shows("plan__golden", &lab.both(&["plan"]));
    lab.write("plan.json", &lab.must(&["--json", "plan"]).stdout);
    lab.must(&["-s", "other", "init", "--plan", "plan.json"]);
}

#[test]
fn diff_between_two_moments() {
    looks("diff__golden", &["diff", "@13", "@31"]);
    shows("diff__none", &golden().both(&["diff", "@14", "@15"]));
}

#[test]
fn replay_gives_the_file_as_it_was() {
    let lab = golden();
    let then = lab.must(&["replay", "--at", "@13"]).stdout;
    assert_eq!(
        then,
        std::fs::read_to_string(lab.path("data/work_items.json"))
            .unwrap()
            .replace(&log_id(&then), "[LOG]")
    );
    lab.must(&["replay", "-o", "out"]);
    assert!(lab.path("out/work_items.json").exists());
    shows(
        "replay__refusals",
        &[
            lab.run(&["replay", "--at", "@99"]),
            lab.run(&["replay", "-o", "data"]),
            lab.run(&["replay", "--at", "2020-01-01"]),
        ],
    );
}

/// Both sides of the comparison show the log's id in the same way.
fn log_id(_: &str) -> String {
    "dd431bd35232ac9f4e83c7de9c8ec118".to_owned()
}

#[test]
fn import_says_everything_that_was_odd() {
    let lab = Lab::new().env("PHASELOG_NOW", NOW);
    lab.write("w1.json", include_str!("golden/w1.json"));
    let args = ["import", "w1.json", "--assume-tz", "America/Phoenix"];
    shows(
        "import__w1",
        &[
            lab.run(&[&args[..], &["--dry-run"]].concat()),
            lab.run(&args),
            lab.run(&args),
        ],
    );
    let again = Lab::new().env("PHASELOG_NOW", NOW);
    again.write("w1.json", include_str!("golden/w1.json"));
    shows(
        "import__w1_json",
        &[again.run(&[&["--json"], &args[..]].concat())],
    );
    let lab = Lab::new().env("PHASELOG_NOW", NOW);
    for (name, text) in [
        ("cut.json", &include_str!("golden/w1.json")[..900]),
        ("two.json", "{\"work_items\":[]} {}"),
        ("twice.json", "{\"work_items\":[],\n \"work_items\":[]}"),
        ("empty.json", ""),
        ("none.json", "[1,2]"),
        (
            "newer.json",
            "{\"schema_version\":\"2.0\",\"work_items\":[]}",
        ),
    ] {
        lab.write(name, text);
    }
    let refused = [
        "cut.json",
        "two.json",
        "twice.json",
        "empty.json",
        "none.json",
        "newer.json",
        "missing.json",
    ];
    shows(
        "import__refused",
        &refused.map(|name| lab.run(&["import", name])),
    );
}

#[test]
fn compact_writes_once_and_never_over_somebodys_edit() {
    let lab = golden();
    let outputs = vec![lab.run(&["--json", "compact"]), lab.run(&["compact"])];
    let path = lab.path("data/work_items.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replacen("\"status\": \"completed\"", "\"status\": \"pending\"", 1),
    )
    .unwrap();
    let edited = std::fs::read_to_string(&path).unwrap();
    let mut outputs = outputs;
    outputs.push(lab.run(&["list"]));
    outputs.push(lab.run(&["add", "5 New St"]));
    outputs.push(lab.run(&["compact"]));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
    outputs.push(lab.run(&["compact", "--discard-edits"]));
    shows("compact__edited", &outputs);
    let kept = std::fs::read_dir(lab.path("data/wal/quarantine"))
        .unwrap()
        .count();
    assert_eq!(kept, 1, "a copy is set aside");
    // Reformatting alone is no edit.
    let compacted = std::fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&compacted).unwrap();
    std::fs::write(&path, value.to_string()).unwrap();
    assert_eq!(lab.must(&["list"]).stderr, "");
}

#[test]
fn snapshots_can_be_deleted() {
    let lab = golden();
    let before = lab.must(&["--json", "list"]).stdout;
    std::fs::remove_file(lab.path("data/work_items.json")).unwrap();
    std::fs::remove_file(lab.path("data/wal/mark")).unwrap();
    assert_eq!(lab.must(&["--json", "list"]).stdout, before);
    lab.must(&["compact"]);
    assert_eq!(lab.must(&["--json", "list"]).exit, Some(0));
}

#[test]
fn without_a_command_the_store_in_one_line() {
    let lab = golden();
    shows(
        "welcome__store",
        &[lab.run(&["--utc"]), Lab::new().run(&[])],
    );
}

#[test]
fn a_repair_that_cannot_count_what_it_gives_up_issues_no_token_twice() {
    // Found by a reader: with the mark gone too, a cut last segment gave a token of the lost end to somebody else.
    let lab = golden();
    std::fs::remove_file(lab.path("data/wal/mark")).unwrap();
    let last = lab.path("data/wal/00000000000000000022.wal");
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..237]).unwrap();
    assert_eq!(lab.run(&["repair"]).exit, Some(3));
    assert_eq!(lab.run(&["repair", "--apply"]).exit, Some(7));
    let repaired = lab.run(&["repair", "--apply", "--accept-loss", "22..22"]);
    assert_eq!(repaired.exit, Some(3), "{}", repaired.text());
    let claimed = lab.must(&["claim"]).stdout;
    let token: u64 = claimed
        .trim_end()
        .rsplit('\t')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(token > 31, "{claimed}");
    assert_eq!(lab.run(&["verify", "--deep"]).exit, Some(3));
}
