//! Fuzz targets: files of orders, whatever is in them. Each line is an order, or bad for a reason that is told.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use shipbatch::{smartsend::types::ShipmentRequest, xps::types::QuoteShipment};

use super::*;
use crate::line::{Deftship, Plain};

type SmartSend = Plain<ShipmentRequest>;
type Xps = Plain<QuoteShipment>;

/// How long a problem is at most when it is shown.
const LONGEST: usize = 600;

/// What is shared by all orders of a vendor, as flags.
fn intake(map: &[&str], set: &[&str], ignore_columns: bool) -> Intake {
    let shipper = Shipper { shipper_id: Some(7), service: Some("USPS-3".to_owned()) };
    Intake {
        format: None,
        map: map.iter().map(|text| text.parse().unwrap()).collect(),
        set: set.iter().map(|text| text.parse().unwrap()).collect(),
        ignore_columns,
        shipper,
    }
}

/// Reads a file as this vendor's; the lines of its orders.
fn read(vendor: u8, format: Format, intake: &Intake, file: &[u8]) -> (Found, Vec<usize>) {
    /// Made once: making them takes longer than to read a file.
    static SCHEMAS: LazyLock<[Schema; 3]> =
        LazyLock::new(|| [Schema::of::<SmartSend>(), Schema::of::<Xps>(), Schema::of::<Deftship>()]);
    let mut found = Found { name: "orders".to_owned(), orders: 0, problems: Problems::default(), left_out: Vec::new() };
    let mut lines = Vec::new();
    let schema = &SCHEMAS[usize::from(vendor % 3)];
    let read = match vendor % 3 {
        0 => parse::<SmartSend>(file, format, schema, intake, &mut found, |line, _| lines.push(line)),
        1 => parse::<Xps>(file, format, schema, intake, &mut found, |line, _| lines.push(line)),
        _ => parse::<Deftship>(file, format, schema, intake, &mut found, |line, _| lines.push(line)),
    };
    read.unwrap();
    assert_eq!(found.orders, lines.len());
    (found, lines)
}

/// Whether a text can be shown on a terminal.
fn is_presentable(text: &str) {
    assert!(text.chars().count() <= LONGEST, "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// The lines that are bad, each told in one line of bounded length that says which it is.
fn bad(found: &Found) -> BTreeSet<usize> {
    found.left_out.iter().for_each(|text| is_presentable(text));
    found
        .problems
        .iter()
        .map(|problem| {
            is_presentable(problem);
            let rest = problem.strip_prefix("line ").unwrap();
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap();
            assert!(rest[digits..].starts_with([':', ',']), "{problem}");
            rest[..digits].parse().unwrap()
        })
        .collect()
}

/// The first byte names the vendor.
#[test]
fn each_line_of_json_is_an_order_or_bad() {
    bolero::check!(name = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/json_lines"))
        .with_iterations(100)
        .with_test_time(Duration::MAX)
        .for_each(|bytes: &[u8]| {
            let [vendor, file @ ..] = bytes else { return };
            let set: &[&str] = if vendor & 0x80 == 0 { &[] } else { &["weightUnit=kg"] };
            let set = if vendor % 3 == 1 { set } else { &[] };
            let (found, orders) = read(*vendor, Format::Jsonl, &intake(&[], set, false), file);
            let without_mark = file.strip_prefix(json_lines::BYTE_ORDER_MARK).unwrap_or(file);
            let lines = without_mark.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let filled: Vec<usize> =
                (1..).zip(lines).filter(|(_, line)| !line.is_empty()).map(|(line, _)| line).collect();
            assert_eq!(found.orders + found.problems.lines, filled.len());
            let bad = bad(&found);
            assert!(orders.iter().chain(&bad).all(|line| filled.contains(line)));
            assert!(orders.iter().all(|line| !bad.contains(line)));
        });
}

/// The first byte names the vendor, and whether a column is mapped or unknown ones are ignored.
#[test]
fn each_line_of_a_sheet_is_an_order_or_bad() {
    bolero::check!(name = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/sheet"))
        .with_iterations(100)
        .with_test_time(Duration::MAX)
        .for_each(|bytes: &[u8]| {
            let [vendor, file @ ..] = bytes else { return };
            let map: &[&str] = if vendor & 0x80 == 0 { &[] } else { &["Id=order_id"] };
            let (found, orders) = read(*vendor, Format::Csv, &intake(map, &[], vendor & 0x40 != 0), file);
            let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
            let bad = bad(&found);
            // The head's line is bad where a required field has no column, even if the file is empty.
            assert!(orders.iter().all(|line| (2..=lines).contains(line)), "{orders:?}");
            assert!(bad.iter().all(|line| (1..=lines).contains(line)), "{bad:?}");
            assert!(orders.iter().all(|line| !bad.contains(line)), "{orders:?} {bad:?}");
            assert!(orders.len() <= lines && found.problems.lines <= lines);
        });
}
