//! What an imported file says about itself, held against what its phases say.

use std::collections::HashMap;

use super::finding::{About, Remark};
use super::item::Draft;
use super::reader::{Reader, Tally};
use super::tree::{Field, Node};
use crate::pipeline::item::Hold;
use crate::pipeline::status::ItemStatus;
use crate::pipeline::{Item, Plan};
use crate::position::Seq;

/// What each line of a summary may be called; the last row is the total.
const SUMMARY: [(&[&str], Option<ItemStatus>); 6] = [
    (&["pending"], Some(ItemStatus::Pending)),
    (&["in_progress"], Some(ItemStatus::InProgress)),
    (&["completed", "complete"], Some(ItemStatus::Completed)),
    (&["failed"], Some(ItemStatus::Failed)),
    (&["blocked"], Some(ItemStatus::Blocked)),
    (&["total", "total_items", "total_properties"], None),
];

/// Compares each item's own status with the one derived from its phases, which counts from now on. Returns the latter.
pub(super) fn statuses(
    reader: &mut Reader<'_>,
    drafts: &mut [Draft],
    plan: &Plan,
) -> Vec<ItemStatus> {
    let mut all = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let derived = derive(draft, plan);
        all.push(derived);
        let Some(says) = draft.says.as_ref().filter(|says| !says.unknown()) else {
            continue;
        };
        // An item that is skipped, but has open phases, was reported when it was read.
        let same = says.meaning.item_status() == derived || derived == ItemStatus::Blocked;
        if same && !(says.done() && derived != ItemStatus::Completed) {
            continue;
        }
        let remark = if says.done() {
            Remark::judged("I-ITEM-STATUS", says.at)
        } else {
            Remark::note("I-ITEM-STATUS", says.at)
        };
        let word = derived.as_str();
        let message = format!(
            "the item says {:?}, its phases say {word}; the phases count",
            says.word
        );
        let about = About::item(draft.import.name.as_str());
        reader.remark(
            remark
                .about(about)
                .found(&says.word)
                .decided(word)
                .says(message),
        );
        let word = says.word.clone();
        draft.keep("status", &word);
    }
    all
}

/// The status that the item will have here.
fn derive(draft: &Draft, plan: &Plan) -> ItemStatus {
    let mut item = Item::new(draft.import.name.clone(), plan.phases().len());
    for (phase, status) in &draft.phases {
        if let Some(index) = plan.index_of(phase.as_str()) {
            item.phases[index].status = *status;
        }
    }
    let (seq, reason) = (Seq::NONE, None);
    item.hold = draft
        .import
        .held
        .as_ref()
        .map(|_| Box::new(Hold { seq, reason }));
    item.status()
}

/// Notes the items that lack phases of the plan: those are pending.
pub(super) fn phase_sets(reader: &mut Reader<'_>, drafts: &[Draft], plan: &Plan) {
    for draft in drafts {
        let phases = draft.phases.iter().map(|(phase, _)| phase.as_str());
        let has = |name: &str| phases.clone().any(|phase| phase == name);
        let names = plan.phases().iter().map(|plan| plan.phase.as_str());
        let missing: Vec<&str> = names.filter(|name| !has(name)).collect();
        if missing.is_empty() {
            continue;
        }
        let there: Vec<&str> = phases.clone().collect();
        let missing = missing.join(", ");
        let about = About::item(draft.import.name.as_str());
        let remark = Remark::note("I-PHASE-SET", draft.at)
            .about(about)
            .found(there.join(", "));
        let message =
            format!("the item lacks phases that others have; they are pending: {missing}");
        reader.remark(remark.decided(format!("pending: {missing}")).says(message));
    }
}

/// Reports items whose names differ only in case, commas and full stops. They stay two.
pub(super) fn near_duplicates(reader: &mut Reader<'_>, drafts: &[Draft]) {
    let mut first: HashMap<String, &Draft> = HashMap::with_capacity(drafts.len());
    for draft in drafts {
        let name = draft.import.name.as_str();
        let plain = name.to_lowercase().replace([',', '.'], "");
        let Some(other) = first.get(&plain) else {
            first.insert(plain, draft);
            continue;
        };
        let other = other.import.name.as_str();
        let remark = Remark::judged("I-NEAR-DUPLICATE", draft.at).about(About::item(name));
        let message = format!("{name:?} and {other:?} may be the same; they stay two items");
        reader.remark(remark.found(other).decided("two items").says(message));
    }
}

/// Notes items whose own `index` is not their place: the place counts.
pub(super) fn indexes(reader: &mut Reader<'_>, drafts: &mut [Draft]) {
    let mut differs = Tally::default();
    for (place, draft) in drafts.iter_mut().enumerate() {
        let is_other = |(text, _): &&(String, usize)| *text != place.to_string();
        if let Some((text, at)) = draft.index.as_ref().filter(is_other).cloned() {
            differs.add(at, &text);
            draft.keep("index", &text);
        }
    }
    if differs.count > 0 {
        let message = format!(
            "index is not the place in the file ({} items); the place counts",
            differs.count
        );
        reader.remark(
            differs
                .note("I-INDEX")
                .decided("the place in the file")
                .says(message),
        );
    }
}

/// Compares the file's summary with the counts derived from the items, which count from now on.
pub(super) fn summary(reader: &mut Reader<'_>, field: Option<&Field<'_>>, derived: &[ItemStatus]) {
    let Some(field) = field.filter(|field| !field.node.is_blank()) else {
        return;
    };
    let count = |status: Option<ItemStatus>| match status {
        Some(status) => derived.iter().filter(|other| **other == status).count(),
        None => derived.len(),
    };
    let mut differences = Vec::new();
    for (names, status) in SUMMARY {
        let Some(said) = names
            .iter()
            .find_map(|name| number(reader, field.node.get(name)))
        else {
            continue;
        };
        let counted = count(status);
        if (said - counted as f64).abs() > f64::EPSILON {
            differences.push(format!("{} {said}, counted {counted}", names[0]));
        }
    }
    if let Some(said) = number(reader, field.node.get("completion_percentage")) {
        let done = count(Some(ItemStatus::Completed)) as f64;
        let counted = if derived.is_empty() {
            0.0
        } else {
            done / derived.len() as f64 * 100.0
        };
        // Others round to one decimal, as we do, or not at all.
        if (said - counted).abs() > 0.051 {
            differences.push(format!(
                "completion_percentage {said}, counted {counted:.1}"
            ));
        }
    }
    if field.node.fields().is_none() {
        differences.push(format!("it is {}", field.node.kind()));
    }
    if differences.is_empty() {
        return;
    }
    let counts: Vec<String> = SUMMARY
        .iter()
        .map(|(names, status)| format!("{} {}", names[0], count(*status)))
        .collect();
    let remark = Remark::note("I-SUMMARY", field.node.at).found(reader.source(&field.node));
    let message = format!(
        "the summary does not add up: {}; the items count",
        differences.join("; ")
    );
    reader.remark(remark.decided(counts.join(", ")).says(message));
}

/// Compares the number of items that the session counts with those that were read.
pub(super) fn session(reader: &mut Reader<'_>, field: Option<&Field<'_>>, items: usize) {
    let total = field.and_then(|field| field.node.get("total_items"));
    let (Some(node), Some(said)) = (total, number(reader, total)) else {
        return;
    };
    if (said - items as f64).abs() > f64::EPSILON {
        let remark = Remark::note("I-SUMMARY", node.at).found(reader.source(node));
        let message = format!(
            "the session counts {said} items, {items} were read; those that were read count"
        );
        reader.remark(remark.decided(items.to_string()).says(message));
    }
}

fn number(reader: &Reader<'_>, node: Option<&Node<'_>>) -> Option<f64> {
    reader.source(node?).parse().ok()
}
