//! From coordinates to SVG. In: a graph, its plan and its routes. Out: text.

use std::fmt::Write as _;

use super::{
    super::{Anchor, Graph, Group, Place},
    place::{PAD, Plan, ROW, Rect},
    route::{Bundle, Routes, entry},
};

/// Colours of arrows, by the group where they end: dark enough on white, and apart from each other for people who see
/// colours differently.
const PALETTE: [&str; 8] =
    ["#1d4ed8", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f", "#0369a1", "#9a3412", "#475569"];

/// The mark of a node that is open in a direction.
const OPEN: &str = "#f59e0b";

const RADIUS: f64 = 5.0;

/// The title of a group.
pub(super) fn title(group: &Group) -> String {
    if group.within.is_empty() {
        group.name.clone()
    } else {
        format!("{} (within: {})", group.name, group.within.join(", "))
    }
}

/// The whole drawing.
pub(super) fn draw(graph: &Graph, plan: &Plan, routes: &Routes) -> String {
    let mut notes: Vec<&str> = Vec::new();
    if graph.has_marks() {
        notes.push("Marked at the left: lets everyone in on all ports. Marked at the right: may open every connection that the other end lets in.");
    }
    notes.extend(graph.notes.iter().map(String::as_str));
    let widest =
        notes.iter().map(|note| super::text_width(note, 11.0)).fold(plan.width, |a, b| a.max(b + 60.0));
    let height = plan.height + ROW * notes.len() as f64;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{widest:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {widest:.0} {height:.0}\" font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif\">"
    );
    let _ =
        writeln!(out, "<title>Connections</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
    for (group, rect) in graph.groups.iter().zip(&plan.groups) {
        if let Some(rect) = rect {
            draw_group(&mut out, group, *rect);
        }
    }
    for bundle in &routes.bundles {
        draw_ways(&mut out, graph, bundle, plan, routes);
    }
    for bundle in &routes.bundles {
        draw_label(&mut out, graph, bundle, plan);
    }
    for (at, rect) in plan.nodes.iter().enumerate() {
        draw_node(&mut out, graph, at, *rect);
    }
    for (at, note) in notes.iter().enumerate() {
        let y = plan.height + ROW * at as f64;
        let mut x = 20.0;
        if at == 0 && graph.has_marks() {
            let _ = writeln!(
                out,
                "<rect x=\"20\" y=\"{:.1}\" width=\"5\" height=\"12\" rx=\"2\" fill=\"{OPEN}\"/>",
                y - 10.0
            );
            x += 12.0;
        }
        let _ = writeln!(
            out,
            "<text x=\"{x:.0}\" y=\"{y:.1}\" font-size=\"11\" fill=\"#475569\">{}</text>",
            escape(note)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn draw_group(out: &mut String, group: &Group, rect: Rect) {
    let Rect { x, y, width, height } = rect;
    let (fill, stroke, dash) = match group.place {
        Place::Inside => ("#f8fafc", "#cbd5e1", ""),
        Place::Before | Place::After => ("#ffffff", "#cbd5e1", " stroke-dasharray=\"5 4\""),
    };
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"10\" fill=\"{fill}\" stroke=\"{stroke}\"{dash}/>"
    );
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" font-weight=\"600\" fill=\"#334155\">{}</text>",
        x + PAD,
        y + ROW + 2.0,
        escape(&title(group))
    );
}

fn draw_node(out: &mut String, graph: &Graph, at: usize, rect: Rect) {
    let Some(node) = graph.nodes.get(at) else { return };
    let Rect { x, y, width, height } = rect;
    let outside = graph.groups.get(node.group).is_some_and(|group| group.place != Place::Inside);
    let radius = if outside { 14.0 } else { 6.0 };
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\" fill=\"#ffffff\" stroke=\"#64748b\" stroke-width=\"1.2\"/>"
    );
    for (open, mark) in [(node.open_in, x), (node.open_out, x + width - 5.0)] {
        if open {
            let _ = writeln!(
                out,
                "<rect x=\"{mark:.1}\" y=\"{:.1}\" width=\"5\" height=\"{:.1}\" rx=\"2\" fill=\"{OPEN}\"/>",
                y + 4.0,
                height - 8.0
            );
        }
    }
    let lines =
        [(node.name.as_str(), 13.0, "#0f172a", "600"), (node.detail.as_str(), 10.0, "#64748b", "400")];
    let entry = node.entry.as_deref().map(|entry| (entry, 10.0, "#b45309", "600"));
    let lines: Vec<_> = lines.into_iter().filter(|(text, ..)| !text.is_empty()).chain(entry).collect();
    let mut baseline = y + height / 2.0 - 7.0 * (lines.len() as f64 - 1.0) + 4.5;
    for (text, size, color, weight) in lines {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{color}\" text-anchor=\"middle\">{}</text>",
            x + width / 2.0,
            escape(text)
        );
        baseline += 14.0;
    }
}

fn color(graph: &Graph, bundle: &Bundle) -> &'static str {
    let group = match bundle.to {
        Anchor::Node(at) => graph.nodes.get(at).map_or(0, |node| node.group),
        Anchor::Group(at) => at,
    };
    bundle.tone.color().or_else(|| PALETTE.get(group % PALETTE.len()).copied()).unwrap_or("#475569")
}

fn draw_ways(out: &mut String, graph: &Graph, bundle: &Bundle, plan: &Plan, routes: &Routes) {
    let color = color(graph, bundle);
    let dash = if bundle.tone.dashed() { " stroke-dasharray=\"5 3\"" } else { "" };
    let _ = writeln!(out, "<g fill=\"none\" stroke=\"{color}\" stroke-width=\"1.4\"{dash}>");
    for way in routes.ways(bundle, plan) {
        let _ = writeln!(out, "<path d=\"{}\"/>", rounded(&way));
    }
    out.push_str("</g>\n");
    let (x, y) = entry(bundle, plan);
    let _ = writeln!(out, "<path d=\"M{x:.1} {y:.1}l-8 -4v8z\" fill=\"{color}\"/>");
}

/// The label stands on the last part of the way, in front of the destination's box.
fn draw_label(out: &mut String, graph: &Graph, bundle: &Bundle, plan: &Plan) {
    let (x, y) = entry(bundle, plan);
    let border = match bundle.to {
        Anchor::Node(_) => PAD,
        Anchor::Group(_) => 0.0,
    };
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"{}\" text-anchor=\"end\" stroke=\"#ffffff\" stroke-width=\"3\" \
         paint-order=\"stroke\">{}{}</text>",
        x - border - 6.0,
        y - 3.5,
        color(graph, bundle),
        if bundle.full == bundle.label {
            String::new()
        } else {
            format!("<title>{}</title>", escape(&bundle.full))
        },
        escape(&bundle.label)
    );
}

/// A path through corners, rounded.
fn rounded(corners: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in corners.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| corners.get(before));
        match (before, corners.get(at + 1)) {
            (None, _) => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            (Some(before), Some(after)) => {
                let (ax, ay) = toward((*x, *y), *before);
                let (bx, by) = toward((*x, *y), *after);
                let _ = write!(path, "L{ax:.1} {ay:.1}Q{x:.1} {y:.1} {bx:.1} {by:.1}");
            }
            (Some(_), None) => {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
        }
    }
    path
}

/// A point near one point in the direction of another.
fn toward(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length < f64::EPSILON {
        return from;
    }
    let part = (RADIUS.min(length / 2.0)) / length;
    (from.0 + dx * part, from.1 + dy * part)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML allows no other control characters.
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}
