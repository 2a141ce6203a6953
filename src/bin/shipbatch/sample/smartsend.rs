//! Orders of a Danish shop, as Smart Send takes them: every key is there, null where there is no value.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Dice,
    goods::{Article, Parcel},
    id,
    people::{self, Person},
};

/// Carrier and service. `postnord_agent` is the vendor's own example; the others follow its pattern.
const SERVICES: [(&str, &str); 4] = [
    ("postnord", "postnord_agent"),
    ("postnord", "postnord_homedelivery"),
    ("gls", "gls_agent"),
    ("gls", "gls_homedelivery"),
];
/// Danish VAT in percent, which the shop adds.
const VAT: u64 = 25;

pub(super) fn order(number: u32, dice: &mut Dice) -> Value {
    let packed = Parcel::packed(dice);
    let net = packed.price();
    let freight = *dice.pick(&[490, 590, 790]);
    let (carrier, service) = *dice.pick(&SERVICES);
    let receiver = people::northerner(dice);
    json!({
        "order_id": id(number),
        "shipment": {
            "currency": "EUR",
            "weight_unit": "g",
            "dimension_unit": "cm",
            "invoice_number": format!("INV-{}", 1_000_000 + number),
            "reference": id(number),
            "identifier": id(number),
            "uri": null,
            "delivery": {"carrier": carrier, "service": service, "addons": null},
            "parties": {"receiver": party(&receiver), "pickup": null},
            "parcels": [parcel(&packed)],
            "total_net_amount": hundredths(net),
            "tax_amount": hundredths(net * VAT / 100),
            "duty_amount": null,
            "shipping_net_amount": hundredths(freight),
            "shipping_tax_amount": hundredths(freight * VAT / 100),
        },
    })
}

fn party(person: &Person) -> Value {
    let lines: Vec<String> = [Some(person.street.clone()), person.unit.as_ref().map(|unit| format!("lgh. {unit}"))]
        .into_iter()
        .flatten()
        .collect();
    json!({
        "reference": null,
        "identifier": null,
        "uri": null,
        "address": {
            "address_lines": lines,
            "postal_code": person.zip,
            "city": person.city,
            "country": person.country,
            "administrative_area": person.state,
        },
        "contact": {
            "name_lines": [person.name],
            "company": person.company,
            "email": person.email,
            "phone": person.phone,
        },
        "identifiers": null,
    })
}

fn parcel(parcel: &Parcel) -> Value {
    let [length, width, height] = parcel.size;
    json!({
        "reference": null,
        "identifier": null,
        "tracking_url": null,
        "freetext": null,
        "gross_weight": parcel.grams(),
        "length": length,
        "width": width,
        "height": height,
        "total_net_amount": hundredths(parcel.price()),
        "tax_amount": hundredths(parcel.price() * VAT / 100),
        "duty_amount": null,
        "items": parcel.articles.iter().map(|(quantity, article)| item(*quantity, article)).collect::<Vec<_>>(),
    })
}

fn item(quantity: u64, article: &Article) -> Value {
    json!({
        "reference": null,
        "identifier": null,
        "uri": null,
        "image_url": null,
        "sku": article.sku,
        "location": null,
        "name": article.name,
        "description": article.name,
        "tariff_code": article.tariff,
        "country_of_origin": article.origin,
        "quantity": quantity,
        "total_net_amount": hundredths(quantity * article.price),
        "tax_amount": hundredths(quantity * article.price * VAT / 100),
        "duty_amount": null,
        "net_weight": quantity * article.grams,
        "cost_amount": null,
    })
}

/// An amount as a JSON number, in the form in which the client writes it.
fn hundredths(amount: u64) -> Value {
    json!(shipbatch::Number::from(Decimal::new(amount.cast_signed(), 2)))
}
