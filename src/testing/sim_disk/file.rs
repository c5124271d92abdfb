//! Open files of the simulated disk: bytes, syncs that fail as Linux lets them fail, and locks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::actor::{Answer, Asked, DEVICE, Order, SimActor, killed, loses_pages};
use super::call::{Call, CallKind, Errno, Outcome};
use super::tree::NodeId;
use super::{OpenFile, State};
use crate::ports::{File, FileId, LockKind};

/// `EBADF`: a write through a file that was opened for reading.
const NOT_OPEN_FOR_WRITING: i32 = 9;

/// One open file of one actor. Dropping it closes it, which no trace shows.
pub(super) struct SimFile {
    actor: SimActor,
    file: u64,
}

impl SimFile {
    pub(super) fn new(actor: SimActor, file: u64) -> Self {
        Self { actor, file }
    }

    fn asked(&self, kind: CallKind, range: Option<(u64, usize)>) -> Asked {
        let state = self.actor.disk.state();
        let path = state
            .files
            .get(&self.file)
            .map(|file| Arc::clone(&file.path));
        Asked {
            kind,
            path: path.unwrap_or_default(),
            to: None,
            range,
        }
    }

    fn call<T>(
        &self,
        kind: CallKind,
        range: Option<(u64, usize)>,
        run: impl FnOnce(&mut State, NodeId, Order) -> Answer<T>,
    ) -> io::Result<T> {
        self.actor.call(self.asked(kind, range), |state, order| {
            let node = state.open_file(self.file)?.node;
            run(state, node, order)
        })
    }
}

impl File for SimFile {
    fn id(&self) -> io::Result<FileId> {
        let inode = self.call(CallKind::Id, None, |state, node, _| {
            let inode = state.tree.node(node)?.inode;
            Ok((inode, Some(inode)))
        })?;
        Ok(FileId {
            device: DEVICE,
            inode,
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.call(CallKind::Len, None, |state, node, _| {
            let len = state.tree.bytes(node)?.len() as u64;
            Ok((len, Some(len)))
        })
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let range = Some((offset, into.len()));
        self.call(CallKind::ReadAt, range, |state, node, order| {
            let bytes = state.tree.bytes(node)?;
            let rest = usize::try_from(offset)
                .ok()
                .and_then(|begin| bytes.get(begin..));
            let rest = rest.unwrap_or_default();
            let count = rest.len().min(into.len()).min(order.limit());
            into[..count].copy_from_slice(&rest[..count]);
            Ok((count, Some(count as u64)))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let range = Some((offset, bytes.len()));
        self.call(CallKind::WriteAt, range, |state, node, order| {
            if !state.open_file(self.file)?.writable {
                return Err(io::Error::from_raw_os_error(NOT_OPEN_FOR_WRITING));
            }
            let taken = bytes.len().min(order.limit());
            state.tree.write(node, offset, &bytes[..taken])?;
            Ok((taken, Some(taken as u64)))
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(CallKind::Sync, None, |state, node, order| {
            match order {
                Order::Ignore => return Ok(((), None)),
                Order::Do | Order::Short(_) => state.tree.sync(node),
                Order::Fail(errno) => {
                    if loses_pages(errno) {
                        state.fail_sync(node, self.file, errno);
                    }
                    return Err(errno.error());
                }
            }
            match state.open_file(self.file)?.owed.take() {
                Some(errno) => Err(errno.error()),
                None => Ok(((), None)),
            }
        })
    }

    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool> {
        let (mut taken, gave_up) = self.call(CallKind::Lock, None, |state, _, _| {
            let held = state.open_file(self.file)?.lock;
            let taken = state.try_lock(self.file, kind)?;
            Ok((
                (taken, held.is_some_and(|held| held != kind)),
                Some(u64::from(taken)),
            ))
        })?;
        if gave_up {
            self.actor.disk.wake_blocked();
        }
        while !taken && !wait.is_zero() {
            let Some(gate) = self.actor.disk.gate() else {
                break;
            };
            if gate.block(self.actor.actor) {
                break;
            }
            let mut state = self.actor.disk.state();
            if state.actors[self.actor.actor].killed {
                return Err(killed());
            }
            taken = state.try_lock(self.file, kind)?;
            if taken {
                state.trace_late_lock(self.actor.actor, self.file);
            }
        }
        Ok(taken)
    }

    fn unlock(&self) -> io::Result<()> {
        self.call(CallKind::Unlock, None, |state, _, _| {
            state.open_file(self.file)?.lock = None;
            Ok(((), None))
        })?;
        self.actor.disk.wake_blocked();
        Ok(())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let closed = {
            let mut state = self.actor.disk.state();
            state.tree.closed();
            state.files.remove(&self.file)
        };
        if closed.is_some_and(|file| file.lock.is_some()) {
            self.actor.disk.wake_blocked();
        }
    }
}

impl State {
    fn open_file(&mut self, file: u64) -> io::Result<&mut OpenFile> {
        self.files.get_mut(&file).ok_or_else(killed)
    }

    fn try_lock(&mut self, file: u64, kind: LockKind) -> io::Result<bool> {
        let open = self.open_file(file)?;
        let node = open.node;
        if open.lock == Some(kind) {
            return Ok(true);
        }
        // A lock of the other kind is given up first, even if the new one is then not to be had (flock(2)).
        open.lock = None;
        let alone = |held: LockKind| held == LockKind::Exclusive || kind == LockKind::Exclusive;
        let mut others = self
            .files
            .iter()
            .filter(|(other, open)| **other != file && open.node == node);
        let free = !others.any(|(_, open)| open.lock.is_some_and(alone));
        if free {
            self.open_file(file)?.lock = Some(kind);
        }
        Ok(free)
    }

    /// The error is told now through one open file, and later once through each other that is open on it.
    fn fail_sync(&mut self, node: NodeId, teller: u64, errno: Errno) {
        self.tree.fail_sync(node);
        for (&file, open) in self.files.iter_mut().filter(|(_, open)| open.node == node) {
            open.owed = (file != teller).then_some(errno);
        }
    }

    /// A lock that was waited for shows in the trace where it was taken, under the number of its call.
    fn trace_late_lock(&mut self, actor: usize, file: u64) {
        let (name, no) = (
            Arc::clone(&self.actors[actor].name),
            self.actors[actor].calls,
        );
        let path = self
            .files
            .get(&file)
            .map(|open| Arc::clone(&open.path))
            .unwrap_or_default();
        let (kind, outcome) = (CallKind::Lock, Outcome::Done(Some(1)));
        let call = Call {
            actor: name,
            no,
            kind,
            path,
            to: None,
            range: None,
            outcome,
        };
        Arc::make_mut(&mut self.trace).push(call);
    }
}
