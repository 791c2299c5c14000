//! A graph for Mermaid. In: a graph. Out: a flowchart with one subgraph per namespace, as GitHub and GitLab draw it.

use std::fmt::Write as _;

use super::{Anchor, Graph, Place};

/// The graph as a Mermaid flowchart.
pub(crate) fn render(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (at, group) in graph.groups.iter().enumerate() {
        let mut title = group.name.clone();
        if !group.within.is_empty() {
            let _ = write!(title, " (within: {})", group.within.join(", "));
        }
        let _ = writeln!(out, "  subgraph g{at}[{}]", quoted(&title));
        for node in graph.members(at) {
            if let Some(facts) = graph.nodes.get(node) {
                let mut lines = vec![facts.name.clone()];
                lines.extend((!facts.detail.is_empty()).then(|| facts.detail.clone()));
                lines.extend(facts.entry.clone());
                lines.extend(facts.open_in.then(|| "open to everyone".to_owned()));
                lines.extend(facts.open_out.then(|| "may open anything".to_owned()));
                let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
                let text = format!("\"{}\"", lines.join("<br/>"));
                let shape =
                    if group.place == Place::Inside { format!("[{text}]") } else { format!("([{text}])") };
                let _ = writeln!(out, "    n{node}{shape}");
            }
        }
        out.push_str("  end\n");
    }
    for (at, edge) in graph.edges.iter().enumerate() {
        let arrow = if edge.tone.dashed() { "-.->" } else { "-->" };
        let _ = writeln!(
            out,
            "  {} {arrow}|{}| {}",
            name(edge.from),
            quoted(&edge.label.join(", ")),
            name(edge.to)
        );
        if let Some(color) = edge.tone.color() {
            let _ = writeln!(out, "  linkStyle {at} stroke:{color},color:{color}");
        }
    }
    for note in &graph.notes {
        let _ = writeln!(out, "  %% {note}");
    }
    out
}

fn name(anchor: Anchor) -> String {
    match anchor {
        Anchor::Node(at) => format!("n{at}"),
        Anchor::Group(at) => format!("g{at}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// Mermaid reads `#quot;` and the like within quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '\n' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}
