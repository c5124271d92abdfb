//! Repairs that are cut short: killed at any call, then without power.

use std::path::Path;

use phaselog::store::repair::{self, Occasion, Repaired};

use super::{apply, check_mended, issued, lines, plan};
use crate::damage::{DIR, fresh, open, options, segments, small_store};

/// A repair that is killed at any call, and then loses power, is done by the next one.
#[test]
fn a_repair_may_be_cut_short_anywhere() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let hurt = fresh(&base);
    // A bit to correct, a record to give up, two segments to put back.
    let mut first = base.peek(&paths[0]).unwrap();
    first[lines(&base.peek(&paths[0]).unwrap())[9].0 + 40] ^= 2;
    let mut last = base.peek(&paths[2]).unwrap();
    let place = lines(&base.peek(&paths[2]).unwrap())[1].0;
    last[place + 9..place + 17].fill(b'?');
    hurt.plant(&paths[0], &first).unwrap();
    hurt.plant(&paths[2], &last).unwrap();
    let lost = plan(&hurt).lost;
    assert_eq!(lost.len(), 1);
    let whole = hurt.fork();
    assert!(matches!(
        apply(&whole, Occasion::Hurt, &lost),
        Repaired::Done { .. }
    ));
    let expected = open(&whole).unwrap();
    let calls = whole.calls("mender");
    let mut states = 0;
    for call in 1..=calls {
        let killed = hurt.fork();
        killed.kill_at("mender", call);
        let ports = killed.ports_for("mender");
        let _ = repair::apply(&ports, Path::new(DIR), &options(), Occasion::Hurt, &lost);
        for disk in std::iter::once(killed.fork()).chain(killed.crash_states(24)) {
            states += 1;
            let what = format!("killed at call {call} of {calls}");
            let planned = plan(&disk);
            if planned.next.is_some() {
                assert!(
                    planned.lost.is_empty() || planned.lost == lost,
                    "{what}: {planned:?}"
                );
                assert!(
                    matches!(
                        apply(&disk, Occasion::Hurt, &planned.lost),
                        Repaired::Done { .. }
                    ),
                    "{what}"
                );
            }
            let state = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(state.items(), expected.items(), "{what}");
            check_mended(&disk, &issued, false, &what);
        }
    }
    println!("repair killed at each of {calls} calls, {states} states, all repaired by the next");
}
