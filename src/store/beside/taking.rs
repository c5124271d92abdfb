//! The merge of one file beside the root after the other: events, and what a person should know.

use std::collections::HashSet;

use crate::error::Result;
use crate::pipeline::enrichment::{FieldChange, SetBy};
use crate::pipeline::event::ImportedFile;
use crate::pipeline::json::{Extras, Json};
use crate::pipeline::merge::{
    Before, DataMerge, DocumentMerge, ExtractionMerge, Last, MergedDocument, says_the_same,
};
use crate::pipeline::short::short;
use crate::pipeline::spelling::{Roundings, respelled};
use crate::pipeline::{DataChange, Event, ExtractionChange, Item, ItemId, PipelineState};
use crate::ports::Disk;
use crate::snapshot::import::{BesideItem, Finding, Says, Span};

use super::super::given::BesideOriginal;
use super::super::lineage::is_same_place;
use super::super::merge::keep_notes;
use super::super::originals::Values;
use super::against::{Against, Had};
use super::cross::{cross, phases};
use super::one::{One, doubted, fields_gone, gone, news, shown, words};
use super::sayable::said_by_shape;
use super::shape::{form, shape};
use super::{BesideResult, KnownAs, before, is_there_again, known_as};

pub(super) struct Taking<'s> {
    disk: &'s dyn Disk,
    pub(super) state: &'s PipelineState,
    prefer_file: bool,
    /// Items that are added here.
    pub(super) new: HashSet<ItemId>,
    pub(super) events: Vec<Event>,
}

impl<'s> Taking<'s> {
    pub(super) fn new(disk: &'s dyn Disk, state: &'s PipelineState, prefer_file: bool) -> Self {
        let (new, events) = (HashSet::new(), Vec::new());
        Self {
            disk,
            state,
            prefer_file,
            new,
            events,
        }
    }

    pub(super) fn into_events(self) -> Vec<Event> {
        self.events
    }

    pub(super) fn file(
        &mut self,
        original: &BesideOriginal,
        against: Option<&Against>,
        open: &dyn Fn() -> Result<Values>,
    ) -> Result<BesideResult> {
        let document = &original.document;
        let known = known_as(self.disk, &self.state.imports, original, against);
        if let Some(known) = known
            && (matches!(known, KnownAs::Snapshot(_)) || !self.prefer_file)
        {
            return Ok(BesideResult {
                known: Some(known),
                unchanged: document.items.len(),
                ..BesideResult::default()
            });
        }
        let file = original.path.file_name().unwrap_or_default();
        let mut one = One {
            original,
            file: file.to_string_lossy().into_owned(),
            against,
            values: open()?,
            paths: self.paths_of(&document.file.path),
            result: BesideResult::default(),
            bookkeeping: 0,
            roundings: Roundings::default(),
            is_news: false,
        };
        if let Some(base) = one.base() {
            one.roundings.join(base.roundings.clone());
        }
        one.result.findings = news(original, against);
        let at = self.events.len();
        for item in &document.items {
            self.item(item, &mut one)?;
        }
        self.known_by_phases(&mut one);
        gone(&mut one);
        phases(self.state, &mut one);
        let imported = self.imported(&mut one);
        if one.bookkeeping > 0 {
            let (file, items) = (&one.file, one.bookkeeping);
            let message = format!(
                "items of {file} in which only the time of their last update was changed: {items}; that says nothing"
            );
            one.note("I-FIELD", &items.to_string(), "left out", message);
        }
        if let Some(message) = one.roundings.words(&one.file) {
            let count = one.roundings.count.to_string();
            one.note("I-FIELD", &count, "all digits stay", message);
        }
        // One that was taken over before has its record; it gets another only for what is new, or where it lies there again in
        // place of another.
        let imports = &self.state.imports;
        let is_again = |base| is_there_again(self.disk, imports, original, base);
        let is_back = one.base().is_some_and(is_again);
        let is_data = imported.kind == ImportedFile::ENRICHMENT;
        let is_changed = !imported.extras.is_empty() || imported.shape != form(self.state, is_data);
        let is_news = self.events.len() > at
            || is_changed
            || is_back
            || one.is_news
            || before(&self.state.imports, original).is_none();
        if is_news {
            self.events.insert(at, Event::Imported(Box::new(imported)));
            one.result.recorded = true;
        } else {
            one.result.known = known;
            keep_notes(&mut one.result.findings);
        }
        let place = |finding: &Finding| (finding.line, finding.column);
        one.result.findings.sort_by_key(place);
        Ok(one.result)
    }

    /// The record of the file itself: its shape where that was changed, and its fields that nobody knows, merged.
    fn imported(&self, one: &mut One<'_>) -> ImportedFile {
        let mut file = one.original.document.file.clone();
        let is_data = file.kind == ImportedFile::ENRICHMENT;
        let companion = if is_data {
            &self.state.enrichment
        } else {
            &self.state.extraction
        };
        if companion.is_some() {
            shape(self.state, self.prefer_file, one).clone_into(&mut file.shape);
        }
        let base = one.base();
        let none = Extras::default();
        let ours = companion.as_ref().map_or(&none, |it| &it.extras);
        file.extras = self.extras(base.map(|base| &base.extras), &file.extras, ours, one);
        file
    }

    /// The fields of the document that nobody knows, as they are to be; none if they stay as they are.
    fn extras(
        &self,
        base: Option<&Extras>,
        theirs: &Extras,
        ours: &Extras,
        one: &mut One<'_>,
    ) -> Extras {
        let MergedDocument {
            extras,
            conflicts,
            gone,
            roundings,
        } = DocumentMerge {
            base,
            since: None,
            last: one.against.and_then(Against::last).map(|last| &last.extras),
            theirs,
            ours,
            is_older: one.base().is_some_and(|base| base.doubtful.is_older),
            is_own: false,
            prefer_file: self.prefer_file,
        }
        .merge();
        for (key, found, stays) in conflicts {
            let (found, decided) = (found.as_str(), shown(stays.as_ref()));
            let message = format!(
                "{key} of the file is {}, the store has {}; the store counts",
                short(found),
                short(&decided)
            );
            one.judge("I-EDIT-CONFLICT", None, found, &decided, message);
        }
        for key in gone {
            let message = format!("{key} was taken out of the file; it stays");
            let found = "not in the file any more";
            one.judge("I-ONLY-IN", None, found, "it stays", message);
        }
        one.roundings.join(roundings);
        extras
    }

    fn item(&mut self, item: &BesideItem, one: &mut One<'_>) -> Result<()> {
        let name = &item.name;
        let index = self.state.index_of(name.as_str());
        let known = index.map(|index| self.state.item_at(index));
        let is_new = known.is_none() && self.new.insert(name.clone());
        if is_new {
            let message = "no other file knows the item; it is added, held".to_owned();
            let (found, decided) = (name.as_str(), "added, held");
            one.judge("I-ONLY-IN", Some(item), found, decided, message);
            self.add_held(name, one);
        }
        let events = self.events.len();
        match &item.says {
            Says::Data(span) => self.data(item, span, known.as_deref(), one)?,
            Says::Extraction(change) => self.extraction(item, change, known.as_deref(), one),
        }
        if self.events.len() > events {
            one.result.changed += usize::from(!is_new);
        } else if !is_new {
            one.result.unchanged += 1;
        }
        Ok(())
    }

    fn data(
        &mut self,
        item: &BesideItem,
        span: &Span,
        known: Option<&Item>,
        one: &mut One<'_>,
    ) -> Result<()> {
        let ours = known.and_then(|known| known.data.as_deref());
        let before = one.base().map(|base| base.data(&item.name));
        let Some(ours) = ours else {
            let object = one.values.json(span)?;
            self.enrich(item, Some(object), Vec::new(), one);
            return Ok(());
        };
        let whole;
        let (base, theirs) = match before {
            Some(Had::Same) => return Ok(()),
            Some(Had::Other(changed)) => (Before::Known(Some(&changed.base)), &changed.theirs),
            Some(Had::Nothing) | None => {
                whole = one.values.json(span)?;
                let base = before.map_or(Before::Unknown, |_| Before::Known(None));
                (base, &whole)
            }
        };
        let (theirs, rounded) = respelled(theirs, ours.object());
        let theirs = &theirs;
        one.roundings
            .add("", &rounded, &|field| place(field, &item.name));
        let last = one.against.and_then(Against::last);
        let last = last.and_then(|last| {
            let had = last.data.get(&item.name)?;
            let (seq, told) = (last.seq, last.told);
            Some(Last { seq, had, told })
        });
        let merged = DataMerge {
            base,
            last,
            theirs,
            ours: Some(ours),
            address: one.address(item, theirs),
            by_file: &|by| self.is_by_file(by, one),
            doubt: &|field| one.base()?.doubtful.field(&item.name, field),
            prefer_file: self.prefer_file,
        }
        .merge();
        fields_gone(item, &merged.gone, one);
        for it in merged.conflicts {
            let is_out = it.found.is_none();
            one.is_news |= is_out;
            let has_base = is_out || matches!(base, Before::Known(_));
            let (found, decided) = (shown(it.found.as_ref()), shown(it.decided.as_ref()));
            let message = words(&it, has_base);
            one.judge("I-EDIT-CONFLICT", Some(item), &found, &decided, message);
        }
        one.bookkeeping += usize::from(merged.bookkeeping);
        if !merged.changes.is_empty() {
            self.enrich(item, None, merged.changes, one);
        }
        Ok(())
    }

    /// The paths of imports that lead to where this one leads.
    fn paths_of(&self, path: &str) -> HashSet<&'s str> {
        let paths: HashSet<&str> = self.state.imports.iter().map(|it| &*it.path).collect();
        let paths = paths.into_iter();
        paths
            .filter(|it| is_same_place(self.disk, it, path))
            .collect()
    }

    /// True if that was set by an earlier version of this very file.
    fn is_by_file(&self, by: &SetBy, one: &One<'_>) -> bool {
        // Where it is known what the file was made from, that tells.
        if one.base().is_some() {
            return false;
        }
        let imports = &self.state.imports;
        let last = imports.partition_point(|it| it.seq < by.seq);
        let came_with = last.checked_sub(1).map(|last| &imports[last]);
        by.source.as_deref() == Some(&*one.file)
            && came_with.is_some_and(|it| one.paths.contains(&*it.path))
    }

    fn enrich(
        &mut self,
        item: &BesideItem,
        object: Option<Json>,
        changes: Vec<FieldChange>,
        one: &One<'_>,
    ) {
        let data = DataChange {
            source: Some(one.file.as_str().into()),
            confidence: None,
            object,
            changes,
        };
        self.events.push(Event::Enriched {
            item: item.name.clone(),
            data: Box::new(data),
        });
    }

    fn extraction(
        &mut self,
        item: &BesideItem,
        change: &ExtractionChange,
        known: Option<&Item>,
        one: &mut One<'_>,
    ) {
        let base = one.before(|base| base.extraction(&item.name));
        let mut theirs = change.clone();
        let last = one.against.and_then(Against::last);
        let last = last.and_then(|last| last.said.get(&item.name));
        if let Before::Known(Some(before)) = base {
            said_by_shape(&one.original.document.file.shape, before, &mut theirs);
        }
        let doubt = one
            .base()
            .and_then(|base| base.doubtful.extraction(&item.name));
        let is_news = doubt.is_none()
            && !matches!(base, Before::Known(Some(before)) if says_the_same(before, &theirs));
        if let (Some(known), true) = (known, is_news) {
            cross(&self.state.plan, item, &theirs, known, one);
        }
        let ours = known.and_then(|known| known.extraction.as_deref());
        let moved = doubt.is_some()
            || ours.is_none_or(|ours| {
                one.against
                    .is_none_or(|against| against.has_moved(&item.name, ours))
            });
        let merged = ExtractionMerge {
            base,
            last,
            theirs: &theirs,
            ours,
            moved,
            doubtful: doubt.is_some(),
            prefer_file: self.prefer_file,
        }
        .merge();
        for it in merged.conflicts {
            let of = match it.what {
                "extraction" => "its extraction",
                what => what,
            };
            let (found, decided) = (&it.found, &it.decided);
            let when = match (base, doubt) {
                (_, Some(doubt)) => doubted(doubt),
                (Before::Unknown, _) => String::new(),
                (Before::Known(_), _) => ", both changed since it was written".to_owned(),
            };
            let message = format!(
                "{of} is {found} in the file, {decided} in the store{when}; the store counts"
            );
            one.judge("I-EDIT-CONFLICT", Some(item), found, decided, message);
        }
        if !merged.gone.is_empty() {
            let what: Vec<&str> = merged.gone.iter().map(|it| it.what).collect();
            let stays: Vec<&str> = merged.gone.iter().map(|it| &*it.stays).collect();
            let (what, stays) = (what.join(", "), stays.join(", "));
            let message = format!(
                "the file says nothing of its {what} any more; the store has {stays}, and that stays"
            );
            one.judge(
                "I-ONLY-IN",
                Some(item),
                "not in the file any more",
                &stays,
                message,
            );
        }
        if let Some(change) = merged.change {
            self.events.push(Event::Extracted {
                item: item.name.clone(),
                extraction: Box::new(change),
            });
        }
    }
}

/// Where a number stands in the data of an item.
pub(super) fn place(field: &str, item: &ItemId) -> String {
    format!("{field} of {item}")
}
