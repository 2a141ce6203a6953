//! The command line to type next: mostly this process's own again, since that is how a wave goes on.

use std::{borrow::Cow, env};

use shipbatch::Counts;

/// This process's command line, quoted so that a shell reads the same arguments; only passwords are left out.
pub(crate) fn command() -> String {
    let words: Vec<String> = env::args_os().map(|word| quoted(&shown(&word.to_string_lossy()))).collect();
    words.join(" ")
}

/// A command line of this program with these words, quoted alike.
pub(crate) fn with(words: &[&str]) -> String {
    let program = env::args_os().next().unwrap_or_else(|| "shipbatch".into());
    let program = program.to_string_lossy().into_owned();
    let words = std::iter::once(program.as_str()).chain(words.iter().copied());
    words.map(|word| quoted(&shown(word))).collect::<Vec<_>>().join(" ")
}

/// The command that books what this process planned, with a place for a journal where it has none.
pub(crate) fn booking(without_journal: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut own = env::args_os().map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = own.next() {
        match word.as_str() {
            "plan" if !words.iter().any(|word| word == "book") => words.push("book".to_owned()),
            // The environment says it when there are credentials.
            "--account" => drop(own.next()),
            word if word.starts_with("--account=") => {}
            _ => words.push(word),
        }
    }
    if without_journal {
        words.extend(["--journal", "JOURNAL"].map(str::to_owned));
    }
    words.iter().map(|word| quoted(&shown(word))).collect::<Vec<_>>().join(" ")
}

/// When a wave is to go on; nothing, if all is booked.
pub(crate) fn when(counts: &Counts) -> Option<&'static str> {
    if counts.booked == counts.total() {
        return None;
    }
    // A rejected order is sent again as it is: it must be repaired first.
    let only_rejected = counts.booked + counts.rejected == counts.total();
    Some(if only_rejected { "to go on, when the rejected orders are repaired" } else { "to go on" })
}

/// A word without the password of a `postgres:` address in it, nor its settings, which may hold another.
fn shown(word: &str) -> Cow<'_, str> {
    let place = ["postgres://", "postgresql://"].iter().find_map(|scheme| Some(word.find(scheme)? + scheme.len()));
    let Some((before, address)) = place.map(|place| word.split_at(place)) else { return word.into() };
    let (address, settings) = address.split_at(address.find('?').unwrap_or(address.len()));
    let settings = if settings.contains("password") { "?***" } else { settings };
    let shown = match address.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{before}{user}:***@{host}{settings}"),
        None => format!("{before}{address}{settings}"),
    };
    shown.into()
}

/// A word in the form that a POSIX shell takes for this word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_left_out() {
        assert_eq!(shown("--journal=postgres://desk:secret@host/wave"), "--journal=postgres://desk:***@host/wave");
        assert_eq!(shown("postgres://desk:se@cr:et@host/wave"), "postgres://desk:***@host/wave");
        assert_eq!(shown("postgres://desk@host/wave?password=secret"), "postgres://desk@host/wave?***");
        for word in [
            "postgres://desk@host/wave?sslmode=require",
            "postgres://desk@host/wave",
            "postgres://host/a:b",
            "a:b@c",
            "wave.db",
        ] {
            assert_eq!(shown(word), word);
        }
    }

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        assert_eq!(quoted("--journal=/tmp/a-b.db"), "--journal=/tmp/a-b.db");
        assert_eq!(quoted("my orders.jsonl"), "'my orders.jsonl'");
        assert_eq!(quoted("it's $5"), r"'it'\''s $5'");
        assert_eq!(quoted(""), "''");
    }
}
