//! Puts a new set in place of the old one, so that at every instant one of them is usable.
//!
//! ```text
//!   0  a leftover .next: put the valid set back from the .baks, sync the directory, unlink it
//!   1  write companions and root to temp files, sync each
//!   2  rename the root to .next                              .next says: from here on files may be mixed
//!   3  link each file of the valid set over its .bak
//!   4  sync the directory                                    now the .baks hold the valid set, for certain
//!   5  rename the companions into place
//!   6  link .next over the root
//!   7  sync the directory                                    now the new set is in place, for certain
//!   8  unlink .next
//! ```
//!
//! Where somebody has changed a file of the set in place, the valid set is the one before it: it lies in the `.bak`s, and step 3
//! leaves them as they are. Were the newer root linked over its `.bak`, there would be no usable set from then on until step 6: what
//! that root names is nowhere as it was. So a `.bak` does not advance past a set that was edited; the next compaction takes it on.
//!
//! What somebody else put at one of our names is never replaced without being asked, and not without a copy.

use std::io;
use std::path::{Path, PathBuf};

use super::content::{Content, look, read};
use super::files::Temps;
use super::saving::{Saving, Write, WriteRoot};
use super::survey::{Place, Set, Stray, Survey, changed_root, in_place, odd, stray, survey};
use super::{FindingKind, NEXT, ROOT, Source, bak};
use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::ports::FileId;
use crate::snapshot::CompanionName;
use crate::snapshot::work_items::{Names, decode_names};

/// What was put in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The length of all files of the set together.
    pub bytes: u64,
    /// Copies of what was replaced and was not ours, by their names in the quarantine.
    pub set_aside: Vec<String>,
}

/// Which file has a name, and how long it is: an editor leaves another.
type Seen = Vec<Option<(FileId, u64)>>;

impl Saving<'_> {
    /// Puts a set in place: the companions, each with its name, then the root.
    ///
    /// Whatever goes wrong, a usable set stays, and the next call goes on from there. A set has every companion of the
    /// set before it: one that is dropped stays where it is, and would look like somebody's if it came back.
    ///
    /// # Errors
    /// [`Error::Edited`] if a file at one of our names is somebody's and edits are not to be discarded; nothing was
    /// changed then. [`Error::NewerFormat`] and [`NotAFile`](super::NotAFile) likewise. Else what the system says; temp files are removed where possible.
    pub fn save(
        &mut self,
        companions: &mut [(&str, Write<'_>)],
        root: WriteRoot<'_>,
    ) -> Result<Saved> {
        let ours: Vec<&str> = companions
            .iter()
            .map(|(name, _)| *name)
            .chain([ROOT])
            .collect();
        let mut seen = self.look(&ours)?;
        let mut before = self.survey()?;
        let set_aside = self.set_aside_strays(&before, &ours)?;
        let mut saved = Saved {
            bytes: 0,
            set_aside,
        };
        self.remove_leftovers()?;
        if !matches!(before.next, Content::Missing) {
            self.put_right(&before)?;
            seen = self.look(&ours)?;
            before = self.survey()?;
        }
        let baks = self.set_aside_baks(&before)?;
        saved.set_aside.extend(baks);

        let mut temps = Temps::default();
        let done = self.write_all(companions, root, &mut temps);
        let done = done.and_then(|files| {
            saved.bytes = files.bytes;
            // Writing took its time; somebody may have used it to change a file.
            match std::iter::zip(&ours, std::iter::zip(&seen, self.look(&ours)?))
                .find(|(_, (then, now))| *then != now)
            {
                Some((name, _)) => Err(self.edited(name, None)),
                None => self.replace(before.valid.as_ref(), &files, &mut temps),
            }
        });
        if let Err(error) = done {
            self.clean_up(&temps);
            return Err(error);
        }
        Ok(saved)
    }

    fn place(&self) -> Place<'_> {
        Place {
            disk: self.disk,
            dir: self.dir,
            log: self.log,
            imported: self.imported,
        }
    }

    fn survey(&self) -> Result<Survey<Names>> {
        let seen = self.seen.filter(|seen| seen.holds(self.disk, self.dir));
        if let Some(seen) = seen {
            return Ok(seen.survey());
        }
        survey(self.place(), &Source::ALL)
    }

    fn is_ours(&self, names: &Names) -> bool {
        self.log.is_none_or(|log| log == names.place.id)
    }

    fn look(&self, names: &[&str]) -> Result<Seen> {
        let look = |name: &&str| {
            let path = self.dir.join(name);
            match self.disk.metadata(&path) {
                Ok(found) => Ok(Some((found.id, found.len))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io("look at", path)(error)),
            }
        };
        names.iter().map(look).collect()
    }

    /// Refuses if a file that would be replaced is somebody's; else copies what is not ours to the quarantine.
    fn set_aside_strays(&mut self, survey: &Survey<Names>, ours: &[&str]) -> Result<Vec<String>> {
        let mut more = Vec::new();
        for name in ours.iter().copied().chain(survey.claims.names()) {
            if name != ROOT
                && !survey.has_in_place(name)
                && !survey.claims.cover_file(self.disk, self.dir, name)?
            {
                let content = look(self.disk, self.dir, name)?;
                let claims = &survey.claims;
                more.extend(stray(self.place(), name, content, claims, false)?);
            }
        }
        if let Content::TooLarge(bytes) = survey.next {
            more.extend(odd(NEXT, Content::TooLarge(bytes)));
        }
        if let Content::Bytes(bytes) = &survey.next {
            let decoded = decode_names(bytes);
            if decoded.clone().usable().is_none() {
                more.push(changed_root(NEXT, &decoded, Content::Bytes(bytes.clone())));
            }
        }
        let mut strays: Vec<&Stray> = Vec::new();
        for stray in survey.strays.iter().chain(&more) {
            // What is gone cannot be lost; and the root before is replaced only by a valid one, later.
            // What no set has is not replaced; what this one has was looked at by its name.
            let matters = !matches!(
                stray.kind,
                FindingKind::MissingCompanion | FindingKind::Unnamed
            ) && stray.file != bak(ROOT);
            if matters && strays.iter().all(|other| other.file != stray.file) {
                strays.push(stray);
            }
        }
        strays.retain(|stray| {
            let imported = |sha256: String| (self.imported)(&stray.file, &sha256);
            !stray.content.sha256().is_some_and(imported)
        });
        // A root that cannot be read does not tell which companions are ours: no reason to accuse anybody.
        let damaged = |stray: &&Stray| stray.kind == FindingKind::Damaged;
        let nobody_knows = strays.iter().any(|it| it.file == ROOT && damaged(it));
        let is_somebodys = |stray: &&&Stray| {
            // What a compaction of the log left that was taken over. Its copy is kept.
            let left_over = stray.file == NEXT && stray.kind == FindingKind::OtherLog;
            let excused = damaged(stray) || (nobody_knows && stray.file != NEXT);
            !(excused || left_over || self.discard_edits)
        };
        for stray in &strays {
            if let Content::Odd(kind) = stray.content {
                return Err(self.not_a_file(&stray.file, kind));
            }
        }
        if let Some(stray) = strays.iter().find(is_somebodys) {
            return Err(self.edited(&stray.file, stray.unreadable()));
        }
        let mut copies = Vec::new();
        for stray in strays {
            copies.push(self.keep(&stray.file, &stray.content)?);
        }
        Ok(copies)
    }

    /// Copies to the quarantine what has the name of a `.bak` and is none of ours: a user's own backup.
    fn set_aside_baks(&mut self, survey: &Survey<Names>) -> Result<Vec<String>> {
        let Some(set) = &survey.valid else {
            return Ok(Vec::new());
        };
        let mut copies = Vec::new();
        let in_place = in_place::<Names>(self.disk, self.dir, &bak(ROOT))?;
        let mut before = in_place.map(|(names, _)| names);
        before = before.filter(|names| self.is_ours(names));
        if before.is_none() {
            let root_bak = read(self.disk, self.dir, &bak(ROOT))?;
            before = root_bak.bytes().and_then(|it| decode_names(it).usable());
            before = before.filter(|names| self.is_ours(names));
            if let Content::Odd(kind) = root_bak {
                return Err(self.not_a_file(&bak(ROOT), kind));
            }
            let there = !matches!(root_bak, Content::Missing);
            if there && before.is_none() && set.source == Source::Root {
                copies.push(self.keep(&bak(ROOT), &root_bak)?);
            }
        }
        for found in set.companions.iter().filter(|found| found.in_place) {
            let name = &found.companion.name.name;
            // A crash may have left a `.bak` that no root names any more, beside a root's that names the file.
            let names_it = |names: &Names| names.companions.iter().any(|it| it.name == *name);
            if before.as_ref().is_some_and(names_it) {
                continue;
            }
            let content = look(self.disk, self.dir, &bak(name))?;
            if let Content::Odd(kind) = content {
                return Err(self.not_a_file(&bak(name), kind));
            }
            let there = !matches!(content, Content::Missing);
            if there && !survey.claims.cover(name, &content) {
                copies.push(self.keep(&bak(name), &content)?);
            }
        }
        Ok(copies)
    }

    /// Undoes what a compaction that was cut short left: afterwards the valid set is in its own place, and no `.next`.
    ///
    /// Without this, step 3 would link files of the new set over the only copy of the old.
    fn put_right(&mut self, survey: &Survey<Names>) -> Result<()> {
        if faults::on(Fault::BakOverwritten) {
            return Ok(());
        }
        let mut temps = Temps::default();
        let kept = survey.valid.as_ref().map_or(&[][..], |set| &set.companions);
        for found in kept.iter().filter(|found| !found.in_place) {
            let name = &found.companion.name.name;
            self.link_over(&bak(name), name, &mut temps)?;
        }
        match &survey.valid {
            Some(set) if set.source == Source::Root => {}
            Some(set) => self.link_over(set.source.file(), ROOT, &mut temps)?,
            // The first set of all, half in place: its root names what is not there.
            None => {
                let root = read(self.disk, self.dir, ROOT)?;
                if root.bytes().is_some() && root.bytes() == survey.next.bytes() {
                    self.remove(&self.dir.join(ROOT))?;
                }
            }
        }
        // Companions that are only in the set that never was: left behind, they would look like somebody's.
        let names = survey.next.bytes().and_then(|it| decode_names(it).usable());
        let names = names.filter(|names| self.is_ours(names));
        for new in names.map(|names| names.companions).unwrap_or_default() {
            let is_kept = kept
                .iter()
                .any(|found| found.companion.name.name == new.name);
            let content = look(self.disk, self.dir, &new.name)?;
            if !is_kept && survey.claims.cover(&new.name, &content) {
                self.remove(&self.dir.join(&new.name))?;
            }
        }
        self.sync_dir()?;
        self.remove(&self.dir.join(NEXT))
    }

    /// Step 1.
    fn write_all(
        &mut self,
        companions: &mut [(&str, Write<'_>)],
        root: WriteRoot<'_>,
        temps: &mut Temps,
    ) -> Result<NewSet> {
        let (mut paths, mut names) = (Vec::new(), Vec::new());
        for (name, write) in companions {
            let (path, written) = self.write_temp(name, *write, temps)?;
            paths.push(path);
            names.push(written);
        }
        let (root, written) = self.write_temp(ROOT, &mut |out| root(&names, out), temps)?;
        let bytes = names.iter().map(|name| name.bytes).sum::<u64>() + written.bytes;
        let companions = std::iter::zip(paths, names).collect();
        Ok(NewSet {
            root,
            companions,
            bytes,
        })
    }

    /// Steps 2 to 8.
    fn replace(
        &mut self,
        valid: Option<&Set<Names>>,
        files: &NewSet,
        temps: &mut Temps,
    ) -> Result<()> {
        let next = self.dir.join(NEXT);
        self.rename(&files.root, &next)?;
        if let Err(error) = self.keep_valid(valid, temps) {
            // Nothing is mixed yet.
            let _ = self.disk.remove_file(&next);
            return Err(error);
        }
        for (path, named) in &files.companions {
            self.rename(path, &self.dir.join(&named.name))?;
        }
        self.link_over(NEXT, ROOT, temps)?;
        self.sync_dir()?;
        self.remove(&next)
    }

    /// Steps 3 and 4.
    fn keep_valid(&mut self, valid: Option<&Set<Names>>, temps: &mut Temps) -> Result<()> {
        if let Some(set) = valid {
            for found in set.companions.iter().filter(|found| found.in_place) {
                let name = &found.companion.name.name;
                self.link_over(name, &bak(name), temps)?;
            }
            if set.source == Source::Root {
                self.link_over(ROOT, &bak(ROOT), temps)?;
            }
        }
        self.sync_dir()
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to).map_err(Error::io("replace", to))
    }
}

/// A set in temp files.
struct NewSet {
    root: PathBuf,
    companions: Vec<(PathBuf, CompanionName)>,
    bytes: u64,
}
