//! A disk of every size, from nothing to enough: whatever was acknowledged before it was full is there, and the store
//! goes on when there is room again.

use std::ops::ControlFlow;
use std::path::Path;

use super::{Row, Stage, count_lost, false_alarm, is_full, options, worker};
use crate::error::{Error, Result};
use crate::testing::oracles::{self, Claim, Place};
use crate::testing::rng::Rng;
use worker::Orders;

const PART: &str = "full disk";

/// What a file system in memory grows by.
const PAGE: u64 = 4096;

/// Steps of the writer that fills it.
const STEPS: usize = 60;

/// More than those steps can fill, in pages.
const MOST_PAGES: u64 = 400;

pub(super) fn run(stage: &mut Stage<'_>, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let mut row = Row {
        part: PART,
        ..Row::default()
    };
    let dir = stage.make("small")?;
    // The last size is the first one that is enough.
    for pages in 1..=MOST_PAGES {
        if !stage.goes_on() {
            break;
        }
        progress(&format!("a disk of {} KiB", pages * PAGE / 1024));
        if let Err(error) = stage.ports.process.mount_small(&dir, pages * PAGE, false) {
            stage.skip(
                PART,
                format!("a small file system cannot be mounted: {error}"),
            );
            return stage.remove(&dir);
        }
        let filled = fill(stage, &dir, pages, &mut row);
        let unmounted = stage.ports.process.unmount(&dir);
        unmounted.map_err(Error::io("unmount", &dir))?;
        if filled? {
            break;
        }
    }
    stage.tried.rows.push(row);
    stage.remove(&dir)
}

/// Works until the disk is full, then with more room; true if it never was full.
fn fill(stage: &mut Stage<'_>, dir: &Path, pages: u64, row: &mut Row) -> Result<bool> {
    let store = dir.join("data");
    let mut rng: Rng = stage.rng(PART, 0);
    let orders = Orders {
        seed: rng.next_u64(),
        steps: STEPS,
        room: None,
    };
    let mut claims = Vec::new();
    let made = worker::init(stage.ports, &store, &options(), 20);
    let worked = made.and_then(|made| {
        claims.extend(made);
        let mut say = |claim: &Claim| {
            claims.push(claim.clone());
            ControlFlow::Continue(())
        };
        worker::work(stage.ports, &store, &options(), orders, &mut say)
    });
    row.checked += 1;
    row.acknowledged += claims.len() as u64;
    let enough = match worked {
        Ok(()) => true,
        Err(error) if is_full(&error) => false,
        Err(error) => {
            let said = format!("{} KiB: not what a full disk says: {error}", pages * 4);
            stage.violated(PART, 1, said);
            return Ok(false);
        }
    };
    if claims.is_empty() {
        return Ok(enough);
    }
    row.kills += u64::from(!enough);
    if let Err(said) = check(stage, &store, &claims) {
        return lost(stage, &store, &claims, pages, row, &said);
    }
    // There is room again: what the full disk cut is sealed, and everything goes on.
    let bytes = (pages + MOST_PAGES) * PAGE;
    let grown = stage.ports.process.mount_small(dir, bytes, true);
    grown.map_err(Error::io("resize", dir))?;
    let again = Orders {
        seed: rng.next_u64(),
        steps: 5,
        room: None,
    };
    let mut say = |claim: &Claim| {
        claims.push(claim.clone());
        ControlFlow::Continue(())
    };
    let went_on = worker::work(stage.ports, &store, &options(), again, &mut say);
    let said = match went_on {
        Ok(()) => check(stage, &store, &claims),
        Err(error) => Err(format!("it does not go on with more room: {error}")),
    };
    match said {
        Ok(()) => Ok(enough),
        Err(said) => lost(stage, &store, &claims, pages, row, &said),
    }
}

fn check(stage: &Stage<'_>, store: &Path, claims: &[Claim]) -> oracles::Verdict {
    if let Some(alarm) = false_alarm(claims) {
        return Err(alarm);
    }
    let options = options();
    let place = Place {
        ports: stage.ports,
        dir: store,
        options: &options,
    };
    let lines = place.lines()?;
    oracles::o1_acknowledged_is_there(&lines, claims)?;
    oracles::o2_only_a_beginning_of_what_was_written(&lines, None)?;
    oracles::o7_one_owner(&lines)?;
    oracles::o11_one_set_is_usable(place, claims)?;
    oracles::o6_what_is_missing_is_loud(place, claims).map(drop)
}

fn lost(
    stage: &mut Stage<'_>,
    store: &Path,
    claims: &[Claim],
    pages: u64,
    row: &mut Row,
    said: &str,
) -> Result<bool> {
    let lines = oracles::read_lines(stage.ports, store).unwrap_or_default();
    row.lost += count_lost(&lines, claims);
    stage.violated(PART, 1, format!("{} KiB: {said}", pages * 4));
    // What lies in memory goes with it: a copy is the evidence.
    let kept = stage.dir.join(format!("full{pages}"));
    let copied = stage.ports.disk.copy_tree(store, &kept, 1 << 30);
    copied.map_err(Error::io("copy", kept))?;
    Ok(false)
}
