//! The peers: a raw loop, SQLite, a write-ahead-log crate, and the Python script that phaselog replaces.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use okaywal::{LogVoid, WriteAheadLog};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::job::{PHASES, address};
use crate::measure::Failed;

/// A new file to append to.
pub fn raw(path: &Path) -> Result<File, Failed> {
    let _ = std::fs::remove_file(path);
    let file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(path)?;
    // Its name is durable before anything is measured.
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

/// Appends each of these and syncs.
pub fn raw_appends(mut file: &File, lines: &[Vec<u8>]) -> Result<(), Failed> {
    for line in lines {
        file.write_all(line)?;
        file.sync_data()?;
    }
    Ok(())
}

const SCHEMA: &str = "
    CREATE TABLE state (item TEXT, phase TEXT, status TEXT NOT NULL, started_at TEXT, completed_at TEXT,
        attempts INTEGER NOT NULL DEFAULT 0, token INTEGER, PRIMARY KEY (item, phase)) WITHOUT ROWID;
    CREATE TABLE event (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL);";

/// A database with the state of `items` items, everything pending.
pub fn sqlite(path: &Path, items: usize) -> Result<(), Failed> {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    let mut database = sqlite_open(path)?;
    let transaction = database.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    {
        let insert = "INSERT INTO state (item, phase, status) VALUES (?1, ?2, 'pending')";
        let mut insert = transaction.prepare(insert)?;
        for index in 0..items {
            for phase in PHASES {
                insert.execute(params![address(index), phase])?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Opens it as it has to be opened to keep the promise that phaselog makes.
pub fn sqlite_open(path: &Path) -> Result<Connection, Failed> {
    let database = Connection::open(path)?;
    database.busy_timeout(std::time::Duration::from_secs(60))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    Ok(database)
}

/// One transition: the state is updated, the event is kept, both or none.
pub fn sqlite_step(
    database: &mut Connection,
    item: &str,
    phase: &str,
    completes: bool,
    payload: &str,
) -> Result<(), Failed> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let update = if completes {
            "UPDATE state SET status = 'completed', completed_at = ?3 WHERE item = ?1 AND phase = ?2 AND status = 'in_progress'"
        } else {
            "UPDATE state SET status = 'in_progress', started_at = ?3, attempts = attempts + 1 WHERE item = ?1 AND phase = ?2 AND status = 'pending'"
        };
        let changed = transaction.prepare_cached(update)?.execute(params![
            item,
            phase,
            "2026-11-23T01:40:15.123456Z"
        ])?;
        if changed != 1 {
            return Err(format!("{changed} rows changed").into());
        }
        transaction
            .prepare_cached("INSERT INTO event (payload) VALUES (?1)")?
            .execute([payload])?;
    }
    transaction.commit()?;
    Ok(())
}

/// A new write-ahead log.
pub fn okaywal(dir: &Path) -> Result<WriteAheadLog, Failed> {
    let _ = std::fs::remove_dir_all(dir);
    Ok(WriteAheadLog::recover(dir, LogVoid)?)
}

/// Appends one entry, durably.
pub fn okaywal_append(log: &WriteAheadLog, line: &[u8]) -> Result<(), Failed> {
    let mut entry = log.begin_entry()?;
    entry.write_chunk(line)?;
    entry.commit()?;
    Ok(())
}

/// The habit: load the file, change a field, write the whole file back. In one process, so that Python's start does not
/// count; not durable, as the script never was. Prints checkpoints per second.
const SCRIPT: &str = r#"
import json, sys, time
path, count = sys.argv[1], int(sys.argv[2])
begin = time.perf_counter()
for step in range(count):
    with open(path) as file:
        data = json.load(file)
    item = data["work_items"][step % len(data["work_items"])]
    item["phases"]["phase2_images"]["status"] = "completed"
    with open(path, "w") as file:
        json.dump(data, file, indent=2)
print(count / (time.perf_counter() - begin))
"#;

/// Checkpoints per second of the script on this file.
pub fn python(path: &Path, count: usize) -> Result<f64, Failed> {
    let run = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(path)
        .arg(count.to_string())
        .output();
    let run = run.map_err(|error| format!("python3: {error}"))?;
    if !run.status.success() {
        return Err(format!("python3: {}", String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(String::from_utf8(run.stdout)?.trim().parse()?)
}
