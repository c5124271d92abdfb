//! Whether a file is what a snapshot of a state is, to the byte.

use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{Error, Result};
use crate::pipeline::PipelineState;
use crate::ports::{Disk, FromStart};
use crate::snapshot::{TimeStyle, enrichment, extraction};

/// True if the file is what a snapshot of that state has under the name of a companion.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened.
pub(super) fn is_of(
    disk: &dyn Disk,
    path: &Path,
    name: &str,
    state: &PipelineState,
) -> Result<bool> {
    let file = disk.open_read(path).map_err(Error::io("read", path))?;
    let len = file.len().map_err(Error::io("read", path))?;
    let mut same = Same(FromStart::new(&*file));
    let written = if name == extraction::NAME {
        extraction::encode(state, TimeStyle::of(state.document.times), &mut same)
    } else {
        enrichment::encode(state, &mut same)
    };
    Ok(written.is_ok() && same.0.at() == len)
}

/// Takes bytes as long as they are those that a file has.
struct Same<'f>(FromStart<'f>);

impl io::Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut there = Vec::with_capacity(bytes.len());
        let wanted = bytes.len() as u64;
        (&mut self.0).take(wanted).read_to_end(&mut there)?;
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
