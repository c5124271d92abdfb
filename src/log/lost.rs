//! What was given up, to be asked in each direction: which bytes of a segment, which seqs.

use std::collections::BTreeSet;

use super::header::LostRange;
use crate::position::{Offset, SegmentId, Seq};

/// Every range that any header declared lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    /// In the order of their places, each once.
    ranges: Vec<LostRange>,
    /// The seqs, in order, with what touches as one.
    spans: Vec<(Seq, Seq)>,
}

/// The order of places; two ranges that are not the same differ in it.
fn key(lost: &LostRange) -> (SegmentId, Offset, Seq, Offset, Seq) {
    let LostRange {
        segment,
        from_byte,
        to_byte,
        from_seq,
        to_seq,
    } = *lost;
    (segment, from_byte, from_seq, to_byte, to_seq)
}

impl Lost {
    /// Takes over these ranges.
    pub(super) fn learn(&mut self, ranges: &[LostRange]) {
        let known = |lost: &LostRange| self.ranges.binary_search_by_key(&key(lost), key).is_ok();
        let mut new: Vec<LostRange> = ranges.iter().filter(|lost| !known(lost)).copied().collect();
        if new.is_empty() {
            return;
        }
        self.ranges.append(&mut new);
        self.ranges.sort_unstable_by_key(key);
        self.ranges.dedup();
        let seqs: BTreeSet<(Seq, Seq)> = self
            .ranges
            .iter()
            .map(|lost| (lost.from_seq, lost.to_seq))
            .filter(|(from, to)| from <= to)
            .collect();
        self.spans.clear();
        for (from, to) in seqs {
            match self.spans.last_mut() {
                Some((_, end)) if from <= end.next() => *end = to.max(*end),
                _ => self.spans.push((from, to)),
            }
        }
    }

    /// All of them, in the order of their places.
    pub(super) fn ranges(&self) -> &[LostRange] {
        &self.ranges
    }

    /// Those in one segment.
    pub(super) fn of(&self, id: SegmentId) -> &[LostRange] {
        let from = self.ranges.partition_point(|lost| lost.segment < id);
        let to = self.ranges.partition_point(|lost| lost.segment <= id);
        &self.ranges[from..to]
    }

    /// Those in that segment or behind it.
    pub(super) fn from(&self, id: SegmentId) -> &[LostRange] {
        &self.ranges[self.ranges.partition_point(|lost| lost.segment < id)..]
    }

    /// The first seq from `from` on that was not given up.
    pub(super) fn through(&self, from: Seq) -> Seq {
        let at = self.spans.partition_point(|&(_, end)| end < from);
        match self.spans.get(at) {
            Some(&(begin, end)) if begin <= from => end.next(),
            _ => from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(segment: u64, from_byte: u64, seqs: (u64, u64)) -> LostRange {
        LostRange {
            segment: SegmentId::starting_at(Seq::new(segment)),
            from_byte: Offset::new(from_byte),
            to_byte: Offset::new(from_byte + 10),
            from_seq: Seq::new(seqs.0),
            to_seq: Seq::new(seqs.1),
        }
    }

    #[test]
    fn ranges_are_known_once_and_touching_seqs_are_one() {
        let mut lost = Lost::default();
        lost.learn(&[range(9, 0, (9, 12)), range(1, 50, (5, 6))]);
        lost.learn(&[
            range(1, 50, (5, 6)),
            range(1, 20, (3, 2)),
            range(1, 80, (7, 8)),
        ]);
        assert_eq!(lost.ranges().len(), 4);
        let through = |seq| lost.through(Seq::new(seq)).get();
        assert_eq!([3, 4, 5, 8, 12, 13].map(through), [3, 4, 13, 13, 13, 13]);
        assert_eq!(lost.of(SegmentId::FIRST).len(), 3);
        assert_eq!(lost.from(SegmentId::starting_at(Seq::new(2))).len(), 1);
    }
}
