//! The servers: one of fixed answers, as fast as one can be; the sandbox; and the sandbox with large answers.

use std::{
    convert::Infallible,
    io::{BufRead, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use shipbatch::{
    Vendor,
    sandbox::{Faults, Sandbox},
};
use tokio::net::TcpListener;

use crate::{
    Result,
    measure::{SERVER, keep_to},
};

/// Entries of the list.
pub(crate) const LISTED: usize = 100_000;
/// Letters of base64 in a large answer.
const LETTERS: usize = 25_000_000;

/// Serves until the pipe to this process closes.
pub(crate) fn run(kind: &str, options: &[&str]) -> Result {
    keep_to(SERVER)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match (kind, options) {
            ("fixed", [latency, every]) => {
                let fixed = Fixed::new(Duration::from_millis(latency.parse()?), every.parse()?);
                serve(Arc::new(fixed)).await
            }
            ("sandbox", [latency]) => {
                let latency = Duration::from_millis(latency.parse()?);
                let sandbox = Sandbox::builder().latency(latency).start().await?;
                println!("http://{}", sandbox.address());
                answer_on_stdin(|| json!({})).await
            }
            ("large", []) => {
                let sandbox = Sandbox::builder().faults(Faults::default()).start().await?;
                let base = sandbox.base_url(Vendor::Xps);
                serve(Arc::new(Large {
                    origin: base.trim_end_matches("/restapi/v1").to_owned(),
                    pdf: letters(),
                    http: reqwest::Client::new(),
                }))
                .await
            }
            _ => Err(format!("server {kind}: not with {options:?}").into()),
        }
    })
}

/// Says what was seen, each time that it is asked, until nobody can ask any more.
async fn answer_on_stdin(log: impl Fn() -> Value + Send + 'static) -> Result {
    let asked = move || -> std::io::Result<()> {
        for line in std::io::stdin().lock().lines() {
            line?;
            writeln!(std::io::stdout(), "{}", log())?;
        }
        Ok(())
    };
    Ok(tokio::task::spawn_blocking(asked).await??)
}

/// A server's answers.
trait Answers: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
    fn log(&self) -> Value;
}

async fn serve<A: Answers>(answers: Arc<A>) -> Result {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let log = answers.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let answers = answers.clone();
            let service = service_fn(move |request| {
                let answers = answers.clone();
                async move { Ok::<_, Infallible>(answers.answer(request).await) }
            });
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    answer_on_stdin(move || log.log()).await
}

/// Fixed answers: a shipment of 2 kB, a list of them; each after the latency, and every so many calls a 429.
struct Fixed {
    latency: Duration,
    /// Which calls are answered 429; 0 is none.
    every: usize,
    shipment: Bytes,
    entry: String,
    started: Instant,
    /// When each call came, in microseconds, and whether it was answered 429.
    calls: Mutex<Vec<(u64, bool)>>,
}

impl Fixed {
    fn new(latency: Duration, every: usize) -> Self {
        let shipment = shipment();
        let envelope = json!({ "data": shipment }).to_string();
        let calls = Mutex::new(Vec::with_capacity(1 << 20));
        Self { latency, every, shipment: envelope.into(), entry: shipment.to_string(), started: Instant::now(), calls }
    }

    /// Notes a call; whether it is one too many.
    fn note(&self) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused = self.every > 0 && (calls.len() + 1).is_multiple_of(self.every);
        calls.push((self.started.elapsed().as_micros() as u64, is_refused));
        is_refused
    }

    fn list(&self, query: &str) -> Bytes {
        let number = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.and_then(|text| text.parse().ok()).unwrap_or(1)
        };
        let (page, per_page): (usize, usize) = (number("page"), number("per_page"));
        let entries = vec![self.entry.as_str(); per_page].join(",");
        let (total, last) = (LISTED, LISTED / per_page);
        let meta = json!({"current_page": page, "per_page": per_page, "total": total, "last_page": last});
        format!(r#"{{"data":[{entries}],"meta":{meta}}}"#).into()
    }
}

impl Answers for Fixed {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_refused = self.note();
        let list =
            request.uri().query().filter(|_| request.method() == hyper::Method::GET).map(|query| self.list(query));
        // A client that keeps its connection sends all of it.
        let _ = request.into_body().collect().await;
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        if is_refused {
            let mut refused = answered(429, Bytes::from_static(br#"{"message":"Too Many Requests."}"#));
            refused.headers_mut().insert("retry-after", hyper::header::HeaderValue::from_static("1"));
            return refused;
        }
        answered(200, list.unwrap_or_else(|| self.shipment.clone()))
    }

    fn log(&self) -> Value {
        json!(*self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sandbox, its labels blown up.
struct Large {
    origin: String,
    pdf: String,
    http: reqwest::Client,
}

impl Answers for Large {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.forward(request).await.unwrap_or_else(|error| answered(502, error.to_string().into()))
    }

    fn log(&self) -> Value {
        json!({})
    }
}

impl Large {
    async fn forward(
        &self,
        request: Request<Incoming>,
    ) -> std::result::Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let (head, body) = request.into_parts();
        let is_booking = head.uri.path().ends_with("/book");
        let url = format!("{}{}", self.origin, head.uri);
        let sent = self.http.request(head.method, url).headers(head.headers).body(body.collect().await?.to_bytes());
        let answer = sent.send().await?;
        let status = answer.status().as_u16();
        let mut body = answer.bytes().await?;
        if is_booking && status == 200 {
            let mut booked: Value = serde_json::from_slice(&body)?;
            booked["labelsPdf"] = Value::Null;
            body =
                booked.to_string().replacen(r#""labelsPdf":null"#, &format!(r#""labelsPdf":"{}""#, self.pdf), 1).into();
        }
        Ok(answered(status, body))
    }
}

/// Base64 without a pattern.
fn letters() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = fastrand::Rng::with_seed(7);
    (0..LETTERS).map(|_| char::from(ALPHABET[random.usize(..64)])).collect()
}

fn answered(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// A shipment of 2 kB, as Smart Send shows it.
fn shipment() -> Value {
    let address = json!({"address_lines": ["Vesterbrogade 142, 2. th."], "postal_code": "1620", "city": "København V",
        "country": "DK", "administrative_area": null});
    let contact = json!({"name_lines": ["Anne Marie Østergaard"], "company": null, "email": "anne@example.com",
        "phone": "+4520123456"});
    let item = |number: u32| {
        json!({"reference": null, "identifier": format!("item-{number}"), "sku": format!("SKU-{number}"), "name": "A pair of socks, wool",
        "description": "A pair of socks, wool", "tariff_code": "61159400", "country_of_origin": "DK", "quantity": 2,
        "total_net_amount": 19.9, "tax_amount": 4.98, "net_weight": 0.2})
    };
    json!({
        "uuid": "0198c0de-1234-7abc-8def-0123456789ab", "state": "booked", "currency": "DKK", "weight_unit": "g",
        "dimension_unit": "cm", "invoice_number": "INV-1004521", "reference": "4521", "identifier": "4521",
        "delivery": {"carrier": "postnord", "service": "postnord_agent", "addons": null},
        "parties": {"receiver": {"reference": null, "identifier": null, "address": address, "contact": contact}, "pickup": null},
        "parcels": [{"uuid": "0198c0de-1234-7abc-8def-0123456789ac", "tracking_code": "00370730254812345678",
            "gross_weight": 1200, "length": 30, "width": 20, "height": 10, "total_net_amount": 39.8, "tax_amount": 9.95,
            "items": [item(1), item(2), item(3)]}],
        "total_net_amount": 39.8, "tax_amount": 9.95, "shipping_net_amount": 5.9, "shipping_tax_amount": 1.48,
        "created_at": "2026-11-21T08:00:00Z", "booked_at": "2026-11-21T08:00:01Z",
    })
}
