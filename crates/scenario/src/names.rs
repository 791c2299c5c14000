//! Words that names are made of. In: a number. Out: a name.

const APPLICATIONS: [&str; 40] = [
    "accounts",
    "adverts",
    "audit",
    "basket",
    "billing",
    "booking",
    "catalog",
    "checkout",
    "claims",
    "content",
    "coupons",
    "delivery",
    "documents",
    "events",
    "forecast",
    "fraud",
    "identity",
    "invoices",
    "ledger",
    "loyalty",
    "mailing",
    "maps",
    "media",
    "orders",
    "partners",
    "payments",
    "pricing",
    "profiles",
    "quotes",
    "reports",
    "returns",
    "reviews",
    "routing",
    "search",
    "sessions",
    "shipping",
    "stock",
    "support",
    "tickets",
    "wallet",
];

const TEAMS: [&str; 16] = [
    "atlas", "birch", "cobalt", "delta", "ember", "falcon", "granite", "harbor", "indigo", "juniper",
    "kestrel", "lagoon", "maple", "nimbus", "onyx", "prairie",
];

/// Namespaces come in these three.
pub(crate) const ENVIRONMENTS: [&str; 3] = ["production", "staging", "development"];

/// A word, numbered from its second round on.
fn numbered(words: &[&str], number: usize) -> String {
    let word = words.get(number % words.len().max(1)).copied().unwrap_or_default();
    match number / words.len().max(1) {
        0 => word.to_owned(),
        round => format!("{word}{}", round + 1),
    }
}

/// The name of an application.
pub(crate) fn application(number: usize) -> String {
    numbered(&APPLICATIONS, number)
}

/// The name of a team.
pub(crate) fn team(number: usize) -> String {
    numbered(&TEAMS, number)
}
