//! Names of files that order ids give.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::OrderId;

/// The longest part of an id that stands in a name. File systems take 255 bytes.
const LONGEST: usize = 100;
/// Names that Windows keeps for its devices, whatever their extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// For each order the name of its file, without an extension: its id, where that is a safe name that no other order has;
/// else as much of it as is safe, and some of its hash. Case alone tells no files apart on many systems.
pub(super) fn names(orders: &[&OrderId]) -> Vec<String> {
    let safe: Vec<String> = orders.iter().map(|order| safe(order.as_str())).collect();
    let mut taken: HashMap<String, usize> = HashMap::new();
    for name in &safe {
        *taken.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    let named = orders.iter().zip(safe).map(|(order, name)| {
        let own = name == order.as_str() && taken.get(&name.to_ascii_lowercase()) == Some(&1) && !is_device(&name);
        // No id that is a name holds a tilde, and none of the devices stands without its dot.
        if own { name } else { format!("{}~{}", name.replace('.', "_"), hash(order.as_str())) }
    });
    named.collect()
}

fn safe(id: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = id.chars().map(safe).take(LONGEST).collect();
    // A dot in front hides a file, one at the end is dropped by Windows.
    name.trim_matches('.').to_owned()
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let port = |kind| stem.strip_prefix(kind).is_some_and(|number: &str| number.len() == 1);
    DEVICES.contains(&stem.as_str()) || port("com") || port("lpt")
}

/// Enough of a hash to tell some thousands of orders apart that are alike otherwise.
fn hash(id: &str) -> String {
    Sha256::digest(id).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(ids: &[&str]) -> Vec<String> {
        let orders: Vec<OrderId> = ids.iter().map(|id| OrderId::new(id).unwrap()).collect();
        names(&orders.iter().collect::<Vec<_>>())
    }

    #[test]
    fn an_id_that_is_a_name_is_the_name() {
        assert_eq!(named(&["4521", "SO-1.2_b"]), ["4521", "SO-1.2_b"]);
    }

    #[test]
    fn no_two_orders_have_one_file_and_none_leaves_the_folder() {
        let long = "9".repeat(255);
        let ids = ["a/b", "a_b", "a b", "A_b", "../etc", "..", ".", "å", "CON", "com1.x", "x.", "x", &long, &long[1..]];
        let names = named(&ids);
        let mut lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        lower.sort_unstable();
        lower.dedup();
        assert_eq!(lower.len(), ids.len(), "{names:?}");
        for name in &names {
            assert!(!name.contains('/') && !name.starts_with('.') && !name.is_empty() && name.len() < 200, "{name}");
            assert!(!is_device(name), "{name}");
        }
        // The same in every run.
        assert_eq!(named(&["a/b"]), [names[0].as_str()]);
    }
}
