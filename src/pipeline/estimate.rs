//! How long what is left will take, from how long the phases took before.
//!
//! ```text
//!   work    = sum over the phases left of their typical time, less what those in progress have run
//!   until   = work / how many run at a time, but no less than the longest chain of needs in any one item
//! ```
//!
//! Once with the median of each phase, once with the 90th percentile: what it comes to if everything is slow.

use super::plan::Plan;
use super::ready::Reason;
use super::typical::{Durations, Typical};

/// What is left of one phase of the plan, and how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseWork {
    /// Phases that will be done without a person's help, those in progress included.
    pub remaining: usize,
    /// How long one takes; `None` if none was completed yet.
    pub typical: Option<Typical>,
}

/// How long what is left will take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// By index of the plan.
    pub phases: Vec<PhaseWork>,
    /// How many phases are taken to be in progress at a time.
    pub parallel: usize,
    /// What it comes to; `None` if a phase that is left was never completed from a start.
    pub times: Option<Times>,
}

/// What an estimate comes to, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The work by medians, one after the other.
    pub work_us: u64,
    /// Until all is done, by medians.
    pub median_us: u64,
    /// Until all is done, if each is as slow as its slowest tenth.
    pub p90_us: u64,
}

/// Gathers what an estimate rests on, phase by phase of each item.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    durations: Vec<Durations>,
    /// By phase: what is left and not in progress.
    open: Vec<usize>,
    /// What is in progress: the phase, and how long it has run.
    running: Vec<(usize, u64)>,
    /// Which phases are left, for each kind of item.
    chains: Vec<Vec<bool>>,
}

impl Gathered {
    pub(super) fn new(phases: usize) -> Self {
        let mut gathered = Self::default();
        gathered.durations.resize_with(phases, Durations::default);
        gathered.open.resize(phases, 0);
        gathered
    }

    /// Takes in a completed phase, or any other.
    pub(super) fn history(&mut self, phase: usize, state: &super::item::PhaseState) {
        self.durations[phase].note(state);
    }

    /// Takes in what is left of an item: how each phase stands, and how long it has run if it is in progress.
    pub(super) fn left(&mut self, reasons: &[(Reason, u64)]) {
        let is_left = |reason: &Reason| {
            matches!(
                reason,
                Reason::Ready
                    | Reason::Waiting(_)
                    | Reason::BackingOff(_)
                    | Reason::InProgress
                    | Reason::Stuck
            )
        };
        let left: Vec<bool> = reasons.iter().map(|(reason, _)| is_left(reason)).collect();
        for (phase, (reason, ran_us)) in reasons.iter().enumerate() {
            match reason {
                Reason::InProgress => self.running.push((phase, *ran_us)),
                _ if left[phase] => self.open[phase] += 1,
                _ => {}
            }
        }
        // Items that have the same left have the same chain.
        if left.contains(&true) && !self.chains.contains(&left) {
            self.chains.push(left);
        }
    }

    /// How many phases are left.
    pub(super) fn remaining(&self) -> usize {
        self.open.iter().sum::<usize>() + self.running.len()
    }

    /// The estimate for so many at a time.
    pub(super) fn estimate(self, plan: &Plan, parallel: usize) -> Estimate {
        let parallel = parallel.max(1);
        let mut phases: Vec<PhaseWork> = self
            .durations
            .into_iter()
            .zip(&self.open)
            .map(|(durations, &open)| PhaseWork {
                remaining: open,
                typical: durations.typical(),
            })
            .collect();
        for (phase, _) in &self.running {
            phases[*phase].remaining += 1;
        }
        let until = |take: fn(&Typical) -> u64| {
            let typical: Vec<u64> = phases
                .iter()
                .map(|work| work.typical.as_ref().map_or(0, take))
                .collect();
            let open = self.open.iter().zip(&typical);
            let open = open.map(|(&open, &one)| one.saturating_mul(open as u64));
            let running = self.running.iter();
            let running = running.map(|&(phase, ran)| typical[phase].saturating_sub(ran));
            let work = open.chain(running).fold(0, u64::saturating_add);
            let chains = self.chains.iter();
            let chains = chains.map(|left| longest_chain(plan, left, &typical));
            // One that is in progress is part of its chain with all of its time: too long rather than too short.
            let chain = chains.max().unwrap_or(0).min(work);
            (work, (work / parallel as u64).max(chain))
        };
        let known = phases
            .iter()
            .all(|work| work.remaining == 0 || work.typical.is_some());
        let times = known.then(|| {
            let (work_us, median_us) = until(|typical| typical.median_us);
            let (_, p90_us) = until(|typical| typical.p90_us);
            Times {
                work_us,
                median_us,
                p90_us,
            }
        });
        Estimate {
            phases,
            parallel,
            times,
        }
    }
}

/// The longest time that phases which are left keep each other waiting.
fn longest_chain(plan: &Plan, left: &[bool], typical: &[u64]) -> u64 {
    let phases = plan.phases();
    let mut ends: Vec<u64> = vec![0; left.len()];
    // Needs may stand behind the phase that has them; a plan has no circles, so as many rounds as phases are enough.
    for _ in 0..left.len() {
        let before = ends.clone();
        for (index, phase) in phases.iter().enumerate().take(left.len()) {
            let needs = phase.needs.iter();
            let needs = needs.filter_map(|need| ends.get(plan.index_of(need.as_str())?));
            let begin = needs.copied().max().unwrap_or(0);
            let own = if left[index] { typical[index] } else { 0 };
            ends[index] = begin.saturating_add(own);
        }
        if before == ends {
            break;
        }
    }
    ends.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::item::PhaseState;
    use crate::pipeline::{Status, Timestamp};

    const MINUTE: u64 = 60_000_000;

    fn plan() -> Plan {
        let text = r#"[{"phase":"list"},{"phase":"photos","needs":["list"]},{"phase":"map"}]"#;
        Plan::new(serde_json::from_str(text).unwrap()).unwrap()
    }

    fn gathered(took_minutes: &[(usize, i64)]) -> Gathered {
        let mut gathered = Gathered::new(3);
        for &(phase, minutes) in took_minutes {
            let done = PhaseState {
                status: Status::Completed,
                started_at: Some(Timestamp::EPOCH),
                completed_at: Timestamp::from_micros(minutes * 60_000_000),
                ..PhaseState::default()
            };
            gathered.history(phase, &done);
        }
        gathered
    }

    fn minutes(gathered: Gathered, parallel: usize) -> Option<(u64, u64, u64)> {
        let times = gathered.estimate(&plan(), parallel).times?;
        let of = |micros: u64| micros / MINUTE;
        Some((of(times.work_us), of(times.median_us), of(times.p90_us)))
    }

    const HISTORY: [(usize, i64); 4] = [(0, 2), (0, 6), (1, 10), (2, 1)];

    #[test]
    fn work_is_shared_by_those_who_run() {
        let left = || {
            let mut gathered = gathered(&HISTORY);
            for _ in 0..6 {
                let waiting = Reason::Waiting(Vec::new());
                gathered.left(&[(Reason::Ready, 0), (waiting, 0), (Reason::Completed, 0)]);
            }
            gathered
        };
        assert_eq!(left().remaining(), 12);
        assert_eq!(minutes(left(), 1), Some((72, 72, 96)));
        assert_eq!(minutes(left(), 3), Some((72, 24, 32)));
        // However many work, one item's photos wait for its list.
        assert_eq!(minutes(left(), 100), Some((72, 12, 16)));
    }

    #[test]
    fn what_runs_has_run_already() {
        let mut gathered = gathered(&HISTORY);
        let (runs, done) = (Reason::InProgress, (Reason::Completed, 0));
        gathered.left(&[done.clone(), (runs.clone(), 4 * MINUTE), done.clone()]);
        gathered.left(&[done.clone(), (runs, 99 * MINUTE), done]);
        assert_eq!(minutes(gathered, 2), Some((6, 6, 6)));
    }

    #[test]
    fn a_phase_that_was_never_done_cannot_be_told() {
        let mut gathered = gathered(&[(0, 2)]);
        gathered.left(&[(Reason::Ready, 0), (Reason::Failed, 0), (Reason::Held, 0)]);
        let told = gathered.estimate(&plan(), 1);
        assert_eq!(told.times.map(|times| times.median_us), Some(2 * MINUTE));
        let mut gathered = self::gathered(&[(0, 2)]);
        gathered.left(&[
            (Reason::Completed, 0),
            (Reason::Ready, 0),
            (Reason::Held, 0),
        ]);
        let told = gathered.estimate(&plan(), 1);
        assert_eq!((told.times, told.phases[1].remaining), (None, 1));
    }
}
