//! Workers that die, hang and come back late, clocks that jump, plans that change: nothing is ever given to two.

mod ledger;
mod machine;
mod plans;
mod steps;

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::pipeline::event::ResetCause;
use crate::pipeline::lease;
use crate::pipeline::time::Timestamp;
use crate::pipeline::{Command, Decision, Report, ReportKind, decide};
use crate::pipeline::{ItemId, PhasePlan, PipelineState, Record, codec};
use crate::position::Seq;
use machine::Machine;
use steps::{Owned, Step, any_step};

const MINUTE: u64 = 60_000_000;

/// The longest limit that any plan has.
const LONGEST_MINUTES: u32 = 45;

const WORKERS: usize = 4;

const ITEMS: usize = 3;

/// The machine that all of this happens on.
const HOST: &str = "here";

/// A phase that no plan has so many of: whatever is ready.
const ANY: usize = 7;

fn name(index: usize) -> ItemId {
    ItemId::new(&format!("{index} N Example St")).unwrap()
}

fn boot_name(boots: u32) -> String {
    format!("boot{boots}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_given_to_two_and_nothing_stays_stuck(steps in prop::collection::vec(any_step(), 0..80)) {
        let mut machine = Machine::new();
        for step in &steps {
            machine.step(step);
        }
        // With all that is in progress, and with nothing.
        machine.check_replay();
        // Nobody says anything for longer than the limit, on any clock: everything is handed back.
        machine.pass(u64::from(LONGEST_MINUTES) * MINUTE + 1, false);
        machine.resume();
        machine.now.at = Timestamp::from_micros(4_100_000_000_000_000).unwrap();
        machine.resume();
        prop_assert_eq!(machine.state.in_progress().count(), 0);
        machine.check_replay();
    }
}

#[test]
fn what_is_in_progress_stays_when_all_it_needs_is_done_again() {
    let mut machine = Machine::new();
    machine.claim(0, Owned::Nobody, 0, 1);
    machine.report(0, 0, None, true, true);
    machine.claim(1, Owned::Here, 1, 1);
    for step in [
        Step::Retry {
            item: 0,
            phase: Some(0),
            force: true,
        },
        Step::Foreign {
            item: 0,
            phase: 0,
            kind: 3,
            op: None,
        },
        Step::RetryFailed {
            phase: None,
            cascade: true,
        },
    ] {
        machine.step(&step);
    }
    assert_eq!(machine.state.in_progress().count(), 1);
    machine.report(1, 0, None, true, true);
    machine.check_replay();
}

#[test]
fn the_refusal_says_whether_waiting_helps() {
    let mut machine = Machine::new();
    let refusal = |machine: &Machine, phase: Option<&str>| {
        let phase = phase.map(|phase| Phase::new(phase).unwrap());
        let wanted = Claim {
            phase,
            ..Claim::default()
        };
        claim(&machine.state, &wanted, &[], &machine.now)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(&machine, Some("b")),
        "nothing can be claimed now: what it needs is to be done first"
    );
    assert_eq!(refusal(&machine, Some("c")), "no phase c");
    for worker in 0..3 {
        machine.claim(worker, Owned::Nobody, ANY, 1);
    }
    assert_eq!(
        refusal(&machine, None),
        "nothing can be claimed now: 3 in progress"
    );
    machine.report(0, 3, None, true, false);
    machine.submit(&Command::Hold {
        item: name(1),
        reason: None,
    });
    machine.report(1, 7, None, true, false);
    machine.report(2, 0, None, true, false);
    machine.claim(2, Owned::Nobody, ANY, 1);
    machine.report(2, 3, None, true, false);
    assert_eq!(
        refusal(&machine, None),
        "nothing can be claimed now: the next may be tried again at 2026-11-23T01:41:18.697568Z"
    );
    assert_eq!(
        refusal(&machine, Some("a")),
        "nothing is left to claim: 1 failed, 1 held, 0 waiting"
    );
}

#[test]
fn several_at_once_are_the_first_several() {
    let mut machine = Machine::new();
    machine.claim(0, Owned::Nobody, ANY, 1);
    machine.pass(31 * MINUTE, false);
    let resets = lease::expired(&machine.state, &machine.now, None, &machine);
    let wanted = Claim {
        limit: 2,
        ..Claim::default()
    };
    let started = claim(&machine.state, &wanted, &resets, &machine.now).unwrap();
    let items: Vec<&ItemId> = started.iter().filter_map(Event::item).collect();
    assert_eq!(items, [&name(0), &name(1)]);
}
