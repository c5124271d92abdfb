//! The plan: which phases there are, what each needs, and its limits.

use serde::{Deserialize, Serialize};

use super::names::Phase;
use super::time::MICROS_PER_SEC;

/// A phase in progress for strictly longer than this goes back to pending, unless the plan says otherwise.
pub const DEFAULT_TIMEOUT_MINUTES: u32 = 30;

/// One phase of the plan, as `plan` prints it and `init --plan` reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhasePlan {
    /// The phase's name.
    pub phase: Phase,
    /// The phases that must be completed or skipped before this one may start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Phase>,
    /// Minutes without a sign of life after which the phase is handed back; 30 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<u32>,
    /// How many attempts a failing phase gets before it is exhausted; if not given, a failed phase waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds before the first repetition, doubled each time; 0 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_seconds: Option<u32>,
    /// In a new plan: the phases of the one before whose state it goes on with. Empty for its own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Phase>,
}

impl PhasePlan {
    /// A phase with no needs and the default limits.
    pub fn named(phase: Phase) -> Self {
        let (timeout_minutes, max_attempts, backoff_seconds) = (None, None, None);
        Self {
            phase,
            needs: Vec::new(),
            timeout_minutes,
            max_attempts,
            backoff_seconds,
            from: Vec::new(),
        }
    }

    /// How long the phase may be in progress without a sign of life, in microseconds.
    pub fn limit_micros(&self) -> u64 {
        let minutes = self.timeout_minutes.unwrap_or(DEFAULT_TIMEOUT_MINUTES);
        u64::from(minutes) * 60 * MICROS_PER_SEC
    }
}

/// The phases in their order. Names are unique, needs are phases of the plan, and no phase needs itself, not
/// even through others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    phases: Vec<PhasePlan>,
}

/// Why a list of phases is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A plan needs a phase.
    #[error("the plan has no phases")]
    Empty,
    /// A name stands twice.
    #[error("phase {phase} is in the plan twice")]
    Twice {
        /// The name.
        phase: Phase,
    },
    /// A need is no phase of the plan.
    #[error("phase {phase} needs {need}, which is not in the plan")]
    UnknownNeed {
        /// The phase that has the need.
        phase: Phase,
        /// What it needs.
        need: Phase,
    },
    /// A phase would wait for itself for ever.
    #[error("phase {phase} needs itself, directly or through other phases")]
    Cycle {
        /// A phase on the circle.
        phase: Phase,
    },
    /// A limit that could never work.
    #[error("phase {phase}: {field} must be at least 1")]
    Zero {
        /// The phase.
        phase: Phase,
        /// The field that is 0.
        field: &'static str,
    },
}

impl Plan {
    /// Takes the phases as a plan.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn new(phases: Vec<PhasePlan>) -> Result<Self, PlanError> {
        if phases.is_empty() {
            return Err(PlanError::Empty);
        }
        for (index, plan) in phases.iter().enumerate() {
            let phase = || plan.phase.clone();
            if phases[..index]
                .iter()
                .any(|other| other.phase == plan.phase)
            {
                return Err(PlanError::Twice { phase: phase() });
            }
            let known = |need: &&Phase| phases.iter().any(|other| other.phase == **need);
            if let Some(need) = plan.needs.iter().find(|need| !known(need)) {
                return Err(PlanError::UnknownNeed {
                    phase: phase(),
                    need: need.clone(),
                });
            }
            let limits = [
                ("timeout_minutes", plan.timeout_minutes),
                ("max_attempts", plan.max_attempts),
            ];
            if let Some((field, _)) = limits.into_iter().find(|(_, value)| *value == Some(0)) {
                return Err(PlanError::Zero {
                    phase: phase(),
                    field,
                });
            }
        }
        let plan = Self { phases };
        match plan.phase_on_a_cycle() {
            Some(phase) => Err(PlanError::Cycle { phase }),
            None => Ok(plan),
        }
    }

    /// Takes phases from a verified log, which were a plan when they were written.
    pub(crate) fn from_record(phases: Vec<PhasePlan>) -> Self {
        Self { phases }
    }

    /// Makes each phase need the one before it.
    #[must_use]
    pub fn linear(mut self) -> Self {
        for index in 1..self.phases.len() {
            self.phases[index].needs = vec![self.phases[index - 1].phase.clone()];
        }
        if let Some(first) = self.phases.first_mut() {
            first.needs.clear();
        }
        self
    }

    /// The phases in order.
    pub fn phases(&self) -> &[PhasePlan] {
        &self.phases
    }

    /// The place of a phase in the plan.
    pub fn index_of(&self, phase: &str) -> Option<usize> {
        self.phases
            .iter()
            .position(|plan| plan.phase.as_str() == phase)
    }

    /// The phase's entry.
    pub fn get(&self, phase: &str) -> Option<&PhasePlan> {
        self.phases.iter().find(|plan| plan.phase.as_str() == phase)
    }

    /// Adds a phase that a record names though no readable plan has it (the plan was given up by a repair).
    pub(crate) fn push_unplanned(&mut self, phase: Phase) -> usize {
        self.phases.push(PhasePlan::named(phase));
        self.phases.len() - 1
    }

    /// Takes away, round by round, every phase whose needs are gone; what stays is on or behind a circle.
    fn phase_on_a_cycle(&self) -> Option<Phase> {
        let mut left: Vec<&PhasePlan> = self.phases.iter().collect();
        loop {
            let before = left.len();
            let names: Vec<&Phase> = left.iter().map(|plan| &plan.phase).collect();
            left.retain(|plan| plan.needs.iter().any(|need| names.contains(&need)));
            if left.len() == before {
                return left.first().map(|plan| plan.phase.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, PlanError> {
        Plan::new(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_plan_is_checked_when_made() {
        let cases = [
            ("[]", "the plan has no phases"),
            (
                r#"[{"phase":"a"},{"phase":"a"}]"#,
                "phase a is in the plan twice",
            ),
            (
                r#"[{"phase":"a","needs":["b"]}]"#,
                "phase a needs b, which is not in the plan",
            ),
            (
                r#"[{"phase":"a","needs":["b"]},{"phase":"b","needs":["a"]}]"#,
                "phase a needs itself, directly or through other phases",
            ),
            (
                r#"[{"phase":"a","timeout_minutes":0}]"#,
                "phase a: timeout_minutes must be at least 1",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(plan(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn linear_needs_the_one_before() {
        let plan = plan(r#"[{"phase":"a"},{"phase":"b"},{"phase":"c"}]"#)
            .unwrap()
            .linear();
        assert_eq!(plan.get("c").unwrap().needs, [Phase::new("b").unwrap()]);
        assert!(plan.get("a").unwrap().needs.is_empty());
    }
}
