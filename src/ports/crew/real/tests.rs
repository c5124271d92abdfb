//! Real programs, as the crew sees them.

use super::*;

fn program(script: &str) -> Program {
    Program {
        words: ["sh", "-c", script].map(Into::into).to_vec(),
        env: vec![("PHASELOG_ITEM".to_owned(), "a b".into())],
    }
}

/// Runs to the end; everything that was written, and how it ended.
fn run(crew: &mut RealCrew, script: &str) -> (Vec<u8>, Vec<u8>, Ending) {
    let member = crew.start(&program(script)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    loop {
        match crew.next(None).unwrap() {
            Some(Happening::Wrote {
                stream: Stream::Out,
                bytes,
                ..
            }) => out.extend(bytes),
            Some(Happening::Wrote { bytes, .. }) => err.extend(bytes),
            Some(Happening::Ended {
                member: ended,
                ending,
            }) => {
                assert_eq!(ended, member);
                return (out, err, ending);
            }
            Some(Happening::Told(_)) | None => {}
        }
    }
}

fn crew() -> RealCrew {
    RealCrew::new(Vec::new()).unwrap()
}

#[test]
fn a_program_is_run_with_its_variables_and_no_input() {
    let (out, err, ending) = run(
        &mut crew(),
        "cat; echo \"$PHASELOG_ITEM\"; echo no >&2; exit 3",
    );
    assert_eq!(
        (out.as_slice(), err.as_slice()),
        (&b"a b\n"[..], &b"no\n"[..])
    );
    assert_eq!(ending, Ending::Exited(3));
    assert_eq!(run(&mut crew(), "kill -9 $$").2, Ending::Killed(9));
}

#[test]
fn nothing_that_was_written_is_lost() {
    let (out, err, ending) = run(
        &mut crew(),
        "head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2",
    );
    assert_eq!((out.len(), err.len()), (3_000_000, 2_000_000));
    assert_eq!(ending, Ending::Exited(0));
    // Closing them says nothing about the end.
    let (out, _, ending) = run(&mut crew(), "exec >&- 2>&-; sleep 0; exit 4");
    assert_eq!((out.len(), ending), (0, Ending::Exited(4)));
}

#[test]
fn a_child_of_a_program_that_keeps_its_pipes_is_not_waited_for() {
    let mut crew = crew();
    let (out, _, ending) = run(&mut crew, "sleep 600 & echo $!");
    assert_eq!(ending, Ending::Exited(0));
    let left = String::from_utf8(out).unwrap().trim().parse().unwrap();
    let left = Pid::from_raw(left).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_signal_reaches_the_whole_group() {
    let mut crew = crew();
    let member = crew.start(&program("sleep 600 & echo $!; wait")).unwrap();
    let mut inner = None;
    let ending = loop {
        match crew.next(None).unwrap() {
            Some(Happening::Wrote { bytes, .. }) => {
                inner = String::from_utf8(bytes).unwrap().trim().parse().ok();
                crew.signal(member, Signal::Terminate);
            }
            Some(Happening::Ended { ending, .. }) => break ending,
            Some(Happening::Told(_)) | None => {}
        }
    };
    assert_eq!(ending, Ending::Killed(15));
    let inner: i32 = inner.unwrap();
    let inner = Pid::from_raw(inner).unwrap();
    // Its parent is gone; whoever adopted it may not have asked for its exit status yet.
    let gone = || {
        use crate::ports::{Process as _, RealProcess, Seen};
        RealProcess.look_at(inner.as_raw_nonzero().get().unsigned_abs()) == Seen::Gone
    };
    for _ in 0..2_000 {
        if gone() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(gone());
    // It is no member any more.
    crew.signal(member, Signal::Kill);
}

#[test]
fn the_time_is_over_when_nothing_happens() {
    assert_eq!(crew().next(Some(Duration::ZERO)).unwrap(), None);
}

#[test]
fn a_program_is_looked_for_as_the_system_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = || Some(dir.path().as_os_str().to_owned());
    let kind = |program: &OsStr| look_for(program, path()).map_err(|error| error.kind());
    assert_eq!(kind("nosuch".as_ref()), Err(ErrorKind::NotFound));
    #[expect(clippy::disallowed_methods, reason = "a file that no store knows")]
    std::fs::write(dir.path().join("plain"), "x").unwrap();
    assert_eq!(kind("plain".as_ref()), Err(ErrorKind::PermissionDenied));
    assert_eq!(
        kind(dir.path().as_os_str()),
        Err(ErrorKind::PermissionDenied)
    );
    assert_eq!(kind("/bin/sh".as_ref()), Ok(()));
    assert_eq!(kind("bin/sh".as_ref()), Err(ErrorKind::NotFound));
    assert!(look_for("nosuch".as_ref(), None).is_ok());
    assert!(look_for("sh".as_ref(), Some("/nowhere:/bin".into())).is_ok());
}
