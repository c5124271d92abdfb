//! Items that only a file beside the root knows: they are added, held, with that reason.

use crate::pipeline::merge::KNOWN_ONLY_TO;
use crate::pipeline::{Event, ItemId};
use crate::snapshot::import::{PHASE_STATUS, items_with_phases, phases_said};

use super::one::One;
use super::taking::Taking;

impl Taking<'_> {
    /// Adds items that the file names only where it keeps phases beside the extractions.
    pub(super) fn known_by_phases(&mut self, one: &mut One<'_>) {
        let extras = &one.original.document.file.extras;
        let said = phases_said(extras);
        let before = one.base().map(|base| items_with_phases(&base.extras));
        let before = before.unwrap_or_default();
        for text in items_with_phases(extras) {
            let name = match ItemId::new(&text) {
                Ok(name) => name,
                Err(_) if before.contains(&text) => continue,
                Err(error) => {
                    let message = format!(
                        "{PHASE_STATUS} has a key that is no item: {error}; it is left out"
                    );
                    one.judge("I-ITEM", None, &text, "left out", message);
                    continue;
                }
            };
            let is_known = self.state.index_of(&text).is_some();
            if is_known || !self.new.insert(name.clone()) {
                continue;
            }
            let of_item = said.iter().filter(|it| it.item == text);
            let words: Vec<String> = of_item
                .map(|it| format!("{} {}", it.phase, it.word))
                .collect();
            let words = match words.join(", ") {
                none if none.is_empty() => none,
                words => format!(" ({words})"),
            };
            let message = format!(
                "only {PHASE_STATUS} of the file knows the item{words}; it is added, held, and its phases are pending"
            );
            let finding = one.judge("I-ONLY-IN", None, &text, "added, held", message);
            finding.item = Some(text);
            self.add_held(&name, one);
        }
    }

    pub(super) fn add_held(&mut self, name: &ItemId, one: &mut One<'_>) {
        self.events.push(Event::Added {
            item: name.clone(),
            id: None,
            imported: None,
        });
        self.events.push(Event::Held {
            item: name.clone(),
            reason: Some(format!("{KNOWN_ONLY_TO}{}", one.file)),
        });
        one.result.added += 1;
    }
}
