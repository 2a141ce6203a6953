//! The three vendors, as the command line deals with them.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use shipbatch::{Booking, Builder, Journal, LabelSource, Order, Phases, Vendor, deftship, smartsend, xps};

use crate::{
    Failure,
    access::Variables,
    line::{self, Shipper},
};

/// The orders of a wave.
pub(crate) type Orders<D> = [Order<<<D as Desk>::Engine as Phases>::Shipment>];

/// What the command line asks of a way to book: `builder` and `book` are methods of each client.
pub(crate) trait Desk {
    /// The vendor's client.
    type Client: LabelSource;

    /// What books: the client, or another way of its.
    type Engine: Phases;

    /// A line of a file of orders.
    type Line: line::Line<Shipment = <Self::Engine as Phases>::Shipment>;

    /// Where the credentials stand in the environment.
    const VARIABLES: Variables;

    fn builder(account: String) -> Builder<Self::Client>;

    fn wave<'a>(
        client: &Self::Client,
        orders: &'a Orders<Self>,
        journal: &'a Journal,
    ) -> Booking<'a, Self::Engine, &'a Orders<Self>>;
}

/// Smart Send, order by order.
pub(crate) struct SmartSend;

impl Desk for SmartSend {
    type Client = smartsend::Client;
    type Engine = smartsend::Client;
    type Line = line::Plain<smartsend::types::ShipmentRequest>;

    const VARIABLES: Variables = Variables {
        token: "SMARTSEND_TOKEN",
        account: "SMARTSEND_TEAM",
        base_url: "SMARTSEND_BASE_URL",
        default_account: None,
    };

    fn builder(account: String) -> Builder<Self::Client> {
        smartsend::Client::builder(account)
    }

    fn wave<'a>(
        client: &Self::Client,
        orders: &'a Orders<Self>,
        journal: &'a Journal,
    ) -> Booking<'a, Self::Engine, &'a Orders<Self>> {
        client.book(orders, journal)
    }
}

/// Smart Send, by booking batches.
pub(crate) struct SmartSendBatches;

impl Desk for SmartSendBatches {
    type Client = smartsend::Client;
    type Engine = smartsend::ViaBatches;
    type Line = <SmartSend as Desk>::Line;

    const VARIABLES: Variables = SmartSend::VARIABLES;

    fn builder(account: String) -> Builder<Self::Client> {
        smartsend::Client::builder(account)
    }

    fn wave<'a>(
        client: &Self::Client,
        orders: &'a Orders<Self>,
        journal: &'a Journal,
    ) -> Booking<'a, Self::Engine, &'a Orders<Self>> {
        client.via_batches().book(orders, journal)
    }
}

/// XPS.
pub(crate) struct Xps;

impl Desk for Xps {
    type Client = xps::Client;
    type Engine = xps::Client;
    type Line = line::Plain<xps::types::QuoteShipment>;

    const VARIABLES: Variables =
        Variables { token: "XPS_API_KEY", account: "XPS_CUSTOMER_ID", base_url: "XPS_BASE_URL", default_account: None };

    fn builder(account: String) -> Builder<Self::Client> {
        xps::Client::builder(account)
    }

    fn wave<'a>(
        client: &Self::Client,
        orders: &'a Orders<Self>,
        journal: &'a Journal,
    ) -> Booking<'a, Self::Engine, &'a Orders<Self>> {
        client.book(orders, journal)
    }
}

/// Deftship.
pub(crate) struct Deftship;

impl Desk for Deftship {
    type Client = deftship::Client;
    type Engine = deftship::Client;
    type Line = line::Deftship;

    const VARIABLES: Variables = Variables {
        token: "DEFTSHIP_TOKEN",
        account: "DEFTSHIP_ACCOUNT",
        base_url: "DEFTSHIP_BASE_URL",
        // The API knows accounts by their token alone: most users have one and need no name for it.
        default_account: Some("default"),
    };

    fn builder(account: String) -> Builder<Self::Client> {
        deftship::Client::builder(account)
    }

    fn wave<'a>(
        client: &Self::Client,
        orders: &'a Orders<Self>,
        journal: &'a Journal,
    ) -> Booking<'a, Self::Engine, &'a Orders<Self>> {
        client.book(orders, journal)
    }
}

/// Where the credentials of each vendor stand in the environment.
pub(crate) const VARIABLES: [(Vendor, Variables); 3] =
    [(Vendor::SmartSend, SmartSend::VARIABLES), (Vendor::Xps, Xps::VARIABLES), (Vendor::Deftship, Deftship::VARIABLES)];

/// Reads a vendor's name, and lists the names in the help.
pub(crate) fn vendor() -> impl TypedValueParser<Value = Vendor> {
    PossibleValuesParser::new(Vendor::ALL.map(Vendor::name)).try_map(|name| name.parse::<Vendor>())
}

/// A flag that would be ignored is a mistake.
pub(crate) fn check(vendor: Vendor, shipper: &Shipper, via_batches: bool) -> Result<(), Failure> {
    if vendor != Vendor::Deftship && shipper.is_given() {
        return Err(Failure::new(format!("--shipper-id and --service: {vendor} takes none")));
    }
    if vendor != Vendor::SmartSend && via_batches {
        return Err(Failure::new(format!("--via-batches: {vendor} books by batches as it is")));
    }
    Ok(())
}
