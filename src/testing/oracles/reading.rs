//! O9, O10: what readers may do, and how much.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Place, Verdict};
use crate::store::records::{Ground, walk};
use crate::store::replay::{self, At};
use crate::store::verify::{Extent, verify};
use crate::testing::proxy::{Order, PortCall, Proxy, Recorder};
use crate::testing::sim_disk::{CallKind, Errno};

/// O9: who reads issues no writing call. The only exception is the flag `poisoned`, after a sync failed.
///
/// # Errors
/// What was written.
pub fn o9_reads_only<T>(place: Place<'_>, read: impl FnOnce(Place<'_>) -> T) -> Result<T, String> {
    let recorder = Recorder::default();
    let watched = Proxy::before(place.ports, recorder.clone());
    let answer = read(place.through(&watched));
    let flag = place.dir.join("wal").join("poisoned");
    let failed = recorder.failed_calls();
    let sync_failed = failed.iter().any(|call| call.kind.syncs());
    let raises_the_flag = |call: &PortCall| {
        let write = matches!(call.kind, CallKind::CreateNew | CallKind::WriteAt);
        sync_failed && write && call.path == flag
    };
    match recorder.writes().iter().find(|call| !raises_the_flag(call)) {
        Some(call) => Err(format!("O9: a reader wrote: {call}")),
        None => Ok(answer),
    }
}

/// Reads the store in every way there is: the state, the records, a replay, `verify --deep`. What each says does not
/// matter here; that it ends, and what it does to the disk, does.
pub fn read_everything(place: Place<'_>) {
    let Place {
        ports,
        dir,
        options,
    } = place;
    let _ = crate::View::open(ports, dir, options).map(|view| {
        let _ = view.would_reset(None);
    });
    if let Ok(ground) = Ground::open(ports, dir, options) {
        let _ = walk(ports, dir, options, &ground, ground.through, &mut |_| true);
    }
    let _ = replay::state_at(ports, dir, options, At::Seq(crate::position::Seq::FIRST));
    let extent = Extent {
        deep: true,
        ..Extent::default()
    };
    let _ = verify(ports, dir, options, &extent);
}

/// How much reading may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls of the disk; whoever makes more hangs.
    pub calls: u64,
    /// Bytes of the largest single read: nobody holds more of a file at once than a few times this.
    pub bytes_at_once: usize,
}

impl Default for Budget {
    /// A hundred thousand calls, and 64 MiB at once: the longest record four times.
    fn default() -> Self {
        Self {
            calls: 100_000,
            bytes_at_once: 64 << 20,
        }
    }
}

/// O10: no panic, no hang, bounded memory, whatever the bytes are. Beyond the budget of calls each one fails, so that
/// whoever would go on for ever ends.
///
/// # Errors
/// The panic, or what was overdrawn.
pub fn o10_bounded<T>(
    place: Place<'_>,
    budget: Budget,
    work: impl FnOnce(Place<'_>) -> T,
) -> Result<T, String> {
    let spent = Arc::new((AtomicU64::new(0), AtomicBool::new(false)));
    let meter = Arc::clone(&spent);
    let hook = move |call: &PortCall| {
        let (calls, greedy) = &*meter;
        let read = call.kind == CallKind::ReadAt;
        if read
            && call
                .range
                .is_some_and(|(_, len)| len > budget.bytes_at_once)
        {
            greedy.store(true, Ordering::Relaxed);
        }
        if calls.fetch_add(1, Ordering::Relaxed) >= budget.calls {
            return Order::Fail(Errno::Eio);
        }
        Order::Do
    };
    let metered = Proxy::before(place.ports, hook);
    let done = catch_unwind(AssertUnwindSafe(|| work(place.through(&metered))));
    check(&spent, budget)?;
    done.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("O10: panicked: {}", text.unwrap_or("no text"))
    })
}

fn check(spent: &(AtomicU64, AtomicBool), budget: Budget) -> Verdict {
    let calls = spent.0.load(Ordering::Relaxed);
    if calls > budget.calls {
        return Err(format!("O10: {calls} calls, and no end"));
    }
    if spent.1.load(Ordering::Relaxed) {
        let bytes = budget.bytes_at_once;
        return Err(format!("O10: more than {bytes} bytes read at once"));
    }
    Ok(())
}
