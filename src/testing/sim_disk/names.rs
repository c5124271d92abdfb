//! Names on the simulated disk: creating, linking, renaming and removing them, and making them durable.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::tree::{Body, Effect, Node, NodeId, Op, ROOT, Rename, Tree};

impl Tree {
    /// Creates an empty file or directory. `open` are the nodes that some process has open.
    pub(super) fn create(&mut self, path: &Path, dir: bool, open: &[NodeId]) -> io::Result<NodeId> {
        let (parent, name) = self.named_entry(path)?;
        if self.names(parent)?.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = Arc::from(name);
        self.collect(open);
        let used: BTreeSet<u64> = self.nodes.values().map(|node| node.inode).collect();
        let inode = (11..=u64::MAX)
            .find(|inode| !used.contains(inode))
            .unwrap_or(0);
        let body = if dir {
            Body::Dir {
                cache: Arc::default(),
                durable: Arc::default(),
            }
        } else {
            Body::File {
                cache: Arc::default(),
                durable: Arc::default(),
                unreliable: false,
                before_cut: None,
            }
        };
        let node = self.next_node;
        self.next_node += 1;
        self.nodes.insert(node, Node { inode, body });
        self.change_names(vec![Rename {
            dir: parent,
            name,
            to: Some(node),
        }]);
        Ok(node)
    }

    /// Gives a file a second name.
    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (dir, name) = self.named_entry(to)?;
        if self.names(dir)?.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.bytes(node)
            .map_err(|_| io::ErrorKind::PermissionDenied)?;
        self.change_names(vec![Rename {
            dir,
            name: name.into(),
            to: Some(node),
        }]);
        Ok(())
    }

    /// Renames, with the rules of POSIX. One operation: both changes survive a power cut, or neither.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        // The order of the checks is the one of Linux: it decides which error is told.
        let (from_dir, from_name) = self.named_entry(from)?;
        let (to_dir, to_name) = self.named_entry(to)?;
        let node = self.find(from)?;
        if self.is_inside(to, node) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Ok(replaced) = self.find(to)
            && self.is_inside(from, replaced)
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if let Some(&replaced) = self.names(to_dir)?.get(to_name) {
            if replaced == node {
                return Ok(());
            }
            match (&self.node(node)?.body, &self.node(replaced)?.body) {
                (Body::File { .. }, Body::File { .. }) => {}
                (Body::File { .. }, Body::Dir { .. }) => {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                (Body::Dir { .. }, Body::File { .. }) => {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                (Body::Dir { .. }, Body::Dir { cache, .. }) if cache.is_empty() => {}
                (Body::Dir { .. }, Body::Dir { .. }) => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
            }
        }
        self.change_names(vec![
            Rename {
                dir: from_dir,
                name: from_name.into(),
                to: None,
            },
            Rename {
                dir: to_dir,
                name: to_name.into(),
                to: Some(node),
            },
        ]);
        Ok(())
    }

    /// True if the path leads through that directory, and further.
    fn is_inside(&self, path: &Path, dir: NodeId) -> bool {
        let mut above = path.ancestors().skip(1);
        above.any(|above| self.find(above).is_ok_and(|found| found == dir))
    }

    /// Removes the name of a file.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find_file(path)?;
        let (dir, name) = self.named_entry(path)?;
        self.change_names(vec![Rename {
            dir,
            name: name.into(),
            to: None,
        }]);
        Ok(())
    }

    fn change_names(&mut self, changes: Vec<Rename>) {
        for change in &changes {
            if let Some(Node {
                body: Body::Dir { cache, .. },
                ..
            }) = self.nodes.get_mut(&change.dir)
            {
                change.apply(Arc::make_mut(cache));
            }
        }
        self.garbage = true;
        self.pending.push(Op {
            write: None,
            stuck: false,
            effect: Effect::Names(changes),
        });
    }

    /// Makes all names in a directory durable. Of a rename between two directories the other half stays pending.
    pub(super) fn sync_dir(&mut self, dir: NodeId) {
        let mut settled: Vec<Rename> = Vec::new();
        // From the newest to the oldest: a name that is settled overrides what was stuck before it.
        for op in self.pending.iter_mut().rev() {
            let Effect::Names(changes) = &mut op.effect else {
                continue;
            };
            changes.retain(|change| {
                let overridden = settled
                    .iter()
                    .any(|newer| newer.dir == dir && newer.name == change.name);
                if change.dir != dir || (op.stuck && !overridden) {
                    return true;
                }
                settled.push(change.clone());
                false
            });
        }
        self.pending
            .retain(|op| !matches!(&op.effect, Effect::Names(changes) if changes.is_empty()));
        if let Some(Node {
            body: Body::Dir { durable, .. },
            ..
        }) = self.nodes.get_mut(&dir)
        {
            let durable = Arc::make_mut(durable);
            for change in settled.iter().rev() {
                change.apply(durable);
            }
        }
    }

    /// A sync of a directory failed: what was pending in it survives or not, whatever later syncs say.
    pub(super) fn fail_sync_dir(&mut self, dir: NodeId) {
        for op in &mut self.pending {
            if let Effect::Names(changes) = &op.effect {
                op.stuck |= changes.iter().any(|change| change.dir == dir);
            }
        }
    }

    /// Forgets what nothing leads to any more, neither in the cache nor on the disk, and frees its inode number.
    fn collect(&mut self, open: &[NodeId]) {
        if !std::mem::take(&mut self.garbage) {
            return;
        }
        let mut found: BTreeSet<NodeId> = BTreeSet::new();
        let mut todo: Vec<NodeId> = open.to_vec();
        todo.push(ROOT);
        for op in &self.pending {
            if let Effect::Names(changes) = &op.effect {
                todo.extend(changes.iter().filter_map(|change| change.to));
            }
        }
        while let Some(next) = todo.pop() {
            if !found.insert(next) {
                continue;
            }
            if let Some(Node {
                body: Body::Dir { cache, durable },
                ..
            }) = self.nodes.get(&next)
            {
                todo.extend(cache.values().chain(durable.values()));
            }
        }
        self.nodes.retain(|node, _| found.contains(node));
        self.pending
            .retain(|op| op.file().is_none_or(|node| found.contains(&node)));
    }
}
