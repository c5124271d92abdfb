//! What may be asked of a state in memory.

use std::borrow::Cow;

use super::PipelineState;
use crate::pipeline::facts::{Facts, Place};
use crate::pipeline::item::{Item, PhaseState};
use crate::pipeline::lease::{self, Evidence};
use crate::pipeline::op_ids::Operation;
use crate::pipeline::plan::Plan;
use crate::pipeline::status::Status;
use crate::pipeline::time::{Now, Timestamp};
use crate::position::Seq;

impl Facts for PipelineState {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn last_seq(&self) -> Seq {
        self.last_seq
    }

    fn item_count(&self) -> usize {
        self.items.len()
    }

    fn find(&self, item: &str) -> Option<usize> {
        self.index_of(item)
    }

    fn find_id(&self, id: &str) -> Vec<usize> {
        let has = |item: &Item| item.id().eq_ignore_ascii_case(id);
        (0..self.items.len())
            .filter(|&index| has(&self.items[index]))
            .collect()
    }

    fn item(&self, index: usize) -> Option<Cow<'_, Item>> {
        self.items.get(index).map(Cow::Borrowed)
    }

    fn operation(&self, id: &str) -> Option<(Seq, &Operation)> {
        self.op_ids.get(id)
    }

    fn in_progress(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        Box::new(self.index.get(&self.plan, &self.items).running())
    }

    fn first_ready(&self, from: Place, phase: Option<usize>, now: Timestamp) -> Option<Place> {
        self.index
            .get(&self.plan, &self.items)
            .first_ready(from, phase, now)
    }

    fn next_due(&self, phase: usize) -> Option<Timestamp> {
        self.index.get(&self.plan, &self.items).next_due(phase)
    }

    fn any_startable(&self, phase: usize) -> bool {
        self.index.get(&self.plan, &self.items).any_startable(phase)
    }

    fn open_phases(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        Box::new(self.places(|phase| matches!(phase.status, Status::Pending | Status::Failed)))
    }
}

impl PipelineState {
    /// Takes signs of life that are no records into the leases: for a look at the state, never for one that goes on.
    pub fn note_signs(&mut self, known: &dyn Evidence, now: &Now) {
        let running: Vec<Place> = self.in_progress().collect();
        for place in running {
            let phase = &mut self.items[place.item].phases[place.phase];
            let sign = phase.token.and_then(|token| known.sign(token));
            if let (Some(lease), Some(sign)) = (&mut phase.lease, sign)
                && lease::is_newer(sign, lease, now)
            {
                (lease.at, lease.wall_only) = (sign.at, sign.wall_only);
                lease.boot.clone_from(&sign.boot);
            }
        }
    }

    fn places(&self, test: impl Fn(&PhaseState) -> bool + Copy) -> impl Iterator<Item = Place> {
        self.items.iter().enumerate().flat_map(move |(item, it)| {
            let hits = it
                .phases
                .iter()
                .enumerate()
                .filter(move |(_, phase)| test(phase));
            hits.map(move |(phase, _)| Place { item, phase })
        })
    }
}
