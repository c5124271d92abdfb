//! What giving records up means for the items: what is lost, and what would run again.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pipeline::{PipelineState, Status};

/// What hurt bytes still say of one record, as far as they can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) item: String,
    pub(super) phase: Option<String>,
    pub(super) event: Option<String>,
}

/// An item that lost records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The item, as hurt bytes name it.
    pub item: String,
    /// What was recorded of it there: `completed phase1_listing`.
    pub lost: Vec<String>,
    /// What follows: `phase1_listing would run again`.
    pub then: Vec<String>,
}

/// Reads what can be read of hurt bytes: best effort, line by line.
pub(super) fn hints(bytes: &[u8]) -> Vec<Hint> {
    let lines = bytes.split(|&byte| byte == b'\n');
    lines.filter_map(hint).collect()
}

fn hint(line: &[u8]) -> Option<Hint> {
    let whole =
        memchr::memchr(b'{', line).and_then(|at| serde_json::from_slice::<Value>(&line[at..]).ok());
    if let Some(payload) = whole {
        let field = |key: &str| payload.get(key).and_then(Value::as_str).map(str::to_owned);
        return Some(Hint {
            item: field("item")?,
            phase: field("phase"),
            event: field("event"),
        });
    }
    let field = |key: &[u8]| -> Option<String> {
        let at = memchr::memmem::find(line, key)? + key.len();
        let mut texts = serde_json::Deserializer::from_slice(&line[at..]).into_iter::<String>();
        texts.next()?.ok()
    };
    Some(Hint {
        item: field(br#""item":"#)?,
        phase: field(br#""phase":"#),
        event: field(br#""event":"#),
    })
}

/// Tells, item by item, what is lost and what would run again, given the state as it would be.
pub(super) fn touched(hints: &[Hint], after: &PipelineState) -> Vec<Touched> {
    let mut all: BTreeMap<&str, Touched> = BTreeMap::new();
    for hint in hints {
        let touched = all.entry(&hint.item).or_insert_with(|| Touched {
            item: hint.item.clone(),
            lost: Vec::new(),
            then: Vec::new(),
        });
        let words = [hint.event.as_deref(), hint.phase.as_deref()];
        push(
            &mut touched.lost,
            words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        );
        push(&mut touched.then, follows(hint, after));
    }
    all.into_values().collect()
}

fn push(into: &mut Vec<String>, text: String) {
    if !text.is_empty() && !into.contains(&text) {
        into.push(text);
    }
}

fn follows(hint: &Hint, after: &PipelineState) -> String {
    let Some(index) = after.index_of(&hint.item) else {
        return "the item would be gone; `phaselog add` brings it back".to_owned();
    };
    let Some(phase) = &hint.phase else {
        return String::new();
    };
    let Some(place) = after.plan.index_of(phase) else {
        return String::new();
    };
    match after.items()[index].phases[place].status {
        Status::Completed => format!("{phase} stays completed"),
        Status::Skipped => format!("{phase} stays skipped"),
        Status::Pending => format!("{phase} would run again"),
        Status::Failed => format!("{phase} stands as failed and would run again"),
        Status::InProgress => {
            format!("{phase} stands as in progress; handed back at its limit, it would run again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Event, ItemId, Phase, PhasePlan, Record, Timestamp};
    use crate::position::Seq;

    #[test]
    fn hurt_lines_still_name_what_they_can() {
        let bytes = br#"x y 3 1 {"event":"completed","item":"100 N \"A\" St","phase":"p","token":2}
x y 4 1 {"event":"start\0d","item":"b","phase":"p"
x y 5 1 {"event":"planned","phases":[]}
"#;
        let found = hints(bytes);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].item, "100 N \"A\" St");
        assert_eq!(found[0].event.as_deref(), Some("completed"));
        assert_eq!(
            (found[1].item.as_str(), found[1].phase.as_deref()),
            ("b", Some("p"))
        );
    }

    #[test]
    fn what_runs_again_follows_from_the_state_afterwards() {
        let (item, phase) = (ItemId::new("a").unwrap(), Phase::new("p").unwrap());
        let mut state = PipelineState::default();
        let events = [
            Event::Planned {
                phases: vec![PhasePlan::named(phase)],
            },
            Event::Added {
                item,
                id: None,
                imported: None,
            },
        ];
        for (seq, event) in (1..).zip(events) {
            let at = Timestamp::EPOCH;
            state.apply(&Record {
                seq: Seq::new(seq),
                at,
                clock_given: false,
                event,
            });
        }
        let hint = |item: &str, event: &str| Hint {
            item: item.to_owned(),
            phase: Some("p".to_owned()),
            event: Some(event.to_owned()),
        };
        let told = touched(
            &[
                hint("a", "started"),
                hint("a", "completed"),
                hint("b", "added"),
            ],
            &state,
        );
        assert_eq!(told[0].lost, ["started p", "completed p"]);
        assert_eq!(told[0].then, ["p would run again"]);
        assert!(told[1].then[0].contains("gone"));
    }
}
