//! Orders from a spreadsheet: a shop's export, mapped on the command line.

use super::*;

/// As Shopify exports its orders, with what Excel does to a zip.
const EXPORT: &str = include_str!("shopify.csv");

/// What the README shows.
const XPS: &[&str] = &[
    "--map=Name=order_id",
    "--map=Shipping Name=receiver.name",
    "--map=Shipping Company=receiver.company",
    "--map=Shipping Address1=receiver.address1",
    "--map=Shipping Address2=receiver.address2",
    "--map=Shipping City=receiver.city",
    "--map=Shipping Province=receiver.state",
    "--map=Shipping Zip=receiver.zip",
    "--map=Shipping Country=receiver.country",
    "--map=Shipping Phone=receiver.phone",
    "--map=Email=receiver.email",
    "--map=Lineitem name=contentDescription",
    "--set=sender.name=Shipping Desk",
    "--set=sender.address1=250 S Main St",
    "--set=sender.city=Salt Lake City",
    "--set=sender.state=UT",
    "--set=sender.zip=84101",
    "--set=sender.country=US",
    "--set=carrierCode=ups",
    "--set=serviceCode=ups_ground",
    "--set=packageTypeCode=ups_custom_package",
    "--set=shipmentDate=2026-11-21",
    "--set=currency=USD",
    "--set=weightUnit=lb",
    "--set=dimUnit=in",
    "--set=pieces.0.weight=2",
    "--set=pieces.0.length=10",
    "--set=pieces.0.width=8",
    "--set=pieces.0.height=4",
];

const DEFTSHIP: &[&str] = &[
    "--map=Name=order_id",
    "--map=Shipping Name=to_address.name",
    "--map=Shipping Address1=to_address.street_1",
    "--map=Shipping Address2=to_address.street_2",
    "--map=Shipping City=to_address.city",
    "--map=Shipping Province=to_address.state",
    "--map=Shipping Zip=to_address.zip",
    "--map=Shipping Country=to_address.country",
    "--map=Shipping Phone=to_address.telephone",
    "--map=Lineitem sku=package_list.0.items.0.sku",
    "--set=to_address.telephone=8015550100",
    "--set=from_address.name=Shipping Desk",
    "--set=from_address.street_1=250 S Main St",
    "--set=from_address.city=Salt Lake City",
    "--set=from_address.state=UT",
    "--set=from_address.zip=84101",
    "--set=from_address.country=US",
    "--set=from_address.telephone=8015550100",
    "--set=shipper_id=123",
    "--set=service=USPS-3",
    "--set=weight_unit=LBS",
    "--set=length_unit=IN",
    "--set=package_list.0.count=1",
    "--set=package_list.0.weight=2",
    "--set=package_list.0.length=10",
    "--set=package_list.0.width=8",
    "--set=package_list.0.height=4",
];

const SMARTSEND: &[&str] = &[
    "--map=Name=order_id",
    "--map=Shipping Name=parties.receiver.contact.name_lines.0",
    "--map=Email=parties.receiver.contact.email",
    "--map=Shipping Address1=parties.receiver.address.address_lines.0",
    "--map=Shipping City=parties.receiver.address.city",
    "--map=Shipping Zip=parties.receiver.address.postal_code",
    "--map=Shipping Country=parties.receiver.address.country",
    "--map=Lineitem quantity=parcels.0.items.0.quantity",
    "--map=Lineitem sku=parcels.0.items.0.sku",
    "--map=Currency=currency",
    "--set=delivery.carrier=postnord",
    "--set=delivery.service=postnord_homedelivery",
    "--set=parcels.0.gross_weight=900",
    "--set=weight_unit=g",
];

fn book(desk: &Desk, vendor: &str, flags: &[&str]) -> Ended {
    let mut command = desk.command(&format!("book export.csv --vendor {vendor} --journal {vendor}.db --sandbox"));
    command.args(["--report", "r.jsonl"]).args(flags).stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn an_export_of_a_shop_is_booked_by_mapping_its_columns() {
    for (vendor, flags) in [("xps", XPS), ("deftship", DEFTSHIP), ("smartsend", SMARTSEND)] {
        let desk = Desk::in_memory();
        desk.write("export.csv", EXPORT);
        let ended = book(&desk, vendor, flags);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let ids: Vec<Value> = desk.rows().iter().map(|row| row["order_id"].clone()).collect();
        assert_eq!(ids, ["#1001", "#1002"]);
        assert!(ended.stderr.contains("export.csv: 1 further line of orders whose first line counts\n"));
        // As another spreadsheet saves it, and still the same orders.
        let other = EXPORT.replace(",", ";").replace("1 Main St; Apt 4", "1 Main St, Apt 4").replace('\n', "\r\n");
        desk.write("export.csv", format!("\u{feff}{other}"));
        let ended = book(&desk, vendor, flags);
        assert!(ended.stdout.contains("2 orders booked in an earlier run, and not again"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("other content"), "{}", ended.stdout);
    }
}

#[test]
fn a_cell_that_is_missing_or_bad_is_named_and_nothing_is_sent() {
    let desk = Desk::in_memory();
    desk.write("export.csv", EXPORT.replace("Bo Ray,9 Hill Rd,9 Hill Rd", ",,").replace("Lineitem name", "Item"));
    let refused = book(&desk, "xps", &[XPS, &["--map=Total=pieces.0.insuranceAmount", "--map=Notes=dimUnit"]].concat());
    insta::assert_snapshot!(refused.refused(), @r#"
    error: export.csv: 3 bad lines; nothing was sent
      line 1: --map Lineitem name=contentDescription: there is no such column
      line 2, column "Notes" (dimUnit): "Ring twice\nplease" is not one of in, cm
      line 5, column "Shipping Address1" (receiver.address1): empty, and it is required
      line 5, column "Shipping Name" (receiver.name): empty, and it is required
    "#);
    let refused = book(&desk, "xps", &["--map=Name", "--set=x"]).refused();
    insta::assert_snapshot!(refused, @"
    error: invalid value 'Name' for '--map <COLUMN=PATH>': not COLUMN=PATH

    For more information, try '--help'.
    ");
    assert!(!desk.path().join("xps.db").exists());
}

#[test]
fn the_template_can_be_booked_as_it_is() {
    for vendor in VENDORS {
        let desk = Desk::in_memory();
        let ended = desk.run(&format!("template --vendor {vendor}"));
        assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.lines().count()), (Some(0), "", 2));
        desk.write("export.csv", &ended.stdout);
        let ended = book(&desk, vendor, &[]);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.stderr, "1 of 1: 1 booked\n");
    }
}

#[test]
fn the_schema_of_an_order_is_whole() {
    let references = regex::Regex::new(r##""\$ref":"#([^"]*)""##).unwrap();
    for (vendor, beside) in [("smartsend", 2), ("xps", 2), ("deftship", 4)] {
        let ended = Desk::in_memory().run(&format!("template --vendor {vendor} --schema"));
        let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(schema["properties"].as_object().unwrap().len(), beside, "{vendor}");
        let text = schema.to_string();
        for reference in references.captures_iter(&text) {
            assert!(schema.pointer(&reference[1]).is_some(), "{vendor}: {}", &reference[1]);
        }
    }
}

#[cfg(unix)]
#[test]
fn what_the_readme_shows_is_booked() {
    let readme = include_str!("../../../README.md");
    let (_, shown) = readme.split_once("```text\nshipbatch book export.csv ").unwrap();
    let (flags, _) = shown.split_once("```").unwrap();
    let desk = Desk::in_memory();
    desk.write("export.csv", EXPORT);
    let mut shell = Command::new("sh");
    shell.current_dir(desk.path()).args(["-c", &format!("exec \"$0\" book export.csv {flags}")]);
    let ended = Ended::from(shell.arg(assert_cmd::cargo::cargo_bin!("shipbatch")).output().unwrap());
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("sandbox ledger: 2 orders charged once"), "{}", ended.stdout);
}

/// A quote that is never closed takes the orders after it into its cell.
#[test]
fn a_quote_that_is_never_closed_loses_no_order_in_silence() {
    let desk = Desk::new();
    let template = desk.run("template --vendor xps").stdout;
    let (head, row) = template.trim_end().split_once('\n').unwrap();
    let (start, last) = row.rsplit_once(',').unwrap();
    desk.write("orders.csv", format!("{head}\n{start},\"{last}\n{row}\n{row}\n"));
    let ended = desk.run("plan orders.csv --vendor xps");
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("line 2: a quote (\") that opens here is never closed"), "{}", ended.stdout);
}
