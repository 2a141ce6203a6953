//! The curated spec of a vendor.

use std::fs;

use openapiv3::OpenAPI;

use crate::{Result, lower, root};

/// Where it is, as seen from the root.
pub(crate) fn path(vendor: &str) -> String {
    format!("openapi/{vendor}.yaml")
}

/// Reads it.
pub(crate) fn read(vendor: &str) -> Result<OpenAPI> {
    let path = path(vendor);
    let text = fs::read_to_string(root().join(&path)).map_err(|error| format!("{path}: {error}"))?;
    lower::read(&text).map_err(|error| format!("{path}: {error}"))
}
