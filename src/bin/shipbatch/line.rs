//! A line of a file of orders: `{"order_id": …, "shipment": {the vendor's own request}}`.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, Visitor},
};
use serde_json::{Value, json};
use shipbatch::{Order, OrderId, deftship, smartsend, xps};

/// By what Deftship ships the orders that don't say it themselves.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Shipper {
    /// Deftship: the shipper of orders that name none
    #[arg(long, value_name = "N")]
    pub(crate) shipper_id: Option<i64>,
    /// Deftship: the service of orders that name none, such as USPS-3
    #[arg(long, value_name = "CODE")]
    pub(crate) service: Option<String>,
}

impl Shipper {
    pub(crate) fn is_given(&self) -> bool {
        self.shipper_id.is_some() || self.service.is_some()
    }
}

/// A line as a vendor has it.
pub(crate) trait Line: DeserializeOwned {
    type Shipment;

    /// The vendor's own request, as its schema has it.
    type Wire: JsonSchema;

    /// Fields that are required and may well be empty: a sheet need not name them.
    const BLANK: &'static [&'static str];

    /// What the fields of the receiver begin with, as columns name them.
    const RECEIVER: &'static str;

    /// What stands beside the request and the order's id, with its schema.
    fn beside() -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The order, or what is wrong with it.
    fn order(self, shipper: &Shipper) -> Result<Order<Self::Shipment>, String>;
}

/// A line with nothing beside the vendor's own request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plain<S> {
    #[serde(deserialize_with = "order_id")]
    order_id: OrderId,
    shipment: S,
}

/// A vendor's request that is an order's line but for its id.
pub(crate) trait Request: DeserializeOwned + JsonSchema {
    const BLANK: &'static [&'static str];
    const RECEIVER: &'static str;
}

impl Request for xps::types::QuoteShipment {
    // They are always sent, as an empty text where there is nothing to say.
    const BLANK: &'static [&'static str] = &[
        "/shipment/receiver/company",
        "/shipment/receiver/address2",
        "/shipment/receiver/phone",
        "/shipment/receiver/state",
        "/shipment/sender/company",
        "/shipment/sender/address2",
        "/shipment/sender/phone",
        "/shipment/sender/state",
    ];
    const RECEIVER: &'static str = "receiver.";
}

impl Request for smartsend::types::ShipmentRequest {
    const BLANK: &'static [&'static str] = &[];
    const RECEIVER: &'static str = "parties.receiver.";
}

impl<S: Request> Line for Plain<S> {
    type Shipment = S;
    type Wire = S;

    const BLANK: &'static [&'static str] = S::BLANK;
    const RECEIVER: &'static str = S::RECEIVER;

    fn order(self, _: &Shipper) -> Result<Order<S>, String> {
        Ok(Order::new(self.order_id, self.shipment))
    }
}

/// A line for Deftship, whose batches have one shipper and one service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deftship {
    #[serde(deserialize_with = "order_id")]
    order_id: OrderId,
    shipper_id: Option<i64>,
    service: Option<String>,
    shipment: deftship::types::BatchShipment,
}

impl Line for Deftship {
    type Shipment = deftship::Shipment;
    type Wire = deftship::types::BatchShipment;

    const BLANK: &'static [&'static str] = &[];
    const RECEIVER: &'static str = "to_address.";

    fn beside() -> Vec<(&'static str, Value)> {
        vec![
            ("shipper_id", json!({"type": ["integer", "null"], "description": "The vendor's id of the shipper"})),
            ("service", json!({"type": ["string", "null"], "description": "The service's code, such as USPS-3"})),
        ]
    }

    fn order(self, shipper: &Shipper) -> Result<Order<Self::Shipment>, String> {
        let shipper_id = self.shipper_id.or(shipper.shipper_id);
        let shipper_id = shipper_id.ok_or("shipper_id: neither in the line nor given by --shipper-id")?;
        let service = self.service.or_else(|| shipper.service.clone());
        let service = service.ok_or("service: neither in the line nor given by --service")?;
        Ok(Order::new(self.order_id, deftship::Shipment::new(shipper_id, service, self.shipment)))
    }
}

/// An order id; shops write it as a number, too.
fn order_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrderId, D::Error> {
    struct Id;

    impl Visitor<'_> for Id {
        type Value = OrderId;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or an integer")
        }

        fn visit_str<E: de::Error>(self, id: &str) -> Result<OrderId, E> {
            OrderId::new(id).map_err(E::custom)
        }

        fn visit_u64<E: de::Error>(self, id: u64) -> Result<OrderId, E> {
            self.visit_str(&id.to_string())
        }

        fn visit_i64<E: de::Error>(self, id: i64) -> Result<OrderId, E> {
            self.visit_str(&id.to_string())
        }
    }

    deserializer.deserialize_any(Id)
}
