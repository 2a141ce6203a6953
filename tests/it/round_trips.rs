//! Random JSON of each schema, read and written again without loss.
//!
//! The same in every run. `PROPTEST_RNG_SEED` is another seed, `PROPTEST_CASES` how many values each schema gets.

use std::env;

use proptest::{
    prop_assert_eq,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use serde_json::json;

use crate::{lower, spec, types};

mod strategy;

use strategy::{Sample, Samples};

const CASES: u32 = 32;
const SEED: u64 = 4521;

macro_rules! vendors {
    ($($vendor:ident),*) => {$(
        #[test]
        fn $vendor() {
            each_schema_is_kept(stringify!($vendor));
        }
    )*};
}

vendors!(smartsend, xps, deftship);

fn each_schema_is_kept(vendor: &str) {
    let samples = Samples::of(lower::read(&spec::yaml(vendor)).unwrap());
    for name in samples.names() {
        let wire = types::wire(vendor, name).unwrap_or_else(|| panic!("{vendor} {name} is not in the table"));
        let kept = |Sample { given, kept }| {
            let written = (wire.round_trip)(&given).map_err(TestCaseError::fail)?;
            prop_assert_eq!(written, kept);
            Ok(())
        };
        let result = TestRunner::new(config()).run(&samples.component(name), kept);
        result.unwrap_or_else(|error| panic!("{vendor} {name}: {error}"));
    }
}

fn config() -> Config {
    let given = Config::default();
    Config {
        cases: if env::var_os("PROPTEST_CASES").is_some() { given.cases } else { CASES },
        rng_seed: if given.rng_seed == RngSeed::Random { RngSeed::Fixed(SEED) } else { given.rng_seed },
        failure_persistence: None,
        ..given
    }
}

/// That the open ones keep it is a part of the samples.
#[test]
fn closed_enums_refuse_what_is_not_documented() {
    for vendor in lower::VENDORS {
        let spec = spec::read(vendor);
        for (name, schema) in spec::members(&spec["components"]["schemas"]) {
            if schema.get("enum").is_some() && schema["x-open"] != true {
                let wire = types::wire(vendor, name).unwrap();
                assert!((wire.round_trip)(&json!("brand_new")).is_err(), "{vendor} {name}");
            }
        }
    }
}
