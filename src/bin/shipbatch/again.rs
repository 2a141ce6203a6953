//! The command line of this process, to be started again: that is how a wave goes on.

use std::env;

/// This process's command line, quoted so that a shell reads the same arguments.
pub(crate) fn command() -> String {
    let words: Vec<String> = env::args_os().map(|word| quoted(&word.to_string_lossy())).collect();
    words.join(" ")
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
    fn what_a_shell_would_change_is_quoted() {
        assert_eq!(quoted("--journal=/tmp/a-b.db"), "--journal=/tmp/a-b.db");
        assert_eq!(quoted("my orders.jsonl"), "'my orders.jsonl'");
        assert_eq!(quoted("it's $5"), r"'it'\''s $5'");
        assert_eq!(quoted(""), "''");
    }
}
