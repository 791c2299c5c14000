//! A graph for Graphviz. In: a graph. Out: DOT, one cluster per namespace.

use std::fmt::Write as _;

use super::{Anchor, Graph, Place};

/// The graph as DOT.
pub(crate) fn render(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph connections {\n  rankdir=LR;\n  compound=true;\n  nodesep=0.3;\n  ranksep=1.2;\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"Helvetica\", fontsize=11];\n  \
         edge [fontname=\"Helvetica\", fontsize=9, color=\"#475569\"];\n",
    );
    for (at, group) in graph.groups.iter().enumerate() {
        let mut title = group.name.clone();
        if !group.within.is_empty() {
            let _ = write!(title, " (within: {})", group.within.join(", "));
        }
        let style = if group.place == Place::Inside { "rounded,filled" } else { "rounded,dashed" };
        let _ = writeln!(
            out,
            "  subgraph cluster_{at} {{\n    label={};\n    style=\"{style}\";\n    color=\"#cbd5e1\";\n    \
             fillcolor=\"#f8fafc\";\n    fontname=\"Helvetica-Bold\";\n    fontsize=12;",
            quoted(&title)
        );
        for node in graph.members(at) {
            if let Some(facts) = graph.nodes.get(node) {
                let lines: Vec<&str> = [facts.name.as_str(), facts.detail.as_str()]
                    .into_iter()
                    .chain(facts.entry.as_deref())
                    .chain(facts.open_in.then_some("open to everyone"))
                    .chain(facts.open_out.then_some("may open anything"))
                    .filter(|line| !line.is_empty())
                    .collect();
                let _ = writeln!(out, "    n{node} [label={}];", quoted(&lines.join("\n")));
            }
        }
        out.push_str("  }\n");
    }
    for edge in &graph.edges {
        let (Some((from, tail)), Some((to, head))) = (node_of(graph, edge.from), node_of(graph, edge.to))
        else {
            continue;
        };
        let mut attributes = format!("label={}", quoted(&edge.label.join("\n")));
        if let Some(tail) = tail {
            let _ = write!(attributes, ", ltail=cluster_{tail}");
        }
        if let Some(head) = head {
            let _ = write!(attributes, ", lhead=cluster_{head}");
        }
        if let Some(color) = edge.tone.color() {
            let _ = write!(attributes, ", color=\"{color}\", fontcolor=\"{color}\"");
        }
        if edge.tone.dashed() {
            attributes.push_str(", style=dashed");
        }
        let _ = writeln!(out, "  n{from} -> n{to} [{attributes}];");
    }
    if !graph.notes.is_empty() {
        let _ = writeln!(
            out,
            "  label={};\n  labelloc=b;\n  fontname=\"Helvetica\";\n  fontsize=10;",
            quoted(&graph.notes.join("\n"))
        );
    }
    out.push_str("}\n");
    out
}

/// The node that an edge starts or ends at, and the cluster that it is clipped at if it stands for all of it.
fn node_of(graph: &Graph, anchor: Anchor) -> Option<(usize, Option<usize>)> {
    match anchor {
        Anchor::Node(at) => Some((at, None)),
        Anchor::Group(group) => Some((graph.members(group).next()?, Some(group))),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}
