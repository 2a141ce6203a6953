//! What was bought for an item: a shipment order, found by its id and by its tracking numbers.

use std::collections::HashMap;

use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};

use super::{
    batch::{Batch, Item},
    serial,
};
use crate::sandbox::number;

/// A shipment order.
pub(super) struct Parcel {
    pub(super) id: u64,
    /// One for each piece; the first is the main one.
    pub(super) trackings: Vec<String>,
}

/// Where all parcels are.
#[derive(Default)]
pub(super) struct Parcels {
    places: HashMap<u64, Place>,
    ids: HashMap<String, u64>,
}

/// An item of a batch that was shipped, so that its items stay where they are.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) batch: String,
    pub(super) item: usize,
}

impl Parcels {
    /// Buys a parcel of so many pieces for the item at this place.
    pub(super) fn buy(&mut self, seed: u64, place: Place, pieces: usize) -> Parcel {
        let id = serial(seed, "deftship parcels", self.places.len());
        self.places.insert(id, place);
        let mailer = number(seed, "deftship mailer") % 1_000_000_000;
        let tracking = |ids: &mut HashMap<String, u64>| {
            let tracking = format!("94001{mailer:09}{:08}", ids.len());
            ids.insert(tracking.clone(), id);
            tracking
        };
        Parcel { id, trackings: (0..pieces).map(|_| tracking(&mut self.ids)).collect() }
    }

    /// The id of the parcel with this tracking number.
    pub(super) fn id(&self, tracking: &str) -> Option<u64> {
        self.ids.get(tracking).copied()
    }

    pub(super) fn place(&self, id: u64) -> Option<Place> {
        self.places.get(&id).cloned()
    }
}

/// A parcel as it is read. In the goods, unlike in requests, numbers are strings.
pub(super) fn show(origin: &str, batch: &Batch, item: &Item, parcel: &Parcel) -> Value {
    let file = |folder: &str| format!("{origin}/files/deftship/{folder}/{}.pdf", parcel.id);
    let pieces = parcel.trackings.iter().zip(item.shipment.pieces()).map(|(tracking, package)| {
        let goods = package["items"].as_array().into_iter().flatten();
        let goods = goods.map(
            |good| json!({"sku": good["sku"], "quantity": text(&good["quantity"]), "price": text(&good["price"])}),
        );
        json!({"tracking_number": tracking, "items": goods.collect::<Value>()})
    });
    json!({
        "shipment_order_id": parcel.id,
        "main_tracking_number": parcel.trackings.first(),
        "provider_number": null,
        "status": "label_ready",
        "sub_tracking_numbers": parcel.trackings.get(1..),
        "package_details": pieces.collect::<Value>(),
        "final_price": item.price.to_f64(),
        "carrier": "usps",
        "service": batch.service,
        "tags": [],
        "label": file("parcels"),
        "customs_form": item.shipment.is_international().then(|| file("customs")),
    })
}

fn text(number: &Value) -> Value {
    if number.is_null() { Value::Null } else { number.to_string().into() }
}
