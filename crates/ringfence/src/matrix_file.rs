//! Matrix files. In: a path. Out: the matrix that it holds, by its extension: Markdown, CSV, or YAML (also JSON), where a
//! list of netassert v2 tests is recognised.

use std::path::Path;

use ringfence_analysis::{
    matrix::{Fault, Matrix, RawRow, Table, csv, markdown},
    question::Problem,
};
use ringfence_manifest::{
    document, parse,
    tree::{Kind, Node},
};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{
    context::Failure,
    input::{MAX_FILE, name_of, text_of, too_large},
};

/// A matrix file.
pub(crate) struct MatrixFile {
    /// The name shown to people.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// What it holds.
    pub(crate) matrix: Matrix,
}

/// Reads a matrix file.
///
/// # Errors
/// If the file cannot be read, or its extension says that it is no matrix.
pub(crate) fn read(path: &Path) -> Result<MatrixFile, Failure> {
    let name = name_of(path);
    let extension =
        path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let reader: fn(&str) -> Matrix = match extension.as_str() {
        "md" | "markdown" => markdown::read,
        "csv" => csv::read,
        "yaml" | "yml" | "json" => yaml,
        _ => {
            let message = format!("`{name}` is not a matrix: its name ends neither in .md, .csv nor .yaml");
            return Err(Box::new(Diagnostic::error("matrix", Origin::NONE, message).with_help(
                "the matrix comes first, the manifests after it: `ringfence test MATRIX PATH...`",
            )));
        }
    };
    let unreadable = |error: std::io::Error| {
        Box::new(
            Diagnostic::error("matrix", Origin::NONE, format!("cannot read `{name}`: {error}"))
                .with_help("check the path of the matrix"),
        )
    };
    if path.metadata().map_err(unreadable)?.len() > MAX_FILE {
        return Err(Box::new(too_large(&name)));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = text_of(&name, bytes)?;
    let matrix = reader(&text);
    Ok(MatrixFile { name, text, matrix })
}

/// A list of mappings: `from`, `to`, `port`, `expect`, `request`, by any name that a table's column may have; or netassert's
/// tests. Several documents are several tables.
fn yaml(text: &str) -> Matrix {
    let mut matrix = Matrix::default();
    for found in document::split(text) {
        match parse::parse(found.text, found.span.start) {
            Ok(None) => {}
            Ok(Some(node)) => list(&node, text, &mut matrix),
            Err(error) => {
                let line = line_of(text, error.span.start);
                matrix.faults.push(Fault { line, problem: Problem::new(error.message) });
            }
        }
    }
    if matrix.tables.is_empty() && matrix.faults.is_empty() {
        matrix.faults.push(Fault { line: 1, problem: no_cases() });
    }
    matrix
}

fn no_cases() -> Problem {
    Problem::new("the file holds no list of cases")
        .help("write items such as `- {from: shop/web, to: shop/api, port: 8000/TCP, expect: allow}`")
}

fn list(node: &Node<'_>, text: &str, matrix: &mut Matrix) {
    let line = |node: &Node<'_>| line_of(text, node.span.start);
    let Kind::Seq(items) = &node.kind else {
        matrix.faults.push(Fault { line: line(node), problem: no_cases() });
        return;
    };
    // netassert's tests name their ends in mappings `src` and `dst`.
    let netassert = items.iter().any(|item| item.get("src").is_some_and(|src| src.text().is_none()));
    let mut columns: Vec<String> = Vec::new();
    let mut rows: Vec<(u32, Vec<(String, String)>)> = Vec::new();
    for item in items {
        let pairs = if netassert { netassert_case(item) } else { plain_case(item) };
        match pairs {
            Ok(pairs) => {
                for (key, _) in &pairs {
                    if !columns.contains(key) {
                        columns.push(key.clone());
                    }
                }
                rows.push((line(item), pairs));
            }
            Err(problem) => matrix.faults.push(Fault { line: line(item), problem }),
        }
    }
    if rows.is_empty() {
        return;
    }
    let rows = rows
        .into_iter()
        .map(|(line, pairs)| {
            let value =
                |column: &String| pairs.iter().find(|(key, _)| key == column).map(|(_, value)| value.clone());
            RawRow::plain(line, columns.iter().map(|column| value(column).unwrap_or_default()).collect())
        })
        .collect();
    match Table::of(None, columns, rows) {
        Some(table) => matrix.tables.push(table),
        None => matrix.faults.push(Fault {
            line: line(node),
            problem: Problem::new("the cases lack `from`, `to` or `expect`").help(
                "write items such as `- {from: shop/web, to: shop/api, port: 8000/TCP, expect: allow}`",
            ),
        }),
    }
}

/// The keys and values of an item; a list as a value is joined with commas.
fn plain_case(item: &Node<'_>) -> Result<Vec<(String, String)>, Problem> {
    let Kind::Map(entries) = &item.kind else {
        return Err(Problem::new("a case is a mapping")
            .help("write `- {from: shop/web, to: shop/api, port: 8000/TCP, expect: allow}`"));
    };
    let value = |node: &Node<'_>| match &node.kind {
        Kind::Scalar { text, .. } => Some(text.to_string()),
        Kind::Seq(items) => items
            .iter()
            .map(|item| item.text().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.join(",")),
        Kind::Map(_) => None,
    };
    entries
        .iter()
        .map(|(key, node)| {
            let key = key.text().unwrap_or_default().to_owned();
            match value(node) {
                Some(value) => Ok((key, value)),
                None => Err(Problem::new(format!("the value of `{key}` is not a text"))
                    .help("write one name or number")),
            }
        })
        .collect()
}

/// A test of netassert v2: `type: k8s`, a source that is a Kubernetes object, a destination that is one or a host, and an
/// exit code that is 0 if the connection is expected to work.
fn netassert_case(item: &Node<'_>) -> Result<Vec<(String, String)>, Problem> {
    let text = |node: Option<&Node<'_>>| node.and_then(Node::text).map(str::to_owned);
    let object = |end: &Node<'_>| {
        let object = end.get("k8sResource")?;
        let field = |key| text(object.get(key));
        Some(format!("{}/{}/{}", field("namespace")?, field("kind")?, field("name")?))
    };
    let lacks = |what: &str| {
        Problem::new(format!("this netassert test lacks `{what}`"))
            .help("netassert v2 tests have `src`, `dst`, `targetPort` and `exitCode`")
    };
    if let Some(kind) = text(item.get("type")).filter(|kind| kind != "k8s") {
        return Err(Problem::new(format!("netassert tests of type `{kind}` are not about a cluster")));
    }
    let from = item.get("src").and_then(object).ok_or_else(|| lacks("src.k8sResource"))?;
    let destination = item.get("dst").ok_or_else(|| lacks("dst"))?;
    let host = destination.get("host").and_then(|host| text(host.get("name")));
    let to = object(destination).or(host).ok_or_else(|| lacks("dst.k8sResource or dst.host"))?;
    let port = text(item.get("targetPort")).ok_or_else(|| lacks("targetPort"))?;
    let protocol =
        text(item.get("protocol")).filter(|protocol| !protocol.is_empty()).unwrap_or("tcp".to_owned());
    // An exit code that is not given is 0, as a number left out is in Go.
    let works = text(item.get("exitCode")).is_none_or(|code| code == "0");
    let mut pairs = vec![
        ("from".to_owned(), from),
        ("to".to_owned(), to),
        ("port".to_owned(), format!("{port}/{}", protocol.to_ascii_uppercase())),
        ("expect".to_owned(), if works { "allow" } else { "deny" }.to_owned()),
    ];
    if let Some(name) = text(item.get("name")) {
        pairs.insert(0, ("name".to_owned(), name));
    }
    Ok(pairs)
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: u32) -> u32 {
    let before = text.as_bytes().get(..at as usize).unwrap_or_default();
    u32::try_from(1 + before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_analysis::matrix::Expect;

    #[test]
    fn a_plain_list() {
        let matrix = yaml(
            "# plan\n- from: shop/web\n  to: shop/api\n  port: 8000/TCP\n  expect: allow\n- {from: a, to: b, port: [80, 81], expect: deny, request: GET /, why: x}\n- 7\n",
        );
        let rows = &matrix.tables[0].rows;
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 6]);
        let case = rows[1].case.as_ref().unwrap();
        assert_eq!(
            (case.port.as_str(), case.expect, case.request.as_deref()),
            ("80,81", Expect::Deny, Some("GET /"))
        );
        assert_eq!(matrix.tables[0].columns, ["from", "to", "port", "expect", "request", "why"]);
        assert_eq!(matrix.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [7]);
        assert_eq!(yaml("a: b\n").faults.len(), 1);
        assert_eq!(yaml("- from: a\n  [\n").faults.len(), 1);
        assert_eq!(yaml("- from: a\n").faults.len(), 1);
    }

    #[test]
    fn netassert_tests() {
        let text = "---\n- name: one\n  type: k8s\n  protocol: udp\n  targetPort: 53\n  exitCode: 1\n  src:\n    k8sResource: {kind: deployment, name: web, namespace: shop}\n  dst:\n    k8sResource: {kind: statefulset, name: db, namespace: data}\n- name: two\n  type: k8s\n  targetPort: 443\n  exitCode: 0\n  src:\n    k8sResource: {kind: pod, name: p, namespace: shop}\n  dst:\n    host: {name: example.com}\n- name: three\n  targetPort: 1\n  src: {}\n";
        let matrix = yaml(text);
        let cases: Vec<_> = matrix.tables[0].rows.iter().map(|row| row.case.clone().unwrap()).collect();
        assert_eq!(
            (cases[0].from.as_str(), cases[0].to.as_str()),
            ("shop/deployment/web", "data/statefulset/db")
        );
        assert_eq!((cases[0].port.as_str(), cases[0].expect), ("53/UDP", Expect::Deny));
        assert_eq!(
            (cases[1].to.as_str(), cases[1].port.as_str(), cases[1].expect),
            ("example.com", "443/TCP", Expect::Allow)
        );
        assert_eq!(matrix.faults.len(), 1);
    }
}
