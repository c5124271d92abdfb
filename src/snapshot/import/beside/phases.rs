//! What a documented form of `extraction_state.json` says of phases beside the extractions: `phase_status`, carried along.

use super::super::words::{self, Sure};
use crate::pipeline::json::Extras;
use crate::pipeline::members::Members;
use crate::pipeline::{Json, Status};

/// The field: `{address: {phase: word}}`.
pub const PHASE_STATUS: &str = "phase_status";

/// What is said of one phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseSaid {
    /// The item.
    pub item: String,
    /// The phase.
    pub phase: String,
    /// The word that stands there.
    pub word: String,
    /// What it means.
    pub status: Status,
}

/// What the fields of a document say of phases, in their order, as far as it is understood.
pub fn phases_said(extras: &Extras) -> Vec<PhaseSaid> {
    let members = |json: &Json| Members::of(json.as_str()).map(|it| pairs(&it));
    let items = extras
        .get(PHASE_STATUS)
        .and_then(members)
        .unwrap_or_default();
    let mut all = Vec::new();
    for (item, phases) in items {
        for (phase, word) in Members::of(&phases)
            .map(|it| pairs(&it))
            .unwrap_or_default()
        {
            let Ok(word) = serde_json::from_str::<String>(&word) else {
                continue;
            };
            let meaning = words::meaning(&word);
            if meaning.sure != Sure::Unknown {
                all.push(PhaseSaid {
                    item: item.clone(),
                    phase,
                    word,
                    status: meaning.status,
                });
            }
        }
    }
    all
}

/// The names of the items of which the fields of a document say anything in that field, in their order.
pub fn items_with_phases(extras: &Extras) -> Vec<String> {
    let members = extras
        .get(PHASE_STATUS)
        .map(|json| Members::of(json.as_str()));
    let members = members.flatten().unwrap_or_default();
    members.iter().map(|(key, _)| key.to_owned()).collect()
}

fn pairs(members: &Members<'_>) -> Vec<(String, String)> {
    let members = members.iter();
    members
        .map(|(key, text)| (key.to_owned(), text.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_those_of_phases_and_what_is_none_says_nothing() {
        let mut extras = Extras::default();
        let value = serde_json::json!({
            "1 A St": {"phase1_listing": "done", "phase2_images": "Not Started", "x": "huh", "y": 3},
            "2 B St": "done",
        });
        extras.push("", PHASE_STATUS, Json::from_value(&value));
        let said = phases_said(&extras);
        let said: Vec<_> = said
            .iter()
            .map(|it| (&*it.phase, &*it.word, it.status))
            .collect();
        let wanted = [
            ("phase1_listing", "done", Status::Completed),
            ("phase2_images", "Not Started", Status::Pending),
        ];
        assert_eq!(said, wanted);
        assert_eq!(phases_said(&Extras::default()), []);
    }
}
