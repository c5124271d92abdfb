//! Every code of a finding: what it means, and what a person may do about it.

/// A code, its meaning, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `I-WORD` and so on; codes may be added, not changed.
    pub code: &'static str,
    /// What it stands for.
    pub meaning: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

const fn code(code: &'static str, meaning: &'static str, advice: &'static str) -> Code {
    Code {
        code,
        meaning,
        advice,
    }
}

/// All codes. Those that ask for judgement in every case come first.
#[rustfmt::skip]
pub const CODES: [Code; 26] = [
    code("I-FUTURE", "judged: a time after now", "look at the clock of whoever wrote it, or give --assume-tz"),
    code("I-BAD-TIME", "judged: a time that is none, or a number", "mend it in the file, if the time matters"),
    code("I-END-BEFORE-START", "judged: an end before its start; both stay", "look which of the two times is wrong"),
    code("I-DUPLICATE", "an item that stands twice; the first counts; judged if they may differ", "look whether the second has something that the first lacks"),
    code("I-NEAR-DUPLICATE", "judged: names that differ in case, commas or full stops only; both stay", "hold or skip one of them, if they are the same"),
    code("I-CROSS", "judged: done in one file and open in another; both stay", "look which of the two is right: checkpoint and extract mend it"),
    code("I-ONLY-IN", "judged: known to one file, or to the log, only", "look whether it belongs there; unhold frees an item that was added held"),
    code("I-BOTH-LISTS", "judged: in two lists of extractions; the one that is further counts", "look how its extraction ended: extract mends it"),
    code("I-EDIT-CONFLICT", "judged: the file and the store say different things; the store counts", "import --prefer file lets the file count"),
    code("I-ITEM", "judged: something that is no item; left out, the report has all of it", "give it an address and import the file again"),
    code("I-SALVAGED", "judged: the file is damaged, the whole items before that place were taken", "look for a whole copy of the file"),
    code("I-PHASE-NAME", "judged: a phase whose name had to be changed", "call the phase by its new name"),
    code("I-ITEM-STATUS", "its phases say otherwise, and count; judged where the item says done", "look which of the two is right: checkpoint mends a phase"),
    code("I-WORD", "another program's word; judged if unknown, cancelled or abandoned", "nothing, if the status is right; checkpoint mends it"),
    code("I-FIELD", "a field kept only in the record, or left out; judged where somebody may miss it", "look whether somebody needs that field"),
    code("I-NAIVE", "times without an offset, read as --assume-tz says", "give --assume-tz, if they were written elsewhere"),
    code("I-OLDER", "last_updated is older than the newest phase; both stay", "nothing"),
    code("I-NO-START", "in progress without a start; its time limit counts from the import", "nothing: resume hands it back when its time is over"),
    code("I-NO-END", "done without the time when; it stays unknown", "nothing"),
    code("I-SUMMARY", "totals that do not add up; the items count", "nothing: totals are counted anew"),
    code("I-INDEX", "an index that is not the place in the file; the place counts", "nothing"),
    code("I-PHASE-SET", "items, or the file's plan, have other phases; what is missing is pending", "look at the plan: plan set changes it"),
    code("I-SHAPE", "the file has another form than ours; which one stays is said", "import --prefer file takes over the file's form"),
    code("I-BOM", "a byte order mark; passed over", "nothing"),
    code("I-EMPTY", "a known file that is missing, or with nothing in it; passed over", "nothing, if nothing should stand in it"),
    code("I-LEFTOVER", "a temp or backup file beside it; never read", "look whether something in it is missing elsewhere, then remove it"),
];

/// What to do about a finding of this code.
pub fn advice(code: &str) -> &'static str {
    let known = CODES.iter().find(|it| it.code == code);
    known.map_or("look at the original file", |it| it.advice)
}
