//! Booking batches: many shipments, booked in the background.
//!
//! Documented: the fields, the states and their order; only an open batch takes shipments, is dispatched (not empty) or
//! cancelled; cancelling takes along the shipments that are not booked. Inferred: a batch that begins to be processed
//! has settled half of its shipments; it is `failed` when the carrier took none of them, else `completed`; a cancelled
//! one stays to be read, as `cancelled`; adding is all or nothing, and is answered with the batch.

use std::sync::Arc;

use axum::{
    Router,
    extract::{self, Path, Request},
    response::Response,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    Answer, Errors, Query, Shelf, Shipment, Wait, key::write, look, now, order, page, shipment, state_filter, uuid,
};
use crate::sandbox::{Shared, World};

/// The states by which the list can be filtered. `cancelled` is none of them.
const STATES: [&str; 5] = ["open", "queued", "processing", "completed", "failed"];

pub(super) struct Batch {
    uuid: String,
    state: State,
    reference: Value,
    identifier: Value,
    /// The numbers of its shipments. Those that were deleted since are gone from the shelf.
    shipments: Vec<u64>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    wait: Wait,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Queued,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/team/{team}/booking-batches", get(list).post(create))
        .route("/team/{team}/booking-batches/{batch}", get(read).delete(cancel))
        .route("/team/{team}/booking-batches/{batch}/shipments", post(add))
        .route("/team/{team}/booking-batches/{batch}/dispatch", post(dispatch))
}

async fn list(extract::State(world): Shared, Path(team): Path<String>, query: Query) -> Answer {
    look(&world, &team, |team| {
        let state = state_filter(&query, &STATES)?;
        let wanted = |batch: &&Batch| state.is_none_or(|state| batch.state.name() == state);
        page(&query, team.batches.things.values().filter(wanted), |batch| batch.show(&team.shipments))
    })
}

async fn create(extract::State(world): Shared, Path(team): Path<String>, request: Request) -> Response {
    write(&world, &team, request, |team, call| {
        let body = order::object_of(&call.body)?;
        order::batch(&body)?;
        let name = &team.name;
        let batch = team.batches.put(|made| {
            let batch = Batch::new(uuid(world.settings.seed, &format!("{name}/batch/{made}")), &body);
            (batch.uuid.clone(), batch)
        });
        let mut shown = batch.show(&team.shipments);
        if let Some(shown) = shown.as_object_mut() {
            // The documented answer to this one call is without it.
            shown.remove("state");
        }
        Ok(Answer::data(201, shown))
    })
    .await
}

async fn read(extract::State(world): Shared, Path((team, batch)): Path<(String, String)>) -> Answer {
    look(&world, &team, |team| {
        let batch = team.batches.find(&batch)?;
        batch.advance(&world, &team.name, &mut team.shipments);
        Ok(Answer::data(200, batch.show(&team.shipments)))
    })
}

async fn add(extract::State(world): Shared, Path((team, batch)): Path<(String, String)>, request: Request) -> Response {
    write(&world, &team, request, |team, call| {
        team.batches.find(&batch)?.must_be_open()?;
        let orders = orders(&call.body)?;
        let numbers: Vec<u64> = orders.into_iter().map(|order| team.draft(&world, order).number).collect();
        let batch = team.batches.find(&batch)?;
        batch.shipments.extend(numbers);
        Ok(Answer::data(200, batch.show(&team.shipments)))
    })
    .await
}

async fn dispatch(
    extract::State(world): Shared,
    Path((team, batch)): Path<(String, String)>,
    request: Request,
) -> Response {
    write(&world, &team, request, |team, _| {
        let batch = team.batches.find(&batch)?;
        batch.must_be_open()?;
        if batch.members(&team.shipments).next().is_none() {
            return Err(Answer::problem(422, "The batch holds no shipments."));
        }
        batch.state = State::Queued;
        each(&batch.shipments, &mut team.shipments, |shipment| {
            if shipment.state() == shipment::State::Open {
                shipment.queue();
            }
        });
        Ok(Answer::data(200, batch.show(&team.shipments)))
    })
    .await
}

async fn cancel(
    extract::State(world): Shared,
    Path((team, batch)): Path<(String, String)>,
    request: Request,
) -> Response {
    write(&world, &team, request, |team, _| {
        let batch = team.batches.find(&batch)?;
        batch.must_be_open()?;
        batch.state = State::Cancelled;
        each(&batch.shipments, &mut team.shipments, Shipment::cancel);
        // No body is documented.
        Ok(Answer { status: 200, body: Value::Null })
    })
    .await
}

fn each(numbers: &[u64], shipments: &mut Shelf<Shipment>, mut work: impl FnMut(&mut Shipment)) {
    for number in numbers {
        if let Some(shipment) = shipments.things.get_mut(number) {
            work(shipment);
        }
    }
}

/// The shipments of a request to add some: all are good, or none is taken.
fn orders(body: &[u8]) -> Result<Vec<Value>, Answer> {
    let mut body = order::object_of(body)?;
    let Value::Array(orders) = body["data"].take() else {
        return Err(Errors::one("data", "must be an array"));
    };
    if orders.is_empty() {
        return Err(Errors::one("data", "must not be empty"));
    }
    let mut errors = Errors::default();
    for (index, order) in orders.iter().enumerate() {
        order::shipment(order, &format!("data.{index}."), &mut errors);
    }
    errors.none()?;
    Ok(orders)
}

impl Batch {
    fn new(uuid: String, request: &Value) -> Self {
        Self {
            uuid,
            state: State::Open,
            reference: request["reference"].clone(),
            identifier: request["identifier"].clone(),
            shipments: Vec::new(),
            created_at: now(),
            started_at: None,
            finished_at: None,
            wait: Wait::default(),
        }
    }

    fn must_be_open(&self) -> Result<(), Answer> {
        match self.state {
            State::Open => Ok(()),
            _ => Err(Answer::problem(422, "The batch is not open.")),
        }
    }

    fn members<'a>(&'a self, shipments: &'a Shelf<Shipment>) -> impl Iterator<Item = &'a Shipment> {
        self.shipments.iter().filter_map(|number| shipments.things.get(number))
    }

    /// Goes on with the work, if it was looked at often enough.
    fn advance(&mut self, world: &World, team: &str, shipments: &mut Shelf<Shipment>) {
        if !matches!(self.state, State::Queued | State::Processing) || !self.wait.over(world) {
            return;
        }
        // Some may have an end already, since shipments can be read and booked one by one, too: those keep it.
        let settle = |shipment: &mut Shipment| shipment.settle(world, team);
        if self.state == State::Queued {
            each(&self.shipments[..self.shipments.len() / 2], shipments, settle);
            self.state = State::Processing;
            self.started_at = Some(now());
        } else {
            each(&self.shipments, shipments, settle);
            let booked = self.count(shipments, shipment::State::Booked) > 0;
            self.state = if booked { State::Completed } else { State::Failed };
            self.finished_at = Some(now());
        }
    }

    fn count(&self, shipments: &Shelf<Shipment>, state: shipment::State) -> usize {
        self.members(shipments).filter(|shipment| shipment.state() == state).count()
    }

    /// Every field of the documented sample, and the state.
    fn show(&self, shipments: &Shelf<Shipment>) -> Value {
        let total = self.members(shipments).count();
        let completed = self.count(shipments, shipment::State::Booked);
        let failed = self.count(shipments, shipment::State::Failed);
        json!({
            "uuid": self.uuid,
            "state": self.state.name(),
            "reference": self.reference,
            "identifier": self.identifier,
            "total_count": total,
            "completed_count": completed,
            "failed_count": failed,
            "progress": (100 * (completed + failed)).checked_div(total).unwrap_or(0),
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        })
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{
        Sandbox,
        smartsend::tests::{Api, Reply, order, refused},
    };

    async fn batch(api: &Api, orders: &[Value]) -> String {
        let created = api.post("booking-batches", &json!({ "reference": "wave", "identifier": null })).await;
        let path = format!("booking-batches/{}", created.body["data"]["uuid"].as_str().unwrap());
        if !orders.is_empty() {
            assert_eq!(add(api, &path, orders).await.status, 200);
        }
        path
    }

    async fn add(api: &Api, path: &str, orders: &[Value]) -> Reply {
        api.post(&format!("{path}/shipments"), &json!({ "data": orders })).await
    }

    async fn dispatch(api: &Api, path: &str) -> Reply {
        api.post(&format!("{path}/dispatch"), &Value::Null).await
    }

    /// State, total, completed, failed and progress.
    fn standing(reply: &Reply) -> Value {
        let data = &reply.body["data"];
        let names = ["state", "total_count", "completed_count", "failed_count", "progress"];
        names.iter().map(|name| data[*name].clone()).collect()
    }

    async fn first_shipment(api: &Api) -> String {
        api.get("shipments").await.body["data"][0]["uuid"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_new_batch_is_empty_and_shows_no_state() {
        let api = Api::start().await;
        let reply = api.post("booking-batches", &json!({ "reference": "wave", "identifier": null })).await;
        assert_eq!(reply.status, 201);
        let mut data = reply.body["data"].clone();
        let (uuid, created) = (data["uuid"].take(), data["created_at"].take());
        assert!(uuid.is_string() && created.is_string());
        let expected = json!({
            "uuid": null, "reference": "wave", "identifier": null, "total_count": 0, "completed_count": 0,
            "failed_count": 0, "progress": 0, "created_at": null, "started_at": null, "finished_at": null,
        });
        assert_eq!(data, expected);
        assert_eq!(api.state(&format!("booking-batches/{}", uuid.as_str().unwrap())).await, "open");
    }

    #[tokio::test]
    async fn a_dispatched_batch_is_booked_as_it_is_read() {
        let api = Api::start().await;
        let path = batch(&api, &[order("A"), order("B"), refused("C"), order("D")]).await;
        assert_eq!(standing(&api.get(&path).await), json!(["open", 4, 0, 0, 0]));
        let dispatched = dispatch(&api, &path).await;
        assert_eq!((dispatched.status, standing(&dispatched)), (200, json!(["queued", 4, 0, 0, 0])));
        assert_eq!(api.get("shipments?state=queued").await.body["meta"]["total"], 4);

        assert_eq!(standing(&api.get(&path).await), json!(["queued", 4, 0, 0, 0]));
        let processing = api.get(&path).await;
        assert_eq!(standing(&processing), json!(["processing", 4, 2, 0, 50]));
        assert!(processing.body["data"]["started_at"].is_string() && processing.body["data"]["finished_at"].is_null());
        assert_eq!(api.charged(), ["A", "B"]);
        assert_eq!(standing(&api.get(&path).await), json!(["processing", 4, 2, 0, 50]));
        for _ in 0..2 {
            let ended = api.get(&path).await;
            assert_eq!(standing(&ended), json!(["completed", 4, 3, 1, 100]));
            assert!(ended.body["data"]["finished_at"].is_string());
        }
        assert_eq!(api.charged(), ["A", "B", "D"]);
        assert_eq!(api.get("booking-batches?state=completed").await.body["meta"]["total"], 1);
        assert_eq!(api.get("booking-batches?state=open").await.body["meta"]["total"], 0);
        assert_eq!(api.get("shipments?state=failed").await.body["data"][0]["identifier"], "C");
    }

    #[tokio::test]
    async fn a_batch_fails_when_nothing_was_booked() {
        let api = Api::of(Sandbox::builder().reads(0)).await;
        let path = batch(&api, &[refused("A")]).await;
        dispatch(&api, &path).await;
        assert_eq!(api.state(&path).await, "processing");
        assert_eq!(standing(&api.get(&path).await), json!(["failed", 1, 0, 1, 100]));
        assert!(api.charged().is_empty());
    }

    #[tokio::test]
    async fn only_an_open_batch_is_changed_and_only_a_full_one_dispatched() {
        let api = Api::start().await;
        let path = batch(&api, &[]).await;
        let empty = dispatch(&api, &path).await;
        assert_eq!((empty.status, &empty.body["message"]), (422, &json!("The batch holds no shipments.")));
        assert_eq!(api.state(&path).await, "open");

        add(&api, &path, &[order("A")]).await;
        assert_eq!(dispatch(&api, &path).await.status, 200);
        for reply in [dispatch(&api, &path).await, add(&api, &path, &[order("B")]).await, api.delete(&path).await] {
            assert_eq!((reply.status, &reply.body["message"]), (422, &json!("The batch is not open.")));
        }
    }

    #[tokio::test]
    async fn shipments_are_added_together_or_not_at_all() {
        let api = Api::start().await;
        let path = batch(&api, &[]).await;
        let mut bad = order("B");
        bad["parties"]["receiver"]["address"]["country"] = json!("Denmark");
        let reply = add(&api, &path, &[order("A"), bad]).await;
        assert_eq!(reply.complaints(), ["data.1.parties.receiver.address.country"]);
        assert_eq!(add(&api, &path, &[]).await.complaints(), ["data"]);
        assert_eq!(api.post(&format!("{path}/shipments"), &json!({})).await.complaints(), ["data"]);
        assert_eq!(standing(&api.get(&path).await), json!(["open", 0, 0, 0, 0]));
        assert_eq!(api.get("shipments").await.body["meta"]["total"], 0);
    }

    #[tokio::test]
    async fn cancelling_takes_along_what_is_not_booked() {
        let api = Api::start().await;
        let path = batch(&api, &[order("A"), order("B")]).await;
        api.book(&first_shipment(&api).await).await;
        let reply = api.delete(&path).await;
        assert_eq!((reply.status, &reply.body), (200, &Value::Null));
        assert_eq!(api.state(&path).await, "cancelled");
        assert_eq!(api.get("shipments?state=booked").await.body["data"][0]["identifier"], "A");
        let cancelled = api.get("shipments?state=cancelled").await.body["data"][0].clone();
        assert_eq!(cancelled["identifier"], "B");
        assert_eq!(api.book(cancelled["uuid"].as_str().unwrap()).await.status, 422);
        assert_eq!(api.charged(), ["A"]);
    }

    #[tokio::test]
    async fn what_was_booked_or_deleted_before_is_not_booked_by_the_batch() {
        let api = Api::of(Sandbox::builder().reads(0)).await;
        let path = batch(&api, &[order("A"), order("B"), order("C")]).await;
        let first = first_shipment(&api).await;
        api.delete(&format!("shipments/{first}")).await;
        api.book(&first_shipment(&api).await).await;
        dispatch(&api, &path).await;
        api.get(&path).await;
        assert_eq!(standing(&api.get(&path).await), json!(["completed", 2, 2, 0, 100]));
        assert_eq!(api.charged(), ["B", "C"]);
    }

    #[tokio::test]
    async fn a_shipment_of_a_batch_goes_on_when_it_is_read_itself() {
        let api = Api::of(Sandbox::builder().reads(0)).await;
        let path = batch(&api, &[order("A")]).await;
        dispatch(&api, &path).await;
        assert_eq!(api.state(&format!("shipments/{}", first_shipment(&api).await)).await, "booked");
        api.get(&path).await;
        assert_eq!(standing(&api.get(&path).await), json!(["completed", 1, 1, 0, 100]));
        assert_eq!(api.charged(), ["A"]);
    }

    #[tokio::test]
    async fn a_thousand_orders_fit_one_batch() {
        let api = Api::of(Sandbox::builder().reads(0)).await;
        let orders: Vec<Value> = (0..1000).map(|index| order(&format!("O-{index}"))).collect();
        let path = batch(&api, &orders).await;
        dispatch(&api, &path).await;
        api.get(&path).await;
        assert_eq!(standing(&api.get(&path).await), json!(["completed", 1000, 1000, 0, 100]));
        let page = api.get("shipments?state=booked&per_page=1000").await;
        assert_eq!(page.body["data"].as_array().unwrap().len(), 1000);
        assert_eq!((api.sandbox.ledger().orders(), api.sandbox.ledger().charged_twice()), (1000, 0));
    }
}
