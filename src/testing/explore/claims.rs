//! What a search collects: promises that were made, and states that were checked.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was promised to somebody, in order: after a crash the check holds the disk to it. A clone is the same list.
#[derive(Debug)]
pub struct Claims<C>(Arc<Mutex<Vec<C>>>);

impl<C> Clone for Claims<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for Claims<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Clone> Claims<C> {
    pub(super) fn of(claims: &[C]) -> Self {
        Self(Arc::new(Mutex::new(claims.to_vec())))
    }

    /// Adds a promise. To be called when the answer is out, and not before.
    pub fn push(&self, claim: C) {
        self.list().push(claim);
    }

    /// All promises so far.
    pub fn all(&self) -> Vec<C> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, Vec<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The states that were checked already. Searches that share one check each state once between them.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<HashSet<(u64, u64)>>>);

impl Seen {
    /// True if this one is new.
    pub(super) fn insert(&self, state: (u64, u64)) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(state)
    }
}
