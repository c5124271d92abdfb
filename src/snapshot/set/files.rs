//! The steps that change files: a temp file and its name, a link over a name, a copy set aside.

use std::io;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

use super::content::{Content, Looking, Seen, each_block};
use super::saving::{Saving, Write};
use crate::error::{Error, Result};
use crate::ports::File;
use crate::snapshot::CompanionName;

/// Bytes that are gathered before they are written.
const PIECE: usize = 256 * 1024;

/// How often another random name is tried. One is enough unless the random numbers are none.
const TRIES: usize = 4;

/// Temp files that have not got their name yet. They are removed when something goes wrong.
#[derive(Debug, Default)]
pub(super) struct Temps(Vec<PathBuf>);

impl Saving<'_> {
    /// Writes and syncs a temp file for `name`; returns where it is and what it holds.
    pub(super) fn write_temp(
        &mut self,
        name: &str,
        write: Write<'_>,
        temps: &mut Temps,
    ) -> Result<(PathBuf, CompanionName)> {
        let path = self.dir.join(name);
        let (temp, file) = self.create(|random| format!(".{name}.{random:016x}.tmp"), self.dir)?;
        temps.0.push(temp.clone());
        let counted = Counted {
            file: &*file,
            bytes: 0,
            crc32: Hasher::new(),
        };
        let mut out = io::BufWriter::with_capacity(PIECE, counted);
        write(&mut out).map_err(Error::io("write", &path))?;
        let counted = out
            .into_inner()
            .map_err(|error| Error::io("write", &path)(error.into_error()))?;
        let named = CompanionName {
            name: name.to_owned(),
            bytes: counted.bytes,
            crc32: counted.crc32.finalize(),
        };
        file.sync().map_err(Error::io("sync", &path))?;
        Ok((temp, named))
    }

    /// Keeps what stands at a name of ours: a copy in the quarantine, or, where it is too long to be held in memory, the
    /// file itself under another name there. Durable; returns the name in the quarantine.
    ///
    /// # Errors
    /// [`Error::Edited`] if something else is found there by now; else what the system says.
    pub(super) fn keep(&mut self, name: &str, content: &Content) -> Result<String> {
        match content {
            Content::TooLarge(_) => self.link_aside(name),
            _ => self.set_aside(name, content),
        }
    }

    fn link_aside(&mut self, name: &str) -> Result<String> {
        self.make_quarantine()?;
        let (from, quarantine) = (self.dir.join(name), self.quarantine);
        let stamp = self.stamp.utc().format("%Y%m%dT%H%M%S");
        let mut tries = 0;
        let kept = loop {
            let kept = format!("{name}.{stamp}.{:08x}", (self.random)() & 0xffff_ffff);
            tries += 1;
            match self.disk.hard_link(&from, &quarantine.join(&kept)) {
                Ok(()) => break kept,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {}
                Err(error) => return Err(Error::io("link", from)(error)),
            }
        };
        self.disk
            .sync_dir(quarantine)
            .map_err(Error::io("sync", quarantine))?;
        Ok(kept)
    }

    fn make_quarantine(&self) -> Result<()> {
        let quarantine = self.quarantine;
        let made = self
            .disk
            .ensure_own_dir(quarantine)
            .map_err(Error::io("create", quarantine))?;
        if made {
            let parent = quarantine.parent().unwrap_or(quarantine);
            self.disk
                .sync_dir(parent)
                .map_err(Error::io("sync", parent))?;
        }
        Ok(())
    }

    /// Copies what was found at a name to a new file in the quarantine, durably; returns its name there.
    fn set_aside(&mut self, name: &str, content: &Content) -> Result<String> {
        self.make_quarantine()?;
        let quarantine = self.quarantine;
        let stamp = self.stamp.utc().format("%Y%m%dT%H%M%S");
        let (path, file) = self.create(
            |random| format!("{name}.{stamp}.{:08x}", random & 0xffff_ffff),
            quarantine,
        )?;
        let is_same = if let Content::Large(seen) = content {
            self.copy_to(name, &*file, &path)? == *seen
        } else {
            let written = file.write_full_at(0, content.bytes().unwrap_or_default());
            written.map_err(Error::io("write", &path))?;
            true
        };
        if !is_same {
            self.remove(&path)?;
            return Err(self.edited(name, None));
        }
        file.sync().map_err(Error::io("sync", &path))?;
        self.disk
            .sync_dir(quarantine)
            .map_err(Error::io("sync", quarantine))?;
        let copy = path.file_name().unwrap_or_default();
        Ok(copy.to_string_lossy().into_owned())
    }

    /// Copies the file of a name; returns what it held.
    fn copy_to(&self, name: &str, copy: &dyn File, path: &Path) -> Result<Seen> {
        let from = self.dir.join(name);
        let file = self.disk.open_read(&from);
        let file = file.map_err(Error::io("read", &from))?;
        let (mut looking, mut at) = (Looking::default(), 0);
        let copied = each_block(&*file, &mut |block| {
            looking.take(block);
            copy.write_full_at(at, block)?;
            at += block.len() as u64;
            Ok(())
        });
        copied.map_err(Error::io("write", path))?;
        Ok(looking.end())
    }

    fn create(
        &mut self,
        name: impl Fn(u64) -> String,
        dir: &Path,
    ) -> Result<(PathBuf, Box<dyn File>)> {
        let mut tries = 0;
        loop {
            let path = dir.join(name((self.random)()));
            tries += 1;
            match self.disk.create_new(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {}
                Err(error) => return Err(Error::io("create", path)(error)),
            }
        }
    }

    /// Makes `to` another name of the file `from`, in place of what had it.
    pub(super) fn link_over(&mut self, from: &str, to: &str, temps: &mut Temps) -> Result<()> {
        let temp = self.dir.join(format!(".{to}.{:016x}.tmp", (self.random)()));
        let (from, to) = (self.dir.join(from), self.dir.join(to));
        self.disk
            .hard_link(&from, &temp)
            .map_err(Error::io("link", &from))?;
        temps.0.push(temp.clone());
        self.disk
            .rename(&temp, &to)
            .map_err(Error::io("replace", &to))?;
        // Where both were names of one file the rename did nothing, and the temp name is still there.
        self.remove(&temp)
    }

    /// Removes a name, if it is there.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        match self.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn sync_dir(&self) -> Result<()> {
        self.disk
            .sync_dir(self.dir)
            .map_err(Error::io("sync", self.dir))
    }

    /// Removes temp files that a compaction left when it was cut short.
    pub(super) fn remove_leftovers(&self) -> Result<()> {
        let files = self.disk.list(self.dir);
        for file in files.map_err(Error::io("list", self.dir))? {
            if is_temp(&file) {
                self.remove(&self.dir.join(file))?;
            }
        }
        Ok(())
    }

    /// Removes as many temp files as possible: something else went wrong, and that is what has to be told.
    pub(super) fn clean_up(&self, temps: &Temps) {
        for temp in &temps.0 {
            let _ = self.disk.remove_file(temp);
        }
    }
}

/// True for `.<name>.<16 hex>.tmp`, where the name is that of a snapshot, its `.bak` or its `.next`: in the store's own
/// directory only a compaction makes such files. Which snapshots an older set had is not asked.
pub(super) fn is_temp(file: &str) -> bool {
    let stem = file
        .strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".tmp"));
    let Some((name, random)) = stem.and_then(|stem| stem.rsplit_once('.')) else {
        return false;
    };
    let ours = [".json", ".json.bak", ".json.next"];
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    random.len() == 16
        && random.bytes().all(is_hex)
        && ours
            .iter()
            .any(|end| name.len() > end.len() && name.ends_with(end))
}

/// A file at its end, with the length and checksum of what was written.
struct Counted<'f> {
    file: &'f dyn File,
    bytes: u64,
    crc32: Hasher,
}

impl io::Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write_at(self.bytes, bytes)?;
        self.crc32.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_pattern_is_a_temp_file() {
        for good in ["work_items.json", "a.json.bak", "work_items.json.next"] {
            assert!(is_temp(&format!(".{good}.00000000deadbeef.tmp")), "{good}");
        }
        for bad in [
            "work_items.json.00000000deadbeef.tmp",
            ".work_items.json.00000000DEADBEEF.tmp",
            ".work_items.json.deadbeef.tmp",
            ".work_items.json.00000000deadbeef",
            ".report.csv.00000000deadbeef.tmp",
            "..json.00000000deadbeef.tmp",
        ] {
            assert!(!is_temp(bad), "{bad}");
        }
    }
}
