//! What must be true of a store, whatever happened to it: each a function that says what is wrong.
//!
//! | | after a crash, a fault, or beside live workers |
//! |---|---|
//! | O1 | every acknowledged record is there, in order, bit for bit, and so is whatever any answer rests on |
//! | O2 | what is there is a beginning of what was written; nothing is invented, no group is halved |
//! | O3 | the state equals that of a naive model that shares no code with the program ([`Model`]) |
//! | O4 | recovering twice equals recovering once, and the second time writes nothing |
//! | O5 | a power cut right after something was shown changes nothing of it |
//! | O6 | if anything acknowledged is missing the result is loud: file, byte, record |
//! | O7 | one owner for each piece of work; no report counts under a token that was superseded |
//! | O8 | snapshots and tail equal a replay from record 1, in everything that is kept and in what it allows |
//! | O9 | who only reads issues no writing call; after a sync that failed it raises the flag, and no more |
//! | O10 | no panic, no hang, bounded memory, on any input |
//! | O11 | at every instant one set of snapshots is usable, and no crash passes for somebody's edit |
//!
//! They ask through [`Ports`], so they serve a simulated disk and a real one alike; only what needs a power cut needs
//! a [`SimDisk`]. [`after_power_cut`] asks all that apply to one.
//!
//! ```
//! use std::path::Path;
//! use phaselog::pipeline::{ItemId, NewItem, Phase, PhasePlan, Plan};
//! use phaselog::testing::{SimDisk, oracles::{self, Claim}};
//! use phaselog::{Options, Store, View};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (disk, dir, options) = (SimDisk::new(), Path::new("data"), Options::default());
//! let plan = Plan::new(vec![PhasePlan::named(Phase::new("county")?)])?;
//! let items = [NewItem { name: ItemId::new("100 N Example St")?, id: None }];
//! let created = Store::init(&disk.ports_for("A"), dir, &options, &plan, &items)?;
//! // Init has answered, so all of it survives every power cut.
//! let claims = [Claim::Shown { seq: created.last.get() }];
//! for after in disk.crash_states(1_000) {
//!     oracles::after_power_cut(&after, dir, &options, &claims)?;
//! }
//! # Ok(())
//! # }
//! ```

mod claim;
mod lines;
mod model;
mod log;
mod store;
mod reading;
mod snapshots;

use std::path::Path;

use super::SimDisk;
use crate::ports::Ports;
use crate::{Options, View};

pub use claim::Claim;
pub use lines::{Line, follow, is_segment, read_lines};
pub use log::{
    o1_acknowledged_is_there, o2_only_a_beginning_of_what_was_written, o3_state_is_the_models,
    o7_one_owner,
};
pub use model::{Model, ModelPhase};
pub use reading::{Budget, o9_reads_only, o10_bounded, read_everything};
pub use snapshots::{
    o8_snapshot_and_tail_are_a_replay, o8_the_same_is_allowed, o11_one_set_is_usable,
};
pub use store::{
    Reading, o4_recovering_twice_is_once, o5_what_was_shown_stays, o6_what_is_missing_is_loud,
};

/// What an oracle says: nothing, or what is wrong, beginning with its name.
pub type Verdict = Result<(), String>;

/// A store to be asked, and through which doors.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The doors.
    pub ports: &'a Ports,
    /// The store's directory.
    pub dir: &'a Path,
    /// How it is opened.
    pub options: &'a Options,
}

impl<'a> Place<'a> {
    /// The same store through other doors.
    #[must_use]
    pub const fn through<'b>(self, ports: &'b Ports) -> Place<'b>
    where
        'a: 'b,
    {
        let Self { dir, options, .. } = self;
        Place {
            ports,
            dir,
            options,
        }
    }

    /// The log, read by nobody's code but the oracles' own.
    ///
    /// # Errors
    /// What the disk says.
    pub fn lines(self) -> Result<Vec<Line>, String> {
        read_lines(self.ports, self.dir)
    }

    fn view(self) -> Result<View, String> {
        View::open(self.ports, self.dir, self.options).map_err(|error| format!("open: {error}"))
    }
}

/// All oracles that apply to a disk after a power cut: O1 to O5, O7 to O9 and O11. It changes the disk no more than a
/// reader does; what writes runs on a fork.
///
/// # Errors
/// What is wrong, with the name of the oracle.
pub fn after_power_cut(disk: &SimDisk, dir: &Path, options: &Options, claims: &[Claim]) -> Verdict {
    let reader = disk.ports_for("reader");
    let place = Place {
        ports: &reader,
        dir,
        options,
    };
    let alarms = claims.iter().find_map(|claim| match claim {
        Claim::Alarm { said } => Some(said),
        _ => None,
    });
    if let Some(said) = alarms {
        return Err(format!("O6: a false alarm: {said}"));
    }
    let lines = place.lines()?;
    o1_acknowledged_is_there(&lines, claims)?;
    let written = disk
        .before_cut()
        .map(|before| read_lines(&before.fork().ports_for("lister"), dir));
    o2_only_a_beginning_of_what_was_written(&lines, written.transpose()?.as_deref())?;
    o7_one_owner(&lines)?;
    o11_one_set_is_usable(place, claims)?;
    let before = disk.fork();
    let open = |place: Place<'_>| place.view();
    let view = o9_reads_only(place, open)??;
    if let Some(edited) = view.edited().first() {
        return Err(format!(
            "O11: {} passes for edited, and nobody edited it",
            edited.display()
        ));
    }
    let shown = lines.partition_point(|line| line.seq <= view.last_seq().get());
    if view.complete() && shown < lines.len() {
        return Err(format!(
            "O3: the state goes through {} only",
            view.last_seq()
        ));
    }
    // After a failed sync that nobody has cleared, what is not known durable is not shown, and that is said.
    o3_state_is_the_models(view.state(), &lines[..shown])?;
    o8_snapshot_and_tail_are_a_replay(place, &view)?;
    o5_what_was_shown_stays(disk, place, view.state())?;
    let (first, second) = (before.ports_for("first"), before.ports_for("second"));
    o4_recovering_twice_is_once(place.through(&first), place.through(&second))?;
    let cut = before.power_cut(&mut |_| false);
    let after = read_lines(&cut.ports_for("lister"), dir)?;
    o1_acknowledged_is_there(&after, claims)
}
