//! A file of orders, JSON Lines, read whole and checked whole: nothing is sent while a line of it is bad.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use serde_ignored::Path as Ignored;
use serde_path_to_error::Track;
use shipbatch::{Order, OrderId};

use crate::{
    Failure,
    line::{Line, Shipper},
    words::counted,
};

/// How many bad lines are listed: a file of the wrong kind has nothing but bad ones.
const LISTED: usize = 20;
/// What some editors and spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads the orders of a file, or of standard input if it is `-`.
pub(crate) fn read<L: Line>(path: &Path, shipper: &Shipper) -> Result<Vec<Order<L::Shipment>>, Failure> {
    let (name, orders) = if path == Path::new("-") {
        ("standard input".to_owned(), parse::<L>(io::stdin().lock(), shipper))
    } else {
        let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
        (path.display().to_string(), parse::<L>(BufReader::new(file), shipper))
    };
    let problems = match orders {
        Ok(Ok(orders)) if orders.is_empty() => return Err(Failure::new(format!("{name}: it holds no order"))),
        Ok(Ok(orders)) => return Ok(orders),
        Ok(Err(problems)) => problems,
        Err(error) => return Err(Failure::new(format!("{name}: {error}"))),
    };
    let listed = problems.listed.join("\n  ");
    Err(Failure::new(format!("{name}: {}; nothing was sent\n  {listed}", counted(problems.count, "bad line"))))
}

/// The bad lines.
#[derive(Debug, Default)]
struct Problems {
    count: usize,
    /// The first of them.
    listed: Vec<String>,
}

impl Problems {
    fn add(&mut self, line: usize, problem: &str) {
        self.count += 1;
        if self.count <= LISTED {
            self.listed.push(format!("line {line}: {problem}"));
        }
    }

    fn end(mut self) -> Self {
        if self.count > LISTED {
            self.listed.push(format!("… and {} more", self.count - LISTED));
        }
        self
    }
}

fn parse<L: Line>(mut input: impl BufRead, shipper: &Shipper) -> io::Result<Result<Vec<Order<L::Shipment>>, Problems>> {
    let mut orders = Vec::new();
    let mut lines: HashMap<OrderId, usize> = HashMap::new();
    let mut problems = Problems::default();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line = bytes.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(&bytes).trim_ascii();
        if line.is_empty() {
            continue;
        }
        let order = decode::<L>(line).and_then(|line| line.order(shipper));
        match order.and_then(|order| once(&mut lines, &order.id, number).map(|()| order)) {
            Ok(order) => orders.push(order),
            Err(problem) => problems.add(number, &problem),
        }
    }
    Ok(if problems.count == 0 { Ok(orders) } else { Err(problems.end()) })
}

/// Notes an order's line, unless an earlier line has the order.
fn once(lines: &mut HashMap<OrderId, usize>, order: &OrderId, line: usize) -> Result<(), String> {
    match lines.entry(order.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(line);
            Ok(())
        }
        Entry::Occupied(entry) => Err(format!("order_id: {order} is also in line {}", entry.get())),
    }
}

/// A line, or what is wrong and at which field.
fn decode<L: Line>(line: &[u8]) -> Result<L, String> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let mut unknown = Vec::new();
    let mut note = |path: Ignored<'_>| unknown.push(written(&path));
    let mut track = Track::new();
    let tracked =
        serde_path_to_error::Deserializer::new(serde_ignored::Deserializer::new(&mut json, &mut note), &mut track);
    let decoded = L::deserialize(tracked);
    let decoded = decoded.and_then(|decoded| json.end().map(|()| decoded));
    let decoded = decoded.map_err(|error| problem(&error, &track.path().to_string()))?;
    // A misspelt field would silently not be sent.
    if !unknown.is_empty() {
        return Err(format!("{}: the vendor's request has no such field", unknown.join(", ")));
    }
    Ok(decoded)
}

/// An error of a line in our words: the line has its number already.
fn problem(error: &serde_json::Error, path: &str) -> String {
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())).unwrap_or(&text);
    if !error.is_data() {
        return format!("{text} (column {})", error.column());
    }
    if path == "." { text.to_owned() } else { format!("{path}: {text}") }
}

/// A field's path in the form in which `serde_path_to_error` writes it.
fn written(path: &Ignored<'_>) -> String {
    let joined = |parent: &Ignored<'_>, key: &str| match written(parent) {
        parent if parent.is_empty() => key.to_owned(),
        parent => format!("{parent}.{key}"),
    };
    match path {
        Ignored::Root => String::new(),
        Ignored::Seq { parent, index } => format!("{}[{index}]", written(parent)),
        Ignored::Map { parent, key } => joined(parent, key),
        Ignored::Some { parent } | Ignored::NewtypeStruct { parent } | Ignored::NewtypeVariant { parent } => {
            written(parent)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shipbatch::{Vendor, xps::types::QuoteShipment};

    use super::*;
    use crate::{line::Plain, sample};

    type Xps = Plain<QuoteShipment>;

    fn read(lines: &[Value]) -> Result<Vec<String>, String> {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        read_text(text.join("\n").as_bytes())
    }

    fn read_text(text: &[u8]) -> Result<Vec<String>, String> {
        let orders = parse::<Xps>(text, &Shipper::default()).unwrap();
        orders
            .map(|orders| orders.into_iter().map(|order| order.id.as_str().to_owned()).collect())
            .map_err(|problems| problems.listed.join("\n"))
    }

    fn line(id: impl Into<Value>) -> Value {
        let mut line = sample::line(Vendor::Xps, 1);
        line["order_id"] = id.into();
        line
    }

    #[test]
    fn ids_are_strings_or_integers_and_blank_lines_are_skipped() {
        assert_eq!(read(&[line("A-1"), line(17), line(-3)]).unwrap(), ["A-1", "17", "-3"]);
        let text = format!("\u{feff}{}\r\n\r\n  \n{}\n", line("A"), line("B"));
        assert_eq!(read_text(text.as_bytes()).unwrap(), ["A", "B"]);
        assert!(read_text(b"").unwrap().is_empty());
    }

    #[test]
    fn every_bad_line_is_named_with_its_field() {
        let mut deep = line("B");
        deep["shipment"]["pieces"][0]["weight"] = json!({});
        let mut typo = line("C");
        typo["shipment"]["receiver"]["adress3"] = "x".into();
        let mut beside = line("D");
        beside["servce"] = "x".into();
        let text = format!("{deep}\n{typo}\n{beside}\n{{\"order_id\"\n{}", line(1.5));
        insta::assert_snapshot!(read_text(text.as_bytes()).unwrap_err(), @"
        line 1: shipment.pieces[0].weight: invalid type: map, expected a Decimal type representing a fixed-point number
        line 2: shipment.receiver.adress3: the vendor's request has no such field
        line 3: servce: unknown field `servce`, expected `order_id` or `shipment`
        line 4: EOF while parsing an object (column 11)
        line 5: order_id: invalid type: floating point `1.5`, expected a string or an integer
        ");
    }

    #[test]
    fn a_line_holds_one_order() {
        let text = format!("{} {}", line("A"), line("B"));
        let listed = read_text(text.as_bytes()).unwrap_err();
        assert!(listed.starts_with("line 1: trailing characters (column "), "{listed}");
    }

    #[test]
    fn a_second_order_of_an_id_names_both_lines() {
        assert_eq!(read(&[line("A"), line("B"), line("A")]).unwrap_err(), "line 3: order_id: A is also in line 1");
    }

    #[test]
    fn a_file_of_another_kind_is_not_listed_whole() {
        let listed = read_text("order_id,weight\n".repeat(50).as_bytes()).unwrap_err();
        assert_eq!(listed.lines().count(), LISTED + 1, "{listed}");
        assert!(listed.ends_with("\n… and 30 more"), "{listed}");
    }
}
