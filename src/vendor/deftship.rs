//! Deftship.
use crate::vendor::generated;
generated!("deftship.rs", "Deftship");
