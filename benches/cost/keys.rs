//! The CPU time of one key, the shipment's 2 kB being part of it. `cargo bench --bench key` looks closer.

use serde_json::Value;
use shipbatch::IdempotencyKey;

use crate::{
    Result,
    measure::{Moment, figure, median, run},
    table::Table,
    waves::smartsend_order,
};

const COUNT: &str = "50000";
const ROUNDS: usize = 5;

pub(crate) fn row(table: &mut Table) -> Result {
    let mut times = Vec::new();
    let mut bytes = 0.0;
    for _ in 0..ROUNDS {
        let figures = run(&["keys", COUNT])?;
        times.push(figure(&figures, "cpu")? / COUNT.parse::<f64>()? * 1e6);
        bytes = figure(&figures, "bytes")?;
    }
    let time = median(times);
    let what = format!("a key for a shipment of {:.1} kB", bytes / 1000.0);
    table.line(&what, &format!("{time:.1} µs CPU"), "", "under 10 µs", time < 10.0);
    Ok(())
}

pub(crate) fn client(count: usize) -> Result<Value> {
    let shipment = smartsend_order(4521)?.shipment;
    let begun = Moment::now()?;
    for revision in 0..count {
        let key = IdempotencyKey::derive("create_shipment", "team-7", "4521", revision.try_into()?, &shipment)?;
        std::hint::black_box(key);
    }
    let mut figures = begun.since()?;
    figures["bytes"] = serde_json::to_vec(&shipment)?.len().into();
    Ok(figures)
}
