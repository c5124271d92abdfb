//! Several actors on one disk, interleaved at every call, so that each interleaving can be had again.
//!
//! Each actor is a real thread, but only the one that holds the baton runs. Before each of its calls it gives the
//! baton to whom the schedule names, perhaps itself. Who waits for a lock cannot be named until somebody gives a lock
//! back; when all wait, the waits of one after the other are over.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::rng::Rng;
use super::sim_disk::SimDisk;
use crate::ports::Ports;

/// Actors by name, each with what it does through its ports.
pub type Actors<'a> = Vec<(&'a str, Box<dyn FnOnce(Ports) + Send + 'a>)>;

/// A moment at which more than one actor could go on. Actors are told by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Who could go on, in order; two at least.
    pub runnable: Vec<usize>,
    /// Who had the baton and could keep it; `None` at the beginning, or when that actor waits or has ended.
    pub running: Option<usize>,
    /// Who was chosen.
    pub chosen: usize,
}

impl Choice {
    /// Whom a schedule without preemptions names: the one who runs, else the first who can.
    fn default_actor(runnable: &[usize], running: Option<usize>) -> usize {
        running.unwrap_or_else(|| runnable.first().copied().unwrap_or(0))
    }

    /// True if the baton was taken from an actor that could have kept it.
    pub fn is_preemption(&self) -> bool {
        self.running.is_some_and(|running| running != self.chosen)
    }
}

/// Says who goes on.
pub trait Schedule: Send {
    /// One of `runnable`, which has two at least; anything else counts as the default: `running`, else the first.
    fn next(&mut self, runnable: &[usize], running: Option<usize>) -> usize;
}

impl<F: FnMut(&[usize], Option<usize>) -> usize + Send> Schedule for F {
    fn next(&mut self, runnable: &[usize], running: Option<usize>) -> usize {
        self(runnable, running)
    }
}

/// A schedule out of a list: the actors to be named, in order. When it ends, no more preemptions.
#[derive(Clone, Debug, Default)]
pub struct Listed(VecDeque<usize>);

impl Listed {
    /// Names these; see [`Run::list`].
    pub fn new(actors: impl IntoIterator<Item = usize>) -> Self {
        Self(actors.into_iter().collect())
    }
}

impl Schedule for Listed {
    fn next(&mut self, runnable: &[usize], running: Option<usize>) -> usize {
        self.0
            .pop_front()
            .unwrap_or_else(|| Choice::default_actor(runnable, running))
    }
}

/// A random schedule that its seed repeats.
#[derive(Clone, Debug)]
pub struct Seeded(Rng);

impl Seeded {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(Rng::new(seed))
    }
}

impl Schedule for Seeded {
    fn next(&mut self, runnable: &[usize], _: Option<usize>) -> usize {
        runnable[self.0.below(runnable.len())]
    }
}

/// What was chosen in one run, so that it can be had again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Each moment at which there was a choice.
    pub choices: Vec<Choice>,
}

impl Run {
    /// The actors that were chosen: with [`Listed`] they give the same run again.
    pub fn list(&self) -> Vec<usize> {
        self.choices.iter().map(|choice| choice.chosen).collect()
    }

    /// How often an actor lost the baton though it could have kept it.
    pub fn preemptions(&self) -> usize {
        self.choices
            .iter()
            .filter(|choice| choice.is_preemption())
            .count()
    }
}

/// Runs the actors on the disk, each in a thread of its own, one at a time, and returns when all have ended.
///
/// What an actor does must depend on nothing but its ports. It must make its calls from the thread it is given:
/// calls from another one would wait for ever.
///
/// # Panics
/// If two actors have one name; or if an actor panics, after all others have ended.
pub fn interleave(disk: &SimDisk, actors: Actors<'_>, schedule: impl Schedule + 'static) -> Run {
    let ports: Vec<(usize, Ports)> = actors
        .iter()
        .map(|(name, _)| (disk.actor(name).index(), disk.ports_for(name)))
        .collect();
    let known: Vec<usize> = ports.iter().map(|(index, _)| *index).collect();
    let distinct: BTreeSet<usize> = known.iter().copied().collect();
    assert_eq!(distinct.len(), known.len(), "two actors have one name");
    let gate = Arc::new(Gate::new(known, Box::new(schedule)));
    disk.set_gate(Some(Arc::clone(&gate)));
    gate.open();
    let panics: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = actors
            .into_iter()
            .zip(ports)
            .enumerate()
            .map(|(place, ((_, work), (_, ports)))| {
                let gate = Arc::clone(&gate);
                scope.spawn(move || {
                    gate.wait_for_turn(place);
                    // Ends the actor's part even if it panics; after its ports, so that files are closed in turn.
                    let _end = End { gate, place };
                    work(ports);
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().err())
            .collect()
    });
    disk.set_gate(None);
    if let Some(first) = panics.into_iter().next() {
        panic::resume_unwind(first);
    }
    Run {
        choices: std::mem::take(&mut gate.state().choices),
    }
}

/// Runs `run` with every schedule that has at most `max_preemptions`, but no more than `limit` of them; returns how
/// many there were. `run` must do the same each time but for the schedule, and return what [`interleave`] does.
///
/// The search is the one of CHESS (Musuvathi and Qadeer 2007): most bugs need very few preemptions.
pub fn each_schedule(
    max_preemptions: usize,
    limit: usize,
    mut run: impl FnMut(Listed) -> Run,
) -> usize {
    let mut todo: Vec<Vec<usize>> = vec![Vec::new()];
    let mut done = 0;
    while let Some(prefix) = todo.pop() {
        if done >= limit {
            break;
        }
        done += 1;
        let known = prefix.len();
        let choices = run(Listed::new(prefix)).choices;
        let mut preemptions = 0;
        for (at, choice) in choices.iter().enumerate() {
            if at >= known {
                for &other in choice
                    .runnable
                    .iter()
                    .filter(|&&other| other != choice.chosen)
                {
                    let one_more = Choice {
                        chosen: other,
                        ..choice.clone()
                    }
                    .is_preemption();
                    if preemptions + usize::from(one_more) <= max_preemptions {
                        let mut next: Vec<usize> =
                            choices[..at].iter().map(|choice| choice.chosen).collect();
                        next.push(other);
                        todo.push(next);
                    }
                }
            }
            preemptions += usize::from(choice.is_preemption());
        }
    }
    done
}

/// Passes the baton.
pub(super) struct Gate {
    state: Mutex<Turns>,
    wake: Vec<Condvar>,
    /// The disk's index of each actor.
    known: Vec<usize>,
}

struct Turns {
    stands: Vec<Stand>,
    /// Who has the baton.
    current: Option<usize>,
    /// Whose wait for a lock is over.
    timed_out: Option<usize>,
    schedule: Box<dyn Schedule>,
    choices: Vec<Choice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Ready,
    Blocked,
    Ended,
}

impl Gate {
    fn new(known: Vec<usize>, schedule: Box<dyn Schedule>) -> Self {
        let stands = vec![Stand::Ready; known.len()];
        let wake = known.iter().map(|_| Condvar::new()).collect();
        let turns = Turns {
            stands,
            current: None,
            timed_out: None,
            schedule,
            choices: Vec::new(),
        };
        Self {
            state: Mutex::new(turns),
            wake,
            known,
        }
    }

    /// Gives the baton to the first.
    fn open(&self) {
        self.pass(&mut self.state(), None);
    }

    /// Offers the baton before a call, and returns when this actor has it.
    pub(super) fn before_call(&self, actor: usize) {
        if let Some(place) = self.place(actor) {
            self.pass(&mut self.state(), Some(place));
            self.wait_for_turn(place);
        }
    }

    /// Waits until somebody gives a lock back. Returns true if the wait is over instead: all others wait too, or have
    /// ended.
    pub(super) fn block(&self, actor: usize) -> bool {
        let Some(place) = self.place(actor) else {
            return true;
        };
        {
            let mut state = self.state();
            state.stands[place] = Stand::Blocked;
            self.pass(&mut state, Some(place));
        }
        self.wait_for_turn(place);
        let mut state = self.state();
        let over = state.timed_out == Some(place);
        state.timed_out = None;
        over
    }

    /// Lets all who wait for a lock try again, when their turn comes.
    pub(super) fn wake_blocked(&self) {
        for stand in &mut self.state().stands {
            if *stand == Stand::Blocked {
                *stand = Stand::Ready;
            }
        }
    }

    fn place(&self, actor: usize) -> Option<usize> {
        self.known.iter().position(|known| *known == actor)
    }

    fn end(&self, place: usize) {
        let mut state = self.state();
        state.stands[place] = Stand::Ended;
        self.pass(&mut state, Some(place));
    }

    fn wait_for_turn(&self, place: usize) {
        let mut state = self.state();
        while state.current != Some(place) {
            state = self.wake[place]
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives the baton to whom the schedule names.
    fn pass(&self, state: &mut Turns, from: Option<usize>) {
        let all = 0..state.stands.len();
        let runnable: Vec<usize> = all
            .clone()
            .filter(|&place| state.stands[place] == Stand::Ready)
            .collect();
        let next = match *runnable {
            [] => {
                let blocked = all
                    .into_iter()
                    .find(|&place| state.stands[place] == Stand::Blocked);
                if let Some(place) = blocked {
                    state.stands[place] = Stand::Ready;
                    state.timed_out = Some(place);
                }
                blocked
            }
            [only] => Some(only),
            _ => {
                let running = from.filter(|from| runnable.contains(from));
                let named = state.schedule.next(&runnable, running);
                let chosen = if runnable.contains(&named) {
                    named
                } else {
                    Choice::default_actor(&runnable, running)
                };
                state.choices.push(Choice {
                    runnable,
                    running,
                    chosen,
                });
                Some(chosen)
            }
        };
        state.current = next;
        if let Some(next) = next.filter(|&next| Some(next) != from) {
            self.wake[next].notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, Turns> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends an actor's part when it goes out of scope.
struct End {
    gate: Arc<Gate>,
    place: usize,
}

impl Drop for End {
    fn drop(&mut self) {
        self.gate.end(self.place);
    }
}
