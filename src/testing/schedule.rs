//! Several actors on one disk, interleaved at every call, so that each interleaving can be had again.
//!
//! Each actor is a real thread, but only the one that holds the baton runs. Before each of its calls it gives the
//! baton to whom the schedule names, perhaps itself. Who waits for a lock cannot be named until somebody gives a lock
//! back; when all wait, the waits of one after the other are over.

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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::ports::{File, LockKind};

    fn counter() -> SimDisk {
        let disk = SimDisk::new();
        disk.plant("count", &[0]).expect("the disk is empty");
        disk
    }

    /// Adds one to the count, with a lock around it or without.
    fn add_one(ports: &Ports, locked: bool) {
        let file = ports
            .disk
            .open_write(Path::new("count"))
            .expect("it was planted");
        if locked {
            assert!(
                file.lock(LockKind::Exclusive, Duration::from_secs(1))
                    .expect("no fault")
            );
        }
        let mut count = [0];
        file.read_full_at(0, &mut count).expect("no fault");
        file.write_full_at(0, &[count[0] + 1]).expect("no fault");
    }

    fn two_adders(disk: &SimDisk, locked: bool, schedule: impl Schedule + 'static) -> Run {
        let adder = || Box::new(move |ports: Ports| add_one(&ports, locked));
        interleave(disk, vec![("A", adder()), ("B", adder())], schedule)
    }

    #[test]
    fn one_preemption_finds_the_lost_update_and_none_does_not() {
        let counts = |preemptions, locked| {
            let mut counts = Vec::new();
            let runs = each_schedule(preemptions, 1_000, |schedule| {
                let disk = counter();
                let run = two_adders(&disk, locked, schedule);
                assert!(run.preemptions() <= preemptions);
                counts.extend(disk.peek("count").unwrap_or_default());
                run
            });
            assert!(runs < 1_000 && runs == counts.len());
            counts.sort_unstable();
            counts.dedup();
            counts
        };
        assert_eq!(counts(0, false), [2]);
        assert_eq!(counts(1, false), [1, 2]);
        assert_eq!(counts(2, true), [2]);
    }

    #[test]
    fn a_run_can_be_had_again_from_its_seed_and_from_its_list() {
        let run = |schedule: Box<dyn FnOnce(&SimDisk) -> Run>| {
            let disk = counter();
            let run = schedule(&disk);
            (disk.trace(), run)
        };
        let seeded = |seed| {
            run(Box::new(move |disk| {
                two_adders(disk, false, Seeded::new(seed))
            }))
        };
        let first = seeded(7);
        assert_eq!(seeded(7), first);
        let list = first.1.list();
        assert_eq!(
            run(Box::new(|disk| two_adders(disk, false, Listed::new(list)))),
            first
        );
        assert!((8..20).any(|seed| seeded(seed).0 != first.0));
    }

    #[test]
    fn who_waits_for_a_lock_goes_on_when_its_holder_is_killed() {
        let disk = counter();
        disk.kill_at("A", 4);
        let work = |ports: Ports| {
            let file = ports.disk.open_write(Path::new("count"))?;
            let taken = file.lock(LockKind::Exclusive, Duration::from_secs(1))?;
            assert!(taken);
            file.sync()?;
            file.write_full_at(0, &[9])
        };
        let killed = move |ports: Ports| assert!(work(ports).is_err());
        let other = move |ports: Ports| assert!(work(ports).is_ok());
        // The one that is killed has the lock when the other asks for it.
        let schedule = |runnable: &[usize], _: Option<usize>| runnable[runnable.len() - 1];
        let prefix = Mutex::new(VecDeque::from([0, 0, 0]));
        let schedule = move |runnable: &[usize], running: Option<usize>| {
            let named = prefix.lock().expect("nobody panics with it").pop_front();
            named.unwrap_or_else(|| schedule(runnable, running))
        };
        interleave(
            &disk,
            vec![("A", Box::new(killed)), ("B", Box::new(other))],
            schedule,
        );
        assert_eq!(disk.peek("count").expect("it was planted"), [9]);
        assert!(
            disk.trace().contains("B   2  lock count: ok 0"),
            "{}",
            disk.trace()
        );
        assert!(
            disk.trace().contains("B   2  lock count: ok 1"),
            "{}",
            disk.trace()
        );
    }

    #[test]
    fn when_all_wait_the_waits_are_over_one_by_one() {
        let disk = SimDisk::new();
        for name in ["x", "y"] {
            disk.plant(name, b"").expect("the disk is empty");
        }
        let both = |first: &'static str, second: &'static str| {
            move |ports: Ports| {
                let open = |name: &str| ports.disk.open_write(Path::new(name)).expect("planted");
                let take = |file: &dyn File| {
                    file.lock(LockKind::Exclusive, Duration::from_secs(1))
                        .expect("no fault")
                };
                let (first, second) = (open(first), open(second));
                let _ = take(&*first) && take(&*second);
            }
        };
        let actors: Actors<'_> = vec![
            ("A", Box::new(both("x", "y"))),
            ("B", Box::new(both("y", "x"))),
        ];
        // A takes x, B takes y; then each asks for the other's.
        interleave(&disk, actors, Listed::new([0, 0, 0, 1, 1, 1, 1]));
        let takes = disk
            .trace()
            .lines()
            .filter(|line| line.contains(" lock "))
            .count();
        assert!(takes >= 4, "{}", disk.trace());
    }

    #[test]
    fn a_panic_comes_out_when_all_others_have_ended() {
        let disk = counter();
        let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let bad = |ports: Ports| {
                let _ = ports.disk.list(Path::new(""));
                panic!("as asked");
            };
            let good = |ports: Ports| add_one(&ports, true);
            interleave(
                &disk,
                vec![("A", Box::new(bad)), ("B", Box::new(good))],
                Seeded::new(1),
            );
        }));
        assert_eq!(
            caught.expect_err("A panics").downcast_ref::<&str>(),
            Some(&"as asked")
        );
        assert_eq!(disk.peek("count").expect("it was planted"), [1]);
    }
}
