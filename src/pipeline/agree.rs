//! Whether two states answer everything alike, wherever their items stand: for tests and proofs.

use super::facts::{Facts, Place};
use super::state::PipelineState;
use super::time::Timestamp;

impl PipelineState {
    /// What is answered in another way by the other state, asked at each of these moments; `None` if nothing is.
    pub fn disagreement(&self, other: &Self, moments: &[Timestamp]) -> Option<String> {
        let differs = |what: &str| Some(format!("{what} differ at {}", self.last_seq));
        if self.last_seq != other.last_seq || self.last_change_at != other.last_change_at {
            return differs("places in the log");
        }
        if self.plan != other.plan || self.rejected != other.rejected {
            return differs("plans or rejections");
        }
        if self.document != other.document || self.imports != other.imports {
            return differs("documents");
        }
        if self.enrichment != other.enrichment || self.extraction != other.extraction {
            return differs("companions");
        }
        if self.operations() != other.operations() {
            return differs("operation ids");
        }
        let (one, two): (&dyn Facts, &dyn Facts) = (self, other);
        if one.item_count() != two.item_count() {
            return differs("numbers of items");
        }
        for index in 0..=one.item_count() {
            let (item, same) = (one.item(index), two.item(index));
            if item != same {
                return differs(&format!("items {index}"));
            }
            let Some(item) = item else { continue };
            let (name, id) = (item.name.as_str(), item.id());
            for asked in [name, &id, &id.to_uppercase(), "nobody"] {
                if one.find(asked) != two.find(asked) || one.find_id(asked) != two.find_id(asked) {
                    return differs(&format!("what {asked:?} finds"));
                }
            }
        }
        let places = |facts: &dyn Facts| -> [Vec<Place>; 2] {
            [facts.in_progress().collect(), facts.open_phases().collect()]
        };
        if places(one) != places(two) {
            return differs("open phases");
        }
        let phases = self.plan.phases().len();
        for phase in 0..=phases {
            let due = |facts: &dyn Facts| (facts.next_due(phase), facts.any_startable(phase));
            if due(one) != due(two) {
                return differs("times at which something can be started");
            }
        }
        for &at in moments {
            for phase in std::iter::once(None).chain((0..phases).map(Some)) {
                for item in 0..=one.item_count() {
                    let from = Place {
                        item,
                        phase: item % (phases + 1),
                    };
                    let ready = |facts: &dyn Facts| facts.first_ready(from, phase, at);
                    if ready(one) != ready(two) {
                        return differs("what is ready first");
                    }
                }
            }
        }
        None
    }
}
