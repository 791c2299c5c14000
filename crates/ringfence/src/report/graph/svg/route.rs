//! Which way arrows go. In: a graph and its columns and shelves. Out: for every arrow the lines of the channels and
//! corridors that it uses. Arrows to one destination with the same label share the last part of their way.

use std::collections::BTreeMap;

use super::{
    super::{Anchor, Graph, Tone},
    label,
    place::{Grid, Needs, Plan, ROW},
    text_width,
};

/// Arrows that end together.
pub(super) struct Bundle {
    /// Where they end.
    pub(super) to: Anchor,
    /// Their label.
    pub(super) label: String,
    /// Their whole label.
    pub(super) full: String,
    /// How they look.
    pub(super) tone: Tone,
    /// Where they start.
    pub(super) from: Vec<Anchor>,
    /// The row at which they enter, from the top of the node or the box.
    row: usize,
    /// The line in the channel before the destination's column.
    trunk: usize,
    /// The corridor, and the line in it, of those that do not start in the column before.
    corridor: Option<(usize, usize)>,
}

/// All arrows.
pub(super) struct Routes {
    /// The bundles.
    pub(super) bundles: Vec<Bundle>,
    needs: Needs,
    /// The line in the channel behind a source, for the arrows that go through a corridor.
    behind: BTreeMap<Anchor, usize>,
    /// The columns that arrows leave and enter.
    leaves: BTreeMap<Anchor, usize>,
    enters: BTreeMap<Anchor, usize>,
}

impl Routes {
    pub(super) fn of(graph: &Graph, grid: &Grid) -> Self {
        let mut bundles = bundles(graph);
        let mut needs = Needs {
            channel: vec![0; grid.columns + 1],
            labels: vec![0.0; grid.columns],
            corridor: vec![0; grid.shelves + 1],
            into_node: vec![0; graph.nodes.len()],
            into_group: vec![0; graph.groups.len()],
        };
        let mut behind = BTreeMap::new();
        let (mut leaves, mut enters) = (BTreeMap::new(), BTreeMap::new());
        for bundle in &mut bundles {
            let column = grid.enters(bundle.to);
            enters.insert(bundle.to, column);
            let rows = match bundle.to {
                Anchor::Node(at) => needs.into_node.get_mut(at),
                Anchor::Group(at) => needs.into_group.get_mut(at),
            };
            if let Some(rows) = rows {
                bundle.row = *rows;
                *rows += 1;
            }
            if let Some(widest) = needs.labels.get_mut(column) {
                *widest = widest.max(text_width(&bundle.label, 11.0) + 18.0);
            }
            let far: Vec<Anchor> =
                bundle.from.iter().copied().filter(|from| grid.leaves(*from) + 1 != column).collect();
            leaves.extend(bundle.from.iter().map(|from| (*from, grid.leaves(*from))));
            let shelf = grid.shelf_of(graph, bundle.to);
            let below = far.iter().filter(|from| grid.shelf_of(graph, **from) > shelf).count();
            if !far.is_empty() {
                let corridor = if below * 2 > far.len() { shelf + 1 } else { shelf };
                if let Some(lines) = needs.corridor.get_mut(corridor) {
                    bundle.corridor = Some((corridor, *lines));
                    *lines += 1;
                }
                for from in far {
                    behind.entry(from).or_insert(0);
                }
            }
        }
        for (from, line) in &mut behind {
            if let Some(lines) = needs.channel.get_mut(grid.leaves(*from) + 1) {
                *line = *lines;
                *lines += 1;
            }
        }
        for bundle in &mut bundles {
            if let Some(lines) = needs.channel.get_mut(grid.enters(bundle.to)) {
                bundle.trunk = *lines;
                *lines += 1;
            }
        }
        Self { bundles, needs, behind, leaves, enters }
    }

    /// How much room the arrows need.
    pub(super) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The corners of the way of each arrow of a bundle.
    pub(super) fn ways(&self, bundle: &Bundle, plan: &Plan) -> Vec<Vec<(f64, f64)>> {
        let (end_x, end_y) = entry(bundle, plan);
        let enters = self.enters.get(&bundle.to).copied().unwrap_or(0);
        let trunk = line(&plan.channel, enters, bundle.trunk);
        let way = |from: &Anchor| {
            let (start_x, start_y) = exit(*from, plan);
            let leaves = self.leaves.get(from).copied().unwrap_or(0);
            match bundle.corridor {
                Some((corridor, at)) if leaves + 1 != enters => {
                    let behind = line(&plan.channel, leaves + 1, self.behind.get(from).copied().unwrap_or(0));
                    let along = line(&plan.corridor, corridor, at);
                    let corners = [
                        (start_x, start_y),
                        (behind, start_y),
                        (behind, along),
                        (trunk, along),
                        (trunk, end_y),
                        (end_x, end_y),
                    ];
                    corners.to_vec()
                }
                _ => vec![(start_x, start_y), (trunk, start_y), (trunk, end_y), (end_x, end_y)],
            }
        };
        bundle.from.iter().map(way).collect()
    }
}

/// Where the arrows of a bundle end.
pub(super) fn entry(bundle: &Bundle, plan: &Plan) -> (f64, f64) {
    let rect = match bundle.to {
        Anchor::Node(at) => plan.nodes.get(at).copied(),
        Anchor::Group(at) => plan.groups.get(at).copied().flatten(),
    };
    let rect = rect.unwrap_or_default();
    (rect.x, rect.y + ROW * (bundle.row as f64 + 0.5))
}

/// Where the arrows from an anchor start: on a whole row.
fn exit(from: Anchor, plan: &Plan) -> (f64, f64) {
    match from {
        Anchor::Node(at) => {
            let rect = plan.nodes.get(at).copied().unwrap_or_default();
            (rect.x + rect.width, rect.y + ROW * (rect.height / ROW / 2.0).floor())
        }
        Anchor::Group(at) => {
            let rect = plan.groups.get(at).copied().flatten().unwrap_or_default();
            (rect.x + rect.width, rect.y + ROW)
        }
    }
}

fn line(starts: &[f64], at: usize, number: usize) -> f64 {
    starts.get(at).copied().unwrap_or(0.0) + number as f64 * super::place::TRACK
}

fn bundles(graph: &Graph) -> Vec<Bundle> {
    let mut by_end: BTreeMap<(Anchor, Tone, &[String]), Vec<Anchor>> = BTreeMap::new();
    for edge in &graph.edges {
        by_end.entry((edge.to, edge.tone, &edge.label)).or_default().push(edge.from);
    }
    by_end
        .into_iter()
        .map(|((to, tone, pieces), from)| Bundle {
            to,
            label: label(pieces),
            full: pieces.join(", "),
            tone,
            from,
            row: 0,
            trunk: 0,
            corridor: None,
        })
        .collect()
}
