//! Tries every crash of a workload: killed at every call, others go on, then every power cut, then a check.
//!
//! ```text
//!   base --stage A--> --stage B--> …        each stage a workload of one actor, whole or killed at call k
//!              |            |
//!              +-- power    +-- power       each outcome: sectors, sizes, names, bytes of the last write
//!                    |            |
//!                  check        check       with what was claimed before the power went
//! ```
//!
//! Interleaved, the stages run at once instead of one after the other, and the power may go before every call.

mod claims;
mod report;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::schedule::{Actors, Listed, Run, each_schedule, interleave};
use super::sim_disk::{CallKind, Kill, SimDisk, Survivors};
use crate::ports::Ports;

pub use claims::{Claims, Seen};
pub use report::{Explored, Replay, Violation};

/// Where a stage is killed; it also runs whole in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kills {
    /// Nowhere.
    Never,
    /// Before each of its calls.
    AtEveryCall,
    /// Before each of its calls, and within each write after each so many bytes, and after its last byte.
    WithinWrites(usize),
}

/// A workload, which makes its promises as it goes. It must do the same each time it is run on the same disk, and
/// must end when its calls fail.
type Work<'w, C> = Box<dyn Fn(Ports, &Claims<C>) + Send + Sync + 'w>;

/// A moment at which the power may go, and what was claimed by then.
type Instant<C> = (SimDisk, Vec<C>);

struct Stage<'w, C> {
    actor: String,
    kills: Kills,
    work: Work<'w, C>,
}

/// A search through all crashes of some workloads.
pub struct Explorer<'w, C> {
    base: SimDisk,
    stages: Vec<Stage<'w, C>>,
    outcomes: usize,
    torn: Option<usize>,
    max_violations: usize,
    seen: Option<Seen>,
}

impl<C> fmt::Debug for Explorer<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actors: Vec<&str> = self.stages.iter().map(|stage| &*stage.actor).collect();
        f.debug_struct("Explorer")
            .field("actors", &actors)
            .finish_non_exhaustive()
    }
}

impl<'w, C: Clone + Hash + Send + 'static> Explorer<'w, C> {
    /// Begins each run on a fork of this disk. At most 1,024 outcomes of each power cut are tried, the last write is
    /// not torn, and after ten violations the search ends.
    pub fn new(base: &SimDisk) -> Self {
        let base = base.fork();
        Self {
            base,
            stages: Vec::new(),
            outcomes: 1_024,
            torn: None,
            max_violations: 10,
            seen: None,
        }
    }

    /// Adds a workload. Actors need names that differ.
    #[must_use]
    pub fn stage(
        mut self,
        actor: &str,
        kills: Kills,
        work: impl Fn(Ports, &Claims<C>) + Send + Sync + 'w,
    ) -> Self {
        self.stages.push(Stage {
            actor: actor.to_owned(),
            kills,
            work: Box::new(work),
        });
        self
    }

    /// Tries at most so many outcomes of each power cut (see [`SimDisk::outcomes`]).
    #[must_use]
    pub fn outcomes(self, limit: usize) -> Self {
        Self {
            outcomes: limit,
            ..self
        }
    }

    /// Tears the last write at each of its bytes too, times at most `others` subsets of what else is pending (see
    /// [`SimDisk::torn_outcomes`]).
    #[must_use]
    pub fn torn(self, others: usize) -> Self {
        Self {
            torn: Some(others),
            ..self
        }
    }

    /// Ends the search after so many violations.
    #[must_use]
    pub fn max_violations(self, max: usize) -> Self {
        Self {
            max_violations: max,
            ..self
        }
    }

    /// Leaves out what another search has checked. The check must then say the same about equal disks and claims.
    #[must_use]
    pub fn seen(self, seen: &Seen) -> Self {
        Self {
            seen: Some(seen.clone()),
            ..self
        }
    }

    /// Runs the stages one after the other, each whole and with each of its kills; cuts the power after each.
    ///
    /// `check` sees each distinct pair of what survived and what was claimed once, and says what is wrong with it.
    /// If it panics, that is what is wrong.
    pub fn run(&self, check: impl FnMut(&SimDisk, &[C]) -> Result<(), String>) -> Explored {
        let mut search = Search::new(self, check);
        search.stages(&self.base, &[], &mut Vec::new());
        search.explored
    }

    /// Runs all stages at once, with each schedule of at most `max_preemptions` (and at most `limit` of them for each
    /// kill), and cuts the power before each call and at the end. One stage at a time is killed, at each call that it
    /// makes when nobody is preempted.
    pub fn run_interleaved(
        &self,
        max_preemptions: usize,
        limit: usize,
        check: impl FnMut(&SimDisk, &[C]) -> Result<(), String>,
    ) -> Explored {
        let mut search = Search::new(self, check);
        let (whole, _, _) = self.together(&vec![None; self.stages.len()], Listed::default());
        let mut plans = vec![vec![None; self.stages.len()]];
        for (at, stage) in self.stages.iter().enumerate() {
            for kill in stage.kill_points(&whole, self.base.calls_made().len()) {
                let mut plan = vec![None; self.stages.len()];
                plan[at] = Some(kill);
                plans.push(plan);
            }
        }
        for plan in plans {
            each_schedule(max_preemptions, limit, |schedule| {
                if search.is_over() {
                    return Run::default();
                }
                let (_, run, instants) = self.together(&plan, schedule);
                search.explored.runs += 1;
                for (instant, (disk, claims)) in instants.iter().enumerate() {
                    let schedule = Some((run.list(), instant));
                    let survivors = Survivors {
                        kept: Vec::new(),
                        torn: None,
                    };
                    search.cuts(
                        disk,
                        claims,
                        &Replay {
                            kills: plan.clone(),
                            schedule,
                            survivors,
                        },
                    );
                }
                run
            });
        }
        search.explored
    }

    /// Does one case again; `Err` with what is wrong, the calls before the cut and those after it.
    ///
    /// # Errors
    /// What `check` says.
    pub fn replay(
        &self,
        replay: &Replay,
        mut check: impl FnMut(&SimDisk, &[C]) -> Result<(), String>,
    ) -> Result<(), String> {
        let (disk, claims) = match &replay.schedule {
            Some((schedule, instant)) => {
                let schedule = Listed::new(schedule.iter().copied());
                let mut instants = self.together(&replay.kills, schedule).2;
                if *instant >= instants.len() {
                    return Err(format!("this run has only {} instants", instants.len()));
                }
                instants.swap_remove(*instant)
            }
            None => self.one_by_one(&replay.kills),
        };
        let after = disk.cut(&replay.survivors);
        checked(&mut check, &after, &claims).map_err(|message| {
            format!(
                "{message}\nbefore:\n{}\nafter:\n{}",
                disk.trace(),
                after.trace()
            )
        })
    }

    /// The disk after the first stages, as many as there are kills, and what they claimed.
    fn one_by_one(&self, kills: &[Option<Kill>]) -> Instant<C> {
        // The base itself, as in the search: each fork changes the random numbers of its actors.
        let first = (self.base.clone(), Vec::new());
        self.stages
            .iter()
            .zip(kills)
            .fold(first, |(disk, claims), (stage, kill)| {
                let (disk, claims) = stage.run(&disk, &claims, *kill);
                (disk.fork(), claims)
            })
    }

    /// Runs all stages at once; the disk afterwards, what was chosen, and each instant at which the power may go.
    fn together(
        &self,
        kills: &[Option<Kill>],
        schedule: Listed,
    ) -> (SimDisk, Run, Vec<Instant<C>>) {
        let (disk, claims) = (self.base.fork(), Claims::of(&[]));
        let instants: Arc<Mutex<Vec<Instant<C>>>> = Arc::default();
        let (into, claimed) = (Arc::clone(&instants), claims.clone());
        for (stage, kill) in self.stages.iter().zip(kills) {
            stage.arm(&disk, *kill);
        }
        disk.watch(move |fork| {
            into.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((fork, claimed.all()));
        });
        let actors: Actors<'_> = self
            .stages
            .iter()
            .map(|stage| {
                let claims = claims.clone();
                let work = move |ports: Ports| (stage.work)(ports, &claims);
                (
                    &*stage.actor,
                    Box::new(work) as Box<dyn FnOnce(Ports) + Send>,
                )
            })
            .collect();
        let run = interleave(&disk, actors, schedule);
        disk.unwatch();
        let mut instants =
            std::mem::take(&mut *instants.lock().unwrap_or_else(PoisonError::into_inner));
        instants.push((disk.fork(), claims.all()));
        (disk, run, instants)
    }
}

impl<C: Clone> Stage<'_, C> {
    fn arm(&self, disk: &SimDisk, kill: Option<Kill>) {
        if let Some(Kill { at, bytes }) = kill {
            disk.kill_in_write(&self.actor, at, bytes);
        }
    }

    /// Runs it on a fork; the fork, and what is claimed by now.
    fn run(&self, disk: &SimDisk, claims: &[C], kill: Option<Kill>) -> Instant<C> {
        let (disk, claims) = (disk.fork(), Claims::of(claims));
        self.arm(&disk, kill);
        (self.work)(disk.ports_for(&self.actor), &claims);
        (disk, claims.all())
    }

    /// Where to kill it, from the calls that it made on this disk after the first so many of the trace.
    fn kill_points(&self, whole: &SimDisk, skip: usize) -> Vec<Kill> {
        let mut points = Vec::new();
        let calls = whole.calls_made();
        for call in calls
            .iter()
            .skip(skip)
            .filter(|call| *call.actor == *self.actor)
        {
            if self.kills != Kills::Never {
                points.push(Kill {
                    at: call.no,
                    bytes: 0,
                });
            }
            if let (Kills::WithinWrites(step), CallKind::WriteAt, Some((_, len))) =
                (self.kills, call.kind, call.range)
            {
                let within = (1..len).filter(|byte| byte % step.max(1) == 0);
                points.extend(within.chain([len]).map(|bytes| Kill { at: call.no, bytes }));
            }
        }
        // A lock that was waited for stands in the trace twice.
        points.dedup();
        points
    }
}

/// One search under way.
struct Search<'e, 'w, C, F> {
    explorer: &'e Explorer<'w, C>,
    check: F,
    /// Moments from which the power was cut already.
    moments: HashSet<(u64, u64)>,
    /// What survived, and what was claimed before.
    checked: Seen,
    explored: Explored,
}

impl<'e, 'w, C, F> Search<'e, 'w, C, F>
where
    C: Clone + Hash + Send + 'static,
    F: FnMut(&SimDisk, &[C]) -> Result<(), String>,
{
    fn new(explorer: &'e Explorer<'w, C>, check: F) -> Self {
        let (moments, checked) = (HashSet::new(), explorer.seen.clone().unwrap_or_default());
        Self {
            explorer,
            check,
            moments,
            checked,
            explored: Explored::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.explored.violations.len() >= self.explorer.max_violations
    }

    /// Cuts the power, then runs the next stage in all its ways, and so on.
    fn stages(&mut self, disk: &SimDisk, claims: &[C], kills: &mut Vec<Option<Kill>>) {
        let survivors = Survivors {
            kept: Vec::new(),
            torn: None,
        };
        self.cuts(
            disk,
            claims,
            &Replay {
                kills: kills.clone(),
                schedule: None,
                survivors,
            },
        );
        let Some(stage) = self.explorer.stages.get(kills.len()) else {
            return;
        };
        let before = disk.calls_made().len();
        let (whole, claimed) = stage.run(disk, claims, None);
        let points = stage.kill_points(&whole, before);
        let mut seen = HashSet::new();
        for kill in std::iter::once(None).chain(points.into_iter().map(Some)) {
            if self.is_over() {
                return;
            }
            let (after, claimed) = if kill.is_some() {
                let (killed, claimed) = stage.run(disk, claims, kill);
                (killed.fork(), claimed)
            } else {
                (whole.fork(), claimed.clone())
            };
            self.explored.runs += 1;
            // Killed after calls that only read: nobody can tell the difference.
            if seen.insert((after.fingerprint(), hash(&claimed))) {
                kills.push(kill);
                self.stages(&after, &claimed, kills);
                kills.pop();
            }
        }
    }

    /// Tries each outcome of a power cut now.
    fn cuts(&mut self, disk: &SimDisk, claims: &[C], replay: &Replay) {
        let claimed = hash(claims);
        if self.is_over() || !self.moments.insert((disk.fingerprint(), claimed)) {
            return;
        }
        self.explored.instants += 1;
        let mut outcomes = disk.outcomes(self.explorer.outcomes);
        if let Some(others) = self.explorer.torn {
            outcomes.extend(disk.torn_outcomes(others));
        }
        for survivors in outcomes {
            self.explored.states += 1;
            let after = disk.cut(&survivors);
            if !self.checked.insert((after.digest(), claimed)) {
                continue;
            }
            self.explored.distinct += 1;
            if let Err(message) = checked(&mut self.check, &after, claims) {
                let replay = Replay {
                    survivors,
                    ..replay.clone()
                };
                let pending = disk.pending().iter().map(ToString::to_string).collect();
                let (before, after) = (disk.trace(), after.trace());
                let violation = Violation {
                    replay,
                    message,
                    pending,
                    before,
                    after,
                };
                self.explored.violations.push(violation);
                if self.is_over() {
                    return;
                }
            }
        }
    }
}

fn checked<C>(
    check: &mut impl FnMut(&SimDisk, &[C]) -> Result<(), String>,
    disk: &SimDisk,
    claims: &[C],
) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| check(disk, claims))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no text");
        Err(format!("panicked: {text}"))
    })
}

fn hash<C: Hash>(claims: &[C]) -> u64 {
    let mut hasher = DefaultHasher::new();
    claims.hash(&mut hasher);
    hasher.finish()
}
