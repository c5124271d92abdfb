//! The door to time.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::pipeline::{BootInstant, Now, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The wall clock and, where there is one, the boot clock, at this moment.
    fn now(&self) -> Now;

    /// Returns when that much time has gone by; also when the time is given, for what is waited for happens elsewhere.
    fn sleep(&self, time: Duration);

    /// How long this machine was awake since some moment: it goes on steadily, also when the wall time is given, and
    /// nobody sets it.
    fn awake(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the door through which time comes in"
        )]
        let wall = std::time::SystemTime::now();
        Now {
            at: Timestamp::from(DateTime::<Utc>::from(wall)),
            given: false,
            boot: boot_now(),
        }
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn awake(&self) -> Duration {
        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the door through which time comes in"
        )]
        let now = std::time::Instant::now();
        now.saturating_duration_since(*FIRST.get_or_init(|| now))
    }
}

/// A shorter sleep than this is the time between two readings, and does not count.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SLEEP_NOTICED_US: u64 = 1_000_000;

/// The boot clock of Linux: goes on while the machine sleeps, and is set by nobody.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_now() -> Option<BootInstant> {
    use rustix::time::{ClockId, clock_gettime};

    let micros = |clock| {
        let time = clock_gettime(clock);
        let secs = u64::try_from(time.tv_sec).ok()?;
        let of_second = u64::try_from(time.tv_nsec).ok()? / 1_000;
        Some(secs * crate::pipeline::time::MICROS_PER_SEC + of_second)
    };
    // The monotonic clock stands while the machine sleeps. Read first, so that the difference is never too small; what
    // goes by between the two readings is no sleep.
    let awake = micros(ClockId::Monotonic)?;
    let since_boot = micros(ClockId::Boottime)?;
    let asleep_us = since_boot.saturating_sub(awake);
    Some(BootInstant {
        boot: boot_id()?.to_owned(),
        micros: since_boot,
        asleep_us: if asleep_us < SLEEP_NOTICED_US {
            0
        } else {
            asleep_us
        },
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_now() -> Option<BootInstant> {
    None
}

/// The kernel's id of this boot, read once; `None` where `/proc` is missing.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_id() -> Option<&'static str> {
    static BOOT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "not a file of ours, and no disk holds it"
    )]
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let kept = BOOT.get_or_init(|| {
        read()
            .map(|text| text.trim().to_owned())
            .filter(|id| !id.is_empty())
    });
    kept.as_deref()
}

/// A clock whose wall time was given by the caller (`--now`); boot time goes on.
pub(super) struct GivenClock {
    pub(super) at: Timestamp,
    pub(super) inner: Arc<dyn Clock>,
}

impl Clock for GivenClock {
    fn now(&self) -> Now {
        Now {
            at: self.at,
            given: true,
            boot: self.inner.now().boot,
        }
    }

    fn sleep(&self, time: Duration) {
        self.inner.sleep(time);
    }

    fn awake(&self) -> Duration {
        self.inner.awake()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_do_not_run_backwards_within_a_boot() {
        let (first, second) = (SystemClock.now(), SystemClock.now());
        assert!(!first.given && first.at.micros() > 1_700_000_000_000_000);
        if cfg!(target_os = "linux") {
            let (first, second) = (first.boot.unwrap(), second.boot.unwrap());
            assert_eq!(first.boot, second.boot);
            assert!(first.boot.len() == 36 && first.micros <= second.micros);
        }
    }

    #[test]
    fn a_given_time_stands_still_and_says_so() {
        let at = Timestamp::from_micros(5).unwrap();
        let clock = crate::ports::Ports::real().with_given_time(at).clock;
        let now = clock.now();
        assert_eq!((now.at, now.given), (at, true));
        assert_eq!(now.boot.is_some(), SystemClock.now().boot.is_some());
    }
}
