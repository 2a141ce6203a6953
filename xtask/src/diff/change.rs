//! A change, and how changes are told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::Value;
use similar::{Algorithm, capture_diff_slices, group_diff_ops};

/// How long a value may be in a line.
const LONG: usize = 60;

/// What a change does to a Rust caller of the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The caller's code no longer compiles, or is refused by the vendor, or does something else.
    Breaking,
    /// There is more that the caller may use.
    Addition,
    /// Nothing changes for the caller's code.
    Note,
}

impl Level {
    const ALL: [Self; 3] = [Self::Breaking, Self::Addition, Self::Note];

    /// What a change is by whether the generated type changes with it.
    pub(crate) fn of(changed: bool) -> Self {
        if changed { Self::Breaking } else { Self::Note }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::Addition => "addition",
            Self::Note => "note",
        }
    }
}

/// What changed. An operation comes first, so that a document reads from the outside in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Document,
    Operation(String),
    Schema(String),
}

/// One change.
pub(crate) struct Change {
    pub(crate) level: Level,
    pub(crate) subject: Subject,
    pub(crate) text: String,
    /// The generated item that it touches, as a path.
    pub(crate) rust: String,
}

/// A change with the generated items that it touches.
type Told<'a> = ((Level, &'a str), BTreeSet<&'a str>);

/// The operations that share a change, and their generated items.
type Shared<'a> = (BTreeSet<&'a Subject>, BTreeSet<&'a str>);

/// All changes between two documents.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) all: Vec<Change>,
    /// What is not compared, and how often it differs: what 3.0 has no word for; where only one of the documents is
    /// curated, names, texts and marks too.
    pub(crate) left_out: BTreeMap<String, usize>,
}

impl Changes {
    /// Whether the documents say the same.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.left_out.is_empty()
    }

    /// Whether any of them breaks a caller.
    pub(crate) fn breaking(&self) -> bool {
        self.all.iter().any(|change| change.level == Level::Breaking)
    }

    /// For a terminal: by operation and schema, what breaks first.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (heading, changes) in self.grouped() {
            let _ = writeln!(text, "{heading}");
            for ((level, line), rust) in changes {
                let _ = writeln!(text, "  {:<8}  {line}{}", level.word(), bracketed(&rust, "  [", "]"));
            }
            text.push('\n');
        }
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "{}", self.left_out());
        }
        text + &self.counts()
    }

    /// For a pull request: by level, the notes folded.
    pub(crate) fn markdown(&self, title: &str) -> String {
        let mut text = format!("## {}\n\n**{}**\n", escaped(title), self.counts());
        let groups = self.grouped();
        for level in Level::ALL {
            let mut lines = String::new();
            for (heading, changes) in &groups {
                for ((_, line), rust) in changes.iter().filter(|((of, _), _)| *of == level) {
                    let _ = writeln!(
                        lines,
                        "- **{}**: {}{}",
                        escaped(heading),
                        escaped(line),
                        bracketed(rust, " — `", "`")
                    );
                }
            }
            let _ = match level {
                _ if lines.is_empty() => Ok(()),
                Level::Breaking => write!(text, "\n### Breaking\n\n{lines}"),
                Level::Addition => write!(text, "\n### Additions\n\n{lines}"),
                Level::Note => write!(text, "\n<details><summary>Notes</summary>\n\n{lines}\n</details>\n"),
            };
        }
        if !self.left_out.is_empty() {
            let _ = write!(text, "\n{}\n", escaped(&self.left_out()));
        }
        text
    }

    /// `3 breaking, 1 addition, 1 note`: a change that several operations share counts once.
    pub(crate) fn counts(&self) -> String {
        let levels: Vec<Level> =
            self.grouped().iter().flat_map(|(_, changes)| changes.iter().map(|((level, _), _)| *level)).collect();
        let count = |level| levels.iter().filter(|of| **of == level).count();
        let plural = |count, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let (breaking, additions, notes) = (count(Level::Breaking), count(Level::Addition), count(Level::Note));
        format!("{breaking} breaking, {}, {}", plural(additions, "addition"), plural(notes, "note"))
    }

    fn left_out(&self) -> String {
        let counts: Vec<String> = self.left_out.iter().map(|(what, count)| format!("{count} {what}")).collect();
        format!("not compared: {}", counts.join(", "))
    }

    /// The changes under their headings; one that several operations share stands once, under all of them.
    fn grouped(&self) -> Vec<(String, Vec<Told<'_>>)> {
        let mut shared: BTreeMap<(Level, &str), Shared<'_>> = BTreeMap::new();
        let mut groups: BTreeMap<Vec<&Subject>, Vec<Told<'_>>> = BTreeMap::new();
        for change in &self.all {
            if let Subject::Operation(_) = change.subject {
                let (subjects, rust) = shared.entry((change.level, &change.text)).or_default();
                subjects.insert(&change.subject);
                rust.insert(&change.rust);
            } else {
                let told = ((change.level, change.text.as_str()), BTreeSet::from([change.rust.as_str()]));
                groups.entry(vec![&change.subject]).or_default().push(told);
            }
        }
        for ((level, text), (subjects, rust)) in shared {
            groups.entry(subjects.into_iter().collect()).or_default().push(((level, text), rust));
        }
        groups.values_mut().for_each(|changes| changes.sort());
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, changes)| changes.first().map(|((level, _), _)| *level));
        groups.into_iter().map(|(subjects, changes)| (heading(&subjects), changes)).collect()
    }
}

fn heading(subjects: &[&Subject]) -> String {
    match subjects {
        [Subject::Document] => "document".to_owned(),
        [Subject::Operation(name)] => format!("operation {name}"),
        [Subject::Schema(name)] => format!("schema {name}"),
        several => format!("{} operations", several.len()),
    }
}

/// `raw::Client::{book, create}`.
fn bracketed(rust: &BTreeSet<&str>, open: &str, close: &str) -> String {
    let items: Vec<&str> = rust.iter().copied().filter(|item| !item.is_empty()).collect();
    let place = items.first().and_then(|first| first.rfind("::").map(|at| &first[..at + 2])).unwrap_or_default();
    let names: Option<Vec<&str>> = items.iter().map(|item| item.strip_prefix(place)).collect();
    match (items.as_slice(), names) {
        ([], _) => String::new(),
        ([only], _) => format!("{open}{only}{close}"),
        (_, Some(names)) => format!("{open}{place}{{{}}}{close}", names.join(", ")),
        (items, None) => format!("{open}{}{close}", items.join(", ")),
    }
}

/// As Markdown shows it unchanged.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|letter| "\\`*<[|~".contains(letter).then_some('\\').into_iter().chain([letter])).collect()
}

/// A value in a line.
pub(crate) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => format!("{:?}", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        value => value.to_string(),
    };
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What changed from one value to the other; of texts, the words that did and one on either side, spaces aside.
pub(crate) fn difference(old: &Value, new: &Value) -> String {
    let (Value::String(old), Value::String(new)) = (old, new) else {
        return format!("{} -> {}", shown(old), shown(new));
    };
    let old: Vec<&str> = old.split_whitespace().collect();
    let new: Vec<&str> = new.split_whitespace().collect();
    let groups = group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), 1);
    let hunks = groups.iter().filter_map(|group| {
        let (first, last) = (group.first()?, group.last()?);
        let old = old.get(first.old_range().start..last.old_range().end)?.join(" ");
        let new = new.get(first.new_range().start..last.new_range().end)?.join(" ");
        Some(format!("{old:?} -> {new:?}"))
    });
    hunks.collect::<Vec<_>>().join(", ")
}
