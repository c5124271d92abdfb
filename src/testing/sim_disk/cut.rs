//! Power cuts: what may survive one, as values that can be listed, printed and read back.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::tree::{Body, Effect, LastWrite, Names, Node, NodeId, ROOT, SECTOR, Tree};
use crate::testing::Rng;

/// Up to so many pending operations all subsets of them are tried, if the limit allows.
const ALL_SUBSETS_UP_TO: usize = 10;

/// Something that is not durable yet: a power cut keeps it or loses it, regardless of all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// New bytes of one sector.
    Data {
        /// The path of the file, or `inode 12` if it has none.
        file: String,
        /// Where the sector begins.
        offset: u64,
    },
    /// A greater length. If it is lost, all bytes beyond the old one are too.
    Size {
        /// The path of the file, or `inode 12` if it has none.
        file: String,
        /// The new length.
        len: u64,
    },
    /// Names that change at once, each to an inode or to nothing: two for a rename.
    Names(Vec<(String, Option<u64>)>),
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { file, offset } => write!(f, "data of {file} at {offset}"),
            Self::Size { file, len } => write!(f, "size of {file}: {len}"),
            Self::Names(changes) => {
                for (at, (path, to)) in changes.iter().enumerate() {
                    f.write_str(if at == 0 { "name " } else { " and " })?;
                    match to {
                        Some(inode) => write!(f, "{path} -> inode {inode}")?,
                        None => write!(f, "{path} -> nothing")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// One outcome of a power cut: for each pending operation, in order, whether it survived, and if need be how much of
/// the last write did. Written as `1101`, or `1101+17z`; `-` for nothing pending.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Survivors {
    /// One for each of [`super::SimDisk::pending`].
    pub kept: Vec<bool>,
    /// The last write survived up to here, whatever `kept` says of its sectors and size.
    pub torn: Option<Torn>,
}

/// How much of the last write a power cut left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Torn {
    /// The first bytes of the write that are there.
    pub bytes: usize,
    /// True if the file has its new length all the same, with NULs in place of new bytes (the usual tail on ext4).
    pub zeros: bool,
}

impl fmt::Display for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &kept in &self.kept {
            f.write_str(if kept { "1" } else { "0" })?;
        }
        if self.kept.is_empty() {
            f.write_str("-")?;
        }
        match self.torn {
            Some(Torn { bytes, zeros }) => write!(f, "+{bytes}{}", if zeros { "z" } else { "" }),
            None => Ok(()),
        }
    }
}

impl FromStr for Survivors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("not the outcome of a power cut: {text}");
        let (bits, torn) = text
            .split_once('+')
            .map_or((text, None), |(bits, end)| (bits, Some(end)));
        let bits = if bits == "-" { "" } else { bits };
        if bits.bytes().any(|bit| !matches!(bit, b'0' | b'1')) {
            return Err(wrong());
        }
        let torn = match torn {
            None => None,
            Some(end) => {
                let digits = end.strip_suffix('z').unwrap_or(end);
                let bytes = digits.parse().map_err(|_| wrong())?;
                Some(Torn {
                    bytes,
                    zeros: digits.len() != end.len(),
                })
            }
        };
        Ok(Self {
            kept: bits.bytes().map(|bit| bit == b'1').collect(),
            torn,
        })
    }
}

/// Subsets of `n` things: all, if they are at most 2^10 and within the limit; else none, all, all but one, only
/// one, all but two and a random sample, as many as the limit allows. No two are equal.
pub(super) fn subsets(n: usize, limit: usize, seed: u64) -> Vec<Vec<bool>> {
    if n <= ALL_SUBSETS_UP_TO && 1 << n <= limit {
        return (0_usize..1 << n)
            .map(|set| (0..n).map(|bit| set >> bit & 1 == 1).collect())
            .collect();
    }
    let but = |lost: &[usize]| {
        (0..n)
            .map(|bit| !lost.contains(&bit))
            .collect::<Vec<bool>>()
    };
    let mut listed: Vec<Vec<bool>> = vec![vec![false; n], vec![true; n]];
    listed.extend((0..n).map(|lost| but(&[lost])));
    listed.extend((0..n).map(|only| (0..n).map(|bit| bit == only).collect()));
    let pairs = (0..n).flat_map(|one| (one + 1..n).map(move |other| [one, other]));
    listed.extend(pairs.take(limit).map(|pair| but(&pair)));
    let mut known = HashSet::new();
    listed.retain(|set| known.insert(set.clone()));
    listed.truncate(limit);
    let mut rng = Rng::new(seed);
    for _ in 0..4 * limit {
        if listed.len() >= limit {
            break;
        }
        let set: Vec<bool> = (0..n).map(|_| rng.coin()).collect();
        if known.insert(set.clone()) {
            listed.push(set);
        }
    }
    listed
}

impl Tree {
    /// What is left after a power cut: all of it durable, nothing pending.
    pub(super) fn cut(&self, survivors: &Survivors) -> Self {
        let torn = survivors
            .torn
            .and_then(|torn| Some((torn, self.last_write.as_ref()?)));
        let survived: Vec<&Effect> = self
            .pending
            .iter()
            .enumerate()
            .filter(|(at, op)| match torn {
                Some((_, last)) if op.write == Some(last.id) => false,
                _ => survivors.kept.get(*at).copied().unwrap_or(false),
            })
            .map(|(_, op)| &op.effect)
            .collect();
        let mut contents = self.surviving_contents(&survived);
        if let Some((torn, last)) = torn {
            let before = contents
                .get(&last.node)
                .cloned()
                .or_else(|| self.durable_bytes(last.node));
            if let Some(mut bytes) = before {
                self.tear(Arc::make_mut(&mut bytes), torn, last);
                contents.insert(last.node, bytes);
            }
        }
        let mut names: BTreeMap<NodeId, Names> = BTreeMap::new();
        for effect in &survived {
            let Effect::Names(changes) = effect else {
                continue;
            };
            for change in changes {
                let dir = names
                    .entry(change.dir)
                    .or_insert_with(|| self.durable_names(change.dir));
                change.apply(dir);
            }
        }
        let mut kept = BTreeMap::new();
        self.keep(ROOT, &contents, &mut names, &mut kept);
        Self::of(kept)
    }

    /// Writes the first bytes of the last write. A sector goes to the disk as the cache has it: what stood in it
    /// before, written and not synced, goes along.
    fn tear(&self, content: &mut Vec<u8>, torn: Torn, last: &LastWrite) {
        let taken = torn.bytes.min(last.bytes.len());
        let end = last.offset + if torn.zeros { last.bytes.len() } else { taken };
        if taken == 0 && !torn.zeros {
            return;
        }
        let len = content.len().max(end);
        content.resize(len, 0);
        let touched = last.offset / SECTOR..(last.offset + taken).div_ceil(SECTOR);
        for op in self.pending.iter().filter(|op| op.write != Some(last.id)) {
            if let Effect::Data {
                node,
                sector,
                bytes,
            } = &op.effect
                && *node == last.node
                && touched.contains(sector)
            {
                let fits = bytes.len().min(len.saturating_sub(sector * SECTOR));
                content[sector * SECTOR..][..fits].copy_from_slice(&bytes[..fits]);
            }
        }
        content[last.offset..][..taken].copy_from_slice(&last.bytes[..taken]);
    }

    /// The files whose durable bytes differ from before: sizes first, then the sectors that lie within them.
    fn surviving_contents(&self, survived: &[&Effect]) -> BTreeMap<NodeId, Arc<Vec<u8>>> {
        let mut contents: BTreeMap<NodeId, Arc<Vec<u8>>> = BTreeMap::new();
        for effect in survived {
            let (Effect::Data { node, .. } | Effect::Size { node, .. }) = effect else {
                continue;
            };
            let Some(durable) = self.durable_bytes(*node) else {
                continue;
            };
            let bytes = contents.entry(*node).or_insert(durable);
            if let Effect::Size { len, .. } = effect
                && *len > bytes.len()
            {
                Arc::make_mut(bytes).resize(*len, 0);
            }
        }
        for effect in survived {
            if let Effect::Data {
                node,
                sector,
                bytes,
            } = effect
                && let Some(content) = contents.get_mut(node)
                && let Some(room) = content.len().checked_sub(sector * SECTOR)
            {
                let fits = bytes.len().min(room);
                Arc::make_mut(content)[sector * SECTOR..][..fits].copy_from_slice(&bytes[..fits]);
            }
        }
        contents
    }

    fn durable_bytes(&self, node: NodeId) -> Option<Arc<Vec<u8>>> {
        match &self.nodes.get(&node)?.body {
            Body::File { durable, .. } => Some(Arc::clone(durable)),
            Body::Dir { .. } => None,
        }
    }

    fn durable_names(&self, node: NodeId) -> Names {
        match self.nodes.get(&node).map(|node| &node.body) {
            Some(Body::Dir { durable, .. }) => (**durable).clone(),
            _ => Names::new(),
        }
    }

    fn keep(
        &self,
        id: NodeId,
        contents: &BTreeMap<NodeId, Arc<Vec<u8>>>,
        names: &mut BTreeMap<NodeId, Names>,
        kept: &mut BTreeMap<NodeId, Node>,
    ) {
        let Some(node) = self.nodes.get(&id).filter(|_| !kept.contains_key(&id)) else {
            return;
        };
        let body = match &node.body {
            Body::File {
                durable,
                cache: before,
                ..
            } => {
                let bytes = contents.get(&id).unwrap_or(durable);
                let before_cut = (bytes != before).then(|| Arc::clone(before));
                let (cache, durable) = (Arc::clone(bytes), Arc::clone(bytes));
                Body::File {
                    cache,
                    durable,
                    unreliable: false,
                    before_cut,
                }
            }
            Body::Dir { durable, .. } => {
                let left = names
                    .remove(&id)
                    .map_or_else(|| Arc::clone(durable), Arc::new);
                Body::Dir {
                    cache: Arc::clone(&left),
                    durable: left,
                }
            }
        };
        let inside = match &body {
            Body::Dir { cache, .. } => Arc::clone(cache),
            Body::File { .. } => Arc::default(),
        };
        kept.insert(
            id,
            Node {
                inode: node.inode,
                body,
            },
        );
        for &below in inside.values() {
            self.keep(below, contents, names, kept);
        }
    }

    /// Outcomes of a power cut, at most `limit` (see [`subsets`]).
    pub(super) fn outcomes(&self, limit: usize, seed: u64) -> Vec<Survivors> {
        let sets = subsets(self.pending.len(), limit, seed).into_iter();
        sets.map(|kept| Survivors { kept, torn: None }).collect()
    }

    /// Outcomes in which the last write is cut at each of its bytes, short or with zeros in place of the rest, times
    /// what happens to everything else (at most `others` subsets). None if the write is durable already.
    pub(super) fn torn_outcomes(&self, others: usize, seed: u64) -> Vec<Survivors> {
        let Some(last) = &self.last_write else {
            return Vec::new();
        };
        let of_last: Vec<bool> = self
            .pending
            .iter()
            .map(|op| op.write == Some(last.id))
            .collect();
        let rest = of_last.iter().filter(|&&of_last| !of_last).count();
        if rest == of_last.len() {
            return Vec::new();
        }
        let mut outcomes = Vec::new();
        for set in subsets(rest, others.max(2), seed) {
            let mut bits = set.into_iter();
            let kept: Vec<bool> = of_last
                .iter()
                .map(|&of_last| !of_last && bits.next().unwrap_or(false))
                .collect();
            for bytes in 0..=last.bytes.len() {
                for zeros in [false, true] {
                    let torn = Some(Torn { bytes, zeros });
                    outcomes.push(Survivors {
                        kept: kept.clone(),
                        torn,
                    });
                }
            }
        }
        outcomes
    }

    /// What is pending, for people.
    pub(super) fn describe_pending(&self) -> Vec<Pending> {
        let paths: BTreeMap<NodeId, String> = self
            .paths()
            .into_iter()
            .map(|(path, node)| (node, path))
            .collect();
        let inode = |node: NodeId| self.nodes.get(&node).map_or(0, |node| node.inode);
        let path = |node| {
            let found = paths.get(&node).cloned();
            found.unwrap_or_else(|| format!("inode {}", inode(node)))
        };
        let inside = |dir: NodeId, name: &str| match dir {
            ROOT => name.to_owned(),
            _ => format!("{}/{name}", path(dir)),
        };
        let describe = |effect: &Effect| match effect {
            Effect::Data { node, sector, .. } => Pending::Data {
                file: path(*node),
                offset: (sector * SECTOR) as u64,
            },
            Effect::Size { node, len } => Pending::Size {
                file: path(*node),
                len: *len as u64,
            },
            Effect::Names(changes) => {
                let changes = changes.iter();
                let described =
                    changes.map(|change| (inside(change.dir, &change.name), change.to.map(inode)));
                Pending::Names(described.collect())
            }
        };
        self.pending.iter().map(|op| describe(&op.effect)).collect()
    }

    /// A number for everything that the cache shows: names, kinds, bytes, and which names lead to one file.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut seen: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (path, node) in self.paths() {
            path.hash(&mut hasher);
            let next = seen.len();
            let first = *seen.entry(node).or_insert(next);
            first.hash(&mut hasher);
            if first == next {
                self.bytes(node).ok().hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// A number for everything: what the cache shows, what is durable, what is pending.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (id, node) in &self.nodes {
            (id, node.inode).hash(&mut hasher);
            match &node.body {
                Body::File {
                    cache,
                    durable,
                    unreliable,
                    before_cut,
                } => {
                    (0, unreliable, cache, before_cut).hash(&mut hasher);
                    // Most files are durable; their bytes need not be hashed twice.
                    (!Arc::ptr_eq(cache, durable))
                        .then_some(durable)
                        .hash(&mut hasher);
                }
                Body::Dir { cache, durable } => (1, cache, durable).hash(&mut hasher),
            }
        }
        for op in &self.pending {
            op.hash(&mut hasher);
        }
        let last = self.last_write.as_ref().map(|last| last.id);
        let last_pending = self
            .pending
            .iter()
            .any(|op| op.write.is_some() && op.write == last);
        last_pending.then_some(&self.last_write).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_things_have_all_their_subsets() {
        let all = subsets(4, 1_000, 1);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 16);
    }

    #[test]
    fn many_things_are_sampled_without_repeats() {
        let some = subsets(30, 1_000, 1);
        assert_eq!(some.len(), 1_000);
        assert_eq!(some.iter().collect::<HashSet<_>>().len(), 1_000);
        assert_eq!(some, subsets(30, 1_000, 1));
        assert_ne!(some, subsets(30, 1_000, 2));
        // None, all, 30 x one lost, 30 x one kept, 435 x two lost.
        let lost = |set: &Vec<bool>| set.iter().filter(|&&kept| !kept).count();
        for (count, expected) in [(30, 1), (0, 1), (1, 30), (29, 30), (2, 435)] {
            assert_eq!(
                some.iter().filter(|set| lost(set) == count).count(),
                expected
            );
        }
        assert_eq!(subsets(30, 3, 1).len(), 3);
    }

    #[test]
    fn outcomes_read_back() {
        for text in ["-", "1", "0110", "0110+17", "1+0z"] {
            assert_eq!(text.parse::<Survivors>().unwrap().to_string(), text);
        }
        for wrong in ["2", "1+", "1+z", "1+-3", "x"] {
            assert!(wrong.parse::<Survivors>().is_err(), "{wrong}");
        }
    }
}
