//! What a record says that cannot have been decided on the state before it.
//!
//! Its bytes verify, so nothing is lost; but no command of ours records such a thing, and somebody should look.

use crate::pipeline::{Event, PhaseState, PipelineState, Record, Status};
use crate::position::Seq;

/// The tokens that were issued, to be told from numbers that never were one.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Seq>);

impl Tokens {
    /// Takes in a record, which comes behind all that were taken in before.
    pub(super) fn note(&mut self, record: &Record) {
        if matches!(record.event, Event::Started { .. }) {
            self.0.push(record.seq);
        }
    }

    fn contains(&self, token: Seq) -> bool {
        self.0.binary_search(&token).is_ok()
    }
}

/// What is wrong with a record, given the state before it and every token issued so far; `None` if nothing is.
///
/// Only for a log that is whole so far: behind a hurt or given up range records name what is not there any more.
pub(super) fn nonsense(state: &PipelineState, tokens: &Tokens, record: &Record) -> Option<String> {
    let (seq, event) = (record.seq, &record.event);
    let kind = event.kind();
    if let Event::Compacted { covers } = event
        && *covers >= seq
    {
        return Some(format!(
            "record {seq}: a snapshot through {covers} lies in the future"
        ));
    }
    let item = event.item()?.as_str();
    let known = state.index_of(item);
    if let Event::Added { .. } = event {
        return known.map(|_| format!("record {seq}: {item:?} is added a second time"));
    }
    let Some(index) = known else {
        return Some(format!(
            "record {seq}: {kind} of {item:?}, which was never added"
        ));
    };
    let phase = event.phase()?;
    let Some(place) = state.plan.index_of(phase.as_str()) else {
        return Some(format!(
            "record {seq}: {kind} of the phase {phase}, which no plan has"
        ));
    };
    let before = &state.item_at(index).phases[place];
    let what = match event {
        Event::Started { .. } => started(before),
        Event::Completed { token, .. }
        | Event::Failed { token, .. }
        | Event::Skipped { token, .. }
        | Event::Released { token, .. }
        | Event::Reset { token, .. }
        | Event::Renewed { token, .. } => reported(before, tokens, *token),
        _ => None,
    };
    what.map(|what| format!("record {seq}: {kind} {phase} of {item:?}, {what}"))
}

fn started(before: &PhaseState) -> Option<String> {
    match before.status {
        Status::InProgress => Some(format!("which is in progress since {}", before.since)),
        Status::Completed | Status::Skipped => Some(format!(
            "which is {} since {}",
            before.status.as_str(),
            before.since
        )),
        Status::Pending | Status::Failed => None,
    }
}

fn reported(before: &PhaseState, tokens: &Tokens, token: Option<Seq>) -> Option<String> {
    let token = token?;
    // A token that holds was issued: the fold has it from the record that did.
    if before.token == Some(token) {
        return None;
    }
    if !tokens.contains(token) {
        return Some(format!("with the token {token}, which was never issued"));
    }
    Some(match before.token {
        Some(holds) => format!("with the token {token}, though {holds} holds"),
        None => format!("with the token {token}, though none holds"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{ItemId, Phase, PhasePlan, Timestamp};

    struct Fold {
        state: PipelineState,
        tokens: Tokens,
    }

    impl Fold {
        fn next(&mut self, event: Event) -> Option<String> {
            let seq = self.state.last_seq.next();
            let record = Record {
                seq,
                at: Timestamp::EPOCH,
                clock_given: false,
                event,
            };
            let wrong = nonsense(&self.state, &self.tokens, &record);
            self.tokens.note(&record);
            self.state.apply(&record);
            wrong
        }
    }

    fn item() -> ItemId {
        ItemId::new("100 N Example St").unwrap()
    }

    fn phase() -> Phase {
        Phase::new("p").unwrap()
    }

    fn started() -> Event {
        Event::Started {
            item: item(),
            phase: phase(),
            worker: None,
            boot: None,
            owner: None,
        }
    }

    fn completed(token: u64) -> Event {
        let token = Some(Seq::new(token));
        Event::Completed {
            item: item(),
            phase: phase(),
            token,
            late: false,
            op: None,
            data: None,
            extraction: None,
        }
    }

    fn fold() -> Fold {
        let mut fold = Fold {
            state: PipelineState::default(),
            tokens: Tokens::default(),
        };
        let phases = vec![PhasePlan::named(phase())];
        assert_eq!(fold.next(Event::Planned { phases }), None);
        assert_eq!(
            fold.next(Event::Added {
                item: item(),
                id: None,
                imported: None
            }),
            None
        );
        fold
    }

    #[test]
    fn what_commands_record_makes_sense() {
        let mut fold = fold();
        assert_eq!(fold.next(started()), None);
        assert_eq!(fold.next(completed(3)), None);
        assert_eq!(
            fold.next(Event::Retried {
                item: item(),
                phase: phase()
            }),
            None
        );
        assert_eq!(fold.next(started()), None);
        assert_eq!(fold.next(completed(6)), None);
    }

    #[test]
    fn what_no_command_records_is_told() {
        assert!(fold().next(completed(1)).unwrap().contains("never issued"));
        let unknown = ItemId::new("another").unwrap();
        assert_eq!(
            fold().next(Event::Unheld { item: unknown }).unwrap(),
            "record 3: unheld of \"another\", which was never added"
        );
        let added = Event::Added {
            item: item(),
            id: None,
            imported: None,
        };
        assert!(fold().next(added).unwrap().contains("second time"));
        let mut twice = fold();
        twice.next(started());
        assert!(twice.next(started()).unwrap().contains("in progress"));
        let mut done = fold();
        done.next(started());
        done.next(completed(3));
        assert!(done.next(started()).unwrap().contains("completed since 4"));
        let mut stale = fold();
        stale.next(started());
        stale.next(Event::Retried {
            item: item(),
            phase: phase(),
        });
        assert!(stale.next(completed(3)).unwrap().contains("none holds"));
        let future = Event::Compacted {
            covers: Seq::new(9),
        };
        assert!(fold().next(future).unwrap().contains("future"));
    }
}
