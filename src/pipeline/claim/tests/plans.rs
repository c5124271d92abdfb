//! Plans that come out of others: a phase more, one under another name, two in one, one less, other limits.

use super::*;

/// Another plan, if what comes out is one. The names are few, so that a dropped one comes back.
pub(super) fn changed(
    old: &[PhasePlan],
    kind: u8,
    phase: usize,
    name: usize,
    minutes: u32,
) -> Vec<PhasePlan> {
    let new = Phase::new(["a", "b", "c", "d"][name]).unwrap();
    let mut phases = old.to_vec();
    let at = phase % phases.len();
    let own = phases[at].phase.clone();
    let mut gone = Vec::new();
    match kind {
        0 => phases.push(PhasePlan {
            needs: vec![own],
            ..PhasePlan::named(new.clone())
        }),
        1 | 2 => {
            gone.push(own);
            phases[at].phase = new.clone();
            if kind == 2 && at + 1 < phases.len() {
                let other = phases.remove(at + 1);
                phases[at].needs.extend(other.needs);
                gone.push(other.phase);
            }
            phases[at].from.clone_from(&gone);
        }
        3 => gone.push(phases.remove(at).phase),
        4 => phases[at].timeout_minutes = Some(minutes),
        _ => {
            phases[at].max_attempts = Some(minutes % 3 + 1);
            phases[at].backoff_seconds = Some(minutes);
        }
    }
    for planned in &mut phases {
        for need in std::mem::take(&mut planned.needs) {
            let need = match (gone.contains(&need), kind) {
                (true, 3) => continue,
                (true, _) => new.clone(),
                (false, _) => need,
            };
            if need != planned.phase && !planned.needs.contains(&need) {
                planned.needs.push(need);
            }
        }
    }
    phases
}
