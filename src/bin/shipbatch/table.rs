//! The report as a file: one row for each order, in the caller's order.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use serde::Serialize;
use shipbatch::{LabelIndex, OrderId, Outcome, Report};

use crate::{Failure, files::writable, journal::Story, page};

/// A file that is to hold the report.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    path: PathBuf,
    format: Format,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people
    Table,
    Csv,
    /// JSON Lines
    Jsonl,
    /// One page, with a timeline, for a browser
    Html,
}

/// A report, with what else is known of its orders.
pub(crate) struct Rows<'a> {
    pub(crate) report: &'a Report,
    /// Where the labels are.
    pub(crate) labels: Option<&'a LabelIndex>,
    /// What the journal tells beside it.
    pub(crate) story: &'a Story,
}

/// What is said of one order. Money is text, so that no reader makes it a float.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) order_id: &'a OrderId,
    pub(crate) outcome: &'static str,
    pub(crate) shipment: Option<&'a str>,
    pub(crate) tracking: String,
    pub(crate) cost: Option<String>,
    pub(crate) currency: Option<&'a str>,
    pub(crate) page: Option<usize>,
    pub(crate) error: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
}

impl Table {
    /// A file, by this flag. Its extension says how the report is written, unless the format is given.
    pub(crate) fn new(flag: &str, path: &Path, format: Option<Format>) -> Result<Self, Failure> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let format = format.or(match extension {
            Some("csv") => Some(Format::Csv),
            Some("jsonl") => Some(Format::Jsonl),
            Some("html") => Some(Format::Html),
            _ => None,
        });
        let none = || Failure::new(format!("{flag} {}: not a .csv, .jsonl or .html file", path.display()));
        let format = format.ok_or_else(none)?;
        writable(flag, path)?;
        Ok(Self { path: path.to_owned(), format })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it tells of when things happened, which the journal alone knows.
    pub(crate) fn tells_times(&self) -> bool {
        self.format == Format::Html
    }

    /// Writes the report, whole or not at all: a reader never sees half of it.
    pub(crate) fn write(&self, rows: &Rows<'_>) -> Result<(), Failure> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let draft = self.path.with_file_name(format!(".{name}.{}.tmp", process::id()));
        let written = self.write_to(&draft, rows).and_then(|()| fs::rename(&draft, &self.path));
        written.map_err(|error| {
            // What is left of the draft is of no use; the first error is the one to tell.
            let _ = fs::remove_file(&draft);
            Failure::file(&self.path, &error)
        })
    }

    fn write_to(&self, draft: &Path, rows: &Rows<'_>) -> io::Result<()> {
        let mut file = File::create(draft)?;
        rows.write(self.format, &mut file)?;
        file.sync_all()
    }
}

impl<'a> Rows<'a> {
    /// One row for each order, in the caller's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let pages: HashMap<&OrderId, usize> =
            self.labels.into_iter().flat_map(LabelIndex::iter).map(|label| (&label.order, label.page)).collect();
        self.report.iter().map(move |(order, outcome)| row(order, outcome, &pages))
    }

    /// Writes all of it.
    pub(crate) fn write(&self, format: Format, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        match format {
            Format::Table => write_columns(&mut out, self.iter())?,
            Format::Csv => write_csv(&mut out, self.iter())?,
            Format::Jsonl => write_json_lines(&mut out, self.iter())?,
            Format::Html => out.write_all(page::of(self).as_bytes())?,
        }
        out.flush()
    }
}

impl Row<'_> {
    /// What people look for first. What a vendor sent must not move the cursor.
    fn cells(self) -> [String; 6] {
        let cost = [self.cost.as_deref(), self.currency].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let (order, shipment, error) = (self.order_id.as_str(), self.shipment, self.error);
        [order, self.outcome, shipment.unwrap_or_default(), &self.tracking, &cost, error.unwrap_or_default()]
            .map(|cell| cell.replace(char::is_control, " "))
    }
}

fn row<'a>(order: &'a OrderId, outcome: &'a Outcome, pages: &HashMap<&OrderId, usize>) -> Row<'a> {
    let (booked, error) = (outcome.booked(), outcome.error());
    let cost = booked.and_then(|booked| booked.cost.as_ref());
    Row {
        order_id: order,
        outcome: outcome.name(),
        shipment: booked.map(|booked| booked.shipment.as_str()),
        tracking: booked.map(|booked| booked.tracking.join(" ")).unwrap_or_default(),
        cost: cost.map(|cost| cost.amount.to_string()),
        currency: cost.and_then(|cost| cost.currency.as_deref()),
        page: pages.get(order).copied(),
        error: error.map(|error| error.message()),
        request_id: booked
            .and_then(|booked| booked.request_id.as_deref())
            .or_else(|| error.and_then(|error| error.request_id())),
    }
}

/// Columns as wide as what stands in them; the last, an error's text, may be as long as it likes.
fn write_columns<'a>(mut out: impl Write, rows: impl Iterator<Item = Row<'a>>) -> io::Result<()> {
    let mut lines = vec![["order_id", "outcome", "shipment", "tracking", "cost", "error"].map(str::to_owned)];
    lines.extend(rows.map(Row::cells));
    let widths: Vec<usize> =
        (0..5).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        writeln!(out, "{}", (cells.collect::<String>() + &line[5]).trim_end())?;
    }
    Ok(())
}

fn write_csv<'a>(file: impl Write, rows: impl Iterator<Item = Row<'a>>) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    for row in rows {
        csv.serialize(row)?;
    }
    csv.flush()
}

fn write_json_lines<'a>(mut file: impl Write, rows: impl Iterator<Item = Row<'a>>) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut file, &row)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_the_format() {
        let folder = tempfile::tempdir().unwrap();
        let table = |name: &str, format| Table::new("--report", &folder.path().join(name), format);
        assert_eq!(table("a.csv", None).unwrap().format, Format::Csv);
        assert_eq!(table("a.jsonl", None).unwrap().format, Format::Jsonl);
        assert_eq!(table("a.html", None).unwrap().format, Format::Html);
        assert_eq!(table("a.txt", Some(Format::Table)).unwrap().format, Format::Table);
        assert!(table("a.xlsx", None).is_err());
        assert!(table("none/a.csv", None).is_err());
    }

    #[test]
    fn a_row_without_a_booking_keeps_its_columns() {
        let order = OrderId::new("A, \"1\"").unwrap();
        let row = || Row {
            order_id: &order,
            outcome: "failed",
            shipment: None,
            tracking: String::new(),
            cost: None,
            currency: None,
            page: None,
            error: Some("no"),
            request_id: None,
        };
        let mut csv = Vec::new();
        write_csv(&mut csv, [row()].into_iter()).unwrap();
        insta::assert_snapshot!(String::from_utf8(csv).unwrap(), @r#"
        order_id,outcome,shipment,tracking,cost,currency,page,error,request_id
        "A, ""1""",failed,,,,,,no,
        "#);
        let mut lines = Vec::new();
        write_json_lines(&mut lines, [row()].into_iter()).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&lines).unwrap();
        assert_eq!(line.as_object().map(serde_json::Map::len), Some(9), "{line}");
        assert!(line["cost"].is_null() && line["error"] == "no", "{line}");
    }
}
