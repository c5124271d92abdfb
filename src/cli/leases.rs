//! Work in progress as the commands that look show it: its owner, its last sign of life, when it is handed back.

use serde_json::{Value, json};

use crate::pipeline::event::ResetCause;
use crate::pipeline::lease::Standing;
use crate::pipeline::time::{MICROS_PER_SEC, human_duration};
use crate::pipeline::typical::Typical;
use crate::pipeline::{Now, Timestamp};

/// How one phase in progress stands with its limit.
#[derive(Clone, Debug)]
pub(super) struct LeaseFacts {
    pub(super) elapsed_us: u64,
    limit_us: u64,
    last_sign_at: Timestamp,
    /// The rule by which the next `resume` hands it back.
    pub(super) cause: Option<ResetCause>,
    why: Option<String>,
    pub(super) handed_back_at: Timestamp,
    asleep_us: u64,
    pub(super) progress: Option<String>,
    evidence: Value,
}

impl LeaseFacts {
    pub(super) fn of(standing: &Standing<'_>, now: &Now) -> Self {
        Self {
            elapsed_us: standing.elapsed().micros,
            limit_us: standing.limit_us(),
            last_sign_at: standing.last_sign_at(),
            cause: standing.cause(),
            why: standing.why_handed_back(),
            handed_back_at: standing.handed_back_at(now),
            asleep_us: standing.asleep_not_counted_us(),
            progress: standing.progress().map(str::to_owned),
            evidence: standing.evidence_value(now),
        }
    }

    /// Why it is handed back, or what keeps it, and what its worker says; `None` where there is nothing to say.
    pub(super) fn note(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.why.as_ref().map(|why| match self.cause {
            // Both numbers stand beside it.
            Some(ResetCause::Timeout) | None => "STUCK".to_owned(),
            Some(_) => format!("STUCK: {why}"),
        }));
        if self.asleep_us > 0 {
            let asleep = human_duration(self.asleep_us);
            parts.push(format!("asleep {asleep}, not counted"));
        }
        parts.extend(self.progress.clone());
        parts.join(", ")
    }

    /// One line for people: when it is handed back, and why.
    pub(super) fn line(&self) -> String {
        let elapsed = human_duration(self.elapsed_us);
        match &self.why {
            Some(why) => {
                format!("last heard of {elapsed} ago; the next resume hands it back ({why})")
            }
            None => format!("last heard of {elapsed} ago"),
        }
    }

    /// The keys that every command shows of it.
    pub(super) fn json(&self) -> Value {
        json!({
            "last_sign_at": self.last_sign_at.to_offset_text(),
            "elapsed_secs": self.elapsed_us as f64 / 1e6,
            "limit_secs": self.limit_us / MICROS_PER_SEC,
            "stuck": self.cause.is_some(),
            "cause": self.cause,
            "handed_back_at": self.handed_back_at.to_offset_text(),
            "progress": self.progress,
            "evidence": self.evidence,
        })
    }
}

/// How long a phase takes.
pub(super) fn typical_json(typical: &Typical) -> Value {
    json!({
        "completed": typical.completed,
        "median_secs": typical.median_us as f64 / 1e6,
        "p90_secs": typical.p90_us as f64 / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::event::Owner;
    use crate::pipeline::item::Lease;
    use crate::pipeline::lease::{Evidence, Liveness, Sign};
    use crate::pipeline::{BootInstant, PhaseState, Rare, Status};
    use crate::position::Seq;

    /// The owner of everything lives.
    struct Alive;

    impl Evidence for Alive {
        fn owner(&self, _: &Owner) -> Liveness {
            Liveness::Alive
        }

        fn sign(&self, _: Seq) -> Option<&Sign> {
            None
        }
    }

    #[test]
    fn a_status_line_says_what_the_machine_slept() {
        const MINUTE: u64 = 60 * MICROS_PER_SEC;
        let boot = |micros, asleep_us| {
            Some(BootInstant {
                boot: "b".into(),
                micros,
                asleep_us,
            })
        };
        let owner = Owner {
            host: "h".into(),
            boot: "b".into(),
            pidns: "n".into(),
            pid: 4711,
            start: 99,
        };
        let mut phase = PhaseState::default().with(Rare {
            lease: Some(Box::new(Lease {
                at: Timestamp::EPOCH,
                wall_only: false,
                boot: boot(0, 0),
                owner: Some(owner),
                progress: Some("page 3 of 7".into()),
            })),
            ..Rare::default()
        });
        phase.status = Status::InProgress;
        let said = |slept: u64| {
            let now = Now {
                at: Timestamp::EPOCH,
                given: false,
                boot: boot(250 * MINUTE, slept),
            };
            let standing = Standing::of(&phase, 30 * MINUTE, &now, &Alive).unwrap();
            LeaseFacts::of(&standing, &now).note()
        };
        assert_eq!(said(240 * MINUTE), "asleep 4h, not counted, page 3 of 7");
        assert_eq!(
            said(200 * MINUTE),
            "STUCK, asleep 3h20m, not counted, page 3 of 7"
        );
        assert_eq!(said(0), "STUCK, page 3 of 7");
    }
}
