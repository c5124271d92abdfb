//! The simulated disk beside the real one: the same calls, the same answers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SimDisk;
use crate::ports::{Disk, EntryKind, File, LockKind, RealDisk};
use crate::testing::Rng;

const PATHS: [&str; 9] = ["a", "b", "c", "d", "d/a", "d/b", "e", "e/a", "a/x"];

/// One disk, with the files that were opened on it.
struct Side<'d> {
    disk: &'d dyn Disk,
    root: PathBuf,
    open: Vec<Box<dyn File>>,
}

/// A call whose every choice is made, so that it can be made on both sides.
#[derive(Debug)]
struct Step {
    what: usize,
    path: &'static str,
    to: &'static str,
    file: usize,
    offset: u64,
    len: usize,
}

impl Side<'_> {
    /// Makes the call and tells what came of it.
    fn take(&mut self, step: &Step) -> Result<String, io::ErrorKind> {
        let (path, to) = (self.root.join(step.path), self.root.join(step.to));
        let answer = match step.what {
            0 => self.keep(self.disk.create_new(&path)),
            1 => self.keep(self.disk.open_read(&path)),
            2 => self.keep(self.disk.open_write(&path)),
            3 => self.disk.create_dir(&path).map(|()| String::new()),
            4 => self.disk.list(&path).map(|names| names.join(" ")),
            5 => self.disk.metadata(&path).map(|found| match found.kind {
                EntryKind::File => format!("{} bytes", found.len),
                kind => format!("{kind:?}"),
            }),
            6 | 7 => self.disk.rename(&path, &to).map(|()| String::new()),
            8 => self.disk.hard_link(&path, &to).map(|()| String::new()),
            9 => self.disk.remove_file(&path).map(|()| String::new()),
            10 => self.disk.sync_dir(&path).map(|()| String::new()),
            _ => self.take_on_file(step),
        };
        answer.map_err(|error| error.kind())
    }

    fn take_on_file(&mut self, step: &Step) -> io::Result<String> {
        let Some(at) = step.file.checked_rem(self.open.len()) else {
            return Ok("none".into());
        };
        let file = &self.open[at];
        let bytes = vec![b'a' + u8::try_from(step.len % 26).expect("below 26"); step.len];
        let mut into = vec![0; step.len];
        let lock = |kind| {
            file.lock(kind, Duration::ZERO)
                .map(|taken| taken.to_string())
        };
        match step.what {
            11 | 12 => file
                .write_at(step.offset, &bytes)
                .map(|count| count.to_string()),
            13 => file
                .read_at(step.offset, &mut into)
                .map(|count| format!("{count} {}", crc32fast::hash(&into))),
            14 => file.len().map(|len| len.to_string()),
            15 => file.sync().map(|()| String::new()),
            16 => lock(LockKind::Shared),
            17 => lock(LockKind::Exclusive),
            18 => file.unlock().map(|()| String::new()),
            _ => {
                self.open.swap_remove(at);
                Ok("closed".into())
            }
        }
    }

    fn keep(&mut self, opened: io::Result<Box<dyn File>>) -> io::Result<String> {
        self.open.push(opened?);
        Ok(format!("file {}", self.open.len()))
    }

    /// Which of the paths lead to the same file.
    fn same(&self) -> Vec<(usize, usize)> {
        let ids = PATHS.map(|path| {
            self.disk
                .metadata(&self.root.join(path))
                .ok()
                .map(|it| it.id)
        });
        let first = |id| ids.iter().position(|other| *other == id);
        ids.iter()
            .enumerate()
            .filter(|(_, id)| id.is_some())
            .filter_map(|(at, id)| Some((at, first(*id)?)))
            .collect()
    }
}

#[test]
fn both_disks_answer_the_same_to_the_same_calls() {
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let temp = tempfile::tempdir().unwrap();
        let (sim, mut log) = (SimDisk::new(), Vec::new());
        let actor = sim.actor("A");
        let mut real = Side {
            disk: &RealDisk,
            root: temp.path().to_owned(),
            open: Vec::new(),
        };
        let mut fake = Side {
            disk: &actor,
            root: Path::new("/").to_owned(),
            open: Vec::new(),
        };
        for _ in 0..200 {
            let step = Step {
                what: rng.below(20),
                path: PATHS[rng.below(PATHS.len())],
                to: PATHS[rng.below(PATHS.len())],
                file: rng.below(100),
                offset: rng.below(1_500) as u64,
                len: rng.below(700),
            };
            let (expected, found) = (real.take(&step), fake.take(&step));
            log.push(format!("{step:?}: {expected:?}"));
            let trace = || log.join("\n");
            assert_eq!(found, expected, "seed {seed}\n{}", trace());
            assert_eq!(fake.same(), real.same(), "seed {seed}\n{}", trace());
        }
    }
}
