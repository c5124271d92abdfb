//! A bar on standard error while a long command works, where that is a terminal.
//!
//! It is drawn by whoever works: the program holds standard error for itself, so another thread would wait for it for ever.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::progress::Progress;

use super::render::{Format, Printer};

/// What is over sooner needs no bar.
const SOON: Duration = Duration::from_millis(100);

/// A bar; dropped, it is gone from the terminal.
pub(super) struct Bar(Option<(ProgressBar, Progress)>);

impl Bar {
    /// Shows how far `what` is, as `progress` tells. Shows nothing where nobody would see it.
    pub(super) fn of(what: &'static str, print: &Printer<'_>, progress: &Progress) -> Self {
        let is_seen =
            print.format == Format::Text && !print.is_quiet() && std::io::stderr().is_terminal();
        if !is_seen {
            return Self(None);
        }
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent:>3} %  {elapsed}")
            .expect("a template of known words");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let bar = bar.with_style(style).with_message(what);
        let progress = progress.clone();
        let drawn = bar.clone();
        let main = std::thread::current().id();
        progress.watch(Some(Box::new(move |done, all| {
            if std::thread::current().id() == main && drawn.elapsed() >= SOON {
                drawn.set_length(all.max(1));
                drawn.set_position(done);
            }
        })));
        Self(Some((bar, progress)))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((bar, progress)) = self.0.take() {
            progress.watch(None);
            bar.finish_and_clear();
        }
    }
}
