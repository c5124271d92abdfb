//! What a file beside the root is compared with: what it said when it was written, as far as a root tells when that was.
//!
//! ```text
//!   its bytes are those that a root names          a snapshot as we wrote it: nothing in it is news
//!   an `imported` record carries its SHA-256       taken over before
//!   a root lies beside it, with its `log.seq`      the state at that record; `.bak` where the root says nothing.
//!                                                  Was it taken over since, and edited again: its version then
//!   else                                           nothing: it may only fill in
//! ```

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::log::files::parent;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::json::Extras;
use crate::pipeline::merge::Changed;
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, ExtractionChange, Item, ItemExtraction, ItemId, Json, PipelineState};
use crate::ports::{FromStart, Ports};
use crate::position::Seq;
use crate::snapshot::import::{self, BesideDocument, Finding, Says};
use crate::snapshot::set::{self, NEXT, ROOT};
use crate::snapshot::{LogPlace, TimeStyle, enrichment, extraction, sha256, work_items};

use super::super::Options;
use super::super::lineage::Lineage;
use super::super::merge::{MergeOptions, Replay, past_at};
use super::super::originals::{Values, kept_at};
use super::super::replay::{self, At};
use super::BesideOriginal;

/// What one file is compared with.
pub(super) enum Against {
    /// It is a snapshot as we wrote it, of this record.
    Snapshot(Seq),
    /// What it said when it was written.
    Base(Base),
    /// Nothing tells when it was written.
    Nothing {
        /// Records with what an earlier version of the file said of an extraction.
        by_file: HashSet<Seq>,
    },
}

/// What a file said when it was written, or when it was taken over last.
pub(super) struct Base {
    /// The state when it was written, without the data.
    state: Rc<PipelineState>,
    /// The record of its version that was taken over since.
    version: Option<Seq>,
    /// The items that it had data of, with what the file that is compared has otherwise.
    data: HashMap<ItemId, Option<Box<Changed>>>,
    /// What it said of extractions, item by item.
    said: HashMap<ItemId, ExtractionChange>,
    /// What was odd in it then, and is no news.
    pub(super) findings: Vec<Finding>,
    /// Which of the known shapes it had.
    pub(super) shape: String,
    /// Its fields that we do not know.
    pub(super) extras: Extras,
    /// Records with what an earlier version of the file said of an extraction.
    by_file: HashSet<Seq>,
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
    fn item(&self, name: &ItemId) -> Option<&Item> {
        let index = self.state.index_of(name.as_str())?;
        self.state.items().get(index)
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
            let then = self.item(name).and_then(|item| item.extraction.as_ref());
            return then.map_or(Seq::NONE, |it| it.since) != ours.since;
        };
        let said = self.extraction(name).and_then(|said| said.status);
        // Where the log stayed when that version was taken over, it still stands apart.
        let apart = said.is_some() && said != ours.status;
        apart || ours.since > version && !self.by_file.contains(&ours.since)
    }

    /// The items that the file had, in the order of the state.
    pub(super) fn names(&self, kind: &str) -> Vec<&ItemId> {
        let has = |name: &&ItemId| match kind {
            ImportedFile::EXTRACTION => self.extraction(name).is_some(),
            _ => self.data.contains_key(*name),
        };
        let items = self.state.items().iter().map(|item| &item.name);
        let mut names: Vec<&ItemId> = items.filter(has).collect();
        // Those that came in since.
        let is_later = |name: &&ItemId| self.state.index_of(name.as_str()).is_none();
        let said = self.said.keys().chain(self.data.keys());
        let mut later: Vec<&ItemId> = said.filter(is_later).collect();
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

    /// True if the log stands apart from what the file was made from. Of a file that does not tell what that was: if
    /// it was not an earlier version of that file that said so last.
    pub(super) fn has_moved(&self, name: &ItemId, ours: &ItemExtraction) -> bool {
        match self {
            Self::Base(base) => base.has_moved(name, ours),
            Self::Nothing { by_file } => !by_file.contains(&ours.since),
            Self::Snapshot(_) => true,
        }
    }
}

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

/// What the roots around a file tell of it.
struct Roots {
    /// It is the file that a root names; that root's record.
    named: Option<Seq>,
    /// The place of the root that it lies beside.
    place: Option<LogPlace>,
}

impl Finder<'_> {
    /// What the file is compared with.
    ///
    /// # Errors
    /// [`Error::OtherLog`] if the root beside it names a place that this log does not have; as [`past_at`].
    pub(super) fn find(&mut self, original: &BesideOriginal) -> Result<Against> {
        let roots = self.roots(original)?;
        if let Some(seq) = roots.named {
            return Ok(Against::Snapshot(seq));
        }
        let kind = &*original.document.file.kind;
        let by_file = if kind == ImportedFile::EXTRACTION {
            self.by_file(&original.document.file.path)?
        } else {
            HashSet::new()
        };
        let Some(place) = roots.place else {
            return Ok(Against::Nothing { by_file });
        };
        if let Some(version) = self.version(&place, original)? {
            let state = self.past(&place, original)?;
            return self.since(&version, state, original, by_file);
        }
        if kind == ImportedFile::EXTRACTION {
            let state = self.past(&place, original)?;
            self.extraction(state, original, by_file)
        } else {
            self.data(&place, original, by_file)
        }
    }

    fn roots(&self, original: &BesideOriginal) -> Result<Roots> {
        let (path, file) = (&original.path, &original.document.file);
        let own = if file.kind == ImportedFile::EXTRACTION {
            extraction::NAME
        } else {
            enrichment::NAME
        };
        let name = path.file_name().unwrap_or_default();
        let (is_own, is_bak) = (name == own, name == &*set::bak(own));
        let crc32 = original.document.crc32;
        let mut roots = Roots {
            named: None,
            place: None,
        };
        let bak = set::bak(ROOT);
        let beside = if is_bak {
            [&*bak, ROOT, NEXT]
        } else {
            [ROOT, &*bak, NEXT]
        };
        for (at, here) in [(parent(path), true), (self.dir, false)] {
            for root in beside {
                let Some(bytes) = self.read(&at.join(root))? else {
                    continue;
                };
                let Some(names) = work_items::stated_names(&bytes) else {
                    continue;
                };
                if names.place.id != self.log {
                    continue;
                }
                let mut companions = names.companions.iter();
                if companions
                    .any(|it| it.name == own && it.bytes == file.bytes && it.crc32 == crc32)
                {
                    roots.named = Some(names.place.seq);
                    return Ok(roots);
                }
                // A set that is still being put in place says nothing about what somebody edits.
                if here && (is_own || is_bak) && root != NEXT {
                    roots.place = roots.place.or(Some(names.place));
                }
            }
        }
        Ok(roots)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.ports.disk.read(path, set::MAX_FILE_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            // What is no regular file is no root.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    || self
                        .ports
                        .disk
                        .metadata(path)
                        .is_ok_and(|found| found.kind != crate::ports::EntryKind::File) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// The version of the file that was taken over since its snapshot was written: who edits a file twice begins the
    /// second time where the first ended. `None` if there is none, or its original is not there any more.
    fn version(&self, place: &LogPlace, original: &BesideOriginal) -> Result<Option<Version>> {
        let file = &original.document.file;
        // Asked to let the file count, all that differs from the snapshot does.
        let mut imports = self.imports.iter().filter(|_| !self.how.prefer_file);
        let version = imports.rfind(|it| it.path == file.path && it.sha256 != file.sha256);
        let Some(version) = version.filter(|it| it.seq > place.seq) else {
            return Ok(None);
        };
        let path = kept_at(self.dir, &original.path, &version.sha256);
        let Some(bytes) = self.read(&path)? else {
            return Ok(None);
        };
        let read = import::read_beside(&file.path, &bytes, &file.kind, self.how.reading);
        let read = read.ok().filter(|it| it.file.sha256 == version.sha256);
        Ok(read.map(|document| Version {
            seq: version.seq,
            path,
            document,
        }))
    }

    /// What a file is compared with that was made from that version.
    fn since(
        &self,
        version: &Version,
        state: Rc<PipelineState>,
        original: &BesideOriginal,
        by_file: HashSet<Seq>,
    ) -> Result<Against> {
        let (mut spans, mut said, mut data) = (HashMap::new(), HashMap::new(), HashMap::new());
        for item in &version.document.items {
            let name = item.name.clone();
            match &item.says {
                Says::Data(span) => {
                    spans.insert(name.clone(), span);
                    data.insert(name, None);
                }
                Says::Extraction(change) => drop(said.insert(name, change.clone())),
            }
        }
        let mut values = Values::open(self.ports, version.path.clone())?;
        let mut had = |name: &ItemId| {
            let span = spans.get(name);
            span.map(|span| values.json(span)).transpose()
        };
        self.compare(original, &mut had, &mut data)?;
        Ok(Against::Base(Base {
            state,
            version: Some(version.seq),
            data,
            said,
            findings: version.document.findings.clone(),
            shape: version.document.file.shape.clone(),
            extras: version.document.file.extras.clone(),
            by_file,
        }))
    }

    /// Notes what the file has otherwise than what it `had`.
    fn compare(
        &self,
        original: &BesideOriginal,
        had: &mut dyn FnMut(&ItemId) -> Result<Option<Json>>,
        data: &mut HashMap<ItemId, Option<Box<Changed>>>,
    ) -> Result<()> {
        let mut values = Values::of(self.ports, None, original)?;
        for item in &original.document.items {
            if let Says::Data(span) = &item.says
                && let Some(before) = had(&item.name)?
            {
                let changed = Changed::of(&before, &values.json(span)?);
                data.insert(item.name.clone(), changed.map(Box::new));
            }
        }
        Ok(())
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

    fn data(
        &self,
        place: &LogPlace,
        original: &BesideOriginal,
        by_file: HashSet<Seq>,
    ) -> Result<Against> {
        let whole = |ports: &Ports, dir: &Path, options: &Options, seq| {
            replay::past(ports, dir, options, At::Seq(seq))
        };
        let mut state = self.replay(place, original, &whole)?;
        let Some(companion) = &state.enrichment else {
            return Ok(Against::Nothing { by_file });
        };
        if self.is_as_written(&state, original)? {
            return Ok(Against::Snapshot(state.last_seq));
        }
        let shape = enrichment::Shape::of(&state);
        let extras = match shape {
            enrichment::Shape::Dict => companion.extras.clone(),
            // A list has no place for them.
            enrichment::Shape::List => Extras::default(),
        };
        let object = |item: &Item| item.data.as_ref().map(|data| data.object().clone());
        let items = state.items().iter().filter(|item| item.data.is_some());
        let mut data = items.map(|item| (item.name.clone(), None)).collect();
        let mut had = |name: &ItemId| {
            let index = state.index_of(name.as_str());
            Ok(index.and_then(|index| object(&state.items()[index])))
        };
        self.compare(original, &mut had, &mut data)?;
        state.forget_data();
        Ok(Against::Base(Base {
            version: None,
            data,
            said: HashMap::new(),
            findings: Vec::new(),
            shape: shape.as_str().to_owned(),
            extras,
            by_file,
            state: Rc::new(state),
        }))
    }

    /// True if the file is what a snapshot of that state is.
    fn is_as_written(&self, state: &PipelineState, original: &BesideOriginal) -> Result<bool> {
        let (disk, path) = (&*self.ports.disk, &original.path);
        let file = disk.open_read(path).map_err(Error::io("read", path))?;
        let len = original.document.file.bytes;
        let mut same = Same(FromStart::new(&*file));
        Ok(enrichment::encode(state, &mut same).is_ok() && same.0.at() == len)
    }

    fn extraction(
        &self,
        state: Rc<PipelineState>,
        original: &BesideOriginal,
        by_file: HashSet<Seq>,
    ) -> Result<Against> {
        if state.extraction.is_none() {
            return Ok(Against::Nothing { by_file });
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
        Ok(Against::Base(Base {
            version: None,
            data: HashMap::new(),
            said: said.collect(),
            findings: read.findings,
            shape: extraction::Shape::of(&state).as_str().to_owned(),
            extras: read.file.extras,
            by_file,
            state,
        }))
    }

    /// The records with what earlier versions of the file at this path said of extractions.
    fn by_file(&self, path: &str) -> Result<HashSet<Seq>> {
        let took = |event: &Event| match event {
            Event::Extracted { extraction, .. } => extraction.imported.is_some(),
            _ => false,
        };
        let of_file = (ImportedFile::EXTRACTION, path);
        Lineage::of(self.ports, self.dir, self.options, of_file, &took).map(|it| it.by_file)
    }
}

/// A version of a file that was taken over.
struct Version {
    /// The record with it.
    seq: Seq,
    /// Where its original is kept.
    path: PathBuf,
    /// What it says.
    document: BesideDocument,
}

/// Takes bytes as long as they are those that a file has.
struct Same<'f>(FromStart<'f>);

impl io::Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut there = Vec::with_capacity(bytes.len());
        let wanted = bytes.len() as u64;
        io::Read::take(&mut self.0, wanted).read_to_end(&mut there)?;
        if there == bytes {
            Ok(bytes.len())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
