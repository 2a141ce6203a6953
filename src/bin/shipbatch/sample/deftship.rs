//! Orders of a shop in Utah, as Deftship takes them; the shipper and the service stand beside the shipment.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use shipbatch::Number;

use super::{
    Dice,
    goods::{Article, Parcel},
    id,
    people::{self, Person},
};

/// The shipper and the service of the vendor's example. One service for all: each further one would be a batch.
const SHIPPER: i64 = 123;
const SERVICE: &str = "USPS-3";

pub(super) fn order(number: u32, dice: &mut Dice) -> Value {
    let parcel = Parcel::packed(dice);
    json!({
        "order_id": id(number),
        "shipper_id": SHIPPER,
        "service": SERVICE,
        "shipment": {
            "from_address": sender(),
            "to_address": party(&people::american(dice)),
            "weight_unit": "LBS",
            "length_unit": "IN",
            "package_list": [package(number, &parcel, dice)],
        },
    })
}

fn sender() -> Value {
    json!({
        "name": "Wasatch Outfitters",
        "attention": "Shipping Desk",
        "street_1": "250 S Main St",
        "city": "Salt Lake City",
        "state": "UT",
        "zip": "84101",
        "country": "US",
        "telephone": "8015550100",
        "email": "shipping@example.com",
    })
}

fn party(person: &Person) -> Value {
    let mut party = json!({
        "name": person.company.unwrap_or(&person.name),
        "street_1": person.street,
        "city": person.city,
        "state": person.state,
        "zip": person.zip,
        "country": person.country,
        "telephone": person.phone,
        "email": person.email,
    });
    // What has no value is left out here: null is not documented.
    if person.company.is_some() {
        party["attention"] = person.name.as_str().into();
    }
    if let Some(unit) = &person.unit {
        party["street_2"] = format!("Apt {unit}").into();
    }
    party
}

fn package(number: u32, parcel: &Parcel, dice: &mut Dice) -> Value {
    let [length, width, height] = parcel.inches();
    let weight: Number = parcel.pounds().parse().unwrap_or_default();
    json!({
        "count": 1,
        "length": length,
        "width": width,
        "height": height,
        "weight": weight,
        "reference_1": id(number),
        "reference_2": parcel.contents(),
        "signature": if dice.percent(10) { "signature" } else { "no_signature" },
        "items": parcel.articles.iter().map(|(quantity, article)| item(*quantity, article)).collect::<Vec<_>>(),
    })
}

fn item(quantity: u64, article: &Article) -> Value {
    json!({
        "quantity": quantity,
        "price": Number::from(Decimal::new(article.price.cast_signed(), 2)),
        "country_of_manufacture": article.origin,
        "sku": article.sku,
        "hs_code": article.tariff,
        "description": article.name,
        "content_type": "Merchandise",
    })
}
