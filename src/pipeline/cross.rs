//! Whether an item's image extraction and its phases tell of the same.

use super::extraction::ExtractionStatus;
use super::item::Item;
use super::names::Phase;
use super::plan::Plan;
use super::status::Status;

/// True for a phase that works on images, by its name: `phase2_images`, `phase2a_exterior`, `photos`.
fn is_of_images(phase: &Phase) -> bool {
    let name = phase.as_str();
    name.starts_with("phase2") || name.contains("image") || name.contains("photo")
}

/// The phase of an item that contradicts its extraction, and how it stands: all phases about images are open though the
/// extraction is completed, or one of them is completed though the extraction is not.
pub fn crossed<'p>(
    plan: &'p Plan,
    item: &Item,
    extraction: ExtractionStatus,
) -> Option<(&'p Phase, Status)> {
    let planned = plan.phases().iter().zip(&item.phases);
    let of_images = planned
        .map(|(planned, state)| (&planned.phase, state.status))
        .filter(|(phase, _)| is_of_images(phase));
    let mut of_images = of_images;
    if extraction != ExtractionStatus::Completed {
        return of_images.find(|(_, status)| *status == Status::Completed);
    }
    let first = of_images.next()?;
    let is_open = |status| matches!(status, Status::Pending | Status::Failed);
    let all_open = is_open(first.1) && of_images.all(|(_, status)| is_open(status));
    all_open.then_some(first)
}

/// True if one says that a phase is done, and the other that it is still to be done.
pub const fn contradicts(one: Status, other: Status) -> bool {
    const fn is_open(status: Status) -> bool {
        matches!(
            status,
            Status::Pending | Status::InProgress | Status::Failed
        )
    }
    matches!(one, Status::Completed) && is_open(other)
        || is_open(one) && matches!(other, Status::Completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{ItemId, PhasePlan};

    #[test]
    fn an_extraction_and_its_phases_should_say_the_same() {
        use Status::{Completed, Failed, InProgress, Pending};
        let done = ExtractionStatus::Completed;
        for (extraction, phases, crossed_in) in [
            (done, [Completed, Pending, Failed], Some("phase2a_exterior")),
            (done, [Pending, Completed, Pending], None),
            (done, [Pending, InProgress, Pending], None),
            (
                ExtractionStatus::Failed,
                [Pending, Pending, Completed],
                Some("phase2b_interior"),
            ),
            (
                ExtractionStatus::InProgress,
                [Completed, Pending, InProgress],
                None,
            ),
        ] {
            let names = ["phase1_listing", "phase2a_exterior", "phase2b_interior"];
            let plan = names.map(|name| PhasePlan::named(Phase::new(name).unwrap()));
            let plan = Plan::new(plan.to_vec()).unwrap();
            let mut item = Item::new(ItemId::new("1 A St").unwrap(), phases.len());
            for (phase, status) in item.phases.iter_mut().zip(phases) {
                phase.status = status;
            }
            let found = crossed(&plan, &item, extraction);
            let phase = found.map(|(phase, _)| phase.as_str());
            assert_eq!(phase, crossed_in, "{extraction:?} {phases:?}");
        }
    }

    #[test]
    fn images_are_told_by_the_name_of_the_phase() {
        for (name, wanted) in [
            ("phase2_images", true),
            ("phase2b_interior", true),
            ("photos", true),
            ("phase1_map", false),
        ] {
            assert_eq!(is_of_images(&Phase::new(name).unwrap()), wanted, "{name}");
        }
    }
}
