//! The limit at its edges, and what is known of owners.

use super::*;
use crate::pipeline::why::why;
use crate::pipeline::{ItemId, Phase, PhasePlan, PhaseState, PipelineState, Rare, Record, Status};

const MINUTE: u64 = 60_000_000;

#[expect(clippy::unnecessary_wraps, reason = "as the fields have it")]
fn boot(id: &str, micros: u64) -> Option<BootInstant> {
    Some(BootInstant {
        boot: id.into(),
        micros,
        asleep_us: 0,
    })
}

fn lease(at: i64, boot: Option<BootInstant>) -> Lease {
    Lease {
        at: Timestamp::from_micros(at).unwrap(),
        wall_only: false,
        boot,
        owner: None,
        progress: None,
    }
}

fn now(at: i64, given: bool, boot: Option<BootInstant>) -> Now {
    Now {
        at: Timestamp::from_micros(at).unwrap(),
        given,
        boot,
    }
}

#[test]
fn strictly_more_than_the_limit() {
    let limit = 30 * MINUTE;
    for (elapsed, stuck) in [(limit - 1, false), (limit, false), (limit + 1, true)] {
        let phase = PhaseState {
            status: Status::InProgress,
            ..PhaseState::default()
        }
        .with(Rare {
            lease: Some(Box::new(lease(0, None))),
            ..Rare::default()
        });
        let later = now(i64::try_from(elapsed).unwrap(), false, None);
        let standing = Standing::of(&phase, limit, &later, &RecordsOnly).unwrap();
        assert_eq!(standing.cause().is_some(), stuck, "{elapsed}");
    }
}

#[test]
fn the_boot_clock_decides_on_one_boot_and_the_wall_clock_otherwise() {
    let hour = 3_600_000_000_i64;
    let started = lease(hour, boot("a", 100));
    let cases = [
        (
            "wall set forward",
            now(9 * hour, false, boot("a", 300)),
            200,
            true,
        ),
        ("wall set back", now(0, false, boot("a", 300)), 200, true),
        (
            "another boot",
            now(2 * hour, false, boot("b", 300)),
            3_600_000_000,
            false,
        ),
        (
            "given time",
            now(2 * hour, true, boot("a", 300)),
            3_600_000_000,
            false,
        ),
        (
            "another boot, wall set back",
            now(0, false, boot("b", 300)),
            0,
            false,
        ),
    ];
    for (name, now, micros, by_boot_clock) in cases {
        assert_eq!(
            elapsed(&started, &now),
            Elapsed {
                micros,
                by_boot_clock
            },
            "{name}"
        );
    }
    let given = Lease {
        wall_only: true,
        ..started
    };
    let at = now(2 * hour, false, boot("a", 300));
    assert_eq!(
        elapsed(&given, &at).micros,
        3_600_000_000,
        "the start was given"
    );
}

fn owner(boot: &str) -> Owner {
    Owner {
        host: "h".into(),
        boot: boot.into(),
        pidns: "n".into(),
        pid: 4711,
        start: 99,
    }
}

#[test]
fn an_owner_is_dead_only_where_that_can_be_proven() {
    let here = Here {
        host: "h".into(),
        boot: Some("b".into()),
        pidns: Some("n".into()),
    };
    let dead = |replaced_by| Liveness::Dead { replaced_by };
    let rebooted = || Liveness::Rebooted { boot: "b".into() };
    let elsewhere = Here {
        host: "x".into(),
        ..here.clone()
    };
    let no_boot = Here {
        boot: None,
        ..here.clone()
    };
    let container = Here {
        pidns: Some("m".into()),
        ..here.clone()
    };
    let cases = [
        ("it runs", "b", &here, Some(Some(99)), Liveness::Alive),
        ("it is gone", "b", &here, Some(None), dead(None)),
        (
            "its pid came again",
            "b",
            &here,
            Some(Some(100)),
            dead(Some(100)),
        ),
        (
            "the system does not tell",
            "b",
            &here,
            None,
            Liveness::Unknown,
        ),
        ("another boot", "a", &here, Some(Some(99)), rebooted()),
        (
            "another host",
            "b",
            &elsewhere,
            Some(None),
            Liveness::Unknown,
        ),
        (
            "another host and boot",
            "a",
            &elsewhere,
            Some(None),
            Liveness::Unknown,
        ),
        (
            "another pid namespace",
            "b",
            &container,
            Some(None),
            Liveness::Unknown,
        ),
        ("no boot id here", "a", &no_boot, None, Liveness::Unknown),
    ];
    for (name, boot, here, start, expected) in cases {
        assert_eq!(liveness(&owner(boot), here, |_| start), expected, "{name}");
    }
}

/// What is known in a test.
struct Told(Liveness, Option<Sign>);

impl Evidence for Told {
    fn owner(&self, _: &Owner) -> Liveness {
        self.0.clone()
    }

    fn sign(&self, _: Seq) -> Option<&Sign> {
        self.1.as_ref()
    }
}

/// One phase in progress since wall time `at` and boot time 1 h.
fn running(at: i64, owned: bool) -> PipelineState {
    let mut state = PipelineState::default();
    let phase = Phase::new("p").unwrap();
    let events = [
        Event::Planned {
            phases: vec![PhasePlan::named(phase.clone())],
        },
        Event::Started {
            item: ItemId::new("x").unwrap(),
            phase,
            worker: None,
            boot: boot("b", 60 * MINUTE),
            owner: owned.then(|| owner("b")),
        },
    ];
    for (event, seq) in events.into_iter().zip(1..) {
        state.apply(&Record {
            seq: Seq::new(seq),
            at: Timestamp::from_micros(at).unwrap(),
            clock_given: false,
            event,
        });
    }
    state
}

/// The causes of the resets that are due.
fn causes(state: &PipelineState, now: &Now, known: &Told) -> Vec<&'static str> {
    let resets = expired(state, now, None, known);
    let cause = |event: &Event| match event {
        Event::Reset { cause, .. } => cause.as_str(),
        _ => "?",
    };
    resets.iter().map(cause).collect()
}

/// The boundary table of the issue: what time does, and what it does not.
#[expect(clippy::too_many_lines, reason = "one table")]
#[test]
fn thirty_minutes_and_not_a_moment_less() {
    const YEAR: i64 = 365 * 86_400_000_000;
    const BEGIN: i64 = 1_795_398_015_123_456;
    let (limit, unknown) = (30 * MINUTE, || Told(Liveness::Unknown, None));
    let later = |wall: i64, micros: u64, asleep_us: u64| {
        let mut now = now(BEGIN + wall, false, boot("b", 60 * MINUTE + micros));
        if let Some(boot) = &mut now.boot {
            boot.asleep_us = asleep_us;
        }
        now
    };
    let wall = |micros: u64| i64::try_from(micros).unwrap();
    let timeout = vec!["timeout"];
    let cases: Vec<(&str, Now, bool, Told, Vec<&str>)> = vec![
        (
            "29:59.999",
            later(wall(limit - 1_000), limit - 1_000, 0),
            false,
            unknown(),
            vec![],
        ),
        (
            "30:00.000",
            later(wall(limit), limit, 0),
            false,
            unknown(),
            vec![],
        ),
        (
            "30:00.001",
            later(wall(limit + 1_000), limit + 1_000, 0),
            false,
            unknown(),
            timeout.clone(),
        ),
        (
            "the wall clock an hour forward",
            later(wall(60 * MINUTE), 1_000, 0),
            false,
            unknown(),
            vec![],
        ),
        (
            "the wall clock a year back",
            later(-YEAR, limit, 0),
            false,
            unknown(),
            vec![],
        ),
        (
            "a year back, and stuck",
            later(-YEAR, limit + 1, 0),
            false,
            unknown(),
            timeout.clone(),
        ),
        (
            "the wall clock at 1970",
            later(-BEGIN, limit + 1, 0),
            false,
            unknown(),
            timeout.clone(),
        ),
        (
            "a laptop slept, the owner lives",
            later(0, 9 * limit, 8 * limit),
            true,
            Told(Liveness::Alive, None),
            vec![],
        ),
        (
            "a laptop slept, the owner hangs",
            later(0, 9 * limit, 8 * limit - 1),
            true,
            Told(Liveness::Alive, None),
            timeout.clone(),
        ),
        (
            "a laptop slept, nobody knows the owner",
            later(0, 9 * limit, 8 * limit),
            false,
            unknown(),
            timeout.clone(),
        ),
        (
            "the owner is gone",
            later(0, 1, 0),
            true,
            Told(Liveness::Dead { replaced_by: None }, None),
            vec!["owner_dead"],
        ),
        (
            "the machine was started again",
            now(BEGIN, false, boot("c", 1)),
            true,
            Told(Liveness::Rebooted { boot: "c".into() }, None),
            vec!["reboot"],
        ),
        (
            "started again, no owner, in time",
            now(BEGIN + wall(limit), false, boot("c", 1)),
            false,
            unknown(),
            vec![],
        ),
        (
            "started again, no owner, stuck",
            now(BEGIN + wall(limit + 1), false, boot("c", 1)),
            false,
            unknown(),
            timeout.clone(),
        ),
        (
            "a given time in time",
            now(BEGIN + wall(limit), true, boot("b", 9 * limit)),
            false,
            unknown(),
            vec![],
        ),
        (
            "a given time beyond it",
            now(BEGIN + wall(limit + 1), true, boot("b", 0)),
            false,
            unknown(),
            timeout,
        ),
    ];
    for (name, now, owned, known, expected) in cases {
        assert_eq!(
            causes(&running(BEGIN, owned), &now, &known),
            expected,
            "{name}"
        );
    }
}

#[test]
fn the_newest_sign_of_life_counts_recorded_or_not() {
    let state = running(0, false);
    let (stuck, limit) = (now(0, false, boot("b", 91 * MINUTE)), 30 * MINUTE);
    let sign = |at, boot| {
        let at = Timestamp::from_micros(at).unwrap();
        Told(
            Liveness::Unknown,
            Some(Sign {
                at,
                wall_only: false,
                boot,
                progress: None,
            }),
        )
    };
    let cases = [
        (
            "older than the start",
            sign(0, boot("b", 59 * MINUTE)),
            true,
        ),
        ("in time", sign(0, boot("b", 91 * MINUTE - limit)), false),
        (
            "too long ago",
            sign(0, boot("b", 91 * MINUTE - limit - 1)),
            true,
        ),
        ("of the future", sign(0, boot("b", 92 * MINUTE)), true),
        ("of another boot", sign(0, boot("a", 90 * MINUTE)), true),
    ];
    for (name, known, is_stuck) in cases {
        assert_eq!(
            !causes(&state, &stuck, &known).is_empty(),
            is_stuck,
            "{name}"
        );
    }
}

#[test]
fn the_words_name_what_the_machine_slept() {
    let state = running(0, true);
    let (item, plan) = (state.item_at(0), &state.plan);
    let mut now = now(0, false, boot("b", 60 * MINUTE + 250 * MINUTE));
    if let Some(boot) = &mut now.boot {
        boot.asleep_us = 240 * MINUTE;
    }
    let rule = |found| why(plan, &item, 0, &now, &Told(found, None)).rule;
    let lives = "its last sign of life was 10m ago; the limit is 30m; its owner lives (pid 4711), \
        the machine slept 4h meanwhile, which does not count";
    assert_eq!(rule(Liveness::Alive), lives);
    // Of whom nothing is known the sleep counts, and nothing is said of it but in the evidence.
    let unknown = rule(Liveness::Unknown);
    assert!(
        unknown.contains("was 4h10m ago") && !unknown.contains("slept"),
        "{unknown}"
    );
    let known = Told(Liveness::Unknown, None);
    let standing = Standing::of(&item.phases[0], 30 * MINUTE, &now, &known).unwrap();
    assert_eq!(standing.evidence_value(&now)["asleep_us"], 240 * MINUTE);
    assert_eq!(standing.asleep_not_counted_us(), 0);
}
