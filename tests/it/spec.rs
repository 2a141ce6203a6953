//! Guards of what users and vendors see: each snapshot is text made for reading its diff.
//!
//! * `<vendor>_operations`: every call, as the truthful spec has it;
//! * `<vendor>_schemas`: every wire type, as the truthful spec has it;
//! * `<vendor>_signatures`: the Rust that is generated from the lowered spec.
//!
//! `x?` is optional, `| null` nullable, `(page)` the source mark.

use std::fs;

use serde_json::Value;

use crate::lower;

mod operations;
pub(crate) mod schemas;
mod signatures;

macro_rules! guards {
    ($($vendor:ident),*) => {$(
        mod $vendor {
            use super::{guard, operations, read, schemas, signatures};

            #[test]
            fn operations() {
                guard(concat!(stringify!($vendor), "_operations"), &operations::table(&read(stringify!($vendor))));
            }

            #[test]
            fn schemas() {
                guard(concat!(stringify!($vendor), "_schemas"), &schemas::table(&read(stringify!($vendor))));
            }

            #[test]
            fn signatures() {
                let generated = include_str!(concat!(env!("OUT_DIR"), "/", stringify!($vendor), ".rs"));
                guard(concat!(stringify!($vendor), "_signatures"), &signatures::list(generated));
            }
        }
    )*};
}

guards!(smartsend, xps, deftship);

/// The curated spec, as it is written.
pub(crate) fn yaml(vendor: &str) -> String {
    fs::read_to_string(format!("{}/openapi/{vendor}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The curated spec as JSON: a renderer that goes by its keys cannot forget one that is new.
pub(crate) fn read(vendor: &str) -> Value {
    serde_json::to_value(lower::read(&yaml(vendor)).unwrap()).unwrap()
}

/// What stands behind a `$ref`, or the value itself.
pub(crate) fn resolve<'a>(spec: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => spec.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The members of an object by name, whichever order serde_json keeps: to move one is no change.
pub(crate) fn members(object: &Value) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = object.as_object().into_iter().flatten().map(|(name, value)| (&**name, value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

fn guard(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
