//! How far a long command is: told by whoever works, on to whoever watches.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Who is told how many steps are done, and of how many.
type Watcher = Box<dyn Fn(u64, u64) + Send>;

/// A count of how much is done of how much. Its clones are the same count.
#[derive(Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    all: AtomicU64,
    is_watched: AtomicBool,
    watcher: Mutex<Option<Watcher>>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.now()).finish()
    }
}

impl Progress {
    /// Begins a part of the work that has so many steps: bytes, or records.
    pub fn begin(&self, all: u64) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.all.store(all, Ordering::Relaxed);
        self.tell();
    }

    /// So many steps more are done.
    pub fn add(&self, steps: u64) {
        self.0.done.fetch_add(steps, Ordering::Relaxed);
        self.tell();
    }

    /// How many steps are done, and of how many; never more than all.
    pub fn now(&self) -> (u64, u64) {
        let all = self.0.all.load(Ordering::Relaxed);
        (self.0.done.load(Ordering::Relaxed).min(all), all)
    }

    /// Tells `watcher` of each step, in the thread that works; nobody, if there is none.
    pub fn watch(&self, watcher: Option<Watcher>) {
        self.0
            .is_watched
            .store(watcher.is_some(), Ordering::Relaxed);
        // Who panicked while it was told is told no more.
        if let Ok(mut told) = self.0.watcher.lock() {
            *told = watcher;
        }
    }

    fn tell(&self) {
        if self.0.is_watched.load(Ordering::Relaxed)
            && let Ok(watcher) = self.0.watcher.try_lock()
            && let Some(watcher) = &*watcher
        {
            let (done, all) = self.now();
            watcher(done, all);
        }
    }
}

/// Counts what passes through on its way out.
pub(super) struct Counted<'o> {
    pub(super) out: &'o mut dyn std::io::Write,
    pub(super) progress: &'o Progress,
}

impl std::io::Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.progress.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_watches_is_told_each_step_until_it_looks_away() {
        let (progress, seen) = (Progress::default(), Arc::new(Mutex::new(Vec::new())));
        progress.begin(1);
        let told = Arc::clone(&seen);
        progress.watch(Some(Box::new(move |done, all| {
            told.lock().unwrap().push((done, all));
        })));
        progress.begin(5);
        progress.clone().add(3);
        progress.add(3);
        progress.watch(None);
        progress.add(1);
        assert_eq!(*seen.lock().unwrap(), [(0, 5), (3, 5), (5, 5)]);
    }
}
