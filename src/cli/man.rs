//! `man`: the manual, as one page on standard output or as one page a command in a directory.
//!
//! ```text
//!   phaselog man | man -l -          phaselog.1: the main page, then each command as a section of its own
//!   phaselog man --dir DIR           phaselog.1, phaselog-init.1, phaselog-add.1, …
//! ```

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::error::Error;

use super::context::Context;
use super::failure::Failure;
use super::{Cli, exit};

pub(super) const NAME: &str = "man";

/// Print the manual: phaselog man | man -l -
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a page for each command into this directory instead, which must exist
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let mut cli = Cli::command();
    cli.build();
    if let Some(dir) = args.dir {
        write_pages(&cli, &dir, context)?;
    } else {
        let page = whole_manual(&cli).expect("writing to memory does not fail");
        context.print.data(&page);
    }
    Ok(exit::DONE)
}

/// The commands that stand in the help, in its order.
fn shown(cli: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    cli.get_subcommands()
        .filter(|command| !command.is_hide_set())
}

/// The main page, then for each command what its own page says, under one heading each.
fn whole_manual(cli: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(cli.clone()).render(&mut page)?;
    for command in shown(cli) {
        let man = Man::new(command.clone());
        let mut synopsis = Vec::new();
        man.render_synopsis_section(&mut synopsis)?;
        writeln!(
            page,
            ".SH \"PHASELOG {}\"",
            command.get_name().to_uppercase()
        )?;
        if let Some(about) = command.get_about() {
            writeln!(page, "{}", escape(&about.to_string()))?;
        }
        writeln!(page, ".PP")?;
        page.extend(as_part(&synopsis));
        let mut options = Vec::new();
        man.render_options_section(&mut options)?;
        page.extend(as_part(&options));
    }
    Ok(page)
}

/// Turns the heading of a section (`.SH`) into that of a part of one (`.SS`), and drops the font macros before it.
fn as_part(section: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(section);
    let lines = text.lines().map(|line| match line.strip_prefix(".SH ") {
        Some(title) => format!(".SS {title}\n"),
        None => format!("{line}\n"),
    });
    lines.collect::<String>().into_bytes()
}

/// Text as roff takes it: no line may begin as a request, no hyphen may become another character.
fn escape(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('-', r"\-");
    if text.starts_with(['.', '\'']) {
        format!(r"\&{text}")
    } else {
        text
    }
}

fn write_pages(cli: &clap::Command, dir: &Path, context: &mut Context<'_>) -> Result<(), Failure> {
    let pages = std::iter::once(("phaselog.1".to_owned(), cli))
        .chain(shown(cli).map(|command| (format!("phaselog-{}.1", command.get_name()), command)));
    let disk = &*context.ports.disk;
    let mut written = Vec::new();
    for (name, command) in pages {
        let mut page = Vec::new();
        Man::new(command.clone())
            .render(&mut page)
            .expect("writing to memory does not fail");
        let path = dir.join(&name);
        let write = || -> io::Result<()> {
            if disk.exists(&path)? {
                disk.remove_file(&path)?;
            }
            disk.create_new(&path)?.write_full_at(0, &page)
        };
        write().map_err(Error::io("write", &path))?;
        written.push(path);
    }
    for path in written {
        context.print.line(&path.display().to_string());
    }
    Ok(())
}
