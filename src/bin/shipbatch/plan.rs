//! `shipbatch plan`: what `book` would do with a file of orders. No request leaves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env, fmt,
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};
use shipbatch::{Entry, Journal, Order, OrderId, Outcome, Phases, Vendor};

use crate::{
    Failure, again,
    desk::{self, Desk, vendor},
    orders::{self, Found, Intake, Problems},
    rules,
    words::{self, counted},
};

const EXAMPLES: &str = "\
Examples:
  shipbatch plan orders.csv --vendor xps
  shipbatch plan orders.csv --vendor xps --journal wave.db

Exit codes: 0 all orders can be sent, 2 some cannot, 1 an error.";

/// What `shipbatch plan` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The orders, as `book` takes them
    orders: PathBuf,
    /// Where they would be booked
    #[arg(long, value_name = "V", value_parser = vendor())]
    vendor: Vendor,
    /// The wave's memory: what it knows of the orders counts
    #[arg(long, value_name = "URL")]
    journal: Option<String>,
    /// Whose orders of the journal; unless set, the environment's, or the only ones there
    #[arg(long, value_name = "ID", requires = "journal")]
    account: Option<String>,
    /// How many orders would go into one of the vendor's batches
    #[arg(long, value_name = "N")]
    unit_size: Option<NonZeroUsize>,
    /// Smart Send: by booking batches
    #[arg(long)]
    via_batches: bool,
    #[command(flatten)]
    intake: Intake,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        desk::check(self.vendor, &self.intake.shipper, self.via_batches)?;
        match self.vendor {
            Vendor::SmartSend if self.via_batches => self.plan::<desk::SmartSendBatches>().await,
            Vendor::SmartSend => self.plan::<desk::SmartSend>().await,
            Vendor::Xps => self.plan::<desk::Xps>().await,
            Vendor::Deftship => self.plan::<desk::Deftship>().await,
            vendor => Err(Failure::new(format!("{vendor}: this command does not know it"))),
        }
    }

    async fn plan<D: Desk>(self) -> Result<ExitCode, Failure> {
        let (known, no_journal) = match self.known::<D>().await? {
            Some(known) => (known, None),
            None => (HashMap::new(), self.journal.as_deref()),
        };
        let limit = <D::Engine as Phases>::LIMIT;
        let size = self.unit_size.map_or(limit, |size| size.get().min(limit));
        let mut plan = Plan::new(self.vendor, size, known);
        let found = orders::walk::<D::Line>(&self.orders, &self.intake, |line, order| plan.add::<D>(line, &order))?;
        if found.orders == 0 && found.problems.lines == 0 {
            return Err(Failure::new(format!("{}: it holds no order", found.name)));
        }
        let book = again::booking(self.journal.is_none());
        let good = found.problems.lines == 0 && plan.broken.lines == 0;
        let told = Told { plan: &plan, found: &found, no_journal, book };
        words::print(&if self.json { format!("{}\n", told.event()) } else { told.to_string() })?;
        Ok(crate::code(good))
    }

    /// What the journal knows of the orders, if there is one.
    async fn known<D: Desk>(&self) -> Result<Option<HashMap<OrderId, Known>>, Failure> {
        let Some(location) = &self.journal else { return Ok(None) };
        let Some(journal) = Journal::open_existing(location).await? else { return Ok(None) };
        let accounts = journal.accounts().await?;
        let mut accounts =
            accounts.into_iter().filter(|(vendor, _)| *vendor == self.vendor).map(|(_, account)| account);
        let set = self.account.clone().or_else(|| env::var(D::VARIABLES.account).ok().filter(|it| !it.is_empty()));
        let account = match (set, accounts.next(), accounts.next()) {
            (Some(account), ..) => Some(account),
            (None, account, None) => account,
            (None, ..) => {
                return Err(Failure::new("the journal holds orders of several accounts: choose by --account"));
            }
        };
        let entries = match account {
            Some(account) => journal.entries(self.vendor, &account).await?,
            None => Vec::new(),
        };
        journal.close().await?;
        Ok(Some(entries.into_iter().map(|entry| (entry.order.clone(), Known::from(entry))).collect()))
    }
}

/// What a journal knows of an order.
enum Known {
    /// It is left alone.
    Booked,
    /// The vendor is asked about this unit first.
    InDoubt(String),
    /// It is sent anew, as this revision.
    Again(u32),
}

impl From<Entry> for Known {
    fn from(entry: Entry) -> Self {
        match entry.outcome {
            Some(Outcome::Booked(_)) => Self::Booked,
            None | Some(Outcome::Unknown(_)) => Self::InDoubt(entry.unit),
            Some(_) => Self::Again(entry.revision + 1),
        }
    }
}

/// What would be done.
struct Plan {
    vendor: Vendor,
    size: usize,
    known: HashMap<OrderId, Known>,
    booked: usize,
    in_doubt: usize,
    units_in_doubt: BTreeSet<String>,
    /// How many orders would be sent, by what cannot share a unit.
    groups: BTreeMap<String, usize>,
    /// How many of them again, by their revision.
    again: BTreeMap<u32, usize>,
    /// What the vendor would refuse.
    broken: Problems,
}

impl Plan {
    fn new(vendor: Vendor, size: usize, known: HashMap<OrderId, Known>) -> Self {
        Self {
            vendor,
            size,
            known,
            booked: 0,
            in_doubt: 0,
            units_in_doubt: BTreeSet::new(),
            groups: BTreeMap::new(),
            again: BTreeMap::new(),
            broken: Problems::default(),
        }
    }

    fn add<D: Desk>(&mut self, line: usize, order: &Order<<D::Engine as Phases>::Shipment>) {
        match self.known.get(&order.id) {
            Some(Known::Booked) => return self.booked += 1,
            Some(Known::InDoubt(unit)) => {
                self.units_in_doubt.insert(unit.clone());
                return self.in_doubt += 1;
            }
            Some(Known::Again(revision)) => *self.again.entry(*revision).or_default() += 1,
            None => {}
        }
        let shipment = serde_json::to_value(&order.shipment).unwrap_or(Value::Null);
        for problem in rules::broken(self.vendor, &shipment) {
            self.broken.add(line, &format!(", order {}: {problem}", order.id));
        }
        *self.groups.entry(D::Engine::group(&order.shipment)).or_default() += 1;
    }

    fn units(&self) -> usize {
        self.groups.values().map(|orders| orders.div_ceil(self.size)).sum()
    }
}

/// A plan, for people.
struct Told<'a> {
    plan: &'a Plan,
    found: &'a Found,
    /// The journal that was named and is not there.
    no_journal: Option<&'a str>,
    book: String,
}

impl Told<'_> {
    fn event(&self) -> Value {
        let Self { plan, found, book, .. } = self;
        json!({
            "vendor": plan.vendor,
            "orders": found.orders,
            "to_send": plan.groups.values().sum::<usize>(),
            "units": plan.units(),
            "unit_size": plan.size,
            "again": plan.again.values().sum::<usize>(),
            "booked": plan.booked,
            "in_doubt": plan.in_doubt,
            "bad_lines": found.problems.lines,
            "refused": plan.broken.lines,
            "problems": found.problems.iter().chain(plan.broken.iter()).collect::<Vec<_>>(),
            "left_out": found.left_out,
            "next": book,
        })
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, found, no_journal, book } = self;
        writeln!(f, "{}: {} for {}", found.name, counted(found.orders, "order"), plan.vendor)?;
        found.left_out.iter().try_for_each(|text| writeln!(f, "{text}"))?;
        if let Some(journal) = no_journal {
            writeln!(f, "journal {journal:?}: not there yet, so that no order is known to be booked")?;
        }
        let sent: usize = plan.groups.values().sum();
        let (units, size) = (counted(plan.units(), "unit"), plan.size);
        writeln!(f, "{sent:>9} would be sent, in {units} of up to {size}")?;
        for (group, orders) in plan.groups.iter().filter(|(group, _)| !group.is_empty() && plan.groups.len() > 1) {
            writeln!(f, "{orders:>13} by {group}")?;
        }
        for (revision, orders) in &plan.again {
            writeln!(f, "{orders:>13} again, as revision {revision}")?;
        }
        if plan.booked > 0 {
            writeln!(f, "{:>9} booked before, and would be skipped", plan.booked)?;
        }
        if plan.in_doubt > 0 {
            let units = counted(plan.units_in_doubt.len(), "unit");
            writeln!(f, "{:>9} in doubt, in {units}: the vendor would be asked first", plan.in_doubt)?;
        }
        if found.problems.lines > 0 {
            let lines = counted(found.problems.lines, "bad line");
            writeln!(f, "{lines}: nothing is sent while there are any\n  {}", found.problems.listed())?;
        }
        if plan.broken.lines > 0 {
            let orders = counted(plan.broken.lines, "order");
            writeln!(f, "{orders} that the vendor would refuse\n  {}", plan.broken.listed())?;
        }
        match (found.problems.lines, sent + plan.in_doubt) {
            (0, 0) => writeln!(f, "nothing was sent, and nothing is left to book"),
            (0, _) => writeln!(f, "nothing was sent; to book: {book}"),
            _ => writeln!(f, "nothing was sent; repair these first"),
        }
    }
}
