//! What a file beside the root is compared with: what it said when it was written, as far as a root tells when that was.
//!
//! ```text
//!   its bytes are those that a root names          a snapshot as we wrote it: nothing in it is news
//!   an `imported` record carries its SHA-256       taken over before
//!   a root lies beside it, with its `log.seq`      the state at that record; `.bak` where the root says nothing.
//!                                                  Was it taken over since, and edited again: its version then
//!   else                                           nothing: it may only fill in
//! ```
//!
//! The file itself does not say when it was written: [`super::older`] looks whether it is older than the root.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::pipeline::event::ImportedFile;
use crate::pipeline::json::Extras;
use crate::pipeline::merge::Changed;
use crate::pipeline::spelling::Roundings;
use crate::pipeline::{ExtractionChange, Item, ItemExtraction, ItemId, Json, PipelineState};
use crate::position::Seq;
use crate::snapshot::import::Finding;

use super::older::Doubtful;

/// What one file is compared with.
pub(super) enum Against {
    /// It is a snapshot as we wrote it, of this record.
    Snapshot(Seq),
    /// What it said when it was written.
    Base(Box<Base>),
    /// Nothing tells when it was written.
    Nothing {
        /// Records with what an earlier version of the file said of an extraction.
        by_file: HashSet<Seq>,
        /// Another file of its kind lies in the store: its readers know its form.
        has_own: bool,
        /// What the file said the time before.
        last: Option<Box<LastTime>>,
    },
}

/// What a file that nothing tells the age of said the time before.
pub(super) struct LastTime {
    /// The record that took it over.
    pub(super) seq: Seq,
    /// The last record that took over what the file says now.
    pub(super) told: Seq,
    /// Its items.
    pub(super) items: Vec<ItemId>,
    /// Of their data what the file had that it has otherwise by now, or no more.
    pub(super) data: HashMap<ItemId, Json>,
    /// What it said of extractions, item by item.
    pub(super) said: HashMap<ItemId, ExtractionChange>,
    /// Its fields that we do not know.
    pub(super) extras: Extras,
}

/// What a file said when it was written, or when it was taken over last.
pub(super) struct Base {
    /// The state when it was written, without the data.
    pub(super) state: Rc<PipelineState>,
    /// The record of its version that was taken over since.
    pub(super) version: Option<Seq>,
    /// The items that it had data of, with what the file that is compared has otherwise.
    pub(super) data: HashMap<ItemId, Option<Box<Changed>>>,
    /// What it said of extractions, item by item.
    pub(super) said: HashMap<ItemId, ExtractionChange>,
    /// What was odd in it then, and is no news.
    pub(super) findings: Vec<Finding>,
    /// Which of the known shapes it had.
    pub(super) shape: String,
    /// Its fields that we do not know.
    pub(super) extras: Extras,
    /// Records with what an earlier version of the file said of an extraction.
    pub(super) by_file: HashSet<Seq>,
    /// What in the file is perhaps no edit.
    pub(super) doubtful: Doubtful,
    /// Numbers that it has as a double makes them of what it had.
    pub(super) roundings: Roundings,
    /// The last record with these bytes, if a snapshot was put in the place of the file since: it was put back.
    pub(super) put_back: Option<Seq>,
}

/// What data of an item a file had when it was written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Had<'b> {
    /// None.
    Nothing,
    /// What it has now, or the item does not stand in it any more.
    Same,
    /// Other.
    Other(&'b Changed),
}

impl Base {
    /// The item as the state has it, without the data.
    pub(super) fn item(&self, name: &ItemId) -> Option<Cow<'_, Item>> {
        let index = self.state.index_of(name.as_str())?;
        Some(self.state.item_at(index))
    }

    /// The data that the file had of an item.
    pub(super) fn data(&self, name: &ItemId) -> Had<'_> {
        match self.data.get(name) {
            None => Had::Nothing,
            Some(None) => Had::Same,
            Some(Some(changed)) => Had::Other(changed),
        }
    }

    /// What the file said of its extraction; `None` if nothing.
    pub(super) fn extraction(&self, name: &ItemId) -> Option<&ExtractionChange> {
        self.said.get(name)
    }

    /// True if the extraction of an item, which stands as it does since that record, is another than the file knew.
    fn has_moved(&self, name: &ItemId, ours: &ItemExtraction) -> bool {
        let Some(version) = self.version else {
            let then = self.item(name);
            let then = then.as_ref().and_then(|item| item.extraction.as_ref());
            return then.map_or(Seq::NONE, |it| it.since) != ours.since;
        };
        let said = self.extraction(name).and_then(|said| said.status);
        // Where the log stayed when that version was taken over, it still stands apart.
        let apart = said.is_some() && said != ours.status;
        apart || ours.since > version && !self.by_file.contains(&ours.since)
    }

    /// The items that the file had, in the order of the state.
    pub(super) fn names(&self, kind: &str) -> Vec<ItemId> {
        let has = |name: &ItemId| match kind {
            ImportedFile::EXTRACTION => self.extraction(name).is_some(),
            _ => self.data.contains_key(name),
        };
        let items = self.state.items().map(|item| item.name.clone());
        let mut names: Vec<ItemId> = items.filter(has).collect();
        // Those that came in since.
        let is_later = |name: &&ItemId| self.state.index_of(name.as_str()).is_none();
        let said = self.said.keys().chain(self.data.keys());
        let mut later: Vec<ItemId> = said.filter(is_later).cloned().collect();
        later.sort_unstable();
        names.append(&mut later);
        names
    }
}

impl Against {
    /// What is known of what the file was made from.
    pub(super) const fn base(&self) -> Option<&Base> {
        match self {
            Self::Base(base) => Some(base),
            Self::Snapshot(_) | Self::Nothing { .. } => None,
        }
    }

    /// What the file said the time before, where nothing tells what it was made from.
    pub(super) fn last(&self) -> Option<&LastTime> {
        match self {
            Self::Nothing { last, .. } => last.as_deref(),
            Self::Base(_) | Self::Snapshot(_) => None,
        }
    }

    /// True if the log stands apart from what the file was made from. Of a file that does not tell what that was: if it was not
    /// an earlier version of that file that said so last, nor stood so already when that said the same.
    pub(super) fn has_moved(&self, name: &ItemId, ours: &ItemExtraction) -> bool {
        match self {
            Self::Base(base) => base.has_moved(name, ours),
            Self::Nothing { by_file, last, .. } => {
                let is_as_said = |last: &LastTime| {
                    let said = last.said.get(name).and_then(|said| said.status);
                    said.is_some() && said == ours.status && ours.since <= last.seq
                };
                !(by_file.contains(&ours.since) || last.as_deref().is_some_and(is_as_said))
            }
            Self::Snapshot(_) => true,
        }
    }
}
