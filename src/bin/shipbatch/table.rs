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

use crate::{Failure, files::writable};

/// A file that is to hold the report.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// What is said of one order. Money is text, so that no reader makes it a float.
#[derive(Debug, Serialize)]
struct Row<'a> {
    order_id: &'a OrderId,
    outcome: &'static str,
    shipment: Option<&'a str>,
    tracking: String,
    cost: Option<String>,
    currency: Option<&'a str>,
    page: Option<usize>,
    error: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl Table {
    /// A file by its extension, which says how the report is written.
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Format::Csv,
            Some("jsonl") => Format::JsonLines,
            _ => return Err(Failure::new(format!("--report {}: not a .csv or .jsonl file", path.display()))),
        };
        writable("--report", path)?;
        Ok(Self { path: path.to_owned(), format })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the report, whole or not at all: a reader never sees half of it.
    pub(crate) fn write(&self, report: &Report, labels: Option<&LabelIndex>) -> Result<(), Failure> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let draft = self.path.with_file_name(format!(".{name}.{}.tmp", process::id()));
        let written = self.write_to(&draft, report, labels).and_then(|()| fs::rename(&draft, &self.path));
        written.map_err(|error| {
            // What is left of the draft is of no use; the first error is the one to tell.
            let _ = fs::remove_file(&draft);
            Failure::file(&self.path, &error)
        })
    }

    fn write_to(&self, draft: &Path, report: &Report, labels: Option<&LabelIndex>) -> io::Result<()> {
        let pages = labels.into_iter().flat_map(LabelIndex::iter).map(|label| (&label.order, label.page)).collect();
        let rows = report.iter().map(|(order, outcome)| row(order, outcome, &pages));
        let mut file = BufWriter::new(File::create(draft)?);
        match self.format {
            Format::Csv => write_csv(&mut file, rows)?,
            Format::JsonLines => write_json_lines(&mut file, rows)?,
        }
        file.into_inner()?.sync_all()
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
        assert_eq!(Table::new(&folder.path().join("a.csv")).unwrap().format, Format::Csv);
        assert_eq!(Table::new(&folder.path().join("a.jsonl")).unwrap().format, Format::JsonLines);
        assert!(Table::new(&folder.path().join("a.xlsx")).is_err());
        assert!(Table::new(&folder.path().join("none/a.csv")).is_err());
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
