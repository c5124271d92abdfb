//! The other end of standard output: whether anybody still reads what is printed.

/// True if whoever read standard output has gone: a program that prints now and then would notice only when it prints.
/// Where the system does not tell, nobody is said to have gone.
#[cfg(unix)]
pub fn output_is_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let output = std::io::stdout();
    let mut watched = [PollFd::new(&output, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    poll(&mut watched, Some(&at_once)).is_ok() && watched[0].revents().intersects(gone)
}

/// Other systems do not tell.
#[cfg(not(unix))]
pub fn output_is_closed() -> bool {
    false
}
