//! Copies of what the writers left, hurt on purpose: whatever is missing then must be told (O6).

use std::io;
use std::path::{Path, PathBuf};

use super::{Row, Stage, options};
use crate::error::{Error, Result};
use crate::position::SegmentId;
use crate::snapshot::set::{NEXT, ROOT, bak};
use crate::store::verify::{self, Extent, Verdict};
use crate::testing::oracles::{self, Claim, Place};
use crate::testing::rng::Rng;

pub(super) const PART: &str = "hurt copies";

/// Hurts in each cycle.
const HURTS: usize = 40;

/// The largest file of a store of ours.
const MAX_BYTES: u64 = 1 << 30;

/// What a power cut leaves or takes at once.
const SECTOR: usize = 512;

pub(super) fn run(
    stage: &mut Stage<'_>,
    cycle: usize,
    store: &Path,
    claims: &[Claim],
    row: &mut Row,
) -> Result<()> {
    let disk = &*stage.ports.disk;
    let copy = stage.dir.join("copy");
    disk.copy_tree(store, &copy, MAX_BYTES)
        .map_err(Error::io("copy", store))?;
    // A snapshot hides what stands before it from whoever only opens the store; every second copy has none.
    let with_snapshot = cycle.is_multiple_of(2);
    if !with_snapshot {
        for name in [ROOT.to_owned(), NEXT.to_owned(), bak(ROOT)] {
            match disk.remove_file(&copy.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", name)(error));
                }
                _ => {}
            }
        }
    }
    let segments = segments(stage, &copy)?;
    let mut rng = stage.rng(PART, cycle);
    row.acknowledged += claims.len() as u64;
    for _ in 0..HURTS {
        if !stage.goes_on() {
            break;
        }
        let path = &segments[rng.below(segments.len())];
        let whole = stage.ports.disk.read(path, MAX_BYTES);
        let whole = whole.map_err(Error::io("read", path))?;
        let (what, hurt) = hurt(&whole, &mut rng);
        put(stage, path, &hurt)?;
        row.checked += 1;
        if let Err(said) = ask(stage, &copy, claims, with_snapshot) {
            row.silent += 1;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            stage.violated(PART, cycle, format!("{name}, {what}: {said}"));
            // It is kept as it is; the next cycle takes another.
            let evidence = stage.dir.join(format!("silent{cycle}"));
            let kept = stage.ports.disk.rename(&copy, &evidence);
            return kept.map_err(Error::io("rename", copy));
        }
        put(stage, path, &whole)?;
    }
    stage.remove(&copy)
}

fn segments(stage: &Stage<'_>, store: &Path) -> Result<Vec<PathBuf>> {
    let wal = store.join("wal");
    let names = stage.ports.disk.list(&wal);
    let names = names.map_err(Error::io("list", &wal))?;
    let segments = names
        .iter()
        .filter(|name| SegmentId::from_file_name(name).is_some());
    Ok(segments.map(|name| wal.join(name)).collect())
}

/// Puts other bytes in a file's place.
fn put(stage: &Stage<'_>, path: &Path, bytes: &[u8]) -> Result<()> {
    let disk = &*stage.ports.disk;
    let written = || -> io::Result<()> {
        disk.remove_file(path)?;
        disk.create_new(path)?.write_full_at(0, bytes)
    };
    written().map_err(Error::io("write", path))
}

/// One hurt of a file, in words and in bytes.
fn hurt(whole: &[u8], rng: &mut Rng) -> (String, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let at = rng.below(bytes.len());
    let what = match rng.below(6) {
        0 => {
            bytes.truncate(at);
            format!("cut at byte {at}")
        }
        1 => {
            bytes.remove(at);
            format!("without byte {at}")
        }
        2 => {
            bytes.insert(at, bytes[at]);
            format!("with byte {at} twice")
        }
        3 => {
            bytes[at..].fill(0);
            format!("with zeros from byte {at} on")
        }
        4 => {
            let from = at - at % SECTOR;
            let to = bytes.len().min(from + SECTOR);
            bytes[from..to].fill(0);
            format!("with zeros in the sector at byte {from}")
        }
        _ => {
            let bit = rng.below(8);
            bytes[at] ^= 1 << bit;
            format!("with bit {bit} of byte {at} flipped")
        }
    };
    (what, bytes)
}

/// Nothing that was promised is missing, or it is told. A reader that a snapshot helps is not asked; verify is.
fn ask(
    stage: &Stage<'_>,
    copy: &Path,
    claims: &[Claim],
    with_snapshot: bool,
) -> Result<(), String> {
    let options = options();
    let place = Place {
        ports: stage.ports,
        dir: copy,
        options: &options,
    };
    if !with_snapshot {
        return oracles::o6_what_is_missing_is_loud(place, claims).map(drop);
    }
    let missing = oracles::o1_acknowledged_is_there(&place.lines()?, claims).err();
    let verified = verify::verify(stage.ports, copy, &options, &Extent::default());
    match (missing, verified) {
        (Some(missing), Ok(verified)) if verified.verdict < Verdict::Ambiguous => {
            let verdict = verified.verdict.as_str();
            Err(format!(
                "O6: verify says {verdict}, and not a word about this: {missing}"
            ))
        }
        (_, Ok(_)) => Ok(()),
        (_, Err(error)) => Err(format!("O6: verify gave up: {error}")),
    }
}
