//! What a test keeps of a pipeline by itself: who may report on what, and since when nothing was heard. It shares no
//! code with `apply`, and its clocks are never set.

use std::collections::HashMap;

use super::*;
use crate::pipeline::event::ResetCause;

/// A moment, by clocks that nobody sets.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// Microseconds since the world began.
    pub(super) lived: u64,
    /// Those of them that the machine was awake.
    pub(super) awake: u64,
    /// How often the machine was started again.
    pub(super) boots: u32,
    /// What the wall clock said, in microseconds; or what the caller said.
    pub(super) wall: i64,
    /// The caller said it.
    pub(super) given: bool,
}

/// How a piece of work stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stands {
    Skipped,
    Completed,
    #[default]
    Pending,
    Failed,
    Running,
}

/// One phase of one item.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) stands: Stands,
    /// The only token that may report.
    pub(super) token: Option<Seq>,
    /// It was reset or released, and nothing happened since.
    given_back: bool,
    since: Seq,
    completed_at: Option<Timestamp>,
    /// The last record that is a sign of life.
    pub(super) heard: Option<Moment>,
    pub(super) owner: Option<Owner>,
}

/// Everything that the test keeps.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    phases: HashMap<(ItemId, Phase), Kept>,
    /// Every token that was ever given, with its item.
    pub(super) tokens: Vec<(ItemId, Seq)>,
    /// Signs of life that are no records, by token.
    pub(super) beats: HashMap<Seq, Moment>,
    operations: HashMap<String, Seq>,
}

impl Ledger {
    pub(super) fn of(&self, item: &ItemId, phase: &Phase) -> Kept {
        let key = (item.clone(), phase.clone());
        self.phases.get(&key).cloned().unwrap_or_default()
    }

    /// All that is in progress.
    pub(super) fn running(&self) -> impl Iterator<Item = (&(ItemId, Phase), &Kept)> {
        let running = |(_, kept): &(_, &Kept)| kept.stands == Stands::Running;
        self.phases.iter().filter(running)
    }

    /// Holds an answer against what is kept, before it takes effect.
    pub(super) fn check_answer(&self, report: &Report, answer: &Result<Decision, Rejection>) {
        if matches!(answer, Err(Rejection::UnknownPhase { .. })) {
            return;
        }
        let known = report
            .op
            .as_ref()
            .is_some_and(|op| self.operations.contains_key(op));
        if known {
            let right = matches!(
                answer,
                Ok(Decision::Unchanged(_)) | Err(Rejection::OtherOperation { .. })
            );
            assert!(
                right,
                "one operation was applied twice: {report:?}, {answer:?}"
            );
            return;
        }
        let kept = self.of(&report.item, &report.phase);
        let superseded = report.token.is_some() && report.token != kept.token;
        assert_eq!(
            matches!(answer, Err(Rejection::StaleToken { .. })),
            superseded,
            "{report:?}, but {kept:?}"
        );
    }

    /// Takes a record, and holds it against what is kept.
    pub(super) fn take(&mut self, record: &Record, moment: &Moment) {
        if let Event::Planned { phases } = &record.event {
            return self.replan(phases);
        }
        let (Some(item), Some(phase)) = (record.event.item(), record.event.phase()) else {
            return;
        };
        let mut kept = self.of(item, phase);
        let was = kept.clone();
        let running = was.stands == Stands::Running;
        let settled = matches!(was.stands, Stands::Completed | Stands::Skipped);
        let mut ends = |stands: Stands| {
            kept.stands = stands;
            (kept.given_back, kept.since) = (false, record.seq);
            (kept.heard, kept.owner) = (None, None);
        };
        match &record.event {
            Event::Started { owner, .. } => {
                assert!(!running, "given to two: {record:?}");
                assert!(!settled, "done twice: {record:?}");
                ends(Stands::Running);
                (kept.token, kept.completed_at) = (Some(record.seq), None);
                (kept.heard, kept.owner) = (Some(moment.clone()), owner.clone());
                self.tokens.push((item.clone(), record.seq));
            }
            Event::Completed { token, late, .. }
            | Event::Failed { token, late, .. }
            | Event::Skipped { token, late, .. } => {
                assert_eq!(
                    *token, was.token,
                    "accepted under a superseded token: {record:?}"
                );
                assert!(!settled, "reported twice: {record:?}");
                assert_eq!(*late, was.given_back && was.token.is_some(), "{record:?}");
                match &record.event {
                    Event::Completed { .. } => {
                        ends(Stands::Completed);
                        kept.completed_at = Some(record.at);
                    }
                    Event::Failed { .. } => ends(Stands::Failed),
                    _ => ends(Stands::Skipped),
                }
            }
            Event::Released { token, .. } | Event::Reset { token, .. } => {
                assert!(running && *token == was.token, "{record:?}");
                ends(Stands::Pending);
                kept.given_back = true;
            }
            Event::Retried { .. } => {
                assert!(!running, "taken from somebody: {record:?}");
                ends(Stands::Pending);
                (kept.token, kept.completed_at) = (None, None);
            }
            Event::Renewed { token, .. } => {
                assert!(running && *token == was.token, "{record:?}");
                kept.heard = Some(moment.clone());
            }
            Event::Rejected { token, .. } => assert_ne!(*token, was.token, "{record:?}"),
            _ => {}
        }
        if let Some(op) = record.event.op() {
            let before = self.operations.insert(op.to_owned(), record.seq);
            assert_eq!(before, None, "one operation was applied twice: {record:?}");
        }
        self.phases.insert((item.clone(), phase.clone()), kept);
    }

    /// Phases go on under their new names; of several in one, as the module `replan` says.
    fn replan(&mut self, phases: &[PhasePlan]) {
        let old = std::mem::take(&mut self.phases);
        let mut left = old.clone();
        let items: HashSet<&ItemId> = old.keys().map(|(item, _)| item).collect();
        for item in items {
            for new in phases {
                let own = vec![new.phase.clone()];
                let from = if new.from.is_empty() { &own } else { &new.from };
                let goes_on = |from: &Phase| left.remove(&(item.clone(), from.clone()));
                let sources: Vec<Kept> = from.iter().filter_map(goes_on).collect();
                let stays = *from == own;
                let running = sources.iter().any(|kept| kept.stands == Stands::Running);
                assert!(stays || !running, "the plan took somebody's work away");
                // A source without an entry is pending, and nothing ever happened to it.
                let missing = vec![Kept::default(); from.len() - sources.len()];
                let all = missing.into_iter().chain(sources);
                let newest = all.max_by_key(|kept| (kept.stands, kept.completed_at, kept.since));
                let kept = newest.unwrap_or_default();
                self.phases.insert((item.clone(), new.phase.clone()), kept);
            }
        }
        let lost = left.values().any(|kept| kept.stands == Stands::Running);
        assert!(!lost, "the plan took somebody's work away");
    }

    /// The rule by which that work is to be handed back at a moment, if any: `processes` tells which run now.
    pub(super) fn due(
        &self,
        kept: &Kept,
        limit_us: u64,
        now: &Moment,
        processes: &HashMap<u32, u64>,
    ) -> Option<ResetCause> {
        let here = |owner: &&Owner| owner.host == HOST;
        let mut lives = false;
        if let Some(owner) = kept.owner.as_ref().filter(here) {
            if owner.boot != boot_name(now.boots) {
                return Some(ResetCause::Reboot);
            }
            if processes.get(&owner.pid) != Some(&owner.start) {
                return Some(ResetCause::OwnerDead);
            }
            lives = true;
        }
        let silent = |since: &Moment| {
            let one_boot = since.boots == now.boots && !since.given && !now.given;
            match (one_boot, lives) {
                (true, true) => now.awake - since.awake,
                (true, false) => now.lived - since.lived,
                (false, _) => u64::try_from(now.wall - since.wall).unwrap_or(0),
            }
        };
        let beat = kept.token.and_then(|token| self.beats.get(&token));
        let beat = beat.filter(|beat| {
            let of_the_future = (beat.given || now.given) && beat.wall > now.wall;
            beat.boots == now.boots && !of_the_future
        });
        let signs = kept.heard.iter().chain(beat);
        let silence = signs.map(silent).min().expect("it was started");
        (silence > limit_us).then_some(ResetCause::Timeout)
    }
}
