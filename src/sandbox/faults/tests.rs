use std::time::Instant;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use lopdf::Document;
use reqwest::{Response, header::RETRY_AFTER};

use super::*;
use crate::{Vendor, sandbox::Sandbox};

/// A sandbox with faults, as a Deftship, an XPS and a Smart Send user.
struct Api {
    sandbox: Sandbox,
    http: reqwest::Client,
}

impl Api {
    async fn start(faults: &str) -> Self {
        let sandbox = Sandbox::builder().seed(7).faults(faults.parse().unwrap()).start().await.unwrap();
        Self { sandbox, http: reqwest::Client::new() }
    }

    async fn call(&self, method: &str, url: String, scheme: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let authorization = format!("{scheme} {}", Sandbox::TOKEN);
        let request = self.http.request(method.parse().unwrap(), url).header(header::AUTHORIZATION, authorization);
        if let Some(body) = body { request.json(&body) } else { request }.send().await
    }

    async fn deftship(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let url =
            if path.starts_with("http") { path.to_owned() } else { self.sandbox.base_url(Vendor::Deftship) + path };
        self.call(method, url, "Bearer", body).await
    }

    /// An XPS batch is made; the call that may meet a fault.
    async fn create_batch(&self) -> reqwest::Result<Response> {
        self.xps("POST", "batch", Some(json!({"name": "Friday", "quoteIds": []}))).await
    }

    async fn xps(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let url = format!("{}/customers/TEST00002/{path}", self.sandbox.base_url(Vendor::Xps));
        self.call(method, url, "RSIS", body).await
    }

    /// How many XPS batches were made.
    async fn batches(&self) -> usize {
        let list = json_of(self.xps("GET", "batch", None).await).await;
        list["batches"].as_array().unwrap_or_else(|| panic!("{list}")).len()
    }

    /// A Deftship batch of two that was shipped, as it is read in the end.
    async fn shipped(&self) -> String {
        let shipment = json!({
            "from_address_id": 1,
            "to_address": {
                "name": "Jane Smith", "street_1": "456 Oak Ave", "city": "Los Angeles", "state": "CA", "zip": "90001",
                "country": "US", "telephone": "5559876543",
            },
            "package_list": [{"count": 1, "length": 10, "width": 8, "height": 4, "weight": 1}],
        });
        let batch = json!({"shipper_id": 123, "service": "USPS-3", "batch_shipments": [shipment, shipment]});
        let batch = json_of(self.deftship("POST", "/batches", Some(batch)).await).await;
        let id = batch["data"]["id"].as_str().unwrap_or_else(|| panic!("{batch}")).to_owned();
        for _ in 0..3 {
            self.deftship("GET", &format!("/batches/{id}"), None).await.unwrap();
        }
        self.deftship("POST", &format!("/batches/{id}/ship"), None).await.unwrap();
        for _ in 0..3 {
            self.deftship("GET", &format!("/batches/{id}"), None).await.unwrap();
        }
        id
    }
}

async fn json_of(response: reqwest::Result<Response>) -> Value {
    response.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_dropped_connection_gives_no_answer() {
    for (fault, made) in [("drop-before", 0), ("drop-after", 1)] {
        let api = Api::start(&format!("xps.create_batch:{fault}@1")).await;
        let error = api.create_batch().await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && error.status().is_none(), "{error:?}");
        assert_eq!((api.batches().await, api.sandbox.faults_injected()), (made, 1), "{fault}");
        assert_eq!(api.create_batch().await.unwrap().status(), 201);
    }
}

#[tokio::test]
async fn faults_can_change_and_end() {
    let api = Api::start("xps.create_batch:500").await;
    assert_eq!(api.create_batch().await.unwrap().status(), 500);
    api.sandbox.set_faults("xps.create_batch:429(0)@1".parse().unwrap());
    let answers = [api.create_batch().await, api.create_batch().await].map(|answer| answer.unwrap().status().as_u16());
    assert_eq!((answers, api.sandbox.faults_injected()), ([429, 201], 2));
}

#[tokio::test]
async fn a_busy_vendor_says_when_to_come_again() {
    let api = Api::start("xps.create_batch:429@1,xps.create_batch:429(3)@2,xps.create_batch:429-date(60)@3").await;
    let mut said = Vec::new();
    for _ in 0..3 {
        let answer = api.create_batch().await.unwrap();
        assert_eq!(answer.status(), 429);
        said.push(answer.headers()[RETRY_AFTER].to_str().unwrap().to_owned());
    }
    assert_eq!(said[..2], ["1", "3"]);
    let wait = httpdate::parse_http_date(&said[2]).unwrap().duration_since(SystemTime::now()).unwrap();
    assert!((55..=61).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!((api.batches().await, api.sandbox.faults_injected()), (0, 3));
}

#[tokio::test]
async fn a_failure_is_a_page_of_html() {
    for (fault, made) in [("500", 0), ("500-after", 1)] {
        let api = Api::start(&format!("xps.create_batch:{fault}@1")).await;
        let answer = api.create_batch().await.unwrap();
        assert_eq!(answer.status(), 500);
        assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
        assert_eq!(api.batches().await, made);
    }
}

#[tokio::test]
async fn a_slow_answer_comes_and_a_hanging_one_never_does() {
    let api = Api::start("xps.create_batch:slow(50)@1,xps.create_batch:hang@2").await;
    let started = Instant::now();
    assert_eq!(api.create_batch().await.unwrap().status(), 201);
    assert!(started.elapsed() >= Duration::from_millis(50));
    tokio::time::timeout(Duration::from_millis(100), api.create_batch()).await.unwrap_err();
    assert_eq!((api.batches().await, api.sandbox.faults_injected()), (2, 2));
}

#[tokio::test]
async fn a_cut_answer_states_the_length_of_all_of_it() {
    let api = Api::start("deftship.get_balance:truncate@1").await;
    let mut cut = api.deftship("GET", "/balance", None).await.unwrap();
    let length = cut.content_length().unwrap();
    let first = cut.chunk().await.unwrap().unwrap();
    cut.chunk().await.unwrap_err();
    let full = api.deftship("GET", "/balance", None).await.unwrap().bytes().await.unwrap();
    assert_eq!((length, &first[..]), (full.len() as u64, &full[..full.len() / 2]));
}

#[tokio::test]
async fn a_batch_is_stuck_or_has_a_status_that_nobody_knows() {
    let api = Api::start("deftship.get_batch:stuck@7,deftship.get_batch:new-enum@8").await;
    let path = format!("/batches/{}", api.shipped().await);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(json_of(api.deftship("GET", &path, None).await).await["data"]["status"].clone());
    }
    assert_eq!(seen, ["processing", "brand_new", "completed"]);
    assert_eq!((api.sandbox.faults_injected(), api.sandbox.ledger().charges().len()), (2, 2));
}

#[tokio::test]
async fn what_is_not_at_rest_is_no_more_stuck_than_before() {
    let api = Api::start("xps.get_batch:stuck").await;
    let id = json_of(api.create_batch().await).await["batchId"].clone();
    let batch = json_of(api.xps("GET", &format!("batch/{id}"), None).await).await;
    assert_eq!((&batch["status"], api.sandbox.faults_injected()), (&json!("open"), 0));
}

#[tokio::test]
async fn a_label_is_missing() {
    let api = Api::start("get_file:missing-label@1,get_batch_labels:missing-label").await;
    let batch = api.shipped().await;
    let batch = json_of(api.deftship("GET", &format!("/batches/{batch}"), None).await).await;
    let file = batch["data"]["labels"][0].as_str().unwrap();
    for pages in [1, 2] {
        let pdf = api.deftship("GET", file, None).await.unwrap().bytes().await.unwrap();
        assert_eq!(Document::load_mem(&pdf).unwrap().get_pages().len(), pages);
    }
    assert_eq!(api.sandbox.faults_injected(), 1);
}

#[tokio::test]
async fn a_file_is_not_what_its_address_promised() {
    let api = Api::start("get_file:expired@1,get_file:html@2").await;
    let batch = api.shipped().await;
    let batch = json_of(api.deftship("GET", &format!("/batches/{batch}"), None).await).await;
    let file = batch["data"]["labels"][0].as_str().unwrap();
    for (status, kind) in [(403, "application/xml"), (200, "text/html"), (200, "application/pdf")] {
        let answer = api.deftship("GET", file, None).await.unwrap();
        let said = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        assert!(answer.status().as_u16() == status && said.starts_with(kind), "{status}: {said}");
    }
}

#[test]
fn a_label_is_missing_from_a_pdf_in_json() {
    let pdf = crate::sandbox::label::pdf(&[vec!["ORDER 1".to_owned()], vec!["ORDER 2".to_owned()]]);
    let answer = serde_json::to_vec(&json!({"labelsPdf": BASE64_STANDARD.encode(pdf)})).unwrap();
    let operation = operations::ALL.iter().find(|operation| operation.id == "get_batch_labels").unwrap();
    let answer: Value = serde_json::from_slice(&lose_label(operation, &answer).unwrap()).unwrap();
    let pdf = BASE64_STANDARD.decode(answer["labelsPdf"].as_str().unwrap()).unwrap();
    let pdf = Document::load_mem(&pdf).unwrap();
    assert_eq!(pdf.get_pages().len(), 1);
    assert!(pdf.extract_text(&[1]).unwrap().contains("ORDER 1"));
}

/// Which of a thousand calls meet a fault that a fifth of them has.
fn met(seed: u64) -> Vec<usize> {
    let injector = Injector::new("*:hang@20%".parse().unwrap(), seed);
    (0..1000).filter(|call| injector.draw(&operations::ALL[call % 7]).is_some()).collect()
}

#[test]
fn the_same_seed_meets_the_same_faults() {
    assert_eq!(met(7), met(7));
    assert_ne!(met(7), met(8));
    for seed in 0..20 {
        let met = met(seed).len();
        assert!((150..=250).contains(&met), "{seed}: {met}");
    }
}

#[test]
fn each_rule_counts_the_calls_that_concern_it_and_the_first_that_is_due_counts() {
    let injector = Injector::new("xps.*:500@2,get_batch:hang@2,*:429(0)@4".parse().unwrap(), 7);
    let find = |vendor, id| operations::ALL.iter().find(|it| it.vendor == vendor && it.id == id).unwrap();
    let (xps, deftship) = (find(Vendor::Xps, "get_batch"), find(Vendor::Deftship, "get_batch"));
    let drawn = [xps, xps, deftship, deftship, xps].map(|operation| injector.draw(operation));
    assert_eq!(drawn, [None, Some(What::ErrorBefore), None, Some(What::Busy(0)), None]);
}
