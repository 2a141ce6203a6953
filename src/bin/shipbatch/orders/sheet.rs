//! Orders as CSV: a line of columns, each named like a field or mapped to one, and a line for each order.
//!
//! Shops repeat an order's id in a line for each further item, and leave the receiver empty there: of lines of one id that
//! follow each other the first counts. A further one that names the receiver again must say the same as the first.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Cursor, Read},
};

use csv::ByteRecord;
use serde_json::Value;

use super::{Mapping, Settings, json_lines, problems::plain};
use crate::{
    line::Line,
    path::Path,
    schema::{Leaf, Schema},
    words::counted,
};

/// What may stand between cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// How many ignored columns are named.
const NAMED: usize = 8;

/// What each line is read by.
pub(super) struct Rules<'a> {
    pub(super) schema: &'a Schema,
    pub(super) settings: &'a Settings,
    pub(super) mappings: &'a [Mapping],
    pub(super) ignore: bool,
}

/// Gives each order's line, read or with what is wrong, and its number; then what was left out.
pub(super) fn read<L: Line>(
    mut input: impl BufRead,
    rules: &Rules<'_>,
    mut each: impl FnMut(usize, Result<L, Vec<String>>),
) -> io::Result<Vec<String>> {
    let mut head = Vec::new();
    input.read_until(b'\n', &mut head)?;
    let head = head.strip_prefix(json_lines::BYTE_ORDER_MARK).unwrap_or(&head).to_vec();
    let delimiter = delimiter(&head);
    let mut csv = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        // What is left of CRLF is trimmed with the cell. By the line feeds alone a line's number can be told.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(Quotes { input: Cursor::new(head).chain(input).chain(&b"\n"[..]), count: 0 });
    let mut record = ByteRecord::new();
    if !csv.read_byte_record(&mut record)? {
        return Ok(Vec::new());
    }
    let (mut sheet, problems) = Sheet::new::<L>(&record, rules);
    if !problems.is_empty() {
        each(1, Err(problems));
    }
    let mut last = (1, 0);
    while csv.read_byte_record(&mut record)? {
        let within: usize = record.iter().map(|cell| cell.iter().filter(|byte| **byte == b'\n').count()).sum();
        let end = usize::try_from(csv.position().line()).unwrap_or_default();
        let number = end.saturating_sub(within + 1);
        last = (number, within);
        if let Some(line) = sheet.line(number, &record) {
            each(number, line);
        }
    }
    // Such a quote takes all further lines into its cell, and their orders with them.
    let (number, within) = last;
    if csv.get_ref().count % 2 == 1 && within > 0 {
        // Nothing ended its line.
        each(number + 1, Err(vec![": a quote (\") that opens here is never closed".to_owned()]));
    }
    Ok(sheet.left_out())
}

/// Counts the quotes in what is read.
struct Quotes<R> {
    input: R,
    count: usize,
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        self.count += bytes[..read].iter().filter(|byte| **byte == b'"').count();
        Ok(read)
    }
}

/// What stands between the cells of a head: the most frequent of those that may.
fn delimiter(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [0; DELIMITERS.len()];
    for byte in head {
        quoted ^= *byte == b'"';
        if let Some(place) = DELIMITERS.iter().position(|delimiter| delimiter == byte && !quoted) {
            counts[place] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    DELIMITERS.into_iter().zip(counts).find(|(_, count)| *count == most).map_or(b',', |(delimiter, _)| delimiter)
}

/// A column that is read as a field, or a field that is the same in each line.
struct Column {
    /// Its place in a line, if it is a column.
    index: Option<usize>,
    name: String,
    path: Path,
    leaf: Leaf,
    /// What the field is where the cell is empty.
    otherwise: Option<Value>,
    is_receiver: bool,
    is_required: bool,
}

impl Column {
    /// Where a problem is.
    fn at(&self) -> String {
        let path = self.path.to_string();
        if self.name == path { format!(", column {path}") } else { format!(", column {:?} ({path})", self.name) }
    }
}

/// A sheet that is being read.
struct Sheet<'a> {
    rules: &'a Rules<'a>,
    /// In the order of their fields: the first of a list comes before the second.
    columns: Vec<Column>,
    /// How many cells a line has.
    width: usize,
    ignored: Vec<String>,
    /// What no line can have, and is told once.
    lacking: BTreeSet<Path>,
    /// What each line must have.
    required: BTreeSet<Path>,
    receiver: &'static str,
    /// The cells of the last order's first line, and its number.
    last: Option<(Vec<String>, usize)>,
    further: usize,
}

impl<'a> Sheet<'a> {
    /// A sheet by its head, and what is wrong with that.
    fn new<L: Line>(head: &ByteRecord, rules: &'a Rules<'a>) -> (Self, Vec<String>) {
        let mut sheet = Self {
            rules,
            columns: Vec::new(),
            width: head.len(),
            ignored: Vec::new(),
            lacking: BTreeSet::new(),
            required: rules.schema.missing(&Value::Null).into_iter().collect(),
            receiver: L::RECEIVER,
            last: None,
            further: 0,
        };
        let mut problems = Vec::new();
        for (index, name) in head.iter().enumerate() {
            let name = String::from_utf8_lossy(name).trim().to_owned();
            problems.extend(sheet.add(index, name));
        }
        let names: BTreeSet<&str> = sheet.columns.iter().map(|column| column.name.as_str()).collect();
        for mapping in rules.mappings.iter().filter(|mapping| !names.contains(mapping.column.as_str())) {
            problems.push(format!(": --map {}={}: there is no such column", mapping.column, mapping.path));
        }
        rules.settings.0.iter().for_each(|(path, value)| sheet.set(path, value));
        sheet.columns.sort_by(|one, other| one.path.cmp(&other.path));
        for pair in sheet.columns.windows(2).filter(|pair| pair[0].path == pair[1].path) {
            problems.push(format!("{}: another column is the same field: {:?}", pair[1].at(), pair[0].name));
        }
        sheet.lacking = sheet.lacking();
        let lacking = sheet.lacking.iter();
        problems
            .extend(lacking.map(|path| format!(": {path}: required, and there is neither a column nor --set for it")));
        (sheet, problems)
    }

    /// Takes in a column; what is wrong with it, if anything is.
    fn add(&mut self, index: usize, name: String) -> Option<String> {
        let schema = self.rules.schema;
        let mapped: Vec<&Mapping> = self.rules.mappings.iter().filter(|mapping| mapping.column == name).collect();
        let paths: Vec<Path> = if mapped.is_empty() {
            name.parse().ok().into_iter().map(|path| schema.whole(path)).collect()
        } else {
            mapped.into_iter().map(|mapping| mapping.path.clone()).collect()
        };
        let known = self.columns.len();
        for path in paths {
            if let Some(leaf) = schema.leaf(&path) {
                let column = self.column(Some(index), &name, path, leaf);
                self.columns.push(column);
            }
        }
        if self.columns.len() > known || name.is_empty() {
            return None;
        }
        if self.rules.ignore {
            self.ignored.push(name);
            return None;
        }
        Some(format!(", column {name:?}: unknown: neither a field of the request nor mapped by --map"))
    }

    fn column(&self, index: Option<usize>, name: &str, path: Path, leaf: Leaf) -> Column {
        let is_receiver = path.to_string().starts_with(self.receiver);
        let is_required = self.required.contains(&path);
        Column { index, name: name.to_owned(), path, leaf, otherwise: None, is_receiver, is_required }
    }

    /// Takes in what a field is where a line has nothing.
    fn set(&mut self, path: &Path, value: &Value) {
        let known = self.columns.iter().position(|column| column.path == *path).or_else(|| {
            let leaf = self.rules.schema.leaf(path)?;
            let column = self.column(None, "--set", path.clone(), leaf);
            self.columns.push(column);
            Some(self.columns.len() - 1)
        });
        if let Some(known) = known {
            self.columns[known].otherwise = Some(value.clone());
        }
    }

    /// The required fields that no line can have.
    fn lacking(&self) -> BTreeSet<Path> {
        let mut full = Value::Null;
        for column in &self.columns {
            // A gap in a list is found in the lines.
            let _ = column.path.put(&mut full, true.into());
        }
        self.rules.schema.fill(&mut full);
        // What an optional part requires is missing only where the part is there.
        self.rules.schema.missing(&full).into_iter().filter(|path| self.required.contains(path)).collect()
    }

    /// What was left out on purpose, in words.
    fn left_out(self) -> Vec<String> {
        let mut texts = Vec::new();
        if !self.ignored.is_empty() {
            let named = self.ignored.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if self.ignored.len() > NAMED { ", …" } else { "" };
            texts.push(plain(&format!("{} ignored: {named}{more}", counted(self.ignored.len(), "column"))));
        }
        if self.further > 0 {
            texts.push(format!("{} of orders whose first line counts", counted(self.further, "further line")));
        }
        texts
    }

    /// A line, read or with what is wrong; nothing, if it is empty or only a further line of an order.
    fn line<L: Line>(&mut self, number: usize, record: &ByteRecord) -> Option<Result<L, Vec<String>>> {
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            return None;
        }
        let cells = match self.cells(record) {
            Ok(cells) => cells,
            Err(problems) => return Some(Err(problems)),
        };
        match self.is_further(&cells) {
            Ok(true) => {
                self.further += 1;
                return None;
            }
            Ok(false) => {}
            Err(problem) => return Some(Err(vec![problem])),
        }
        let read = self.order(&cells);
        self.last = Some((cells, number));
        Some(read)
    }

    /// The cells of the columns that are read.
    fn cells(&self, record: &ByteRecord) -> Result<Vec<String>, Vec<String>> {
        if record.iter().skip(self.width).any(|cell| !cell.is_empty()) {
            return Err(vec![format!(": {}, and the head has {}", counted(record.len(), "cell"), self.width)]);
        }
        let (mut cells, mut problems) = (Vec::with_capacity(self.columns.len()), Vec::new());
        for column in &self.columns {
            match std::str::from_utf8(column.index.and_then(|index| record.get(index)).unwrap_or_default()) {
                Ok(cell) => cells.push(clean(cell).to_owned()),
                Err(_) => problems.push(format!("{}: not UTF-8 (save the file as \"CSV UTF-8\")", column.at())),
            }
        }
        if problems.is_empty() { Ok(cells) } else { Err(problems) }
    }

    /// Whether a line only goes on with the last order.
    fn is_further(&self, cells: &[String]) -> Result<bool, String> {
        let Some((first, number)) = &self.last else { return Ok(false) };
        let id = |cells: &[String]| {
            let column = self.columns.iter().position(|column| column.path.to_string() == "order_id");
            column.map(|column| cells[column].clone()).filter(|id| !id.is_empty())
        };
        let (Some(id), true) = (id(cells), id(cells) == id(first)) else { return Ok(false) };
        let filled = || self.columns.iter().zip(cells).zip(first).filter(|((_, cell), _)| !cell.is_empty());
        let whole = filled().any(|((column, _), _)| column.is_receiver && column.is_required);
        let other = filled().find(|((column, cell), first)| cell != first && (whole || column.is_receiver));
        match other {
            Some(((column, cell), first)) => {
                Err(format!("{}: {cell:?}, and line {number} of the same order {id} has {first:?}", column.at()))
            }
            None => Ok(true),
        }
    }

    /// An order from its cells.
    fn order<L: Line>(&self, cells: &[String]) -> Result<L, Vec<String>> {
        let mut line = Value::Null;
        let mut problems = Vec::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            let put = match (cell.as_str(), &column.otherwise) {
                ("", None) => continue,
                ("", Some(value)) => column.path.put(&mut line, value.clone()),
                (cell, _) => match column.leaf.read(cell) {
                    Ok(value) => column.path.put(&mut line, value),
                    // Something stands there, though it is no good: it is not missing as well.
                    Err(expected) => {
                        let _ = column.path.put(&mut line, true.into());
                        Err(format!("{cell:?} is not {expected}"))
                    }
                },
            };
            problems.extend(put.err().map(|problem| format!("{}: {problem}", column.at())));
        }
        self.rules.schema.fill(&mut line);
        let missing = self.rules.schema.missing(&line).into_iter().filter(|path| !self.lacking.contains(path));
        problems.extend(missing.map(|path| match self.columns.iter().find(|column| column.path == path) {
            Some(column) => format!("{}: empty, and it is required", column.at()),
            None => format!(": {path}: required where the rest of it is there"),
        }));
        if !problems.is_empty() || !self.lacking.is_empty() {
            return Err(problems);
        }
        json_lines::typed(line).map_err(|(path, error)| vec![self.refused(&path, &error)])
    }

    /// What the vendor's own type says of a value.
    fn refused(&self, path: &str, error: &serde_json::Error) -> String {
        let dotted = path.replace('[', ".").replace(']', "");
        match self.columns.iter().find(|column| dotted.parse().is_ok_and(|path: Path| path == column.path)) {
            Some(column) => format!("{}: {error}", column.at()),
            None => format!(": {}", json_lines::problem(error, dotted.strip_prefix("shipment.").unwrap_or(&dotted))),
        }
    }
}

/// A cell without what spreadsheets put around a number that is to stay text: `'02108`, `="02108"`.
fn clean(cell: &str) -> &str {
    let cell = cell.trim();
    if let Some(inner) = cell.strip_prefix("=\"").and_then(|cell| cell.strip_suffix('"')) {
        return inner;
    }
    // Names begin so, too: 's-Hertogenbosch.
    let number = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit() || "+-=@".contains(c));
    cell.strip_prefix('\'').filter(number).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_found_outside_quotes() {
        for (head, delimiter) in [("a,b", b','), ("\"a,b,c\";d", b';'), ("a\tb", b'\t'), ("order_id", b',')] {
            assert_eq!(super::delimiter(head.as_bytes()), delimiter, "{head}");
        }
    }

    #[test]
    fn what_a_spreadsheet_adds_is_taken_off() {
        for (cell, text) in
            [("'02108", "02108"), ("=\"02108\"", "02108"), (" x ", "x"), ("'s-Gravenhage", "'s-Gravenhage")]
        {
            assert_eq!(clean(cell), text);
        }
    }
}
