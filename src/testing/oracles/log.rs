//! O1, O2, O3, O7: what the log must say, whoever reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Claim, Line, Model, Verdict};
use crate::PipelineState;

/// O1: every acknowledged record is present, in order, bit for bit, and so is whatever an answer rests on.
///
/// # Errors
/// What was promised and is not there.
pub fn o1_acknowledged_is_there(lines: &[Line], claims: &[Claim]) -> Verdict {
    let last = lines.last().map_or(0, |line| line.seq);
    for claim in claims {
        match claim {
            Claim::Recorded { seq, payload } => {
                let found = lines.iter().find(|line| line.seq == *seq);
                let found = found.map(Line::own_payload);
                if found.as_ref() != Some(payload) {
                    return Err(format!(
                        "O1: {seq} was acknowledged as {payload}; there is {found:?}"
                    ));
                }
            }
            Claim::Rests { on: seq } | Claim::Shown { seq } | Claim::Compacted { covers: seq } => {
                if *seq > last {
                    return Err(format!(
                        "O1: an answer rests on {seq}; the log ends at {last}"
                    ));
                }
            }
            Claim::Alarm { .. } => {}
        }
    }
    Ok(())
}

/// O2: the log is a beginning of what had been written when the crash came, without a gap, and no group in it lacks
/// its end. `written` is what could be read just before; `None` if nobody looked.
///
/// # Errors
/// The first record that is too many, out of order, or half a group.
pub fn o2_only_a_beginning_of_what_was_written(
    lines: &[Line],
    written: Option<&[Line]>,
) -> Verdict {
    for pair in lines.windows(2) {
        let after_loss = pair[1].payload.contains("\"lost\":[{");
        if pair[1].seq != pair[0].seq + 1 && !after_loss {
            return Err(format!("O2: {} follows {}", pair[1].seq, pair[0].seq));
        }
    }
    if let Some(first) = lines.first().filter(|first| first.seq != 1) {
        return Err(format!("O2: the log begins with {}", first.seq));
    }
    if let Some(half) = lines.last().filter(|last| last.goes_on()) {
        return Err(format!("O2: the group at {} has no end", half.seq));
    }
    let Some(written) = written else {
        return Ok(());
    };
    match (0..lines.len()).find(|&at| lines.get(at) != written.get(at)) {
        Some(at) => Err(format!(
            "O2: nobody wrote {:?}; {:?} was written there",
            lines[at],
            written.get(at)
        )),
        None => Ok(()),
    }
}

/// O3: the state is what a naive fold over the text of the log says.
///
/// # Errors
/// Both, where they differ.
pub fn o3_state_is_the_models(state: &PipelineState, lines: &[Line]) -> Verdict {
    let (model, shown) = (Model::fold(lines)?, Model::of_state(state));
    let last = lines.last().map_or(0, |line| line.seq);
    if state.last_seq.get() != last {
        return Err(format!(
            "O3: the state goes through {}, the log through {last}",
            state.last_seq
        ));
    }
    if shown == model {
        return Ok(());
    }
    Err(format!("O3: {shown:#?}\nbut the model says {model:#?}"))
}

/// What O7 follows of one phase of one item.
#[derive(Default)]
struct Right {
    /// The token of the last start, unless a retry took it away.
    token: Option<u64>,
    in_progress: bool,
}

/// O7: one owner at a time. Nothing is started that somebody is at, no report counts but under the last token given
/// out, and at most one `completed` under each.
///
/// # Errors
/// The first record that breaks it.
pub fn o7_one_owner(lines: &[Line]) -> Verdict {
    let mut rights: BTreeMap<(String, String), Right> = BTreeMap::new();
    let mut completed = BTreeSet::new();
    for line in lines {
        let event: Value =
            serde_json::from_str(&line.payload).map_err(|error| format!("O7: {error}"))?;
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let kind = text("event");
        for phase in event["imported"]["phases"].as_array().into_iter().flatten() {
            let name = phase["phase"].as_str().unwrap_or_default().to_owned();
            let right = rights.entry((text("item"), name)).or_default();
            right.in_progress = phase["status"] == "in_progress";
        }
        // A new plan may neither rename nor drop what is in progress, so its name stays.
        let wrong = |why: &str| Err(format!("O7: record {}, {}: {why}", line.seq, line.payload));
        let right = rights.entry((text("item"), text("phase"))).or_default();
        let token = event["token"].as_u64();
        match kind.as_str() {
            "started" => {
                if right.in_progress {
                    return wrong("somebody is at it already");
                }
                (right.token, right.in_progress) = (Some(line.seq), true);
            }
            "completed" | "failed" | "skipped" | "released" | "reset" | "renewed" => {
                if token.is_some() && token != right.token {
                    return wrong("its token is not the last one given out");
                }
                if matches!(kind.as_str(), "released" | "reset") && !right.in_progress {
                    return wrong("nobody is at it");
                }
                if kind == "completed" && token.is_some_and(|token| !completed.insert(token)) {
                    return wrong("completed twice under one token");
                }
                right.in_progress &= kind == "renewed";
            }
            "retried" => (right.token, right.in_progress) = (None, false),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(payloads: &[&str]) -> Vec<Line> {
        let numbered = payloads.iter().zip(1..);
        numbered
            .map(|(payload, seq)| Line {
                seq,
                payload: (*payload).to_owned(),
            })
            .collect()
    }

    fn event(kind: &str, token: u64) -> String {
        let token = if token == 0 {
            String::new()
        } else {
            format!(",\"token\":{token}")
        };
        format!("{{\"event\":\"{kind}\",\"item\":\"a\",\"phase\":\"p\"{token}}}")
    }

    fn o7(events: &[(&str, u64)]) -> Verdict {
        let texts: Vec<String> = events
            .iter()
            .map(|(kind, token)| event(kind, *token))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        o7_one_owner(&lines(&texts))
    }

    #[test]
    fn a_promise_that_is_not_kept_is_named() {
        let log = lines(&["{\"more\":true,\"event\":\"x\"}", "{\"event\":\"y\"}"]);
        let recorded = |seq, payload: &str| Claim::Recorded {
            seq,
            payload: payload.to_owned(),
        };
        o1_acknowledged_is_there(&log, &[recorded(1, "{\"event\":\"x\"}")]).unwrap();
        for broken in [
            recorded(3, "{\"event\":\"z\"}"),
            recorded(2, "{\"event\":\"x\"}"),
            Claim::Rests { on: 3 },
            Claim::Shown { seq: 3 },
        ] {
            assert!(o1_acknowledged_is_there(&log, &[broken]).is_err());
        }
    }

    #[test]
    fn what_nobody_wrote_is_named() {
        let log = lines(&["a", "b", "c"]);
        o2_only_a_beginning_of_what_was_written(&log[..2], Some(&log)).unwrap();
        assert!(o2_only_a_beginning_of_what_was_written(&log, Some(&log[..2])).is_err());
        assert!(o2_only_a_beginning_of_what_was_written(&log[1..], None).is_err());
        let gap = [log[0].clone(), log[2].clone()];
        assert!(o2_only_a_beginning_of_what_was_written(&gap, None).is_err());
        let half = lines(&["a", "{\"more\":true,\"event\":\"x\"}"]);
        assert!(o2_only_a_beginning_of_what_was_written(&half, None).is_err());
    }

    #[test]
    fn two_owners_are_named() {
        o7(&[("started", 0), ("completed", 1)]).unwrap();
        o7(&[("started", 0), ("reset", 1), ("completed", 1)]).unwrap();
        o7(&[
            ("started", 0),
            ("renewed", 1),
            ("failed", 1),
            ("started", 0),
        ])
        .unwrap();
        o7(&[("completed", 0), ("rejected", 9)]).unwrap();
        for broken in [
            &[("started", 0), ("started", 0)][..],
            &[("started", 0), ("renewed", 1), ("started", 0)],
            &[
                ("started", 0),
                ("reset", 1),
                ("started", 0),
                ("completed", 1),
            ],
            &[("started", 0), ("completed", 1), ("completed", 1)],
            &[("started", 0), ("completed", 1), ("reset", 1)],
            &[
                ("started", 0),
                ("failed", 1),
                ("retried", 0),
                ("completed", 1),
            ],
        ] {
            assert!(o7(broken).is_err(), "{broken:?}");
        }
    }
}
