//! `export`: the state or the log as rows, for spreadsheets, notebooks and databases.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::pipeline::Facts;
use crate::store::export::{self, Cell, Column, EventRow, ItemRow, PhaseRow};
use crate::store::history::{self, Told};
use crate::store::records::{self, Found, Ground, Unreadable};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::moment::{self, AtArg, Look};
use super::render::{Format, Printer};
use super::told;

pub(super) const NAME: &str = "export";

/// Write the state or the log as rows, for spreadsheets and notebooks
#[derive(Debug, clap::Args)]
#[command(after_help = columns_help())]
pub(super) struct Args {
    /// csv, or jsonl: one JSON object a line
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,
    /// What a row is
    #[arg(long, value_name = "ROWS", default_value = "phases")]
    rows: Rows,
    #[command(flatten)]
    at: AtArg,
    /// CSV: put a ' before text that a spreadsheet would run as a formula (= + - @ tab CR in front)
    #[arg(long)]
    guard_formulas: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Rows {
    /// A phase of an item
    Phases,
    /// An item
    Items,
    /// A record of the log
    Events,
}

fn columns_help() -> String {
    fn list<R>(rows: &str, columns: &[Column<R>]) -> String {
        let lines = columns
            .iter()
            .map(|column| format!("  {:<15} {}\n", column.name, column.about));
        format!("Columns of --rows {rows}:\n{}", lines.collect::<String>())
    }
    format!(
        "{}\n{}  {:<15} the status of that phase: one such column for each phase of the plan\n\n{}\n\
         Times are RFC 3339 in UTC. What is unknown is an empty field in CSV and null in JSON. Columns may be added at \
         the end.",
        list("phases", PhaseRow::COLUMNS),
        list("items", ItemRow::COLUMNS),
        format!("{}NAME", export::OF_PHASE),
        list("events", EventRow::COLUMNS),
    )
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let form = match (args.form, context.print.format) {
        (Some(form), _) => form,
        (None, Format::JsonLines) => Form::Jsonl,
        (None, _) => return Err(Failure::usage("export takes --as csv or --as jsonl")),
    };
    if args.guard_formulas && form != Form::Csv {
        return Err(Failure::usage("--guard-formulas is for --as csv"));
    }
    let sheet = |names| Sheet {
        form,
        guard: args.guard_formulas,
        names,
    };
    match args.rows {
        Rows::Events => events(&args, &sheet(names(EventRow::COLUMNS)), context),
        Rows::Phases => {
            let look = args.at.look(context)?;
            phases(&look, &sheet(names(PhaseRow::COLUMNS)), &mut context.print);
            Ok(exit::DONE)
        }
        Rows::Items => {
            let look = args.at.look(context)?;
            let mut names = names(ItemRow::COLUMNS);
            let planned = look.state().plan().phases().iter();
            names.extend(planned.map(|it| format!("{}{}", export::OF_PHASE, it.phase)));
            items(&look, &sheet(names), &mut context.print);
            Ok(exit::DONE)
        }
    }
}

fn names<R>(columns: &[Column<R>]) -> Vec<String> {
    columns.iter().map(|it| it.name.to_owned()).collect()
}

fn phases(look: &Look, sheet: &Sheet, print: &mut Printer<'_>) {
    let mut out = sheet.begin(print);
    export::phase_rows(look.state(), look.now(), &mut |row| {
        out.row(PhaseRow::COLUMNS.iter().map(|column| column.of(row)))
    });
}

fn items(look: &Look, sheet: &Sheet, print: &mut Printer<'_>) {
    let mut out = sheet.begin(print);
    export::item_rows(look.state(), &mut |row| {
        let fixed = ItemRow::COLUMNS.iter().map(|column| column.of(row));
        out.row(fixed.chain(row.statuses()))
    });
}

/// Writes each record while it is read; past damage everything that can be read, as `log` does.
fn events(args: &Args, sheet: &Sheet, context: &mut Context<'_>) -> Result<u8, Failure> {
    let ground = Ground::open(&context.ports, context.dir(), &context.options)?;
    context.warn(&ground.warnings);
    let last = match &args.at.at {
        Some(text) => moment::until(context, &ground, "--at", text)?,
        None => ground.through,
    };
    let (ports, options) = (context.ports.clone(), context.options.clone());
    let dir = context.dir().to_owned();
    let mut unreadable: Vec<Unreadable> = Vec::new();
    let mut strange: Option<Told> = None;
    let mut out = sheet.begin(&mut context.print);
    let walked = records::walk(
        &ports,
        &dir,
        &options,
        &ground,
        last,
        &mut |found| match found {
            Found::Unreadable(place) => {
                unreadable.push(place.clone());
                true
            }
            Found::Record(raw) => {
                let told = history::tell(raw);
                let row = export::event_row(&told);
                let goes_on = out.row(EventRow::COLUMNS.iter().map(|column| column.of(&row)));
                if strange.is_none() && told.strange.is_some() {
                    strange = Some(told);
                }
                goes_on
            }
        },
    );
    drop(out);
    walked?;
    context.print.flush();
    Ok(told::finish(
        context,
        &ground,
        &unreadable,
        strange.as_ref(),
    ))
}

/// What is written: in which form, and its columns.
struct Sheet {
    form: Form,
    guard: bool,
    names: Vec<String>,
}

impl Sheet {
    /// Writes the header, if the form has one. What is written is out when the returned value is dropped.
    fn begin<'w, 'a>(&'w self, print: &'w mut Printer<'a>) -> Rowed<'w, 'a> {
        let out = Out(print);
        match self.form {
            Form::Jsonl => Rowed::Jsonl(out, &self.names),
            Form::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                // A closed output shows at the first row.
                let _ = writer.write_record(&self.names);
                Rowed::Csv(Box::new(writer), self.guard)
            }
        }
    }
}

/// A sheet that is being written.
enum Rowed<'w, 'a> {
    Csv(Box<csv::Writer<Out<'w, 'a>>>, bool),
    Jsonl(Out<'w, 'a>, &'w [String]),
}

impl Rowed<'_, '_> {
    /// Writes one row; false if the output takes no more.
    fn row<'r>(&mut self, cells: impl Iterator<Item = Cell<'r>>) -> bool {
        match self {
            Self::Jsonl(out, names) => {
                let row = Object(names, cells.collect());
                let line =
                    serde_json::to_string(&row).expect("names are texts, and cells are JSON");
                writeln!(out, "{line}").is_ok()
            }
            Self::Csv(writer, guard) => {
                let guard = *guard;
                let fields = cells.map(|cell| field(&cell, guard));
                writer.write_record(fields).is_ok()
            }
        }
    }
}

fn field(cell: &Cell<'_>, guard: bool) -> String {
    let text = cell.to_text().into_owned();
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if guard && runs && matches!(cell, Cell::Text(_) | Cell::Json(_)) {
        return format!("'{text}");
    }
    text
}

/// A row as a JSON object.
struct Object<'w, 'r>(&'w [String], Vec<Cell<'r>>);

impl Serialize for Object<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1.len()))?;
        for (name, cell) in std::iter::zip(self.0, &self.1) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

/// Standard output, which says when nobody reads it any more.
struct Out<'w, 'a>(&'w mut Printer<'a>);

impl Write for Out<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.data(bytes);
        if self.0.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
