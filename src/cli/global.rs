//! The flags that stand before or after every command.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of every command.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The store: a directory
    #[arg(
        short = 's',
        long = "store",
        short_alias = 'C',
        value_name = "DIR",
        env = "PHASELOG_STORE",
        global = true,
        hide_env_values = true
    )]
    pub(super) store: Option<PathBuf>,

    /// Print one JSON document
    #[arg(long, global = true, conflicts_with = "format")]
    pub(super) json: bool,

    /// Print in another form
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(super) format: Option<FormatName>,

    /// Print no hints
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,

    /// Print more
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,

    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(super) color: When,

    /// Show times in UTC instead of local time
    #[arg(long, global = true)]
    pub(super) utc: bool,

    /// Take this time for now (tests, what-if)
    #[arg(
        long,
        value_name = "TIME",
        env = "PHASELOG_NOW",
        global = true,
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub(super) now: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    /// For people
    Text,
    /// One document
    Json,
    /// One line for each element of the document's array
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
