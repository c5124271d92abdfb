//! What a file with extractions says against the phases of the items.

use crate::pipeline::cross::{contradicts, crossed};
use crate::pipeline::same::both_same;
use crate::pipeline::{ExtractionChange, Item, PipelineState, Plan};
use crate::snapshot::import::{BesideItem, PHASE_STATUS, phases_said};

use super::one::One;

/// Holds an extraction against the phases that are about images.
pub(super) fn cross(
    plan: &Plan,
    item: &BesideItem,
    change: &ExtractionChange,
    known: &Item,
    one: &mut One<'_>,
) {
    let Some(extraction) = change.status else {
        return;
    };
    let Some((phase, status)) = crossed(plan, known, extraction) else {
        return;
    };
    let (file, status) = (extraction.as_str(), status.as_str());
    let message = format!("its extraction is {file}, but {phase} is {status}; both stay");
    let found = one.judge("I-CROSS", Some(item), file, "both stay", message);
    found.phase = Some(phase.to_string());
}

/// Holds what the file says of phases against the phases, where that is news.
pub(super) fn phases(state: &PipelineState, one: &mut One<'_>) {
    let theirs = &one.original.document.file.extras;
    let before = one.base().map(|base| &base.extras);
    if before.is_some_and(|before| both_same(before.get(PHASE_STATUS), theirs.get(PHASE_STATUS))) {
        return;
    }
    let before = before.map(phases_said).unwrap_or_default();
    for said in phases_said(theirs) {
        let now = state.phase_named(&said.item, &said.phase);
        let Some(now) = now.filter(|now| contradicts(said.status, now.status)) else {
            continue;
        };
        if before.contains(&said) {
            continue;
        }
        let (word, phase, status) = (&said.word, &said.phase, now.status.as_str());
        let message = format!("{PHASE_STATUS} has {word}, but {phase} is {status}; both stay");
        let mut items = one.original.document.items.iter();
        let stands = items.find(|it| it.name.as_str() == said.item);
        let found = one.judge("I-CROSS", stands, word, "both stay", message);
        (found.item, found.phase) = (Some(said.item), Some(said.phase));
    }
}
