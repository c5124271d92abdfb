//! A clock that goes only when told, and processes that are not there.

use std::ffi::OsString;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::rng::{Rng, seed_of};
use crate::pipeline::{BootInstant, Now, Timestamp};
use crate::ports::{Child, Clock, Crew, FileId, Process, Seen};

/// A clock that shows what it was set to. With a tick it goes on by that much after each look, so that times differ
/// and yet repeat.
#[derive(Debug)]
pub struct FixedClock(Mutex<Hands>);

#[derive(Clone, Debug)]
struct Hands {
    at: Timestamp,
    boot: Option<BootInstant>,
    tick_micros: u64,
    awake_micros: u64,
}

impl FixedClock {
    /// Stands at `at`, one hour into the boot `00000000-0000-0000-0000-000000000001`.
    pub fn new(at: Timestamp) -> Self {
        let boot = BootInstant {
            boot: boot_id(1),
            micros: 3_600_000_000,
            asleep_us: 0,
        };
        Self(Mutex::new(Hands {
            at,
            boot: Some(boot),
            tick_micros: 0,
            awake_micros: 0,
        }))
    }

    /// Sets the wall clock, forward or back; the boot clock stays.
    pub fn set(&self, at: Timestamp) {
        self.hands().at = at;
    }

    /// Sets the boot clock; `None` for a platform that has none.
    pub fn set_boot(&self, boot: Option<BootInstant>) {
        self.hands().boot = boot;
    }

    /// Lets both clocks go on.
    pub fn advance(&self, micros: u64) {
        self.hands().advance(micros);
    }

    /// The machine sleeps: both clocks go on, and nothing runs.
    pub fn suspend(&self, micros: u64) {
        let mut hands = self.hands();
        hands.advance(micros);
        if let Some(boot) = &mut hands.boot {
            boot.asleep_us += micros;
        }
        hands.awake_micros -= micros;
    }

    /// From now on both clocks go on by that much after each look at them; 0 for not at all.
    pub fn set_tick(&self, micros: u64) {
        self.hands().tick_micros = micros;
    }

    /// The time, without a tick.
    pub fn peek(&self) -> Now {
        let hands = self.hands();
        Now {
            at: hands.at,
            given: false,
            boot: hands.boot.clone(),
        }
    }

    /// Another clock that shows the same, set apart from this one.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Mutex::new(self.hands().clone()))
    }

    /// Another clock with the same wall time, one second into the boot with that number.
    pub(super) fn rebooted(&self, boot: u64) -> Self {
        let mut hands = self.hands().clone();
        hands.boot = hands.boot.map(|_| BootInstant {
            boot: boot_id(boot),
            micros: 1_000_000,
            asleep_us: 0,
        });
        Self(Mutex::new(hands))
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    fn advance(&mut self, micros: u64) {
        self.at = self.at.plus_micros(micros);
        self.awake_micros = self.awake_micros.saturating_add(micros);
        if let Some(boot) = &mut self.boot {
            boot.micros = boot.micros.saturating_add(micros);
        }
    }
}

impl Default for FixedClock {
    /// Stands at 2026-11-23T01:40:15.123456Z.
    fn default() -> Self {
        let at = Timestamp::from_micros(1_795_398_015_123_456).expect("a year that chrono knows");
        Self::new(at)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Now {
        let now = self.peek();
        let mut hands = self.hands();
        let tick = hands.tick_micros;
        hands.advance(tick);
        now
    }

    fn sleep(&self, time: Duration) {
        // Never shorter than asked for: whoever waits for a moment would wait for ever.
        let micros = time.as_nanos().div_ceil(1_000);
        self.advance(u64::try_from(micros).unwrap_or(u64::MAX));
    }

    fn awake(&self) -> Duration {
        Duration::from_micros(self.hands().awake_micros)
    }
}

fn boot_id(boot: u64) -> String {
    format!("00000000-0000-0000-0000-{boot:012x}")
}

/// A process of the simulated host `sim`. It starts no other, and cannot tell who holds a lock.
#[derive(Debug)]
pub struct FakeProcess {
    pid: u32,
    seed: u64,
    drawn: AtomicU64,
}

impl FakeProcess {
    /// A process with that id, whose random numbers follow from its name and `life` (which run of it this is).
    pub fn new(name: &str, pid: u32, life: u64) -> Self {
        Self {
            pid,
            seed: seed_of(name, life),
            drawn: AtomicU64::new(0),
        }
    }
}

impl Process for FakeProcess {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn host(&self) -> String {
        "sim".to_owned()
    }

    fn random(&self) -> u64 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        Rng::new(
            self.seed
                .wrapping_add(drawn.wrapping_mul(0xd134_2543_de82_ef95)),
        )
        .next_u64()
    }

    fn lock_holder(&self, _: FileId) -> Option<String> {
        None
    }

    fn look_at(&self, _: u32) -> Seen {
        Seen::Unknown
    }

    fn pid_namespace(&self) -> Option<String> {
        None
    }

    fn spawn_self(&self, _: &[OsString], _: &[(OsString, OsString)]) -> io::Result<Box<dyn Child>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a simulated process starts no other",
        ))
    }

    fn crew(&self, _: &[OsString]) -> io::Result<Box<dyn Crew>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_follows_each_look() {
        let clock = FixedClock::default();
        assert_eq!(clock.now(), clock.now());
        assert_eq!(
            clock.peek().at.to_record_text(),
            "2026-11-23T01:40:15.123456Z"
        );
        clock.set_tick(5);
        let (first, second) = (clock.now(), clock.now());
        assert_eq!(second.at.micros_since(first.at), 5);
        assert_eq!(second.boot.unwrap().micros - first.boot.unwrap().micros, 5);
    }

    #[test]
    fn a_reboot_changes_the_boot_and_not_the_wall_time() {
        let clock = FixedClock::default();
        let next = clock.rebooted(2);
        assert_eq!(next.peek().at, clock.peek().at);
        assert_ne!(
            next.peek().boot.unwrap().boot,
            clock.peek().boot.unwrap().boot
        );
    }

    #[test]
    fn random_numbers_repeat_with_the_name_and_differ_with_the_life() {
        let draw = |name, life| {
            let process = FakeProcess::new(name, 7, life);
            [process.random(), process.random()]
        };
        assert_eq!(draw("A", 1), draw("A", 1));
        let all = [draw("A", 1), draw("B", 1), draw("A", 2)].concat();
        let distinct: std::collections::HashSet<u64> = all.iter().copied().collect();
        assert_eq!(distinct.len(), 6);
        assert!(FakeProcess::new("A", 7, 1).spawn_self(&[], &[]).is_err());
    }
}
