//! A second process that ends the programs of a crew whose own process was killed and could not do it.
//!
//! ```text
//!   +4711 123456     process group 4711 runs; its leader was started 123456 clock ticks after the boot
//!   -4711            it has ended
//!   end of input     the crew's process is gone: what still runs is told to end, and killed if it does not
//! ```
//!
//! The pipe that these lines come through has one writer, the process of the crew: whatever ends that closes it.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::ports::process::{Process as _, RealProcess, Seen};

/// How long a program has to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);
/// The time between two looks whether it has.
const LOOK: Duration = Duration::from_millis(50);

/// Reads until the crew's process is gone, then ends what still runs.
pub fn keep_guard(input: &mut dyn BufRead) {
    let mut groups = BTreeMap::new();
    let mut line = String::new();
    // Input that cannot be read is as good as ended.
    while input.read_line(&mut line).is_ok_and(|read| read > 0) {
        note(&mut groups, line.trim_end());
        line.clear();
    }
    end(groups);
}

/// The line for a program that was started.
pub(super) fn started(pid: u32) -> String {
    match RealProcess.look_at(pid) {
        Seen::Running { start } => format!("+{pid} {start}\n"),
        Seen::Gone | Seen::Unknown => format!("+{pid}\n"),
    }
}

/// The line for a program that has ended.
pub(super) fn ended(pid: u32) -> String {
    format!("-{pid}\n")
}

/// Process groups that run, each with the start time of its leader, where that is known.
type Groups = BTreeMap<u32, Option<u64>>;

fn note(groups: &mut Groups, line: &str) {
    if let Some(ended) = line.strip_prefix('-') {
        if let Ok(pid) = ended.parse::<u32>() {
            groups.remove(&pid);
        }
    } else if let Some(started) = line.strip_prefix('+') {
        let (pid, start) = started.split_once(' ').unwrap_or((started, ""));
        if let Ok(pid) = pid.parse() {
            groups.insert(pid, start.parse().ok());
        }
    }
}

fn end(groups: Groups) {
    let is_ours = |&(pid, start): &(u32, Option<u64>)| match (RealProcess.look_at(pid), start) {
        // The number went to somebody else.
        (Seen::Running { start: found }, Some(start)) => found == start,
        // The leader is gone; what it left behind still has its number, and nobody else can get it.
        _ => true,
    };
    let groups = groups.into_iter().filter(is_ours);
    let mut left: Vec<Pid> = groups
        .filter_map(|(pid, _)| i32::try_from(pid).ok().and_then(Pid::from_raw))
        .filter(|&group| kill_process_group(group, Signal::TERM).is_ok())
        .collect();
    let mut waited = Duration::ZERO;
    while !left.is_empty() && waited < GRACE {
        std::thread::sleep(LOOK);
        waited += LOOK;
        left.retain(|&group| test_kill_process_group(group).is_ok());
    }
    for group in left {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").process_group(0).spawn().unwrap()
    }

    #[test]
    fn what_still_runs_is_told_to_end_and_strangers_are_left_alone() {
        let (mut ours, mut done, mut stranger) = (sleeper(), sleeper(), sleeper());
        let lines = [
            started(ours.id()),
            started(done.id()),
            ended(done.id()),
            // A number that was given to another program since.
            format!("+{} 1\n", stranger.id()),
            "nonsense\n+\n-x\n".to_owned(),
        ];
        keep_guard(&mut lines.concat().as_bytes());
        assert_eq!(ours.wait().unwrap().signal(), Some(15));
        for child in [&mut done, &mut stranger] {
            assert_eq!(child.try_wait().unwrap(), None);
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_program_that_does_not_listen_is_killed() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
            .process_group(0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut ready).unwrap();
        // Not waited for, a dead process stays in the table and would be asked after until the grace is over.
        let reaped = std::thread::spawn({
            let line = started(child.id());
            move || (keep_guard(&mut line.as_bytes()), ())
        });
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        reaped.join().unwrap();
    }
}
