//! Deftship: batches of USPS shipments, their parcels, the balance and the address check, as vendor/deftship.md and
//! openapi/deftship.yaml have them.
//!
//! No page states an HTTP status. Here: 401 with nothing but a message (the framework's), 404 for an unknown batch or
//! parcel, 422 for whatever else is refused, except that a batch refuses to be shipped or changed under 200 with
//! `success` false, which the documents allow and clients must notice. The members of the receiver are required as on
//! the sibling page; a page of items has 100; its links forget the filter; an item that is not validated yet has
//! no status; the label of a parcel has a page for each piece. A batch is read `reads` times as
//! validating or processing, then that is done. The limits of calls in a minute are not imitated.
//!
//! What triggers what:
//! - The request is refused as a whole, 422: a member is missing or of the wrong type, there are over 1,000
//!   shipments, the service is none of `USPS-1` to `USPS-3`, the `shipper_id` is 0, a `count` is over 100 (ours).
//! - An item turns out invalid, and with it the batch: in the receiver, or in a sender given in full, the state is
//!   missing in the US or Canada, a US postcode has not 5 or 9 digits, the telephone number has not 10 to 15; the
//!   goods are not listed though the shipment is insured or international.
//! - A valid item fails while it is shipped and is not charged: the receiver's postcode is `00000`.
//! - The balance does not suffice: it starts at 1,000,000.00, and the price grows with the weight.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{self, DefaultBodyLimit, Path, Query, Request, rejection::JsonRejection},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Ledger, Shared, World, authorized, json, label, lock, number, pdf};
use crate::Vendor;

mod batch;
mod faults;
mod parcel;
mod shipment;

use batch::{Batch, Item};
use faults::{Faults, Kind};
use parcel::{Parcel, Parcels, Place};
use shipment::{Shipment, is_us_zip, needs_state};

/// What the account holds at first, in cents.
const CREDIT: i64 = 100_000_000;

/// The services known to be open to batches: those of the page on instant shipping, under the same beta.
const SERVICES: &[&str] = &["USPS-1", "USPS-2", "USPS-3"];

/// The states of items that a batch can be read by.
const FILTERS: &[&str] = &["valid", "invalid", "completed", "failed"];

/// The members of an address that is to be judged, all of them texts.
const ADDRESS: [&str; 10] =
    ["name", "attention", "street_1", "street_2", "street_3", "city", "state", "zip", "country", "telephone"];

/// Ids that one call removes at most, by the documents.
const REMOVALS: usize = 10_000;

/// What the one account has. The balance is not in it: it follows from the ledger.
#[derive(Default)]
pub(super) struct State {
    batches: HashMap<String, Batch>,
    parcels: Parcels,
    /// The parcels in each file that was merged on demand.
    merged: Vec<Vec<u64>>,
}

pub(super) fn routes() -> Router<Arc<World>> {
    let api = Router::new()
        .route("/batches", post(create_batch))
        .route("/batches/{batch}", get(get_batch))
        .route("/batches/{batch}/add-items", put(add_items))
        .route("/batches/{batch}/remove-items", put(remove_items))
        .route("/batches/{batch}/ship", post(ship_batch))
        .route("/parcel-orders/{id}", get(get_parcel))
        .route("/parcel-orders/tracking-number/{tracking}", get(get_parcel_by_tracking))
        .route("/parcel-orders/merge-labels", post(merge_labels))
        .route("/balance", get(get_balance))
        .route("/address/validate", post(validate_address))
        .route_layer(middleware::from_fn(authenticated));
    // A thousand shipments may be more than axum takes by default.
    api.route("/files/deftship/{folder}/{file}", get(get_file)).layer(DefaultBodyLimit::disable())
}

/// A success, in the vendor's envelope.
struct Success(Value);

/// A refusal, in the vendor's envelope.
struct Refusal {
    status: u16,
    message: String,
    data: Value,
}

type Answer = Result<Success, Refusal>;

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), data: Value::Null }
    }

    fn data(self, data: Value) -> Self {
        Self { data, ..self }
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        json(200, json!({"success": true, "data": self.0}))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"success": false, "message": self.message});
        if !self.data.is_null() {
            body["data"] = self.data;
        }
        json(self.status, body)
    }
}

async fn authenticated(request: Request, next: Next) -> Response {
    if !authorized(request.headers(), "Bearer") {
        return json(401, json!({"message": "Unauthenticated."}));
    }
    next.run(request).await
}

/// The body of a request. To the framework, what is not JSON has no members at all.
type Body = Result<Json<Value>, JsonRejection>;

fn read(body: Body) -> Value {
    body.map(|Json(body)| body).unwrap_or_default()
}

async fn create_batch(extract::State(world): Shared, body: Body) -> Answer {
    let mut body = read(body);
    let mut faults = Faults::default();
    let shipper = faults.required(&body, "", "shipper_id", Kind::Integer).and_then(Value::as_i64).unwrap_or_default();
    let service = faults.required(&body, "", "service", Kind::OneOf(SERVICES)).and_then(Value::as_str);
    let service = service.unwrap_or_default().to_owned();
    let shipments = Shipment::take(&mut body, &mut faults);
    faults.into_result()?;
    if shipper == 0 {
        return Err(Refusal::new(422, "The shipper is unknown or may not ship batches."));
    }
    Ok(Success(lock(&world.deftship).create(&world, shipper, service, shipments)))
}

async fn get_batch(
    extract::State(world): Shared,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let mut state = lock(&world.deftship);
    let batch = state.batch(&id)?;
    let query = json!(query);
    let mut faults = Faults::default();
    let status = faults.optional(&query, "", "status", Kind::OneOf(FILTERS)).and_then(Value::as_str);
    faults.into_result()?;
    // As in the framework, what is no page is the first one.
    let page = query["page"].as_str().and_then(|page| page.parse().ok()).filter(|page| *page > 0).unwrap_or(1);
    let detail = batch.detail(&world.origin, status, page);
    batch.looked_at();
    Ok(Success(detail))
}

async fn add_items(extract::State(world): Shared, Path(id): Path<String>, body: Body) -> Answer {
    let mut body = read(body);
    let mut faults = Faults::default();
    let shipments = Shipment::take(&mut body, &mut faults);
    let mut state = lock(&world.deftship);
    let batch = state.batch(&id)?;
    faults.into_result()?;
    batch.add(world.settings.seed, world.settings.reads, shipments).map(Success)
}

async fn remove_items(extract::State(world): Shared, Path(id): Path<String>, body: Body) -> Answer {
    const FIELD: &str = "batch_shipment_ids";
    let body = read(body);
    let mut faults = Faults::default();
    let ids = faults.required(&body, "", FIELD, Kind::List).and_then(Value::as_array);
    if ids.is_some_and(|ids| ids.len() > REMOVALS) {
        faults.add(FIELD, format!("The {FIELD} field must not have more than {REMOVALS} items."));
    }
    let mut known = HashSet::new();
    for (index, id) in ids.into_iter().flatten().enumerate() {
        match id.as_str() {
            Some(id) => {
                known.insert(id);
            }
            None => faults.add(format!("{FIELD}.{index}"), format!("The {FIELD}.{index} field must be a string.")),
        }
    }
    let mut state = lock(&world.deftship);
    let batch = state.batch(&id)?;
    faults.into_result()?;
    batch.remove(&known).map(Success)
}

async fn ship_batch(extract::State(world): Shared, Path(id): Path<String>) -> Answer {
    lock(&world.deftship).ship(&world, &id).map(Success)
}

async fn get_parcel(extract::State(world): Shared, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = id.parse().map_err(|_| no_parcel())?;
    lock(&world.deftship).show_parcel(&world.origin, id)
}

async fn get_parcel_by_tracking(
    extract::State(world): Shared,
    Path(tracking): Path<String>,
) -> Result<Response, Refusal> {
    let mut state = lock(&world.deftship);
    let id = state.parcels.id(&tracking).ok_or_else(no_parcel)?;
    state.show_parcel(&world.origin, id)
}

async fn merge_labels(extract::State(world): Shared, body: Body) -> Answer {
    let body = read(body);
    let mut faults = Faults::default();
    let ids = faults.required(&body, "", "ids", Kind::List).and_then(Value::as_array);
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    let mut state = lock(&world.deftship);
    for id in ids.into_iter().flatten() {
        match id.as_u64().filter(|id| state.parcel(*id).is_ok()) {
            Some(id) => known.push(id),
            None => unknown.push(id.to_string()),
        }
    }
    if !unknown.is_empty() {
        faults.add("ids", format!("No labels were found for: {}.", unknown.join(", ")));
    }
    faults.into_result()?;
    state.merged.push(known);
    Ok(Success(json!({"url": format!("{}/files/deftship/merged/{}.pdf", world.origin, state.merged.len())})))
}

async fn get_balance(extract::State(world): Shared) -> Success {
    let balance = balance(&lock(&world.ledger));
    Success(json!({"balance": with_thousands(balance), "currency": "USD"}))
}

async fn validate_address(body: Body) -> Answer {
    let address = read(body);
    let mut faults = Faults::default();
    for name in ADDRESS {
        match name {
            "street_1" | "zip" | "country" => faults.required(&address, "", name, Kind::Text),
            _ => faults.optional(&address, "", name, Kind::Text),
        };
    }
    if address["country"].as_str().is_some_and(needs_state) {
        faults.required(&address, "", "state", Kind::Text);
    }
    faults.into_result()?;
    let zip = address["zip"].as_str().unwrap_or_default();
    if address["country"] == "US" && !is_us_zip(zip) {
        return Ok(Success(json!({"status": "invalid", "data": []})));
    }
    let texts = ADDRESS.into_iter().filter(|name| address[*name].is_string());
    let mut suggested: Value = texts.map(|name| (name.to_owned(), address[name].clone())).collect();
    suggested["is_residential"] = true.into();
    Ok(Success(json!({"status": "valid", "data": [suggested]})))
}

/// Labels, to whoever has the address.
async fn get_file(extract::State(world): Shared, Path((folder, file)): Path<(String, String)>) -> Response {
    let labels = lock(&world.deftship).file(&folder, &file);
    match labels {
        Some(labels) => pdf(label::pdf(&labels)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl State {
    fn create(&mut self, world: &World, shipper: i64, service: String, shipments: Vec<Shipment>) -> Value {
        let seed = world.settings.seed;
        let id = serial(seed, "deftship batches", self.batches.len()).to_string();
        let shipper = serial(seed, &format!("deftship shipper {shipper}"), 0).to_string();
        let mut batch = Batch::new(id.clone(), service, shipper);
        batch.append(seed, world.settings.reads, shipments);
        let summary = batch.summary();
        self.batches.insert(id, batch);
        summary
    }

    fn batch(&mut self, id: &str) -> Result<&mut Batch, Refusal> {
        find(&mut self.batches, id)
    }

    /// The money call. State and ledger stay locked from the check to the last charge: of two calls one is refused.
    fn ship(&mut self, world: &World, id: &str) -> Result<Value, Refusal> {
        let batch = find(&mut self.batches, id)?;
        let (items, price) = batch.shippable()?;
        let mut ledger = lock(&world.ledger);
        if balance(&ledger) < price {
            return Err(Refusal::new(200, "The balance does not cover the batch."));
        }
        for (index, item) in items.iter_mut().enumerate().filter(|(_, item)| !item.shipment.is_undeliverable()) {
            ledger.charge(Vendor::Deftship, "", item.order(), item.price);
            let place = Place { batch: id.to_owned(), item: index };
            item.parcel = Some(self.parcels.buy(world.settings.seed, place, item.shipment.pieces().count()));
        }
        Ok(batch.process(world.settings.reads))
    }

    /// A parcel with its label, in its item and batch.
    fn parcel(&mut self, id: u64) -> Result<(&Batch, &Item, &Parcel), Refusal> {
        let place = self.parcels.place(id).ok_or_else(no_parcel)?;
        let batch = &*self.batch(&place.batch)?;
        if !batch.is_completed() {
            return Err(Refusal::new(422, "The shipment order is still being processed."));
        }
        let item = batch.items.get(place.item).ok_or_else(no_parcel)?;
        let parcel = item.parcel.as_ref().ok_or_else(no_parcel)?;
        Ok((batch, item, parcel))
    }

    fn show_parcel(&mut self, origin: &str, id: u64) -> Result<Response, Refusal> {
        let (batch, item, parcel) = self.parcel(id)?;
        let data = parcel::show(origin, batch, item, parcel);
        Ok(json(200, json!({"success": true, "message": "The label is ready.", "data": data})))
    }

    /// The labels in a file.
    fn file(&mut self, folder: &str, file: &str) -> Option<Vec<Vec<String>>> {
        let file = file.strip_suffix(".pdf")?;
        let ids = match folder {
            "parcels" | "customs" => vec![file.parse().ok()?],
            "merged" => self.merged.get(file.parse::<usize>().ok()?.checked_sub(1)?)?.clone(),
            batch => return self.batch(batch).ok()?.file(file.parse().ok()?),
        };
        let mut labels = Vec::new();
        for id in ids {
            labels.extend(self.parcel(id).ok()?.1.labels());
        }
        Some(labels)
    }
}

/// The batch, with the work done that was due.
fn find<'a>(batches: &'a mut HashMap<String, Batch>, id: &str) -> Result<&'a mut Batch, Refusal> {
    let batch = batches.get_mut(id).ok_or_else(|| Refusal::new(404, "There is no such batch."))?;
    batch.work();
    Ok(batch)
}

fn no_parcel() -> Refusal {
    Refusal::new(404, "There is no such shipment order.")
}

/// What is left of the credit: what the ledger does not know of was not spent.
fn balance(ledger: &Ledger) -> Decimal {
    let charges = ledger.charges().iter().filter(|charge| charge.vendor == Vendor::Deftship);
    charges.fold(Decimal::new(CREDIT, 2), |balance, charge| balance.saturating_sub(charge.amount))
}

/// An amount such as `99,725.40`.
fn with_thousands(amount: Decimal) -> String {
    let amount = format!("{amount:.2}");
    let (whole, cents) = amount.split_once('.').unwrap_or((&amount, "00"));
    let mut text = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text}.{cents}")
}

/// The nth of a run of eight-digit numbers that begins where the seed has it begin.
fn serial(seed: u64, name: &str, nth: usize) -> u64 {
    10_000_000 + number(seed, name) % 80_000_000 + nth as u64
}

#[cfg(test)]
mod tests;
