//! O4, O5, O6: what recovery must do.

use super::{Claim, Place, Verdict, o1_acknowledged_is_there};
use crate::testing::SimDisk;
use crate::testing::proxy::{Proxy, Recorder};
use crate::{Damage, Error, PipelineState, Store, View};

/// O4: recovering twice equals recovering once, and the second time writes nothing but the mark.
///
/// This recovers the store: torn tails are sealed, what timed out is handed back. Both places are the same store, on a
/// simulated disk seen by two actors.
///
/// # Errors
/// The state after each, or what the second one wrote.
pub fn o4_recovering_twice_is_once(first: Place<'_>, second: Place<'_>) -> Verdict {
    let once = recovered(first)?;
    let recorder = Recorder::default();
    let watched = Proxy::before(second.ports, recorder.clone());
    let twice = recovered(second.through(&watched))?;
    let mut writes = recorder.writes().into_iter();
    if let Some(call) = writes.find(|call| !call.path.ends_with("mark")) {
        return Err(format!("O4: the second recovery wrote: {call}"));
    }
    if once == twice {
        return Ok(());
    }
    Err(format!("O4: {once:?}\nthen {twice:?}"))
}

fn recovered(place: Place<'_>) -> Result<PipelineState, String> {
    let Place {
        ports,
        dir,
        options,
    } = place;
    let mut store = Store::open(ports.clone(), dir, options.clone())
        .map_err(|error| format!("O4 open: {error}"))?;
    store
        .resume(None)
        .map_err(|error| format!("O4 resume: {error}"))?;
    Ok(store.state().clone())
}

/// O5: a power cut right after something was shown changes nothing of it.
///
/// # Errors
/// What was shown, and what is there afterwards.
pub fn o5_what_was_shown_stays(disk: &SimDisk, place: Place<'_>, shown: &PipelineState) -> Verdict {
    let cut = disk.power_cut(&mut |_| false);
    let again = place
        .through(&cut.ports_for("again"))
        .view()
        .map_err(|error| format!("O5: {error}"))?;
    if again.state() == shown {
        return Ok(());
    }
    let state = again.state();
    Err(format!("O5: shown {shown:?}\nthen {state:?}"))
}

/// What became of a store that was hurt.
#[derive(Clone, Debug)]
pub enum Reading {
    /// It reads, and everything that was promised is there.
    Whole(Box<PipelineState>),
    /// It says that it is hurt, and where.
    Loud(Box<Damage>),
}

/// O6: if anything that was promised is missing, opening the store says so, with file, byte and record.
///
/// # Errors
/// What is missing without a word; or how the place is not told.
pub fn o6_what_is_missing_is_loud(place: Place<'_>, claims: &[Claim]) -> Result<Reading, String> {
    match View::open(place.ports, place.dir, place.options) {
        Ok(view) => {
            let lines = place.lines()?;
            let shown: Vec<_> = lines
                .into_iter()
                .filter(|line| line.seq <= view.last_seq().get())
                .collect();
            o1_acknowledged_is_there(&shown, claims)
                .map_err(|missing| format!("O6: not a word about this: {missing}"))?;
            Ok(Reading::Whole(Box::new(view.into_state())))
        }
        Err(Error::Damaged(damage) | Error::AmbiguousTail(damage)) => {
            let told = damage.to_string();
            let file = !damage.file.as_os_str().is_empty();
            if !(file && damage.seq.get() > 0 && told.contains("byte") && told.contains("record")) {
                return Err(format!("O6: this does not tell where: {told}"));
            }
            Ok(Reading::Loud(damage))
        }
        Err(error) => Err(format!("O6: neither whole nor damaged: {error}")),
    }
}
