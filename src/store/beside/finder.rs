//! Finds what a file beside the root is compared with: reads the roots around it, the log, and what was taken over from there.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::Result;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::json::Extras;
use crate::pipeline::merge::Changed;
use crate::pipeline::spelling::{Roundings, respelled};
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, ItemId, Json, PipelineState};
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::import::{self, BesideDocument, Says};
use crate::snapshot::{LogPlace, TimeStyle, enrichment, extraction, sha256};

use super::super::Options;
use super::super::as_written;
use super::super::given::{BesideOriginal, MergeOptions};
use super::super::lineage::{Lineage, is_same_place, last_from, original_of};
use super::super::merge::{Replay, past_at};
use super::super::originals::{Values, kept_at};
use super::super::replay::{self, At};
use super::against::{Against, Base};
use super::goes_on::goes_on;
use super::older::{self, Doubtful, Present};
use super::roots::Roots;
use super::sayable::said_in;
use super::taking::place;

/// The data that a file had, item by item, with what another has otherwise.
pub(super) type Data = HashMap<ItemId, Option<Box<Changed>>>;

/// Finds out what files are compared with; each state is replayed once.
pub(super) struct Finder<'f> {
    pub(super) ports: &'f Ports,
    pub(super) dir: &'f Path,
    pub(super) options: &'f Options,
    pub(super) how: MergeOptions<'f>,
    /// The id of the log.
    pub(super) log: &'f str,
    /// What was imported so far.
    pub(super) imports: &'f [ImportSource],
    /// States that were replayed, without the data.
    pub(super) past: Vec<Rc<PipelineState>>,
}

impl Finder<'_> {
    /// What the file is compared with; `put_back` as in [`Base`].
    ///
    /// # Errors
    /// [`Error::NoSuchPlace`] if the root beside it names a place that this log does not have; as [`past_at`].
    pub(super) fn find(
        &mut self,
        original: &BesideOriginal,
        put_back: Option<Seq>,
    ) -> Result<Against> {
        let roots = Roots::around(self, original)?;
        let kind = &*original.document.file.kind;
        // A file that a root names was made from nothing else, unless an edit of it was taken over since: that it undoes.
        let place = roots.named.as_ref().or(roots.place.as_ref());
        let version = match place {
            Some(place) if roots.is_own || roots.named.is_none() => {
                self.version(place, original, &roots)?
            }
            _ => None,
        };
        if let (Some(named), None) = (&roots.named, &version) {
            return Ok(Against::Snapshot(named.seq));
        }
        let by_file = if kind == ImportedFile::EXTRACTION {
            self.lineage(&original.document.file)?.by_file
        } else {
            HashSet::new()
        };
        let Some(place) = place else {
            return self.nothing(original, by_file);
        };
        // Asked to let the file count, all that differs from the snapshot does, and all that differs from the edit.
        let both = self.how.prefer_file && roots.named.is_none();
        let (found, present) = if let Some(version) = version.as_ref().filter(|_| !both) {
            let state = self.past(place, original)?;
            let base = self.since(version, state, original, by_file)?;
            (Against::Base(base), Present::default())
        } else if kind == ImportedFile::EXTRACTION {
            let state = self.past(place, original)?;
            (
                self.extraction(state, original, by_file)?,
                Present::default(),
            )
        } else {
            self.data(place, original, by_file)?
        };
        let Against::Base(mut base) = found else {
            return Ok(found);
        };
        base.put_back = put_back;
        let places = (place.seq, roots.places.iter().map(|it| it.seq).collect());
        base.doubtful = older::look(self, &base, present, places, original)?;
        if let Some(version) = version.filter(|_| both) {
            let state = Rc::clone(&base.state);
            let since = self.since(&version, state, original, HashSet::new())?;
            also(&mut base, *since, original);
        }
        Ok(Against::Base(base))
    }

    /// Nothing tells when the file was written.
    fn nothing(&self, original: &BesideOriginal, by_file: HashSet<Seq>) -> Result<Against> {
        let (disk, file) = (&*self.ports.disk, &original.document.file);
        let name = match &*file.kind {
            ImportedFile::EXTRACTION => extraction::NAME,
            _ => enrichment::NAME,
        };
        let own = self.dir.join(name);
        let is_it = is_same_place(disk, &own.display().to_string(), &file.path);
        let has_own = !is_it && disk.metadata(&own).is_ok();
        let last = self.last_time(original)?.map(Box::new);
        Ok(Against::Nothing {
            by_file,
            has_own,
            last,
        })
    }

    /// The edit of the file that was taken over last since its snapshot was written, and that lay there since: who edits a
    /// file twice begins the second time where the first ended. `None` if there is none, or its original is not there any
    /// more.
    fn version(
        &mut self,
        place: &LogPlace,
        original: &BesideOriginal,
        roots: &Roots,
    ) -> Result<Option<Version>> {
        let file = &original.document.file;
        let last = last_from(&*self.ports.disk, self.imports, &file.path);
        let is_edit = |it: &&ImportSource| it.sha256 != file.sha256 && it.seq > place.seq;
        let Some(last) = last.filter(is_edit) else {
            return Ok(None);
        };
        if roots.is_in_store && self.is_replaced(last, file)? {
            let then = self.past(place, original)?;
            if !goes_on(self, &then, original)? {
                return Ok(None);
            }
        }
        self.version_of(last, file)
    }

    /// True if a snapshot was put in the place of what was taken over there.
    fn is_replaced(&self, import: &ImportSource, file: &ImportedFile) -> Result<bool> {
        let snapshots = self.lineage(file)?.snapshots;
        Ok(snapshots.last().is_some_and(|last| *last > import.seq))
    }

    /// What was taken over there, read again.
    pub(super) fn version_of(
        &self,
        import: &ImportSource,
        file: &ImportedFile,
    ) -> Result<Option<Version>> {
        let Some(bytes) = original_of(self.ports, self.dir, import)? else {
            return Ok(None);
        };
        let document = self.read_version(import, &bytes, file);
        Ok(document.map(|document| Version {
            seq: import.seq,
            path: kept_at(self.dir, Path::new(&import.path), &import.sha256),
            document,
        }))
    }

    /// Reads what was taken over, which these bytes are, as the file is read.
    pub(super) fn read_version(
        &self,
        import: &ImportSource,
        bytes: &[u8],
        file: &ImportedFile,
    ) -> Option<BesideDocument> {
        import::read_beside(&import.path, bytes, &file.kind, self.how.reading).ok()
    }

    /// What the log tells about the file: snapshots, and the records with what edits of it said of extractions.
    fn lineage(&self, file: &ImportedFile) -> Result<Lineage> {
        let took = |event: &Event| match event {
            Event::Extracted { extraction, .. } => extraction.imported.is_some(),
            _ => false,
        };
        let of_file = (&*file.kind, &*file.path);
        Lineage::of(self.ports, self.dir, self.options, of_file, &took)
    }

    /// What a file is compared with that was made from that version.
    fn since(
        &self,
        version: &Version,
        state: Rc<PipelineState>,
        original: &BesideOriginal,
        by_file: HashSet<Seq>,
    ) -> Result<Box<Base>> {
        let items = version.document.items.iter();
        let said = items.filter_map(|item| match &item.says {
            Says::Data(_) => None,
            Says::Extraction(change) => Some((item.name.clone(), change.clone())),
        });
        let said = said.collect();
        let (data, roundings) = self.held_against(version, original)?;
        Ok(Box::new(Base {
            state,
            version: Some(version.seq),
            data,
            said,
            findings: version.document.findings.clone(),
            shape: version.document.file.shape.clone(),
            extras: version.document.file.extras.clone(),
            by_file,
            doubtful: Doubtful::default(),
            roundings,
            put_back: None,
        }))
    }

    /// The items that a version of the file had data of, with what the file has otherwise.
    pub(super) fn held_against(
        &self,
        version: &Version,
        original: &BesideOriginal,
    ) -> Result<(Data, Roundings)> {
        let (mut spans, mut data) = (HashMap::new(), Data::new());
        for item in &version.document.items {
            if let Says::Data(span) = &item.says {
                spans.insert(item.name.clone(), span);
                data.insert(item.name.clone(), None);
            }
        }
        let mut values = Values::open(self.ports, version.path.clone())?;
        let mut had = |name: &ItemId| {
            let span = spans.get(name);
            span.map(|span| values.json(span)).transpose()
        };
        let roundings = self.compare(original, &mut had, &mut data)?;
        Ok((data, roundings))
    }

    /// Notes what the file has otherwise than what it `had`.
    fn compare(
        &self,
        original: &BesideOriginal,
        had: &mut dyn FnMut(&ItemId) -> Result<Option<Json>>,
        data: &mut Data,
    ) -> Result<Roundings> {
        let mut roundings = Roundings::default();
        let mut values = Values::of(self.ports, None, original)?;
        for item in &original.document.items {
            if let Says::Data(span) = &item.says
                && let Some(before) = had(&item.name)?
            {
                let theirs = values.json(span)?;
                let changed = if theirs == before {
                    None
                } else {
                    let (theirs, rounded) = respelled(&theirs, &before);
                    roundings.add("", &rounded, &|field| place(field, &item.name));
                    Changed::of(&before, &theirs)
                };
                data.insert(item.name.clone(), changed.map(Box::new));
            }
        }
        Ok(roundings)
    }

    /// The state at a place, without the data.
    fn past(&mut self, place: &LogPlace, original: &BesideOriginal) -> Result<Rc<PipelineState>> {
        if let Some(known) = self.past.iter().find(|it| it.last_seq == place.seq) {
            return Ok(Rc::clone(known));
        }
        let past = self.replay(place, original, &replay::past_without_data)?;
        let state = Rc::new(past);
        self.past.push(Rc::clone(&state));
        Ok(state)
    }

    fn replay(
        &self,
        place: &LogPlace,
        original: &BesideOriginal,
        replay: &Replay,
    ) -> Result<PipelineState> {
        let (ports, path) = (self.ports, &original.path);
        past_at(ports, self.dir, self.options, place, path, replay).map(|past| past.state)
    }

    /// What a file with data is compared with, and what of it stands there still.
    fn data(
        &self,
        place: &LogPlace,
        original: &BesideOriginal,
        by_file: HashSet<Seq>,
    ) -> Result<(Against, Present)> {
        let whole = |ports: &Ports, dir: &Path, options: &Options, seq| {
            replay::past(ports, dir, options, At::Seq(seq))
        };
        let mut state = self.replay(place, original, &whole)?;
        let Some(companion) = &state.enrichment else {
            return Ok((self.nothing(original, by_file)?, Present::default()));
        };
        let (disk, path) = (&*self.ports.disk, &original.path);
        if as_written::is_of(disk, path, enrichment::NAME, &state)? {
            return Ok((Against::Snapshot(state.last_seq), Present::default()));
        }
        let shape = enrichment::Shape::of(&state);
        let extras = match shape {
            enrichment::Shape::Dict => companion.extras.clone(),
            // A list has no place for them.
            enrichment::Shape::List => Extras::default(),
        };
        let items = state.items().filter(|item| item.data.is_some());
        let mut data = items.map(|item| (item.name.clone(), None)).collect();
        let mut had = |name: &ItemId| {
            let index = state.index_of(name.as_str());
            let ours = index.and_then(|index| state.data_at(index));
            Ok(ours.map(|data| data.object().clone()))
        };
        let roundings = self.compare(original, &mut had, &mut data)?;
        let present = Present::of_data(&state, &data, original);
        state.forget_data();
        let base = Base {
            version: None,
            data,
            said: HashMap::new(),
            findings: Vec::new(),
            shape: shape.as_str().to_owned(),
            extras,
            by_file,
            doubtful: Doubtful::default(),
            roundings,
            put_back: None,
            state: Rc::new(state),
        };
        Ok((Against::Base(Box::new(base)), present))
    }

    fn extraction(
        &self,
        state: Rc<PipelineState>,
        original: &BesideOriginal,
        by_file: HashSet<Seq>,
    ) -> Result<Against> {
        if state.extraction.is_none() {
            return self.nothing(original, by_file);
        }
        let mut bytes = Vec::new();
        let times = TimeStyle::of(state.document.times);
        extraction::encode(&state, times, &mut bytes).expect("memory takes everything");
        if sha256(&bytes) == original.document.file.sha256 {
            return Ok(Against::Snapshot(state.last_seq));
        }
        // Read as the file is read: what it cannot say is then said by neither.
        let file = &original.document.file;
        let read = import::read_beside(&file.path, &bytes, &file.kind, self.how.reading)?;
        let said = read.items.into_iter().filter_map(|item| match item.says {
            Says::Extraction(change) => Some((item.name, change)),
            Says::Data(_) => None,
        });
        Ok(Against::Base(Box::new(Base {
            version: None,
            data: HashMap::new(),
            said: said.collect(),
            findings: read.findings,
            shape: extraction::Shape::of(&state).as_str().to_owned(),
            extras: read.file.extras,
            by_file,
            doubtful: Doubtful::default(),
            roundings: Roundings::default(),
            put_back: None,
            state,
        })))
    }
}

/// Adds what a file has otherwise than an edit of it had that was taken over since, and as the snapshot.
fn also(base: &mut Base, mut since: Base, original: &BesideOriginal) {
    for (name, changed) in since.data {
        let own = base.data.entry(name).or_default();
        *own = match (own.take(), changed) {
            (Some(own), Some(changed)) => Some(Box::new(own.and(&changed))),
            (own, changed) => own.or(changed),
        };
    }
    let shape = &*original.document.file.shape;
    for item in &original.document.items {
        if let Says::Extraction(theirs) = &item.says
            && let Some(said) = base.said.get_mut(&item.name)
            && said_in(shape, said) == said_in(shape, theirs)
            && let Some(edited) = since.said.remove(&item.name)
        {
            *said = edited;
        }
    }
}

/// A version of a file that was taken over.
pub(super) struct Version {
    /// The record with it.
    pub(super) seq: Seq,
    /// Where its original is kept.
    path: PathBuf,
    /// What it says.
    pub(super) document: BesideDocument,
}
