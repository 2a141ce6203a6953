//! The three APIs in process: stateful, faithful to what the vendors document, and a witness of every charge.
//!
//! A wave can be tried without an account, and a user's own tests can run against it. Nothing here uses the generated
//! client, so that a mistake of the client's shows.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> shipbatch::Result<()> {
//! use shipbatch::{Vendor, sandbox::Sandbox, smartsend};
//!
//! let sandbox = Sandbox::builder().seed(7).start().await?;
//! let client = smartsend::Client::builder("team-7")
//!     .token(Sandbox::TOKEN)
//!     .base_url(sandbox.base_url(Vendor::SmartSend))
//!     .build()?;
//! assert_eq!(sandbox.ledger().orders(), 0);
//! # Ok(()) }
//! ```

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Error, Result, Vendor};

mod deftship;
pub mod faults;
mod label;
mod ledger;
mod server;
mod smartsend;
mod xps;

pub use faults::Faults;
pub use ledger::{Charge, Ledger};

/// How a [`Sandbox`] behaves.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    settings: Settings,
    faults: Faults,
}

/// What the three APIs are told.
#[derive(Clone, Debug)]
struct Settings {
    seed: u64,
    latency: Duration,
    reads: u32,
}

/// The three APIs on one port of this machine. They stop when this is dropped.
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
    server: JoinHandle<()>,
}

/// What all handlers share.
struct World {
    settings: Settings,
    /// Where the sandbox can be reached, for the addresses in its answers.
    origin: String,
    faults: faults::Injector,
    ledger: Mutex<Ledger>,
    smartsend: Mutex<smartsend::State>,
    xps: Mutex<xps::State>,
    deftship: Mutex<deftship::State>,
}

type Shared = State<Arc<World>>;

impl Builder {
    /// Ids, tracking numbers and prices follow from it. 0 unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// How long each answer takes at least. None unless set.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
        self
    }

    /// How often a thing must be read until its next state shows: work that a vendor does in the background takes this
    /// many looks, so that tests depend on no clock. 1 unless set.
    pub fn reads(mut self, reads: u32) -> Self {
        self.settings.reads = reads;
        self
    }

    /// What goes wrong, and when. Nothing unless set.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Starts on a free port of the loopback interface.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(self) -> Result<Sandbox> {
        self.listen(([127, 0, 0, 1], 0)).await
    }

    /// Starts on this address.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn listen(self, address: impl Into<SocketAddr>) -> Result<Sandbox> {
        let address = address.into();
        let failed = |error| Error::input(format!("the sandbox cannot listen on {address}")).with_source(error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let world = Arc::new(World {
            faults: faults::Injector::new(self.faults, self.settings.seed),
            settings: self.settings,
            origin: format!("http://{address}"),
            ledger: Mutex::default(),
            smartsend: Mutex::default(),
            xps: Mutex::default(),
            deftship: Mutex::default(),
        });
        let routes = Router::new()
            .nest("/api/v2", smartsend::routes())
            .nest("/restapi/v1", xps::routes())
            .merge(deftship::routes())
            .layer(middleware::from_fn_with_state(world.clone(), faults::inject))
            .layer(middleware::from_fn_with_state(world.clone(), slowly))
            .with_state(world.clone());
        let server = tokio::spawn(server::serve(listener, routes));
        Ok(Sandbox { address, world, server })
    }
}

impl Sandbox {
    /// The one token that all three APIs take.
    pub const TOKEN: &'static str = "sandbox";

    /// A sandbox to be set up.
    pub fn builder() -> Builder {
        Builder { settings: Settings { seed: 0, latency: Duration::ZERO, reads: 1 }, faults: Faults::default() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of one API, for a client's `base_url`.
    pub fn base_url(&self, vendor: Vendor) -> String {
        let path = match vendor {
            Vendor::SmartSend => "/api/v2",
            Vendor::Xps => "/restapi/v1",
            Vendor::Deftship => "",
        };
        format!("{}{path}", self.world.origin)
    }

    /// Every charge so far: the truth about a wave.
    pub fn ledger(&self) -> Ledger {
        lock(&self.world.ledger).clone()
    }

    /// From now on these faults and no others; their calls are counted anew.
    pub fn set_faults(&self, faults: Faults) {
        self.world.faults.change(faults);
    }

    /// How many calls had a fault so far.
    pub fn faults_injected(&self) -> u64 {
        self.world.faults.injected()
    }

    /// Runs until it is dropped or the process ends.
    pub async fn run(mut self) {
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn slowly(State(world): Shared, request: Request, next: Next) -> Response {
    let over = tokio::time::Instant::now() + world.settings.latency;
    let response = next.run(request).await;
    // The work itself may have taken its time: a keyed write and a booking spend it where others can see them run.
    tokio::time::sleep_until(over).await;
    response
}

/// A lock that a panicking test cannot take away from the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the request holds the sandbox's token, under this scheme.
fn authorized(headers: &HeaderMap, scheme: &str) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split_once(' ') == Some((scheme, Sandbox::TOKEN))
}

/// An answer in JSON.
fn json(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap_or_default(), Json(body)).into_response()
}

/// An answer in PDF.
fn pdf(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/pdf")], Body::from(bytes)).into_response()
}

/// A number that follows from the seed and a name, the same on every run (FNV-1a).
fn number(seed: u64, name: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
