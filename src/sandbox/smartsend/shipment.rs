//! Shipments: drafts, and what becomes of them when they are booked.
//!
//! Documented: the fields, the states, and that `respond-async` is answered with 202 and an operation. Inferred: only
//! an open shipment can be deleted; a booked or queued one is not booked again (422), a failed one may be tried again;
//! the members of the operation. It has no address to poll and no further headers, since none is documented.

use std::sync::Arc;

use axum::{
    Router,
    extract::{self, Path, Request},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Answer, Errors, Query, Team, Wait, fields,
    key::{Call, write},
    look, now, order, page, state_filter, uuid,
};
use crate::{
    Vendor,
    sandbox::{Shared, World, label, lock, number, pdf},
};

const STATES: [&str; 5] = ["open", "queued", "booked", "cancelled", "failed"];

/// The receiver's postal code that the carrier refuses.
const REFUSED: &str = "00000";

/// What a shipment's answer repeats of its request.
const ECHOED: [&str; 12] = [
    "currency",
    "weight_unit",
    "dimension_unit",
    "invoice_number",
    "reference",
    "identifier",
    "uri",
    "total_net_amount",
    "tax_amount",
    "duty_amount",
    "shipping_net_amount",
    "shipping_tax_amount",
];

/// What a parcel's answer repeats of its request.
const PARCEL: [&str; 11] = [
    "reference",
    "identifier",
    "tracking_url",
    "freetext",
    "gross_weight",
    "length",
    "width",
    "height",
    "total_net_amount",
    "tax_amount",
    "duty_amount",
];

const ITEM: [&str; 16] = [
    "reference",
    "identifier",
    "uri",
    "image_url",
    "sku",
    "location",
    "name",
    "description",
    "tariff_code",
    "country_of_origin",
    "quantity",
    "total_net_amount",
    "tax_amount",
    "duty_amount",
    "net_weight",
    "cost_amount",
];

pub(super) struct Shipment {
    /// Its place on the shelf.
    pub(super) number: u64,
    uuid: String,
    state: State,
    /// What the caller sent; it passed validation.
    request: Value,
    parcels: Vec<Parcel>,
    created_at: String,
    booked_at: Option<String>,
    wait: Wait,
}

struct Parcel {
    uuid: String,
    /// The carrier's; shown once the shipment is booked.
    tracking: String,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum State {
    Open,
    Queued,
    Booked,
    Cancelled,
    Failed,
}

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/team/{team}/shipments", get(list).post(create))
        .route("/team/{team}/shipments/{shipment}", get(read).delete(delete))
        .route("/team/{team}/shipments/{shipment}/booking", post(book))
}

/// The documents that shipments link to.
pub(super) fn documents() -> Router<Arc<World>> {
    Router::new().route("/files/{shipment}/{file}", get(document))
}

async fn list(extract::State(world): Shared, Path(team): Path<String>, query: Query) -> Answer {
    look(&world, &team, |team| {
        let state = state_filter(&query, &STATES)?;
        let wanted = |shipment: &&Shipment| {
            let delivery = &shipment.request["delivery"];
            let is = |name, value: &Value| query.get(name).is_none_or(|wanted| value == wanted);
            state.is_none_or(|state| shipment.state.name() == state)
                && is("carrier", &delivery["carrier"])
                && is("service", &delivery["service"])
                && query.get("tracking_number").is_none_or(|wanted| shipment.tracked(wanted))
        };
        page(&query, team.shipments.things.values().filter(wanted), |shipment| shipment.show(&world))
    })
}

async fn create(extract::State(world): Shared, Path(team): Path<String>, request: Request) -> Response {
    write(&world, &team, request, |team, call| {
        let body = order::object_of(&call.body)?;
        let mut errors = Errors::default();
        order::shipment(&body, "", &mut errors);
        errors.none()?;
        Ok(Answer::data(201, team.draft(&world, body).show(&world)))
    })
    .await
}

async fn read(extract::State(world): Shared, Path((team, shipment)): Path<(String, String)>) -> Answer {
    look(&world, &team, |team| {
        let shipment = team.shipments.find(&shipment)?;
        if shipment.state == State::Queued && shipment.wait.over(&world) {
            shipment.settle(&world, &team.name);
        }
        Ok(Answer::data(200, shipment.show(&world)))
    })
}

async fn delete(
    extract::State(world): Shared,
    Path((team, shipment)): Path<(String, String)>,
    request: Request,
) -> Response {
    write(&world, &team, request, |team, _| {
        if team.shipments.find(&shipment)?.state != State::Open {
            return Err(Answer::problem(422, "Only an open shipment can be deleted."));
        }
        team.shipments.remove(&shipment);
        Ok(Answer { status: 200, body: json!({ "message": "The shipment was deleted." }) })
    })
    .await
}

async fn book(
    extract::State(world): Shared,
    Path((team, shipment)): Path<(String, String)>,
    request: Request,
) -> Response {
    write(&world, &team, request, |team, call| {
        let shipment = team.shipments.find(&shipment)?;
        match shipment.state {
            State::Open | State::Failed => {}
            State::Queued | State::Booked => return Err(Answer::problem(422, "The shipment is already booked.")),
            State::Cancelled => return Err(Answer::problem(422, "The shipment is cancelled.")),
        }
        if respond_async(call) {
            shipment.queue();
            return Ok(Answer::data(202, shipment.operation(&world)));
        }
        shipment.settle(&world, &team.name);
        match shipment.state {
            State::Booked => Ok(Answer::data(200, shipment.show(&world))),
            _ => Err(Answer::problem(422, "The carrier refused the address.")),
        }
    })
    .await
}

async fn document(
    extract::State(world): Shared,
    Path((shipment, file)): Path<(String, String)>,
    query: Query,
) -> Response {
    let parcel = file.strip_suffix(".pdf").unwrap_or(&file);
    if query.get("signature") != Some(&signature(&world, &shipment, parcel)) {
        return Answer::problem(403, "Invalid signature.").into_response();
    }
    let lines =
        lock(&world.smartsend).teams.values_mut().find_map(|team| team.shipments.find(&shipment).ok()?.label(parcel));
    match lines {
        Some(lines) => pdf(label::pdf(&[lines])),
        None => Answer::problem(404, "Not found.").into_response(),
    }
}

fn respond_async(call: &Call) -> bool {
    preferences(&call.headers).any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

fn preferences(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
}

/// What makes a link to a document good without a token.
fn signature(world: &World, shipment: &str, parcel: &str) -> String {
    let [start, end] = ["start", "end"].map(|half| number(world.settings.seed, &format!("{half} {shipment}/{parcel}")));
    format!("{start:016x}{end:016x}")
}

impl Team {
    /// Makes an open shipment of a request that passed validation.
    pub(super) fn draft(&mut self, world: &World, request: Value) -> &Shipment {
        let seed = world.settings.seed;
        let team = &self.name;
        self.shipments.put(|made| {
            let name = format!("{team}/shipment/{made}");
            let parcels = request["parcels"].as_array().map_or(0, Vec::len);
            let parcel = |index| {
                let name = format!("{name}/parcel/{index}");
                let tracking = format!("SS{:016}", number(seed, &name) % 10_u64.pow(16));
                Parcel { uuid: uuid(seed, &name), tracking }
            };
            let shipment = Shipment {
                number: made,
                uuid: uuid(seed, &name),
                state: State::Open,
                parcels: (0..parcels).map(parcel).collect(),
                request,
                created_at: now(),
                booked_at: None,
                wait: Wait::default(),
            };
            (shipment.uuid.clone(), shipment)
        })
    }
}

impl Shipment {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Hands the shipment to the background.
    pub(super) fn queue(&mut self) {
        self.state = State::Queued;
        self.wait = Wait::default();
    }

    /// Cancels what is not booked and has not failed.
    pub(super) fn cancel(&mut self) {
        if matches!(self.state, State::Open | State::Queued) {
            self.state = State::Cancelled;
        }
    }

    /// The carrier's word. The one place where a shipment becomes booked, and so the one that charges.
    /// What is booked or cancelled stays so.
    pub(super) fn settle(&mut self, world: &World, team: &str) {
        if matches!(self.state, State::Booked | State::Cancelled) {
            return;
        }
        if self.receiver()["address"]["postal_code"] == REFUSED {
            self.state = State::Failed;
            return;
        }
        self.state = State::Booked;
        self.booked_at = Some(now());
        let cents = 3_000 + number(world.settings.seed, &format!("price {}", self.uuid)) % 5_001;
        let price = Decimal::new(i64::try_from(cents).unwrap_or(i64::MAX), 2);
        lock(&world.ledger).charge(Vendor::SmartSend, team, self.order(), price);
    }

    /// What the caller calls it.
    fn order(&self) -> &str {
        let given = ["identifier", "reference"].iter().filter_map(|name| self.request[*name].as_str());
        given.into_iter().find(|text| !text.is_empty()).unwrap_or(&self.uuid)
    }

    fn receiver(&self) -> &Value {
        &self.request["parties"]["receiver"]
    }

    fn booked(&self) -> bool {
        self.state == State::Booked
    }

    /// Whether a parcel has this tracking number, and shows it.
    fn tracked(&self, tracking: &str) -> bool {
        self.booked() && self.parcels.iter().any(|parcel| parcel.tracking == tracking)
    }

    /// What is printed on a parcel's label, if there is one.
    fn label(&self, parcel: &str) -> Option<Vec<String>> {
        let parcel = self.parcels.iter().find(|candidate| self.booked() && candidate.uuid == parcel)?;
        let receiver = self.receiver();
        let names = receiver["contact"]["name_lines"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut lines = vec![self.order().to_owned(), parcel.tracking.clone()];
        lines.extend(names.map(str::to_owned));
        lines.extend(receiver["address"]["city"].as_str().map(str::to_owned));
        Some(lines)
    }

    fn operation(&self, world: &World) -> Value {
        json!({
            "uuid": uuid(world.settings.seed, &format!("operation {}", self.uuid)),
            "status": "pending",
            "created_at": now(),
        })
    }

    /// Every field of the documented sample.
    fn show(&self, world: &World) -> Value {
        let mut shown = fields(&self.request, &ECHOED);
        let requests = self.request["parcels"].as_array().into_iter().flatten();
        let parcels: Vec<Value> = self
            .parcels
            .iter()
            .zip(requests)
            .map(|(parcel, request)| self.show_parcel(world, parcel, request))
            .collect();
        shown["uuid"] = json!(self.uuid);
        shown["state"] = json!(self.state.name());
        shown["delivery"] = self.show_delivery();
        shown["parties"] = json!({
            "receiver": show_receiver(self.receiver()),
            "pickup": show_pickup(&self.request["parties"]["pickup"]),
        });
        shown["parcels"] = json!(parcels);
        shown["created_at"] = json!(self.created_at);
        shown["booked_at"] = json!(self.booked_at);
        shown
    }

    fn show_delivery(&self) -> Value {
        let delivery = &self.request["delivery"];
        // Whether an addon is sent as a code or as an object is not documented.
        let code = |addon: &Value| if addon.is_string() { addon.clone() } else { addon["code"].clone() };
        let addons = delivery["addons"].as_array().into_iter().flatten().map(code);
        let addons: Vec<Value> = addons.map(|code| json!({ "code": code, "name": code })).collect();
        json!({
            "carrier_code": delivery["carrier"],
            "carrier_name": delivery["carrier"],
            "carrier_logo_url": null,
            "carrier_icon_url": null,
            "service_code": delivery["service"],
            "service_name": delivery["service"],
            "is_pickup": !self.request["parties"]["pickup"].is_null(),
            "is_return": false,
            "addons": addons,
            // It is documented as never null, so something stands there when nothing was asked for.
            "incoterm": delivery["incoterm"].as_str().unwrap_or("EXW"),
        })
    }

    fn show_parcel(&self, world: &World, parcel: &Parcel, request: &Value) -> Value {
        let mut shown = fields(request, &PARCEL);
        shown["uuid"] = json!(parcel.uuid);
        shown["tracking_code"] = Value::Null;
        shown["documents"] = json!([]);
        shown["items"] = match request["items"].as_array() {
            Some(items) => items.iter().map(|item| fields(item, &ITEM)).collect(),
            None => Value::Null,
        };
        if self.booked() {
            shown["tracking_code"] = json!(parcel.tracking);
            if request["tracking_url"].is_null() {
                shown["tracking_url"] = json!(format!("https://tracking.example.com/{}", parcel.tracking));
            }
            let signature = signature(world, &self.uuid, &parcel.uuid);
            let file = format!("{}/api/v2/files/{}/{}.pdf", world.origin, self.uuid, parcel.uuid);
            let url = format!("{file}?signature={signature}");
            shown["documents"] = json!([{ "type": "label", "format": "pdf", "url": url }]);
        }
        shown
    }
}

fn show_receiver(receiver: &Value) -> Value {
    let mut shown = fields(receiver, &["reference", "identifier", "uri"]);
    shown["address"] = show_address(&receiver["address"]);
    shown["contact"] = fields(&receiver["contact"], &["name_lines", "company", "email", "phone"]);
    shown["identifiers"] = match &receiver["identifiers"] {
        Value::Null => Value::Null,
        identifiers => fields(identifiers, &["vat", "eori", "gb_eori", "tax_id", "voec"]),
    };
    shown
}

fn show_pickup(pickup: &Value) -> Value {
    if pickup.is_null() {
        return Value::Null;
    }
    let mut shown = fields(pickup, &["service_point_code", "company", "reference", "identifier", "uri"]);
    shown["address"] = match &pickup["address"] {
        Value::Null => Value::Null,
        address => show_address(address),
    };
    shown
}

fn show_address(address: &Value) -> Value {
    fields(address, &["address_lines", "postal_code", "city", "country", "administrative_area"])
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Queued => "queued",
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use lopdf::Document;

    use super::*;
    use crate::sandbox::{
        Sandbox,
        smartsend::tests::{Api, order, refused},
    };

    fn path(shipment: &str) -> String {
        format!("shipments/{shipment}")
    }

    fn link(shipment: &Value, parcel: usize) -> String {
        shipment["parcels"][parcel]["documents"][0]["url"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_new_shipment_shows_every_documented_field() {
        let api = Api::start().await;
        let mut order = order("A");
        order["total_net_amount"] = json!(123.45);
        order["parcels"][0]["items"] = json!([{ "sku": "S-1", "quantity": 2 }]);
        order["parties"]["pickup"] = json!({ "service_point_code": "9" });
        order["delivery"]["addons"] = json!([{ "code": "sms" }]);
        let mut data = api.post("shipments", &order).await.body["data"].take();

        let uuid = data["uuid"].take();
        assert_eq!(uuid::Uuid::parse_str(uuid.as_str().unwrap()).unwrap().get_version_num(), 4);
        assert!(data["parcels"][0]["uuid"].take().is_string());
        let created = data["created_at"].take();
        assert_eq!(created.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().subsec_nanosecond(), 0);
        let delivery = json!({
            "carrier_code": "postnord", "carrier_name": "postnord", "carrier_logo_url": null,
            "carrier_icon_url": null, "service_code": "postnord_agent", "service_name": "postnord_agent",
            "is_pickup": true, "is_return": false, "addons": [{ "code": "sms", "name": "sms" }],
            "incoterm": "EXW",
        });
        let parcels = json!([{
            "uuid": null, "reference": null, "identifier": null, "tracking_code": null, "tracking_url": null,
            "freetext": null, "gross_weight": 1.5, "length": null, "width": null, "height": null,
            "total_net_amount": null, "tax_amount": null, "duty_amount": null,
            "items": [{
                "reference": null, "identifier": null, "uri": null, "image_url": null, "sku": "S-1",
                "location": null, "name": null, "description": null, "tariff_code": null,
                "country_of_origin": null, "quantity": 2, "total_net_amount": null, "tax_amount": null,
                "duty_amount": null, "net_weight": null, "cost_amount": null,
            }],
            "documents": [],
        }]);
        let expected = json!({
            "uuid": null, "state": "open", "currency": "EUR", "weight_unit": null, "dimension_unit": null,
            "invoice_number": null, "reference": null, "identifier": "A", "uri": null,
            "delivery": delivery,
            "parties": {
                "receiver": {
                    "reference": null, "identifier": null, "uri": null,
                    "address": {
                        "address_lines": null, "postal_code": "8000", "city": "Aarhus", "country": "DK",
                        "administrative_area": null,
                    },
                    "contact": { "name_lines": ["Ida Holm"], "company": null, "email": null, "phone": null },
                    "identifiers": null,
                },
                "pickup": {
                    "service_point_code": "9", "company": null, "address": null, "reference": null,
                    "identifier": null, "uri": null,
                },
            },
            "parcels": parcels,
            "total_net_amount": 123.45, "tax_amount": null, "duty_amount": null, "shipping_net_amount": null,
            "shipping_tax_amount": null, "created_at": null, "booked_at": null,
        });
        assert_eq!(data, expected);
        assert!(api.charged().is_empty());
    }

    #[tokio::test]
    async fn booking_charges_and_shows_tracking_and_label() {
        let api = Api::start().await;
        let shipment = api.create(&order("A")).await;
        let booked = api.book(&shipment).await;
        assert_eq!((booked.status, &booked.body["data"]["state"]), (200, &json!("booked")));
        let data = &booked.body["data"];
        assert!(data["booked_at"].is_string());
        let parcel = &data["parcels"][0];
        let tracking = parcel["tracking_code"].as_str().unwrap();
        assert!(parcel["tracking_url"].as_str().unwrap().ends_with(tracking));
        assert_eq!(
            (&parcel["documents"][0]["type"], &parcel["documents"][0]["format"]),
            (&json!("label"), &json!("pdf"))
        );
        assert_eq!(&api.get(&path(&shipment)).await.body["data"], data);
        assert_eq!(&api.get("shipments").await.body["data"][0], data);

        let ledger = api.sandbox.ledger();
        let [charge] = ledger.charges() else { panic!("{ledger:?}") };
        assert_eq!((charge.vendor, &*charge.account, &*charge.order), (Vendor::SmartSend, "team-7", "A"));
        assert!((Decimal::from(30)..=Decimal::from(80)).contains(&charge.amount) && charge.amount.scale() == 2);
    }

    #[tokio::test]
    async fn a_charge_names_the_identifier_else_the_reference_else_the_uuid() {
        let api = Api::start().await;
        let mut order = order("");
        let unnamed = api.create(&order).await;
        api.book(&unnamed).await;
        order["reference"] = json!("R");
        api.book(&api.create(&order).await).await;
        order["identifier"] = json!("I");
        api.book(&api.create(&order).await).await;
        assert_eq!(api.charged(), [&*unnamed, "R", "I"]);
    }

    #[tokio::test]
    async fn an_asynchronous_booking_ends_as_it_is_read() {
        let api = Api::of(Sandbox::builder().reads(2)).await;
        let shipment = api.create(&order("A")).await;
        let accepted = api.book_async(&shipment).await;
        assert_eq!((accepted.status, &accepted.body["data"]["status"]), (202, &json!("pending")));
        assert!(accepted.body["data"]["uuid"].is_string());

        for _ in 0..5 {
            assert_eq!(api.get("shipments").await.body["data"][0]["state"], "queued");
        }
        assert_eq!(api.book(&shipment).await.status, 422);
        assert_eq!(api.state(&path(&shipment)).await, "queued");
        assert_eq!(api.state(&path(&shipment)).await, "queued");
        assert!(api.charged().is_empty());
        assert_eq!(api.state(&path(&shipment)).await, "booked");
        assert_eq!(api.state(&path(&shipment)).await, "booked");
        assert_eq!(api.charged(), ["A"]);
    }

    #[tokio::test]
    async fn the_carrier_may_refuse() {
        let api = Api::of(Sandbox::builder().reads(0)).await;
        let shipment = api.create(&refused("A")).await;
        for _ in 0..2 {
            let reply = api.book(&shipment).await;
            assert_eq!((reply.status, &reply.body), (422, &json!({ "message": "The carrier refused the address." })));
            assert_eq!(api.state(&path(&shipment)).await, "failed");
        }
        let shipment = api.create(&refused("B")).await;
        assert_eq!(api.book_async(&shipment).await.status, 202);
        assert_eq!(api.state(&path(&shipment)).await, "failed");
        assert!(api.charged().is_empty());
    }

    #[tokio::test]
    async fn of_many_bookings_at_once_one_wins() {
        let api = Api::start().await;
        let shipment = api.create(&order("A")).await;
        let replies = futures_util::future::join_all((0..8).map(|_| api.book(&shipment))).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        for loser in replies.iter().filter(|reply| reply.status != 200) {
            assert_eq!((loser.status, &loser.body["message"]), (422, &json!("The shipment is already booked.")));
        }
        assert_eq!(api.charged(), ["A"]);
    }

    #[tokio::test]
    async fn only_an_open_shipment_can_be_deleted() {
        let api = Api::start().await;
        let open = api.create(&order("A")).await;
        let reply = api.delete(&path(&open)).await;
        assert_eq!((reply.status, reply.body["message"].is_string()), (200, true));
        assert_eq!(api.get(&path(&open)).await.status, 404);

        let booked = api.create(&order("B")).await;
        api.book(&booked).await;
        assert_eq!(api.delete(&path(&booked)).await.status, 422);
        assert_eq!(api.state(&path(&booked)).await, "booked");
    }

    #[tokio::test]
    async fn the_list_is_filtered() {
        let api = Api::start().await;
        let mut other = order("B");
        other["delivery"] = json!({ "carrier": "gls", "service": "gls_home" });
        let booked = api.create(&order("A")).await;
        api.create(&other).await;
        let booked = api.book(&booked).await.body["data"].take();
        let tracking = booked["parcels"][0]["tracking_code"].as_str().unwrap();
        for (filter, names) in [
            ("carrier=gls", json!(["B"])),
            ("service=postnord_agent", json!(["A"])),
            ("state=booked", json!(["A"])),
            ("state=open", json!(["B"])),
            ("state=cancelled", json!([])),
            (&format!("tracking_number={tracking}"), json!(["A"])),
            ("tracking_number=none", json!([])),
            ("carrier=gls&state=booked", json!([])),
        ] {
            let reply = api.get(&format!("shipments?{filter}")).await;
            let data = reply.body["data"].as_array().unwrap();
            let found: Value = data.iter().map(|shipment| shipment["identifier"].clone()).collect();
            assert_eq!(found, names, "{filter}");
        }
    }

    #[tokio::test]
    async fn labels_are_signed_pages_of_their_own() {
        let api = Api::start().await;
        let mut order = order("A");
        order["parcels"] = json!([{}, {}]);
        let shipment = api.create(&order).await;
        let data = api.book(&shipment).await.body["data"].take();
        assert_ne!(link(&data, 0), link(&data, 1));
        for parcel in 0..2 {
            // Without a token.
            let response = reqwest::get(link(&data, parcel)).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["content-type"]),
                (200, &"application/pdf".parse().unwrap())
            );
            let label = Document::load_mem(&response.bytes().await.unwrap()).unwrap();
            assert_eq!(label.get_pages().len(), 1);
            let text = label.extract_text(&[1]).unwrap();
            let tracking = data["parcels"][parcel]["tracking_code"].as_str().unwrap();
            for line in ["A", tracking, "Ida Holm", "Aarhus"] {
                assert!(text.contains(line), "{line}: {text}");
            }
        }
        let stolen = link(&data, 0).split_once('?').map(|(_, signature)| signature.to_owned()).unwrap();
        let unsigned = link(&data, 1).split_once('?').map(|(file, _)| file.to_owned()).unwrap();
        for url in [unsigned.clone(), format!("{unsigned}?{stolen}")] {
            assert_eq!(reqwest::get(url).await.unwrap().status().as_u16(), 403);
        }
    }
}
