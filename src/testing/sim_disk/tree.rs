//! The simulated disk itself: what the cache shows, what is durable, and what lies between.
//!
//! ```text
//!  write, create, rename …   -> cache    what everybody reads
//!                            -> pending  one operation a sector, a size, a change of names; in order
//!  sync, sync_dir            pending -> durable
//!  power cut                 durable + the pending operations that were lucky -> the next boot
//! ```
//!
//! A name is a register: the last change of it that survives says what it leads to. A sector is one too.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

/// How much of a file is written at once: never less, never more.
pub(super) const SECTOR: usize = 512;

/// The longest file, so that a wild offset is an error and no exhausted memory.
const LONGEST_FILE: u64 = 1 << 30;

/// What the disk calls a file or directory; never used twice, other than its inode number.
pub(super) type NodeId = u64;

/// The node of the root directory.
pub(super) const ROOT: NodeId = 0;

/// Names and what they lead to.
pub(super) type Names = BTreeMap<Arc<str>, NodeId>;

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The number that programs see; the lowest free one, as on ext4.
    pub(super) inode: u64,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    File {
        cache: Arc<Vec<u8>>,
        durable: Arc<Vec<u8>>,
        /// A sync failed once: later syncs say OK and prove nothing (seen on ext4).
        unreliable: bool,
        /// The bytes before a power cut that took some of them: the time of change, which tells of those, was on the disk.
        before_cut: Option<Arc<Vec<u8>>>,
    },
    Dir {
        cache: Arc<Names>,
        durable: Arc<Names>,
    },
}

/// Something that a power cut may keep or lose, regardless of all others.
#[derive(Clone, Debug, Hash)]
pub(super) struct Op {
    /// The write call that made it, if it was one.
    pub(super) write: Option<u64>,
    /// A sync of the directory failed over it: no later sync settles it.
    pub(super) stuck: bool,
    pub(super) effect: Effect,
}

#[derive(Clone, Debug, Hash)]
pub(super) enum Effect {
    Data {
        node: NodeId,
        sector: usize,
        bytes: Arc<[u8]>,
    },
    Size {
        node: NodeId,
        len: usize,
    },
    Names(Vec<Rename>),
}

/// From now on this name leads there, or nowhere.
#[derive(Clone, Debug, Hash)]
pub(super) struct Rename {
    pub(super) dir: NodeId,
    pub(super) name: Arc<str>,
    pub(super) to: Option<NodeId>,
}

/// The newest write call, for cuts in the middle of it.
#[derive(Clone, Debug, Hash)]
pub(super) struct LastWrite {
    pub(super) id: u64,
    pub(super) node: NodeId,
    pub(super) offset: usize,
    pub(super) bytes: Arc<[u8]>,
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) pending: Vec<Op>,
    pub(super) last_write: Option<LastWrite>,
    pub(super) next_node: NodeId,
    next_write: u64,
    /// Something may have lost its last name since inode numbers were last looked through.
    pub(super) garbage: bool,
}

impl Tree {
    pub(super) fn new() -> Self {
        let body = Body::Dir {
            cache: Arc::default(),
            durable: Arc::default(),
        };
        Self::of(BTreeMap::from([(ROOT, Node { inode: 2, body })]))
    }

    /// A tree of these nodes with nothing pending.
    pub(super) fn of(nodes: BTreeMap<NodeId, Node>) -> Self {
        let next_node = nodes.last_key_value().map_or(ROOT, |(last, _)| last + 1);
        Self {
            nodes,
            pending: Vec::new(),
            last_write: None,
            next_node,
            next_write: 0,
            garbage: true,
        }
    }

    /// What a path leads to.
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        match self.entry(path)? {
            Entry { dir, name: None } => Ok(dir),
            Entry {
                dir,
                name: Some(name),
            } => self
                .names(dir)?
                .get(name)
                .copied()
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// The regular file that a path leads to.
    pub(super) fn find_file(&self, path: &Path) -> io::Result<NodeId> {
        let node = self.find(path)?;
        self.bytes(node).map(|_| node)
    }

    /// The directory that a path leads to.
    pub(super) fn find_dir(&self, path: &Path) -> io::Result<NodeId> {
        let node = self.find(path)?;
        self.names(node).map(|_| node)
    }

    /// The directory that holds a name, which need not exist, and the name; no name for the root.
    fn entry<'p>(&self, path: &'p Path) -> io::Result<Entry<'p>> {
        let mut entry = Entry {
            dir: ROOT,
            name: None,
        };
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name.to_str().ok_or(io::ErrorKind::InvalidInput)?,
                Component::RootDir | Component::CurDir => continue,
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
            };
            if let Some(above) = entry.name.replace(name) {
                let inside = self.names(entry.dir)?.get(above);
                entry.dir = *inside.ok_or(io::ErrorKind::NotFound)?;
            }
        }
        self.names(entry.dir)?;
        Ok(entry)
    }

    /// As [`Tree::entry`], for calls that the root directory refuses.
    pub(super) fn named_entry<'p>(&self, path: &'p Path) -> io::Result<(NodeId, &'p str)> {
        let entry = self.entry(path)?;
        entry
            .name
            .map(|name| (entry.dir, name))
            .ok_or_else(|| io::ErrorKind::AlreadyExists.into())
    }

    /// What the cache shows of a file.
    pub(super) fn bytes(&self, node: NodeId) -> io::Result<&Arc<Vec<u8>>> {
        match &self.node(node)?.body {
            Body::File { cache, .. } => Ok(cache),
            Body::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// What the cache shows of a directory.
    pub(super) fn names(&self, node: NodeId) -> io::Result<&Arc<Names>> {
        match &self.node(node)?.body {
            Body::Dir { cache, .. } => Ok(cache),
            Body::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn node(&self, node: NodeId) -> io::Result<&Node> {
        self.nodes
            .get(&node)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes into the cache; each sector touched, and a new size, are pending on their own.
    pub(super) fn write(&mut self, node: NodeId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > LONGEST_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(Node {
            body: Body::File {
                cache, before_cut, ..
            },
            ..
        }) = self.nodes.get_mut(&node)
        else {
            return Err(io::ErrorKind::NotFound.into());
        };
        *before_cut = None;
        let (begin, end) = (to_index(offset), to_index(end));
        let cache = Arc::make_mut(cache);
        let longer = end > cache.len();
        if longer {
            cache.resize(end, 0);
        }
        cache[begin..end].copy_from_slice(bytes);
        let write = Some(self.next_write);
        let sectors = begin / SECTOR..end.div_ceil(SECTOR);
        self.pending.extend(sectors.map(|sector| {
            let end = cache.len().min((sector + 1) * SECTOR);
            let bytes = cache[sector * SECTOR..end].into();
            Op {
                write,
                stuck: false,
                effect: Effect::Data {
                    node,
                    sector,
                    bytes,
                },
            }
        }));
        if longer {
            let effect = Effect::Size { node, len: end };
            self.pending.push(Op {
                write,
                stuck: false,
                effect,
            });
        }
        let last = LastWrite {
            id: self.next_write,
            node,
            offset: begin,
            bytes: bytes.into(),
        };
        self.last_write = Some(last);
        self.next_write += 1;
        Ok(())
    }

    /// Makes all bytes of a file, and its size, durable; its names stay pending.
    pub(super) fn sync(&mut self, node: NodeId) {
        let Some(Node {
            body:
                Body::File {
                    cache,
                    durable,
                    unreliable,
                    ..
                },
            ..
        }) = self.nodes.get_mut(&node)
        else {
            return;
        };
        if !*unreliable {
            *durable = Arc::clone(cache);
            self.pending.retain(|op| op.file() != Some(node));
        }
    }

    /// What Linux does after an error: the pages count as clean, the cache shows them, the disk never gets them, and
    /// no later sync of this file proves anything.
    pub(super) fn fail_sync(&mut self, node: NodeId) {
        if let Some(Node {
            body: Body::File { unreliable, .. },
            ..
        }) = self.nodes.get_mut(&node)
        {
            *unreliable = true;
            self.pending.retain(|op| op.file() != Some(node));
        }
    }

    /// Says that something lost its last user, so that its inode number may be free.
    pub(super) fn closed(&mut self) {
        self.garbage = true;
    }

    /// Each path that the cache shows, with what it leads to; a directory before what is in it.
    pub(super) fn paths(&self) -> Vec<(String, NodeId)> {
        let mut paths = Vec::new();
        self.paths_below(ROOT, "", &mut paths);
        paths
    }

    fn paths_below(&self, dir: NodeId, prefix: &str, into: &mut Vec<(String, NodeId)>) {
        let Ok(names) = self.names(dir) else { return };
        for (name, &node) in &**names {
            let path = format!("{prefix}{name}");
            into.push((path.clone(), node));
            self.paths_below(node, &format!("{path}/"), into);
        }
    }
}

/// A directory and a name in it; no name for the root.
struct Entry<'p> {
    dir: NodeId,
    name: Option<&'p str>,
}

impl Op {
    /// The file whose bytes or size it is about.
    pub(super) fn file(&self) -> Option<NodeId> {
        match self.effect {
            Effect::Data { node, .. } | Effect::Size { node, .. } => Some(node),
            Effect::Names(_) => None,
        }
    }
}

impl Rename {
    pub(super) fn apply(&self, names: &mut Names) {
        match self.to {
            Some(node) => names.insert(Arc::clone(&self.name), node),
            None => names.remove(&self.name),
        };
    }
}

fn to_index(offset: u64) -> usize {
    usize::try_from(offset).expect("no file is that long")
}
