//! Batches: quotes that are booked in one call.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use axum::{
    extract::{self, Path, Query},
    response::Response,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sandbox::{Shared, World, json as answer, label, lock};

use super::{Answer, CATEGORY, MOST, Payload, Refusal, State, belongs, id, next, now, quote::Quote, stamp, whole};

/// The longest name of a batch, in characters.
const LONGEST_NAME: usize = 255;

/// Quotes under a name.
#[derive(Debug)]
pub(super) struct Batch {
    customer: String,
    name: String,
    status: Status,
    quotes: Vec<u64>,
    booked: usize,
    errors: usize,
    created: Timestamp,
    updated: Timestamp,
    processed: Option<Timestamp>,
}

/// Nothing leads back to `Open`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    Open,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

/// What a booking came to.
#[derive(Default)]
struct Outcome {
    results: Vec<Value>,
    labels: Vec<Vec<String>>,
    balance: String,
}

pub(super) async fn create(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Payload(body): Payload,
) -> Answer<Response> {
    let name = body["name"].as_str().ok_or_else(|| Refusal::new(422, "name must be a string."))?.to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Refusal::new(400, format!("name must have 1 to {LONGEST_NAME} characters.")));
    }
    let asked = quote_ids(&body)?;
    let mut state = lock(&world.xps);
    let quotes = admissible(&state.quotes, &customer, None, &asked)?;
    let id = next(&mut state.last_batch, world.settings.seed, "xps batch", 100);
    let now = now();
    let (created, updated) = (now, now);
    let status = Status::Open;
    let batch =
        Batch { customer, name, status, quotes: vec![], booked: 0, errors: 0, created, updated, processed: None };
    state.batches.insert(id, batch);
    state.assign(id, &quotes);
    Ok(answer(201, state.summary(id)))
}

pub(super) async fn list(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer<Response> {
    let page = whole(&query, "page", 1, i32::MAX as usize)?;
    let limit = whole(&query, "limit", 25, 100)?;
    let state = lock(&world.xps);
    let own: Vec<_> = state.batches.iter().filter(|(_, batch)| batch.customer == customer).collect();
    let shown = own.iter().skip((page - 1).saturating_mul(limit)).take(limit);
    let batches: Vec<Value> = shown.map(|(id, batch)| batch.summary(**id)).collect();
    Ok(answer(200, json!({ "batches": batches, "total": own.len(), "page": page, "limit": limit })))
}

pub(super) async fn get(
    extract::State(world): Shared,
    Path((customer, batch)): Path<(String, String)>,
) -> Answer<Response> {
    let id = id(&batch)?;
    let state = lock(&world.xps);
    let batch = find(&state.batches, &customer, id)?;
    let quotes: Vec<Value> = state
        .quotes_of(batch)
        .map(|(id, quote)| quote.json(id, quote.booked.and_then(|number| state.shipments.get(&number))))
        .collect();
    let mut body = batch.summary(id);
    body["quotes"] = quotes.into();
    Ok(answer(200, body))
}

pub(super) async fn delete(
    extract::State(world): Shared,
    Path((customer, batch)): Path<(String, String)>,
) -> Answer<Response> {
    let id = id(&batch)?;
    let mut state = lock(&world.xps);
    if find(&state.batches, &customer, id)?.status == Status::Processing {
        return Err(Refusal::new(422, "The batch is being processed."));
    }
    let batch = state.batches.remove(&id);
    for quote in batch.iter().flat_map(|batch| &batch.quotes) {
        if let Some(quote) = state.quotes.get_mut(quote) {
            quote.batch = None;
            // It may come into a batch that has yet to be booked, and such a batch has no errors.
            quote.error = None;
        }
    }
    Ok(answer(200, json!({ "ok": true })))
}

pub(super) async fn add(
    extract::State(world): Shared,
    Path((customer, batch)): Path<(String, String)>,
    Payload(body): Payload,
) -> Answer<Response> {
    let id = id(&batch)?;
    let asked = quote_ids(&body)?;
    if asked.is_empty() {
        return Err(Refusal::new(422, "quoteIds must have at least one entry."));
    }
    let mut state = lock(&world.xps);
    let batch = find(&state.batches, &customer, id)?;
    batch.must_be_open(400)?;
    let quotes = admissible(&state.quotes, &customer, Some(id), &asked)?;
    if batch.quotes.len() + quotes.len() > MOST {
        return Err(Refusal::new(400, format!("The batch would have more than {MOST} quotes.")));
    }
    state.assign(id, &quotes);
    Ok(answer(200, state.summary(id)))
}

pub(super) async fn remove(
    extract::State(world): Shared,
    Path((customer, batch, quote)): Path<(String, String, String)>,
) -> Answer<Response> {
    let (id, quote) = (id(&batch)?, id(&quote)?);
    let mut guard = lock(&world.xps);
    let state = &mut *guard;
    let batch = find_mut(&mut state.batches, &customer, id)?;
    let removed = state.quotes.get_mut(&quote).ok_or_else(|| Refusal::new(404, "The quote does not exist."))?;
    belongs(&removed.customer, &customer)?;
    batch.must_be_open(422)?;
    if removed.batch != Some(id) {
        return Err(Refusal::new(422, "The quote is not in this batch."));
    }
    removed.batch = None;
    batch.quotes.retain(|other| *other != quote);
    batch.updated = now();
    Ok(answer(200, json!({ "ok": true })))
}

pub(super) async fn errors(
    extract::State(world): Shared,
    Path((customer, batch)): Path<(String, String)>,
) -> Answer<Response> {
    let state = lock(&world.xps);
    let batch = find(&state.batches, &customer, id(&batch)?)?;
    let errors: Vec<Value> = state
        .quotes_of(batch)
        .filter_map(|(id, quote)| quote.error.map(|error| json!({ "quoteId": id, "bookingError": error })))
        .collect();
    Ok(answer(200, json!({ "errors": errors })))
}

pub(super) async fn labels(
    extract::State(world): Shared,
    Path((customer, batch)): Path<(String, String)>,
) -> Answer<Response> {
    let labels: Vec<_> = {
        let state = lock(&world.xps);
        let batch = find(&state.batches, &customer, id(&batch)?)?;
        let booked = state.quotes_of(batch).filter_map(|(_, quote)| quote.booked);
        booked.filter_map(|number| Some(state.shipments.get(&number)?.label())).collect()
    };
    if labels.is_empty() {
        return Err(Refusal::new(422, "The batch has no booked shipments."));
    }
    Ok(answer(200, json!({ "labelsPdf": encoded(&labels) })))
}

pub(super) async fn cancel(
    extract::State(world): Shared,
    Path((customer, batch)): Path<(String, String)>,
) -> Answer<Response> {
    let id = id(&batch)?;
    let mut state = lock(&world.xps);
    let batch = find_mut(&mut state.batches, &customer, id)?;
    batch.must_be_open(422)?;
    batch.status = Status::Cancelled;
    batch.updated = now();
    Ok(answer(200, batch.summary(id)))
}

/// The money call. Whoever finds the batch open under the lock is the one who books it.
pub(super) async fn book(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Payload(body): Payload,
) -> Answer<Response> {
    let id = body["batchId"].as_u64().ok_or_else(|| Refusal::new(422, "batchId must be a whole number."))?;
    lock(&world.xps).begin(&customer, id)?;
    // A task of its own: the vendor goes on when the caller hangs up, while axum drops this future.
    match tokio::spawn(carry_out(world, customer, id)).await {
        Ok(body) => Ok(answer(200, body)),
        Err(_) => Err(Refusal::new(500, "An unexpected error occurred.")),
    }
}

async fn carry_out(world: Arc<World>, customer: String, id: u64) -> Value {
    if !world.settings.latency.is_zero() {
        tokio::time::sleep(world.settings.latency).await;
    }
    let outcome = lock(&world.xps).carry_out(&world, &customer, id);
    let mut body = json!({ "results": outcome.results, "labelsPdf": encoded(&outcome.labels) });
    if !outcome.labels.is_empty() {
        body["prepayBalance"] = outcome.balance.into();
    }
    body
}

impl State {
    fn begin(&mut self, customer: &str, id: u64) -> Answer<()> {
        let batch = find_mut(&mut self.batches, customer, id)?;
        batch.must_be_open(422)?;
        if batch.quotes.is_empty() {
            return Err(Refusal::new(422, "The batch has no quotes."));
        }
        batch.status = Status::Processing;
        batch.updated = now();
        Ok(())
    }

    /// Books each quote on its own.
    fn carry_out(&mut self, world: &World, customer: &str, id: u64) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(quotes) = self.batches.get(&id).map(|batch| batch.quotes.clone()) else { return outcome };
        for id in &quotes {
            let Some(order) = self.quotes.get(id).map(|quote| quote.order.clone()) else { continue };
            let (entry, booked, error) = match self.buy(world, customer, order, Some(*id)) {
                Ok(shipment) => {
                    outcome.labels.push(shipment.label());
                    let mut entry = shipment.receipt();
                    entry["quoteId"] = (*id).into();
                    entry["status"] = "success".into();
                    (entry, Some(shipment.number), None)
                }
                Err(error) => {
                    let entry = json!({ "quoteId": id, "status": "error", "error": error, "errorCategory": CATEGORY });
                    (entry, None, Some(error))
                }
            };
            outcome.results.push(entry);
            if let Some(quote) = self.quotes.get_mut(id) {
                (quote.booked, quote.error) = (booked, error);
            }
        }
        outcome.balance = self.balance(customer).to_string();
        if let Some(batch) = self.batches.get_mut(&id) {
            batch.finish(outcome.labels.len());
        }
        outcome
    }

    /// Puts quotes into a batch.
    fn assign(&mut self, id: u64, quotes: &[u64]) {
        let Some(batch) = self.batches.get_mut(&id) else { return };
        batch.quotes.extend(quotes);
        batch.updated = now();
        for quote in quotes {
            if let Some(quote) = self.quotes.get_mut(quote) {
                quote.batch = Some(id);
            }
        }
    }

    fn summary(&self, id: u64) -> Value {
        self.batches.get(&id).map(|batch| batch.summary(id)).unwrap_or_default()
    }

    fn quotes_of(&self, batch: &Batch) -> impl Iterator<Item = (u64, &Quote)> {
        batch.quotes.iter().filter_map(|id| Some((*id, self.quotes.get(id)?)))
    }
}

impl Batch {
    fn summary(&self, id: u64) -> Value {
        json!({
            "batchId": id,
            "name": self.name,
            "status": self.status.name(),
            "quoteCount": self.quotes.len(),
            "bookedCount": self.booked,
            "errorCount": self.errors,
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
            "processedAt": self.processed.map(stamp),
        })
    }

    /// The vendor documents 400 for this in one place and 422 in the others.
    fn must_be_open(&self, otherwise: u16) -> Answer<()> {
        if self.status == Status::Open {
            Ok(())
        } else {
            Err(Refusal::new(otherwise, format!("The batch is {}, not open.", self.status.name())))
        }
    }

    fn finish(&mut self, booked: usize) {
        self.booked = booked;
        self.errors = self.quotes.len() - booked;
        self.status = if booked > 0 { Status::Completed } else { Status::Failed };
        self.updated = now();
        self.processed = Some(self.updated);
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

fn find<'a>(batches: &'a BTreeMap<u64, Batch>, customer: &str, id: u64) -> Answer<&'a Batch> {
    let batch = batches.get(&id).ok_or_else(unknown)?;
    belongs(&batch.customer, customer)?;
    Ok(batch)
}

fn find_mut<'a>(batches: &'a mut BTreeMap<u64, Batch>, customer: &str, id: u64) -> Answer<&'a mut Batch> {
    let batch = batches.get_mut(&id).ok_or_else(unknown)?;
    belongs(&batch.customer, customer)?;
    Ok(batch)
}

fn unknown() -> Refusal {
    Refusal::new(404, "The batch does not exist.")
}

/// The quotes that a request names; none if it has no such field.
fn quote_ids(body: &Value) -> Answer<Vec<u64>> {
    let asked = match &body["quoteIds"] {
        Value::Null => Some(vec![]),
        Value::Array(ids) => ids.iter().map(Value::as_u64).collect(),
        _ => None,
    };
    let asked = asked.ok_or_else(|| Refusal::new(422, "quoteIds must be an array of whole numbers."))?;
    if asked.len() > MOST {
        return Err(Refusal::new(400, format!("quoteIds must not have more than {MOST} entries.")));
    }
    Ok(asked)
}

/// Those of the quotes that are not in this batch yet, each once; or, as it is all or nothing, why there are none.
fn admissible(quotes: &HashMap<u64, Quote>, customer: &str, batch: Option<u64>, asked: &[u64]) -> Answer<Vec<u64>> {
    let (mut new, mut seen) = (vec![], HashSet::new());
    for id in asked {
        let quote = quotes.get(id).ok_or_else(|| Refusal::new(400, format!("The quote {id} was not found.")))?;
        belongs(&quote.customer, customer)?;
        if quote.booked.is_some() {
            return Err(Refusal::new(400, format!("The quote {id} is not active.")));
        }
        match quote.batch {
            None if seen.insert(*id) => new.push(*id),
            Some(other) if Some(other) != batch => {
                return Err(Refusal::new(400, format!("The quote {id} is in another batch.")));
            }
            _ => {}
        }
    }
    Ok(new)
}

/// One PDF in base64; nothing where there is no label.
fn encoded(labels: &[Vec<String>]) -> String {
    if labels.is_empty() { String::new() } else { BASE64_STANDARD.encode(label::pdf(labels)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lopdf::Document;
    use rust_decimal::Decimal;

    use super::*;
    use crate::sandbox::{
        Sandbox,
        xps::tests::{Api, refused, shipment},
    };

    /// What text each page of a PDF in base64 has.
    fn pages(base64: &Value) -> Vec<String> {
        let pdf = Document::load_mem(&BASE64_STANDARD.decode(base64.as_str().unwrap()).unwrap()).unwrap();
        pdf.get_pages().keys().map(|page| pdf.extract_text(&[*page]).unwrap()).collect()
    }

    async fn batch(api: &Api, quotes: &[u64]) -> u64 {
        let (status, batch) = api.post("batch", json!({ "name": "wave", "quoteIds": quotes })).await;
        assert_eq!((status, &batch["status"]), (201, &json!("open")), "{batch}");
        batch["batchId"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn a_batch_books_each_quote_on_its_own() {
        let api = Api::start(Sandbox::builder()).await;
        let mut bad = shipment("order-2");
        bad["receiver"]["zip"] = "00000".into();
        let mut unnamed = shipment("");
        unnamed.as_object_mut().unwrap().remove("shipmentReference");
        let quotes = api.quote(vec![shipment("order-1"), bad, unnamed]).await;
        let id = batch(&api, &quotes).await;

        let (status, body) = api.post("batch-book", json!({ "batchId": id })).await;
        assert_eq!(status, 200);
        let results = body["results"].as_array().unwrap();
        assert_eq!(results.iter().map(|result| result["quoteId"].as_u64().unwrap()).collect::<Vec<_>>(), quotes);
        let first = &results[0];
        assert_eq!((&first["status"], &first["lastMileTrackingNumber"]), (&json!("success"), &json!("")));
        assert!(first["bookNumber"].as_str().unwrap().parse::<u64>().is_ok());
        assert!(first["trackingNumber"].as_str().unwrap().starts_with("1Z"));
        assert!(first["zone"].is_string());
        assert!(first.get("error").is_none());
        let error = json!({ "quoteId": quotes[1], "status": "error", "error": "The carrier refused the address.",
            "errorCategory": "INVALID_REQUEST" });
        assert_eq!(results[1], error);

        let printed = pages(&body["labelsPdf"]);
        assert_eq!(printed.len(), 2);
        for text in ["order-1", first["trackingNumber"].as_str().unwrap(), "Ada Receiver", "Salt Lake City"] {
            assert!(printed[0].contains(text), "{text}: {}", printed[0]);
        }
        assert!(printed[1].contains(results[2]["trackingNumber"].as_str().unwrap()));
        assert_eq!(api.get(&format!("batch/{id}/labels")).await, (200, json!({ "labelsPdf": body["labelsPdf"] })));

        let ledger = api.sandbox.ledger();
        let charged: Vec<_> = ledger.charges().iter().map(|charge| charge.order.clone()).collect();
        assert_eq!(charged, ["order-1".to_owned(), format!("quote-{}", quotes[2])]);
        assert!(ledger.charges().iter().all(|charge| charge.account == "TEST00002"));
        let cost = |result: &Value| result["totalShippingCost"].as_str().unwrap().parse::<Decimal>().unwrap();
        assert_eq!(ledger.charges()[0].amount, cost(first));
        let left = Decimal::new(100_000_000, 2) - cost(first) - cost(&results[2]);
        assert_eq!(body["prepayBalance"], left.to_string());

        let (_, read) = api.get(&format!("batch/{id}")).await;
        let counts = ["quoteCount", "bookedCount", "errorCount"].map(|field| read[field].as_u64().unwrap());
        assert_eq!((read["status"].as_str().unwrap(), counts), ("completed", [3, 2, 1]));
        assert_eq!(read["processedAt"], read["updatedAt"]);
        let [booked, failed] = [&read["quotes"][0], &read["quotes"][1]];
        assert_eq!((&booked["status"], &booked["bookingError"]), (&json!("booked"), &Value::Null));
        assert_eq!(booked["bookNumber"], first["bookNumber"]);
        assert_eq!(booked["trackingNumber"], first["trackingNumber"]);
        assert_eq!(booked["totalAmount"], first["totalShippingCost"]);
        assert_eq!((&failed["status"], &failed["bookNumber"]), (&json!("active"), &Value::Null));
        let errors =
            json!({ "errors": [{ "quoteId": quotes[1], "bookingError": "The carrier refused the address." }] });
        assert_eq!(failed["bookingError"], errors["errors"][0]["bookingError"]);
        assert_eq!(api.get(&format!("batch/{id}/errors")).await, (200, errors));

        refused(api.post("batch-book", json!({ "batchId": id })).await, 422, "completed");
        assert_eq!(api.sandbox.ledger().charges().len(), 2);
    }

    #[tokio::test]
    async fn a_batch_without_a_success_has_failed() {
        let api = Api::start(Sandbox::builder()).await;
        let mut dear = shipment("order-1");
        dear["pieces"][0]["insuranceAmount"] = "100000000".into();
        let quotes = api.quote(vec![dear]).await;
        let id = batch(&api, &quotes).await;
        let (status, body) = api.post("batch-book", json!({ "batchId": id })).await;
        let error = json!({ "quoteId": quotes[0], "status": "error", "error": "Insufficient prepay balance",
            "errorCategory": "INVALID_REQUEST" });
        assert_eq!((status, body), (200, json!({ "results": [error], "labelsPdf": "" })));
        assert_eq!(api.get(&format!("batch/{id}")).await.1["status"], "failed");
        refused(api.get(&format!("batch/{id}/labels")).await, 422, "no booked");
        assert_eq!(api.sandbox.ledger().orders(), 0);
    }

    #[tokio::test]
    async fn of_two_bookings_at_once_one_is_refused() {
        let api = Api::start(Sandbox::builder().latency(Duration::from_millis(50))).await;
        let quotes = api.quote((0..20).map(|n| shipment(&format!("order-{n}"))).collect()).await;
        let body = json!({ "batchId": batch(&api, &quotes).await });
        let (one, two) = tokio::join!(api.post("batch-book", body.clone()), api.post("batch-book", body.clone()));
        let (won, lost) = if one.0 == 200 { (one, two) } else { (two, one) };
        assert_eq!(won.0, 200);
        refused(lost, 422, "not open");
        let ledger = api.sandbox.ledger();
        assert_eq!((ledger.charges().len(), ledger.orders(), ledger.charged_twice()), (20, 20, 0));
    }

    #[tokio::test]
    async fn booking_is_seen_at_work_and_goes_on_without_its_caller() {
        let latency = Duration::from_millis(400);
        let api = Api::start(Sandbox::builder().latency(latency)).await;
        let quotes = api.quote(vec![shipment("order-1")]).await;
        let id = batch(&api, &quotes).await;
        let body = json!({ "batchId": id });
        let hang_up = tokio::time::timeout(latency * 3 / 4, api.post("batch-book", body));
        let seen = async {
            tokio::time::sleep(latency / 2).await;
            api.get(&format!("batch/{id}")).await.1
        };
        let (answer, seen) = tokio::join!(hang_up, seen);
        assert!(answer.is_err());
        assert_eq!((&seen["status"], &seen["processedAt"]), (&json!("processing"), &Value::Null));
        assert_eq!(seen["quotes"][0]["status"], "active");
        tokio::time::sleep(latency).await;
        assert_eq!(api.get(&format!("batch/{id}")).await.1["status"], "completed");
        assert_eq!(api.sandbox.ledger().orders(), 1);
    }

    #[tokio::test]
    async fn what_is_processing_is_not_deleted() {
        let latency = Duration::from_millis(400);
        let api = Api::start(Sandbox::builder().latency(latency)).await;
        let quotes = api.quote(vec![shipment("order-1")]).await;
        let id = batch(&api, &quotes).await;
        let delete = async {
            tokio::time::sleep(latency / 2).await;
            api.delete(&format!("batch/{id}")).await
        };
        let (booked, deleted) = tokio::join!(api.post("batch-book", json!({ "batchId": id })), delete);
        assert_eq!(booked.0, 200);
        refused(deleted, 422, "processed");
    }

    #[tokio::test]
    async fn a_batch_is_created_with_good_quotes_or_not_at_all() {
        let api = Api::start(Sandbox::builder()).await;
        let quotes = api.quote(vec![shipment("order-1"), shipment("order-2")]).await;
        let create =
            async |name: &str, quotes: Value| api.post("batch", json!({ "name": name, "quoteIds": quotes })).await;
        refused(api.post("batch", json!({ "quoteIds": quotes })).await, 422, "name");
        refused(create("", json!([])).await, 400, "name");
        refused(create(&"n".repeat(256), json!([])).await, 400, "name");
        refused(create("wave", json!(["1"])).await, 422, "quoteIds");
        refused(create("wave", json!(vec![quotes[0]; 501])).await, 400, "500");
        refused(create("wave", json!([quotes[0], 1])).await, 400, "not found");
        let other = api.of("OTHER");
        refused(other.post("batch", json!({ "name": "wave", "quoteIds": quotes })).await, 403, "another customer");

        let (status, first) = create(&"å".repeat(255), json!([quotes[0], quotes[0]])).await;
        assert_eq!((status, &first["quoteCount"], &first["processedAt"]), (201, &json!(1), &Value::Null));
        refused(create("wave", json!([quotes[1], quotes[0]])).await, 400, "another batch");
        // So the second quote was not put into a batch by the call that failed.
        assert_eq!(create("wave", json!([quotes[1]])).await.0, 201);
        assert_eq!(api.get("batch").await.1["total"], 2);
    }

    #[tokio::test]
    async fn quotes_are_added_and_removed_while_the_batch_is_open() {
        let api = Api::start(Sandbox::builder()).await;
        let quotes = api.quote((0..3).map(|n| shipment(&format!("order-{n}"))).collect()).await;
        let (id, full) = (batch(&api, &[]).await, batch(&api, &quotes[2..]).await);
        let path = format!("batch/{id}/quotes");
        let add = async |quotes: &[u64]| api.post(&path, json!({ "quoteIds": quotes })).await;
        refused(api.post("batch-book", json!({ "batchId": id })).await, 422, "no quotes");
        refused(api.post("batch/1/quotes", json!({ "quoteIds": quotes })).await, 404, "batch");
        refused(add(&[]).await, 422, "quoteIds");
        refused(add(&[quotes[0], 1]).await, 400, "not found");
        refused(add(&[quotes[0], quotes[2]]).await, 400, "another batch");
        let others = api.of("OTHER").quote(vec![shipment("order-9")]).await;
        refused(add(&others).await, 403, "another customer");
        assert_eq!(add(&quotes[..2]).await.1["quoteCount"], 2);
        assert_eq!(add(&quotes[..1]).await.1["quoteCount"], 2, "what is in this batch stays in it");

        let remove = async |batch: u64, quote: u64| api.delete(&format!("batch/{batch}/quotes/{quote}")).await;
        refused(remove(1, quotes[0]).await, 404, "batch");
        refused(remove(id, 1).await, 404, "quote");
        refused(remove(id, quotes[2]).await, 422, "not in this batch");
        assert_eq!(remove(id, quotes[0]).await, (200, json!({ "ok": true })));
        refused(remove(id, quotes[0]).await, 422, "not in this batch");
        let more = api.quote((0..499).map(|n| shipment(&format!("more-{n}"))).collect()).await;
        assert_eq!(add(&more).await.1["quoteCount"], 500);
        refused(add(&quotes[..1]).await, 400, "more than 500");

        assert_eq!(api.post("batch-book", json!({ "batchId": full })).await.0, 200);
        refused(add(&quotes[2..]).await, 400, "not active");
        refused(remove(full, quotes[2]).await, 422, "not open");
        refused(api.post(&format!("batch/{full}/quotes"), json!({ "quoteIds": quotes })).await, 400, "not open");
    }

    #[tokio::test]
    async fn cancelling_keeps_the_quotes_and_deleting_frees_them() {
        let api = Api::start(Sandbox::builder()).await;
        let mut bad = shipment("order-2");
        bad["receiver"]["zip"] = "00000".into();
        let quotes = api.quote(vec![shipment("order-1"), bad]).await;
        let id = batch(&api, &quotes).await;
        let (status, cancelled) = api.post(&format!("batch/{id}/cancel"), Value::Null).await;
        assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
        assert_eq!((&cancelled["quoteCount"], &cancelled["processedAt"]), (&json!(2), &Value::Null));
        refused(api.post(&format!("batch/{id}/cancel"), Value::Null).await, 422, "cancelled");
        refused(api.post("batch-book", json!({ "batchId": id })).await, 422, "cancelled");
        refused(api.post("batch", json!({ "name": "again", "quoteIds": quotes })).await, 400, "another batch");

        assert_eq!(api.delete(&format!("batch/{id}")).await, (200, json!({ "ok": true })));
        refused(api.delete(&format!("batch/{id}")).await, 404, "batch");
        let id = batch(&api, &quotes).await;
        assert_eq!(api.post("batch-book", json!({ "batchId": id })).await.0, 200);
        assert_eq!(api.delete(&format!("batch/{id}")).await.0, 200);
        refused(api.post("batch", json!({ "name": "again", "quoteIds": quotes })).await, 400, "not active");
        let id = batch(&api, &quotes[1..]).await;
        assert_eq!(api.get(&format!("batch/{id}/errors")).await, (200, json!({ "errors": [] })));
    }

    #[tokio::test]
    async fn batches_are_listed_by_pages_and_are_the_customers_own() {
        let api = Api::start(Sandbox::builder()).await;
        let mut ids = vec![];
        for _ in 0..3 {
            ids.push(batch(&api, &[]).await);
        }
        let (status, page) = api.get("batch?page=2&limit=2").await;
        assert_eq!(status, 200);
        assert_eq!(page["batches"].as_array().unwrap().len(), 1);
        assert_eq!(page["batches"][0]["batchId"], ids[2]);
        assert!(page["batches"][0].get("quotes").is_none());
        assert_eq!((&page["total"], &page["page"], &page["limit"]), (&json!(3), &json!(2), &json!(2)));
        assert_eq!(api.get("batch").await.1["limit"], 25);
        for wrong in ["page=0", "limit=0", "limit=101", "limit=x"] {
            refused(api.get(&format!("batch?{wrong}")).await, 422, "whole number");
        }
        let other = api.of("OTHER");
        assert_eq!(other.get("batch").await.1["total"], 0);
        let path = format!("batch/{}", ids[0]);
        refused(other.get(&path).await, 403, "another customer");
        refused(other.get(&format!("{path}/errors")).await, 403, "another customer");
        refused(other.get(&format!("{path}/labels")).await, 403, "another customer");
        refused(other.post(&format!("{path}/cancel"), Value::Null).await, 403, "another customer");
        refused(other.delete(&path).await, 403, "another customer");
        refused(other.post("batch-book", json!({ "batchId": ids[0] })).await, 403, "another customer");
        refused(api.post("batch-book", json!({ "batchId": 1 })).await, 404, "batch");
        refused(api.post("batch-book", json!({ "batchId": "1" })).await, 422, "batchId");
        refused(api.get("batch/x").await, 404, "not exist");
    }
}
