use std::collections::BTreeSet;

use lopdf::Document;
use reqwest::{Method, RequestBuilder};

use super::*;
use crate::sandbox::{Builder, Sandbox};

struct Api {
    sandbox: Sandbox,
    client: reqwest::Client,
}

impl Api {
    async fn start() -> Self {
        Self::with(Sandbox::builder().seed(7)).await
    }

    async fn with(builder: Builder) -> Self {
        Self { sandbox: builder.start().await.unwrap(), client: reqwest::Client::new() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sandbox.base_url(Vendor::Deftship)))
    }

    async fn send(&self, request: RequestBuilder) -> (u16, Value) {
        let response = request.bearer_auth(Sandbox::TOKEN).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// The data of a batch, read without regard to how often.
    async fn batch(&self, id: &str) -> Value {
        self.get(&format!("/batches/{id}")).await.1["data"].take()
    }

    /// A new batch that has been validated.
    async fn validated(&self, shipments: &[Value]) -> String {
        let (status, body) = self.post("/batches", &create(shipments)).await;
        assert_eq!(status, 200, "{body}");
        let id = body["data"]["id"].as_str().unwrap().to_owned();
        assert_eq!(self.batch(&id).await["status"], "validating");
        id
    }

    /// A new batch that has been shipped.
    async fn completed(&self, shipments: &[Value]) -> String {
        let id = self.validated(shipments).await;
        let (_, body) = self.ship(&id).await;
        assert_eq!(body["success"], true, "{body}");
        assert_eq!(self.batch(&id).await["status"], "processing");
        id
    }

    async fn ship(&self, id: &str) -> (u16, Value) {
        self.send(self.request(Method::POST, &format!("/batches/{id}/ship"))).await
    }

    /// The text of each page of a file, which is had without a token.
    async fn pages(&self, url: &Value) -> Vec<String> {
        let response = self.client.get(url.as_str().unwrap()).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/pdf");
        let document = Document::load_mem(&response.bytes().await.unwrap()).unwrap();
        document.get_pages().keys().map(|page| document.extract_text(&[*page]).unwrap()).collect()
    }
}

fn shipment(order: &str) -> Value {
    json!({
        "from_address_id": 1_387_235_969,
        "to_address": {
            "name": "Jane Smith", "street_1": "456 Oak Ave", "city": "Los Angeles", "state": "CA", "zip": "90001",
            "country": "US", "telephone": "(555) 987-6543",
        },
        "package_list": [{"count": 1, "length": 10, "width": 8, "height": 4, "weight": 1.5, "reference_1": order}],
    })
}

/// A shipment with the value at this place, which may be null, that is, not there.
fn but(order: &str, pointer: &str, value: Value) -> Value {
    let mut shipment = shipment(order);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    shipment.pointer_mut(parent).unwrap()[name] = value;
    shipment
}

fn shipments(count: usize) -> Vec<Value> {
    (1..=count).map(|order| shipment(&format!("ORDER-{order}"))).collect()
}

fn create(shipments: &[Value]) -> Value {
    json!({"shipper_id": 123, "service": "USPS-3", "batch_shipments": shipments})
}

fn statuses(batch: &Value) -> Vec<&str> {
    batch["items"]["data"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap_or("none")).collect()
}

fn item_id(batch: &Value, index: usize) -> Value {
    batch["items"]["data"][index]["id"].clone()
}

#[tokio::test]
async fn a_token_is_needed() {
    let api = Api::start().await;
    for request in [
        api.request(Method::GET, "/balance"),
        api.request(Method::GET, "/balance").bearer_auth("other"),
        api.request(Method::POST, "/batches").json(&create(&shipments(1))),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": "Unauthenticated."}));
    }
}

#[tokio::test]
async fn a_batch_goes_from_orders_to_labels() {
    let api = Api::with(Sandbox::builder().reads(2)).await;
    let (status, created) = api.post("/batches", &create(&shipments(2))).await;
    let id = created["data"]["id"].as_str().unwrap();
    let shipper = created["data"]["default_shipper_id"].as_str().unwrap();
    assert_ne!(shipper, "123");
    assert!(id.bytes().all(|byte| byte.is_ascii_digit()));
    let batch =
        |status| json!({"id": id, "status": status, "default_service": "USPS-3", "default_shipper_id": shipper});
    assert_eq!((status, &created), (200, &json!({"success": true, "data": batch("validating")})));

    for _ in 0..2 {
        let read = api.batch(id).await;
        assert_eq!(read["status"], "validating");
        assert_eq!((&read["results"]["total_count"], &read["results"]["valid_count"]), (&json!(2), &json!(0)));
    }
    let ready = api.batch(id).await;
    assert_eq!((&ready["status"], statuses(&ready)), (&json!("ready"), vec!["valid"; 2]));
    let item = json!({"id": item_id(&ready, 0), "status": "valid", "errors": null, "shipment_order": null});
    assert_eq!(ready["items"]["data"][0], item);
    assert_eq!(ready.get("labels"), None);
    assert!(api.sandbox.ledger().charges().is_empty());

    let (_, shipped) = api.ship(id).await;
    let mut expected = batch("processing");
    expected["results"] = json!({
        "total_count": 2, "completion_percentage": "0%", "valid_count": 2, "invalid_count": 0,
        "completed_count": 0, "failed_count": 0,
    });
    assert_eq!(shipped, json!({"success": true, "data": expected}));
    for _ in 0..2 {
        let read = api.batch(id).await;
        assert_eq!((&read["status"], read.get("labels")), (&json!("processing"), None));
        assert_eq!(read["items"]["data"][0]["shipment_order"], Value::Null);
    }

    let completed = api.batch(id).await;
    assert_eq!((&completed["status"], statuses(&completed)), (&json!("completed"), vec!["completed"; 2]));
    assert_eq!(completed["results"]["completion_percentage"], "100%");
    assert_eq!(completed["results"]["valid_count"], 2);
    let tracking = completed["items"]["data"][1]["shipment_order"]["main_tracking_number"].as_str().unwrap();
    let url = json!(format!("{}/files/deftship/{id}/1.pdf", api.sandbox.base_url(Vendor::Deftship)));
    assert_eq!(completed["labels"], json!([url]));
    let pages = api.pages(&url).await;
    assert_eq!(pages.len(), 2);
    for text in ["ORDER-2", tracking, "Jane Smith", "Los Angeles"] {
        assert!(pages[1].contains(text), "{text} is not in {}", pages[1]);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_values() {
    let run = async |seed| {
        let api = Api::with(Sandbox::builder().seed(seed)).await;
        let id = api.completed(&shipments(2)).await;
        let items = api.batch(&id).await["items"]["data"].take();
        (id, items, api.sandbox.ledger().charges().to_vec())
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    let second = run(2).await;
    assert!(first.0 != second.0 && first.1 != second.1 && first.2 != second.2);
}

#[tokio::test]
async fn a_request_of_the_wrong_form_is_refused_as_a_whole() {
    let api = Api::start().await;
    let (status, body) = api.post("/batches", &json!({"shipper_id": "123", "service": "USPS-9"})).await;
    assert_eq!((status, &body["success"]), (422, &json!(false)));
    assert!(body["message"].is_string());
    let fields = json!({
        "shipper_id": ["The shipper_id field must be an integer."],
        "service": ["The selected service is invalid."],
        "batch_shipments": ["The batch_shipments field is required."],
    });
    assert_eq!(body["data"], fields);

    for (pointer, value, field) in [
        ("/to_address", Value::Null, "to_address"),
        ("/to_address/zip", Value::Null, "to_address.zip"),
        ("/to_address/zip", json!(90001), "to_address.zip"),
        ("/to_address/name", json!(""), "to_address.name"),
        ("/from_address_id", Value::Null, "from_address"),
        ("/package_list", json!([]), "package_list"),
        ("/package_list/0/count", json!(0), "package_list.0.count"),
        ("/package_list/0/weight", json!("1"), "package_list.0.weight"),
        ("/package_list/0/signature", json!("yes"), "package_list.0.signature"),
        ("/package_list/0/insurance", json!("yes"), "package_list.0.insurance"),
        ("/package_list/0/items", json!([{"content_type": "Food"}]), "package_list.0.items.0.content_type"),
        ("/weight_unit", json!("lbs"), "weight_unit"),
        ("/extra_services", json!([{"certified_mail": 1}]), "extra_services.0.certified_mail"),
        ("/customs_details", json!({"bill_type": "EXW"}), "customs_details.bill_type"),
    ] {
        let mut shipments = shipments(4);
        shipments[3] = but("ORDER-4", pointer, value);
        let (status, body) = api.post("/batches", &create(&shipments)).await;
        let fields: Vec<_> = body["data"].as_object().unwrap().keys().collect();
        assert_eq!((status, fields), (422, vec![&format!("batch_shipments.3.{field}")]));
    }

    let (status, body) = api.post("/batches", &create(&shipments(1001))).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"]["batch_shipments"].as_array().unwrap().len(), 1);

    let (status, body) = api.send(api.request(Method::POST, "/batches").body("{")).await;
    assert_eq!((status, body["data"].as_object().unwrap().len()), (422, 3));

    let mut request = create(&shipments(1));
    request["shipper_id"] = json!(0);
    let (status, body) = api.post("/batches", &request).await;
    assert_eq!((status, &body["success"], body.get("data")), (422, &json!(false), None));
}

#[tokio::test]
async fn a_sender_may_be_given_in_full() {
    let api = Api::start().await;
    let mut full = shipment("ORDER-1");
    full["from_address_id"] = Value::Null;
    full["from_address"] = full["to_address"].clone();
    let mut stateless = full.clone();
    stateless["from_address"]["state"] = Value::Null;
    // With both, the id wins, and the address is not looked at.
    let both = but("ORDER-3", "/from_address", json!({"name": "Nobody"}));
    let id = api.validated(&[full, stateless, both]).await;
    let batch = api.batch(&id).await;
    assert_eq!(statuses(&batch), ["valid", "invalid", "valid"]);
    assert!(batch["items"]["data"][1]["errors"]["from_address.state"][0].is_string());
}

#[tokio::test]
async fn what_is_wrong_with_an_item_shows_after_validation() {
    let api = Api::start().await;
    let good = json!([{"sku": "A", "quantity": 1, "price": 9.5}]);
    let mut abroad = but("ABROAD", "/to_address/country", json!("DE"));
    abroad["package_list"][0]["items"] = good.clone();
    let mut insured = but("INSURED", "/package_list/0/insurance", json!(true));
    insured["package_list"][0]["items"] = good;
    let cases = [
        (but("1", "/to_address/state", Value::Null), Some("to_address.state")),
        (but("2", "/to_address/zip", json!("9000")), Some("to_address.zip")),
        (but("3", "/to_address/zip", json!("90001-12345")), Some("to_address.zip")),
        (but("4", "/to_address/telephone", json!("987-6543")), Some("to_address.telephone")),
        (but("5", "/to_address/telephone", json!("1234567890123456")), Some("to_address.telephone")),
        (but("6", "/to_address/country", json!("DE")), Some("package_list.0.items")),
        (but("7", "/package_list/0/insurance", json!(true)), Some("package_list.0.items")),
        (but("8", "/to_address/zip", json!("90001-1234")), None),
        (abroad, None),
        (insured, None),
    ];
    let id = api.validated(&cases.clone().map(|(shipment, _)| shipment)).await;
    let batch = api.batch(&id).await;
    assert_eq!(batch["status"], "invalid");
    assert_eq!(batch["results"]["invalid_count"], 7);
    assert_eq!(batch["results"]["valid_count"], 3);
    for ((_, field), item) in cases.iter().zip(batch["items"]["data"].as_array().unwrap()) {
        match field {
            Some(field) => {
                assert_eq!(item["status"], "invalid");
                assert_eq!(item["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
                assert!(item["errors"][field][0].is_string());
            }
            None => assert_eq!((&item["status"], &item["errors"]), (&json!("valid"), &Value::Null)),
        }
    }
}

#[tokio::test]
async fn items_come_in_pages_and_by_state() {
    let api = Api::start().await;
    let mut shipments = shipments(201);
    shipments[150] = but("BAD", "/to_address/state", Value::Null);
    let id = api.validated(&shipments).await;
    let read = async |query: &str| api.get(&format!("/batches/{id}{query}")).await.1["data"]["items"].take();
    let path = format!("{}/batches/{id}", api.sandbox.base_url(Vendor::Deftship));
    let url = |page| json!(format!("{path}?page={page}"));

    let mut second = read("?page=2").await;
    let data = second["data"].take();
    assert_eq!(data.as_array().unwrap().len(), 100);
    let expected = json!({
        "current_page": 2, "data": null, "first_page_url": url(1), "from": 101, "next_page_url": url(3),
        "path": path, "per_page": 100, "prev_page_url": url(1), "to": 200,
    });
    assert_eq!(second, expected);
    let first = read("").await;
    assert_eq!((&first["prev_page_url"], &first["from"], &first["to"]), (&Value::Null, &json!(1), &json!(100)));
    let third = read("?page=3").await;
    assert_eq!((&third["next_page_url"], &third["from"], &third["to"]), (&Value::Null, &json!(201), &json!(201)));
    let ids: BTreeSet<_> = [&first["data"], &data, &third["data"]]
        .into_iter()
        .flat_map(|data| data.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()))
        .collect();
    assert_eq!(ids.len(), 201);
    let beyond = read("?page=4").await;
    assert_eq!((&beyond["data"], &beyond["from"], &beyond["to"]), (&json!([]), &Value::Null, &Value::Null));

    let invalid = read("?status=invalid").await;
    assert_eq!(invalid["data"], json!([data[50]]));
    assert_eq!((&invalid["from"], &invalid["to"], &invalid["next_page_url"]), (&json!(1), &json!(1), &Value::Null));
    let valid = read("?status=valid&page=2").await;
    assert_eq!((&valid["to"], &valid["next_page_url"]), (&json!(200), &Value::Null));
    assert_eq!(valid["prev_page_url"], url(1), "the links forget the filter");
    let (status, body) = api.get(&format!("/batches/{id}?status=lost")).await;
    assert_eq!((status, body["data"]["status"].as_array().unwrap().len()), (422, 1));
}

#[tokio::test]
async fn an_invalid_batch_is_repaired_by_removing_and_adding() {
    let api = Api::start().await;
    let id = api.validated(&[shipment("A"), but("B", "/to_address/state", Value::Null), shipment("C")]).await;
    let before = api.batch(&id).await;
    let bad = item_id(&before, 1);
    let (status, body) = api.ship(&id).await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
    assert_eq!(body["data"], json!({"invalid_order_ids": [bad]}));

    let ids = json!({"batch_shipment_ids": [bad, "00000000-0000-4000-8000-000000000000"]});
    let (status, body) = api.put(&format!("/batches/{id}/remove-items"), &ids).await;
    assert_eq!((status, &body["data"]["status"]), (200, &json!("ready")));
    assert_eq!(body["data"]["results"]["total_count"], 2);
    assert_eq!(body["data"].get("items"), None);

    let (status, body) =
        api.put(&format!("/batches/{id}/add-items"), &json!({"batch_shipments": [shipment("B")]})).await;
    assert_eq!((status, &body["data"]["status"]), (200, &json!("validating")));
    assert_eq!(body["data"].get("results"), None);
    assert_eq!(statuses(&api.batch(&id).await), ["valid", "valid", "none"]);
    let after = api.batch(&id).await;
    assert_eq!((&after["status"], statuses(&after)), (&json!("ready"), vec!["valid"; 3]));
    let ids: Vec<_> = (0..3).map(|index| item_id(&after, index)).collect();
    assert_eq!(ids[..2], [item_id(&before, 0), item_id(&before, 2)]);
    assert!(!(0..3).any(|index| item_id(&before, index) == ids[2]));

    api.put(&format!("/batches/{id}/remove-items"), &json!({"batch_shipment_ids": ids})).await;
    let empty = api.batch(&id).await;
    assert_eq!((&empty["status"], &empty["results"]["completion_percentage"]), (&json!("ready"), &json!("0%")));
    assert_eq!(api.ship(&id).await.1["success"], false);
}

#[tokio::test]
async fn changes_are_refused() {
    let api = Api::start().await;
    let (_, created) = api.post("/batches", &create(&shipments(1))).await;
    let id = created["data"]["id"].as_str().unwrap();
    let refused = async |state: &str| {
        let more = json!({"batch_shipments": [shipment("MORE")]});
        let ids = json!({"batch_shipment_ids": ["some"]});
        for (status, body) in [
            api.put(&format!("/batches/{id}/add-items"), &more).await,
            api.put(&format!("/batches/{id}/remove-items"), &ids).await,
            api.ship(id).await,
        ] {
            assert_eq!((status, &body["success"], body.get("data")), (200, &json!(false), None), "{state}");
        }
    };
    refused("validating").await;
    api.batch(id).await;
    api.ship(id).await;
    refused("processing").await;
    api.batch(id).await;
    refused("completed").await;
    assert_eq!(api.batch(id).await["results"]["total_count"], 1);

    let id = api.validated(&shipments(999)).await;
    let path = format!("/batches/{id}/add-items");
    let (status, body) = api.put(&path, &json!({"batch_shipments": shipments(2)})).await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
    let (status, body) = api.put(&path, &json!({"batch_shipments": [{}]})).await;
    assert_eq!((status, body["data"]["batch_shipments.0.to_address"].is_array()), (422, true));
    let (status, body) = api.put(&path, &json!({"batch_shipments": shipments(1)})).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)));

    let path = format!("/batches/{id}/remove-items");
    for (ids, field) in [
        (json!(null), "batch_shipment_ids"),
        (json!([7]), "batch_shipment_ids.0"),
        (json!(vec!["x"; 10_001]), "batch_shipment_ids"),
    ] {
        let (status, body) = api.put(&path, &json!({"batch_shipment_ids": ids})).await;
        assert_eq!((status, body["data"][field].is_array()), (422, true));
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let api = Api::start().await;
    for (status, body) in [
        api.get("/batches/1").await,
        api.ship("1").await,
        api.put("/batches/1/add-items", &json!({"batch_shipments": shipments(1)})).await,
        api.put("/batches/1/remove-items", &json!({"batch_shipment_ids": ["x"]})).await,
        api.get("/parcel-orders/1").await,
        api.get("/parcel-orders/x").await,
        api.get("/parcel-orders/tracking-number/1").await,
    ] {
        assert_eq!((status, &body["success"], body["message"].is_string()), (404, &json!(false), true));
    }
    for path in ["1/1.pdf", "merged/1.pdf", "parcels/1.pdf", "parcels/1"] {
        let response = api.request(Method::GET, &format!("/files/deftship/{path}")).send().await.unwrap();
        assert_eq!(response.status(), 404);
    }
}

#[tokio::test]
async fn each_shipped_item_is_charged_once() {
    let api = Api::start().await;
    let mut shipments = shipments(3);
    shipments[1] = but("ORDER-2", "/to_address/zip", json!("00000"));
    shipments[2] = but("", "/package_list/0/weight", json!(2));
    let id = api.validated(&shipments).await;
    let (one, two) = tokio::join!(api.ship(&id), api.ship(&id));
    let successes = [one, two].map(|(status, body)| (status, body["success"] == true));
    assert_eq!(successes.iter().filter(|(_, success)| *success).count(), 1);
    assert!(successes.iter().all(|(status, _)| *status == 200));
    // Paid for at acceptance, not when the labels are there.
    let ledger = api.sandbox.ledger();
    assert_eq!(ledger.charges().len(), 2);

    api.batch(&id).await;
    let batch = api.batch(&id).await;
    assert_eq!((&batch["status"], statuses(&batch)), (&json!("completed"), vec!["completed", "failed", "completed"]));
    let failed = json!({"id": item_id(&batch, 1), "status": "failed", "errors": null, "shipment_order": null});
    assert_eq!(batch["items"]["data"][1], failed);
    let results = json!({
        "total_count": 3, "completion_percentage": "100%", "valid_count": 3, "invalid_count": 0,
        "completed_count": 2, "failed_count": 1,
    });
    assert_eq!(batch["results"], results);
    assert_eq!(api.pages(&batch["labels"][0]).await.len(), 2);

    assert_eq!(api.sandbox.ledger().charges(), ledger.charges());
    let unnamed = item_id(&batch, 2);
    let charged: Vec<_> = ledger.charges().iter().map(|charge| charge.order.as_str()).collect();
    assert_eq!(charged, ["ORDER-1", unnamed.as_str().unwrap()]);
    let spent: Decimal = ledger.charges().iter().map(|charge| charge.amount).sum();
    assert!(ledger.charges().iter().all(|charge| charge.vendor == Vendor::Deftship && charge.amount > Decimal::ZERO));
    let (_, body) = api.get("/balance").await;
    let left: Decimal = body["data"]["balance"].as_str().unwrap().replace(',', "").parse().unwrap();
    assert_eq!(left, Decimal::from(1_000_000) - spent);
}

#[tokio::test]
async fn the_balance_must_cover_the_batch() {
    let api = Api::start().await;
    let balance = json!({"success": true, "data": {"balance": "1,000,000.00", "currency": "USD"}});
    for (weight, unit) in [(json!(3_000_000), "LBS"), (json!(1_500_000), "KG"), (json!(1e40), "LBS")] {
        let mut heavy = but("HEAVY", "/package_list/0/weight", weight);
        heavy["weight_unit"] = json!(unit);
        let id = api.validated(&[shipment("LIGHT"), heavy]).await;
        let (status, body) = api.ship(&id).await;
        assert_eq!((status, &body["success"], body.get("data")), (200, &json!(false), None));
        assert_eq!(api.batch(&id).await["status"], "ready");
    }
    assert!(api.sandbox.ledger().charges().is_empty());
    assert_eq!(api.get("/balance").await, (200, balance));
}

#[test]
fn thousands_are_set_apart() {
    for (cents, text) in [(9_972_540, "99,725.40"), (12_345, "123.45"), (100_000, "1,000.00"), (0, "0.00")] {
        assert_eq!(with_thousands(Decimal::new(cents, 2)), text);
    }
}

#[tokio::test]
async fn a_parcel_is_found_by_id_and_tracking_number() {
    let api = Api::start().await;
    let mut pieces = but("PIECES", "/package_list/0/count", json!(2));
    pieces["package_list"][0]["items"] = json!([{"sku": "A", "quantity": 2, "price": 9.5}]);
    let mut abroad = pieces.clone();
    abroad["to_address"]["country"] = json!("DE");
    let id = api.completed(&[pieces, abroad]).await;
    let batch = api.batch(&id).await;
    let tracking = batch["items"]["data"][0]["shipment_order"]["main_tracking_number"].as_str().unwrap();
    assert_eq!(tracking.len(), 22);

    let (status, found) = api.get(&format!("/parcel-orders/tracking-number/{tracking}")).await;
    let parcel = &found["data"];
    let order = parcel["shipment_order_id"].as_i64().unwrap();
    let second = parcel["sub_tracking_numbers"][0].as_str().unwrap();
    assert_eq!(api.get(&format!("/parcel-orders/{order}")).await, (status, found.clone()));
    assert_eq!(api.get(&format!("/parcel-orders/tracking-number/{second}")).await, (status, found.clone()));
    let price: f64 = api.sandbox.ledger().charges()[0].amount.to_string().parse().unwrap();
    let goods = json!([{"sku": "A", "quantity": "2", "price": "9.5"}]);
    let expected = json!({
        "shipment_order_id": order, "main_tracking_number": tracking, "provider_number": null,
        "status": "label_ready", "sub_tracking_numbers": [second],
        "package_details": [
            {"tracking_number": tracking, "items": goods}, {"tracking_number": second, "items": goods},
        ],
        "final_price": price, "carrier": "usps", "service": "USPS-3", "tags": [],
        "label": parcel["label"], "customs_form": null,
    });
    assert_eq!((status, &found["success"], parcel), (200, &json!(true), &expected));
    let pages = api.pages(&parcel["label"]).await;
    assert_eq!(pages.len(), 2);
    assert!(pages[0].contains(tracking) && pages[1].contains(second));

    let abroad = batch["items"]["data"][1]["shipment_order"]["main_tracking_number"].as_str().unwrap();
    let (_, abroad) = api.get(&format!("/parcel-orders/tracking-number/{abroad}")).await;
    assert_eq!(api.pages(&abroad["data"]["customs_form"]).await.len(), 2);
}

#[tokio::test]
async fn a_parcel_in_the_making_cannot_be_read() {
    let api = Api::start().await;
    // The same seed: the parcel will have the same id.
    let twin = Api::start().await;
    let id = twin.completed(&shipments(1)).await;
    let tracking = twin.batch(&id).await["items"]["data"][0]["shipment_order"]["main_tracking_number"].take();
    let path = format!("/parcel-orders/tracking-number/{}", tracking.as_str().unwrap());
    let id = api.validated(&shipments(1)).await;
    assert_eq!(api.get(&path).await.0, 404);
    api.ship(&id).await;
    let (status, body) = api.get(&path).await;
    assert_eq!((status, &body["success"]), (422, &json!(false)));
    let file = format!("/files/deftship/{id}/1.pdf");
    assert_eq!(api.request(Method::GET, &file).send().await.unwrap().status(), 404);
    api.batch(&id).await;
    assert_eq!(api.get(&path).await.0, 200);
    assert_eq!(api.request(Method::GET, &file).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn labels_are_merged_on_demand() {
    let api = Api::start().await;
    let id = api.completed(&shipments(3)).await;
    let mut ids = Vec::new();
    for item in api.batch(&id).await["items"]["data"].as_array().unwrap() {
        let tracking = item["shipment_order"]["main_tracking_number"].as_str().unwrap();
        let (_, body) = api.get(&format!("/parcel-orders/tracking-number/{tracking}")).await;
        ids.push(body["data"]["shipment_order_id"].clone());
    }
    let (status, body) = api.post("/parcel-orders/merge-labels", &json!({"ids": [ids[2], ids[0]]})).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)));
    let pages = api.pages(&body["data"]["url"]).await;
    assert_eq!(pages.len(), 2);
    assert!(pages[0].contains("ORDER-3") && pages[1].contains("ORDER-1"));

    let (status, body) = api.post("/parcel-orders/merge-labels", &json!({"ids": [5, ids[0], 6]})).await;
    assert_eq!(status, 422);
    assert!(body["data"]["ids"][0].as_str().unwrap().contains("5, 6"));
    let (status, body) = api.post("/parcel-orders/merge-labels", &json!({"ids": []})).await;
    assert_eq!((status, body["data"]["ids"].is_array()), (422, true));
}

#[tokio::test]
async fn an_address_is_judged() {
    let api = Api::start().await;
    let mut address = json!({"street_1": "456 Oak Ave", "state": "CA", "zip": "90001", "country": "US"});
    let (status, body) = api.post("/address/validate", &address).await;
    assert_eq!((status, &body["data"]["status"]), (200, &json!("valid")));
    let suggested = &body["data"]["data"][0];
    assert_eq!((&suggested["zip"], &suggested["is_residential"]), (&json!("90001"), &json!(true)));
    address["zip"] = json!("9");
    let (_, body) = api.post("/address/validate", &address).await;
    assert_eq!(body["data"], json!({"status": "invalid", "data": []}));
    let (status, body) = api.post("/address/validate", &json!({"country": "CA"})).await;
    assert_eq!(status, 422);
    let fields: Vec<_> = body["data"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["state", "street_1", "zip"]);
}

/// What is suggested is an address by the document, whatever else was sent.
#[tokio::test]
async fn an_address_is_made_of_texts() {
    let api = Api::start().await;
    let address = json!({"street_1": "1", "zip": "1", "country": "DK", "city": [], "street_2": null, "COM1": {}});
    let (_, body) = api.post("/address/validate", &address).await;
    let suggested = json!({"street_1": "1", "zip": "1", "country": "DK", "is_residential": true});
    assert_eq!(body["data"]["data"], json!([suggested]));
    let wrong = json!({"street_1": "1", "zip": "1", "country": "DK", "city": 2756, "street_2": false});
    let (status, body) = api.post("/address/validate", &wrong).await;
    let fields: Vec<_> = body["data"].as_object().unwrap().keys().collect();
    assert_eq!((status, fields.len()), (422, 2), "{fields:?}");
}

#[tokio::test]
async fn a_full_batch_has_ten_files_in_order() {
    let api = Api::start().await;
    let id = api.completed(&shipments(1000)).await;
    let batch = api.batch(&id).await;
    let urls = batch["labels"].as_array().unwrap();
    assert_eq!(urls.len(), 10);
    let mut orders = Vec::new();
    for url in urls {
        let pages = api.pages(url).await;
        assert_eq!(pages.len(), 100);
        orders.extend(pages.iter().map(|page| page.lines().next().unwrap().trim().to_owned()));
    }
    assert_eq!(orders, (1..=1000).map(|order| format!("ORDER-{order}")).collect::<Vec<_>>());
    let ledger = api.sandbox.ledger();
    assert_eq!((ledger.orders(), ledger.charged_twice()), (1000, 0));
    assert_eq!(ledger.charges()[999].order, "ORDER-1000");
}
