//! No command: the store's state in one line, and what to try first.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::error::Error;
use crate::pipeline::overview::overview;
use crate::pipeline::ready;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::render::{Report, Style};
use super::status::headline;

struct WelcomeReport {
    store: String,
    exists: bool,
    headline: String,
    /// Commands to try first, each with what it does.
    commands: Vec<(String, &'static str)>,
}

pub(super) fn run(context: &mut Context<'_>) -> Result<u8, Failure> {
    let shell = context.print.shell.clone();
    let report = match context.view() {
        Ok(view) => {
            let overview = overview(view.state(), view.now(), view.known());
            let store = context.dir().display().to_string();
            let item = view.state().name(0).unwrap_or("ITEM");
            let ready = ready::ready(view.state(), view.now()).count();
            let mut headline = headline(&store, &overview);
            let (running, stuck) = (overview.running_total, overview.counts.stuck);
            let _ = write!(
                headline,
                "; phases: {ready} ready, {running} in progress, {stuck} stuck"
            );
            let commands = vec![
                (
                    shell.command("status", &[]),
                    "how far everything is, what runs and how long it takes",
                ),
                (
                    shell.command("resume", &[]),
                    "what is ready now, after handing back what is stuck",
                ),
                (
                    shell.command("list --status failed", &[]),
                    "what went wrong",
                ),
                (
                    shell.command("why", &[item]),
                    "why an item is where it is, and the next command",
                ),
                (
                    shell.command("history", &[item]),
                    "everything that ever happened to it",
                ),
            ];
            WelcomeReport {
                store,
                exists: true,
                headline,
                commands,
            }
        }
        Err(Failure {
            error: Error::NoStore { dir, importable },
            ..
        }) => {
            let import = if importable {
                (
                    shell.command("import", &[&context.dir().display().to_string()]),
                    "take over the work_items.json that is there",
                )
            } else {
                (
                    shell.command("import FILE", &[]),
                    "take over a work_items.json",
                )
            };
            let commands = vec![
                (
                    shell.command("init --phase NAME ITEM …", &[]),
                    "make a store",
                ),
                import,
                (
                    shell.command("demo", &[]),
                    "see it work, in a directory of its own",
                ),
                (
                    "phaselog -s DIR".to_owned(),
                    "look at a store somewhere else",
                ),
                ("phaselog --help".to_owned(), "every command"),
            ];
            let headline = format!("no store at {} yet", dir.display());
            WelcomeReport {
                store: context.dir().display().to_string(),
                exists: false,
                headline,
                commands,
            }
        }
        Err(failure) => return Err(failure),
    };
    context.print.report(&report);
    Ok(exit::DONE)
}

impl Report for WelcomeReport {
    fn text(&self, _: &Style) -> String {
        let width = self
            .commands
            .iter()
            .map(|(command, _)| command.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = format!("{}\n\n", self.headline);
        for (command, words) in &self.commands {
            let _ = writeln!(text, "  {command:<width$}  {words}");
        }
        text
    }

    fn json(&self) -> Value {
        let commands: Vec<&String> = self.commands.iter().map(|(command, _)| command).collect();
        json!({"store": self.store, "exists": self.exists, "state": self.headline, "try": commands})
    }
}
