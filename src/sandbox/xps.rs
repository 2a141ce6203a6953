//! XPS in process, after its public pages (vendor/xps.md): quotes, batches, booking, shipments and labels. A customer
//! exists as soon as it is named, with a prepay balance of 1,000,000.00. Documented are the paths, the fields, the
//! statuses of add, remove, cancel and labels, the life of a batch (`open`, `processing`, `completed` or `failed`;
//! `cancelled`), and that each quote is booked on its own. Inferred are: the answer of `batch-quote` (modelled on
//! `batch-book`'s), 422 for booking a batch that is empty or not `open`, that booking goes on when the caller hangs
//! up, 422 for deleting a batch that is `processing` and for voiding twice, an inclusive `minBookNumber`, all of the
//! single booking's answer, and that a void refunds nothing. `errorCategory` is always the one value that was seen.
//! A quote past its `expiresAt` still books, as no state here depends on the clock.
//!
//! What is refused, one shipment at a time, when it is quoted or booked singly:
//! * a carrier, service or package type that the list of services does not have;
//! * a `shipmentDate` that is no date, a `currency` that is not three capitals;
//! * a sender or receiver without `name`, `address1` or `city`, with a country that is not two capitals, a state that
//!   is not two letters (US and CA), a zip that is not 5 or 9 digits (US);
//! * a `weightUnit` or `dimUnit` of another word (null is for package types of preset dimensions), no pieces, and
//!   any decimal that is no string of digits with at most one point.
//!
//! What is refused at booking only:
//! * a receiver whose zip is `00000`: "The carrier refused the address.";
//! * what costs more than the balance: "Insufficient prepay balance". Insurance costs 1 %, so that a piece insured
//!   for 100,000,000 is too dear from the start.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Request, rejection::JsonRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{World, authorized, number};

use batch::Batch;
use quote::Quote;
use shipment::Shipment;

mod batch;
mod quote;
mod service;
mod shipment;

/// The only category that any page shows, a lack of money included.
const CATEGORY: &str = "INVALID_REQUEST";

/// The most shipments of a quote call, and quotes of a batch.
const MOST: usize = 500;

/// What all customers have. Ids are the API's, not a customer's: so that asking for another's is a 403.
#[derive(Default)]
pub(super) struct State {
    quotes: HashMap<u64, Quote>,
    batches: BTreeMap<u64, Batch>,
    shipments: BTreeMap<u64, Shipment>,
    /// What is left to those customers that have bought.
    balances: HashMap<String, Decimal>,
    last_quote: u64,
    last_batch: u64,
    last_shipment: u64,
}

/// An answer, or why there is none.
type Answer<T = Response> = Result<T, Refusal>;

/// An answer in the vendor's error form.
#[derive(Debug)]
struct Refusal {
    status: u16,
    error: String,
}

/// The body of a request.
struct Payload(Value);

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/customers/{customer}/services", get(service::list))
        .route("/customers/{customer}/batch-quote", post(quote::create))
        .route("/customers/{customer}/batch", get(batch::list).post(batch::create))
        .route("/customers/{customer}/batch/{batch}", get(batch::get).delete(batch::delete))
        .route("/customers/{customer}/batch/{batch}/quotes", post(batch::add))
        .route("/customers/{customer}/batch/{batch}/quotes/{quote}", delete(batch::remove))
        .route("/customers/{customer}/batch/{batch}/errors", get(batch::errors))
        .route("/customers/{customer}/batch/{batch}/labels", get(batch::labels))
        .route("/customers/{customer}/batch/{batch}/cancel", post(batch::cancel))
        .route("/customers/{customer}/batch-book", post(batch::book))
        .route("/customers/{customer}/shipments", get(shipment::list).post(shipment::book))
        .route("/customers/{customer}/shipments/{shipment}", get(shipment::get).post(shipment::void))
        .route("/customers/{customer}/shipments/{shipment}/label", get(shipment::label))
        .route("/customers/{customer}/shipments/{shipment}/label/{format}", get(shipment::label_in_format))
        .route("/customers/{customer}/shipments/multiple/labels/{format}", post(shipment::labels))
        .route("/customers/{customer}/searchShipments", post(shipment::search))
        .method_not_allowed_fallback(async || Refusal::new(405, "The method is not allowed."))
        .fallback(async || Refusal::new(404, "The resource does not exist."))
        // 500 shipments of many pieces pass axum's limit of 2 MB, and the vendor documents none.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(authenticate))
}

async fn authenticate(request: Request, next: Next) -> Response {
    if authorized(request.headers(), "RSIS") {
        next.run(request).await
    } else {
        Refusal::new(401, "The API key is missing or invalid.").into_response()
    }
}

impl Refusal {
    fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        super::json(self.status, json!({ "error": self.error, "errorCategory": CATEGORY }))
    }
}

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Refusal::new(415, "The content type must be application/json."))
            }
            Err(rejection) => Err(Refusal::new(422, rejection.body_text())),
        }
    }
}

/// Refuses one customer what belongs to another.
fn belongs(owner: &str, customer: &str) -> Answer<()> {
    if owner == customer { Ok(()) } else { Err(Refusal::new(403, "This belongs to another customer.")) }
}

/// The id in a path. What is no number names nothing.
fn id(text: &str) -> Answer<u64> {
    text.parse().map_err(|_| Refusal::new(404, "The resource does not exist."))
}

/// A whole number in a query: the default if it is absent, 422 if it is out of range.
fn whole(query: &HashMap<String, String>, name: &str, default: usize, most: usize) -> Answer<usize> {
    let Some(text) = query.get(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Refusal::new(422, format!("{name} must be a whole number from 1 to {most}.")))
}

/// The id after the last one. Where a kind begins follows from the seed.
fn next(last: &mut u64, seed: u64, kind: &str, least: u64) -> u64 {
    *last = if *last == 0 { least + number(seed, kind) % least } else { *last + 1 };
    *last
}

fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// A time in the vendor's form. It names no time zone; here it is UTC.
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use reqwest::{Method, RequestBuilder};

    use super::*;
    use crate::{
        Vendor,
        sandbox::{Builder, Sandbox},
    };

    /// One customer's view of a sandbox.
    #[derive(Clone)]
    pub(super) struct Api {
        pub(super) sandbox: Arc<Sandbox>,
        http: reqwest::Client,
        customer: &'static str,
    }

    impl Api {
        pub(super) async fn start(builder: Builder) -> Self {
            let sandbox = Arc::new(builder.start().await.unwrap());
            Self { sandbox, http: reqwest::Client::new(), customer: "TEST00002" }
        }

        /// The same sandbox as another customer sees it.
        pub(super) fn of(&self, customer: &'static str) -> Self {
            Self { customer, ..self.clone() }
        }

        pub(super) async fn get(&self, path: &str) -> (u16, Value) {
            answer(self.request(Method::GET, path)).await
        }

        pub(super) async fn delete(&self, path: &str) -> (u16, Value) {
            answer(self.request(Method::DELETE, path)).await
        }

        /// No body is sent for null.
        pub(super) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
            let request = self.request(Method::POST, path);
            answer(if body.is_null() { request } else { request.json(&body) }).await
        }

        /// The content type and the bytes of a success.
        pub(super) async fn bytes(&self, method: &str, path: &str, body: Option<Value>) -> (String, Vec<u8>) {
            let request = self.request(method.parse().unwrap(), path);
            let request = if let Some(body) = body { request.json(&body) } else { request };
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
            (kind, response.bytes().await.unwrap().into())
        }

        /// The ids of quotes for shipments with which nothing is wrong.
        pub(super) async fn quote(&self, shipments: Vec<Value>) -> Vec<u64> {
            let (status, body) = self.post("batch-quote", json!({ "shipments": shipments })).await;
            assert_eq!(status, 200, "{body}");
            let results = body["results"].as_array().unwrap().iter();
            results.map(|result| result["quoteId"].as_u64().unwrap_or_else(|| panic!("{result}"))).collect()
        }

        fn request(&self, method: Method, path: &str) -> RequestBuilder {
            self.bare(method, path).header("authorization", "RSIS sandbox")
        }

        fn bare(&self, method: Method, path: &str) -> RequestBuilder {
            let url = format!("{}/customers/{}/{path}", self.sandbox.base_url(Vendor::Xps), self.customer);
            self.http.request(method, url)
        }
    }

    async fn answer(request: RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Asserts that an answer is a refusal in the vendor's form, with such a text.
    #[track_caller]
    pub(super) fn refused((status, body): (u16, Value), expected: u16, text: &str) {
        assert_eq!(status, expected, "{body}");
        assert!(body["error"].as_str().unwrap().contains(text), "{text}: {body}");
        assert_eq!(body["errorCategory"], "INVALID_REQUEST");
    }

    /// The vendor's example, more or less.
    pub(super) fn shipment(reference: &str) -> Value {
        let address = |name: &str, city: &str, zip: &str| {
            json!({
                "name": name, "company": "", "address1": "123 Main St", "address2": "", "city": city, "state": "UT",
                "zip": zip, "country": "US", "phone": "8015551234",
            })
        };
        json!({
            "carrierCode": "ups",
            "serviceCode": "ups_ground",
            "packageTypeCode": "ups_custom_package",
            "shipmentDate": "2026-04-15",
            "shipmentReference": reference,
            "contentDescription": "Electronics",
            "sender": address("Sam Sender", "Sandy", "84070"),
            "receiver": address("Ada Receiver", "Salt Lake City", "84101"),
            "residential": true,
            "signatureOptionCode": null,
            "weightUnit": "lb",
            "dimUnit": "in",
            "currency": "USD",
            "pieces": [{
                "weight": "2.5", "length": "10", "width": "8", "height": "4", "insuranceAmount": null,
                "declaredValue": null,
            }],
            "billing": { "party": "sender" },
            "providerAccountId": null,
        })
    }

    #[tokio::test]
    async fn what_is_no_proper_call_is_refused() {
        let api = Api::start(Sandbox::builder()).await;
        let authorized = |value: &str| answer(api.bare(Method::GET, "services").header("authorization", value));
        refused(answer(api.bare(Method::GET, "services")).await, 401, "key");
        refused(authorized("RSIS wrong").await, 401, "key");
        refused(authorized("Bearer sandbox").await, 401, "key");
        assert_eq!(authorized("RSIS sandbox").await.0, 200);

        refused(api.get("nothing").await, 404, "not exist");
        refused(api.delete("batch-book").await, 405, "method");
        let post = || api.request(Method::POST, "batch");
        refused(answer(post().body(r#"{"name":"wave"}"#)).await, 415, "content type");
        refused(answer(post().header("content-type", "text/plain").body("{}")).await, 415, "content type");
        refused(answer(post().header("content-type", "application/json").body(r#"{"name":"#)).await, 422, "JSON");
    }

    #[tokio::test]
    async fn services_are_listed_with_their_packages() {
        let api = Api::start(Sandbox::builder()).await;
        let (status, body) = api.get("services").await;
        assert_eq!(status, 200);
        let services = body["services"].as_array().unwrap();
        let ground = services.iter().find(|service| service["serviceCode"] == "ups_ground").unwrap();
        assert_eq!((&ground["carrierCode"], &ground["supportedCountries"]), (&json!("ups"), &Value::Null));
        assert_eq!(ground["signatureOptions"][0]["signatureOptionCode"], "direct");
        let [custom, preset] = [0, 1].map(|n| &ground["packageTypes"][n]);
        assert_eq!((&custom["dimType"], &custom["presetLength"]), (&json!("custom"), &Value::Null));
        assert_eq!((&preset["dimType"], &preset["presetLength"]), (&json!("preset"), &json!("18")));
        assert_eq!(preset["maxWeightPerPiece"], "150");
    }

    #[tokio::test]
    async fn a_wave_follows_from_its_seed() {
        let wave = async |seed: u64| {
            let api = Api::start(Sandbox::builder().seed(seed)).await;
            let mut mail = shipment("order-2");
            for (field, code) in [("carrierCode", "usps"), ("serviceCode", "usps_priority")] {
                mail[field] = code.into();
            }
            mail["packageTypeCode"] = "usps_custom_package".into();
            let quotes = api.quote(vec![shipment("order-1"), mail]).await;
            let (_, batch) = api.post("batch", json!({ "name": "wave", "quoteIds": quotes })).await;
            let (_, body) = api.post("batch-book", json!({ "batchId": batch["batchId"] })).await;
            assert!(body["results"][1]["trackingNumber"].as_str().unwrap().starts_with("94"));
            (body["results"].clone(), body["prepayBalance"].clone())
        };
        assert_eq!(wave(7).await, wave(7).await);
        assert_ne!(wave(7).await, wave(8).await);
    }

    #[tokio::test]
    async fn a_thousand_orders_are_charged_once_each() {
        let api = Api::start(Sandbox::builder()).await;
        for half in 0..2 {
            let shipments = (0..MOST).map(|n| shipment(&format!("order-{half}-{n}"))).collect();
            let quotes = api.quote(shipments).await;
            let (_, batch) = api.post("batch", json!({ "name": "wave", "quoteIds": quotes })).await;
            let (_, body) = api.post("batch-book", json!({ "batchId": batch["batchId"] })).await;
            assert!(body["results"].as_array().unwrap().iter().all(|result| result["status"] == "success"));
        }
        let ledger = api.sandbox.ledger();
        assert_eq!((ledger.orders(), ledger.charges().len()), (2 * MOST, 2 * MOST));
    }
}
