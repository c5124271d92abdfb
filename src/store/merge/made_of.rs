//! What a file is compared with: what it was made from, as far as it says.

use std::collections::HashSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::pipeline::event::ImportedFile;
use crate::pipeline::merge::{MadeFrom, fields_of};
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, PackedImport, PipelineState};
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::LogPlace;
use crate::snapshot::import::{self, ImportedDocument, NewImport};
use crate::snapshot::set::ROOT;
use crate::snapshot::work_items::{self, Names};

use super::super::Options;
use super::super::given::{MergeOptions, Original};
use super::super::lineage::{
    Lineage, is_own_place, is_same_place, last_from, last_other, original_of, put_back,
};
use super::super::replay::{self, Past};
use super::super::strays::last_import;
use super::touched::{Touched, touched};
use super::{Stated, before, file_name};

/// What a file is compared with.
pub(super) struct Against {
    /// What the file was made from; `None` if it does not say.
    pub(super) base: Option<MadeOf>,
    pub(super) touched: Touched,
    /// Which of the paths in it are that of the file.
    pub(super) same_paths: Vec<usize>,
    /// Records that took in what edits of the file said, since it was written.
    pub(super) by_file: HashSet<Seq>,
    /// Its bytes are those of a snapshot as we wrote it.
    pub(super) is_snapshot: bool,
    /// Its bytes were taken over before, and others from the same place since, or a snapshot was put there.
    pub(super) is_back: bool,
    /// Of a file that does not say when it was written: what it said the time before.
    pub(super) last: Option<Said>,
}

/// What a file that does not say when it was written said the time before.
pub(super) struct Said {
    /// The record that took it over.
    pub(super) seq: Seq,
    /// That is no version of the file, but the snapshot that was put there since.
    pub(super) is_snapshot: bool,
    /// The last record that took over what the file says now.
    pub(super) told: Seq,
    pub(super) items: Vec<NewImport>,
    /// What it said beside its items; `None` of a snapshot.
    pub(super) file: Option<ImportedFile>,
}

impl Against {
    /// Of a file that does not say when it was written: true if all imports with the progress of items were of that very
    /// file.
    pub(super) fn is_only_file(&self) -> bool {
        let paths = self.touched.paths().len();
        paths > 0 && paths == self.same_paths.len()
    }
}

/// What a file was made from.
pub(super) struct MadeOf {
    /// The state that its snapshot showed.
    pub(super) state: PipelineState,
    /// What the file said then.
    pub(super) document: ImportedDocument,
    /// Which file that was.
    pub(super) from: MadeFrom,
    /// Where the file is to count: what an edit of it said that was taken over since.
    pub(super) since: Option<ImportedDocument>,
}

/// Where a file is taken in.
pub(in crate::store) struct Place<'p> {
    pub(in crate::store) ports: &'p Ports,
    pub(in crate::store) dir: &'p Path,
    pub(in crate::store) options: &'p Options,
    /// What the file says of the log that it is from.
    pub(in crate::store) stated: &'p Stated,
    /// What was imported so far.
    pub(in crate::store) imports: &'p [ImportSource],
    /// The last record in snapshots that are in place, for certain.
    pub(in crate::store) compacted: Seq,
}

impl Place<'_> {
    /// True if the file, which was taken over before, lies where a snapshot was put since.
    pub(super) fn is_put_back(&self, original: &Original) -> bool {
        let (place, file) = ((self.ports, self.dir), &original.document.file);
        let file = (&*original.path, &*file.sha256);
        put_back(place, self.imports, self.compacted, file).is_some()
    }

    /// What the file is compared with.
    ///
    /// # Errors
    /// [`Error::NoSuchPlace`] if it names a place that the log does not have; as [`replay::each`].
    pub(super) fn against(
        &self,
        log: &str,
        original: &Original,
        how: MergeOptions<'_>,
    ) -> Result<Against> {
        let (ports, dir, options) = (self.ports, self.dir, self.options);
        let file = &original.document.file;
        let last = last_from(&*ports.disk, self.imports, &file.path);
        let is_back = before(self.imports, original).is_some()
            && last.is_some_and(|last| last.sha256 != file.sha256)
            || self.is_put_back(original);
        let names = self.stated.names.as_ref();
        let Some(names) = names.filter(|it| it.place.id == log) else {
            let touched = touched(ports, dir, options)?;
            let paths = touched.paths().iter().enumerate();
            let same = paths.filter(|(_, path)| is_same_place(&*ports.disk, path, &file.path));
            return Ok(Against {
                base: None,
                same_paths: same.map(|(at, _)| at).collect(),
                touched,
                by_file: HashSet::new(),
                is_snapshot: false,
                is_back,
                last: self.last(original, how)?,
            });
        };
        let name = file_name(original);
        let took = |event: &Event| match event {
            Event::Edited(edit) => edit.change.file == name,
            Event::Added { imported, .. } => imported.is_some(),
            _ => false,
        };
        let of_file = (ImportedFile::WORK_ITEMS, &*file.path);
        let Lineage {
            mut by_file,
            snapshots,
            freed,
        } = Lineage::of(ports, dir, options, of_file, &took)?;
        let seq = names.place.seq;
        by_file.retain(|taken| *taken > seq);
        let is_own = name == ROOT && is_own_place(&*ports.disk, dir, &original.path);
        let newest = snapshots.last().copied().filter(|_| is_own);
        let base = self.made_of(names, newest.unwrap_or(seq), original, how)?;
        // A compaction has put another file there since; whoever wrote this one had read what lay there before.
        if base.from == MadeFrom::Snapshot && newest.is_some_and(|newest| newest > seq) {
            by_file.clear();
        }
        let since = match base.from {
            MadeFrom::Version(taken) => taken,
            MadeFrom::Snapshot | MadeFrom::Either(_) => seq,
        };
        let freed = freed.into_iter().filter(|(_, at)| *at > since);
        Ok(Against {
            base: Some(base),
            touched: Touched::of_freed(freed.map(|(item, _)| item)),
            same_paths: Vec::new(),
            by_file,
            is_snapshot: self.stated.own.is_some(),
            is_back,
            last: None,
        })
    }

    /// What was taken over last from where the file lies, if that was something else; or the fields in the snapshot that was put
    /// there since.
    fn last(&self, original: &Original, how: MergeOptions<'_>) -> Result<Option<Said>> {
        let document = &original.document;
        // What stands behind the damage of a file was taken out by nobody.
        if document.findings.iter().any(|it| it.code == "I-SALVAGED") {
            return Ok(None);
        }
        let (disk, file) = (&*self.ports.disk, &document.file);
        let last = last_from(disk, self.imports, &file.path);
        let is_own = file_name(original) == ROOT && is_own_place(disk, self.dir, &original.path);
        let taken = last.map_or(Seq::NONE, |last| last.seq);
        let told = last_import(self.imports, &file.sha256).unwrap_or(Seq::NONE);
        if is_own && self.compacted > taken {
            // Nor did anybody take out of a snapshot of another log what that never had.
            if self.stated.names.is_some() {
                return Ok(None);
            }
            let seq = self.compacted;
            let past = replay::past_without_data(self.ports, self.dir, self.options, seq)?;
            let plan = &past.state.plan;
            let mut scratch = Vec::new();
            let items = past.state.items().map(|item| NewImport {
                name: item.name.clone(),
                id: None,
                state: PackedImport::of(&fields_of(&item, plan), &mut scratch),
                held: None,
            });
            return Ok(Some(Said {
                seq,
                is_snapshot: true,
                told,
                items: items.collect(),
                file: None,
            }));
        }
        // Asked to let the file count, the same bytes are held against what lay there before them.
        let Some(last) = last_other(disk, self.imports, file, how.prefer_file) else {
            return Ok(None);
        };
        let Some(bytes) = original_of(self.ports, self.dir, last)? else {
            return Ok(None);
        };
        let version = import::read(&last.path, &bytes, how.reading).ok();
        Ok(version.map(|version| Said {
            seq: last.seq,
            is_snapshot: false,
            told,
            items: version.items,
            file: Some(version.file),
        }))
    }

    /// What the file was made from: the log at its place, written as a snapshot and read as the file is read; or an edit of
    /// that which was taken over since. `newest` is the last snapshot that was put where the file lies.
    fn made_of(
        &self,
        names: &Names,
        newest: Seq,
        original: &Original,
        how: MergeOptions<'_>,
    ) -> Result<MadeOf> {
        let through = &replay::past_without_data;
        let (ports, path) = (self.ports, &original.path);
        let past = past_at(ports, self.dir, self.options, &names.place, path, through)?;
        let (mut since, mut from) = (None, MadeFrom::Snapshot);
        if let Some((seq, version)) = self.version(names, original, how)? {
            if !how.prefer_file {
                let from = if newest > seq {
                    MadeFrom::Either(seq)
                } else {
                    MadeFrom::Version(seq)
                };
                return Ok(MadeOf {
                    state: past.state,
                    document: version,
                    from,
                    since: None,
                });
            }
            (since, from) = (Some(version), MadeFrom::Version(seq));
        }
        let mut bytes = Vec::new();
        past.write_work_items_as(self.stated.style.clone(), &mut bytes)
            .expect("memory takes everything");
        let document = import::read(&path.display().to_string(), &bytes, how.reading)?;
        Ok(MadeOf {
            state: past.state,
            document,
            from,
            since,
        })
    }

    /// The edit of the same snapshot that was taken over last from where the file lies, and its record; `None` if there is
    /// none, or its original is not there any more.
    fn version(
        &self,
        names: &Names,
        original: &Original,
        how: MergeOptions<'_>,
    ) -> Result<Option<(Seq, ImportedDocument)>> {
        let file = &original.document.file;
        let behind = self.imports.partition_point(|it| it.seq <= names.place.seq);
        let mut imports = &self.imports[behind..];
        while let Some(last) = last_from(&*self.ports.disk, imports, &file.path) {
            imports = &imports[..imports.partition_point(|it| it.seq < last.seq)];
            let Some(bytes) = original_of(self.ports, self.dir, last)? else {
                continue;
            };
            let stated = work_items::stated_names(&bytes);
            if stated.is_none_or(|stated| stated.place != names.place) {
                continue;
            }
            if last.sha256 == file.sha256 {
                return Ok(None);
            }
            let document = import::read(&last.path, &bytes, how.reading);
            return Ok(document.ok().map(|document| (last.seq, document)));
        }
        Ok(None)
    }
}

/// Replays a log through a record.
pub(in crate::store) type Replay = dyn Fn(&Ports, &Path, &Options, Seq) -> Result<Past>;

/// The state at a place that a file names, if the log has that place, as `replay` makes it.
pub(in crate::store) fn past_at(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    place: &LogPlace,
    file: &Path,
    replay: &Replay,
) -> Result<Past> {
    let other = |what: String| Error::NoSuchPlace {
        file: file.to_owned(),
        what,
    };
    let past = match replay(ports, dir, options, place.seq) {
        Err(Error::UnknownSeq { seq, last }) => {
            return Err(other(format!(
                "it was written at record {seq}, and the log ends at {last}"
            )));
        }
        past => past?,
    };
    if past.crc.value() != place.crc32 {
        return Err(other(format!("its record {} is not the log's", place.seq)));
    }
    Ok(past)
}
