//! Who gets a parcel. The names are invented; the cities, with their postcodes, are real.

use super::Dice;

/// A receiver.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) company: Option<&'static str>,
    pub(super) email: String,
    pub(super) street: String,
    /// A flat or a suite, if there is one.
    pub(super) unit: Option<String>,
    pub(super) city: &'static str,
    pub(super) state: Option<&'static str>,
    pub(super) zip: &'static str,
    pub(super) country: &'static str,
    pub(super) phone: String,
}

/// A country as its addresses are written.
struct Country {
    code: &'static str,
    first_names: &'static [&'static str],
    last_names: &'static [&'static str],
    companies: &'static [&'static str],
    streets: &'static [&'static str],
    /// City, state where addresses have one, postcode.
    cities: &'static [(&'static str, Option<&'static str>, &'static str)],
    phone: fn(&mut Dice) -> String,
    number_first: bool,
}

const UNITED_STATES: Country = Country {
    code: "US",
    first_names: &[
        "Avery", "Jordan", "Maria", "Daniel", "Grace", "Hector", "Imani", "Kevin", "Linda", "Noah", "Olivia", "Priya",
        "Rosa", "Samuel", "Teresa", "Wei",
    ],
    last_names: &[
        "Alvarez", "Brooks", "Carter", "Dawson", "Ellis", "Foster", "Garcia", "Hughes", "Iverson", "Johnson", "Kim",
        "Lopez", "Morgan", "Nguyen", "Okafor", "Patel",
    ],
    companies: &[
        "Blue Heron Books",
        "Cedar & Pine LLC",
        "Lakeside Dental",
        "Maple Street Bakery",
        "Summit Cycles Inc.",
    ],
    streets: &[
        "Main St",
        "Oak Ave",
        "Maple Dr",
        "Washington Blvd",
        "Cedar Ln",
        "Park Ave",
        "Lake St",
        "Hill Rd",
        "2nd St",
        "Sunset Blvd",
        "Elm Ct",
        "River Rd",
    ],
    cities: &[
        ("Phoenix", Some("AZ"), "85004"),
        ("Los Angeles", Some("CA"), "90012"),
        ("San Francisco", Some("CA"), "94103"),
        ("Denver", Some("CO"), "80202"),
        ("Miami", Some("FL"), "33130"),
        ("Atlanta", Some("GA"), "30303"),
        ("Chicago", Some("IL"), "60601"),
        ("Boston", Some("MA"), "02108"),
        ("Minneapolis", Some("MN"), "55401"),
        ("Charlotte", Some("NC"), "28202"),
        ("Newark", Some("NJ"), "07102"),
        ("New York", Some("NY"), "10001"),
        ("Columbus", Some("OH"), "43215"),
        ("Portland", Some("OR"), "97205"),
        ("Philadelphia", Some("PA"), "19103"),
        ("Nashville", Some("TN"), "37203"),
        ("Austin", Some("TX"), "78701"),
        ("Houston", Some("TX"), "77002"),
        ("Salt Lake City", Some("UT"), "84101"),
        ("Seattle", Some("WA"), "98101"),
    ],
    // 555-01xx is kept for invented numbers.
    phone: |dice| format!("{}55501{}", dice.between(201, 989), dice.digits(2)),
    number_first: true,
};

const DENMARK: Country = Country {
    code: "DK",
    first_names: &["Anne", "Bo", "Camilla", "Emil", "Freja", "Jens", "Katrine", "Lars", "Mette", "Søren"],
    last_names: &["Andersen", "Christensen", "Hansen", "Holm", "Jensen", "Kjær", "Møller", "Nielsen", "Østergaard"],
    companies: &["Havnens Kaffe ApS", "Nordlys Design A/S", "Vesterbro Cykler ApS"],
    streets: &["Algade", "Birkevej", "Søndergade", "Nørregade", "Strandvejen", "Skovvej", "Østerbrogade", "Kirkevej"],
    cities: &[
        ("København K", None, "1050"),
        ("København Ø", None, "2100"),
        ("Roskilde", None, "4000"),
        ("Odense C", None, "5000"),
        ("Kolding", None, "6000"),
        ("Esbjerg", None, "6700"),
        ("Aarhus C", None, "8000"),
        ("Randers C", None, "8900"),
        ("Aalborg", None, "9000"),
    ],
    phone: |dice| format!("+45{}", dice.between(20_000_000, 99_999_999)),
    number_first: false,
};

const SWEDEN: Country = Country {
    code: "SE",
    first_names: &["Astrid", "Björn", "Elin", "Gustav", "Ingrid", "Karin", "Nils", "Oskar", "Sofia", "Åsa"],
    last_names: &["Andersson", "Berg", "Ekström", "Johansson", "Karlsson", "Lindgren", "Nilsson", "Sjöberg"],
    companies: &["Fjällbrynt AB", "Göteborgs Bokhandel AB", "Söderkök AB"],
    streets: &["Storgatan", "Drottninggatan", "Kungsgatan", "Björkvägen", "Skolgatan", "Hamngatan", "Ängsvägen"],
    cities: &[
        ("Stockholm", None, "111 22"),
        ("Malmö", None, "211 20"),
        ("Lund", None, "222 22"),
        ("Göteborg", None, "411 03"),
        ("Linköping", None, "582 22"),
        ("Örebro", None, "702 10"),
        ("Uppsala", None, "753 20"),
    ],
    phone: |dice| format!("+4670{}", dice.digits(7)),
    number_first: false,
};

const GERMANY: Country = Country {
    code: "DE",
    first_names: &["Anja", "Bernd", "Claudia", "Dieter", "Eva", "Jürgen", "Katharina", "Lukas", "Petra", "Uwe"],
    last_names: &["Bauer", "Fischer", "Hoffmann", "Krüger", "Müller", "Schäfer", "Schulz", "Voß", "Weber"],
    companies: &["Alster Feinkost GmbH", "Isar Werkzeuge GmbH", "Spreewelle Verlag"],
    streets: &["Hauptstraße", "Gartenweg", "Bahnhofstraße", "Lindenallee", "Schillerstraße", "Am Markt", "Mühlenweg"],
    cities: &[
        ("Berlin", None, "10115"),
        ("Hamburg", None, "20095"),
        ("Flensburg", None, "24937"),
        ("Bremen", None, "28195"),
        ("Köln", None, "50667"),
        ("Frankfurt am Main", None, "60311"),
        ("Stuttgart", None, "70173"),
        ("München", None, "80331"),
    ],
    phone: |dice| format!("+49151{}", dice.digits(8)),
    number_first: false,
};

/// Somebody in the United States.
pub(super) fn american(dice: &mut Dice) -> Person {
    person(&UNITED_STATES, dice)
}

/// Somebody in the north of Europe, most likely in Denmark.
pub(super) fn northerner(dice: &mut Dice) -> Person {
    let country = dice.pick(&[&DENMARK, &DENMARK, &DENMARK, &SWEDEN, &GERMANY]);
    person(country, dice)
}

fn person(country: &'static Country, dice: &mut Dice) -> Person {
    let (first, last) = (*dice.pick(country.first_names), *dice.pick(country.last_names));
    let (city, state, zip) = *dice.pick(country.cities);
    let (street, house) = (*dice.pick(country.streets), dice.between(1, 240));
    Person {
        name: format!("{first} {last}"),
        company: dice.percent(20).then(|| *dice.pick(country.companies)),
        // A domain that is nobody's (RFC 2606), with a number that makes namesakes differ.
        email: format!("customer{}@example.com", dice.digits(5)),
        street: if country.number_first { format!("{house} {street}") } else { format!("{street} {house}") },
        unit: dice.percent(25).then(|| dice.between(1, 40).to_string()),
        city,
        state,
        zip,
        country: country.code,
        phone: (country.phone)(dice),
    }
}
