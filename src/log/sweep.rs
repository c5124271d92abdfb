//! The sealed segments of a sound log, read on all cores: the audit of a long history wants few records of very many.
//!
//! ```text
//!   …0001.wal  …0518.wal  …0901.wal  …1400.wal      every line of the sealed ones is verified, as by any reader
//!   core 1     core 2     core 1     Log::read      their headers say where each begins and ends
//! ```
//!
//! A sealed segment stands on its own: its own header says what came before it, its successor's where it ends, so it needs
//! nobody to have read the one before. Nothing is judged here. If anything at all is not as it should be, there is no
//! answer, and [`Log::read`] finds out what it is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memchr::memmem::Finder;

use super::frame::Crc;
use super::reader::{From, Log};
use super::segment::{Line, Scan, Step};
use super::trouble::{header_of, read_header};
use super::window::Window;
use crate::position::{Offset, SegmentId, Seq};

/// How many segments are worth another thread.
const SEGMENTS_A_THREAD: usize = 8;

/// A record that holds one of the texts that were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its place.
    pub seq: Seq,
    /// Its checksum.
    pub crc: Crc,
    /// Its payload.
    pub payload: String,
}

impl Log {
    /// Verifies all sealed segments and finds the records in them that hold one of `needles`, in order; with them the
    /// place where reading goes on. No needle may hold a newline.
    ///
    /// `None` if there is nothing sealed, or anything is not as it should be, or was once and was given up.
    pub fn sweep(&self, needles: &[Finder<'_>]) -> Option<(Vec<Swept>, From)> {
        let ids = self.segments().ok()?;
        if ids.len() < 2 || ids[0] != SegmentId::FIRST {
            return None;
        }
        let sealed = ids.len() - 1;
        let sweep = Sweep {
            log: self,
            ids: &ids,
            needles,
            next: AtomicUsize::new(0),
            odd: AtomicBool::new(false),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let helpers = cores.min(sealed / SEGMENTS_A_THREAD).saturating_sub(1);
        let mut found = std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(|| sweep.run())).collect();
            let mut found = sweep.run();
            for helper in helpers {
                match helper.join() {
                    Ok(more) => found.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            found
        });
        if sweep.odd.into_inner() || found.len() != sealed {
            return None;
        }
        found.sort_unstable_by_key(|(index, _)| *index);
        let header = read_header(self, ids[sealed]).ok()?.ok()?;
        let goes_on = From::AfterSnapshot {
            seq: ids[sealed].first_seq().before(),
            crc: header.prev?.last_crc32,
            log: header.log,
        };
        let records = found.into_iter().flat_map(|(_, records)| records);
        Some((records.collect(), goes_on))
    }
}

struct Sweep<'s> {
    log: &'s Log,
    ids: &'s [SegmentId],
    needles: &'s [Finder<'s>],
    /// The next segment that nobody reads yet.
    next: AtomicUsize,
    /// Something is not as it should be: everybody may stop.
    odd: AtomicBool,
}

impl Sweep<'_> {
    /// Reads one segment after the other until none is left; each with its index.
    fn run(&self) -> Vec<(usize, Vec<Swept>)> {
        let (mut found, mut window) = (Vec::new(), Window::default());
        while !self.odd.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index + 1 >= self.ids.len() {
                break;
            }
            match self.segment(index, &mut window) {
                Some(records) => found.push((index, records)),
                None => self.odd.store(true, Ordering::Relaxed),
            }
        }
        found
    }

    /// Verifies one sealed segment against its own header and its successor's.
    fn segment(&self, index: usize, window: &mut Window) -> Option<Vec<Swept>> {
        let (id, successor) = (self.ids[index], self.ids[index + 1]);
        let path = self.log.segment_path(id);
        let file = self.log.ports.disk.open_read(&path).ok()?;
        let (header, previous) = header_of(&*file, id).ok()?.ok()?;
        let after = read_header(self.log, successor).ok()?.ok()?;
        let end = after.prev?;
        let before = index.checked_sub(1).map(|before| self.ids[before]);
        let fits = header.prev.map(|prev| prev.segment) == before
            && end.segment == id
            && header.log == after.log
            && header.lost.is_empty()
            && after.lost.is_empty();
        if !fits {
            return None;
        }
        let mut scan = Scan::new(Offset::START, id.first_seq(), Some(previous));
        let mut found = Vec::new();
        window.clear();
        let (limit, mut want) = (end.valid_bytes.get(), 0);
        while scan.offset() < end.valid_bytes {
            let from = scan.offset();
            let (bytes, at_end) = window.at(&*file, from.get(), limit, want).ok()?;
            let given = bytes.len();
            self.lines(&mut scan, bytes, &mut found)?;
            want = match scan.offset() == from {
                // The file ends before it should, or within a line.
                true if at_end => return None,
                // A line that goes on behind the bytes given.
                true => given.max(1) * 2,
                false => 0,
            };
        }
        // Nothing is given out before the segment is known to be whole, so groups need no care.
        let whole = scan.offset() == end.valid_bytes
            && scan == scan.at_group_start()
            && scan.next() == end.last_seq.next()
            && scan.previous() == Some(end.last_crc32);
        whole.then_some(found)
    }

    /// Verifies every whole line of `bytes`.
    fn lines(&self, scan: &mut Scan, bytes: &[u8], found: &mut Vec<Swept>) -> Option<()> {
        let mut matches: Vec<_> = self
            .needles
            .iter()
            .map(|needle| needle.find_iter(bytes).peekable())
            .collect();
        let begin = scan.offset().get();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let line: Line<'_> = match scan.step(rest, false) {
                Step::Line(line) => line,
                Step::Hungry => break,
                Step::Stop(_) => return None,
            };
            at = usize::try_from(scan.offset().get() - begin).ok()?;
            let mut holds = false;
            for places in &mut matches {
                while places.next_if(|&place| place < at).is_some() {
                    holds = true;
                }
            }
            if holds {
                found.push(Swept {
                    seq: line.frame.seq,
                    crc: line.frame.crc,
                    payload: line.frame.payload.to_owned(),
                });
            }
        }
        Some(())
    }
}
