//! The three vendors, as the command line deals with them.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use shipbatch::{Booking, Builder, Journal, LabelSource, Order, Phases, Vendor, deftship, smartsend, xps};

use crate::{access::Variables, line};

/// The orders of a wave.
pub(crate) type Orders<D> = [Order<<D as Phases>::Shipment>];

/// What the command line asks of a vendor's client beyond what all clients have in common: `builder` and `book` are
/// methods of each.
pub(crate) trait Desk: Phases + LabelSource {
    /// A line of a file of orders.
    type Line: line::Line<Shipment = Self::Shipment>;

    /// Where the credentials stand in the environment.
    const VARIABLES: Variables;

    fn builder(account: String) -> Builder<Self>;

    fn wave<'a>(&'a self, orders: &'a Orders<Self>, journal: &'a Journal) -> Booking<'a, Self, &'a Orders<Self>>;
}

impl Desk for smartsend::Client {
    type Line = line::Plain<Self::Shipment>;

    const VARIABLES: Variables = Variables {
        token: "SMARTSEND_TOKEN",
        account: "SMARTSEND_TEAM",
        base_url: "SMARTSEND_BASE_URL",
        default_account: None,
    };

    fn builder(account: String) -> Builder<Self> {
        Self::builder(account)
    }

    fn wave<'a>(&'a self, orders: &'a Orders<Self>, journal: &'a Journal) -> Booking<'a, Self, &'a Orders<Self>> {
        self.book(orders, journal)
    }
}

impl Desk for xps::Client {
    type Line = line::Plain<Self::Shipment>;

    const VARIABLES: Variables =
        Variables { token: "XPS_API_KEY", account: "XPS_CUSTOMER_ID", base_url: "XPS_BASE_URL", default_account: None };

    fn builder(account: String) -> Builder<Self> {
        Self::builder(account)
    }

    fn wave<'a>(&'a self, orders: &'a Orders<Self>, journal: &'a Journal) -> Booking<'a, Self, &'a Orders<Self>> {
        self.book(orders, journal)
    }
}

impl Desk for deftship::Client {
    type Line = line::Deftship;

    const VARIABLES: Variables = Variables {
        token: "DEFTSHIP_TOKEN",
        account: "DEFTSHIP_ACCOUNT",
        base_url: "DEFTSHIP_BASE_URL",
        // The API knows accounts by their token alone: most users have one and need no name for it.
        default_account: Some("default"),
    };

    fn builder(account: String) -> Builder<Self> {
        Self::builder(account)
    }

    fn wave<'a>(&'a self, orders: &'a Orders<Self>, journal: &'a Journal) -> Booking<'a, Self, &'a Orders<Self>> {
        self.book(orders, journal)
    }
}

/// Where the credentials of each vendor stand in the environment.
pub(crate) const VARIABLES: [(Vendor, Variables); 3] = [
    (Vendor::SmartSend, smartsend::Client::VARIABLES),
    (Vendor::Xps, xps::Client::VARIABLES),
    (Vendor::Deftship, deftship::Client::VARIABLES),
];

/// Reads a vendor's name, and lists the names in the help.
pub(crate) fn vendor() -> impl TypedValueParser<Value = Vendor> {
    PossibleValuesParser::new(Vendor::ALL.map(Vendor::name)).try_map(|name| name.parse::<Vendor>())
}
