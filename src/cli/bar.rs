//! A bar on standard error while a long command works, where that is a terminal.

use std::io::IsTerminal as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::progress::Progress;

use super::context::Context;
use super::render::Format;

/// How often the bar is drawn again.
const AGAIN: Duration = Duration::from_millis(100);

/// A bar; dropped, it is gone from the terminal.
pub(super) struct Bar {
    /// Whoever draws it ends when this is gone.
    stop: Option<Sender<()>>,
    drawing: Option<JoinHandle<()>>,
}

impl Bar {
    /// Shows how far `what` is, as the options' progress tells. Shows nothing where nobody would see it.
    pub(super) fn of(what: &'static str, context: &Context<'_>) -> Self {
        let is_seen = context.print.format == Format::Text
            && !context.print.is_quiet()
            && std::io::stderr().is_terminal();
        if !is_seen {
            return Self {
                stop: None,
                drawing: None,
            };
        }
        let progress = context.options.progress.clone();
        let (stop, stopped) = mpsc::channel();
        let drawing = std::thread::spawn(move || {
            let style =
                ProgressStyle::with_template("{spinner} {msg} {bar:30} {percent:>3} %  {elapsed}")
                    .expect("a template of known words");
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let bar = bar.with_style(style).with_message(what);
            // What is over at once needs no bar.
            while stopped.recv_timeout(AGAIN) == Err(RecvTimeoutError::Timeout) {
                draw(&bar, &progress);
            }
            bar.finish_and_clear();
        });
        Self {
            stop: Some(stop),
            drawing: Some(drawing),
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    let (done, all) = progress.now();
    bar.set_length(all.max(1));
    bar.set_position(done);
    bar.tick();
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(drawing) = self.drawing.take() {
            // What it could say would be about the drawing only.
            let _ = drawing.join();
        }
    }
}
