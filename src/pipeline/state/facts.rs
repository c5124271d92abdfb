//! What may be asked of a state in memory.

use std::borrow::Cow;

use super::PipelineState;
use crate::pipeline::facts::{Facts, Place};
use crate::pipeline::item::Item;
use crate::pipeline::lease::{self, Evidence};
use crate::pipeline::op_ids::Operation;
use crate::pipeline::plan::Plan;
use crate::pipeline::time::{Now, Timestamp};
use crate::pipeline::wide::NEVER;
use crate::position::Seq;

impl Facts for PipelineState {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn last_seq(&self) -> Seq {
        self.last_seq
    }

    fn item_count(&self) -> usize {
        self.shelf.len()
    }

    fn find(&self, item: &str) -> Option<usize> {
        self.index_of(item)
    }

    fn find_id(&self, id: &str) -> Vec<usize> {
        self.shelf.find_id(id)
    }

    fn item(&self, index: usize) -> Option<Cow<'_, Item>> {
        self.shelf.item(index)
    }

    fn operation(&self, id: &str) -> Option<(Seq, &Operation)> {
        self.operations().get(id)
    }

    fn in_progress(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        self.shelf.in_progress(&self.plan)
    }

    fn first_ready(&self, from: Place, phase: Option<usize>, now: Timestamp) -> Option<Place> {
        self.shelf.first_ready(&self.plan, from, phase, now)
    }

    fn next_due(&self, phase: usize) -> Option<Timestamp> {
        Timestamp::from_micros(self.shelf.earliest(&self.plan, phase))
    }

    fn any_startable(&self, phase: usize) -> bool {
        self.shelf.earliest(&self.plan, phase) != NEVER
    }

    fn open_phases(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        self.shelf.open_phases()
    }
}

impl PipelineState {
    /// Takes signs of life that are no records into the leases: for a look at the state, never for one that goes on.
    pub fn note_signs(&mut self, known: &dyn Evidence, now: &Now) {
        let running: Vec<Place> = self.in_progress().collect();
        for place in running {
            let Some(phase) = self.shelf.phase_mut(place) else {
                continue;
            };
            let sign = phase.token.and_then(|token| known.sign(token));
            if let (Some(lease), Some(sign)) = (&mut phase.lease, sign)
                && lease::is_newer(sign, lease, now)
            {
                (lease.at, lease.wall_only) = (sign.at, sign.wall_only);
                lease.boot.clone_from(&sign.boot);
            }
        }
    }
}
