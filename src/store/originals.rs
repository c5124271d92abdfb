//! The originals of imported files: kept in `wal/imported/`, under a name that their content decides, and read there item by
//! item, so that a large one need not be in memory.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::log::files;
use crate::pipeline::Json;
use crate::ports::{File, FromStart, Ports};
use crate::snapshot::import::Span;
use crate::snapshot::sha256_text;

use super::dir::{IMPORTED, WAL};
use super::given::BesideOriginal;

/// Bytes that are read or written at once.
const BLOCK: usize = 1 << 20;

/// Where the original of a file that was taken over is kept.
pub(super) fn kept_at(dir: &Path, path: &Path, sha256: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let of_content = sha256.get(..16).unwrap_or(sha256);
    dir.join(WAL)
        .join(IMPORTED)
        .join(format!("{of_content}-{name}"))
}

/// Keeps the original of a file beside the root, from where it lies.
///
/// # Errors
/// As [`keep`].
pub(super) fn keep_beside(ports: &Ports, dir: &Path, original: &BesideOriginal) -> Result<()> {
    let (path, sha256) = (&original.path, &original.document.file.sha256);
    let file = open(ports, path)?;
    keep(ports, dir, path, sha256, &mut FromStart::new(&*file))
}

/// Copies the original of `path`, whose bytes come `from` somewhere, into `wal/imported/`, durably.
///
/// # Errors
/// [`Error::Io`] where that fails, also if these are not the bytes with that checksum: then they were changed meanwhile.
pub(super) fn keep(
    ports: &Ports,
    dir: &Path,
    path: &Path,
    sha256: &str,
    from: &mut dyn Read,
) -> Result<()> {
    let disk = &*ports.disk;
    let folder = dir.join(WAL).join(IMPORTED);
    disk.ensure_own_dir(&folder)
        .map_err(Error::io("make", &folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kept = kept_at(dir, path, sha256);
    if is_kept(ports, &kept, sha256) {
        return Ok(());
    }
    let temp = folder.join(files::temp_name(&name, ports.process.random()));
    let mut write = || -> io::Result<bool> {
        let file = disk.create_new(&temp)?;
        let mut at = 0;
        let found = sha256_of(from, &mut |bytes| {
            file.write_full_at(at, bytes)?;
            at += bytes.len() as u64;
            Ok(())
        })?;
        if found != sha256 {
            return Ok(false);
        }
        file.sync()?;
        disk.rename(&temp, &kept)?;
        disk.sync_dir(&folder)?;
        Ok(true)
    };
    let written = write();
    if !matches!(written, Ok(true)) {
        // Best effort: a temp file that stays is ignored by readers.
        let _ = disk.remove_file(&temp);
    }
    match written {
        Ok(true) => Ok(()),
        Ok(false) => Err(changed(path)),
        Err(source) => Err(Error::io("write", &kept)(source)),
    }
}

fn is_kept(ports: &Ports, kept: &Path, sha256: &str) -> bool {
    let Ok(file) = ports.disk.open_read(kept) else {
        return false;
    };
    let found = sha256_of(&mut FromStart::new(&*file), &mut |_| Ok(()));
    found.is_ok_and(|found| found == sha256)
}

/// The SHA-256 of all that comes, which `each` is given block by block.
pub(super) fn sha256_of(
    from: &mut dyn Read,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<String> {
    let (mut hash, mut block) = (Sha256::new(), Vec::with_capacity(BLOCK));
    loop {
        block.clear();
        (&mut *from).take(BLOCK as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(sha256_text(hash));
        }
        hash.update(&block);
        each(&block)?;
    }
}

fn open(ports: &Ports, path: &Path) -> Result<Box<dyn File>> {
    let opened = ports.disk.open_read(path);
    opened.map_err(Error::io("read", path))
}

/// What is said of a file in which something else stands by now.
pub(super) fn changed(path: &Path) -> Error {
    let source = io::Error::other("it was changed while it was read; repeat the command");
    Error::io("read", path)(source)
}

/// A file out of which values are read, mostly in their order.
pub(super) struct Values {
    path: PathBuf,
    file: Box<dyn File>,
    /// The part of it that is in memory, from that byte on.
    window: (u64, Vec<u8>),
}

impl Values {
    /// The file of these bytes: as it was kept in the store `kept`, or where it lies.
    pub(super) fn of(
        ports: &Ports,
        kept: Option<&Path>,
        original: &BesideOriginal,
    ) -> Result<Self> {
        let (path, sha256) = (&original.path, &original.document.file.sha256);
        let kept = kept.map(|dir| kept_at(dir, path, sha256));
        // What was taken over long ago may have been cleared away.
        let is_there = |kept: &PathBuf| ports.disk.exists(kept).unwrap_or(true);
        let path = kept.filter(is_there).unwrap_or_else(|| path.clone());
        Self::open(ports, path)
    }

    /// The file at that path.
    pub(super) fn open(ports: &Ports, path: PathBuf) -> Result<Self> {
        let file = open(ports, &path)?;
        let window = (0, Vec::new());
        Ok(Self { path, file, window })
    }

    /// The value that stands there.
    ///
    /// # Errors
    /// [`Error::Io`], also if something else stands there by now.
    pub(super) fn json(&mut self, span: &Span) -> Result<Json> {
        let (from, window) = &mut self.window;
        let is_in = span.at >= *from && span.at + span.len as u64 <= *from + window.len() as u64;
        if !is_in {
            window.resize(span.len.max(BLOCK), 0);
            let read = self.file.read_full_at(span.at, window);
            let read = read.map_err(Error::io("read", &self.path))?;
            window.truncate(read);
            *from = span.at;
        }
        let begin = usize::try_from(span.at - *from).unwrap_or(usize::MAX);
        let bytes = window.get(begin..begin.saturating_add(span.len));
        bytes
            .and_then(|bytes| span.json(bytes))
            .ok_or_else(|| changed(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::sha256;

    #[test]
    fn what_was_changed_meanwhile_is_not_kept() {
        let lab = tempfile::tempdir().unwrap();
        let (ports, path) = (Ports::real(), lab.path().join("data.json"));
        ports.disk.create_dir(&lab.path().join(WAL)).unwrap();
        let wanted = sha256(b"[1]");
        let kept = |bytes: &[u8]| keep(&ports, lab.path(), &path, &wanted, &mut &*bytes);
        let error = kept(b"[2]").unwrap_err().to_string();
        assert!(error.contains("changed while it was read"), "{error}");
        let imported = lab.path().join(WAL).join(IMPORTED);
        assert_eq!(ports.disk.list(&imported).unwrap(), Vec::<String>::new());
        kept(b"[1]").unwrap();
        // Once is enough, whatever comes the second time.
        kept(b"").unwrap();
        let at = kept_at(lab.path(), &path, &wanted);
        assert_eq!(ports.disk.read(&at, 9).unwrap(), b"[1]");
    }

    #[test]
    fn a_value_is_read_where_it_stood_or_not_at_all() {
        let lab = tempfile::tempdir().unwrap();
        let (ports, path) = (Ports::real(), lab.path().join("data.json"));
        let (first, second) = (
            r#"{"a":0.90}"#,
            format!("{{\"b\":\"{}\"}}", "x".repeat(BLOCK)),
        );
        let text = format!("[{first},\n{second}]");
        let file = ports.disk.create_new(&path).unwrap();
        file.write_full_at(0, text.as_bytes()).unwrap();
        let span = |value: &str| Span {
            at: text.find(value).unwrap() as u64,
            len: value.len(),
            crc32: crc32fast::hash(value.as_bytes()),
        };
        let open = || Values::open(&ports, path.clone()).unwrap();
        let mut values = open();
        for value in [first, &*second, first] {
            assert_eq!(values.json(&span(value)).unwrap().as_str(), value);
        }
        file.write_full_at(5, b"9").unwrap();
        let error = open().json(&span(first)).unwrap_err().to_string();
        assert!(error.contains("changed while it was read"), "{error}");
        assert!(open().json(&span(&second)).is_ok());
    }
}
