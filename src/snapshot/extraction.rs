//! `extraction_state.json`: how the image extraction of the items stands, in the shape in which it came.
//!
//! ```text
//!   older   completed_properties, failed_properties, last_updated
//!   new     … and property_last_checked
//!   v2      … and in_progress_properties, retry_counts; the shape where none was imported
//! ```
//!
//! Everything in it is in the root too (`log.state`); this file is for its readers. The properties are sorted, so that
//! two versions of it differ only where something changed.

use std::io;

use super::TimeStyle;
use super::layout::Level;
use super::sink::{Object, Sink};
use crate::pipeline::json::Extras;
use crate::pipeline::{ExtractionStatus, ItemExtraction, PipelineState};

/// The file's name.
pub const NAME: &str = "extraction_state.json";

const COMPLETED: &str = "completed_properties";
const FAILED: &str = "failed_properties";
const IN_PROGRESS: &str = "in_progress_properties";
const CHECKED: &str = "property_last_checked";
const RETRIES: &str = "retry_counts";
const UPDATED: &str = "last_updated";

/// Which of the known forms the file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Two lists.
    Older,
    /// Also when each property was looked at.
    New,
    /// Also what is in progress, and how often each failed.
    V2,
}

impl Shape {
    /// The shape in which the state is written.
    pub fn of(state: &PipelineState) -> Self {
        match state.extraction.as_ref().map(|file| &*file.shape) {
            Some("older") => Self::Older,
            Some("new") => Self::New,
            _ => Self::V2,
        }
    }

    /// The word in records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::New => "new",
            Self::V2 => "v2",
        }
    }

    const fn level(self) -> &'static Level {
        match self {
            Self::Older => &Level {
                always: &[COMPLETED, FAILED, UPDATED],
                ours: &[COMPLETED, FAILED, UPDATED],
            },
            Self::New => &Level {
                always: &[COMPLETED, FAILED, CHECKED, UPDATED],
                ours: &[COMPLETED, FAILED, CHECKED, UPDATED],
            },
            Self::V2 => &Level {
                always: &[COMPLETED, FAILED, IN_PROGRESS, CHECKED, RETRIES, UPDATED],
                ours: &[COMPLETED, FAILED, IN_PROGRESS, CHECKED, RETRIES, UPDATED],
            },
        }
    }
}

/// An item by its name, and how its extraction stands.
type Known<'s> = (&'s str, Box<ItemExtraction>);

/// Writes the file, property by property.
///
/// # Errors
/// Only what `out` returns.
pub fn encode(state: &PipelineState, times: TimeStyle, out: &mut dyn io::Write) -> io::Result<()> {
    let none = Extras::default();
    let file = state.extraction.as_ref();
    let shape = Shape::of(state);
    let mut known: Vec<Known<'_>> = state.extractions().collect();
    known.sort_unstable_by_key(|(name, _)| *name);

    let mut sink = Sink::new(times, out);
    let extras = file.map_or(&none, |file| &file.extras);
    let mut document = Object::open(&mut sink, 1).with(shape.level(), extras);
    list(
        &mut document,
        COMPLETED,
        &known,
        ExtractionStatus::Completed,
    )?;
    list(&mut document, FAILED, &known, ExtractionStatus::Failed)?;
    if shape == Shape::V2 {
        list(
            &mut document,
            IN_PROGRESS,
            &known,
            ExtractionStatus::InProgress,
        )?;
    }
    if shape >= Shape::New {
        let mut checked = document.object(CHECKED);
        for (name, extraction) in &known {
            if let Some(at) = extraction.last_checked {
                checked.named(name).time(Some(at));
                checked.sink.pass_on()?;
            }
        }
        checked.close();
    }
    if shape == Shape::V2 {
        let mut retries = document.object(RETRIES);
        for (name, extraction) in &known {
            let count = extraction.retry_count;
            if count > 0 {
                retries.named(name).number(count.into());
                retries.sink.pass_on()?;
            }
        }
        retries.close();
    }
    document.time(UPDATED, file.and_then(|file| file.changed_at));
    document.close();
    sink.put("\n");
    sink.finish()
}

fn list(
    document: &mut Object<'_, '_>,
    key: &'static str,
    known: &[Known<'_>],
    status: ExtractionStatus,
) -> io::Result<()> {
    document.key(key);
    let sink = &mut *document.sink;
    sink.put("[");
    let mut any = false;
    for (name, extraction) in known {
        if extraction.status == Some(status) {
            if any {
                sink.put(",");
            }
            any = true;
            sink.line(2);
            sink.text(name);
            sink.pass_on()?;
        }
    }
    if any {
        sink.line(1);
    }
    sink.put("]");
    Ok(())
}

#[cfg(test)]
mod tests;
