//! `shipbatch template`: the head of a sheet of orders with an example, or the JSON Schema of an order.

use std::process::ExitCode;

use shipbatch::Vendor;

use crate::{
    Failure,
    desk::{self, Desk, vendor},
    schema::Schema,
    words,
};

const EXAMPLES: &str = "\
Examples:
  shipbatch template --vendor xps > orders.csv
  shipbatch template --vendor xps --schema";

/// What `shipbatch template` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// In whose form
    #[arg(long, value_name = "V", value_parser = vendor())]
    vendor: Vendor,
    /// Write the JSON Schema of a line of JSON Lines: all fields that there are
    #[arg(long)]
    schema: bool,
}

/// A column, and an example of what stands in it.
type Column = (&'static str, &'static str);

/// Stands for the day on which the template is made.
const TODAY: &str = "today";

const SMARTSEND: &[Column] = &[
    ("order_id", "A-1001"),
    ("reference", "A-1001"),
    ("parties.receiver.contact.name_lines.0", "Camilla Hansen"),
    ("parties.receiver.contact.company", ""),
    ("parties.receiver.contact.phone", "+4569887932"),
    ("parties.receiver.contact.email", "camilla@example.com"),
    ("parties.receiver.address.address_lines.0", "Algade 222"),
    ("parties.receiver.address.address_lines.1", ""),
    ("parties.receiver.address.postal_code", "8000"),
    ("parties.receiver.address.city", "Aarhus C"),
    ("parties.receiver.address.country", "DK"),
    ("parties.pickup.service_point_code", ""),
    ("delivery.carrier", "postnord"),
    ("delivery.service", "postnord_homedelivery"),
    ("weight_unit", "g"),
    ("dimension_unit", "cm"),
    ("parcels.0.gross_weight", "770"),
    ("parcels.0.length", "25"),
    ("parcels.0.width", "20"),
    ("parcels.0.height", "12"),
    ("parcels.0.items.0.name", "Hardcover book"),
    ("parcels.0.items.0.sku", "BOOK-17"),
    ("parcels.0.items.0.quantity", "1"),
    ("parcels.0.items.0.total_net_amount", "28.00"),
    ("parcels.0.items.0.country_of_origin", "DE"),
    ("parcels.0.items.0.tariff_code", "490199"),
    ("total_net_amount", "28.00"),
    ("currency", "EUR"),
];

const XPS: &[Column] = &[
    ("order_id", "A-1001"),
    ("shipmentReference", "A-1001"),
    ("receiver.name", "Avery Morgan"),
    ("receiver.company", ""),
    ("receiver.address1", "138 Sunset Blvd"),
    ("receiver.address2", ""),
    ("receiver.city", "Boston"),
    ("receiver.state", "MA"),
    ("receiver.zip", "02108"),
    ("receiver.country", "US"),
    ("receiver.phone", "7775550194"),
    ("receiver.email", "avery@example.com"),
    ("residential", "true"),
    ("carrierCode", "ups"),
    ("serviceCode", "ups_ground"),
    ("packageTypeCode", "ups_custom_package"),
    ("shipmentDate", TODAY),
    ("contentDescription", "Wool socks"),
    ("weightUnit", "lb"),
    ("dimUnit", "in"),
    ("pieces.0.weight", "4.9"),
    ("pieces.0.length", "12"),
    ("pieces.0.width", "9"),
    ("pieces.0.height", "6"),
    ("pieces.0.declaredValue", ""),
    ("pieces.0.insuranceAmount", ""),
    ("currency", "USD"),
    ("sender.name", "Shipping Desk"),
    ("sender.company", "Wasatch Outfitters"),
    ("sender.address1", "250 S Main St"),
    ("sender.city", "Salt Lake City"),
    ("sender.state", "UT"),
    ("sender.zip", "84101"),
    ("sender.country", "US"),
    ("sender.phone", "8015550100"),
];

const DEFTSHIP: &[Column] = &[
    ("order_id", "A-1001"),
    ("shipper_id", "123"),
    ("service", "USPS-3"),
    ("to_address.name", "Summit Cycles Inc."),
    ("to_address.attention", "Samuel Johnson"),
    ("to_address.street_1", "15 Lake St"),
    ("to_address.street_2", "Apt 30"),
    ("to_address.city", "Boston"),
    ("to_address.state", "MA"),
    ("to_address.zip", "02108"),
    ("to_address.country", "US"),
    ("to_address.telephone", "9625550150"),
    ("to_address.email", "samuel@example.com"),
    ("weight_unit", "LBS"),
    ("length_unit", "IN"),
    ("package_list.0.count", "1"),
    ("package_list.0.weight", "1.7"),
    ("package_list.0.length", "10"),
    ("package_list.0.width", "8"),
    ("package_list.0.height", "5"),
    ("package_list.0.reference_1", "A-1001"),
    ("package_list.0.items.0.description", "Hardcover book"),
    ("package_list.0.items.0.sku", "BOOK-17"),
    ("package_list.0.items.0.quantity", "1"),
    ("package_list.0.items.0.price", "28.00"),
    ("package_list.0.items.0.content_type", "Merchandise"),
    ("package_list.0.items.0.hs_code", "490199"),
    ("package_list.0.items.0.country_of_manufacture", "DE"),
    ("from_address.name", "Wasatch Outfitters"),
    ("from_address.street_1", "250 S Main St"),
    ("from_address.city", "Salt Lake City"),
    ("from_address.state", "UT"),
    ("from_address.zip", "84101"),
    ("from_address.country", "US"),
    ("from_address.telephone", "8015550100"),
];

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let (columns, schema) = match self.vendor {
            Vendor::SmartSend => (SMARTSEND, Schema::of::<<desk::SmartSend as Desk>::Line>()),
            Vendor::Xps => (XPS, Schema::of::<<desk::Xps as Desk>::Line>()),
            Vendor::Deftship => (DEFTSHIP, Schema::of::<<desk::Deftship as Desk>::Line>()),
            vendor => return Err(Failure::new(format!("{vendor}: there is no template for it"))),
        };
        let text = if self.schema { format!("{:#}\n", schema.into_json()) } else { sheet(columns)? };
        words::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The head and the example, as CSV.
fn sheet(columns: &[Column]) -> Result<String, Failure> {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let example = |(_, example): &Column| if *example == TODAY { today.clone() } else { (*example).to_owned() };
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the template: {error}"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(columns.iter().map(|(column, _)| column)).map_err(|error| failed(&error))?;
    csv.write_record(columns.iter().map(example)).map_err(|error| failed(&error))?;
    let bytes = csv.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}
