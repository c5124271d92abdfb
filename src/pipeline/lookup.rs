//! From the words of a person to an item of the pipeline.

use super::facts::Facts;
use super::names::Phase;
use super::rejection::Rejection;

/// How many near misses an unknown item is answered with.
const NEAREST: usize = 3;

/// Finds an item by its exact text, else by `id:HEX`, else by `index:N`; the result is its index.
///
/// # Errors
/// [`Rejection::UnknownItem`] with the nearest names, or [`Rejection::AmbiguousItem`] if several items have the id.
pub fn resolve(facts: &dyn Facts, text: &str) -> Result<usize, Rejection> {
    if let Some(index) = facts.find(text) {
        return Ok(index);
    }
    if let Some(id) = text.strip_prefix("id:") {
        match *facts.find_id(id) {
            [] => {}
            [index] => return Ok(index),
            ref several => {
                let names = several.iter().filter_map(|&index| facts.item(index));
                let items = names.map(|item| item.name.clone()).collect();
                return Err(Rejection::AmbiguousItem {
                    text: text.to_owned(),
                    items,
                });
            }
        }
    }
    if let Some(index) = text
        .strip_prefix("index:")
        .and_then(|digits| digits.parse().ok())
        && facts.item(index).is_some()
    {
        return Ok(index);
    }
    Err(Rejection::UnknownItem {
        item: text.to_owned(),
        nearest: nearest(facts, text),
    })
}

/// Finds a phase of the plan; the result is its index.
///
/// # Errors
/// [`Rejection::UnknownPhase`] with the phases there are.
pub fn resolve_phase(facts: &dyn Facts, phase: &Phase) -> Result<usize, Rejection> {
    facts
        .plan()
        .index_of(phase.as_str())
        .ok_or_else(|| Rejection::UnknownPhase {
            phase: phase.clone(),
            known: facts
                .plan()
                .phases()
                .iter()
                .map(|plan| plan.phase.clone())
                .collect(),
        })
}

/// The names most like the text, the most similar first.
fn nearest(facts: &dyn Facts, text: &str) -> Vec<String> {
    let wanted = text.to_lowercase();
    let mut scored: Vec<(f64, usize)> = (0..facts.item_count())
        .filter_map(|index| {
            let item = facts.item(index)?;
            let score = strsim::jaro_winkler(&wanted, &item.name.as_str().to_lowercase());
            (score > 0.6).then_some((score, index))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let names = scored
        .iter()
        .take(NEAREST)
        .filter_map(|&(_, index)| facts.item(index));
    names.map(|item| item.name.to_string()).collect()
}
