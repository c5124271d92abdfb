//! One item and its phases, as they stand.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::enrichment::ItemData;
use super::event::{Owner, ResetCause};
use super::extraction::ItemExtraction;
use super::json::Extras;
use super::names::ItemId;
use super::status::{ItemStatus, Status};
use super::time::{BootInstant, Timestamp};
use crate::position::Seq;

/// One item: a house for sale, with its phases in the order of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name.
    pub name: ItemId,
    /// The id it was imported with.
    pub id: Option<Box<str>>,
    /// When it came in, or was made by another program.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub last_updated: Option<Timestamp>,
    /// Why and since when it is kept from being worked on.
    pub hold: Option<Box<Hold>>,
    /// Its phases, in the order of the plan.
    pub phases: Vec<PhaseState>,
    /// What is known about it, if anything is.
    pub data: Option<Arc<ItemData>>,
    /// How its image extraction stands, if anything is known of it.
    pub extraction: Option<Box<ItemExtraction>>,
    /// Fields that another program gave it.
    pub extras: Extras,
}

/// A hold on an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The record that put it there.
    pub seq: Seq,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One phase of one item, as it stands. There are many of them, and most are done or not begun: what those do not need stands
/// in [`Rare`], which takes room only where there is any of it, and is read and written as if it stood here.
#[derive(Clone, Debug, Default)]
pub struct PhaseState {
    /// Its status.
    pub status: Status,
    /// How often it was started.
    pub attempts: u32,
    /// The record that gave it this status; [`Seq::NONE`] if none ever did.
    pub since: Seq,
    /// The token of the last start; `None` if there was none or a retry took it away.
    pub token: Option<Seq>,
    /// When it was started, unless it was given back since.
    pub started_at: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    pub(super) rare: Option<Box<Rare>>,
}

/// What few phases have: those in progress, those that failed, and what another program wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rare {
    /// How often it failed.
    pub retry_count: u32,
    /// How many of those failures a `retry` has forgiven.
    pub forgiven: u32,
    /// When it failed.
    pub failed_at: Option<Timestamp>,
    /// When it was reset last.
    pub stale_reset_at: Option<Timestamp>,
    /// Failed, and may be tried again only after this.
    pub due: Option<Timestamp>,
    /// Failed, and trying again is no use.
    pub permanent: bool,
    /// Who is at it.
    pub worker: Option<Box<str>>,
    /// The last error, until the phase is completed.
    pub error_message: Option<Box<str>>,
    /// What the time limit counts from, while it is in progress.
    pub lease: Option<Box<Lease>>,
    /// The last time it was given back; a retry forgets it.
    pub returned: Option<Box<Return>>,
    /// Refused reports that are on record, the oldest first; at most [`REFUSALS_KEPT`].
    pub refused: Box<[Refusal]>,
    /// The word that stood for the status in an imported file.
    pub imported_status: Option<Box<str>>,
    /// Fields that another program gave it.
    pub extras: Extras,
}

/// What the time limit of a phase in progress counts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Wall time of the start or of the last sign of life.
    pub at: Timestamp,
    /// That time was given by the caller, or comes from an imported file: the boot clock says nothing about it.
    pub wall_only: bool,
    /// The boot clock at the same moment.
    pub boot: Option<BootInstant>,
    /// The process that does the work.
    pub owner: Option<Owner>,
    /// How far the work is, in the words of its last sign of life that is a record.
    pub progress: Option<Box<str>>,
}

/// How many refused reports of a phase are remembered. Part of the format: every replay forgets the same ones.
pub const REFUSALS_KEPT: usize = 32;

/// A report that was refused for its token, as a record tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The record.
    pub seq: Seq,
    /// The token it came with.
    pub token: Seq,
    /// What it reported: `completed`, `failed`, …
    pub of: Box<str>,
}

/// How a phase in progress went back to pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// The record that did it.
    pub seq: Seq,
    /// The token that held until then; an imported phase had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Seq>,
    /// The rule, or `None` if the worker released it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ResetCause>,
    /// Microseconds since the start or last sign of life; 0 for a release.
    pub elapsed_us: u64,
    /// The limit in microseconds; 0 for a release.
    pub limit_us: u64,
}

impl Deref for PhaseState {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        static NONE: LazyLock<Rare> = LazyLock::new(Rare::default);
        self.rare.as_deref().unwrap_or_else(|| &NONE)
    }
}

impl DerefMut for PhaseState {
    fn deref_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl PartialEq for PhaseState {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            status,
            attempts,
            since,
            token,
            started_at,
            completed_at,
            rare: _,
        } = self;
        let often = (status, attempts, since, token, started_at, completed_at);
        let of_other = (
            &other.status,
            &other.attempts,
            &other.since,
            &other.token,
            &other.started_at,
            &other.completed_at,
        );
        // Nearly all have nothing of the rest.
        let neither = self.rare.is_none() && other.rare.is_none();
        often == of_other && (neither || **self == **other)
    }
}

impl PhaseState {
    /// The same with that.
    #[must_use]
    pub fn with(mut self, rare: Rare) -> Self {
        self.rare = Some(Box::new(rare));
        self.tidy();
        self
    }

    /// What few phases have, to be changed if there is any of it.
    pub(super) fn rare_mut(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// True if it has anything of [`Rare`].
    pub(super) fn has_rare(&self) -> bool {
        self.rare
            .as_deref()
            .is_some_and(|rare| *rare != Rare::default())
    }

    /// True if it is as it was at first.
    pub(super) fn is_untouched(&self) -> bool {
        self.since == Seq::NONE && *self == Self::default()
    }

    /// Gives the room of [`Rare`] back if nothing is in it: to be called once everything is written.
    pub fn tidy(&mut self) {
        if !self.has_rare() {
            self.rare = None;
        }
    }

    /// Failures that count against the plan's `max_attempts`.
    pub fn failures(&self) -> u32 {
        self.retry_count.saturating_sub(self.forgiven)
    }

    /// The record of the refusal of that same report, if there is one and it still counts, at `last`: one that was refused
    /// before the token was given says nothing about whoever got it.
    pub fn refusal(&self, token: Seq, of: &str, last: Seq) -> Option<Seq> {
        let same = |refusal: &&Refusal| refusal.token == token && *refusal.of == *of;
        let mut known = self.refused.iter().filter(same).map(|known| known.seq);
        known.rfind(|&seq| seq > token || token > last)
    }

    /// Remembers a refused report.
    pub(super) fn note_refusal(&mut self, refusal: Refusal) {
        let mut all = std::mem::take(&mut self.refused).into_vec();
        if all.len() >= REFUSALS_KEPT {
            all.drain(..=all.len() - REFUSALS_KEPT);
        }
        all.push(refusal);
        self.refused = all.into_boxed_slice();
    }
}

impl Item {
    /// A new item with `phases` pending phases.
    pub fn new(name: ItemId, phases: usize) -> Self {
        Self {
            name,
            id: None,
            created_at: None,
            last_updated: None,
            hold: None,
            phases: vec![PhaseState::default(); phases],
            data: None,
            extraction: None,
            extras: Extras::default(),
        }
    }

    /// The id: the one it was imported with, else the first 8 hex digits of the SHA-256 of its name. Not unique.
    pub fn id(&self) -> String {
        self.id
            .as_deref()
            .map_or_else(|| self.name.derived_id(), str::to_owned)
    }

    /// The status, derived from the phases and the hold. Without a phase, before there is a plan, nothing of it is done.
    pub fn status(&self) -> ItemStatus {
        let any = |status| self.phases.iter().any(|phase| phase.status == status);
        let all_settled = self.phases.iter().all(|phase| phase.status.is_settled());
        if all_settled && !self.phases.is_empty() {
            ItemStatus::Completed
        } else if self.hold.is_some() {
            ItemStatus::Blocked
        } else if any(Status::Failed) {
            ItemStatus::Failed
        } else if any(Status::InProgress) {
            ItemStatus::InProgress
        } else {
            ItemStatus::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_phases_have_takes_no_room_in_the_others() {
        // There are millions of them: whoever adds a field thinks of where.
        assert!(size_of::<PhaseState>() <= 56, "{}", size_of::<PhaseState>());
        assert!(size_of::<Item>() <= 120, "{}", size_of::<Item>());
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<Timestamp>());

        let mut phase = PhaseState::default().with(Rare {
            worker: Some("w1".into()),
            ..Rare::default()
        });
        assert_ne!(phase, PhaseState::default());
        phase.worker = None;
        assert_eq!(
            phase,
            PhaseState::default(),
            "whether it has the room or not"
        );
        phase.tidy();
        assert!(phase.rare.is_none());
    }
}
