//! A file of orders, JSON Lines or CSV, checked whole: nothing is sent while a line of it is bad.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{self, BufRead, BufReader},
    path,
    str::FromStr,
};

use serde_json::Value;
use shipbatch::{Order, OrderId};

use crate::{
    Failure,
    line::{Line, Shipper},
    meter,
    path::Path,
    schema::Schema,
    words::counted,
};

#[cfg(test)]
mod fuzz;
mod json_lines;
mod problems;
mod sheet;

pub(crate) use problems::Problems;

/// How a file of orders is read.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Intake {
    /// How the orders are written; unless set, the extension says it, and what has none of these is JSON Lines
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// CSV: read this column as that field, such as 'Shipping Zip=receiver.zip'; may be given often. Columns that are
    /// neither mapped nor named like a field are ignored then
    #[arg(long, value_name = "COLUMN=PATH")]
    map: Vec<Mapping>,
    /// The value of a field where an order has none, such as serviceCode=ups_ground; may be given often
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Setting>,
    /// CSV: ignore columns that are not named like a field
    #[arg(long)]
    ignore_columns: bool,
    #[command(flatten)]
    pub(crate) shipper: Shipper,
}

impl Intake {
    /// Whether columns may be there that are no fields: whoever maps columns has a file of another program.
    fn ignores(&self) -> bool {
        self.ignore_columns || !self.map.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// JSON Lines
    Jsonl,
    Csv,
}

/// A column that is read as a field.
#[derive(Clone, Debug)]
struct Mapping {
    column: String,
    path: Path,
}

impl Mapping {
    /// The mappings, each to a field that there is.
    fn whole(mappings: &[Self], schema: &Schema) -> Result<Vec<Self>, Failure> {
        let known = mappings.iter().map(|Self { column, path }| {
            let path = schema.whole(path.clone());
            let none = || Failure::new(format!("--map {column}={path}: {NO_FIELD}"));
            schema.leaf(&path).ok_or_else(none)?;
            Ok(Self { column: column.clone(), path })
        });
        known.collect()
    }
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A column's name may hold a sign of equality, a path does not.
        let (column, path) = text.rsplit_once('=').ok_or("not COLUMN=PATH")?;
        Ok(Self { column: column.trim().to_owned(), path: path.trim().parse()? })
    }
}

/// A field that has the same value in each order that has none.
#[derive(Clone, Debug)]
struct Setting {
    path: Path,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or("not PATH=VALUE")?;
        Ok(Self { path: path.trim().parse()?, value: value.to_owned() })
    }
}

/// The settings, as the vendor's schema types them.
struct Settings(Vec<(Path, Value)>);

impl Settings {
    fn new(settings: &[Setting], schema: &Schema) -> Result<Self, Failure> {
        let typed = settings.iter().map(|setting| {
            let path = schema.whole(setting.path.clone());
            let none = || Failure::new(format!("--set {path}: {NO_FIELD}"));
            let value = schema.leaf(&path).ok_or_else(none)?.read(&setting.value);
            let bad = |expected| Failure::new(format!("--set {path}: {:?} is not {expected}", setting.value));
            Ok((path.clone(), value.map_err(bad)?))
        });
        let mut typed = typed.collect::<Result<Vec<_>, Failure>>()?;
        // The first of a list comes before the second.
        typed.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self(typed))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives a line what it lacks.
    fn apply(&self, line: &mut Value) -> Result<(), String> {
        for (path, value) in &self.0 {
            if path.of(line).is_none() {
                path.put(line, value.clone()).map_err(|problem| format!("{path}: {problem}"))?;
            }
        }
        Ok(())
    }
}

/// What is said of a path that leads nowhere, or not far enough.
const NO_FIELD: &str = "the vendor's request has no such field, or it has parts";

/// What was found in a file of orders.
pub(crate) struct Found {
    /// What the file is called.
    pub(crate) name: String,
    pub(crate) orders: usize,
    pub(crate) problems: Problems,
    /// What was left out on purpose, in words.
    pub(crate) left_out: Vec<String>,
}

impl Found {
    /// What is wrong, if anything is.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let (name, problems) = (&self.name, &self.problems);
        if problems.lines > 0 {
            let count = counted(problems.lines, "bad line");
            return Some(Failure::new(format!("{name}: {count}; nothing was sent\n  {}", problems.listed())));
        }
        (self.orders == 0).then(|| Failure::new(format!("{name}: it holds no order")))
    }
}

/// Reads the orders of a file, or of standard input if it is `-`. What was left out on purpose is told.
pub(crate) fn read<L: Line>(file: &path::Path, intake: &Intake) -> Result<Vec<Order<L::Shipment>>, Failure> {
    let mut orders = Vec::new();
    let found = walk::<L>(file, intake, |_, order| orders.push(order))?;
    if let Some(failure) = found.failure() {
        return Err(failure);
    }
    found.left_out.iter().for_each(|text| meter::say(&format!("{}: {text}", found.name)));
    Ok(orders)
}

/// Goes through the orders of a file one by one, each with its line. Only the ids of all are kept.
pub(crate) fn walk<L: Line>(
    file: &path::Path,
    intake: &Intake,
    each: impl FnMut(usize, Order<L::Shipment>),
) -> Result<Found, Failure> {
    let (name, input): (_, Box<dyn BufRead>) = if file == path::Path::new("-") {
        ("standard input".to_owned(), Box::new(io::stdin().lock()))
    } else {
        let open = File::open(file).map_err(|error| Failure::file(file, &error))?;
        (file.display().to_string(), Box::new(BufReader::new(open)))
    };
    let is_csv = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = intake.format.unwrap_or(if is_csv { Format::Csv } else { Format::Jsonl });
    let mut found = Found { name, orders: 0, problems: Problems::default(), left_out: Vec::new() };
    parse::<L>(input, format, &Schema::of::<L>(), intake, &mut found, each)?;
    Ok(found)
}

fn parse<L: Line>(
    input: impl BufRead,
    format: Format,
    schema: &Schema,
    intake: &Intake,
    found: &mut Found,
    mut each: impl FnMut(usize, Order<L::Shipment>),
) -> Result<(), Failure> {
    let settings = Settings::new(&intake.set, schema)?;
    let mappings = Mapping::whole(&intake.map, schema)?;
    let rules = sheet::Rules { schema, settings: &settings, mappings: &mappings, ignore: intake.ignores() };
    let mut lines: HashMap<OrderId, usize> = HashMap::new();
    let (orders, problems) = (&mut found.orders, &mut found.problems);
    let note = |number: usize, line: Result<L, Vec<String>>| {
        let order = line.and_then(|line| line.order(&intake.shipper).map_err(|problem| vec![format!(": {problem}")]));
        match order.and_then(|order| once(&mut lines, &order.id, number).map(|()| order)) {
            Ok(order) => {
                *orders += 1;
                each(number, order);
            }
            Err(bad) => bad.iter().for_each(|problem| problems.add(number, problem)),
        }
    };
    let read = match format {
        Format::Jsonl if intake.ignore_columns || !intake.map.is_empty() => {
            return Err(Failure::new("--map and --ignore-columns: JSON Lines have no columns"));
        }
        Format::Jsonl => json_lines::read(input, &settings, note).map(|()| Vec::new()),
        Format::Csv => sheet::read(input, &rules, note),
    };
    found.left_out = read.map_err(|error| Failure::new(format!("{}: {error}", found.name)))?;
    Ok(())
}

/// Notes an order's line, unless an earlier line has the order.
fn once(lines: &mut HashMap<OrderId, usize>, order: &OrderId, line: usize) -> Result<(), Vec<String>> {
    match lines.entry(order.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(line);
            Ok(())
        }
        Entry::Occupied(entry) => Err(vec![format!(": order_id: {order} is also in line {}", entry.get())]),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
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
        read_as(text, Format::Jsonl, &[]).map(|(ids, _)| ids)
    }

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        intake: Intake,
    }

    /// The ids of the orders with what was left out, or the problems.
    fn read_as(text: &[u8], format: Format, flags: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let intake = Flags::try_parse_from([&["shipbatch"], flags].concat()).unwrap().intake;
        let mut ids = Vec::new();
        let problems = Problems::default();
        let mut found = Found { name: "orders".to_owned(), orders: 0, problems, left_out: Vec::new() };
        let each = |_, order: Order<QuoteShipment>| ids.push(order.id.as_str().to_owned());
        parse::<Xps>(text, format, &Schema::of::<Xps>(), &intake, &mut found, each)
            .map_err(|failure| failure.to_string())?;
        if found.problems.lines > 0 {
            return Err(found.problems.listed().replace("\n  ", "\n"));
        }
        Ok((ids, found.left_out))
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
    fn what_is_told_of_a_file_is_short_and_plain() {
        let name = format!("\u{1b}[31m{}", "x".repeat(5000));
        let mut typo = line("A");
        typo["shipment"][&name] = "x".into();
        let listed = read(&[typo]).unwrap_err();
        assert!(listed.starts_with("line 1: shipment. [31mxx") && listed.ends_with("xx…"), "{listed}");
        assert!(listed.len() < 600, "{listed}");
        let head = format!("order_id,receiver.address1,receiver.city,{name}");
        let (_, left_out) = read_csv(&format!("{head}\nA,1,Boston,x"), &["--ignore-columns"]).unwrap();
        assert!(left_out[0].starts_with("1 column ignored:  [31mxx") && left_out[0].len() < 600, "{left_out:?}");
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
        let listed = read_text("order_id,weight\n".repeat(80).as_bytes()).unwrap_err();
        assert_eq!(listed.lines().count(), problems::LISTED + 1, "{listed}");
        assert!(listed.ends_with("\n… and 30 more"), "{listed}");
    }

    /// What XPS must know of an order, but for its receiver.
    const SENDER: [&str; 26] = [
        "--set",
        "sender.name=Desk",
        "--set",
        "sender.address1=1 Main St",
        "--set",
        "sender.city=Salt Lake City",
        "--set",
        "sender.country=US",
        "--set",
        "carrierCode=ups",
        "--set",
        "serviceCode=ups_ground",
        "--set",
        "packageTypeCode=ups_custom_package",
        "--set",
        "shipmentDate=2026-11-21",
        "--set",
        "currency=USD",
        "--set",
        "weightUnit=lb",
        "--set",
        "pieces.0.weight=2",
        "--set",
        "receiver.country=US",
        "--set",
        "receiver.name=Shop",
    ];

    fn read_csv(text: &str, flags: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        read_as(text.as_bytes(), Format::Csv, &[&SENDER, flags].concat())
    }

    #[test]
    fn a_sheet_is_read_in_all_its_forms() {
        let head = "order_id,receiver.address1,receiver.city,pieces.0.weight,residential";
        let rows = "A,\"1 Main St, \"\"rear\"\"\",Boston,4.9,TRUE\n\n,,,,\nB,2 Main St,Boston,,\n";
        let plain = format!("{head}\n{rows}");
        let tabs = "order_id\treceiver.address1\treceiver.city\nA\t1, Main St\tBoston\nB\t2\tBoston";
        let semicolons =
            "\u{feff}order_id;receiver.address1;receiver.city\r\n\"A\";\"1\r\nMain\";Boston\r\nB;2;Boston\r\n";
        for text in [plain.as_str(), &plain.replace('\n', "\r\n"), tabs, semicolons] {
            assert_eq!(read_csv(text, &[]).unwrap().0, ["A", "B"], "{text}");
        }
        assert!(read_csv("", &[]).unwrap().0.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_sheet_is_listed_whole() {
        let text = "\u{feff}order_id;Street;pieces.2.weight;pieces.0.weight;shipmentDate;dimUnit;residential;Zip;billing.account\r\n\
            A;1;x;2;3.4.2026;mm;maybe;1;\r\n\
            B;\"1\r\n2\";3;;;;;1;\r\n\
            C;1;;2,5;;;;1;77\r\n\
            ;1;;;;;;1;\r\n\
            D;;;;;;;1;;more\r\n\
            A;1;;;;;;1;\r\n";
        let wrong = read_csv(text, &[]).unwrap_err();
        insta::assert_snapshot!(wrong, @r#"
        line 1, column "Street": unknown: neither a field of the request nor mapped by --map
        line 1, column "Zip": unknown: neither a field of the request nor mapped by --map
        line 1: receiver.address1: required, and there is neither a column nor --set for it
        line 1: receiver.city: required, and there is neither a column nor --set for it
        line 2, column dimUnit: "mm" is not one of in, cm
        line 2, column pieces.2.weight: "x" is not a number such as 4.9
        line 2, column residential: "maybe" is not true or false
        line 2, column shipmentDate: "3.4.2026" is not a date such as 2026-11-21
        line 3, column pieces.2.weight: number 2 of the list is there, and number 1 is not
        line 5, column pieces.0.weight: "2,5" is not a number such as 4.9
        line 5: billing.party: required where the rest of it is there
        line 6, column order_id: empty, and it is required
        line 7: 10 cells, and the head has 9
        "#);
        let flags =
            ["--map", "Street=receiver.address1", "--set", "receiver.city=Boston", "--map", "None=receiver.zip"];
        let wrong = read_csv(text, &flags).unwrap_err();
        insta::assert_snapshot!(wrong, @r#"
        line 1: --map None=receiver.zip: there is no such column
        line 2, column dimUnit: "mm" is not one of in, cm
        line 2, column pieces.2.weight: "x" is not a number such as 4.9
        line 2, column residential: "maybe" is not true or false
        line 2, column shipmentDate: "3.4.2026" is not a date such as 2026-11-21
        line 3, column pieces.2.weight: number 2 of the list is there, and number 1 is not
        line 5, column pieces.0.weight: "2,5" is not a number such as 4.9
        line 5: billing.party: required where the rest of it is there
        line 6, column order_id: empty, and it is required
        line 7: 10 cells, and the head has 9
        "#);
        for (flags, error) in [
            (["--map", "Street=receiver.street"], "error: --map Street=receiver.street: "),
            (["--set", "residential=maybe"], "error: --set residential: \"maybe\" is not true or false"),
            (["--set", "receiver=x"], "error: --set receiver: "),
        ] {
            let wrong = read_csv(text, &flags).unwrap_err();
            assert!(wrong.starts_with(error), "{wrong}");
        }
    }

    #[test]
    fn a_further_line_of_an_order_says_the_same_or_nothing_of_the_receiver() {
        let head = "order_id,receiver.address1,receiver.city,receiver.email,contentDescription\n";
        let read = |rows: &str| read_csv(&format!("{head}{rows}"), &[]);
        let (ids, left_out) = read("A,1,Boston,a@b,socks\nA,,,a@b,bags\nA,1,Boston,,\nB,1,Boston,,\n").unwrap();
        assert_eq!(
            (ids.join(" "), left_out.join("")),
            ("A B".into(), "2 further lines of orders whose first line counts".into())
        );
        let wrong = [
            read("A,1,Boston,,socks\nA,1,Boston,,bags\n").unwrap_err(),
            read("A,1,Boston,a@b,socks\nA,,,c@d,bags\n").unwrap_err(),
            read("A,1,Boston,,\nB,1,Boston,,\nA,,,,bags\n").unwrap_err(),
        ];
        insta::assert_snapshot!(wrong.join("\n"), @r#"
        line 3, column contentDescription: "bags", and line 2 of the same order A has "socks"
        line 3, column receiver.email: "c@d", and line 2 of the same order A has "a@b"
        line 4, column receiver.address1: empty, and it is required
        line 4, column receiver.city: empty, and it is required
        "#);
    }

    #[test]
    fn a_setting_counts_where_a_line_has_nothing() {
        let mut bare = line("A");
        bare["shipment"]["weightUnit"] = Value::Null;
        let read = |flags: &[&str]| read_as(bare.to_string().as_bytes(), Format::Jsonl, flags);
        assert!(read(&[]).is_err());
        assert_eq!(read(&["--set", "weightUnit=kg"]).unwrap().0, ["A"]);
        assert!(read(&["--set", "weightUnit=stone"]).unwrap_err().ends_with("\"stone\" is not one of lb, oz, kg, g"));
        assert!(read(&["--map", "a=receiver.zip"]).unwrap_err().contains("have no columns"));
    }
}
