//! What the columns of a table are. In: their names, as people write them. Out: their roles, and from a row its case.

use ringfence_model::port::Protocol;

use super::{Case, Expect};
use crate::question::Problem;

/// The role of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Who connects.
    Source,
    /// The namespace of who connects, if it has a column of its own.
    SourceNamespace,
    /// To whom.
    Destination,
    /// The namespace of the destination, if it has a column of its own.
    DestinationNamespace,
    /// To which port.
    Port,
    /// Over which protocol, if it has a column of its own.
    Protocol,
    /// What is asked over the connection.
    Request,
    /// What is expected.
    Expected,
    /// The case's name.
    Name,
    /// Anything else, kept as it is.
    Other,
}

const NAMES: [(Column, &[&str]); 9] = [
    (Column::Source, &["source", "src", "from", "client", "source pod", "from pod", "source workload"]),
    (Column::SourceNamespace, &["source namespace", "from namespace", "src namespace", "source ns"]),
    (
        Column::Destination,
        &[
            "destination",
            "dest",
            "dst",
            "to",
            "target",
            "server",
            "destination pod",
            "target pod",
            "to pod",
            "destination workload",
        ],
    ),
    (
        Column::DestinationNamespace,
        &["destination namespace", "to namespace", "dst namespace", "target namespace", "destination ns"],
    ),
    (
        Column::Port,
        &[
            "port",
            "ports",
            "port/protocol",
            "port/proto",
            "destination port",
            "dest port",
            "dst port",
            "dport",
            "target port",
            "targetport",
        ],
    ),
    (Column::Protocol, &["protocol", "proto"]),
    (Column::Request, &["request", "http", "l7", "http request", "dns"]),
    (
        Column::Expected,
        &[
            "expected",
            "expect",
            "expected result",
            "expected verdict",
            "expectation",
            "verdict",
            "allowed",
            "allow",
            "allowed?",
            "result",
            "action",
            "access",
            "policy",
            "should",
        ],
    ),
    (Column::Name, &["name", "test", "case", "test case", "#", "id"]),
];

fn role(name: &str) -> Column {
    let name = name.trim().trim_matches(['*', '_', '`']).to_lowercase();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    NAMES
        .iter()
        .find(|(_, names)| names.contains(&name.as_str()))
        .map_or(Column::Other, |(column, _)| *column)
}

/// The roles of a matrix's columns; nothing if source, destination or expectation is not among them. The first column of a
/// role has it.
pub(super) fn roles(columns: &[String]) -> Option<Vec<Column>> {
    let mut roles: Vec<Column> = Vec::new();
    for column in columns {
        let role = role(column);
        roles.push(if roles.contains(&role) { Column::Other } else { role });
    }
    let has = |role| roles.contains(&role);
    (has(Column::Source) && has(Column::Destination) && has(Column::Expected)).then_some(roles)
}

/// What a row asks and expects.
pub(super) fn case(roles: &[Column], cells: &[String]) -> Result<Case, Problem> {
    let cell = |role: Column| {
        let at = roles.iter().position(|known| *known == role);
        at.and_then(|at| cells.get(at)).map(|text| text.trim()).filter(|text| !text.is_empty())
    };
    let end = |role, namespace, what: &str| {
        let name = cell(role).map(bare).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| {
            Problem::new(format!("the {what} is empty")).help("name a workload, a Service or an address")
        })?;
        Ok::<_, Problem>(match cell(namespace) {
            Some(namespace) if !name.contains(['/', ':', '.']) && !name.eq_ignore_ascii_case("internet") => {
                format!("{namespace}/{name}")
            }
            _ => name.to_owned(),
        })
    };
    let port = cell(Column::Port).filter(|text| !matches!(*text, "—" | "–")).unwrap_or_default();
    let port = match cell(Column::Protocol) {
        None => port.to_owned(),
        Some(protocol) if Protocol::parse(protocol).is_none() => {
            return Err(
                Problem::new(format!("`{protocol}` is not a protocol")).help("write `TCP`, `UDP` or `SCTP`")
            );
        }
        Some(protocol) if port.is_empty() => protocol.to_owned(),
        Some(_) if port.contains(['/', ':']) => port.to_owned(),
        Some(protocol) => {
            port.split(',').map(|item| format!("{}/{protocol}", item.trim())).collect::<Vec<_>>().join(",")
        }
    };
    Ok(Case {
        name: cell(Column::Name).map(str::to_owned),
        from: end(Column::Source, Column::SourceNamespace, "source")?,
        to: end(Column::Destination, Column::DestinationNamespace, "destination")?,
        port,
        request: cell(Column::Request).filter(|text| !matches!(*text, "-" | "—" | "–")).map(str::to_owned),
        expect: Expect::parse(cell(Column::Expected).unwrap_or_default())?,
    })
}

/// A name without the pictures that people put around it.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || (!c.is_ascii() && !c.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[&str]) -> Vec<String> {
        text.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_by_their_usual_names_in_any_order() {
        let columns = roles(&cells(&["#", "To", "From", "Proto", "Port", "Allowed?", "Why"])).unwrap();
        let case = case(&columns, &cells(&["1", "🗄️ postgres", "api", "udp", "53, 54", "✅", "x"])).unwrap();
        assert_eq!((case.from.as_str(), case.to.as_str()), ("api", "postgres"));
        assert_eq!((case.port.as_str(), case.expect), ("53/udp,54/udp", Expect::Allow));
        assert_eq!(case.name.as_deref(), Some("1"));
        assert_eq!(roles(&cells(&["Component", "Role", "Port"])), None);
    }

    #[test]
    fn a_namespace_column_completes_bare_names() {
        let columns =
            roles(&cells(&["Source", "Source namespace", "Destination", "Port", "Expected"])).unwrap();
        let case = case(&columns, &cells(&["api", "shop", "internet", "443", "deny"])).unwrap();
        assert_eq!((case.from.as_str(), case.to.as_str()), ("shop/api", "internet"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let columns = roles(&cells(&["From", "To", "Port", "Expected"])).unwrap();
        let problem = |row: &[&str]| case(&columns, &cells(row)).unwrap_err().message;
        assert_eq!(problem(&["", "b", "1", "deny"]), "the source is empty");
        assert_eq!(problem(&["a", "b", "1", "maybe"]), "`maybe` is not an expectation");
        assert_eq!(problem(&["a", "b", "1"]), "`` is not an expectation");
    }
}
