//! A disk in memory that several actors use at once, each with its own open files, and that loses what was not synced.
//!
//! ```text
//!   actor A --+                      +-- kill: the actor is gone, the cache stays
//!   actor B --+-- calls --> the tree +-- power cut: a new disk with what was durable, and what was lucky
//!   actor C --+   (traced,  (tree.rs)+-- fork: a new disk as it is, everybody killed
//!                  counted)
//! ```
//!
//! It is harsher than any real file system: each sector, each size and each change of a name survives a power cut
//! or is lost regardless of all others, in any order.

mod tree;
mod names;
mod cut;
mod plant;
mod call;
mod actor;
mod file;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod fault_tests;
#[cfg(all(test, target_os = "linux"))]
mod real_tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::tree::{NodeId, Tree};
use super::clock::{FakeProcess, FixedClock};
use super::schedule::Gate;
use crate::ports::{LockKind, Ports};

pub use actor::SimActor;
pub use call::{Call, CallKind, Errno, Failure, Fault, Outcome};
pub use cut::{Pending, Survivors, Torn};

/// The seed of the random samples among the outcomes of a power cut.
const SEED: u64 = 0x7068_6173_656c_6f67;

/// A simulated disk. A clone is the same disk; [`SimDisk::fork`] makes another.
#[derive(Clone)]
pub struct SimDisk(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    gate: Mutex<Option<Arc<Gate>>>,
    clock: Arc<FixedClock>,
}

/// Is told of each moment before a call, as a disk of its own.
type Watcher = Box<dyn FnMut(SimDisk) + Send>;

struct State {
    tree: Tree,
    actors: Vec<Actor>,
    files: BTreeMap<u64, OpenFile>,
    next_file: u64,
    faults: Vec<Fault>,
    trace: Arc<Vec<Call>>,
    watcher: Option<Watcher>,
    network: Option<&'static str>,
    boot: u64,
    /// The disk as it was when the power went.
    before: Option<SimDisk>,
    /// How many forks and power cuts lie behind this disk: actors with one name then draw other random numbers.
    life: u64,
}

struct Actor {
    name: Arc<str>,
    calls: u64,
    killed: bool,
    kill: Option<Kill>,
}

/// When an actor is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kill {
    /// At this call of it, from 1: the call has no effect, nor has any later one.
    pub at: u64,
    /// If that call is a write, its first bytes still are written, so many of them.
    pub bytes: usize,
}

struct OpenFile {
    actor: usize,
    node: NodeId,
    path: Arc<str>,
    writable: bool,
    lock: Option<LockKind>,
    /// A sync through another open file failed; the next one through this file reports it.
    owed: Option<Errno>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        let (boot, pending) = (state.boot, state.tree.pending.len());
        f.debug_struct("SimDisk")
            .field("boot", &boot)
            .field("pending", &pending)
            .finish()
    }
}

impl SimDisk {
    /// An empty disk in its first boot, with a clock of its own ([`FixedClock::default`]).
    pub fn new() -> Self {
        Self::of(Tree::new(), 1, 0, Arc::default(), FixedClock::default())
    }

    fn of(tree: Tree, boot: u64, life: u64, trace: Arc<Vec<Call>>, clock: FixedClock) -> Self {
        let state = State {
            tree,
            actors: Vec::new(),
            files: BTreeMap::new(),
            next_file: 0,
            faults: Vec::new(),
            trace,
            watcher: None,
            network: None,
            boot,
            before: None,
            life,
        };
        let clock = Arc::new(clock);
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            gate: Mutex::new(None),
            clock,
        }))
    }

    /// The disk as that actor sees it. The same name is the same actor, alive or killed.
    pub fn actor(&self, name: &str) -> SimActor {
        let at = self.state().actor(name);
        SimActor::new(self.clone(), at)
    }

    /// All three doors for that actor: this disk, its clock, and a [`FakeProcess`] with a pid of its own.
    pub fn ports_for(&self, name: &str) -> Ports {
        let actor = self.actor(name);
        let life = self.state().life;
        let pid = 1_000 + 100 * life + actor.index() as u64;
        let pid = u32::try_from(pid).unwrap_or(u32::MAX);
        Ports {
            disk: Arc::new(actor),
            clock: Arc::clone(&self.0.clock) as _,
            process: Arc::new(FakeProcess::new(name, pid, life)),
        }
    }

    /// The clock that all actors of this disk share.
    pub fn clock(&self) -> &Arc<FixedClock> {
        &self.0.clock
    }

    /// Kills an actor now: its locks and open files are gone, each later call of it fails with `killed`. What it wrote
    /// stays in the cache.
    pub fn kill(&self, actor: &str) {
        {
            let mut state = self.state();
            let at = state.actor(actor);
            state.bury(at);
        }
        self.wake_blocked();
    }

    /// Kills an actor at its call with that number, from 1; it has no effect any more. Later than its last call: never.
    pub fn kill_at(&self, actor: &str, call_no: u64) {
        self.kill_in_write(actor, call_no, 0);
    }

    /// Kills an actor in its call with that number. If it is a write its first `bytes` bytes are written first; if
    /// that is all of it the write is done, but nobody hears of it.
    pub fn kill_in_write(&self, actor: &str, call_no: u64, bytes: usize) {
        let mut state = self.state();
        let at = state.actor(actor);
        state.actors[at].kill = Some(Kill { at: call_no, bytes });
    }

    /// True once the actor was killed.
    pub fn is_killed(&self, actor: &str) -> bool {
        let mut state = self.state();
        let at = state.actor(actor);
        state.actors[at].killed
    }

    /// How many calls the actor has made, the one at which it was killed included.
    pub fn calls(&self, actor: &str) -> u64 {
        let mut state = self.state();
        let at = state.actor(actor);
        state.actors[at].calls
    }

    /// Each call so far, with those made before this disk was forked from another.
    pub fn calls_made(&self) -> Arc<Vec<Call>> {
        Arc::clone(&self.state().trace)
    }

    /// Each call so far, one a line, to be printed when a test fails.
    pub fn trace(&self) -> String {
        let lines: Vec<String> = self.calls_made().iter().map(Call::to_string).collect();
        lines.join("\n")
    }

    /// Puts a fault into calls to come. Several may be set; the first that strikes counts.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Takes out all faults that have not struck, or strike again and again.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// From now on all paths lie on that kind of network file system; `None` for a local disk.
    pub fn set_network(&self, kind: Option<&'static str>) {
        self.state().network = kind;
    }

    /// Tells `watcher` of each moment before a call of any actor, as a [`SimDisk::fork`]: the instants at which the
    /// power may go. The watcher must not use this disk.
    pub fn watch(&self, watcher: impl FnMut(Self) + Send + 'static) {
        self.state().watcher = Some(Box::new(watcher));
    }

    /// Ends [`SimDisk::watch`].
    pub fn unwatch(&self) {
        self.state().watcher = None;
    }

    /// Another disk that shows the same and has the same pending, with everybody killed: no actor, no open file, no
    /// lock, no fault. Still the same boot; the clock goes on apart from this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.state().fork(self.0.clock.copy())
    }

    /// What is not durable, in the order in which it was done.
    pub fn pending(&self) -> Vec<Pending> {
        self.state().tree.describe_pending()
    }

    /// Cuts the power: a new disk, in its next boot, with what was durable and, of what was pending, what `survives`
    /// is true for. Everything on it is durable. This disk stays as it is.
    #[must_use]
    pub fn power_cut(&self, survives: &mut dyn FnMut(&Pending) -> bool) -> Self {
        let kept = self.pending().iter().map(survives).collect();
        self.cut(&Survivors { kept, torn: None })
    }

    /// As [`SimDisk::power_cut`], with the outcome as a value; what it does not mention is lost.
    #[must_use]
    pub fn cut(&self, survivors: &Survivors) -> Self {
        let (tree, boot, life) = {
            let state = self.state();
            (state.tree.cut(survivors), state.boot + 1, state.life + 1)
        };
        let clock = self.0.clock.rebooted(boot);
        let after = Self::of(tree, boot, life, Arc::default(), clock);
        after.state().before = Some(self.clone());
        after
    }

    /// The disk whose power was cut, as it is now; `None` if this one came about in another way.
    pub fn before_cut(&self) -> Option<Self> {
        self.state().before.clone()
    }

    /// Outcomes of a power cut now, at most `limit`, no two equal: all, if what is pending has at most 2^10 subsets and
    /// the limit allows; else nothing survives, everything, all but one, only one, all but two, and a random sample.
    pub fn outcomes(&self, limit: usize) -> Vec<Survivors> {
        self.state().tree.outcomes(limit, SEED)
    }

    /// Outcomes in which the last write call, if it is pending, is cut at each of its bytes, the file short or filled
    /// up with NULs, times at most `others` subsets of what else is pending (at least: nothing and everything).
    pub fn torn_outcomes(&self, others: usize) -> Vec<Survivors> {
        self.state().tree.torn_outcomes(others, SEED)
    }

    /// The disks that a power cut may leave, one for each of [`SimDisk::outcomes`].
    pub fn crash_states(&self, limit: usize) -> impl Iterator<Item = Self> + '_ {
        self.outcomes(limit)
            .into_iter()
            .map(|survivors| self.cut(&survivors))
    }

    /// The disks that a power cut in the middle of the last write may leave, one for each of
    /// [`SimDisk::torn_outcomes`] with two subsets of what else is pending.
    pub fn torn_last_write(&self) -> impl Iterator<Item = Self> + '_ {
        self.torn_outcomes(2)
            .into_iter()
            .map(|survivors| self.cut(&survivors))
    }

    /// A number for everything that the disk shows: names, kinds, bytes, and which names lead to one file. Disks that
    /// show the same have the same, in every run.
    pub fn digest(&self) -> u64 {
        self.state().tree.digest()
    }

    /// As [`SimDisk::digest`], with what is durable, what is pending, and which numbers inodes have: disks with the same
    /// behave the same from here on.
    pub(super) fn fingerprint(&self) -> u64 {
        self.state().tree.fingerprint()
    }

    /// The bytes of a file as the cache shows them, without a call; `None` if there is no such file.
    pub fn peek(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.tree.find_file(path.as_ref()).ok()?;
        state.tree.bytes(node).ok().map(|bytes| (**bytes).clone())
    }

    /// Each path that the cache shows, sorted within each directory, a directory before what is in it; its bytes, or
    /// `None` for a directory. Without a call.
    pub fn files(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let state = self.state();
        let paths = state.tree.paths().into_iter();
        paths
            .map(|(path, node)| (path, state.tree.bytes(node).ok().map(|it| (**it).clone())))
            .collect()
    }

    /// Puts a file there, durable at once, and the directories above it. A file that is there keeps its inode and gets
    /// these bytes, in the cache and on the disk: what a rotten sector or an editor would do.
    ///
    /// # Errors
    /// A directory has that name, or a file one of those above it.
    pub fn plant(&self, path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        self.state().tree.plant(path.as_ref(), Some(bytes))
    }

    /// Puts a directory there, durable at once, and those above it.
    ///
    /// # Errors
    /// A file has that name, or one of those above it.
    pub fn plant_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.state().tree.plant(path.as_ref(), None)
    }

    /// Removes a name, durably and at once.
    ///
    /// # Errors
    /// `NotFound` if nothing has that name.
    pub fn uproot(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.state().tree.uproot(path.as_ref())
    }

    /// Makes everything durable that the cache shows, names too, and every file trustworthy again.
    pub fn settle(&self) {
        self.state().tree.settle();
    }

    pub(super) fn set_gate(&self, gate: Option<Arc<Gate>>) {
        *self.0.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    fn gate(&self) -> Option<Arc<Gate>> {
        self.0
            .gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets actors that wait for a lock try again.
    fn wake_blocked(&self) {
        if let Some(gate) = self.gate() {
            gate.wake_blocked();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The index of an actor, which is made known if it is new.
    fn actor(&mut self, name: &str) -> usize {
        if let Some(at) = self.actors.iter().position(|actor| &*actor.name == name) {
            return at;
        }
        self.actors.push(Actor {
            name: name.into(),
            calls: 0,
            killed: false,
            kill: None,
        });
        self.actors.len() - 1
    }

    fn bury(&mut self, actor: usize) {
        self.actors[actor].killed = true;
        self.files.retain(|_, file| file.actor != actor);
        self.tree.closed();
    }

    fn fork(&self, clock: FixedClock) -> SimDisk {
        let mut tree = self.tree.clone();
        tree.closed();
        let disk = SimDisk::of(
            tree,
            self.boot,
            self.life + 1,
            Arc::clone(&self.trace),
            clock,
        );
        disk.state().network = self.network;
        disk
    }
}
