//! What giving records up means: what is lost of each item and what would run again, and what is lost beyond the items.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pipeline::{PhasePlan, PipelineState, Plan, Status};
use crate::position::Seq;

/// How many fields of data are named.
const MOST_FIELDS: usize = 10;

/// What hurt bytes still say of one record, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) seq: Option<Seq>,
    pub(super) item: Option<String>,
    pub(super) phase: Option<String>,
    pub(super) event: Option<String>,
    /// The fields of the item's data that it set, if it set any; none of them by name if they cannot be read.
    pub(super) data: Option<Vec<String>>,
    /// The plan that it was, if all of it can be read.
    pub(super) plan: Option<Plan>,
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

/// Reads what can be read of hurt bytes: best effort, record by record.
pub(super) fn hints(bytes: &[u8]) -> Vec<Hint> {
    let lines = bytes.split(|&byte| byte == b'\n');
    lines.flat_map(pieces).filter_map(hint).collect()
}

/// The records that a line is made of: where newlines were lost there are several in it. No payload of ours holds these
/// bytes inside, for a colon, a bracket or a comma stands before an object in it, and quotes in its texts are escaped. Where
/// the brace itself is hurt, the time behind it tells: inside of data a brace or a comma stands before a key.
fn pieces(line: &[u8]) -> Vec<&[u8]> {
    const BEGINS: [&[u8]; 3] = [br#"{"at":"#, br#"{"more":"#, br#"{"event":"#];
    let not_behind =
        |bytes: &'static [u8]| move |&at: &usize| at == 0 || !bytes.contains(&line[at - 1]);
    let begins = BEGINS
        .into_iter()
        .flat_map(|begin| memchr::memmem::find_iter(line, begin))
        .filter(not_behind(b":[,"));
    let hurt = memchr::memmem::find_iter(line, br#""at":"20"#).filter(not_behind(b"{,"));
    let mut begins: Vec<usize> = begins.chain(hurt).collect();
    begins.sort_unstable();
    let (mut pieces, mut from) = (Vec::new(), 0);
    for at in begins.into_iter().skip(1) {
        // The checksums and numbers before a payload belong to it.
        let head = line[from..at].iter().rposition(|&byte| byte == b'}');
        let at = head.map_or(at, |brace| from + brace + 1);
        pieces.push(&line[from..at]);
        from = at;
    }
    pieces.push(&line[from..]);
    pieces
}

fn hint(piece: &[u8]) -> Option<Hint> {
    let begin = memchr::memchr(b'{', piece)?;
    let seq = std::str::from_utf8(&piece[..begin]).ok();
    let seq = seq.and_then(|head| head.split_ascii_whitespace().nth(2)?.parse().ok());
    // What stands behind a whole payload is none of it.
    let mut values = serde_json::Deserializer::from_slice(&piece[begin..]).into_iter::<Value>();
    let whole = values.next().and_then(Result::ok);
    let whole = whole.map(|payload| of_payload(&payload));
    // Where the payload's own brace is hurt, the first whole object is one inside of it.
    let found = whole.filter(|found| found.event.is_some());
    let found = found.unwrap_or_else(|| of_text(piece));
    let seq = seq.map(Seq::new);
    (found.item.is_some() || found.event.is_some()).then_some(Hint { seq, ..found })
}

fn of_payload(payload: &Value) -> Hint {
    let field = |key: &str| payload.get(key).and_then(Value::as_str).map(str::to_owned);
    let plan = payload.get("phases").and_then(|phases| {
        let phases: Vec<PhasePlan> = serde_json::from_value(phases.clone()).ok()?;
        Plan::new(phases).ok()
    });
    Hint {
        seq: None,
        item: field("item"),
        phase: field("phase"),
        event: field("event"),
        data: payload.get("data").map(fields),
        plan,
    }
}

/// The fields that a change of data sets, by the first key of each.
fn fields(data: &Value) -> Vec<String> {
    let whole = data.get("object").and_then(Value::as_object);
    let whole = whole.into_iter().flat_map(|object| object.keys().cloned());
    let single = data.get("changes").and_then(Value::as_array);
    let single = single.into_iter().flatten().filter_map(|change| {
        let field = change.get("field")?;
        let first = field.get(0).unwrap_or(field);
        first.as_str().map(str::to_owned)
    });
    let mut fields: Vec<String> = Vec::new();
    for field in whole.chain(single) {
        if !fields.contains(&field) && fields.len() < 1000 {
            fields.push(field);
        }
    }
    fields
}

fn of_text(piece: &[u8]) -> Hint {
    let field = |key: &[u8]| -> Option<String> {
        let at = memchr::memmem::find(piece, key)? + key.len();
        let mut texts = serde_json::Deserializer::from_slice(&piece[at..]).into_iter::<String>();
        texts.next()?.ok()
    };
    let event = field(br#""event":"#);
    let data = memchr::memmem::find(piece, br#""data":{"#).map(|at| {
        let begin = &piece[at + br#""data":"#.len()..];
        let mut values = serde_json::Deserializer::from_slice(begin).into_iter::<Value>();
        let value = values.next().and_then(Result::ok);
        value.as_ref().map(fields).unwrap_or_default()
    });
    let data = data.or_else(|| (event.as_deref() == Some("enriched")).then(Vec::new));
    Hint {
        seq: None,
        item: field(br#""item":"#),
        phase: field(br#""phase":"#).filter(|_| event.as_deref() != Some("planned")),
        data,
        event,
        plan: None,
    }
}

/// Tells, item by item, what is lost and what would run again, given the state as it would be.
pub(super) fn touched(hints: &[Hint], after: &PipelineState) -> Vec<Touched> {
    let mut all: BTreeMap<&str, Touched> = BTreeMap::new();
    for hint in hints {
        let Some(item) = &hint.item else { continue };
        let touched = all.entry(item).or_insert_with(|| Touched {
            item: item.clone(),
            lost: Vec::new(),
            then: Vec::new(),
        });
        push(&mut touched.lost, words(hint));
        for follows in follows(hint, item, after) {
            push(&mut touched.then, follows);
        }
    }
    all.into_values().collect()
}

/// Tells what is lost that belongs to no item, and what follows.
pub(super) fn beyond_items(hints: &[Hint], after: &PipelineState) -> Vec<String> {
    let mut told = Vec::new();
    for hint in hints.iter().filter(|hint| hint.item.is_none()) {
        let text = match hint.event.as_deref() {
            Some("planned") => plan_lost(hint, &after.plan),
            Some("imported") => "lost: what an import said of its file".to_owned(),
            _ => continue,
        };
        push(&mut told, text);
    }
    told
}

fn plan_lost(hint: &Hint, after: &Plan) -> String {
    let lost = match &hint.plan {
        Some(plan) => format!("lost: the plan {}", shown(plan)),
        None => "lost: a plan".to_owned(),
    };
    if after.phases().is_empty() {
        format!("{lost}; no plan would be left: `phaselog plan set FILE` sets one")
    } else if hint.plan.as_ref() == Some(after) {
        format!("{lost}; the plan stays as it is")
    } else {
        format!(
            "{lost}; the plan would be {}: `phaselog plan set FILE` changes it",
            shown(after)
        )
    }
}

fn shown(plan: &Plan) -> String {
    let phases = plan.phases().iter().map(|phase| {
        let needs: Vec<&str> = phase
            .needs
            .iter()
            .map(crate::pipeline::Phase::as_str)
            .collect();
        if needs.is_empty() {
            phase.phase.to_string()
        } else {
            format!("{} (needs {})", phase.phase, needs.join(", "))
        }
    });
    phases.collect::<Vec<_>>().join(", ")
}

fn push(into: &mut Vec<String>, text: String) {
    if !text.is_empty() && !into.contains(&text) {
        into.push(text);
    }
}

fn words(hint: &Hint) -> String {
    let words = [hint.event.as_deref(), hint.phase.as_deref()];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    match &hint.data {
        None => words,
        Some(fields) if fields.is_empty() => format!("{words} (data)"),
        Some(fields) => format!("{words} (data: {})", some_of(fields)),
    }
}

fn some_of(fields: &[String]) -> String {
    let named = fields[..fields.len().min(MOST_FIELDS)].join(", ");
    match fields.len() - fields.len().min(MOST_FIELDS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn follows(hint: &Hint, item: &str, after: &PipelineState) -> Vec<String> {
    let Some(index) = after.index_of(item) else {
        return vec!["the item would be gone; `phaselog add` brings it back".to_owned()];
    };
    let item = after.item_at(index);
    let mut told = Vec::new();
    let place = hint
        .phase
        .as_ref()
        .and_then(|phase| after.plan.index_of(phase));
    if let (Some(phase), Some(place)) = (&hint.phase, place) {
        told.push(match item.phases[place].status {
            Status::Completed => format!("{phase} stays completed"),
            Status::Skipped => format!("{phase} stays skipped"),
            Status::Pending => format!("{phase} would run again"),
            Status::Failed => format!("{phase} stands as failed and would run again"),
            Status::InProgress => {
                format!(
                    "{phase} stands as in progress; handed back at its limit, it would run again"
                )
            }
        });
    } else if let Some(phase) = &hint.phase {
        told.push(format!("no plan would have {phase} any more"));
    }
    if hint.data.is_some() {
        let sources = item.data.iter().flat_map(|data| data.sources());
        let stays = sources.into_iter().any(|(_, by)| Some(by.seq) == hint.seq);
        told.push(if stays {
            "its data stays: the snapshot has it".to_owned()
        } else {
            "its data stands as before that record; `phaselog enrich` sets it again".to_owned()
        });
    }
    match hint.event.as_deref() {
        Some("held") if item.hold.is_none() => told.push("it would not be held".to_owned()),
        Some("unheld") if item.hold.is_some() => told.push("it would be held".to_owned()),
        Some("extracted") => told.push(match item.extraction.as_ref().and_then(|it| it.status) {
            Some(status) => format!("its extraction stands as {}", status.as_str()),
            None => "nothing is known of its extraction".to_owned(),
        }),
        _ => {}
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Event, ItemId, Phase, Record, Timestamp};

    #[test]
    fn hurt_lines_still_name_what_they_can() {
        let bytes = br#"x y 3 1 {"event":"completed","item":"100 N \"A\" St","phase":"p","token":2}
x y 4 1 {"event":"start\0d","item":"b","phase":"p"
x y 5 1 {"event":"planned","phases":[]}
~~~~
"#;
        let found = hints(bytes);
        assert_eq!(found.len(), 3, "{found:?}");
        let named = |index: usize| found[index].item.as_deref();
        assert_eq!(
            (found[0].seq, named(0)),
            (Some(Seq::new(3)), Some("100 N \"A\" St"))
        );
        assert_eq!(found[0].event.as_deref(), Some("completed"));
        assert_eq!(
            (named(1), found[1].phase.as_deref()),
            (Some("b"), Some("p"))
        );
        assert_eq!(
            (named(2), found[2].event.as_deref()),
            (None, Some("planned"))
        );
    }

    #[test]
    fn joined_lines_are_two_records() {
        // The first is hurt inside, and the newline between them is gone.
        let bytes = br#"x y 3 1 {"at":"t","event":"started","item":"a","phase":"p"~~}!00000000 y 4 1 {"at":"t","event":"enriched","item":"b","data":{"object":{"price":3}}}
"#;
        let found = hints(bytes);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].event.as_deref(), Some("started"));
        assert_eq!(found[1].seq, Some(Seq::new(4)));
        assert_eq!(found[1].phase, None);
        assert_eq!(found[1].data, Some(vec!["price".to_owned()]));
        assert_eq!(words(&found[1]), "enriched (data: price)");
    }

    fn state() -> PipelineState {
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
        state
    }

    #[test]
    fn what_runs_again_follows_from_the_state_afterwards() {
        let hint = |item: &str, event: &str| Hint {
            item: Some(item.to_owned()),
            phase: Some("p".to_owned()),
            event: Some(event.to_owned()),
            ..Hint::default()
        };
        let told = touched(
            &[
                hint("a", "started"),
                hint("a", "completed"),
                hint("b", "added"),
            ],
            &state(),
        );
        assert_eq!(told[0].lost, ["started p", "completed p"]);
        assert_eq!(told[0].then, ["p would run again"]);
        assert!(told[1].then[0].contains("gone"));
    }

    #[test]
    fn a_plan_that_is_lost_is_told_with_what_is_left() {
        let bytes =
            br#"x y 2 1 {"event":"planned","phases":[{"phase":"p"},{"phase":"q","needs":["p"]}]}"#;
        let lost = hints(bytes);
        assert_eq!(
            beyond_items(&lost, &PipelineState::default()),
            [
                "lost: the plan p, q (needs p); no plan would be left: `phaselog plan set FILE` sets one"
            ]
        );
        assert_eq!(
            beyond_items(&lost, &state()),
            [
                "lost: the plan p, q (needs p); the plan would be p: `phaselog plan set FILE` changes it"
            ]
        );
    }
}
