//! What the test itself does to the disk, past every actor and durable at once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::tree::{Body, Effect, Node, NodeId, Rename, Tree};

impl Tree {
    /// Puts a file with these bytes, or a directory, and the directories above it.
    pub(super) fn plant(&mut self, path: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
        if let Some(above) = path.parent()
            && self.find_dir(above).is_err()
        {
            self.plant(above, None)?;
        }
        let node = match self.find(path) {
            Ok(node) => node,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let open: Vec<NodeId> = self.nodes.keys().copied().collect();
                let node = self.create(path, bytes.is_none(), &open)?;
                if let Some(Effect::Names(changes)) = self.pending.pop().map(|op| op.effect) {
                    self.settle_names(&changes);
                }
                node
            }
            Err(error) => return Err(error),
        };
        let Some(bytes) = bytes else {
            return self.names(node).map(drop);
        };
        self.bytes(node)?;
        let bytes = Arc::new(bytes.to_vec());
        self.pending.retain(|op| op.file() != Some(node));
        if let Some(Node {
            body:
                Body::File {
                    cache,
                    durable,
                    before_cut,
                    ..
                },
            ..
        }) = self.nodes.get_mut(&node)
        {
            (*cache, *durable, *before_cut) = (Arc::clone(&bytes), bytes, None);
        }
        Ok(())
    }

    /// Removes the name of a file.
    pub(super) fn uproot(&mut self, path: &Path) -> io::Result<()> {
        self.remove(path)?;
        if let Some(Effect::Names(changes)) = self.pending.pop().map(|op| op.effect) {
            self.settle_names(&changes);
        }
        Ok(())
    }

    /// Makes changes of names durable, past all that are pending.
    fn settle_names(&mut self, changes: &[Rename]) {
        for change in changes {
            for op in &mut self.pending {
                if let Effect::Names(older) = &mut op.effect {
                    older.retain(|older| (older.dir, &older.name) != (change.dir, &change.name));
                }
            }
            if let Some(Node {
                body: Body::Dir { durable, .. },
                ..
            }) = self.nodes.get_mut(&change.dir)
            {
                change.apply(Arc::make_mut(durable));
            }
        }
        self.pending
            .retain(|op| !matches!(&op.effect, Effect::Names(changes) if changes.is_empty()));
    }

    /// Makes everything durable that the cache shows.
    pub(super) fn settle(&mut self) {
        self.pending.clear();
        for node in self.nodes.values_mut() {
            match &mut node.body {
                Body::File {
                    cache,
                    durable,
                    unreliable,
                    ..
                } => {
                    (*durable, *unreliable) = (Arc::clone(cache), false);
                }
                Body::Dir { cache, durable } => *durable = Arc::clone(cache),
            }
        }
    }
}
