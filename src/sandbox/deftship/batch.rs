//! A batch, from validation to its labels.

use std::collections::HashSet;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Refusal,
    parcel::Parcel,
    shipment::{CAPACITY, Shipment},
};
use crate::sandbox::number;

/// Items on a page. The documents have the member, but not its value.
const PER_PAGE: usize = 100;

/// Labels in a merged file, by the documents.
const PER_FILE: usize = 100;

/// Shipments with one shipper and one service.
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) service: String,
    shipper: String,
    stage: Stage,
    pub(super) items: Vec<Item>,
    /// How many items it ever had: the ids of removed ones do not come back.
    made: u64,
}

/// How far a batch is; the number is how often it must still be read until the work is done.
#[derive(Clone, Copy)]
enum Stage {
    Validating(u32),
    Validated,
    Processing(u32),
    Completed,
}

/// One shipment of a batch.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) shipment: Shipment,
    pub(super) price: Decimal,
    status: Status,
    /// What validation finds, known beforehand; null if nothing.
    errors: Value,
    /// What was bought for it, known to the caller once the batch has completed.
    pub(super) parcel: Option<Parcel>,
}

/// The documents do not say what an item is until it is validated; `Validating` is our word for it.
#[derive(Clone, Copy, PartialEq)]
enum Status {
    Validating,
    Valid,
    Invalid,
    Completed,
    Failed,
}

impl Batch {
    pub(super) fn new(id: String, service: String, shipper: String) -> Self {
        Self { id, service, shipper, stage: Stage::Validated, items: Vec::new(), made: 0 }
    }

    /// Appends shipments, which are then validated.
    pub(super) fn append(&mut self, seed: u64, reads: u32, shipments: Vec<Shipment>) {
        for shipment in shipments {
            let name = format!("deftship/{}/{}", self.id, self.made);
            self.items.push(Item::new(seed, &name, shipment));
            self.made += 1;
        }
        self.stage = Stage::Validating(reads);
    }

    /// Appends shipments, if the batch is at rest and has room for them.
    pub(super) fn add(&mut self, seed: u64, reads: u32, shipments: Vec<Shipment>) -> Result<Value, Refusal> {
        self.at_rest()?;
        if self.items.len() + shipments.len() > CAPACITY {
            return Err(Refusal::new(200, format!("A batch holds at most {CAPACITY} items.")));
        }
        self.append(seed, reads, shipments);
        Ok(self.summary())
    }

    /// Takes items out, if the batch is at rest. Ids that it does not know are ignored.
    pub(super) fn remove(&mut self, ids: &HashSet<&str>) -> Result<Value, Refusal> {
        self.at_rest()?;
        self.items.retain(|item| !ids.contains(item.id.as_str()));
        Ok(self.with_results())
    }

    /// The items to be shipped and their price, if the batch is ready.
    pub(super) fn shippable(&mut self) -> Result<(&mut [Item], Decimal), Refusal> {
        if let Stage::Validated = self.stage {
            let invalid: Vec<_> = self.with_status(Status::Invalid).map(|item| &item.id).collect();
            if !invalid.is_empty() {
                let message = "Invalid shipments are left in the batch; repair or remove them first.";
                return Err(Refusal::new(200, message).data(json!({"invalid_order_ids": invalid})));
            }
        }
        if self.status() != "ready" || self.items.is_empty() {
            return Err(Refusal::new(200, "The batch is not ready to be shipped."));
        }
        let price = self.items.iter().fold(Decimal::ZERO, |sum, item| sum.saturating_add(item.price));
        Ok((&mut self.items, price))
    }

    /// The labels are paid for: the work that remains takes this many reads.
    pub(super) fn process(&mut self, reads: u32) -> Value {
        self.stage = Stage::Processing(reads);
        self.with_results()
    }

    /// Ends the work in the background if it was looked at often enough.
    pub(super) fn work(&mut self) {
        match self.stage {
            Stage::Validating(0) => {
                self.items.iter_mut().for_each(Item::validate);
                self.stage = Stage::Validated;
            }
            Stage::Processing(0) => {
                self.items.iter_mut().for_each(Item::ship);
                self.stage = Stage::Completed;
            }
            _ => {}
        }
    }

    /// Counts a look at the batch.
    pub(super) fn looked_at(&mut self) {
        if let Stage::Validating(left) | Stage::Processing(left) = &mut self.stage {
            *left = left.saturating_sub(1);
        }
    }

    pub(super) fn is_completed(&self) -> bool {
        matches!(self.stage, Stage::Completed)
    }

    /// The batch with its counts, one page of its items and, once completed, its labels.
    pub(super) fn detail(&self, origin: &str, status: Option<&str>, page: usize) -> Value {
        let mut batch = self.with_results();
        batch["items"] = self.page(origin, status, page);
        if self.is_completed() {
            let files = self.labels().count().div_ceil(PER_FILE);
            let labels = (1..=files).map(|file| format!("{origin}/files/deftship/{}/{file}.pdf", self.id));
            batch["labels"] = labels.collect();
        }
        batch
    }

    /// The labels in one of the merged files, which count from 1.
    pub(super) fn file(&self, file: usize) -> Option<Vec<Vec<String>>> {
        let start = file.checked_sub(1)?.checked_mul(PER_FILE)?;
        let labels: Vec<_> = self.labels().skip(start).take(PER_FILE).collect();
        (self.is_completed() && !labels.is_empty()).then_some(labels)
    }

    fn at_rest(&self) -> Result<(), Refusal> {
        match self.stage {
            Stage::Validated => Ok(()),
            Stage::Completed => Err(Refusal::new(200, "The batch has been shipped.")),
            Stage::Validating(_) | Stage::Processing(_) => Err(Refusal::new(200, "The batch is being processed.")),
        }
    }

    fn status(&self) -> &'static str {
        match self.stage {
            Stage::Validating(_) => "validating",
            Stage::Validated if self.with_status(Status::Invalid).next().is_some() => "invalid",
            Stage::Validated => "ready",
            Stage::Processing(_) => "processing",
            Stage::Completed => "completed",
        }
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "id": self.id,
            "status": self.status(),
            "default_service": self.service,
            "default_shipper_id": self.shipper,
        })
    }

    fn with_results(&self) -> Value {
        let mut batch = self.summary();
        batch["results"] = self.results();
        batch
    }

    fn results(&self) -> Value {
        let count = |status| self.with_status(status).count();
        let (completed, failed) = (count(Status::Completed), count(Status::Failed));
        let percentage = ((completed + failed) * 100).checked_div(self.items.len()).unwrap_or_default();
        json!({
            "total_count": self.items.len(),
            "completion_percentage": format!("{percentage}%"),
            // It does not fall as items are shipped.
            "valid_count": count(Status::Valid) + completed + failed,
            "invalid_count": count(Status::Invalid),
            "completed_count": completed,
            "failed_count": failed,
        })
    }

    /// A page as the framework's simple paginator has it: it knows no total, and its links forget the filter.
    fn page(&self, origin: &str, status: Option<&str>, page: usize) -> Value {
        let skipped = (page - 1).saturating_mul(PER_PAGE);
        let mut items = self
            .items
            .iter()
            .filter(|item| status.is_none_or(|status| item.status.name() == Some(status)))
            .skip(skipped);
        let data: Vec<_> = items.by_ref().take(PER_PAGE).map(Item::show).collect();
        let path = format!("{origin}/batches/{}", self.id);
        let link = |page: usize| format!("{path}?page={page}");
        json!({
            "current_page": page,
            "from": (!data.is_empty()).then_some(skipped + 1),
            "to": (!data.is_empty()).then_some(skipped + data.len()),
            "data": data,
            "first_page_url": link(1),
            "next_page_url": items.next().map(|_| link(page + 1)),
            "path": path,
            "per_page": PER_PAGE,
            "prev_page_url": (page > 1).then(|| link(page - 1)),
        })
    }

    fn labels(&self) -> impl Iterator<Item = Vec<String>> {
        self.items.iter().flat_map(Item::labels)
    }

    fn with_status(&self, status: Status) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.status == status)
    }
}

impl Item {
    fn new(seed: u64, name: &str, shipment: Shipment) -> Self {
        let part = |part: &str| number(seed, &format!("{name}/{part}"));
        let id = u128::from(part("id")) << 64 | u128::from(part("more id"));
        let cents = i64::try_from(385 + part("price") % 900).unwrap_or_default();
        Self {
            id: uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid().to_string(),
            price: shipment.price(Decimal::new(cents, 2)),
            status: Status::Validating,
            errors: shipment.errors(),
            shipment,
            parcel: None,
        }
    }

    /// What a charge for it is noted under: the caller's name for it, or its id where the caller has none.
    pub(super) fn order(&self) -> &str {
        self.shipment.reference().unwrap_or(&self.id)
    }

    /// A page for each of its pieces.
    pub(super) fn labels(&self) -> impl Iterator<Item = Vec<String>> {
        let trackings = self.parcel.iter().flat_map(|parcel| &parcel.trackings);
        trackings.map(|tracking| {
            let receiver = |member| self.shipment.receiver(member);
            vec![
                self.shipment.reference().unwrap_or_default().to_owned(),
                tracking.clone(),
                receiver("name").to_owned(),
                format!("{} {} {}", receiver("city"), receiver("state"), receiver("zip")),
            ]
        })
    }

    fn validate(&mut self) {
        self.status = if self.errors.is_null() { Status::Valid } else { Status::Invalid };
    }

    fn ship(&mut self) {
        self.status = if self.parcel.is_some() { Status::Completed } else { Status::Failed };
    }

    fn show(&self) -> Value {
        let parcel = self.parcel.as_ref().filter(|_| self.status == Status::Completed);
        json!({
            "id": self.id,
            "status": self.status.name(),
            "errors": if self.status == Status::Invalid { &self.errors } else { &Value::Null },
            "shipment_order": parcel.map(|parcel| json!({"main_tracking_number": parcel.trackings.first()})),
        })
    }
}

impl Status {
    /// The documents have no word for an item that is not validated yet.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Validating => None,
            Self::Valid => Some("valid"),
            Self::Invalid => Some("invalid"),
            Self::Completed => Some("completed"),
            Self::Failed => Some("failed"),
        }
    }
}
