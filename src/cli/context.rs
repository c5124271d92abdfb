//! What a command works with: the store's place, the ports, and where output goes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::pipeline::time::parse_duration;
use crate::ports::Ports;
use crate::store::{Brief, CacheMode, CompactMode, Compacted, Options, Store, View, Warning};

use super::bar::Bar;
use super::failure::Failure;
use super::global::{FormatName, Global, When};
use super::hints::Shell;
use super::render::{Format, Printer};
use super::times;

/// The store that is used when nobody names one.
const DEFAULT_STORE: &str = "data";

/// What a command works with.
pub(super) struct Context<'a> {
    pub(super) ports: Ports,
    /// The ports as they are, whatever time was given.
    pub(super) real: Ports,
    pub(super) options: Options,
    pub(super) print: Printer<'a>,
    dir: PathBuf,
    dir_is_default: bool,
    clock_given: bool,
    writes: bool,
}

impl<'a> Context<'a> {
    #[expect(
        clippy::result_large_err,
        reason = "made once, and the printer goes along to print it"
    )]
    pub(super) fn new(
        global: &Global,
        ports: &Ports,
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
    ) -> Result<Self, (Failure, Printer<'a>)> {
        let format = match global.format {
            _ if global.json => Format::Json,
            None | Some(FormatName::Text) => Format::Text,
            Some(FormatName::Json) => Format::Json,
            Some(FormatName::Jsonl) => Format::JsonLines,
        };
        let color = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::io::IsTerminal::is_terminal(&std::io::stdout())
            }
        };
        let zone = if global.utc {
            times::Show::Utc
        } else {
            times::Show::Local
        };
        let print = Printer::new(
            format,
            color,
            global.quiet,
            zone,
            shell_of(global),
            out,
            err,
        );
        let given = match &global.now {
            None => None,
            Some(text) => match times::parse_time(text, ports.clock.now().at) {
                Ok(at) => Some(at),
                Err(failure) => return Err((failure, print)),
            },
        };
        let options = match options_from_environment() {
            Ok(options) => options,
            Err(failure) => return Err((failure, print)),
        };
        Ok(Self {
            ports: given.map_or_else(|| ports.clone(), |at| ports.clone().with_given_time(at)),
            real: ports.clone(),
            options,
            print,
            dir: global
                .store
                .clone()
                .unwrap_or_else(|| PathBuf::from(DEFAULT_STORE)),
            dir_is_default: global.store.is_none(),
            clock_given: given.is_some(),
            writes: false,
        })
    }

    /// The store's directory, as it was named.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the store to look at it.
    pub(super) fn view(&mut self) -> Result<View, Failure> {
        let view = View::open(&self.ports, &self.dir, &self.options)?;
        self.warn(view.warnings());
        Ok(view)
    }

    /// Opens the store to look at it once more; the warnings were printed the first time.
    pub(super) fn look_again(&self) -> Result<View, Failure> {
        Ok(View::open(&self.ports, &self.dir, &self.options)?)
    }

    /// Opens the store to change it.
    pub(super) fn store(&mut self) -> Result<Store, Failure> {
        self.announce_write();
        Ok(Store::open(
            self.ports.clone(),
            &self.dir,
            self.options.clone(),
        )?)
    }

    /// Opens the store for one change, at the same cost for any number of items.
    pub(super) fn brief(&mut self) -> Result<Brief, Failure> {
        self.announce_write();
        Ok(Brief::open(
            self.ports.clone(),
            &self.dir,
            self.options.clone(),
        )?)
    }

    /// To be called before anything is written: every write under a given clock warns.
    pub(super) fn announce_write(&mut self) {
        if self.clock_given && !self.writes {
            self.print
                .warning("the time was given (--now); the records say so");
        }
        self.writes = true;
    }

    /// Prints what was noticed.
    pub(super) fn warn(&mut self, warnings: &[Warning]) {
        for warning in warnings {
            self.print.warning(&warning.message);
        }
    }

    /// A bar for the work of the next call that is given [`Context::options`].
    pub(super) fn bar(&self, what: &'static str) -> Bar {
        Bar::of(what, &self.print, &self.options.progress)
    }

    /// After the receipt is out: prints the store's warnings and compacts if it is time to. A failure of that is a
    /// warning and never changes the exit status.
    pub(super) fn after_write(&mut self, store: &mut Store) {
        self.print.flush();
        let bar = self.bar("writing the snapshots");
        let compacted = store.compact_if_due();
        drop(bar);
        self.tell(&store.take_warnings(), compacted);
    }

    /// As [`Context::after_write`].
    pub(super) fn after_brief_write(&mut self, store: &mut Brief) {
        self.print.flush();
        let compacted = store.compact_if_due();
        self.tell(&store.take_warnings(), compacted);
    }

    fn tell(&mut self, warnings: &[Warning], compacted: crate::Result<Option<Compacted>>) {
        self.warn(warnings);
        if let Err(error) = compacted {
            // The command's own record stands, and what was not recorded is that of the snapshots.
            let why = match &error {
                Error::NotRecorded { source } => source.to_string(),
                error => error.to_string(),
            };
            self.print
                .warning(&format!("the snapshots were not written: {why}"));
        }
    }

    /// Ends the command: prints its failure, if it failed, and gives the exit status.
    pub(super) fn finish(mut self, result: Result<u8, Failure>) -> u8 {
        match result {
            Ok(status) => self.print.flush_or_fail(status),
            Err(mut failure) => {
                failure.store_is_default = self.dir_is_default;
                self.print.fail(&failure)
            }
        }
    }
}

/// How the program is called: with the store, if it was named on the command line.
fn shell_of(global: &Global) -> Shell {
    let by_environment = std::env::var_os("PHASELOG_STORE");
    let named = global
        .store
        .as_ref()
        .filter(|store| by_environment.as_deref() != Some(store.as_os_str()));
    Shell {
        store: named.map(|store| store.display().to_string()),
    }
}

/// What the environment says about how a store behaves.
fn options_from_environment() -> Result<Options, Failure> {
    let mut options = Options::default();
    if let Some(text) = variable("PHASELOG_SEGMENT_BYTES") {
        options.segment_bytes = text
            .parse()
            .map_err(|_| bad("PHASELOG_SEGMENT_BYTES", &text, "a number of bytes"))?;
    }
    if let Some(text) = variable("PHASELOG_LOCK_TIMEOUT") {
        let micros = parse_duration(&text)
            .ok_or_else(|| bad("PHASELOG_LOCK_TIMEOUT", &text, "a duration such as 10s"))?;
        options.lock_wait = Duration::from_micros(micros);
    }
    if let Some(text) = variable("PHASELOG_COMPACT") {
        options.compact = match text.as_str() {
            "auto" => CompactMode::Auto,
            "always" => CompactMode::Always,
            "never" => CompactMode::Never,
            _ => return Err(bad("PHASELOG_COMPACT", &text, "auto, always or never")),
        };
    }
    if let Some(text) = variable("PHASELOG_CACHE") {
        options.cache = match text.as_str() {
            "auto" => CacheMode::Auto,
            "never" => CacheMode::Never,
            _ => return Err(bad("PHASELOG_CACHE", &text, "auto or never")),
        };
    }
    options.allow_network = variable("PHASELOG_ALLOW_NETWORK").is_some_and(|text| text == "1");
    Ok(options)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn bad(name: &str, text: &str, wanted: &str) -> Failure {
    Error::Usage {
        message: format!("{name}={text:?} is not {wanted}"),
    }
    .into()
}
