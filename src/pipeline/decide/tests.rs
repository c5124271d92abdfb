//! The transition table of the design, cell by cell, and what a token is worth.

use super::*;
use crate::pipeline::event::{Record, ResetCause};
use crate::pipeline::json::Json;
use crate::pipeline::plan::{PhasePlan, Plan};
use crate::pipeline::state::PipelineState;
use crate::pipeline::time::Timestamp;

mod end;
mod learn;

fn item() -> ItemId {
    ItemId::new("100 N Example St").unwrap()
}

fn phase(name: &str) -> Phase {
    Phase::new(name).unwrap()
}

/// A pipeline that is driven like a store drives it: decide, give it the next seq, apply.
struct Driven {
    state: PipelineState,
    now: Now,
}

impl Driven {
    fn new(plan: &str) -> Self {
        let phases: Vec<PhasePlan> = serde_json::from_str(plan).unwrap();
        Plan::new(phases.clone()).unwrap();
        let now = Now {
            at: Timestamp::EPOCH,
            given: false,
            boot: None,
        };
        let mut driven = Self {
            state: PipelineState::default(),
            now,
        };
        driven.record(Event::Planned { phases });
        driven.record(Event::Added {
            item: item(),
            id: None,
            imported: None,
        });
        driven
    }

    fn record(&mut self, event: Event) -> Seq {
        let (seq, at) = (self.state.last_seq.next(), self.now.at);
        self.state.apply(&Record {
            seq,
            at,
            clock_given: false,
            event,
        });
        seq
    }

    fn submit(&mut self, command: &Command) -> Result<Decision, Rejection> {
        let decision = decide(&self.state, command, &self.now)?;
        if let Decision::Record(events) = &decision {
            for event in events {
                self.record(event.clone());
            }
        }
        Ok(decision)
    }

    fn start(&mut self, name: &str) -> Seq {
        self.submit(&start(name)).unwrap();
        self.state.last_seq
    }

    fn reset(&mut self, name: &str, token: Seq) -> Seq {
        self.record(Event::Reset {
            item: item(),
            phase: phase(name),
            token: Some(token),
            cause: ResetCause::Timeout,
            elapsed_us: 2_832_000_000,
            limit_us: 1_800_000_000,
            evidence: Json::from_value(&serde_json::json!({})),
        })
    }

    fn phase(&self, name: &str) -> PhaseState {
        let index = self.state.plan.index_of(name).unwrap();
        self.state.item_at(0).phases[index].clone()
    }
}

fn start(name: &str) -> Command {
    Command::Start {
        item: item(),
        phase: phase(name),
        worker: Some("w3".into()),
        owner: None,
    }
}

fn report(name: &str, token: Option<Seq>, kind: ReportKind) -> Command {
    Command::Report(Report {
        item: item(),
        phase: phase(name),
        token,
        kind,
        op: None,
        data: None,
        extraction: None,
    })
}

fn fail(error: &str) -> ReportKind {
    ReportKind::Fail {
        error: error.into(),
        permanent: false,
    }
}

fn retry(name: &str, force: bool) -> Command {
    Command::Retry {
        item: item(),
        phase: Some(phase(name)),
        force,
    }
}

const ONE: &str = r#"[{"phase":"p"}]"#;

/// A pipeline whose one phase has a status.
fn at_status(status: Status) -> Driven {
    let mut driven = Driven::new(ONE);
    match status {
        Status::Pending => {}
        Status::InProgress => drop(driven.start("p")),
        Status::Completed => drop(driven.submit(&report("p", None, ReportKind::Complete))),
        Status::Failed => drop(driven.submit(&report("p", None, fail("e")))),
        Status::Skipped => {
            drop(driven.submit(&report("p", None, ReportKind::Skip { reason: None })));
        }
    }
    assert_eq!(driven.phase("p").status, status);
    driven
}

/// What a command comes to, in the words of the table.
fn outcome(mut driven: Driven, command: &Command) -> &'static str {
    match driven.submit(command) {
        Ok(Decision::Unchanged(_)) => "unchanged",
        Ok(Decision::Record(_)) => driven.phase("p").status.as_str(),
        Err(Rejection::InProgress { .. }) => "conflict",
        Err(Rejection::Transition { .. }) => "illegal",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_transition_table_cell_by_cell() {
    let skip = || report("p", None, ReportKind::Skip { reason: None });
    let verbs: [(&str, Command); 8] = [
        ("start", start("p")),
        ("complete", report("p", None, ReportKind::Complete)),
        ("fail, same error", report("p", None, fail("e"))),
        ("fail, other error", report("p", None, fail("other"))),
        ("skip", skip()),
        ("release", report("p", None, ReportKind::Release)),
        ("retry", retry("p", false)),
        ("retry --force", retry("p", true)),
    ];
    let table = [
        (
            Status::Pending,
            [
                "in_progress",
                "completed",
                "failed",
                "failed",
                "skipped",
                "illegal",
                "unchanged",
                "unchanged",
            ],
        ),
        (
            Status::InProgress,
            [
                "conflict",
                "completed",
                "failed",
                "failed",
                "skipped",
                "pending",
                "illegal",
                "illegal",
            ],
        ),
        (
            Status::Failed,
            [
                "in_progress",
                "completed",
                "unchanged",
                "failed",
                "skipped",
                "illegal",
                "pending",
                "pending",
            ],
        ),
        (
            Status::Completed,
            [
                "illegal",
                "unchanged",
                "illegal",
                "illegal",
                "illegal",
                "illegal",
                "illegal",
                "pending",
            ],
        ),
        (
            Status::Skipped,
            [
                "illegal",
                "illegal",
                "illegal",
                "illegal",
                "unchanged",
                "illegal",
                "illegal",
                "pending",
            ],
        ),
    ];
    for (status, row) in table {
        for ((verb, command), wanted) in verbs.iter().zip(row) {
            assert_eq!(
                outcome(at_status(status), command),
                wanted,
                "{} {verb}",
                status.as_str()
            );
        }
    }
}

#[test]
fn needs_and_holds_stop_a_start_but_no_report() {
    let mut driven = Driven::new(r#"[{"phase":"a"},{"phase":"b","needs":["a"]}]"#);
    let refused = driven.submit(&start("b")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot start b of 100 N Example St: it needs a"
    );
    driven
        .submit(&Command::Hold {
            item: item(),
            reason: Some("sold".into()),
        })
        .unwrap();
    let refused = driven.submit(&start("a")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot start a of 100 N Example St: it is held since 3 (sold)"
    );
    driven
        .submit(&report("b", None, ReportKind::Complete))
        .unwrap();
    assert_eq!(driven.phase("b").status, Status::Completed);
}

#[test]
fn a_superseded_token_is_refused_and_kept_for_the_audit() {
    let mut driven = Driven::new(ONE);
    let first = driven.start("p");
    let reset = driven.reset("p", first);
    let second = driven.start("p");
    let refused = driven
        .submit(&report("p", Some(first), ReportKind::Complete))
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "token {first} no longer holds p of 100 N Example St: reset at {reset} (47m12s > 30m), started again as {second} by w3"
        )
    );
    let kept = refused.to_be_recorded(&driven.state).unwrap();
    assert_eq!(kept.kind(), "rejected");
    driven.record(kept);
    assert_eq!(
        (driven.state.rejected, driven.phase("p").status),
        (1, Status::InProgress)
    );
    driven
        .submit(&report("p", Some(second), ReportKind::Complete))
        .unwrap();
    // Even now that the phase is completed, the token is checked before the transition.
    let refused = driven
        .submit(&report("p", Some(first), ReportKind::Complete))
        .unwrap_err();
    assert!(matches!(refused, Rejection::StaleToken { .. }), "{refused}");
}

/// The records that refusals of such reports leave.
fn recorded(driven: &mut Driven, token: Seq, kinds: &[ReportKind]) -> usize {
    let mut records = 0;
    for kind in kinds {
        let refused = driven.submit(&report("p", Some(token), kind.clone()));
        if let Some(kept) = refused.unwrap_err().to_be_recorded(&driven.state) {
            driven.record(kept);
            records += 1;
        }
    }
    records
}

#[test]
fn the_same_refused_report_is_one_record() {
    let mut driven = Driven::new(ONE);
    let first = driven.start("p");
    driven.reset("p", first);
    let second = driven.start("p");
    let kinds = [ReportKind::Complete, fail("x"), ReportKind::Release];
    assert_eq!(recorded(&mut driven, first, &kinds), 3);
    assert_eq!(recorded(&mut driven, first, &kinds), 0);
    // Another token is another report.
    driven
        .submit(&report("p", Some(second), fail("e")))
        .unwrap();
    driven.submit(&retry("p", false)).unwrap();
    assert_eq!(recorded(&mut driven, second, &kinds), 3);
    assert_eq!(driven.state.rejected, 6);
}

#[test]
fn a_refusal_from_before_a_token_was_given_says_nothing_of_it() {
    let mut driven = Driven::new(ONE);
    let first = driven.start("p");
    let future = first.plus(3);
    let complete = [ReportKind::Complete];
    assert_eq!(recorded(&mut driven, future, &complete), 1);
    assert_eq!(recorded(&mut driven, future, &complete), 0);
    driven.reset("p", first);
    assert_eq!(driven.start("p"), future);
    driven.reset("p", future);
    driven.start("p");
    assert_eq!(recorded(&mut driven, future, &complete), 1);
}

#[test]
fn refusals_are_remembered_up_to_a_number() {
    use crate::pipeline::item::REFUSALS_KEPT;

    let mut driven = Driven::new(ONE);
    let mut tokens = Vec::new();
    for _ in 0..=REFUSALS_KEPT {
        let token = driven.start("p");
        driven.reset("p", token);
        tokens.push(token);
    }
    driven.start("p");
    let complete = [ReportKind::Complete];
    for &token in &tokens {
        assert_eq!(recorded(&mut driven, token, &complete), 1);
    }
    assert_eq!(driven.phase("p").refused.len(), REFUSALS_KEPT);
    assert_eq!(recorded(&mut driven, tokens[REFUSALS_KEPT], &complete), 0);
    assert_eq!(recorded(&mut driven, tokens[0], &complete), 1, "forgotten");
}

#[test]
fn a_late_report_without_a_rival_counts() {
    for with_token in [true, false] {
        let mut driven = Driven::new(ONE);
        let token = driven.start("p");
        driven.reset("p", token);
        let given = with_token.then_some(token);
        let decision = driven
            .submit(&report("p", given, ReportKind::Complete))
            .unwrap();
        let Decision::Record(events) = decision else {
            panic!("{decision:?}")
        };
        assert!(
            matches!(events[..], [Event::Completed { late: true, .. }]),
            "{events:?}"
        );
    }
}

#[test]
fn a_retry_takes_the_token_away() {
    let mut driven = Driven::new(ONE);
    let token = driven.start("p");
    driven.submit(&report("p", Some(token), fail("e"))).unwrap();
    driven.submit(&retry("p", false)).unwrap();
    let refused = driven
        .submit(&report("p", Some(token), ReportKind::Complete))
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("does not hold p of 100 N Example St: retried at 5"),
        "{refused}"
    );
    let without = driven
        .submit(&report("p", None, ReportKind::Complete))
        .unwrap();
    let Decision::Record(events) = without else {
        panic!("{without:?}")
    };
    assert!(
        matches!(events[..], [Event::Completed { late: false, .. }]),
        "{events:?}"
    );
}

#[test]
fn a_refusal_tells_only_what_is_known_of_that_token() {
    // Found by a reader of messages: the reset of a later token was told of an older one.
    let mut driven = Driven::new(ONE);
    let first = driven.start("p");
    driven.submit(&report("p", Some(first), fail("e"))).unwrap();
    let second = driven.start("p");
    driven.reset("p", second);
    let refused = driven
        .submit(&report("p", Some(first), ReportKind::Complete))
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("token {first} does not hold p of 100 N Example St: the last start is {second}")
    );
    assert!(matches!(
        refused,
        Rejection::StaleToken { taken: false, .. }
    ));
}

#[test]
fn a_token_of_the_future_never_held() {
    let mut driven = Driven::new(ONE);
    driven.start("p");
    let future = Some(Seq::new(99));
    let refused = driven
        .submit(&report("p", future, ReportKind::Complete))
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "token 99 never held p of 100 N Example St"
    );
}

#[test]
fn attempts_run_out_and_a_retry_forgives() {
    let mut driven = Driven::new(r#"[{"phase":"p","max_attempts":2,"backoff_seconds":60}]"#);
    let reason = |driven: &Driven| {
        let item = driven.state.item_at(0);
        ready::reason(&driven.state.plan, &item, 0, &driven.now)
    };
    driven.start("p");
    driven.submit(&report("p", None, fail("e"))).unwrap();
    let ready::Reason::BackingOff(due) = reason(&driven) else {
        panic!("{:?}", reason(&driven))
    };
    // A minute, and by chance up to a quarter more.
    let waits = due.micros_since(driven.now.at);
    assert!((60_000_000..75_000_000).contains(&waits), "{waits}");
    driven.now.at = due;
    assert_eq!(reason(&driven), ready::Reason::Ready);
    driven.start("p");
    driven.submit(&report("p", None, fail("e"))).unwrap();
    assert_eq!(reason(&driven), ready::Reason::Exhausted);
    driven.submit(&retry("p", false)).unwrap();
    assert_eq!(reason(&driven), ready::Reason::Ready);
    assert_eq!(
        (driven.phase("p").attempts, driven.phase("p").retry_count),
        (2, 2)
    );
}

#[test]
fn retry_without_a_phase_takes_every_failed_one() {
    let mut driven = Driven::new(r#"[{"phase":"a"},{"phase":"b"},{"phase":"c"}]"#);
    driven.submit(&report("a", None, fail("e"))).unwrap();
    driven.submit(&report("c", None, fail("e"))).unwrap();
    let all = Command::Retry {
        item: item(),
        phase: None,
        force: false,
    };
    let Decision::Record(events) = driven.submit(&all).unwrap() else {
        panic!()
    };
    assert_eq!(events.len(), 2);
    assert!(matches!(
        driven.submit(&all),
        Ok(Decision::Unchanged(Unchanged::NothingFailed { .. }))
    ));
}

#[test]
fn items_are_found_by_id_and_index_and_near_misses_are_told() {
    let driven = Driven::new(ONE);
    let id = format!("id:{}", item().derived_id());
    for text in ["100 N Example St", "index:0", &id] {
        assert_eq!(
            crate::pipeline::lookup::resolve(&driven.state, text),
            Ok(0),
            "{text}"
        );
    }
    let refused = crate::pipeline::lookup::resolve(&driven.state, "100 n exmple st").unwrap_err();
    let Rejection::UnknownItem { nearest, .. } = refused else {
        panic!()
    };
    assert_eq!(nearest, ["100 N Example St"]);
}
