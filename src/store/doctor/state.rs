//! What the state itself shows: times in the future, names that are nearly one, work that is stuck.

use std::collections::HashMap;

use crate::pipeline::cross;
use crate::pipeline::ready::{self, Reason};
use crate::pipeline::{Facts, Item, PipelineState, Status, Timestamp};
use crate::snapshot::import::phases_said;

use super::super::View;
use super::Finding;

/// Clocks of two machines may differ by so much.
const AHEAD_US: u64 = 60_000_000;

/// Looks at every item once.
pub(super) fn look(view: &View, findings: &mut Vec<Finding>) {
    let (facts, now): (&dyn Facts, _) = (view.state(), view.now());
    let mut names = Names::default();
    let mut stuck = 0_u64;
    let mut without_data = WithoutData::default();
    for index in 0..facts.item_count() {
        let Some(item) = facts.item(index) else {
            continue;
        };
        names.note(index, &item, findings);
        findings.extend(crossed(facts, &item));
        without_data.note(&item);
        let limit = now.at.plus_micros(AHEAD_US);
        let checked = item.extraction.as_ref().and_then(|it| it.last_checked);
        findings.extend(future("last_checked", checked, limit, &item, None));
        for (phase, state) in item.phases.iter().enumerate() {
            let name = facts.plan().phases()[phase].phase.as_str();
            let times = [
                ("started_at", state.started_at),
                ("completed_at", state.completed_at),
                ("failed_at", state.failed_at),
            ];
            for (key, at) in times {
                findings.extend(future(key, at, limit, &item, Some(name)));
            }
            let reason = ready::reason(facts.plan(), &item, phase, now);
            stuck += u64::from(reason == Reason::Stuck);
        }
    }
    findings.extend(without_data.finding());
    crossed_phases(view.state(), findings);
    if stuck > 0 {
        findings.push(
            Finding::warning("D-STUCK", ".")
                .saying(format!(
                    "phases in progress for longer than their limit: {stuck}"
                ))
                .then("resume", &[]),
        );
    }
}

fn future(
    key: &str,
    at: Option<Timestamp>,
    limit: Timestamp,
    item: &Item,
    phase: Option<&str>,
) -> Option<Finding> {
    let at = at.filter(|at| *at > limit)?;
    Some(
        Finding::warning("D-FUTURE", "log")
            .about(Some(item.name.as_str()), phase)
            .saying(format!("{key} is {at}, which is still to come"))
            .advice("look at the clock of whoever wrote it; a time without its zone was perhaps read in another"),
    )
}

/// Done in the extraction and open in its phases, or the other way round.
fn crossed(facts: &dyn Facts, item: &Item) -> Option<Finding> {
    let extraction = item.extraction.as_ref()?.status?;
    let (phase, status) = cross::crossed(facts.plan(), item, extraction)?;
    let words = (extraction.as_str(), status.as_str());
    Some(
        Finding::warning("D-CROSS", "log")
            .about(Some(item.name.as_str()), Some(phase.as_str()))
            .saying(format!(
                "its extraction is {}, and the phase is {}",
                words.0, words.1
            ))
            .then("show", &[item.name.as_str()]),
    )
}

/// Phases that are done by what a script keeps beside the extractions, and open here; and the other way round. What it calls
/// open may well be done by now, and of that there may be much: it is summed up.
fn crossed_phases(state: &PipelineState, findings: &mut Vec<Finding>) {
    let file = "extraction_state.json";
    let companion = state.extraction.as_ref();
    let (mut behind, mut first) = (0_u64, None);
    for said in companion.map_or_else(Vec::new, |it| phases_said(&it.extras)) {
        let now = state.phase_named(&said.item, &said.phase);
        let Some(now) = now.filter(|now| cross::contradicts(said.status, now.status)) else {
            continue;
        };
        let status = now.status.as_str();
        let words = format!("phase_status has {}, and the phase is {status}", said.word);
        if said.status == Status::Completed {
            findings.push(
                Finding::warning("D-CROSS", file)
                    .about(Some(&said.item), Some(&said.phase))
                    .saying(words)
                    .then("show", &[&said.item]),
            );
            continue;
        }
        behind += 1;
        first.get_or_insert((said.item, said.phase, words));
    }
    if let Some((item, phase, words)) = first {
        let words = match behind {
            1 => words,
            all => format!("{words}; so it is with {all} phases, this is the first"),
        };
        findings.push(
            Finding::note("D-CROSS", file)
                .about(Some(&item), Some(&phase))
                .saying(words)
                .advice("if the phase is done, phase_status is out of date: set or remove it there, then import the file"),
        );
    }
}

/// Items that have no data where others have some.
#[derive(Default)]
struct WithoutData {
    with: u64,
    without: u64,
    first: Option<String>,
}

impl WithoutData {
    fn note(&mut self, item: &Item) {
        if item.data.is_some() {
            self.with += 1;
            return;
        }
        self.without += 1;
        self.first.get_or_insert_with(|| item.name.to_string());
    }

    fn finding(self) -> Option<Finding> {
        let first = self.first.filter(|_| self.with > 0)?;
        let note = Finding::note("D-ONLY-IN", "enrichment_data.json").about(Some(&first), None);
        Some(
            note.saying(format!(
                "items without data, though {} have some: {}, this is the first",
                self.with, self.without
            ))
            .then("enrich", &[&first, "FIELD=JSON"]),
        )
    }
}

/// Names and ids that were seen, as nobody would tell them apart.
#[derive(Default)]
struct Names {
    plain: HashMap<String, usize>,
    ids: HashMap<String, usize>,
}

impl Names {
    fn note(&mut self, index: usize, item: &Item, findings: &mut Vec<Finding>) {
        let name = item.name.as_str();
        if let Some(other) = self.plain.insert(plain(name), index) {
            findings.push(
                Finding::warning("D-NEAR-DUPLICATE", "log")
                    .about(Some(name), None)
                    .saying(format!("it and index {other} may be the same: they differ in case, commas or spaces only"))
                    .then("hold", &[name]),
            );
        }
        if let Some(other) = self.ids.insert(item.id(), index) {
            findings.push(
                Finding::note("D-SAME-ID", "log")
                    .about(Some(name), None)
                    .saying(format!(
                        "it has the id {} of index {other}; `id:` names neither",
                        item.id()
                    ))
                    .advice("name them in full, or by index:N"),
            );
        }
    }
}

/// A name without what people write in two ways: case, commas, full stops, how many spaces.
pub(super) fn plain(name: &str) -> String {
    let bare = name.to_lowercase().replace([',', '.'], " ");
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{ItemId, Json};

    #[test]
    fn items_without_data_are_told_only_where_others_have_some() {
        let mut item = Item::new(ItemId::new("1 A St").unwrap(), 0);
        let mut seen = WithoutData::default();
        seen.note(&item);
        assert_eq!(seen.finding(), None);
        let object = Json::from_value(&serde_json::json!({"beds": 3}));
        let data = crate::pipeline::enrichment::ItemData::from_parts(object, None, Vec::new());
        let mut seen = WithoutData::default();
        seen.note(&item);
        item.data = Some(data.into());
        seen.note(&item);
        let found = seen.finding().unwrap();
        assert!(
            found.message.contains("1 have some: 1,"),
            "{}",
            found.message
        );
        assert_eq!(found.severity, super::super::Severity::Note);
    }

    #[test]
    fn a_name_is_plain_without_what_is_written_in_two_ways() {
        assert_eq!(plain("1  A St.,Mesa"), plain("1 a st mesa"));
        assert_ne!(plain("1 A St"), plain("1 A Rd"));
    }
}
