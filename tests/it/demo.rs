//! The demo, as a newcomer runs it: everything in it is real, so what it says is asked of the store it leaves.

use std::path::Path;

use phaselog::pipeline::Status;
use phaselog::ports::Ports;
use phaselog::store::{Options, View};

use crate::support::Lab;

/// The demo in a temp directory of its own, with a store of the user's in the environment.
fn lab() -> Lab {
    let lab = Lab::new();
    let temp = lab.path("tmp");
    std::fs::create_dir(&temp).expect("a directory can be made");
    let (temp, own) = (temp.display().to_string(), lab.path("own"));
    lab.env("TMPDIR", &temp)
        .env("PHASELOG_STORE", &own.display().to_string())
        .env("PHASELOG_COMPACT", "auto")
}

fn is_empty(dir: &Path) -> bool {
    let mut entries = std::fs::read_dir(dir).expect("the directory is there");
    entries.next().is_none()
}

#[test]
fn the_demo_recovers_and_leaves_nothing_behind() {
    let lab = lab();
    let output = lab.must(&["demo"]);
    let shown = &output.stdout;
    // A torn tail was really there: resume sealed it, and the phase of the dead worker was handed back.
    for line in [
        "bytes of a write that a crash cut off, never acknowledged",
        "Reset stuck ",
        " > 30m)",
        "$ phaselog verify",
        "removed; --keep keeps it",
    ] {
        assert!(shown.contains(line), "no {line:?} in:\n{shown}");
    }
    // Where no kill ever came inside the write (one core, much load) the demo cuts one by hand, and says so.
    let killed = shown.contains("$ kill -9 ") && shown.contains("The kill cut the write: ");
    assert!(killed || shown.contains("made by hand"), "{shown}");
    assert!(!shown.contains("error:"), "{shown}");
    assert_eq!(output.stderr, "");
    assert!(
        is_empty(&lab.path("tmp")),
        "the demo left something in its temp directory"
    );
    assert!(
        !lab.path("own").exists(),
        "the demo touched the user's own store"
    );
}

#[test]
fn a_kept_demo_can_be_gone_on_with() {
    let lab = lab();
    let shown = lab.must(&["demo", "--keep", "here"]).stdout;
    let store = lab.path("here/data");
    let view = View::open(&Ports::real(), &store, &Options::default()).expect("it opens");
    let state = view.state();
    // The write that was cut counts as nothing: all of it or none.
    assert_eq!(state.items().len(), 36, "{shown}");
    let phases = || state.items().flat_map(|item| item.into_owned().phases);
    assert!(
        phases().all(|phase| phase.status != Status::InProgress),
        "{shown}"
    );
    // Three workers started twelve each; the fourth started one and was killed. A worker that was a moment late may
    // start again what another has just reported as failed: that is another attempt, not another phase.
    let started = phases().filter(|phase| phase.token.is_some());
    let attempts: u32 = started.map(|phase| phase.attempts).sum();
    assert_eq!(attempts, 3 * 12 + 1, "{shown}");
    assert!(view.complete() && view.torn().is_none());
    assert!(!lab.path("here/before").exists());

    let again = lab.run(&["demo", "--keep", "here"]);
    assert_eq!(
        (again.exit, again.stdout.as_str()),
        (Some(1), ""),
        "{}",
        again.text()
    );
}
