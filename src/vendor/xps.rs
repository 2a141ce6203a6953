//! XPS.
use crate::vendor::generated;
generated!("xps.rs", "XPS");
