//! `shipbatch sample`: orders to try with. Invented, yet plausible and valid; the same for the same seed and day.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use serde_json::Value;
use shipbatch::Vendor;

use crate::{Failure, desk::vendor};

mod deftship;
mod dice;
mod goods;
mod people;
mod smartsend;
mod xps;

use dice::Dice;

const EXAMPLES: &str = "\
Examples:
  shipbatch sample --vendor xps --count 1000 > orders.jsonl";

/// What `shipbatch sample` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// In whose form
    #[arg(long, value_name = "V", value_parser = vendor())]
    vendor: Vendor,
    /// How many orders
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: u32,
    /// Another seed, other orders
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Args {
    /// Writes the orders to stdout, as JSON Lines.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let order = maker(self.vendor)?;
        let mut out = BufWriter::new(io::stdout().lock());
        let written = (1..=self.count)
            .try_for_each(|number| writeln!(out, "{}", order(number, &mut Dice::new(self.seed, number))))
            .and_then(|()| out.flush());
        match written {
            // `| head` has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            Err(error) => Err(Failure::new(format!("stdout: {error}"))),
            Ok(()) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Makes the line of an order from its number.
type Maker = fn(u32, &mut Dice) -> Value;

fn maker(vendor: Vendor) -> Result<Maker, Failure> {
    match vendor {
        Vendor::SmartSend => Ok(smartsend::order),
        Vendor::Xps => Ok(xps::order),
        Vendor::Deftship => Ok(deftship::order),
        vendor => Err(Failure::new(format!("{vendor}: there is no sample for it"))),
    }
}

/// The id of an order: it sorts as it counts.
fn id(number: u32) -> String {
    format!("WAVE-{number:06}")
}

/// A line for tests.
#[cfg(test)]
pub(crate) fn line(vendor: Vendor, number: u32) -> Value {
    maker(vendor).unwrap()(number, &mut Dice::new(1, number))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde::{Serialize, de::DeserializeOwned};
    use shipbatch::{deftship, smartsend, xps};

    use super::*;

    /// A shipment that comes back as it went has all keys of the request, null where there is no value, and no other.
    fn is_whole<T: DeserializeOwned + Serialize>(vendor: Vendor) {
        for number in 1..=300 {
            let shipment = line(vendor, number)["shipment"].take();
            let typed: T = serde_json::from_value(shipment.clone()).unwrap();
            assert_eq!(serde_json::to_value(typed).unwrap(), shipment);
        }
    }

    #[test]
    fn the_orders_are_whole_requests() {
        is_whole::<smartsend::types::ShipmentRequest>(Vendor::SmartSend);
        is_whole::<xps::types::QuoteShipment>(Vendor::Xps);
        is_whole::<deftship::types::BatchShipment>(Vendor::Deftship);
    }

    #[test]
    fn the_orders_vary_and_follow_from_the_seed() {
        for vendor in Vendor::ALL {
            let of =
                |seed: u64| (1..=200).map(move |number| maker(vendor).unwrap()(number, &mut Dice::new(seed, number)));
            let shipments: HashSet<String> = of(1).map(|line| line["shipment"].to_string()).collect();
            assert!(shipments.len() > 190, "{vendor}: {}", shipments.len());
            assert!(of(1).eq(of(1)), "{vendor}");
            assert!(!of(1).eq(of(2)), "{vendor}");
        }
    }
}
