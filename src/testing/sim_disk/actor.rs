//! One actor's view of the simulated disk: every call is scheduled, counted, perhaps killed or failed, and traced.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::call::{Call, CallKind, Errno, Failure, Outcome};
use super::file::SimFile;
use super::tree::{Body, NodeId};
use super::{OpenFile, SimDisk, State};
use crate::ports::{Disk, EntryKind, File, FileId, Metadata};

/// The device number of every simulated disk.
pub(super) const DEVICE: u64 = 1;

/// A simulated disk as one actor sees it. Its open files and locks go when it is killed.
#[derive(Clone, Debug)]
pub struct SimActor {
    pub(super) disk: SimDisk,
    pub(super) actor: usize,
}

/// What a call is about, for faults and the trace.
pub(super) struct Asked {
    pub(super) kind: CallKind,
    pub(super) path: Arc<str>,
    pub(super) to: Option<Arc<str>>,
    pub(super) range: Option<(u64, usize)>,
}

/// How a call is to be carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Do,
    /// Only so many bytes.
    Short(usize),
    /// With this error; only syncs are told, for they have after-effects.
    Fail(Errno),
    /// Not at all, and say OK; only syncs are told.
    Ignore,
}

/// What a call gives, and the number that the trace shows for it.
pub(super) type Answer<T> = io::Result<(T, Option<u64>)>;

impl Asked {
    fn about(kind: CallKind, path: &Path) -> Self {
        Self {
            kind,
            path: text(path),
            to: None,
            range: None,
        }
    }
}

impl SimActor {
    pub(super) fn new(disk: SimDisk, actor: usize) -> Self {
        Self { disk, actor }
    }

    /// Which actor of its disk this is, from 0.
    pub(in crate::testing) fn index(&self) -> usize {
        self.actor
    }

    /// Carries out one call: waits for the baton, tells the watcher, counts, kills or fails, runs, and traces.
    pub(super) fn call<T>(
        &self,
        asked: Asked,
        run: impl FnOnce(&mut State, Order) -> Answer<T>,
    ) -> io::Result<T> {
        if self.disk.state().actors[self.actor].killed {
            return Err(killed());
        }
        if let Some(gate) = self.disk.gate() {
            gate.before_call(self.actor);
        }
        self.tell_watcher();
        let mut state = self.disk.state();
        let actor = &mut state.actors[self.actor];
        if actor.killed {
            return Err(killed());
        }
        actor.calls += 1;
        let (no, name) = (actor.calls, Arc::clone(&actor.name));
        let kill = actor.kill.filter(|kill| kill.at == no);
        // All faults count, so that each strikes at the call that it was set for; the first one counts.
        let faults = state.faults.iter_mut();
        let struck = faults
            .map(|fault| fault.strikes(&name, asked.kind, &asked.path))
            .fold(None, Option::or);
        let syncs = asked.kind.syncs();
        let (outcome, result) = match (kill, struck) {
            (Some(kill), _) => {
                let bytes = if asked.kind == CallKind::WriteAt {
                    kill.bytes
                } else {
                    0
                };
                if bytes > 0 {
                    // Whatever the write says, nobody hears it any more.
                    let _unheard = run(&mut state, Order::Short(bytes));
                }
                state.bury(self.actor);
                (Outcome::Killed(bytes), Err(killed()))
            }
            (None, Some(Failure::Error(errno))) if !syncs => (
                Outcome::Failed(errno.error().to_string()),
                Err(errno.error()),
            ),
            (None, struck) => {
                let order = match struck {
                    Some(Failure::Short(bytes)) => Order::Short(bytes),
                    Some(Failure::Error(errno)) => Order::Fail(errno),
                    Some(Failure::Ignored) if syncs => Order::Ignore,
                    Some(Failure::Ignored) | None => Order::Do,
                };
                match run(&mut state, order) {
                    Ok((value, _)) if order == Order::Ignore => (Outcome::Ignored, Ok(value)),
                    Ok((value, shown)) => (Outcome::Done(shown), Ok(value)),
                    Err(error) => (Outcome::Failed(error.to_string()), Err(error)),
                }
            }
        };
        let was_killed = matches!(outcome, Outcome::Killed(_));
        let Asked {
            kind,
            path,
            to,
            range,
        } = asked;
        let call = Call {
            actor: name,
            no,
            kind,
            path,
            to,
            range,
            outcome,
        };
        Arc::make_mut(&mut state.trace).push(call);
        drop(state);
        if was_killed {
            self.disk.wake_blocked();
        }
        result
    }

    fn tell_watcher(&self) {
        let (mut watcher, fork) = {
            let mut state = self.disk.state();
            let Some(watcher) = state.watcher.take() else {
                return;
            };
            (watcher, state.fork(self.disk.0.clock.copy()))
        };
        watcher(fork);
        self.disk.state().watcher.get_or_insert(watcher);
    }

    fn open(
        &self,
        asked: Asked,
        writable: bool,
        find: impl FnOnce(&mut State) -> io::Result<NodeId>,
    ) -> io::Result<Box<dyn File>> {
        let path = Arc::clone(&asked.path);
        let file = self.call(asked, |state, _| {
            let node = find(state)?;
            let file = state.next_file;
            state.next_file += 1;
            let actor = self.actor;
            let open = OpenFile {
                actor,
                node,
                path,
                writable,
                lock: None,
                owed: None,
            };
            state.files.insert(file, open);
            Ok((file, None))
        })?;
        Ok(Box::new(SimFile::new(self.clone(), file)))
    }

    fn change(
        &self,
        asked: Asked,
        change: impl FnOnce(&mut State) -> io::Result<()>,
    ) -> io::Result<()> {
        self.call(asked, |state, _| change(state).map(|()| ((), None)))
    }
}

impl Disk for SimActor {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let asked = Asked::about(CallKind::OpenRead, path);
        self.open(asked, false, |state| state.tree.find_file(path))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let asked = Asked::about(CallKind::OpenWrite, path);
        self.open(asked, true, |state| state.tree.find_file(path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let asked = Asked::about(CallKind::CreateNew, path);
        self.open(asked, true, |state| state.create(path, false))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let asked = Asked::about(CallKind::CreateDir, path);
        self.change(asked, |state| state.create(path, true).map(drop))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call(Asked::about(CallKind::List, dir), |state, _| {
            let node = state.tree.find(dir)?;
            let names: Vec<String> = state
                .tree
                .names(node)?
                .keys()
                .map(|name| (**name).to_owned())
                .collect();
            let count = names.len() as u64;
            Ok((names, Some(count)))
        })
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.call(Asked::about(CallKind::Metadata, path), |state, _| {
            let node = state.tree.node(state.tree.find(path)?)?;
            let id = FileId {
                device: DEVICE,
                inode: node.inode,
            };
            let (kind, len, changed) = match &node.body {
                // There are no times of change here: other bytes are a change, unless a power cut made them others.
                Body::File {
                    cache, before_cut, ..
                } => {
                    let told = before_cut.as_ref().unwrap_or(cache);
                    let changed = u64::from(crc32fast::hash(told));
                    (EntryKind::File, cache.len() as u64, changed)
                }
                // Other names, or names of other files, likewise.
                Body::Dir { cache, .. } => {
                    let mut hasher = DefaultHasher::new();
                    cache.hash(&mut hasher);
                    (EntryKind::Dir, 0, hasher.finish())
                }
            };
            let found = Metadata {
                id,
                kind,
                len,
                changed,
                settled: true,
            };
            Ok((found, Some(len)))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let asked = Asked {
            to: Some(text(to)),
            ..Asked::about(CallKind::Rename, from)
        };
        self.change(asked, |state| state.tree.rename(from, to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let asked = Asked {
            to: Some(text(to)),
            ..Asked::about(CallKind::HardLink, from)
        };
        self.change(asked, |state| state.tree.link(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let asked = Asked::about(CallKind::RemoveFile, path);
        self.change(asked, |state| state.tree.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(Asked::about(CallKind::SyncDir, dir), |state, order| {
            let node = state.tree.find_dir(dir)?;
            match order {
                Order::Ignore => {}
                Order::Do | Order::Short(_) => state.tree.sync_dir(node),
                Order::Fail(errno) => {
                    if loses_pages(errno) {
                        state.tree.fail_sync_dir(node);
                    }
                    return Err(errno.error());
                }
            }
            Ok(((), None))
        })
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.call(
            Asked::about(CallKind::NetworkFileSystem, path),
            |state, _| {
                state.tree.find(path)?;
                Ok((state.network, None))
            },
        )
    }
}

impl State {
    fn create(&mut self, path: &Path, dir: bool) -> io::Result<NodeId> {
        let open: Vec<NodeId> = self.files.values().map(|file| file.node).collect();
        self.tree.create(path, dir, &open)
    }
}

impl Order {
    pub(super) const fn limit(self) -> usize {
        match self {
            Self::Short(bytes) => bytes,
            Self::Do | Self::Fail(_) | Self::Ignore => usize::MAX,
        }
    }
}

/// True for the errors of a sync after which Linux marks the pages clean.
pub(super) const fn loses_pages(errno: Errno) -> bool {
    matches!(errno, Errno::Eio | Errno::Enospc)
}

pub(super) fn killed() -> io::Error {
    io::Error::other("killed")
}

fn text(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
