//! Segments line by line, as they stand: what a newer version wrote is not understood, but its checksums tell that it
//! stands as it was written.

use std::path::{Path, PathBuf};

use super::super::dir::WAL;
use super::{Found, Give, Raw, Unreadable, Walk, newer};
use crate::error::{Error, Result};
use crate::log::frame;
use crate::ports::EntryKind;
use crate::position::{SegmentId, Seq};

/// A segment that a newer version wrote is read as it stands, up to this size.
const MAX_BYTES: u64 = 1 << 30;

impl Walk<'_> {
    /// Reads the segments line by line, as far as the next one says that they go. What a newer version wrote begins
    /// with the record `newest`.
    pub(super) fn read_raw(
        &self,
        newest: Option<Seq>,
        what: &str,
        give: &mut Give<'_>,
    ) -> Result<()> {
        let (mut expected, segments) = (Seq::NONE, self.log.segments()?);
        let mut after: Option<Option<Vec<u8>>> = None;
        // Where reading stands, and whether the bytes just before are hurt.
        let (mut end, mut hurt) = ((PathBuf::from(WAL), 0), false);
        for (index, &id) in segments.iter().enumerate() {
            let bytes = match after.take() {
                Some(bytes) => bytes,
                None => self.read_segment(id)?,
            };
            let file = Path::new(WAL).join(id.file_name());
            let next = match segments.get(index + 1) {
                Some(&successor) => self.read_segment(successor)?,
                None => None,
            };
            let mut bytes = bytes.unwrap_or_default();
            bytes.truncate(next.as_deref().and_then(sealed_at).unwrap_or(bytes.len()));
            after = Some(next);
            (end, hurt) = ((file.clone(), 0), false);
            if bytes.is_empty() {
                hurt = true;
                give(Found::Unreadable(&hurt_at(
                    &file,
                    0,
                    expected.max(id.first_seq()),
                )))?;
            }
            for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                let parsed = line
                    .strip_suffix(b"\n")
                    .and_then(|line| frame::parse(line).ok());
                match parsed.filter(|frame| frame.seq >= expected) {
                    Some(frame) => {
                        let seq = frame.seq;
                        give(Found::Record(Raw {
                            seq,
                            crc: frame.crc,
                            payload: frame.payload,
                        }))?;
                        if newest == Some(seq) {
                            give(Found::Unreadable(&Unreadable {
                                message: newer(&file, seq, what),
                                file: file.clone(),
                                byte: end.1,
                                seq,
                                shown: true,
                            }))?;
                        }
                        (expected, hurt) = (seq.next(), false);
                    }
                    // A line that nobody finished says nothing; the hurt ones after another are one place.
                    None if hurt || !line.ends_with(b"\n") => {}
                    None => {
                        hurt = true;
                        let seq = expected.max(id.first_seq());
                        give(Found::Unreadable(&hurt_at(&file, end.1, seq)))?;
                    }
                }
                end.1 += line.len() as u64;
            }
        }
        let attested = self.witnesses.mark.max(self.witnesses.snapshot);
        if attested >= expected && !hurt {
            give(Found::Unreadable(&hurt_at(&end.0, end.1, expected)))?;
        }
        Ok(())
    }

    /// The bytes of a segment; `None` if its name leads to something that is no file.
    fn read_segment(&self, id: SegmentId) -> Result<Option<Vec<u8>>> {
        let (disk, path) = (&self.ports.disk, self.log.segment_path(id));
        match disk.read(&path, MAX_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => match disk.metadata(&path) {
                Ok(found) if found.kind != EntryKind::File => Ok(None),
                _ => Err(Error::io("read", &path)(error)),
            },
        }
    }
}

fn hurt_at(file: &Path, byte: u64, seq: Seq) -> Unreadable {
    Unreadable {
        message: format!(
            "{} byte {byte}: record {seq} cannot be read",
            file.display()
        ),
        file: file.to_owned(),
        byte,
        seq,
        shown: false,
    }
}

/// Where a segment's header, of whatever version, says that the one before it ends.
fn sealed_at(bytes: &[u8]) -> Option<usize> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    let header: serde_json::Value = serde_json::from_str(frame::parse(line).ok()?.payload).ok()?;
    let end = header.pointer("/prev/valid_bytes")?.as_u64()?;
    usize::try_from(end).ok()
}
