//! Takes a cache further after a compaction: what is known of the snapshots is new, and hardly anything else.
//!
//! Making it anew would write every item once more, though none has changed.

use std::path::Path;

use super::End;
use super::open::open_whatever_snapshots;
use crate::log::reader::{Access, From, Log, Witnesses};
use crate::pipeline::Facts;
use crate::ports::Ports;
use crate::position::Seq;
use crate::store::facts::SnapshotFacts;
use crate::store::recovery::fold;

/// A cache that is further behind than this part of the items is made anew: that is faster.
const PART: u64 = 8;

/// Takes the cache that is there as far as `end`, where the log ends, with what is known of the snapshots now. To be called under
/// the append lock, by who has read the log that far. False if there is none that counts, or it is of no use: then a new one is
/// due.
pub(in crate::store) fn follow(
    ports: &Ports,
    dir: &Path,
    log: &Log,
    end: &End,
    facts: &SnapshotFacts,
) -> bool {
    let Some(mut opened) = open_whatever_snapshots(ports, dir, log) else {
        return false;
    };
    let known = &opened.end.position;
    let behind = end.position.next.get().saturating_sub(known.next.get());
    // A range that a repair gave up since may lie in what the cache has.
    let same_history = known.lost == end.position.lost;
    let items = u64::try_from(opened.state.item_count()).unwrap_or(u64::MAX);
    if !same_history || behind > items / PART + PART {
        return false;
    }
    let (mut state, mut before) = (opened.state.clone(), opened.facts.clone());
    let from = From::Position(known.clone());
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: facts.seq.unwrap_or(Seq::NONE),
    };
    let read = log.read(from, witnesses, Access::ReadOnly, true, &mut |entry| {
        fold(&mut state, &mut before, &entry).map(drop)
    });
    let there = read.is_ok_and(|read| read.position.next == end.position.next);
    there && state.is_sound() && opened.save(end, &mut state, facts)
}
