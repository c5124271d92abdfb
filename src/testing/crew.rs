//! Programs that are not there: each does by the clock what a script says.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::clock::FixedClock;
use crate::ports::{Clock as _, Crew, Ending, Happening, Member, Program, Signal, Stream};

/// What a program does at a time after its start.
pub enum Act {
    /// It writes.
    Write(Stream, &'static str),
    /// Something else happens in the world.
    Meanwhile(Box<dyn FnOnce()>),
    /// It ends.
    End(Ending),
    /// Ours is told to end.
    Told(Signal),
}

/// What a program does, and when.
pub struct Part {
    /// In the order of time, counted from the start; the last is its end, if it ends by itself.
    pub acts: Vec<(Duration, Act)>,
    /// Only a kill ends it.
    pub deaf: bool,
}

impl Part {
    /// Ends after that long.
    pub fn ends(after: Duration, ending: Ending) -> Self {
        Self {
            acts: vec![(after, Act::End(ending))],
            deaf: false,
        }
    }

    /// Runs until it is told to end.
    pub const fn endless() -> Self {
        Self {
            acts: Vec::new(),
            deaf: false,
        }
    }

    /// Something else that happens at that time.
    #[must_use]
    pub fn with(mut self, at: Duration, act: Act) -> Self {
        let place = self.acts.partition_point(|(other, _)| *other <= at);
        self.acts.insert(place, (at, act));
        self
    }

    /// Only a kill ends it.
    #[must_use]
    pub const fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }
}

/// Gives each program its part, or refuses to start it.
pub type Script<'a> = dyn FnMut(&Program) -> io::Result<Part> + 'a;

/// Programs that are not there. Waiting for them lets the clock go on.
pub struct FakeCrew<'a> {
    clock: Arc<FixedClock>,
    script: Box<Script<'a>>,
    started: u64,
    running: Vec<Running>,
    happened: VecDeque<Happening>,
    /// The most that ever ran at once.
    pub most: usize,
    /// Every signal that was sent.
    pub sent: Vec<(Member, Signal)>,
}

struct Running {
    member: Member,
    since: Duration,
    acts: VecDeque<(Duration, Act)>,
    deaf: bool,
}

impl<'a> FakeCrew<'a> {
    /// Nothing runs yet.
    pub fn new(
        clock: &Arc<FixedClock>,
        script: impl FnMut(&Program) -> io::Result<Part> + 'a,
    ) -> Self {
        Self {
            clock: clock.clone(),
            script: Box::new(script),
            started: 0,
            running: Vec::new(),
            happened: VecDeque::new(),
            most: 0,
            sent: Vec::new(),
        }
    }

    /// Who acts next, and when.
    fn next_act(&self) -> Option<(usize, Duration)> {
        let due =
            |(at, running): (usize, &Running)| Some((at, running.since + running.acts.front()?.0));
        let all = self.running.iter().enumerate().filter_map(due);
        all.min_by_key(|&(_, due)| due)
    }

    fn end(&mut self, at: usize, ending: Ending) {
        let member = self.running.remove(at).member;
        self.happened.push_back(Happening::Ended { member, ending });
    }

    fn act(&mut self, at: usize) {
        let running = &mut self.running[at];
        let member = running.member;
        match running.acts.pop_front() {
            Some((_, Act::Write(stream, text))) => self.happened.push_back(Happening::Wrote {
                member,
                stream,
                bytes: text.into(),
            }),
            Some((_, Act::Meanwhile(what))) => what(),
            Some((_, Act::End(ending))) => self.end(at, ending),
            Some((_, Act::Told(signal))) => self.happened.push_back(Happening::Told(signal)),
            None => {}
        }
    }
}

impl Crew for FakeCrew<'_> {
    fn look_for(&self, program: &OsStr) -> io::Result<()> {
        if program == "nosuch" {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn start(&mut self, program: &Program) -> io::Result<Member> {
        let part = (self.script)(program)?;
        self.started += 1;
        let member = Member(self.started);
        self.running.push(Running {
            member,
            since: self.clock.awake(),
            acts: part.acts.into(),
            deaf: part.deaf,
        });
        self.most = self.most.max(self.running.len());
        Ok(member)
    }

    fn next(&mut self, patience: Option<Duration>) -> io::Result<Option<Happening>> {
        let until = patience.map(|patience| self.clock.awake() + patience);
        while self.happened.is_empty() {
            let now = self.clock.awake();
            match (self.next_act(), until) {
                (Some((at, due)), _) if until.is_none_or(|until| due <= until) => {
                    self.clock.sleep(due.saturating_sub(now));
                    self.act(at);
                }
                (_, Some(until)) => {
                    self.clock.sleep(until.saturating_sub(now));
                    return Ok(None);
                }
                (_, None) => {
                    let why = "nothing is left that could happen";
                    return Err(io::Error::other(why));
                }
            }
        }
        Ok(self.happened.pop_front())
    }

    fn signal(&mut self, member: Member, signal: Signal) {
        self.sent.push((member, signal));
        let running = self.running.iter();
        let Some(at) = running.into_iter().position(|one| one.member == member) else {
            return;
        };
        let number = match signal {
            Signal::Interrupt => 2,
            Signal::Terminate => 15,
            Signal::Hangup => 1,
            Signal::Quit => 3,
            Signal::Kill => 9,
        };
        if signal == Signal::Kill || !self.running[at].deaf {
            self.end(at, Ending::Killed(number));
        }
    }
}
