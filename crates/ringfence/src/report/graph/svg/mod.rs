//! A graph as a drawing for a document. In: a graph. Out: SVG on a light background, the same for the same input.
//!
//! Sources are left of their destinations where that is possible. Every box, arrow and label has a place of its own:
//! arrows run in channels between the columns and in corridors between the shelves, so that no arrow passes behind a
//! workload and no two labels meet. Arrows to one destination on the same ports join on their way.

mod draw;
mod place;
mod route;

use super::Graph;

/// The graph as SVG.
pub(crate) fn render(graph: &Graph) -> String {
    let grid = place::Grid::of(graph);
    let routes = route::Routes::of(graph, &grid);
    let plan = place::Plan::of(graph, &grid, routes.needs());
    draw::draw(graph, &plan, &routes)
}

/// About how wide a text is, in pixels; rather too wide than too narrow.
fn text_width(text: &str, size: f64) -> f64 {
    let wide = |character: char| match character {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | '/' | '-' | '(' | ')' | ' ' | 'I' => 0.38,
        'm' | 'w' | 'M' | 'W' => 0.9,
        'A'..='Z' => 0.72,
        _ if character.is_ascii() => 0.6,
        _ => 1.0,
    };
    text.chars().map(wide).sum::<f64>() * size
}

/// A text for an arrow: short enough for its channel.
fn label(pieces: &[String]) -> String {
    const LONGEST: usize = 34;
    let whole = pieces.join(", ");
    if whole.chars().count() <= LONGEST {
        return whole;
    }
    let mut short: String = whole.chars().take(LONGEST - 1).collect();
    short.push('\u{2026}');
    short
}
