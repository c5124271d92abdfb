//! What in a file is older than what it is compared with. A file that does not say when it was written is compared with the
//! last snapshot; whoever wrote it may have read one before that, all of it or a single object.
//!
//! ```text
//!   snapshot of 6          8: price 1 -> 2         snapshot of 9           the file
//!   price 1, beds 2                                price 2, beds 2         price 1, beds 3
//!                                                                          older    edited
//! ```
//!
//! What differs from the last snapshot and stood so in one before is older, or somebody has put it back: nothing tells the two
//! apart, so the log stays and a person is told. Where such values show that a file, or an object in it, was made from an older
//! snapshot, the rest of its edits are compared with that one: what the log has moved since stays as well.

use crate::position::Seq;

/// Why an edit is not taken as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The store had it until this record, and an older file has it still.
    Older(Seq),
    /// An edit of an older file: the store has moved the same with this record.
    Behind(Seq),
}

/// A field that a file has otherwise than the last snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// While the log had what the file has: from a record on, until another.
    pub held: Vec<(Seq, Seq)>,
    /// The last record before the last snapshot that moved it.
    pub moved: Seq,
    /// An edit of the file that was taken over before the last snapshot had it.
    pub of_version: bool,
}

/// What a part of a file tells about what it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What it has otherwise than the last snapshot.
    pub differing: Vec<Differing>,
    /// The records that set what it has as that snapshot.
    pub present: Vec<Seq>,
    /// The records that brought what that snapshot has and it does not: items. An older file had not got them yet, or somebody
    /// took them out.
    pub gone: Vec<Seq>,
}

/// How much a field tells of what a file was made from.
const FIELD: i64 = 2;

/// How much it tells that an item is not there: people take items out, and hardly ever put in what there was before.
const GONE: i64 = 1;

/// What a file may have been made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// The snapshots before the last one, and the edit of the file that was taken over last before it; in order.
    before: Vec<Seq>,
    version: Option<Seq>,
}

/// What of a file is doubtful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// Field by field, in the order of the evidence.
    pub parts: Vec<Vec<Option<Doubt>>>,
    /// The file as a whole is older than the last snapshot.
    pub is_older: bool,
}

impl Points {
    /// Of these `snapshots`, those before the last one, `place`.
    pub fn new(mut snapshots: Vec<Seq>, version: Option<Seq>, place: Seq) -> Self {
        snapshots.extend(version);
        snapshots.retain(|seq| *seq < place);
        snapshots.sort_unstable();
        snapshots.dedup();
        Self {
            before: snapshots,
            version,
        }
    }

    /// The points at which a field stood as the file has it.
    fn held(&self, field: &Differing) -> impl Iterator<Item = (usize, usize)> {
        let at = |seq: Seq| self.before.partition_point(|point| *point < seq);
        let held = field.held.iter();
        held.map(move |(from, until)| (at(*from), at(*until)))
            .filter(|(from, until)| from < until)
    }

    /// The record with which what the file has gave way to something newer.
    fn older(&self, field: &Differing) -> Option<Seq> {
        let mut runs = field.held.iter().rev();
        let is_in = |(from, until): &&(Seq, Seq)| {
            let point = self.before.partition_point(|point| point < from);
            self.before.get(point).is_some_and(|point| point < until)
        };
        let until = runs.find(is_in).map(|(_, until)| *until);
        until.or(field.of_version.then_some(field.moved))
    }

    /// The point that parts of a file were made from, if it is not the last snapshot: the one with the fewest differences,
    /// where that has no fewer.
    fn origin<'e>(&self, parts: impl Iterator<Item = &'e Evidence>) -> Option<Seq> {
        // Differences of how many fields begin and end at each point.
        let mut steps = vec![0_i64; self.before.len() + 1];
        let mut last = 0;
        for part in parts {
            for field in &part.differing {
                last += FIELD;
                steps[0] += FIELD;
                let mut of_version = field.of_version.then_some(self.version).flatten();
                for (from, until) in self.held(field) {
                    (steps[from], steps[until]) = (steps[from] - FIELD, steps[until] + FIELD);
                    of_version = of_version.filter(|it| !self.before[from..until].contains(it));
                }
                if let Some(Ok(at)) = of_version.map(|it| self.before.binary_search(&it)) {
                    (steps[at], steps[at + 1]) = (steps[at] - FIELD, steps[at + 1] + FIELD);
                }
            }
            for set in &part.present {
                steps[0] += FIELD;
                steps[self.before.partition_point(|point| point < set)] -= FIELD;
            }
            for brought in &part.gone {
                last += GONE;
                steps[self.before.partition_point(|point| point < brought)] += GONE;
            }
        }
        let mut differences = 0;
        let mut best: Option<(i64, Seq)> = None;
        for (step, point) in steps.into_iter().zip(&self.before) {
            differences += step;
            if best.is_none_or(|(least, _)| differences <= least) {
                best = Some((differences, *point));
            }
        }
        best.filter(|(least, _)| *least <= last)
            .map(|(_, point)| point)
    }
}

/// Finds what in the parts of a file is older than the last snapshot. With `apart`, one part may be older than the others.
pub fn doubts(points: &Points, parts: &[Evidence], apart: bool) -> Doubts {
    let older = |field: &Differing| points.older(field);
    let is_older = |part: &Evidence| part.differing.iter().any(|field| older(field).is_some());
    let was_not_there = |part: &Evidence| {
        let first = points.before.first();
        first.is_some_and(|first| part.gone.iter().any(|brought| first < brought))
    };
    let nothing = || Doubts {
        parts: parts
            .iter()
            .map(|it| vec![None; it.differing.len()])
            .collect(),
        is_older: false,
    };
    if !parts
        .iter()
        .any(|part| is_older(part) || was_not_there(part))
    {
        return nothing();
    }
    let whole = points.origin(parts.iter());
    if whole.is_none() && !apart {
        return nothing();
    }
    let judged = parts.iter().map(|part| {
        let origin = if apart && is_older(part) {
            points.origin(std::iter::once(part))
        } else {
            whole
        };
        let judge = |field: &Differing| {
            let behind = origin.filter(|origin| field.moved > *origin);
            let behind = behind.map(|_| Doubt::Behind(field.moved));
            older(field).map(Doubt::Older).or(behind)
        };
        part.differing.iter().map(judge).collect()
    });
    Doubts {
        parts: judged.collect(),
        is_older: whole.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(seq: u64) -> Seq {
        Seq::new(seq)
    }

    /// A field that the log moved last with `moved`, and that had what the file has in these times.
    fn field(held: &[(u64, u64)], moved: u64) -> Differing {
        Differing {
            held: held
                .iter()
                .map(|(from, until)| (seq(*from), seq(*until)))
                .collect(),
            moved: seq(moved),
            of_version: false,
        }
    }

    fn part(differing: &[Differing], present: &[u64]) -> Evidence {
        Evidence {
            differing: differing.to_vec(),
            present: present.iter().map(|it| seq(*it)).collect(),
            gone: Vec::new(),
        }
    }

    fn points() -> Points {
        Points::new(vec![seq(6), seq(9), seq(20)], None, seq(20))
    }

    #[test]
    fn what_no_snapshot_ever_had_is_an_edit() {
        let fields = [field(&[], 8), field(&[(7, 8)], 8), field(&[(2, 5)], 15)];
        let found = doubts(&points(), &[part(&fields, &[])], true);
        assert_eq!((found.parts, found.is_older), (vec![vec![None; 3]], false));
    }

    #[test]
    fn what_an_older_snapshot_had_is_older_and_what_moved_since_is_behind() {
        let fields = [
            field(&[(2, 8)], 8),
            // New in the file: moved since that snapshot, and not.
            field(&[], 15),
            field(&[], 4),
        ];
        let found = doubts(&points(), &[part(&fields, &[3])], true);
        let wanted = vec![
            Some(Doubt::Older(seq(8))),
            Some(Doubt::Behind(seq(15))),
            None,
        ];
        assert_eq!((found.parts, found.is_older), (vec![wanted], true));
    }

    #[test]
    fn an_object_may_be_older_than_the_file() {
        let old = part(&[field(&[(2, 8)], 8), field(&[], 12)], &[]);
        let new = part(&[field(&[], 12)], &[15, 16]);
        let found = doubts(&points(), &[old.clone(), new.clone()], true);
        let of_old = vec![Some(Doubt::Older(seq(8))), Some(Doubt::Behind(seq(12)))];
        assert_eq!(found.parts, [of_old, vec![None]]);
        assert!(!found.is_older);
        // Lists are read and written as a whole: what is put back there is an edit.
        let found = doubts(&points(), &[old, new], false);
        assert_eq!(found.parts, [vec![None; 2], vec![None]]);
    }

    /// A house was taken out of the file, and another edited: that does not make it a file from before there were any.
    #[test]
    fn an_item_that_is_gone_tells_less_than_one_that_is_there() {
        let edited = part(&[field(&[], 8), field(&[], 0)], &[8]);
        let gone = |brought: &[u64]| Evidence {
            gone: brought.iter().map(|it| seq(*it)).collect(),
            ..Evidence::default()
        };
        let found = doubts(&points(), &[edited.clone(), gone(&[8])], true);
        assert_eq!(found.parts[0], [None, None]);
        // Where it has nothing that came later, it is older: all that came since is not there.
        let older = part(&edited.differing, &[4]);
        let found = doubts(&points(), &[older, gone(&[8, 8])], true);
        assert_eq!(found.parts[0], [Some(Doubt::Behind(seq(8))), None]);
    }

    #[test]
    fn what_an_edit_had_that_the_log_left_out_is_older() {
        let points = Points::new(vec![seq(6)], Some(seq(10)), seq(20));
        let mut field = field(&[], 9);
        field.of_version = true;
        let found = doubts(&points, &[part(&[field], &[])], true);
        assert_eq!(found.parts, [[Some(Doubt::Older(seq(9)))]]);
    }
}
