//! Smart Send's API v2, after openapi/smartsend.yaml and vendor/smartsend.md.
//!
//! Documented: paths and fields, idempotency, the filters and pages of lists, the states and their order, 422 for a
//! batch that is empty or not open. Inferred, because the pages are silent: the error bodies (v1's `message` and
//! `errors`), which fields are required, and every rule of a booking that fails. What goes on in the background shows
//! after `reads` GETs of the thing itself have shown the state before; lists are not counted. A test makes a bad order
//! with a receiver's `country` that is not two capital letters (refused when created, 422), or with the receiver's
//! `postal_code` "00000" (created, but the carrier refuses to book it: 422, and the shipment is `failed`).

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{World, authorized, lock, number};

mod batch;
mod key;
mod order;
mod shipment;

use batch::Batch;
use key::Keys;
use order::Errors;
use shipment::Shipment;

const REQUEST_ID: &str = "request-id";

/// All teams. One springs up when it is first named: a team is a token's business, and the sandbox has one token.
#[derive(Default)]
pub(super) struct State {
    teams: HashMap<String, Team>,
}

/// Everything that belongs to one team.
#[derive(Default)]
struct Team {
    name: String,
    shipments: Shelf<Shipment>,
    batches: Shelf<Batch>,
    keys: Keys,
}

/// Things in the order in which they were made, found by uuid.
struct Shelf<T> {
    made: u64,
    numbers: HashMap<String, u64>,
    things: BTreeMap<u64, T>,
}

/// What a request is answered with: kept for its key, then sent.
#[derive(Clone)]
struct Answer {
    status: u16,
    /// Null for an answer without a body.
    body: Value,
}

/// An answer either way; a refusal ends the work at once.
type Verdict = Result<Answer, Answer>;

/// Counts the reads of something that goes on in the background.
#[derive(Default)]
struct Wait(u32);

type Query = axum::extract::Query<HashMap<String, String>>;

pub(super) fn routes() -> Router<Arc<World>> {
    shipment::routes()
        .merge(batch::routes())
        .fallback(|| async { Answer::problem(404, "Not found.") })
        .method_not_allowed_fallback(|| async { Answer::problem(405, "The method is not allowed here.") })
        .layer(middleware::from_fn(admit))
        // Last, and so outside the layer: links to documents are signed and need no token.
        .merge(shipment::documents())
}

/// What holds for every call: the token, and the caller's mark, which the answer repeats.
async fn admit(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    if id.as_ref().is_some_and(|id| !legal(id.as_bytes(), 1..=128)) {
        return Errors::one("Request-ID", "must be 1 to 128 letters, digits, dots, dashes or underscores")
            .into_response();
    }
    let mut response = if authorized(request.headers(), "Bearer") {
        next.run(request).await
    } else {
        Answer::problem(401, "Unauthenticated.").into_response()
    };
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Whether a header's value is made of the characters that ids and keys may have.
fn legal(value: &[u8], length: RangeInclusive<usize>) -> bool {
    length.contains(&value.len()) && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// Answers a read.
fn look(world: &World, team: &str, work: impl FnOnce(&mut Team) -> Verdict) -> Answer {
    work(lock(&world.smartsend).team(team)).unwrap_or_else(|refusal| refusal)
}

/// One page of a list.
fn page<'a, T: 'a>(query: &Query, things: impl Iterator<Item = &'a T>, show: impl Fn(&T) -> Value) -> Verdict {
    let mut errors = Errors::default();
    let mut count = |name: &str, default: usize, most: usize| match query.get(name).map(|text| text.parse()) {
        None => default,
        Some(Ok(count)) if (1..=most).contains(&count) => count,
        Some(_) => {
            errors.add(name, &format!("must be an integer from 1 to {most}"));
            default
        }
    };
    let page = count("page", 1, i32::MAX as usize);
    let per_page = count("per_page", 100, 1000);
    errors.none()?;

    let things: Vec<&T> = things.collect();
    let from = (page - 1).saturating_mul(per_page);
    let data: Vec<Value> = things.iter().skip(from).take(per_page).map(|thing| show(thing)).collect();
    let meta = json!({
        "current_page": page,
        "per_page": per_page,
        "total": things.len(),
        "last_page": things.len().div_ceil(per_page).max(1),
        "from": (!data.is_empty()).then_some(from + 1),
        "to": (!data.is_empty()).then_some(from + data.len()),
    });
    Ok(Answer { status: 200, body: json!({ "data": data, "meta": meta }) })
}

/// The value of a filter by state, which must be one of these.
fn state_filter<'a>(query: &'a Query, states: &[&str]) -> Result<Option<&'a str>, Answer> {
    match query.get("state").map(String::as_str) {
        Some(state) if !states.contains(&state) => {
            Err(Errors::one("state", &format!("must be one of {}", states.join(", "))))
        }
        state => Ok(state),
    }
}

/// These fields as the caller sent them, null where there were none.
fn fields(source: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), source[*name].clone())).collect()
}

/// The time in the vendor's form.
fn now() -> String {
    Timestamp::now().strftime("%FT%TZ").to_string()
}

/// A uuid that follows from the seed and a name.
fn uuid(seed: u64, name: &str) -> String {
    let [high, low] = ["high", "low"].map(|half| number(seed, &format!("{half} {name}")));
    uuid::Builder::from_u128(u128::from(high) << 64 | u128::from(low))
        .with_version(uuid::Version::Random)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
        .to_string()
}

impl State {
    fn team(&mut self, name: &str) -> &mut Team {
        self.teams.entry(name.to_owned()).or_insert_with(|| Team { name: name.to_owned(), ..Team::default() })
    }
}

impl<T> Shelf<T> {
    /// Puts up what is made from its number.
    fn put(&mut self, make: impl FnOnce(u64) -> (String, T)) -> &T {
        self.made += 1;
        let (uuid, thing) = make(self.made);
        self.numbers.insert(uuid, self.made);
        self.things.entry(self.made).or_insert(thing)
    }

    fn find(&mut self, uuid: &str) -> Result<&mut T, Answer> {
        let thing = self.numbers.get(uuid).and_then(|number| self.things.get_mut(number));
        thing.ok_or_else(|| Answer::problem(404, "Not found."))
    }

    fn remove(&mut self, uuid: &str) {
        if let Some(number) = self.numbers.remove(uuid) {
            self.things.remove(&number);
        }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { made: 0, numbers: HashMap::new(), things: BTreeMap::new() }
    }
}

impl Answer {
    fn data(status: u16, data: Value) -> Self {
        Self { status, body: json!({ "data": data }) }
    }

    fn problem(status: u16, message: &str) -> Self {
        Self { status, body: json!({ "message": message }) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        if self.body.is_null() {
            return StatusCode::from_u16(self.status).unwrap_or_default().into_response();
        }
        super::json(self.status, self.body)
    }
}

impl Wait {
    /// Counts a read; true when the next state may show.
    fn over(&mut self, world: &World) -> bool {
        let over = self.0 >= world.settings.reads;
        self.0 = if over { 0 } else { self.0 + 1 };
        over
    }
}

#[cfg(test)]
mod tests {
    use reqwest::{Method, RequestBuilder, header::HeaderMap};

    use super::*;
    use crate::{
        Vendor,
        sandbox::{Builder, Sandbox},
    };

    /// The API as a team sees it.
    pub(super) struct Api {
        pub(super) sandbox: Sandbox,
        pub(super) team: &'static str,
        http: reqwest::Client,
    }

    #[derive(Debug)]
    pub(super) struct Reply {
        pub(super) status: u16,
        pub(super) headers: HeaderMap,
        pub(super) body: Value,
    }

    impl Api {
        pub(super) async fn start() -> Self {
            Self::of(Sandbox::builder().seed(7)).await
        }

        pub(super) async fn of(builder: Builder) -> Self {
            Self { sandbox: builder.start().await.unwrap(), team: "team-7", http: reqwest::Client::new() }
        }

        /// A request with the token.
        pub(super) fn call(&self, method: Method, path: &str) -> RequestBuilder {
            let base = self.sandbox.base_url(Vendor::SmartSend);
            self.http.request(method, format!("{base}/team/{}/{path}", self.team)).bearer_auth(Sandbox::TOKEN)
        }

        pub(super) async fn get(&self, path: &str) -> Reply {
            send(self.call(Method::GET, path)).await
        }

        pub(super) async fn post(&self, path: &str, body: &Value) -> Reply {
            send(self.call(Method::POST, path).json(body)).await
        }

        pub(super) async fn delete(&self, path: &str) -> Reply {
            send(self.call(Method::DELETE, path)).await
        }

        /// Creates a shipment; its uuid.
        pub(super) async fn create(&self, order: &Value) -> String {
            let reply = self.post("shipments", order).await;
            assert_eq!(reply.status, 201, "{reply:?}");
            reply.body["data"]["uuid"].as_str().unwrap().to_owned()
        }

        pub(super) async fn book(&self, shipment: &str) -> Reply {
            send(self.call(Method::POST, &format!("shipments/{shipment}/booking"))).await
        }

        pub(super) async fn book_async(&self, shipment: &str) -> Reply {
            let call = self.call(Method::POST, &format!("shipments/{shipment}/booking"));
            send(call.header("Prefer", "respond-async")).await
        }

        pub(super) async fn state(&self, path: &str) -> String {
            self.get(path).await.body["data"]["state"].as_str().unwrap().to_owned()
        }

        /// Which orders were charged, one by one.
        pub(super) fn charged(&self) -> Vec<String> {
            self.sandbox.ledger().charges().iter().map(|charge| charge.order.clone()).collect()
        }
    }

    impl Reply {
        /// The paths that were complained about.
        pub(super) fn complaints(&self) -> Vec<&str> {
            assert_eq!(self.status, 422, "{self:?}");
            self.body["errors"].as_object().unwrap().keys().map(String::as_str).collect()
        }
    }

    pub(super) async fn send(call: RequestBuilder) -> Reply {
        let response = call.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Reply { status, headers, body }
    }

    /// The least that the API takes.
    pub(super) fn order(identifier: &str) -> Value {
        json!({
            "currency": "EUR",
            "identifier": identifier,
            "delivery": { "carrier": "postnord", "service": "postnord_agent", "addons": null },
            "parties": { "receiver": {
                "address": { "postal_code": "8000", "city": "Aarhus", "country": "DK" },
                "contact": { "name_lines": ["Ida Holm"] },
            } },
            "parcels": [{ "gross_weight": 1.5 }],
        })
    }

    /// An order that the carrier refuses to book.
    pub(super) fn refused(identifier: &str) -> Value {
        let mut order = order(identifier);
        order["parties"]["receiver"]["address"]["postal_code"] = json!("00000");
        order
    }

    #[tokio::test]
    async fn every_call_needs_the_token() {
        let api = Api::start().await;
        let url = format!("{}/team/team-7/shipments", api.sandbox.base_url(Vendor::SmartSend));
        for wrong in ["", "Bearer", "Bearer other", "Bearersandbox", "Basic sandbox", "sandbox"] {
            let reply = send(api.http.post(&url).header("Authorization", wrong).json(&order("A"))).await;
            assert_eq!(reply.status, 401, "{wrong}");
        }
        let reply = send(api.http.get(&url).header("Request-ID", "r-1")).await;
        assert_eq!((reply.status, &reply.body), (401, &json!({ "message": "Unauthenticated." })));
        assert_eq!(reply.headers["request-id"], "r-1");
    }

    #[tokio::test]
    async fn the_request_id_comes_back_or_is_refused() {
        let api = Api::start().await;
        for path in ["shipments", "shipments/none", "no/such/path"] {
            let reply = send(api.call(Method::GET, path).header("Request-ID", "a.B_c-9")).await;
            assert_eq!(reply.headers["request-id"], "a.B_c-9", "{path}");
        }
        for bad in [String::new(), "two words".to_owned(), "x".repeat(129)] {
            let reply = send(api.call(Method::GET, "shipments").header("Request-ID", bad)).await;
            assert_eq!(reply.complaints(), ["Request-ID"]);
        }
        assert!(!api.get("shipments").await.headers.contains_key("request-id"));
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_told_in_json() {
        let api = Api::start().await;
        for path in ["no/such/path", "shipments/none", "booking-batches/none"] {
            let reply = api.get(path).await;
            assert_eq!((reply.status, &reply.body), (404, &json!({ "message": "Not found." })), "{path}");
        }
        let reply = send(api.call(Method::PUT, "shipments")).await;
        assert_eq!((reply.status, reply.body["message"].is_string()), (405, true));
    }

    #[tokio::test]
    async fn lists_come_in_pages() {
        let api = Api::start().await;
        for name in ["A", "B", "C"] {
            api.create(&order(name)).await;
        }
        let names = |reply: &Reply| -> Vec<String> {
            let data = reply.body["data"].as_array().unwrap();
            data.iter().map(|shipment| shipment["identifier"].as_str().unwrap().to_owned()).collect()
        };
        let reply = api.get("shipments?per_page=2&page=2").await;
        assert_eq!((reply.status, names(&reply)), (200, vec!["C".to_owned()]));
        let meta = json!({ "current_page": 2, "per_page": 2, "total": 3, "last_page": 2, "from": 3, "to": 3 });
        assert_eq!(reply.body["meta"], meta);

        let reply = api.get("shipments?page=9").await;
        let meta = json!({ "current_page": 9, "per_page": 100, "total": 3, "last_page": 1, "from": null, "to": null });
        assert_eq!((names(&reply), &reply.body["meta"]), (vec![], &meta));

        let reply = api.get("shipments?page=0&per_page=1001").await;
        assert_eq!(reply.complaints(), ["page", "per_page"]);
        assert_eq!(api.get("booking-batches?per_page=x").await.complaints(), ["per_page"]);
        assert_eq!(api.get("shipments?state=lost").await.complaints(), ["state"]);
        assert_eq!(api.get("booking-batches?state=booked").await.complaints(), ["state"]);
    }

    #[tokio::test]
    async fn a_team_sees_only_its_own() {
        let mut api = Api::start().await;
        let shipment = api.create(&order("A")).await;
        api.team = "team-8";
        assert_eq!(api.get(&format!("shipments/{shipment}")).await.status, 404);
        assert_eq!(api.book(&shipment).await.status, 404);
        assert_eq!(api.get("shipments").await.body["data"], json!([]));
    }

    #[tokio::test]
    async fn values_follow_from_the_seed() {
        let run = async |seed| {
            let api = Api::of(Sandbox::builder().seed(seed)).await;
            let shipment = api.create(&order("A")).await;
            let booked = api.book(&shipment).await;
            let tracking = booked.body["data"]["parcels"][0]["tracking_code"].clone();
            (shipment, tracking, api.sandbox.ledger().charges()[0].amount)
        };
        let first = run(1).await;
        assert_eq!(first, run(1).await);
        assert_ne!(first, run(2).await);
    }
}
