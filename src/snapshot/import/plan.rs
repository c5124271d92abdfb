//! The plan of an imported file: its own, else the phases that its items have.

use std::collections::HashMap;

use super::finding::{About, Remark};
use super::item::Draft;
use super::reader::Reader;
use super::tree::Field;
use crate::error::Error;
use crate::pipeline::plan::PhasePlan;
use crate::pipeline::short::cut;
use crate::pipeline::{Phase, Plan};

/// Reads the plan. Phases that items have besides it come in where they first stand.
pub(super) fn read(
    reader: &mut Reader<'_>,
    field: Option<&Field<'_>>,
    drafts: &[Draft],
) -> Result<Plan, Error> {
    let own = match field.filter(|field| !field.node.is_blank()) {
        Some(field) => of_document(reader, field)?,
        None => Vec::new(),
    };
    let has_own = !own.is_empty();
    let mut order: Vec<Phase> = own.iter().map(|plan| plan.phase.clone()).collect();
    let mut unplanned = Vec::new();
    for draft in drafts {
        let phases = draft.phases.iter().map(|(phase, _)| phase);
        merge(&mut order, &phases.collect::<Vec<_>>(), |phase| {
            unplanned.push((phase.clone(), draft));
        });
    }
    if has_own {
        for (phase, draft) in unplanned {
            let about = About::item(draft.import.name.as_str()).phase(phase.as_str());
            let remark = Remark::note("I-PHASE-SET", draft.at).about(about);
            let message = format!("{phase} is not in the file's plan; it is added to it");
            reader.remark(
                remark
                    .found(phase.as_str())
                    .decided("added to the plan")
                    .says(message),
            );
        }
    }
    let mut own: HashMap<Phase, PhasePlan> = own
        .into_iter()
        .map(|plan| (plan.phase.clone(), plan))
        .collect();
    let planned = |phase: Phase| {
        own.remove(&phase)
            .unwrap_or_else(|| PhasePlan::named(phase))
    };
    let phases: Vec<PhasePlan> = order.into_iter().map(planned).collect();
    if phases.is_empty() {
        return Ok(Plan::default());
    }
    let at = field.map_or(0, |field| field.node.at);
    let plan = Plan::new(phases).map_err(|error| reader.error(at, error.to_string()))?;
    Ok(if reader.options.linear {
        plan.linear()
    } else {
        plan
    })
}

/// The file's own plan: as we write it, or a list of names. Empty if it is something else.
fn of_document(reader: &mut Reader<'_>, field: &Field<'_>) -> Result<Vec<PhasePlan>, Error> {
    let node = &field.node;
    let list = node.list().unwrap_or_default();
    if list
        .first()
        .is_some_and(|first| first.get("phase").is_some())
    {
        let phases: Vec<PhasePlan> = serde_json::from_str(reader.source(node))
            .map_err(|error| reader.error(node.at, format!("the plan is none: {error}")))?;
        // Checked alone first, so that what is wrong with it is not blamed on the items.
        return match Plan::new(phases.clone()) {
            Ok(_) => Ok(phases),
            Err(error) => Err(reader.error(node.at, error.to_string())),
        };
    }
    let names: Option<Vec<Phase>> = list
        .iter()
        .map(|node| Phase::new(node.text()?).ok())
        .collect();
    let names = names.filter(|names| {
        !names.is_empty() && (1..names.len()).all(|at| !names[..at].contains(&names[at]))
    });
    if let Some(names) = names {
        return Ok(names.into_iter().map(PhasePlan::named).collect());
    }
    drop_field(
        reader,
        field,
        "it is no plan as it is written here; the items' phases are the plan",
    );
    Ok(Vec::new())
}

/// Characters of a field that are told where it is left out.
const LONG: usize = 400;

/// Reports a field of the document that cannot be carried along, because we write that key ourselves.
pub(super) fn drop_field(reader: &mut Reader<'_>, field: &Field<'_>, why: &str) {
    let text = cut(reader.source(&field.node), LONG);
    let remark = Remark::judged("I-FIELD", field.at).found(text);
    let message = format!("{}: {why}; only the original keeps it", field.key);
    reader.remark(remark.decided("left out").says(message));
}

/// Puts the phases of one item into the order of all. A new phase comes before the next one that is known already, so
/// that items with different phases agree where they can; without such a one it comes last.
fn merge(order: &mut Vec<Phase>, phases: &[&Phase], mut added: impl FnMut(&Phase)) {
    for (index, &phase) in phases.iter().enumerate() {
        if order.contains(phase) {
            continue;
        }
        let next = phases[index + 1..]
            .iter()
            .find_map(|next| order.iter().position(|known| known == *next));
        order.insert(next.unwrap_or(order.len()), phase.clone());
        added(phase);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(items: &[&str]) -> String {
        let mut order = Vec::new();
        for item in items {
            let phases: Vec<Phase> = item
                .split(' ')
                .map(|name| Phase::new(name).unwrap())
                .collect();
            merge(&mut order, &phases.iter().collect::<Vec<_>>(), |_| {});
        }
        let names: Vec<&str> = order.iter().map(Phase::as_str).collect();
        names.join(" ")
    }

    #[test]
    fn phases_come_in_the_order_in_which_they_appear() {
        assert_eq!(merged(&["a b c", "a b c"]), "a b c");
        assert_eq!(merged(&["a b", "c"]), "a b c");
        assert_eq!(merged(&["a c", "a b c"]), "a b c");
        assert_eq!(merged(&["c", "a b c d"]), "a b c d");
        assert_eq!(merged(&["a b", "b a x"]), "a b x");
    }
}
