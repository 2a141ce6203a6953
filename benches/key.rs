//! The time of one idempotency key, by how much goes into it: `cargo bench --bench key`.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use shipbatch::IdempotencyKey;

fn keys(criterion: &mut Criterion) {
    let item = json!({"sku": "SKU-1", "name": "A pair of socks, wool", "quantity": 2, "total_net_amount": 19.9});
    for items in [0, 2, 20, 200] {
        let payload = json!({"reference": "4521", "items": vec![item.clone(); items]});
        let name = format!("derive, {} bytes", payload.to_string().len());
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| IdempotencyKey::derive("create_shipment", "team-7", "4521", 0, black_box(&payload)))
        });
    }
}

criterion_group!(benches, keys);
criterion_main!(benches);
