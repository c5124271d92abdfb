//! What is known of work in progress beyond the records: owner processes, and heartbeats that were not worth a record.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::pipeline::event::Owner;
use crate::pipeline::lease::{self, Evidence, Here, Liveness, Sign};
use crate::ports::{Ports, Process, Seen};
use crate::position::Seq;

use super::heartbeats;

/// What can be found out on this machine, as of the moment it was made.
pub(super) struct Known {
    here: Here,
    process: Arc<dyn Process>,
    signs: HashMap<Seq, Sign>,
}

impl Known {
    /// Looks around. Nothing that cannot be read is an error: the less is known, the sooner work is handed back, and the
    /// token makes that safe.
    pub(super) fn look(ports: &Ports, dir: &Path) -> Self {
        let here = Here {
            host: ports.process.host(),
            boot: ports.clock.now().boot.map(|boot| boot.boot),
            pidns: ports.process.pid_namespace(),
        };
        Self {
            here,
            process: ports.process.clone(),
            signs: heartbeats::read(&*ports.disk, dir),
        }
    }
}

impl Evidence for Known {
    fn owner(&self, owner: &Owner) -> Liveness {
        lease::liveness(owner, &self.here, |pid| match self.process.look_at(pid) {
            Seen::Running { start } => Some(Some(start)),
            Seen::Gone => Some(None),
            Seen::Unknown => None,
        })
    }

    fn sign(&self, token: Seq) -> Option<&Sign> {
        self.signs.get(&token)
    }
}
