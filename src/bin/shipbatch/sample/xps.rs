//! Orders of a shop in Utah, as XPS takes them. Decimals are text there.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Dice,
    goods::{Parcel, decimal},
    id,
    people::{self, Person},
};

/// Carrier, service and package type: those of the vendor's examples.
const SERVICES: [(&str, &str, &str); 2] =
    [("ups", "ups_ground", "ups_custom_package"), ("usps", "usps_priority", "usps_custom_package")];

pub(super) fn order(number: u32, dice: &mut Dice) -> Value {
    let (carrier, service, package) = *dice.pick(&SERVICES);
    let receiver = people::american(dice);
    // USPS has no shipments of several pieces.
    let pieces = if carrier == "ups" && dice.percent(15) { 2 } else { 1 };
    let parcels: Vec<Parcel> = (0..pieces).map(|_| Parcel::packed(dice)).collect();
    json!({
        "order_id": id(number),
        "shipment": {
            "carrierCode": carrier,
            "serviceCode": service,
            "packageTypeCode": package,
            "shipmentDate": today(),
            "shipmentReference": id(number),
            "contentDescription": parcels.iter().map(Parcel::contents).collect::<Vec<_>>().join(", "),
            "sender": sender(),
            "receiver": party(&receiver),
            "residential": receiver.company.is_none(),
            "weightUnit": "lb",
            "dimUnit": "in",
            "currency": "USD",
            "pieces": parcels.iter().map(|parcel| piece(parcel, dice)).collect::<Vec<_>>(),
            "billing": {"party": "sender"},
        },
    })
}

/// No vendor takes a day that is over, so the day is the one thing that no seed fixes.
fn today() -> String {
    Timestamp::now().to_zoned(TimeZone::UTC).date().to_string()
}

fn sender() -> Value {
    json!({
        "name": "Shipping Desk",
        "company": "Wasatch Outfitters",
        "address1": "250 S Main St",
        "address2": "",
        "city": "Salt Lake City",
        "state": "UT",
        "zip": "84101",
        "country": "US",
        "phone": "8015550100",
        "email": "shipping@example.com",
    })
}

fn party(person: &Person) -> Value {
    json!({
        "name": person.name,
        "company": person.company.unwrap_or_default(),
        "address1": person.street,
        "address2": person.unit.as_ref().map(|unit| format!("Apt {unit}")).unwrap_or_default(),
        "city": person.city,
        "state": person.state.unwrap_or_default(),
        "zip": person.zip,
        "country": person.country,
        "phone": person.phone,
        "email": person.email,
    })
}

fn piece(parcel: &Parcel, dice: &mut Dice) -> Value {
    let [length, width, height] = parcel.inches().map(|inches| inches.to_string());
    json!({
        "weight": parcel.pounds(),
        "length": length,
        "width": width,
        "height": height,
        "insuranceAmount": dice.percent(10).then(|| decimal(parcel.price(), 2)),
        "declaredValue": null,
    })
}
