//! Lines that all verify and do not stand where they belong: the chain of their checksums tells the order they had.
//!
//! ```text
//! a b d c e      c names b as the record before it, d names c, e names d      a b c d e
//! a b c c d      the second c has the place and the checksum of the first     a b c d
//! ```
//!
//! A line is put where the scanner would accept it, and a line is passed over only if it is a copy of one that stands in
//! its place. So nothing is guessed, and nothing is lost: whatever is hurt, missing or there in two versions is left alone.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use super::frame::{self, Crc};
use super::segment::{Part, Scan, Step, Stop};
use super::window::read_range;
use crate::error::{DamageKind, Order};
use crate::ports::File;
use crate::position::{Offset, Seq};

/// How far before and behind a stop lines are looked for, in bytes: further than a segment is long, groups aside.
const REACH: u64 = 4 << 20;

/// How many lines of one seq are looked at: more are nobody's copies, and hostile bytes may have any number.
const MOST_ALIKE: usize = 64;

/// Lines behind a stop, in the order of their records.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// What is not in order.
    pub(crate) order: Order,
    /// What was read behind the stop.
    pub(crate) bytes: Vec<u8>,
    /// How many of these bytes are not in order; reading goes on behind them.
    pub(crate) len: usize,
    /// The lines that count, in the order of their records; copies are not among them.
    pub(crate) lines: Vec<Range<usize>>,
    /// How many of these bytes are copies.
    pub(crate) copied_bytes: u64,
    /// The checksum of the last record before the place where reading goes on.
    pub(crate) last_crc: Crc,
}

/// Looks whether what stands at a stop is all there in another order. `previous` is the checksum of the record before the
/// stop, `limit` the byte at which the segment ends, copies not counted.
///
/// # Errors
/// What the system says.
pub(crate) fn look_for_order(
    file: &dyn File,
    stop: &Stop,
    previous: Option<Crc>,
    limit: u64,
) -> io::Result<Option<Ordered>> {
    let whole_line = match &stop.fault {
        Some(DamageKind::Sequence | DamageKind::Chain | DamageKind::Malformed(_)) => true,
        // Copies make a sealed segment longer than its seal says: that cuts a line.
        Some(DamageKind::Unterminated) => file.len()? > limit,
        _ => false,
    };
    let (Some(previous), true) = (previous, whole_line) else {
        return Ok(None);
    };
    let from = stop.offset.get();
    let bytes = read_range(file, from, file.len()?.min(from.saturating_add(REACH)))?;
    let mut earlier = Earlier {
        file,
        end: from,
        seqs: None,
    };
    let limit = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
    let found = in_order(stop.seq, previous, &bytes, limit, &mut earlier)?;
    Ok(found.map(|found| Ordered { bytes, ..found }))
}

/// The checksums of the records before a stop, read when they are asked for.
struct Earlier<'f> {
    file: &'f dyn File,
    end: u64,
    seqs: Option<HashMap<Seq, Crc>>,
}

impl Earlier<'_> {
    fn crc(&mut self, seq: Seq) -> io::Result<Option<Crc>> {
        if self.seqs.is_none() {
            let from = self.end.saturating_sub(REACH);
            let bytes = read_range(self.file, from, self.end)?;
            // What begins in the middle of a line verifies as none.
            let lines = bytes.split(|&byte| byte == b'\n');
            let records = lines.filter_map(|line| frame::parse(line).ok());
            self.seqs = Some(records.map(|frame| (frame.seq, frame.crc)).collect());
        }
        Ok(self.seqs.as_ref().and_then(|seqs| seqs.get(&seq).copied()))
    }
}

/// One line of a file.
struct Line {
    place: Range<usize>,
    /// Its record, if it verifies.
    record: Option<(Seq, Crc)>,
    /// It was put further ahead.
    taken: bool,
}

fn lines_of(bytes: &[u8]) -> Vec<Line> {
    let (mut lines, mut at) = (Vec::new(), 0);
    for end in memchr::memchr_iter(b'\n', bytes) {
        let record = frame::parse(&bytes[at..end]).ok();
        lines.push(Line {
            place: at..end + 1,
            record: record.map(|frame| (frame.seq, frame.crc)),
            taken: false,
        });
        at = end + 1;
    }
    lines
}

fn in_order(
    first: Seq,
    previous: Crc,
    bytes: &[u8],
    limit: usize,
    earlier: &mut Earlier<'_>,
) -> io::Result<Option<Ordered>> {
    let mut lines = lines_of(bytes);
    let mut places: HashMap<Seq, Vec<usize>> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some((seq, _)) = line.record {
            places.entry(seq).or_default().push(at);
        }
    }
    let mut sorting = Sorting {
        bytes,
        scan: Scan::new(Offset::START, first, Some(previous)),
        in_group: false,
        placed: HashMap::from([(first.before(), previous)]),
        out: Vec::new(),
        copied_bytes: 0,
        order: Order {
            moved: None,
            twice: None,
            copies: 0,
            last: first.before(),
        },
    };
    // Lines that were put ahead and are still to be passed.
    let mut ahead = 0;
    let mut best = None;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let disordered = sorting.order.copies > 0 || sorting.order.moved.is_some();
        if line.taken {
            (at, ahead) = (at + 1, ahead - 1);
        } else if let Some((scan, part)) = sorting.follows(line, limit) {
            if disordered && ahead == 0 && !sorting.in_group {
                break;
            }
            sorting.put(line, scan, part);
            at += 1;
        } else if let Some(seq) = sorting.is_copy(&lines, at, &places, limit, earlier)? {
            sorting.leave_out(line, seq);
            at += 1;
        } else {
            let waiting = behind(&places, sorting.scan.next(), at);
            let Some(found) = sorting.next_of(&lines, waiting, limit) else {
                break;
            };
            let (scan, part) = sorting
                .follows(&lines[found], limit)
                .expect("a line was found because it follows");
            sorting.move_here(&lines[found], scan, part);
            lines[found].taken = true;
            ahead += 1;
        }
        if ahead == 0 && !sorting.in_group {
            best = sorting.so_far(lines.get(at).map_or_else(
                || lines.last().map_or(0, |line| line.place.end),
                |line| line.place.start,
            ));
        }
    }
    Ok(best.map(|(count, best)| {
        sorting.out.truncate(count);
        Ordered {
            lines: sorting.out,
            ..best
        }
    }))
}

/// The lines of one seq that stand behind a line; none if there are too many.
fn behind(places: &HashMap<Seq, Vec<usize>>, seq: Seq, at: usize) -> &[usize] {
    let all = places.get(&seq).map_or(&[][..], Vec::as_slice);
    let behind = &all[all.partition_point(|&other| other <= at)..];
    if behind.len() > MOST_ALIKE {
        return &[];
    }
    behind
}

/// Lines on their way into order.
struct Sorting<'b> {
    bytes: &'b [u8],
    scan: Scan,
    in_group: bool,
    placed: HashMap<Seq, Crc>,
    out: Vec<Range<usize>>,
    copied_bytes: u64,
    order: Order,
}

impl Sorting<'_> {
    /// The bytes that belong to the segment end here; what is only a copy is none of them.
    fn bound(&self, limit: usize) -> usize {
        limit.saturating_add(usize::try_from(self.copied_bytes).unwrap_or(usize::MAX))
    }

    /// The scan behind a line, if that is the next record.
    fn follows(&self, line: &Line, limit: usize) -> Option<(Scan, Part)> {
        let (seq, _) = line.record?;
        if seq != self.scan.next() || line.place.end > self.bound(limit) {
            return None;
        }
        let mut scan = self.scan.clone();
        match scan.step(&self.bytes[line.place.clone()], true) {
            Step::Line(found) => {
                let part = found.part;
                Some((scan, part))
            }
            Step::Hungry | Step::Stop(_) => None,
        }
    }

    /// The one of these lines that is the next record; none if there are two that are not the same.
    fn next_of(&self, lines: &[Line], waiting: &[usize], limit: usize) -> Option<usize> {
        let mut found: Option<usize> = None;
        for &other in waiting {
            let line = &lines[other];
            if line.taken || self.follows(line, limit).is_none() {
                continue;
            }
            match found {
                Some(first) if lines[first].record != line.record => return None,
                Some(_) => {}
                None => found = Some(other),
            }
        }
        found
    }

    /// The seq of a line that stands elsewhere too, where it belongs or in front of it.
    fn is_copy(
        &self,
        lines: &[Line],
        at: usize,
        places: &HashMap<Seq, Vec<usize>>,
        limit: usize,
        earlier: &mut Earlier<'_>,
    ) -> io::Result<Option<Seq>> {
        let line = &lines[at];
        let Some((seq, crc)) = line.record else {
            return Ok(None);
        };
        if line.place.start >= self.bound(limit) {
            return Ok(None);
        }
        let next = self.scan.next();
        let copy = if seq >= next {
            let mut others = behind(places, seq, at).iter().map(|&other| &lines[other]);
            others.any(|other| !other.taken && other.record == line.record)
        } else if let Some(&placed) = self.placed.get(&seq) {
            placed == crc
        } else {
            earlier.crc(seq)? == Some(crc)
        };
        Ok(copy.then_some(seq))
    }

    fn put(&mut self, line: &Line, scan: Scan, part: Part) {
        let (seq, crc) = line.record.expect("only a record follows another");
        self.placed.insert(seq, crc);
        self.out.push(line.place.clone());
        self.order.last = seq;
        self.in_group = part == Part::Open;
        self.scan = scan;
    }

    fn move_here(&mut self, line: &Line, scan: Scan, part: Part) {
        let first = self.scan.next();
        self.put(line, scan, part);
        self.order.moved.get_or_insert((first, first));
    }

    fn leave_out(&mut self, line: &Line, seq: Seq) {
        self.copied_bytes += line.place.len() as u64;
        self.order.copies += 1;
        self.order.twice.get_or_insert(seq);
    }

    /// What is in order by now, if anything was not: how many lines, and all but these. `len` bytes of the file were
    /// passed.
    fn so_far(&self, len: usize) -> Option<(usize, Ordered)> {
        let mut order = self.order;
        if order.copies == 0 && order.moved.is_none() {
            return None;
        }
        if let Some((_, to)) = &mut order.moved {
            *to = order.last;
        }
        let ordered = Ordered {
            order,
            bytes: Vec::new(),
            len,
            lines: Vec::new(),
            copied_bytes: self.copied_bytes,
            last_crc: self.scan.previous().expect("it began behind a record"),
        };
        Some((self.out.len(), ordered))
    }
}
