//! A worker that is killed with SIGKILL while its write is on the way into the file.
//!
//! The kernel ends a write at a page when its process is killed. To be inside one is a matter of luck, so the write is
//! large, the file is watched, and a kill that came too early or too late is done over, on the store as it was before.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pipeline::time::MICROS_PER_SEC;
use crate::pipeline::{PipelineState, Status};
use crate::ports::Child;
use crate::position::SegmentId;
use crate::store::TornTail;

use super::super::failure::Failure;
use super::stage::{MAX_FILE_BYTES, STORE, Stage};

/// Kills until one has to have cut a write.
const TRIES: usize = 40;

/// The worker that dies.
const WORKER: &str = "w4";

/// New houses in its write.
const HOUSES: &str = "4000";

/// A file that has grown by more than this has the first pages of the large write in it.
const GROWN_BYTES: u64 = 4_096;

/// How a worker died.
pub(super) struct Killed {
    /// What it left in progress.
    pub(super) item: String,
    pub(super) phase: String,
    /// What it left of its write.
    pub(super) torn: TornTail,
    /// How many kills it took.
    pub(super) tries: usize,
    /// No kill came inside the write; the torn tail was written by us.
    pub(super) by_hand: bool,
}

/// Starts a worker and kills it while it writes.
pub(super) fn kill_in_mid_write(stage: &mut Stage<'_, '_>) -> Result<Killed, Failure> {
    for tries in 1..=TRIES {
        let before = Path::new("before");
        stage
            .ports
            .disk
            .copy_tree(Path::new(STORE), before, MAX_FILE_BYTES)
            .map_err(Error::io("copy", STORE))?;
        let args = ["demo-worker", "--name", WORKER, "--add", HOUSES];
        let segment = newest_segment(stage)?;
        let (mut worker, line) = stage.spawn(&args)?;
        wait_for_the_write(stage, &segment).map_err(Error::io("look at", &segment))?;
        kill(&mut *worker)?;
        if let Some(killed) = what_is_left(stage, tries, false)? {
            stage.show(&line);
            stage.show(&format!("kill -9 {}", worker.pid()));
            stage
                .ports
                .disk
                .remove_tree(before)
                .map_err(Error::io("remove", before))?;
            return Ok(killed);
        }
        let put_back = || {
            stage.ports.disk.remove_tree(Path::new(STORE))?;
            stage.ports.disk.rename(before, Path::new(STORE))
        };
        put_back().map_err(Error::io("put back", STORE))?;
    }
    cut_by_hand(stage)
}

fn kill(worker: &mut dyn Child) -> Result<()> {
    let killed = worker.kill().and_then(|()| worker.wait());
    killed.map(drop).map_err(Error::io("kill", "a worker"))
}

fn newest_segment(stage: &Stage<'_, '_>) -> Result<PathBuf> {
    let wal = Path::new(STORE).join("wal");
    let names = stage
        .ports
        .disk
        .list(&wal)
        .map_err(Error::io("list", &wal))?;
    let ids = names
        .iter()
        .filter_map(|name| SegmentId::from_file_name(name));
    let newest = ids.max().expect("a store has a segment");
    Ok(wal.join(newest.file_name()))
}

/// Returns when the file grows by more than a start does, or after two seconds.
fn wait_for_the_write(stage: &Stage<'_, '_>, segment: &Path) -> io::Result<()> {
    let disk = &*stage.ports.disk;
    let before = disk.metadata(segment)?.len;
    let until = stage.now().plus_micros(2 * MICROS_PER_SEC);
    while disk.metadata(segment)?.len <= before + GROWN_BYTES && stage.now() < until {}
    Ok(())
}

/// What the dead worker left; `None` unless both a phase in progress and a torn tail.
fn what_is_left(stage: &Stage<'_, '_>, tries: usize, by_hand: bool) -> Result<Option<Killed>> {
    let view = stage.view()?;
    let (Some(torn), Some((item, phase))) = (view.torn(), left_in_progress(view.state())) else {
        return Ok(None);
    };
    Ok(Some(Killed {
        item,
        phase,
        torn,
        tries,
        by_hand,
    }))
}

fn left_in_progress(state: &PipelineState) -> Option<(String, String)> {
    state.items().find_map(|item| {
        let by_it = |phase: &&crate::pipeline::PhaseState| {
            phase.status == Status::InProgress && phase.worker.as_deref() == Some(WORKER)
        };
        let index = item.phases.iter().position(|phase| by_it(&phase))?;
        let phase = &state.plan.phases()[index].phase;
        Some((item.name.to_string(), phase.to_string()))
    })
}

/// Leaves what a kill would have left: a phase in progress, and the first bytes of a record.
fn cut_by_hand(stage: &mut Stage<'_, '_>) -> Result<Killed, Failure> {
    let view = stage.view()?;
    let now = stage.ports.clock.now();
    let place = crate::pipeline::ready::ready(view.state(), &now).next();
    let place = place.expect("three workers leave most of the work");
    let item = view.state().item_at(place.item).name.to_string();
    let phase = view.state().plan.phases()[place.phase].phase.to_string();
    stage.run(&["start", &item, &phase, "--worker", WORKER]);
    let segment = newest_segment(stage)?;
    let half = b"5f3a90c1 00000000 ";
    let append = || {
        let file = stage.ports.disk.open_write(&segment)?;
        file.write_full_at(file.len()?, half)
    };
    append().map_err(Error::io("write to", &segment))?;
    let killed = what_is_left(stage, TRIES, true)?;
    Ok(killed.expect("a torn tail was just made"))
}
