//! What to do next: for each error a command to copy, or a sentence.

use std::fmt::Write as _;
use std::io;

use crate::error::Error;
use crate::pipeline::rejection::LostClaim;
use crate::pipeline::{Rejection, Status};

/// How `phaselog` is called here, so that a hint can be copied and run as it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Shell {
    /// The store, if it was named on the command line.
    pub(super) store: Option<String>,
}

impl Shell {
    /// The command line of a verb, its flags before the operands: `phaselog -s there retry --force -- '-x' p`.
    pub(super) fn command(&self, verb: &str, operands: &[&str]) -> String {
        let mut line = "phaselog".to_owned();
        if let Some(store) = &self.store {
            line = format!("{line} -s {}", quote(store));
        }
        line = format!("{line} {verb}");
        if operands.iter().any(|operand| operand.starts_with('-')) {
            line.push_str(" --");
        }
        for operand in operands {
            line = format!("{line} {}", visible(operand));
        }
        line
    }
}

/// A word as every POSIX shell takes it.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:,@%+=".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A word as people can read and copy it: control characters as bash and zsh write them.
fn visible(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return quote(text);
    }
    let mut shown = String::from("$'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => shown.extend(['\\', c]),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(shown, "\\x{byte:02x}");
                }
            }
            c => shown.push(c),
        }
    }
    shown + "'"
}

/// What to do about an error.
pub(super) fn hint(error: &Error, shell: &Shell) -> String {
    let command = |verb: &str| shell.command(verb, &[]);
    match error {
        Error::NoStore {
            dir,
            importable: true,
        } => {
            let dir = shell.store.clone().unwrap_or_else(|| named(dir));
            let import = shell.command("import", &[&dir]);
            format!("{dir}/work_items.json is there: {import}")
        }
        Error::NoStore { .. } => format!(
            "{} makes one, {} takes one over; -s DIR names another",
            command("init --phase NAME …"),
            command("import FILE")
        ),
        Error::StoreExists { dir, what } if what.contains("never imported") => {
            let dir = shell
                .store
                .clone()
                .unwrap_or_else(|| dir.display().to_string());
            format!("{} takes it over", shell.command("import", &[&dir]))
        }
        Error::StoreExists { .. } => {
            format!(
                "{} shows what is there; -s DIR names another place",
                command("status")
            )
        }
        Error::Damaged(_) => command("verify"),
        Error::AmbiguousTail(_) => format!("{} shows what can be done", command("repair")),
        Error::OtherLog { .. } => {
            "put back the file that belongs to this log, or move it away: the log has everything"
                .to_owned()
        }
        Error::NewerFormat { .. } => {
            "install the version that wrote it; nothing was touched".to_owned()
        }
        Error::LockTimeout { .. } => {
            "repeat the command; PHASELOG_LOCK_TIMEOUT=60s waits longer".to_owned()
        }
        Error::NotRecorded { .. } => "mend the cause and repeat the command".to_owned(),
        Error::NotAcknowledged { .. } | Error::LockLost { .. } => {
            "repeat the command; what survived is then found".to_owned()
        }
        Error::Poisoned { detail, .. } if detail.contains("directory") => {
            "move away what stands there: it is none of the store's; then repeat the command".to_owned()
        }
        Error::Poisoned { .. } => "look at the disk (dmesg), then repeat the command".to_owned(),
        Error::NoSuchPlace { .. } => format!(
            "of the store's own files, {} keeps a copy and writes them anew; any other belongs to another copy of the store",
            command("compact --discard-edits")
        ),
        Error::Edited {
            file,
            unreadable,
            beyond,
        } => about_edit(file, unreadable.is_some(), beyond.is_some(), shell),
        Error::NetworkFileSystem { .. } => {
            "PHASELOG_ALLOW_NETWORK=1 goes on at your own risk".to_owned()
        }
        Error::Parse { path, .. } if path.as_os_str() == "-" => {
            "mend there what comes on standard input, and repeat the command".to_owned()
        }
        Error::Parse { .. } => "mend the file there and repeat the command".to_owned(),
        Error::TooLarge { .. } | Error::TooLargeAt { .. } => {
            "split it; the limits are in the documentation of the format".to_owned()
        }
        Error::UnknownSeq { last, .. } => {
            format!(
                "{} shows the last records; {last} is the last",
                command("log -n 5")
            )
        }
        Error::Usage { .. } => "phaselog --help, or --help behind the command".to_owned(),
        Error::Io { path, source, .. }
            if path.ends_with("wal/quarantine") && source.kind() == io::ErrorKind::NotADirectory =>
        {
            "move away what stands there, for it is no directory of the store's; then repeat the command"
                .to_owned()
        }
        Error::Io { source, .. } => about_io(source),
        Error::Rejected(rejection) => about_rejection(rejection, shell),
    }
}

/// What to do with a file that somebody changed.
fn about_edit(
    file: &std::path::Path,
    is_unreadable: bool,
    is_beyond: bool,
    shell: &Shell,
) -> String {
    let (file, discard) = (
        file.display().to_string(),
        shell.command("compact --discard-edits", &[]),
    );
    if is_beyond {
        format!("{discard} keeps a copy of it and writes it anew")
    } else if is_unreadable {
        let look = shell.command("import --dry-run", &[&file]);
        format!("{look} says where; mend it and import it, or {discard} drops it and keeps a copy")
    } else {
        let import = shell.command("import", &[&file]);
        format!("{import} takes the changes in; {discard} drops them and keeps a copy")
    }
}

/// `data` for the store that nobody named.
fn named(dir: &std::path::Path) -> String {
    dir.file_name().map_or_else(
        || dir.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// True if the system refused to follow a symbolic link.
pub(super) fn is_symlink(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn about_io(source: &io::Error) -> String {
    match source.kind() {
        _ if is_symlink(source) => {
            "put the file or directory itself there: a link could lead anywhere".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "give this user the right to it (ls -l, chown), or name another store with -s DIR"
                .to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only: the commands that look still work".to_owned()
        }
        io::ErrorKind::NotADirectory => {
            "a file stands where a directory should; -s DIR names another store".to_owned()
        }
        io::ErrorKind::IsADirectory => "a directory stands where a file should".to_owned(),
        io::ErrorKind::AlreadyExists => {
            "it is there already: name another, or move it away".to_owned()
        }
        io::ErrorKind::NotFound => "look whether the path is right".to_owned(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room and repeat the command".to_owned()
        }
        _ => "look at the disk (dmesg) and repeat the command".to_owned(),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each refusal")]
fn about_rejection(rejection: &Rejection, shell: &Shell) -> String {
    let on = |verb: &str, item: &crate::pipeline::ItemId, phase: &crate::pipeline::Phase| {
        shell.command(verb, &[item.as_str(), phase.as_str()])
    };
    let command = |verb: &str| shell.command(verb, &[]);
    match rejection {
        Rejection::UnknownItem { nearest, .. } if nearest.is_empty() => {
            format!("{} shows all items", command("list"))
        }
        Rejection::UnknownItem { nearest, .. } => {
            let names: Vec<String> = nearest.iter().map(|name| quote(name)).collect();
            format!("nearest: {}", names.join(", "))
        }
        Rejection::AmbiguousItem { items, .. } => {
            let names: Vec<String> = items
                .iter()
                .take(5)
                .map(|name| quote(name.as_str()))
                .collect();
            format!("name one of them in full: {}", names.join(", "))
        }
        Rejection::UnknownPhase { known, .. } if known.is_empty() => {
            let set = shell.command("plan", &["set", "FILE"]);
            format!("the plan has no phases; {set} sets one")
        }
        Rejection::UnknownPhase { known, .. } => {
            let names: Vec<&str> = known.iter().map(crate::pipeline::Phase::as_str).collect();
            format!("the plan has {}", names.join(", "))
        }
        Rejection::StaleToken {
            of: "renewed",
            taken: true,
            ..
        } => "the work belongs to somebody else now: stop".to_owned(),
        Rejection::StaleToken {
            item,
            taken: true,
            claim,
            ..
        } if *claim != LostClaim::Never => format!(
            "the work belongs to somebody else now; the refusal is on record: {}",
            shell.command("history", &[item.as_str()])
        ),
        Rejection::StaleToken {
            item,
            phase,
            of: "renewed",
            ..
        } => {
            format!("{} tells how it stands", on("why", item, phase))
        }
        Rejection::StaleToken { item, phase, .. } => {
            format!(
                "{} tells how it stands; the refusal is on record",
                on("why", item, phase)
            )
        }
        Rejection::InProgress {
            item, phase, since, ..
        } => {
            format!(
                "{} tells who; after a start that ended with 13 it may be you, and {since} your token; {} hands back what is stuck",
                on("why", item, phase),
                command("resume")
            )
        }
        Rejection::PlanInUse { item, phase, .. } => {
            format!(
                "{}; {} hands back what is stuck",
                on("why", item, phase),
                command("resume")
            )
        }
        Rejection::Transition {
            item,
            phase,
            status,
            ..
        } => match status {
            Status::Completed | Status::Skipped => {
                format!(
                    "{} puts it back to pending",
                    on("retry --force", item, phase)
                )
            }
            Status::InProgress => format!("{} gives it back first", on("release", item, phase)),
            Status::Failed => format!("{} puts it back to pending", on("retry", item, phase)),
            Status::Pending => on("why", item, phase),
        },
        Rejection::NewData {
            item, extraction, ..
        } => {
            let (verb, what) = if *extraction {
                ("extract", "completed")
            } else {
                ("enrich", "FIELD=JSON")
            };
            format!("{} records it", shell.command(verb, &[item.as_str(), what]))
        }
        Rejection::TooDeep { item, .. } => {
            format!(
                "{} shows what is there",
                shell.command("show --data", &[item.as_str()])
            )
        }
        Rejection::OtherAddress { .. } => {
            "leave the field out: enrichment_data.json has the item there by itself".to_owned()
        }
        Rejection::Needs { item, phase, .. } => on("why", item, phase),
        Rejection::Held { item, .. } => shell.command("unhold", &[item.as_str()]),
        Rejection::PlanChange { .. } => format!("{} shows the plan in force", command("plan")),
        Rejection::OtherOperation { .. } => "a new report takes a new --op-id".to_owned(),
        Rejection::NothingReady { .. } => {
            format!("{} waits for what comes next", command("claim --wait"))
        }
        Rejection::Drained { left } if left.failed > 0 => {
            format!(
                "{}; {} tries all of it again",
                command("list --status failed"),
                command("retry --status failed")
            )
        }
        Rejection::Drained { left } if left.held > 0 => command("list --status blocked"),
        Rejection::Drained { .. } => command("status"),
        Rejection::NotAToken { .. } => {
            format!(
                "start and claim print the token; {} shows those that hold",
                command("status")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_copied() {
        let shell = Shell {
            store: Some("my store".into()),
        };
        for (item, line) in [
            (
                "100 N Example St",
                "phaselog -s 'my store' why '100 N Example St' p",
            ),
            ("-x", "phaselog -s 'my store' why -- '-x' p"),
            ("it's", r"phaselog -s 'my store' why 'it'\''s' p"),
            ("a\tb'c", r"phaselog -s 'my store' why $'a\x09b\'c' p"),
        ] {
            assert_eq!(shell.command("why", &[item, "p"]), line);
        }
    }
}
