//! The ways to book, and waves to go them with, for the tests in which things go wrong.

use std::{future::pending, time::Duration};

use serde_json::Value;
use shipbatch::{
    Account, Builder, Journal, Order, OrderId, Polling, Report, Result, RetryPolicy, Timeouts, Vendor, deftship,
    sandbox::Sandbox, smartsend, xps,
};

use crate::waves::{deftship_shipment, orders, polling, smartsend_shipment, xps_shipment};

/// A way to book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    SmartSend,
    SmartSendBatches,
    Xps,
    Deftship,
}

/// What the vendor makes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Booked,
    /// Refused before any money moves.
    Unprepared,
    /// Refused by the carrier, at the money call.
    Uncommitted,
}

/// A wave, and how it is booked.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    pub(crate) fates: Vec<Fate>,
    pub(crate) unit_size: usize,
    pub(crate) concurrency: usize,
    /// How long a call may take.
    pub(crate) timeout: Duration,
    /// How long a worker counts as alive, where several share the journal.
    pub(crate) lease: Duration,
    pub(crate) polling: Polling,
}

/// Who books a wave: the client of a way.
pub(crate) enum Agent {
    SmartSend(smartsend::Client),
    SmartSendBatches(smartsend::ViaBatches),
    Xps(xps::Client),
    Deftship(deftship::Client),
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::SmartSend, Self::SmartSendBatches, Self::Xps, Self::Deftship];

    pub(crate) fn vendor(self) -> Vendor {
        match self {
            Self::SmartSend | Self::SmartSendBatches => Vendor::SmartSend,
            Self::Xps => Vendor::Xps,
            Self::Deftship => Vendor::Deftship,
        }
    }

    /// The operation that costs money.
    pub(crate) fn money_call(self) -> &'static str {
        match self {
            Self::SmartSend => "smartsend.book_shipment",
            Self::SmartSendBatches => "smartsend.dispatch_booking_batch",
            Self::Xps => "xps.book_batch",
            Self::Deftship => "deftship.ship_batch",
        }
    }

    /// The client, for waves with this timeout.
    pub(crate) fn agent(self, sandbox: &Sandbox, timeout: Duration) -> Agent {
        let url = sandbox.base_url(self.vendor());
        let smartsend = |url| eager(smartsend::Client::builder("team-7"), url, timeout).build().unwrap();
        match self {
            Self::SmartSend => Agent::SmartSend(smartsend(url)),
            Self::SmartSendBatches => Agent::SmartSendBatches(smartsend(url).via_batches()),
            Self::Xps => Agent::Xps(eager(xps::Client::builder("TEST00002"), url, timeout).build().unwrap()),
            Self::Deftship => Agent::Deftship(eager(deftship::Client::builder("main"), url, timeout).build().unwrap()),
        }
    }

    fn shipment(self, number: usize, fate: Fate) -> Value {
        let unless = |fated: Fate, code: &'static str, good: &'static str| if fate == fated { code } else { good };
        match self {
            Self::SmartSend | Self::SmartSendBatches => {
                let mut shipment = smartsend_shipment(unless(Fate::Uncommitted, "00000", "5000"));
                let country = unless(Fate::Unprepared, "Denmark", "DK");
                shipment["parties"]["receiver"]["address"]["country"] = country.into();
                shipment
            }
            Self::Xps if fate == Fate::Unprepared => xps_shipment("1"),
            Self::Xps => xps_shipment(unless(Fate::Uncommitted, "00000", "84601")),
            Self::Deftship => {
                let telephone = unless(Fate::Unprepared, "55", "5559876543");
                let mut shipment = deftship_shipment(unless(Fate::Uncommitted, "00000", "90001"), telephone);
                // Orders of two services share no unit.
                shipment["service"] = format!("USPS-{}", 1 + number % 5 / 4).into();
                shipment
            }
        }
    }
}

impl Wave {
    /// A wave in which every order is good.
    pub(crate) fn of(orders: usize) -> Self {
        Self {
            fates: vec![Fate::Booked; orders],
            unit_size: 8,
            concurrency: 8,
            timeout: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            polling: polling(),
        }
    }

    pub(crate) fn ids(&self) -> Vec<OrderId> {
        (0..self.fates.len()).map(|number| OrderId::new(format!("order-{number}")).unwrap()).collect()
    }

    fn orders<S: serde::de::DeserializeOwned>(&self, way: Way) -> Vec<Order<S>> {
        orders(self.fates.len(), |number| way.shipment(number, self.fates[number]))
    }
}

/// Runs a wave of any client: their `book` is no method of a trait.
macro_rules! run {
    ($client:expr, $orders:expr, $journal:expr, $wave:expr, $stop:expr) => {{
        let orders = $orders;
        let booking = $client.book(&orders, $journal).unit_size($wave.unit_size).concurrency($wave.concurrency);
        booking.polling($wave.polling.clone()).lease($wave.lease).until($stop).run().await
    }};
}

impl Agent {
    pub(crate) async fn book(&self, wave: &Wave, journal: &Journal) -> Result<Report> {
        self.book_until(wave, journal, pending()).await
    }

    /// Books until this signal.
    pub(crate) async fn book_until(
        &self,
        wave: &Wave,
        journal: &Journal,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Report> {
        match self {
            Self::SmartSend(client) => run!(client, wave.orders(Way::SmartSend), journal, wave, stop),
            Self::SmartSendBatches(client) => run!(client, wave.orders(Way::SmartSendBatches), journal, wave, stop),
            Self::Xps(client) => run!(client, wave.orders(Way::Xps), journal, wave, stop),
            Self::Deftship(client) => run!(client, wave.orders(Way::Deftship), journal, wave, stop),
        }
    }
}

/// Repeats at once, and does not wait for long: the sandbox is on this machine.
fn eager<C: Account>(builder: Builder<C>, url: String, timeout: Duration) -> Builder<C> {
    let (first_delay, longest_delay) = (Duration::from_millis(1), Duration::from_millis(8));
    let retry = RetryPolicy { attempts: 5, first_delay, longest_delay, budget: 10_000, ..RetryPolicy::default() };
    let timeouts = Timeouts { read: timeout, write: timeout, ..Timeouts::default() };
    builder.token(Sandbox::TOKEN).base_url(url).retry(retry).timeouts(timeouts)
}
