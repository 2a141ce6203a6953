//! What is in a parcel.

use super::Dice;

/// A thing that a shop sells.
pub(super) struct Article {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    /// The customs tariff's number of six digits.
    pub(super) tariff: &'static str,
    pub(super) origin: &'static str,
    pub(super) grams: u64,
    /// In hundredths of a dollar or a euro.
    pub(super) price: u64,
}

static ARTICLES: [Article; 10] = [
    Article { sku: "MUG-01", name: "Stoneware mug", tariff: "691200", origin: "PT", grams: 380, price: 1900 },
    Article { sku: "TEE-M", name: "Cotton T-shirt, M", tariff: "610910", origin: "TR", grams: 180, price: 2450 },
    Article { sku: "BOOK-17", name: "Hardcover book", tariff: "490199", origin: "DE", grams: 620, price: 2800 },
    Article { sku: "LAMP-03", name: "Desk lamp", tariff: "940521", origin: "PL", grams: 1450, price: 7900 },
    Article { sku: "SOCK-2", name: "Wool socks, 2 pairs", tariff: "611594", origin: "IT", grams: 140, price: 1650 },
    Article { sku: "BEAN-1K", name: "Coffee beans, 1 kg", tariff: "090121", origin: "DK", grams: 1040, price: 2300 },
    Article { sku: "PUZZ-9", name: "Jigsaw puzzle", tariff: "950300", origin: "CZ", grams: 710, price: 2150 },
    Article { sku: "BAG-05", name: "Canvas backpack", tariff: "420292", origin: "VN", grams: 890, price: 6400 },
    Article { sku: "CABLE-C", name: "USB-C cable", tariff: "854442", origin: "CN", grams: 60, price: 1290 },
    Article { sku: "SOAP-4", name: "Olive soap, 4 bars", tariff: "340111", origin: "GR", grams: 430, price: 1480 },
];

/// A carton's length, width and height in cm; in inches they are still those of a carton.
const CARTONS: [[u64; 3]; 5] = [[20, 15, 10], [25, 20, 12], [30, 22, 15], [35, 25, 18], [40, 30, 20]];
/// What an empty carton weighs.
const CARTON_GRAMS: u64 = 150;

/// A parcel: a carton with one or two kinds of articles.
pub(super) struct Parcel {
    pub(super) size: [u64; 3],
    pub(super) articles: Vec<(u64, &'static Article)>,
}

impl Parcel {
    pub(super) fn packed(dice: &mut Dice) -> Self {
        // Of either half of the shelf, so that no article is in a parcel twice.
        let (left, right) = ARTICLES.split_at(ARTICLES.len() / 2);
        let mut articles = vec![(dice.between(1, 3), dice.pick(left))];
        if dice.percent(50) {
            articles.push((dice.between(1, 3), dice.pick(right)));
        }
        Self { size: *dice.pick(&CARTONS), articles }
    }

    pub(super) fn grams(&self) -> u64 {
        CARTON_GRAMS + self.articles.iter().map(|(quantity, article)| quantity * article.grams).sum::<u64>()
    }

    /// In tenths of a pound, which no carrier takes more exactly; rounded up.
    pub(super) fn pounds(&self) -> String {
        decimal((self.grams() * 1000).div_ceil(45_359), 1)
    }

    /// In hundredths.
    pub(super) fn price(&self) -> u64 {
        self.articles.iter().map(|(quantity, article)| quantity * article.price).sum()
    }

    /// Length, width and height in whole inches, rounded up.
    pub(super) fn inches(&self) -> [u64; 3] {
        self.size.map(|cm| (cm * 100).div_ceil(254))
    }

    pub(super) fn contents(&self) -> String {
        self.articles.iter().map(|(_, article)| article.name).collect::<Vec<_>>().join(", ")
    }
}

/// A number in units of so many decimal places, written without needless zeros.
pub(super) fn decimal(units: u64, places: u32) -> String {
    rust_decimal::Decimal::new(units.cast_signed(), places).normalize().to_string()
}
