//! Makes a cache of a state that was recovered, beside the one that is there, and renames it over that.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::block::{self, BLOCK, NUMBERS, Tie, content, room_for, taken};
use super::digest::Digest;
use super::layout::{Header, Key, Layout, MAX_ITEMS, MAX_PHASES, due_to_number, slot_of};
use super::rows::{Moving, Still};
use super::{CACHE, End, open, stamp};
use crate::log::reader::Log;
use crate::log::{files, lock};
use crate::pipeline::base::leaf;
use crate::pipeline::{Facts, PipelineState, row, wide};
use crate::ports::{Disk, File, Ports};
use crate::store::dir::WAL;
use crate::store::facts::SnapshotFacts;
use crate::store::{CacheMode, Options};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// How long the append lock is waited for: whoever holds it for longer has other worries.
const PATIENCE: Duration = Duration::from_millis(50);

/// Makes the cache anew, unless one that goes as far is there. Nothing depends on it: what fails is as if it had not been tried.
pub(in crate::store) fn renew(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    state: &PipelineState,
    end: &End,
    facts: &SnapshotFacts,
) {
    let boot = ports.clock.now().boot.map(|boot| boot.boot);
    if let (CacheMode::Auto, Some(boot)) = (options.cache, boot) {
        // Whoever comes next recovers as this process did.
        let _ = try_renew(ports, dir, options, state, end, facts, boot);
    }
}

fn try_renew(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    state: &PipelineState,
    end: &End,
    facts: &SnapshotFacts,
    boot: String,
) -> io::Result<()> {
    let Some(moving) = Moving::of(state, end, facts) else {
        return Ok(());
    };
    if goes_as_far(ports, dir, end) {
        return Ok(());
    }
    let wal = dir.join(WAL);
    let random = || ports.process.random();
    let temp = wal.join(files::temp_name(CACHE, random()));
    let file: Arc<dyn File> = ports.disk.create_new(&temp)?.into();
    let tie = Tie {
        nonce: random(),
        generation: 1,
    };
    let made = Build {
        file: &*file,
        tie,
        state,
    }
    .write(boot, (random(), random()), &moving)
    .and_then(|()| put_in_place(ports, dir, options, &temp, (&*file, tie), end));
    if made.is_err() {
        ports.disk.remove_file(&temp)?;
    }
    made
}

/// True if a cache that counts is there, and goes at least as far.
fn goes_as_far(ports: &Ports, dir: &Path, end: &End) -> bool {
    let known = open::end_of(ports, dir);
    known.is_some_and(|known| known.position.next >= end.position.next)
}

/// Gives it its name, unless one that goes as far has it by now.
fn put_in_place(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    temp: &Path,
    (file, tie): (&dyn File, Tie),
    end: &End,
) -> io::Result<()> {
    let path = dir.join(WAL).join(files::LOCK);
    let wait = options.lock_wait.min(PATIENCE);
    let _held = lock::exclusive(ports, &path, wait).map_err(io::Error::other)?;
    if goes_as_far(ports, dir, end) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let log = Log::new(ports.clone(), dir);
    stamp::write(ports, &log, file, tie, end.position.segment)?;
    ports.disk.rename(temp, &super::path(dir))
}

struct Build<'a> {
    file: &'a dyn File,
    tie: Tie,
    state: &'a PipelineState,
}

impl Build<'_> {
    fn write(&self, boot: String, hash_keys: (u64, u64), moving: &Moving) -> io::Result<()> {
        let (items, phases) = (self.state.item_count(), self.state.plan.phases().len());
        if items > MAX_ITEMS / 2 || phases > MAX_PHASES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let layout = Layout::for_items(items, phases);
        let mut header = Header {
            version: Header::own_version(),
            boot,
            nonce: self.tie.nonce,
            hash_keys,
            generation: self.tie.generation,
            clean: true,
            phases,
            room: layout.room,
            count: items,
            keys: 2 * items,
            end: layout.heap(),
            still: 0,
            moving: 0,
            operations: 0,
            digest: Digest::default(),
        };
        let mut places = vec![0; layout.directory_blocks() * NUMBERS];
        let mut slots = vec![0; layout.slots()];
        let mut heap = Gathered::at(self.file, layout.heap());
        let mut due: Vec<Leaves> = (0..=phases).map(|_| Leaves::default()).collect();
        let mut text = Vec::new();
        for (index, place) in places.iter_mut().enumerate().take(items) {
            let item = self.state.item(index).ok_or_else(block::damaged)?;
            text.clear();
            row::encode(&item, &mut text);
            *place = heap.add(self.tie, &text)?;
            for (tree, leaves) in due.iter_mut().enumerate() {
                leaves.push(leaf(&self.state.plan, &item, tree));
            }
            let id = item.id();
            for key in [Key::Name(item.name.as_str()), Key::Id(&id)] {
                let hash = header.hash(key);
                let mut slot = layout.home(hash);
                while slots[slot] != 0 {
                    slot = (slot + 1) % slots.len();
                }
                slots[slot] = slot_of(hash, index);
            }
        }
        let still = serde_json::to_vec(&Still::of(self.state))?;
        header.still = heap.add(self.tie, &still)?;
        header.moving = heap.add(self.tie, &serde_json::to_vec(moving)?)?;
        text.clear();
        row::encode_operations(self.state.operations(), &mut text);
        header.operations = heap.add(self.tie, &text)?;
        let of_texts = heap.digest;
        header.end = heap.end()?;

        let mut number = Layout::key_block(0);
        let mut blocks = Gathered::at(self.file, number * BLOCK as u64);
        let mut add = |numbers: &[u64; NUMBERS]| {
            let block = self.tie.seal(number, &content(numbers));
            blocks.digest.add_block(number, &block);
            number += 1;
            blocks.put(&block)
        };
        for numbers in slots.as_chunks().0.iter().chain(places.as_chunks().0) {
            add(numbers)?;
        }
        // As long as the trees are, of which one is made at a time.
        drop((slots, places));
        for leaves in due {
            let leaves: Vec<i64> = leaves.into_iter().collect();
            for knot in wide::build(leaves, layout.room).iter().flatten() {
                add(&knot.map(due_to_number))?;
            }
        }
        header.digest = of_texts.join(blocks.digest);
        blocks.end()?;
        let block = header.to_block().ok_or_else(block::damaged)?;
        self.file.write_full_at(0, &block)
    }
}

/// The leaves of one tree, a byte each: nearly all say "now" or "never".
#[derive(Default)]
struct Leaves {
    kinds: Vec<Kind>,
    times: Vec<i64>,
}

#[derive(Clone, Copy)]
enum Kind {
    Now,
    Never,
    /// The next of the times.
    Time,
}

impl Leaves {
    fn push(&mut self, due: i64) {
        self.kinds.push(match due {
            wide::NOW => Kind::Now,
            wide::NEVER => Kind::Never,
            time => {
                self.times.push(time);
                Kind::Time
            }
        });
    }

    fn into_iter(self) -> impl Iterator<Item = i64> {
        let mut times = self.times.into_iter();
        self.kinds.into_iter().map(move |kind| match kind {
            Kind::Now => wide::NOW,
            Kind::Never => wide::NEVER,
            Kind::Time => times.next().unwrap_or(wide::NEVER),
        })
    }
}

/// Bytes on their way into a file, one after the other.
struct Gathered<'a> {
    file: &'a dyn File,
    /// Where the gathered bytes begin.
    at: u64,
    bytes: Vec<u8>,
    /// What of it counts.
    digest: Digest,
}

impl<'a> Gathered<'a> {
    fn at(file: &'a dyn File, at: u64) -> Self {
        let (bytes, digest) = (Vec::new(), Digest::default());
        Self {
            file,
            at,
            bytes,
            digest,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= GATHERED {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_full_at(self.at, &self.bytes)?;
        self.at += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }

    /// Adds a text with room to grow; gives where it is.
    fn add(&mut self, tie: Tie, text: &[u8]) -> io::Result<u64> {
        let place = self.at + self.bytes.len() as u64;
        let room = room_for(text.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let wrapped = tie.wrap(place, room, text);
        let wrapped = wrapped.ok_or(io::ErrorKind::FileTooLarge)?;
        self.digest.add_text(place, &wrapped);
        self.put(&wrapped)?;
        let next = place + taken(room);
        let here = self.at + self.bytes.len() as u64;
        self.put(&vec![0; usize::try_from(next - here).unwrap_or(0)])?;
        Ok(place)
    }

    /// The end of what was added, all of which is written.
    fn end(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.at)
    }
}

/// Takes the cache away: what it stands on is about to be changed.
pub(in crate::store) fn discard(disk: &dyn Disk, dir: &Path) {
    // Where it cannot be removed it does not fit what is there either; see the module.
    let _ = disk.remove_file(&super::path(dir));
}
