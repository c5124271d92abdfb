//! Many writers at one store that never pause: each gets the lock in its turn.

use std::sync::Barrier;

use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan};
use phaselog::{Options, Ports, Receipt, Store, View};

const WRITERS: usize = 8;
const WRITES: usize = 40;

#[test]
fn eight_writers_that_never_pause_all_get_the_lock_within_the_wait() {
    let scratch = tempfile::tempdir().expect("a temp directory can be made");
    let dir = scratch.path().join("data");
    // The wait is the one that everybody has who sets nothing. Small segments: a rotation syncs under the lock.
    let options = Options {
        segment_bytes: 4_096,
        ..Options::default()
    };
    let plan = Plan::new(vec![PhasePlan::named(Phase::new("list").expect("a name"))]);
    let created = Store::init(&Ports::real(), &dir, &options, &plan.expect("a plan"), &[]);
    let _ = created.expect("nothing is there yet");

    let begin = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (dir, options, begin) = (&dir, &options, &begin);
            scope.spawn(move || {
                let opened = Store::open(Ports::real(), dir, options.clone());
                let mut store = opened.expect("it is there");
                begin.wait();
                for write in 0..WRITES {
                    let name = format!("{writer}-{write} N Example St");
                    let item = NewItem {
                        name: ItemId::new(&name).expect("a name"),
                        id: None,
                    };
                    let receipt = store.submit(&Command::Add { items: vec![item] });
                    let receipt = receipt.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert!(matches!(receipt, Receipt::Recorded(_)), "{receipt:?}");
                }
            });
        }
    });
    let view = View::open(&Ports::real(), &dir, &options).expect("it is there");
    assert_eq!(view.state().items().len(), WRITERS * WRITES);
}
