//! What records say about items beside their phases: their data, their image extraction, and the files of both.

use super::PipelineState;
use crate::pipeline::enrichment::ItemData;
use crate::pipeline::event::{ImportedFile, Record};
use crate::pipeline::extraction::ItemExtraction;
use crate::pipeline::json::Extras;
use crate::pipeline::names::ItemId;
use crate::pipeline::time::Timestamp;

/// What a file beside the root says that no item says.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Companion {
    /// The shape in which it was imported last, which its readers know; empty if it never was.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub shape: Box<str>,
    /// The time of the newest record that changed something in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// Fields of the document that we do not know.
    #[serde(skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

impl PipelineState {
    /// Puts in the data of an item, as a snapshot has it; `None` if there is no such item.
    pub fn set_data(&mut self, item: usize, data: ItemData) -> Option<()> {
        self.shelf.set_data(item, Some(data))
    }

    /// Forgets the data of all items, for who needs everything else.
    pub fn forget_data(&mut self) {
        for item in 0..self.shelf.len() {
            self.shelf.set_data(item, None);
        }
    }

    /// Puts in how the extraction of an item stands, as a snapshot has it; `None` if there is no such item.
    pub fn set_extraction(&mut self, item: usize, extraction: ItemExtraction) -> Option<()> {
        self.shelf.at_mut(item)?.extraction = Some(Box::new(extraction));
        Some(())
    }

    /// What a record says about an item beside its phases.
    pub(super) fn learn(&mut self, item: &ItemId, record: &Record) {
        let (seq, at) = (record.seq, record.at);
        if let Some(change) = record.event.data() {
            ItemData::apply(&mut self.item_mut(item).data, change, seq, at);
            self.enrichment.get_or_insert_default().changed_at = Some(at);
        }
        if let Some(change) = record.event.extraction() {
            ItemExtraction::apply(&mut self.item_mut(item).extraction, change, seq, at);
            self.extraction.get_or_insert_default().changed_at = Some(at);
        }
    }

    /// Takes in what an imported file beside the root says that no item says; false if it is no such file.
    pub(super) fn note_companion(&mut self, record: &Record, file: &ImportedFile) -> bool {
        let companion = match &*file.kind {
            ImportedFile::ENRICHMENT => &mut self.enrichment,
            ImportedFile::EXTRACTION => &mut self.extraction,
            _ => return false,
        };
        let companion = companion.get_or_insert_default();
        companion.shape = file.shape.as_str().into();
        companion.changed_at = Some(record.at);
        if !file.extras.is_empty() {
            companion.extras = file.extras.clone();
        }
        true
    }
}
