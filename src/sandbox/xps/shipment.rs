//! Shipments: what was bought, and its labels.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    extract::{self, Path, Query},
    response::Response,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde_json::{Value, json};

use crate::{
    Vendor,
    sandbox::{Shared, World, json as answer, label, lock, pdf},
};

use super::{Answer, Payload, Refusal, State, belongs, id, next, quote::Order, service::Service, whole};

/// The most shipments that a search finds.
const MOST_FOUND: usize = 100;

/// What a customer starts with: 1,000,000.00.
const START: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 2);

/// A parcel that was paid for.
#[derive(Debug)]
pub(super) struct Shipment {
    pub(super) number: u64,
    pub(super) tracking: String,
    customer: String,
    order: Arc<Order>,
    voided: bool,
    /// What a search looks into, in lower case.
    words: String,
}

/// What a label comes as.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Pdf,
    Epl2,
    Zpl,
    Png,
}

/// The single booking: as in a batch, but at once, and refused as a whole.
pub(super) async fn book(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Payload(body): Payload,
) -> Answer<Response> {
    Format::asked(&body["labelImageFormat"])?;
    let order = Order::new(body, world.settings.seed).map_err(|error| Refusal::new(422, error))?;
    let mut state = lock(&world.xps);
    let bought = state.buy(&world, &customer, Arc::new(order), None);
    let mut body = bought.map_err(|error| Refusal::new(422, error))?.receipt();
    body["prepayBalance"] = state.balance(&customer).to_string().into();
    Ok(answer(201, body))
}

pub(super) async fn void(
    extract::State(world): Shared,
    Path((customer, shipment)): Path<(String, String)>,
    Payload(body): Payload,
) -> Answer<Response> {
    if body["voided"] != true {
        return Err(Refusal::new(422, "voided must be true."));
    }
    let mut state = lock(&world.xps);
    let shipment = state.shipments.get_mut(&id(&shipment)?).ok_or_else(unknown)?;
    belongs(&shipment.customer, &customer)?;
    if std::mem::replace(&mut shipment.voided, true) {
        return Err(Refusal::new(422, "The shipment is voided already."));
    }
    Ok(answer(200, json!({ "ok": true })))
}

pub(super) async fn get(
    extract::State(world): Shared,
    Path((customer, shipment)): Path<(String, String)>,
) -> Answer<Response> {
    let state = lock(&world.xps);
    Ok(answer(200, find(&state.shipments, &customer, &shipment)?.json()))
}

pub(super) async fn list(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer<Response> {
    let from = query.get("minBookNumber").map_or(Ok(0), |number| number.parse());
    let from: u64 = from.map_err(|_| Refusal::new(422, "minBookNumber must be a book number."))?;
    let limit = whole(&query, "limit", 100, usize::MAX)?;
    let state = lock(&world.xps);
    let own = state.shipments.range(from..).map(|(_, shipment)| shipment).filter(|own| own.customer == customer);
    Ok(answer(200, json!({ "shipments": own.take(limit).map(Shipment::json).collect::<Vec<_>>() })))
}

pub(super) async fn search(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Payload(body): Payload,
) -> Answer<Response> {
    let keyword = body["keyword"].as_str().filter(|keyword| !keyword.is_empty()).map(str::to_lowercase);
    let keyword = keyword.ok_or_else(|| Refusal::new(422, "keyword is required."))?;
    let state = lock(&world.xps);
    let own = state.shipments.values().filter(|shipment| shipment.customer == customer);
    let found = own.filter(|shipment| shipment.words.contains(&keyword)).take(MOST_FOUND);
    Ok(answer(200, json!({ "shipments": found.map(Shipment::json).collect::<Vec<_>>() })))
}

pub(super) async fn label(
    extract::State(world): Shared,
    Path((customer, shipment)): Path<(String, String)>,
) -> Answer<Response> {
    let state = lock(&world.xps);
    let shipment = find(&state.shipments, &customer, &shipment)?;
    Format::asked(&shipment.order["labelImageFormat"])?.print(&[shipment])
}

pub(super) async fn label_in_format(
    extract::State(world): Shared,
    Path((customer, shipment, format)): Path<(String, String, String)>,
) -> Answer<Response> {
    let state = lock(&world.xps);
    let shipment = find(&state.shipments, &customer, &shipment)?;
    Format::asked(&format.into())?.print(&[shipment])
}

pub(super) async fn labels(
    extract::State(world): Shared,
    Path((customer, format)): Path<(String, String)>,
    Payload(body): Payload,
) -> Answer<Response> {
    let numbers: Option<Vec<&str>> =
        body["bookNumbers"].as_array().and_then(|numbers| numbers.iter().map(Value::as_str).collect());
    let numbers = numbers.filter(|numbers| !numbers.is_empty());
    let numbers = numbers.ok_or_else(|| Refusal::new(422, "bookNumbers must be an array of strings."))?;
    let state = lock(&world.xps);
    let shipments: Vec<_> =
        numbers.into_iter().map(|number| find(&state.shipments, &customer, number)).collect::<Answer<_>>()?;
    Format::asked(&format.into())?.print(&shipments)
}

impl State {
    /// Buys a shipment. Balance, shipment and ledger change together, under the lock that `self` comes from: nothing
    /// else charges.
    pub(super) fn buy(
        &mut self,
        world: &World,
        customer: &str,
        order: Arc<Order>,
        quote: Option<u64>,
    ) -> Result<&Shipment, &'static str> {
        if order.receiver("zip") == "00000" {
            return Err("The carrier refused the address.");
        }
        let balance = self.balance(customer);
        if order.price > balance {
            return Err("Insufficient prepay balance");
        }
        let number = next(&mut self.last_shipment, world.settings.seed, "xps shipment", 2_000_000);
        let name = match (order.reference(), quote) {
            (Some(reference), _) => reference.to_owned(),
            (None, Some(quote)) => format!("quote-{quote}"),
            (None, None) => format!("shipment-{number}"),
        };
        self.balances.insert(customer.to_owned(), balance - order.price);
        lock(&world.ledger).charge(Vendor::Xps, customer, &name, order.price);
        let shipment = Shipment::new(number, customer, order, world.settings.seed);
        Ok(self.shipments.entry(number).or_insert(shipment))
    }

    pub(super) fn balance(&self, customer: &str) -> Decimal {
        self.balances.get(customer).copied().unwrap_or(START)
    }
}

impl Shipment {
    fn new(number: u64, customer: &str, order: Arc<Order>, seed: u64) -> Self {
        let tracking = Service::tracking(order["carrierCode"].as_str().unwrap_or_default(), number, seed);
        let receiver = ["name", "company", "phone", "email"].map(|field| order.receiver(field));
        let marks = [order.reference(), order["orderNumber"].as_str()].map(Option::unwrap_or_default);
        let numbers = [&number.to_string(), tracking.as_str()];
        let words = [&receiver[..], &marks, &numbers].concat().join("\n").to_lowercase();
        Self { number, tracking, customer: customer.to_owned(), order, voided: false, words }
    }

    /// What the booking tells of it. Here the cost is a string.
    pub(super) fn receipt(&self) -> Value {
        json!({
            "bookNumber": self.number.to_string(),
            "trackingNumber": self.tracking,
            "lastMileTrackingNumber": "",
            "totalShippingCost": self.order.price.to_string(),
            "zone": self.order.zone,
        })
    }

    /// The lines of its label.
    pub(super) fn label(&self) -> Vec<String> {
        let reference = self.order.reference().unwrap_or_default();
        [reference, &self.tracking, self.order.receiver("name"), self.order.receiver("city")].map(str::to_owned).into()
    }

    /// What reading it tells. Here the cost is a number, in the vendor's examples as well.
    fn json(&self) -> Value {
        let order = &self.order;
        json!({
            "bookNumber": self.number.to_string(),
            "trackingNumber": self.tracking,
            "trackingNumbers": [self.tracking],
            "voided": self.voided,
            "carrierCode": order["carrierCode"],
            "serviceCode": order["serviceCode"],
            "packageTypeCode": order["packageTypeCode"],
            "shipmentDate": order["shipmentDate"],
            "shipmentReference": order["shipmentReference"],
            "contentDescription": order["contentDescription"],
            "sender": address(&order["sender"]),
            "receiver": address(&order["receiver"]),
            "residential": order["residential"],
            "signatureOptionCode": order["signatureOptionCode"],
            "weightUnit": order["weightUnit"],
            "dimUnit": order["dimUnit"],
            "currency": order["currency"],
            "customsCurrency": order["customsCurrency"],
            "pieces": order["pieces"],
            "fulfillment": null,
            "totalShippingCost": order.price.to_f64(),
        })
    }
}

impl Format {
    /// The format of this name; PDF if there is none.
    fn asked(name: &Value) -> Answer<Self> {
        match name {
            Value::Null => Ok(Self::Pdf),
            name => [Self::Pdf, Self::Epl2, Self::Zpl, Self::Png]
                .into_iter()
                .find(|format| name == format.name())
                .ok_or_else(|| Refusal::new(422, "labelImageFormat must be PDF, EPL2, ZPL or PNG.")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Epl2 => "EPL2",
            Self::Zpl => "ZPL",
            Self::Png => "PNG",
        }
    }

    fn print(self, shipments: &[&Shipment]) -> Answer<Response> {
        if self == Self::Pdf {
            let labels: Vec<_> = shipments.iter().map(|shipment| shipment.label()).collect();
            return Ok(pdf(label::pdf(&labels)));
        }
        let images: Vec<_> = shipments.iter().map(|shipment| self.image(&shipment.tracking)).collect::<Answer<_>>()?;
        Ok(answer(200, json!({ "labelImageFormat": self.name(), "base64Images": images })))
    }

    /// What a label printer takes: the tracking number alone, as nothing in it can be taken for a command.
    fn image(self, tracking: &str) -> Answer<String> {
        let commands = match self {
            Self::Epl2 => format!("N\nA20,20,0,3,1,1,N,\"{tracking}\"\nP1\n"),
            Self::Zpl => format!("^XA^FO20,20^A0N,30^FD{tracking}^FS^XZ"),
            Self::Pdf | Self::Png => return Err(Refusal::new(422, "Only labels of dhlecommerce can be PNG.")),
        };
        Ok(BASE64_STANDARD.encode(commands))
    }
}

fn find<'a>(shipments: &'a BTreeMap<u64, Shipment>, customer: &str, number: &str) -> Answer<&'a Shipment> {
    let shipment = shipments.get(&id(number)?).ok_or_else(unknown)?;
    belongs(&shipment.customer, customer)?;
    Ok(shipment)
}

fn unknown() -> Refusal {
    Refusal::new(404, "The shipment does not exist.")
}

/// An address as it is answered: without phone and e-mail.
fn address(asked: &Value) -> Value {
    let fields = ["name", "company", "address1", "address2", "city", "state", "zip", "country"];
    fields.into_iter().map(|field| (field.to_owned(), asked[field].clone())).collect()
}

#[cfg(test)]
mod tests {
    use lopdf::Document;

    use super::*;
    use crate::sandbox::{
        Sandbox,
        xps::tests::{Api, refused, shipment},
    };

    async fn booked(api: &Api, reference: &str) -> String {
        let (status, body) = api.post("shipments", shipment(reference)).await;
        assert_eq!(status, 201, "{body}");
        body["bookNumber"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_single_shipment_is_booked_and_paid_for() {
        let api = Api::start(Sandbox::builder()).await;
        let (status, body) = api.post("shipments", shipment("order-1")).await;
        assert_eq!((status, &body["lastMileTrackingNumber"]), (201, &json!("")));
        assert!(body["zone"].is_string());
        let ledger = api.sandbox.ledger();
        let charge = &ledger.charges()[0];
        assert_eq!(
            (charge.vendor, charge.account.as_str(), charge.order.as_str()),
            (Vendor::Xps, "TEST00002", "order-1")
        );
        assert_eq!(body["totalShippingCost"], charge.amount.to_string());
        assert_eq!(body["prepayBalance"], (START - charge.amount).to_string());

        let (status, read) = api.get(&format!("shipments/{}", body["bookNumber"].as_str().unwrap())).await;
        assert_eq!((status, &read["trackingNumber"]), (200, &body["trackingNumber"]));
        assert_eq!(read["totalShippingCost"].as_f64().unwrap().to_string(), charge.amount.normalize().to_string());
        assert_eq!((&read["shipmentReference"], &read["voided"]), (&json!("order-1"), &json!(false)));
        assert_eq!(read["receiver"]["city"], "Salt Lake City");
        assert!(read["receiver"].get("phone").is_none());

        let mut unnamed = shipment("");
        unnamed["shipmentReference"] = Value::Null;
        let (_, body) = api.post("shipments", unnamed).await;
        let name = format!("shipment-{}", body["bookNumber"].as_str().unwrap());
        assert_eq!(api.sandbox.ledger().charges()[1].order, name);
    }

    #[tokio::test]
    async fn a_refused_shipment_costs_nothing() {
        let api = Api::start(Sandbox::builder()).await;
        let wrong = [
            ("/weightUnit", json!("stone"), "weightUnit"),
            ("/receiver/zip", json!("00000"), "refused the address"),
            ("/pieces/0/insuranceAmount", json!("100000000"), "Insufficient prepay balance"),
        ];
        for (place, value, error) in wrong {
            let mut shipment = shipment("order-1");
            *shipment.pointer_mut(place).unwrap() = value;
            refused(api.post("shipments", shipment).await, 422, error);
        }
        let mut shipment = shipment("order-1");
        shipment["labelImageFormat"] = "GIF".into();
        refused(api.post("shipments", shipment).await, 422, "labelImageFormat");
        assert_eq!(api.sandbox.ledger().orders(), 0);
    }

    #[tokio::test]
    async fn shipments_are_listed_from_a_book_number_on() {
        let api = Api::start(Sandbox::builder()).await;
        let mut numbers = vec![];
        for n in 0..3 {
            numbers.push(booked(&api, &format!("order-{n}")).await);
        }
        booked(&api.of("OTHER"), "order-9").await;
        let list = async |query: &str| {
            let (status, body) = api.get(&format!("shipments?{query}")).await;
            assert_eq!(status, 200);
            let shipments = body["shipments"].as_array().unwrap();
            shipments.iter().map(|shipment| shipment["bookNumber"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list("").await, numbers);
        assert_eq!(list(&format!("minBookNumber={}&limit=1", numbers[1])).await, numbers[1..2]);
        refused(api.get("shipments?minBookNumber=x").await, 422, "minBookNumber");
        refused(api.get("shipments?limit=0").await, 422, "limit");
    }

    #[tokio::test]
    async fn a_search_finds_a_hundred_at_most() {
        let api = Api::start(Sandbox::builder()).await;
        let mut one = shipment("Order-One");
        one["receiver"]["name"] = "Grace Hopper".into();
        let (_, one) = api.post("shipments", one).await;
        for n in 0..100 {
            booked(&api, &format!("order-{n}")).await;
        }
        let find = async |keyword: &Value| {
            let (status, body) = api.post("searchShipments", json!({ "keyword": keyword })).await;
            assert_eq!(status, 200);
            body["shipments"].as_array().unwrap().clone()
        };
        for keyword in [&json!("order-one"), &json!("hopper"), &one["trackingNumber"], &one["bookNumber"]] {
            let found = find(keyword).await;
            assert_eq!((found.len(), &found[0]["bookNumber"]), (1, &one["bookNumber"]), "{keyword}");
        }
        assert_eq!(find(&json!("order-")).await.len(), 100);
        assert_eq!(find(&json!("nobody")).await.len(), 0);
        refused(api.post("searchShipments", json!({})).await, 422, "keyword");
        let (_, others) = api.of("OTHER").post("searchShipments", json!({ "keyword": "hopper" })).await;
        assert_eq!(others, json!({ "shipments": [] }));
    }

    #[tokio::test]
    async fn a_shipment_is_voided_once() {
        let api = Api::start(Sandbox::builder()).await;
        let path = format!("shipments/{}", booked(&api, "order-1").await);
        refused(api.post(&path, json!({ "voided": false })).await, 422, "voided");
        refused(api.of("OTHER").post(&path, json!({ "voided": true })).await, 403, "another customer");
        assert_eq!(api.get(&path).await.1["voided"], false);
        assert_eq!(api.post(&path, json!({ "voided": true })).await, (200, json!({ "ok": true })));
        assert_eq!(api.get(&path).await.1["voided"], true);
        refused(api.post(&path, json!({ "voided": true })).await, 422, "already");
        refused(api.post("shipments/1", json!({ "voided": true })).await, 404, "shipment");
        assert_eq!(api.sandbox.ledger().charges().len(), 1);
    }

    #[tokio::test]
    async fn labels_come_in_the_format_asked_for() {
        let api = Api::start(Sandbox::builder()).await;
        let pdf = booked(&api, "order-1").await;
        let mut zebra = shipment("order-2");
        zebra["labelImageFormat"] = "ZPL".into();
        let (_, zebra) = api.post("shipments", zebra).await;
        let number = zebra["bookNumber"].as_str().unwrap();

        let (kind, bytes) = api.bytes("GET", &format!("shipments/{pdf}/label"), None).await;
        assert_eq!(kind, "application/pdf");
        assert!(Document::load_mem(&bytes).unwrap().extract_text(&[1]).unwrap().contains("order-1"));
        let (status, images) = api.get(&format!("shipments/{number}/label")).await;
        assert_eq!((status, &images["labelImageFormat"]), (200, &json!("ZPL")));
        let image = BASE64_STANDARD.decode(images["base64Images"][0].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(image).unwrap().contains(zebra["trackingNumber"].as_str().unwrap()));

        assert_eq!(api.bytes("GET", &format!("shipments/{number}/label/PDF"), None).await.0, "application/pdf");
        assert_eq!(api.get(&format!("shipments/{pdf}/label/EPL2")).await.1["labelImageFormat"], "EPL2");
        refused(api.get(&format!("shipments/{pdf}/label/PNG")).await, 422, "dhlecommerce");
        refused(api.get(&format!("shipments/{pdf}/label/GIF")).await, 422, "labelImageFormat");
        refused(api.get("shipments/1/label").await, 404, "shipment");
        refused(api.of("OTHER").get(&format!("shipments/{pdf}/label")).await, 403, "another customer");

        let both = json!({ "bookNumbers": [number, pdf] });
        let (kind, bytes) = api.bytes("POST", "shipments/multiple/labels/PDF", Some(both.clone())).await;
        assert_eq!(kind, "application/pdf");
        let document = Document::load_mem(&bytes).unwrap();
        assert_eq!(document.get_pages().len(), 2);
        assert!(document.extract_text(&[1]).unwrap().contains("order-2"), "in the order asked for");
        let (_, images) = api.post("shipments/multiple/labels/ZPL", both).await;
        assert_eq!(images["base64Images"].as_array().unwrap().len(), 2);
        for (wrong, status) in [(json!([]), 422), (json!([1]), 422), (json!([pdf, "1"]), 404)] {
            let body = json!({ "bookNumbers": wrong });
            refused(api.post("shipments/multiple/labels/PDF", body).await, status, "");
        }
    }
}
