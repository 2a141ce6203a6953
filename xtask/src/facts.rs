//! Where each fact of the specs is from: the vendor's document, another public page, or our inference, with the reason.

use indexmap::IndexMap;

use crate::{
    Result,
    lower::{
        self,
        facts::{Fact, Mark},
    },
    print, spec,
};

/// The widest line of names.
const WIDTH: usize = 120;
const SOURCE_COLUMN: usize = 12;
const REASON_COLUMN: usize = 14;

/// Lists them for these vendors, and fails if one has no source.
pub(crate) fn list(vendors: &[&str]) -> Result {
    let mut without = Vec::new();
    for vendor in vendors {
        let spec = spec::read(vendor)?;
        let facts = lower::facts::facts(&spec);
        let operations = lower::entries(&spec).len();
        print(&format!("{}\n{vendor}: {operations} operations, {}\n", table(&facts), counts(&facts)))?;
        if facts.iter().any(|fact| !has_source(fact)) {
            without.push(format!("{}: not every fact has a source", spec::path(vendor)));
        }
    }
    if without.is_empty() { Ok(()) } else { Err(without.join("\n")) }
}

/// A block for each operation and schema: what is from which source, and why the inferred is believed.
fn table(facts: &[Fact]) -> String {
    let mut owners: IndexMap<&str, IndexMap<&Mark, Vec<&str>>> = IndexMap::new();
    for Fact { owner, name, mark } in facts {
        owners.entry(owner).or_default().entry(mark).or_default().push(name);
    }
    let mut lines = Vec::new();
    for (owner, mut marks) in owners {
        lines.push(owner.to_owned());
        marks.sort_by_key(|mark, _| lower::SOURCE.iter().position(|source| *source == mark.source));
        for (mark, names) in marks {
            let source = if mark.source.is_empty() { "NO SOURCE" } else { &mark.source };
            lines.push(format!("  {source:<10}{}", filled(&names, SOURCE_COLUMN)));
            if !mark.reason.is_empty() {
                lines.push(format!("{:REASON_COLUMN$}{}", "", mark.reason));
            }
        }
        lines.push(String::new());
    }
    lines.join("\n")
}

/// Names in lines that begin at this column; the first of them stands behind something else.
fn filled(names: &[&str], column: usize) -> String {
    let mut lines = vec![String::new()];
    for (index, name) in names.iter().enumerate() {
        let name = if index + 1 < names.len() { format!("{name}, ") } else { (*name).to_owned() };
        match lines.last_mut() {
            Some(line) if line.is_empty() || column + line.len() + name.trim_end().len() <= WIDTH => {
                line.push_str(&name);
            }
            _ => lines.push(name),
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join(&format!("\n{:column$}", ""))
}

fn counts(facts: &[Fact]) -> String {
    let sources = lower::SOURCE.map(|source| {
        let count = facts.iter().filter(|fact| fact.mark.source == source).count();
        format!("{count} {source}")
    });
    let without = facts.iter().filter(|fact| !has_source(fact)).count();
    format!("{} facts: {}, {without} without a source", facts.len(), sources.join(", "))
}

fn has_source(fact: &Fact) -> bool {
    lower::SOURCE.contains(&fact.mark.source.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(owner: &str, name: &str, source: &str, reason: &str) -> Fact {
        let mark = Mark { source: source.to_owned(), reason: reason.to_owned() };
        Fact { owner: owner.to_owned(), name: name.to_owned(), mark }
    }

    fn some() -> [Fact; 5] {
        [
            fact("get", "call", "inferred", "A guess."),
            fact("get", "200", "document", ""),
            fact("Thing", "id", "page", ""),
            fact("Thing", "size", "page", ""),
            fact("Thing", "colour", "", ""),
        ]
    }

    #[test]
    fn sources_stand_in_their_order_with_the_reason() {
        let expected = "\
get
  document  200
  inferred  call
              A guess.

Thing
  NO SOURCE colour
  page      id, size
";
        assert_eq!(table(&some()), expected);
    }

    #[test]
    fn what_has_no_source_is_counted() {
        assert_eq!(counts(&some()), "5 facts: 1 document, 2 page, 1 inferred, 1 without a source");
    }

    #[test]
    fn names_fill_the_lines() {
        let names = ["a".repeat(60), "b".repeat(60), "c".to_owned()];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines = [format!("{},", names[0]), format!("            {}, c", names[1])];
        assert_eq!(filled(&names, SOURCE_COLUMN), lines.join("\n"));
    }
}
