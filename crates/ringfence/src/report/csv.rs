//! Comma-separated values that the reports share. In: permits. Out: rows.

use ringfence_model::port::PortSet;
use ringfence_policy::permit::Permit;

use super::words;

/// A part of a permit.
pub(crate) struct Row {
    /// The protocol.
    pub(crate) protocol: &'static str,
    /// The ports: numbers and ranges with spaces between.
    pub(crate) ports: String,
    /// `allow`, `allow-if`, `unknown` or `deny`.
    pub(crate) state: &'static str,
    /// The condition, if there is one.
    pub(crate) condition: String,
}

/// The parts of a permit. `open` is what its unconditional part is called.
pub(crate) fn rows(permit: &Permit, open: &'static str) -> Vec<Row> {
    let row = |protocol: &'static str, ports: &PortSet, state, condition| Row {
        protocol,
        ports: if ports.is_all() { "1-65535".to_owned() } else { ports.to_string().replace(',', " ") },
        state,
        condition,
    };
    let allowed =
        permit.allowed.iter().map(|(protocol, ports)| row(protocol.as_str(), ports, open, String::new()));
    let conditional = permit
        .conditional
        .iter()
        .map(|entry| row(entry.protocol.as_str(), &entry.ports, "allow-if", words::conditions(entry)));
    let maybe =
        permit.maybe.iter().map(|(protocol, ports)| row(protocol.as_str(), ports, "unknown", String::new()));
    allowed.chain(conditional).chain(maybe).collect()
}
