//! The mark: 64 bytes that say how far the log is known to be durable.
//!
//! ```text
//! phaselog-mark 1 1050 29f68402                                  \n
//!                 seq  crc32 of "phaselog-mark 1 1050"
//! ```
//!
//! It catches what nothing else can: a hurt record at the very end, with nobody behind it to attest it. It is
//! advisory. It is never synced, an unreadable one counts 0, and that it cannot be written changes no answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::files;
use super::frame::Crc;
use crate::faults::{self, Fault};
use crate::ports::{Disk, File, LockKind};
use crate::position::Seq;

/// The file's name in `wal/`.
pub const MARK: &str = "mark";

const LEN: usize = 64;

/// Others hold the mark's lock for two small calls. Whoever waits longer than this does without.
const WAIT: Duration = Duration::from_millis(200);

/// Reads the mark: what is known durable, 0 if there is none or it cannot be read.
pub fn read(disk: &dyn Disk, wal: &Path) -> Seq {
    if faults::on(Fault::MarkNotRead) {
        return Seq::NONE;
    }
    let Ok(file) = disk.open_read(&wal.join(MARK)) else {
        return Seq::NONE;
    };
    read_file(&*file).unwrap_or(Seq::NONE)
}

/// Raises the mark to `seq`; leaves it where it is if it is there or beyond. Makes it if there is none.
///
/// Never called while the append lock is held: the mark's own lock would then be taken under it.
///
/// # Errors
/// As the system says; nothing depends on it.
pub fn raise(disk: &dyn Disk, wal: &Path, seq: Seq) -> io::Result<()> {
    raise_in(&*files::open_or_create(disk, &wal.join(MARK))?, seq)
}

/// A mark that stays open between two uses, for who raises it again and again.
#[derive(Default)]
pub struct Kept(Option<Box<dyn File>>);

impl Kept {
    /// As [`read`]. `same` says that no name in `wal/` changed since the mark was looked at before.
    pub fn read(&mut self, disk: &dyn Disk, wal: &Path, same: bool) -> Seq {
        if faults::on(Fault::MarkNotRead) {
            return Seq::NONE;
        }
        if let Some(file) = self.0.take() {
            let named = || disk.metadata(&wal.join(MARK));
            // What lost its name nobody else sees.
            if same || named().is_ok_and(|named| file.id().is_ok_and(|id| id == named.id)) {
                let seq = read_file(&*file).unwrap_or(Seq::NONE);
                self.0 = Some(file);
                return seq;
            }
        }
        read(disk, wal)
    }

    /// As [`raise`], in the file that [`Kept::read`] found to have its name.
    ///
    /// # Errors
    /// As [`raise`].
    pub fn raise(&mut self, disk: &dyn Disk, wal: &Path, seq: Seq) -> io::Result<()> {
        let file = match self.0.take() {
            Some(file) => file,
            None => files::open_or_create(disk, &wal.join(MARK))?,
        };
        raise_in(&*file, seq)?;
        self.0 = Some(file);
        Ok(())
    }
}

fn raise_in(file: &dyn File, seq: Seq) -> io::Result<()> {
    if !file.lock(LockKind::Exclusive, WAIT)? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    if read_file(file)? < seq || faults::on(Fault::MarkGoesBack) {
        // In place and in one sector: a reader that comes in between finds a checksum that does not match, and counts 0.
        file.write_full_at(0, &render(seq))?;
    }
    file.unlock()
}

fn read_file(file: &dyn File) -> io::Result<Seq> {
    let mut bytes = [0; LEN];
    let len = file.read_full_at(0, &mut bytes)?;
    Ok(parse(&bytes[..len]).unwrap_or(Seq::NONE))
}

fn render(seq: Seq) -> [u8; LEN] {
    let covered = format!("phaselog-mark 1 {seq}");
    let text = format!("{covered} {}", Crc::of(covered.as_bytes()));
    let mut bytes = [b' '; LEN];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes[LEN - 1] = b'\n';
    bytes
}

fn parse(bytes: &[u8]) -> Option<Seq> {
    let text = std::str::from_utf8(bytes).ok()?;
    let seq = text.split(' ').nth(2)?.parse().ok().map(Seq::new)?;
    (!seq.is_beyond_reach() && render(seq) == *bytes).then_some(seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_mark() {
        let bytes = render(Seq::new(1050));
        let mut expected = b"phaselog-mark 1 1050 29f68402".to_vec();
        expected.resize(63, b' ');
        expected.push(b'\n');
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(parse(&bytes), Some(Seq::new(1050)));
    }

    #[test]
    fn a_mark_that_no_log_reaches_counts_nothing() {
        for seq in [(1 << 62) + 1, u64::MAX >> 1] {
            assert_eq!(parse(&render(Seq::new(seq))), None);
        }
        let far = Seq::new(1 << 62);
        assert_eq!(parse(&render(far)), Some(far));
    }

    #[test]
    fn hurt_mark_counts_nothing() {
        let whole = render(Seq::new(1050));
        for at in 0..LEN {
            let mut bytes = whole;
            bytes[at] ^= 1;
            assert_eq!(parse(&bytes), None, "byte {at}");
            assert_eq!(parse(&whole[..at]), None);
        }
    }
}
