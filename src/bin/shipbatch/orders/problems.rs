//! What is wrong with a file of orders: all of it is counted, and the first of it is listed.

/// How many problems are listed: a file of the wrong kind has nothing but bad lines.
pub(crate) const LISTED: usize = 50;

/// How many letters of a problem are shown.
const LONGEST: usize = 500;

/// The bad lines.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// How many lines are bad.
    pub(crate) lines: usize,
    count: usize,
    last: usize,
    listed: Vec<String>,
}

impl Problems {
    /// Notes what is wrong with a line, or with one of its cells.
    pub(crate) fn add(&mut self, line: usize, problem: &str) {
        self.count += 1;
        if self.lines == 0 || self.last != line {
            self.lines += 1;
        }
        self.last = line;
        if self.count <= LISTED {
            self.listed.push(plain(&format!("line {line}{problem}")));
        }
    }

    /// The first of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().map(String::as_str)
    }

    /// The first of them, and how many more there are.
    pub(crate) fn listed(&self) -> String {
        let mut listed = self.listed.join("\n  ");
        if self.count > LISTED {
            listed.push_str(&format!("\n  … and {} more", self.count - LISTED));
        }
        listed
    }
}

/// A text as it is shown: it may quote the file, of which neither an escape nor a cell of any length is to reach a
/// terminal.
pub(super) fn plain(text: &str) -> String {
    let mut plain: String =
        text.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.chars().nth(LONGEST).is_some() {
        plain.push('…');
    }
    plain
}
