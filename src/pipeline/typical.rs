//! How long a phase takes: the median and the 90th percentile of the attempts that were completed.
//!
//! From what the state keeps, the start and the end of each completed phase: one pass, and none over the log.

use super::facts::Facts;
use super::item::PhaseState;
use super::status::Status;
use super::time::Timestamp;

/// How long the completed attempts of a phase took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typical {
    /// How many there are.
    pub completed: usize,
    /// Half of them took at most so many microseconds.
    pub median_us: u64,
    /// Nine of ten took at most so many microseconds.
    pub p90_us: u64,
}

/// Gathers durations of one phase.
#[derive(Debug, Default)]
pub(super) struct Durations(Vec<u64>);

impl Durations {
    /// Takes note of a phase, if it was completed by an attempt whose start is known.
    pub(super) fn note(&mut self, phase: &PhaseState) {
        self.0.extend(duration(phase));
    }

    /// What they come to, by nearest rank; `None` if there are none.
    pub(super) fn typical(mut self) -> Option<Typical> {
        let completed = self.0.len();
        let mut rank = |tenths: usize| {
            let index = (completed * tenths).div_ceil(10).checked_sub(1)?;
            Some(*self.0.select_nth_unstable(index).1)
        };
        Some(Typical {
            completed,
            median_us: rank(5)?,
            p90_us: rank(9)?,
        })
    }
}

/// Microseconds from the start to the end of a completed attempt. Where a clock was set back in between nothing is known.
pub(super) fn duration(phase: &PhaseState) -> Option<u64> {
    let done = phase.status == Status::Completed;
    let (started, ended) = phase.started_at.zip(phase.completed_at.filter(|_| done))?;
    u64::try_from(ended.micros() - started.micros()).ok()
}

/// How long the phase at that index of the plan takes, from all items; `None` if it was never completed from a start.
pub fn typical(facts: &dyn Facts, phase: usize) -> Option<Typical> {
    let mut durations = Durations::default();
    for item in (0..facts.item_count()).filter_map(|index| facts.item(index)) {
        durations.note(&item.phases[phase]);
    }
    durations.typical()
}

/// How long a phase in progress has run, in microseconds; 0 if its start is not known.
pub fn ran_us(phase: &PhaseState, now: Timestamp) -> u64 {
    phase.started_at.map_or(0, |start| now.micros_since(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(started: i64, ended: i64) -> PhaseState {
        PhaseState {
            status: Status::Completed,
            started_at: Timestamp::from_micros(started),
            completed_at: Timestamp::from_micros(ended),
            ..PhaseState::default()
        }
    }

    fn of(phases: impl IntoIterator<Item = PhaseState>) -> Option<(usize, u64, u64)> {
        let mut durations = Durations::default();
        for phase in phases {
            durations.note(&phase);
        }
        let typical = durations.typical()?;
        Some((typical.completed, typical.median_us, typical.p90_us))
    }

    #[test]
    fn nearest_rank() {
        assert_eq!(of([]), None);
        assert_eq!(of([took(5, 12)]), Some((1, 7, 7)));
        assert_eq!(of([took(0, 3), took(0, 9)]), Some((2, 3, 9)));
        assert_eq!(of((1..=10).rev().map(|end| took(0, end))), Some((10, 5, 9)));
        assert_eq!(of((1..=212).map(|end| took(0, end))), Some((212, 106, 191)));
    }

    #[test]
    fn only_what_was_begun_and_completed_counts() {
        let without_start = PhaseState {
            started_at: None,
            ..took(0, 5)
        };
        let failed = PhaseState {
            status: Status::Failed,
            ..took(0, 5)
        };
        let set_back = took(10, 5);
        assert_eq!(of([without_start, failed, set_back]), None);
    }
}
