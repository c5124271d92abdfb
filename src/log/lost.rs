//! What was given up, to be asked in each direction: which bytes of a segment, which seqs.
//!
//! Every header repeats all ranges there are. Of one segment the last header counts that says anything of it: where that
//! segment was hurt again, a repair says anew which of its bytes are to be passed over.

use std::collections::{BTreeMap, BTreeSet};

use super::header::LostRange;
use crate::position::{Offset, SegmentId, Seq};

/// Every range that counts of those that headers declared lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    /// Which header counts of each segment.
    by: BTreeMap<SegmentId, SegmentId>,
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
    /// Takes over what the header of the segment `by` declares.
    pub(super) fn learn(&mut self, by: SegmentId, ranges: &[LostRange]) {
        let said: BTreeSet<SegmentId> = ranges.iter().map(|lost| lost.segment).collect();
        let counts = |id: &SegmentId| self.by.get(id).is_none_or(|&known| known <= by);
        let said: BTreeSet<SegmentId> = said.into_iter().filter(counts).collect();
        let counts = |lost: &&LostRange| said.contains(&lost.segment);
        let mut new: Vec<LostRange> = ranges.iter().filter(counts).copied().collect();
        new.sort_unstable_by_key(key);
        new.dedup();
        self.by.extend(said.iter().map(|&id| (id, by)));
        let known = self.ranges.iter().filter(counts);
        if known.eq(&new) {
            return;
        }
        self.ranges.retain(|lost| !said.contains(&lost.segment));
        self.ranges.append(&mut new);
        self.ranges.sort_unstable_by_key(key);
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

    /// The seqs around this one that were given up, with what touches.
    fn around(&self, seq: Seq) -> Option<(Seq, Seq)> {
        let at = self.spans.partition_point(|&(_, end)| end < seq);
        let span = self.spans.get(at).copied();
        span.filter(|&(begin, _)| begin <= seq)
    }

    /// The first seq from `from` on that was not given up.
    pub(super) fn through(&self, from: Seq) -> Seq {
        self.around(from).map_or(from, |(_, end)| end.next())
    }

    /// The last seq down from `to` that was not given up.
    pub(super) fn back(&self, to: Seq) -> Seq {
        self.around(to).map_or(to, |(begin, _)| begin.before())
    }

    /// The first of the seqs that were given up up to this one; itself if it was not.
    pub(super) fn begin(&self, seq: Seq) -> Seq {
        self.around(seq).map_or(seq, |(begin, _)| begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first: u64) -> SegmentId {
        SegmentId::starting_at(Seq::new(first))
    }

    fn range(of: u64, from_byte: u64, seqs: (u64, u64)) -> LostRange {
        LostRange {
            segment: segment(of),
            from_byte: Offset::new(from_byte),
            to_byte: Offset::new(from_byte + 10),
            from_seq: Seq::new(seqs.0),
            to_seq: Seq::new(seqs.1),
        }
    }

    #[test]
    fn ranges_are_known_once_and_touching_seqs_are_one() {
        let mut lost = Lost::default();
        lost.learn(segment(20), &[range(9, 0, (9, 12)), range(1, 50, (5, 6))]);
        let all = [
            range(1, 50, (5, 6)),
            range(1, 20, (3, 2)),
            range(1, 80, (7, 8)),
        ];
        lost.learn(segment(30), &all);
        assert_eq!(lost.ranges().len(), 4);
        let through = |seq| lost.through(Seq::new(seq)).get();
        assert_eq!([3, 4, 5, 8, 12, 13].map(through), [3, 4, 13, 13, 13, 13]);
        let back = |seq| lost.back(Seq::new(seq)).get();
        assert_eq!([4, 5, 12, 13].map(back), [4, 4, 4, 13]);
        assert_eq!(lost.begin(Seq::new(9)).get(), 5);
        assert_eq!(lost.of(SegmentId::FIRST).len(), 3);
    }

    #[test]
    fn of_a_segment_the_last_header_counts_that_says_anything_of_it() {
        let mut lost = Lost::default();
        let moved = range(1, 40, (5, 6));
        lost.learn(segment(30), &[moved, range(9, 0, (9, 12))]);
        // An older one, read later, and a newer one that says nothing of that segment.
        lost.learn(segment(20), &[range(1, 50, (5, 6))]);
        lost.learn(segment(40), &[range(9, 0, (9, 13))]);
        assert_eq!(lost.ranges(), [moved, range(9, 0, (9, 13))]);
    }
}
