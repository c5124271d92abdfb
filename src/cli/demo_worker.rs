//! `demo-worker`: a made-up worker, hidden from the help. It takes what is ready, phase after phase, and prints each
//! receipt, so that whoever kills it knows what it was promised: the demo does, and so do the tests.

use crate::error::{Error, Result as StoreResult};
use crate::pipeline::claim::Claim;
use crate::pipeline::{
    Command, Event, ItemId, NewItem, Phase, PipelineState, Report, ReportKind, Status, ready,
};
use crate::position::Seq;
use crate::store::{Receipt, Store};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::receipts::ReceiptReport;

pub(super) const NAME: &str = "demo-worker";

/// Work through what is ready and print each receipt: for the demo and the tests
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// Who it is
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Stop after so many phases; else when nothing is ready
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Let every N-th phase fail
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fail_every: Option<u64>,
    /// In the middle of each phase, add so many new items in one write
    #[arg(long, value_name = "N")]
    add: Option<usize>,
    /// Make the name of each new item so much longer
    #[arg(long, value_name = "N", default_value_t = 0)]
    pad_bytes: usize,
    /// Take work as `claim --wait --pid` does, this process being its owner; a refused report is told and passed over
    #[arg(long)]
    owned: bool,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "every subcommand's run takes its arguments"
)]
pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let mut store = context.store()?;
    for _ in 0..args.jobs.unwrap_or(usize::MAX) {
        let begun = if args.owned {
            claim(&args.name, &mut store, context)?
        } else {
            begin(&args.name, &mut store, context)?
        };
        let Some(job) = begun else {
            break;
        };
        if let Some(items) = args.add {
            let items = (1..=items).map(|number| new_item(&args, job.token, number));
            let add = Command::Add {
                items: items.collect(),
            };
            let receipt = store.submit(&add)?;
            say(receipt, &mut store, context);
        }
        let token = job.token;
        let reported: StoreResult<Receipt> = store.submit(&job.report(args.fail_every));
        match reported {
            Ok(receipt) => say(receipt, &mut store, context),
            // Somebody else has the work by now, and it is not ours to complain.
            Err(Error::Rejected(_)) if args.owned => {
                let refused = serde_json::json!({"refused": token});
                context.print.document(refused, false);
                context.print.flush();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exit::DONE)
}

/// A phase that is ours to work on.
struct Job {
    item: ItemId,
    phase: Phase,
    token: Seq,
}

impl Job {
    fn report(self, fail_every: Option<u64>) -> Command {
        let failed = fail_every.is_some_and(|every| self.token.get().is_multiple_of(every));
        let kind = if failed {
            ReportKind::Fail {
                error: "the listing site said 429 Too Many Requests".to_owned(),
                permanent: false,
            }
        } else {
            ReportKind::Complete
        };
        Command::Report(Report {
            item: self.item,
            phase: self.phase,
            token: Some(self.token),
            kind,
            op: None,
            data: None,
            extraction: None,
        })
    }
}

/// Starts the first phase that is ready and that nobody else took meanwhile.
fn begin(name: &str, store: &mut Store, context: &mut Context<'_>) -> Result<Option<Job>, Failure> {
    while let Some((item, phase)) = first_ready(store.state(), context) {
        let start = Command::Start {
            item: item.clone(),
            phase: phase.clone(),
            worker: Some(name.to_owned()),
            owner: None,
        };
        let submitted: StoreResult<Receipt> = store.submit(&start);
        match submitted {
            Ok(receipt) => {
                let token = receipt.seq().expect("a start is a record");
                say(receipt, store, context);
                return Ok(Some(Job { item, phase, token }));
            }
            // Another worker was faster; by now this process has read its record.
            Err(Error::Rejected(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Takes the next piece of work, waiting for it; `None` when nothing ever will be ready.
fn claim(name: &str, store: &mut Store, context: &mut Context<'_>) -> Result<Option<Job>, Failure> {
    let wanted = Claim {
        phase: None,
        worker: Some(name.to_owned()),
        owner: context.ports.owner(context.ports.process.pid()),
        limit: 1,
        except: Vec::new(),
    };
    let claimed = store.claim_or_wait(&wanted, None, &mut |_| {})?;
    let Ok(started) = claimed.started else {
        return Ok(None);
    };
    let event = started.first().map(|record| (record.seq, &record.event));
    let Some((token, Event::Started { item, phase, .. })) = event else {
        return Ok(None);
    };
    let (item, phase) = (item.clone(), phase.clone());
    say(Receipt::Recorded(started), store, context);
    Ok(Some(Job { item, phase, token }))
}

fn first_ready(state: &PipelineState, context: &Context<'_>) -> Option<(ItemId, Phase)> {
    let now = context.ports.clock.now();
    let is_new = |place: &crate::pipeline::Place| {
        state.item_at(place.item).phases[place.phase].status == Status::Pending
    };
    let place = ready::ready(state, &now).find(is_new)?;
    let item = state.item_at(place.item).name.clone();
    let phase = state.plan.phases()[place.phase].phase.clone();
    Some((item, phase))
}

fn new_item(args: &Args, token: Seq, number: usize) -> NewItem {
    let Args {
        name, pad_bytes, ..
    } = args;
    let text = format!(
        "{number} E Madeup Way, Phoenix, AZ 85004 (found by {name} during {token}){:pad_bytes$}",
        ""
    );
    NewItem {
        name: ItemId::new(&text).expect("a text that is not empty"),
        id: None,
    }
}

/// Prints a receipt, at once.
fn say(receipt: Receipt, store: &mut Store, context: &mut Context<'_>) {
    let store_name = context.dir().display().to_string();
    let report = ReceiptReport {
        receipt,
        existing: 0,
        store: store_name,
    };
    context.print.report(&report);
    context.after_write(store);
}
