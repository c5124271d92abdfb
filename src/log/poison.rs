//! The flag `wal/poisoned`: a sync of the log failed, and until that is cleared nobody acknowledges anything.
//!
//! ```text
//! phaselog-poisoned 1 <boot id> 00000000000000000518.wal 1042
//!                               the segment              known durable before that sync
//! ```
//!
//! That the file exists is what counts. Its content says where to begin clearing; it may be missing, for who raised
//! the flag may have died at once. Then clearing begins at the first segment.

use std::io;
use std::path::Path;

use super::files::temp_name;
use crate::ports::{Disk, EntryKind, Ports};
use crate::position::{SegmentId, Seq};

/// The file's name in `wal/`.
pub const POISONED: &str = "poisoned";

/// More than any flag we write; a longer one was not written by us, and still counts.
const MAX_LEN: u64 = 4096;

/// What a raised flag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// The boot in which the sync failed; `None` if the flag does not say.
    pub boot: Option<String>,
    /// The first segment to distrust.
    pub segment: SegmentId,
    /// What was known durable before that sync.
    pub seq: Seq,
}

impl Poison {
    fn to_line(&self) -> String {
        let boot = self.boot.as_deref().unwrap_or("-");
        format!("phaselog-poisoned 1 {boot} {} {}\n", self.segment, self.seq)
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.strip_suffix('\n')?.split(' ').collect();
        let ["phaselog-poisoned", "1", boot, segment, seq] = fields[..] else {
            return None;
        };
        Some(Self {
            boot: (boot != "-").then(|| boot.to_owned()),
            segment: SegmentId::from_file_name(segment)?,
            seq: seq
                .parse()
                .ok()
                .filter(|&seq| i64::try_from(seq).is_ok())
                .map(Seq::new)?,
        })
    }
}

impl std::fmt::Display for Poison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "from {} on, durable through {}", self.segment, self.seq)
    }
}

/// True if the flag is raised.
///
/// # Errors
/// As the system says; then nobody knows, and nothing may be acknowledged.
pub fn exists(disk: &dyn Disk, wal: &Path) -> io::Result<bool> {
    disk.exists(&wal.join(POISONED))
}

/// Reads the flag; `None` if it is not raised. One that cannot be understood distrusts everything.
///
/// # Errors
/// As the system says.
pub fn read(disk: &dyn Disk, wal: &Path) -> io::Result<Option<Poison>> {
    if !exists(disk, wal)? {
        return Ok(None);
    }
    let content = match disk.read(&wal.join(POISONED), MAX_LEN) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content.unwrap_or_default(),
    };
    let said = std::str::from_utf8(&content).ok().and_then(Poison::parse);
    Ok(Some(said.unwrap_or(Poison {
        boot: None,
        segment: SegmentId::FIRST,
        seq: Seq::NONE,
    })))
}

/// Why nobody of ours can take the flag down: something stands in its place that no writer made. `None` if nothing does.
pub fn in_its_place(disk: &dyn Disk, wal: &Path) -> Option<String> {
    let there = disk.metadata(&wal.join(POISONED)).ok()?;
    (there.kind == EntryKind::Dir)
        .then(|| format!("wal/{POISONED} is a directory, which no writer makes"))
}

/// Raises the flag. If it is raised already, the lower segment wins.
///
/// # Errors
/// As the system says. Whoever cannot raise it must still acknowledge nothing.
pub fn raise(ports: &Ports, wal: &Path, segment: SegmentId, seq: Seq) -> io::Result<()> {
    let path = wal.join(POISONED);
    let poison = Poison {
        boot: ports.clock.now().boot.map(|boot| boot.boot),
        segment,
        seq,
    };
    match ports.disk.create_new(&path) {
        Ok(file) => {
            // The name alone stops everybody; what the line says only spares work.
            let _ = file.write_full_at(0, poison.to_line().as_bytes());
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match read(&*ports.disk, wal)? {
        Some(there) if there.segment <= segment => Ok(()),
        _ => replace(ports, wal, &poison),
    }
}

/// Puts another line in the flag's place, in one step: at no moment is the flag down.
fn replace(ports: &Ports, wal: &Path, poison: &Poison) -> io::Result<()> {
    let temp = wal.join(temp_name(POISONED, ports.process.random()));
    let file = ports.disk.create_new(&temp)?;
    file.write_full_at(0, poison.to_line().as_bytes())?;
    ports.disk.rename(&temp, &wal.join(POISONED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_flag() {
        let line = "phaselog-poisoned 1 0f0e-boot 00000000000000000518.wal 1042\n";
        let poison = Poison::parse(line).unwrap();
        assert_eq!(poison.segment, SegmentId::starting_at(Seq::new(518)));
        assert_eq!(
            (poison.boot.as_deref(), poison.seq.get()),
            (Some("0f0e-boot"), 1042)
        );
        assert_eq!(poison.to_line(), line);
        for cut in 0..line.len() {
            assert_eq!(Poison::parse(&line[..cut]), None);
        }
    }
}
