//! What can happen on the machine, and how often it does.

use super::*;

/// Who works for a claim, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    Nobody,
    /// The worker's own process.
    Here,
    /// A process of another host, of which nothing can be known.
    Elsewhere,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Claim {
        worker: usize,
        owned: Owned,
        /// Only this one of the plan, if there are so many.
        phase: usize,
        limit: usize,
    },
    /// A worker reports on what it thinks it holds, with its token or without, and may go on thinking so.
    Report {
        worker: usize,
        kind: u8,
        op: Option<u8>,
        with_token: bool,
        forgets: bool,
    },
    /// Somebody who started nothing reports.
    Foreign {
        item: usize,
        phase: usize,
        kind: u8,
        op: Option<u8>,
    },
    Beat {
        worker: usize,
        recorded: bool,
    },
    Hold {
        item: usize,
        on: bool,
    },
    Retry {
        item: usize,
        phase: Option<usize>,
        force: bool,
    },
    RetryFailed {
        phase: Option<usize>,
        cascade: bool,
    },
    Resume,
    /// That step, by a caller who says what time it is.
    Given(i64, Box<Step>),
    Replan {
        kind: u8,
        phase: usize,
        name: usize,
        minutes: u32,
    },
    Kill {
        worker: usize,
    },
    Pass {
        micros: u64,
        asleep: bool,
    },
    SetWall(i64),
    Reboot,
    /// Everybody goes on from a snapshot.
    Reopen,
}

/// Somebody asks or says something, for which it matters what time it is.
fn any_act() -> BoxedStrategy<Step> {
    let worker = 0..WORKERS;
    let op = || prop::option::weighted(0.3, 0_u8..4);
    let owned = prop::sample::select(vec![
        Owned::Nobody,
        Owned::Here,
        Owned::Here,
        Owned::Elsewhere,
    ]);
    let claim = (worker.clone(), owned, 0_usize..8, 1_usize..3);
    let report = (
        worker.clone(),
        0_u8..8,
        op(),
        prop::bool::weighted(0.8),
        any::<bool>(),
    );
    let some_phase = || prop::option::of(0_usize..3);
    prop_oneof![
        8 => claim.prop_map(|(worker, owned, phase, limit)| Step::Claim { worker, owned, phase, limit }),
        8 => report.prop_map(|(worker, kind, op, with_token, forgets)| Step::Report { worker, kind, op, with_token, forgets }),
        2 => (0..ITEMS, 0_usize..3, 0_u8..8, op()).prop_map(|(item, phase, kind, op)| Step::Foreign { item, phase, kind, op }),
        3 => (worker, any::<bool>()).prop_map(|(worker, recorded)| Step::Beat { worker, recorded }),
        1 => (0..ITEMS, any::<bool>()).prop_map(|(item, on)| Step::Hold { item, on }),
        1 => (0..ITEMS, some_phase(), any::<bool>()).prop_map(|(item, phase, force)| Step::Retry { item, phase, force }),
        1 => (some_phase(), any::<bool>()).prop_map(|(phase, cascade)| Step::RetryFailed { phase, cascade }),
        2 => Just(Step::Resume),
    ]
    .boxed()
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let wall = || 0_i64..4_000_000_000_000_000;
    prop_oneof![
        18 => any_act(),
        2 => (wall(), any_act()).prop_map(|(at, act)| Step::Given(at, Box::new(act))),
        2 => (0_u8..6, 0_usize..3, 0_usize..4, 1_u32..=LONGEST_MINUTES)
            .prop_map(|(kind, phase, name, minutes)| Step::Replan { kind, phase, name, minutes }),
        1 => (0..WORKERS).prop_map(|worker| Step::Kill { worker }),
        4 => (0_u64..40 * MINUTE, any::<bool>()).prop_map(|(micros, asleep)| Step::Pass { micros, asleep }),
        1 => wall().prop_map(Step::SetWall),
        1 => Just(Step::Reboot),
        1 => Just(Step::Reopen),
    ]
}

/// A report of one kind or another.
pub(super) fn report_of(
    item: ItemId,
    phase: Phase,
    token: Option<Seq>,
    kind: u8,
    op: Option<u8>,
) -> Command {
    let kind = match kind {
        0..=2 => ReportKind::Complete,
        3 | 4 => ReportKind::Fail {
            error: "no".into(),
            permanent: kind == 4,
        },
        5 => ReportKind::Skip { reason: None },
        _ => ReportKind::Release,
    };
    // A release is not applied under an id.
    let op = op.filter(|_| kind != ReportKind::Release);
    Command::Report(Report {
        op: op.map(|op| format!("op{op}")),
        ..Report::new(item, phase, token, kind)
    })
}
