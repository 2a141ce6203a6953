//! The table: what was measured, against what, and whether it is enough.

use crate::Result;

pub(crate) struct Table {
    missed: Vec<String>,
}

impl Table {
    pub(crate) fn new() -> Self {
        println!("| what | measured | against | at least | |");
        println!("|---|---|---|---|---|");
        Self { missed: Vec::new() }
    }

    /// A line, printed as soon as it is known.
    pub(crate) fn line(&mut self, what: &str, measured: &str, against: &str, bound: &str, is_met: bool) {
        let verdict = if is_met { "met" } else { "**missed**" };
        println!("| {what} | {measured} | {against} | {bound} | {verdict} |");
        if !is_met {
            self.missed.push(what.to_owned());
        }
    }

    /// An error, if a bound was missed.
    pub(crate) fn end(self) -> Result {
        if self.missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", self.missed.join("; ")).into()) }
    }
}
