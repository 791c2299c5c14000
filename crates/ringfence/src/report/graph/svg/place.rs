//! Where boxes and workloads go. In: a graph, and how much room the arrows need. Out: columns and shelves, then
//! coordinates.

use super::{
    super::{Anchor, Graph, Place},
    text_width,
};

/// Height of one row. Arrows leave nodes on whole rows and enter them half-way between, so that two of them never run
/// along the same line.
pub(super) const ROW: f64 = 18.0;
/// Room between a box's border and what is in it.
pub(super) const PAD: f64 = 14.0;
/// Distance of two lines that run side by side.
pub(super) const TRACK: f64 = 9.0;
/// Room around the drawing.
const MARGIN: f64 = 20.0;

/// Columns and shelves.
pub(super) struct Grid {
    /// How many columns there are.
    pub(super) columns: usize,
    /// How many shelves there are.
    pub(super) shelves: usize,
    /// The column of each node.
    pub(super) column: Vec<usize>,
    /// First and last column of each group; nothing if it is empty.
    pub(super) span: Vec<Option<(usize, usize)>>,
    /// The shelf of each group.
    pub(super) shelf: Vec<usize>,
}

impl Grid {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut column = layers(graph);
        let place = |node: usize| {
            let group = graph.nodes.get(node).map(|node| node.group);
            group.and_then(|group| graph.groups.get(group)).map_or(Place::Inside, |group| group.place)
        };
        let before = (0..graph.nodes.len()).any(|node| place(node) == Place::Before);
        let deepest = column.iter().copied().max().unwrap_or(0);
        for (node, column) in column.iter_mut().enumerate() {
            match place(node) {
                Place::Before => *column = 0,
                Place::Inside => *column += usize::from(before),
                Place::After => *column = deepest + usize::from(before) + 1,
            }
        }
        // Columns that nobody is in.
        let mut used: Vec<usize> = column.clone();
        used.sort_unstable();
        used.dedup();
        for column in &mut column {
            *column = used.binary_search(column).unwrap_or(0);
        }
        let span: Vec<Option<(usize, usize)>> = (0..graph.groups.len())
            .map(|group| {
                let columns = || graph.members(group).filter_map(|node| column.get(node).copied());
                Some((columns().min()?, columns().max()?))
            })
            .collect();
        let mut order: Vec<usize> =
            (0..span.len()).filter(|group| span.get(*group).is_some_and(Option::is_some)).collect();
        let height = |group: usize| graph.members(group).count();
        order.sort_by_key(|group| {
            let span = span.get(*group).copied().flatten().unwrap_or_default();
            (std::cmp::Reverse(span.1 - span.0), std::cmp::Reverse(height(*group)), *group)
        });
        let mut shelves: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut shelf = vec![0; span.len()];
        for group in order {
            let Some((first, last)) = span.get(group).copied().flatten() else { continue };
            let free = |taken: &Vec<(usize, usize)>| taken.iter().all(|(a, b)| last < *a || *b < first);
            let at = match shelves.iter().position(free) {
                Some(at) => at,
                None => {
                    shelves.push(Vec::new());
                    shelves.len() - 1
                }
            };
            if let (Some(taken), Some(slot)) = (shelves.get_mut(at), shelf.get_mut(group)) {
                taken.push((first, last));
                *slot = at;
            }
        }
        Self { columns: used.len(), shelves: shelves.len(), column, span, shelf }
    }

    /// The column that arrows from an anchor leave.
    pub(super) fn leaves(&self, anchor: Anchor) -> usize {
        match anchor {
            Anchor::Node(at) => self.column.get(at).copied().unwrap_or(0),
            Anchor::Group(at) => self.span.get(at).copied().flatten().map_or(0, |(_, last)| last),
        }
    }

    /// The column that arrows to an anchor enter.
    pub(super) fn enters(&self, anchor: Anchor) -> usize {
        match anchor {
            Anchor::Node(at) => self.column.get(at).copied().unwrap_or(0),
            Anchor::Group(at) => self.span.get(at).copied().flatten().map_or(0, |(first, _)| first),
        }
    }

    /// The shelf of an anchor.
    pub(super) fn shelf_of(&self, graph: &Graph, anchor: Anchor) -> usize {
        let group = match anchor {
            Anchor::Node(at) => graph.nodes.get(at).map_or(0, |node| node.group),
            Anchor::Group(at) => at,
        };
        self.shelf.get(group).copied().unwrap_or(0)
    }
}

/// The layer of each node: one more than those of the nodes that point to it. Edges that point back in the order of
/// [`ahead`] do not count.
fn layers(graph: &Graph) -> Vec<usize> {
    let count = graph.nodes.len();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    let ends = |anchor: Anchor| match anchor {
        Anchor::Node(at) => vec![at],
        Anchor::Group(group) => graph.members(group).collect(),
    };
    for edge in &graph.edges {
        for from in ends(edge.from) {
            if let Some(list) = next.get_mut(from) {
                list.extend(ends(edge.to).into_iter().filter(|to| *to != from));
            }
        }
    }
    let order = ahead(&next);
    let mut rank = vec![0; count];
    for (at, node) in order.iter().enumerate() {
        if let Some(rank) = rank.get_mut(*node) {
            *rank = at;
        }
    }
    let mut layer = vec![0; count];
    for node in &order {
        let here = layer.get(*node).copied().unwrap_or(0);
        for to in next.get(*node).into_iter().flatten().filter(|to| rank.get(*node) < rank.get(**to)) {
            if let Some(layer) = layer.get_mut(*to) {
                *layer = (*layer).max(here + 1);
            }
        }
    }
    layer
}

/// An order in which few edges point back (the greedy heuristic of Eades, Lin and Smyth): nodes without edges to the
/// rest go last, nodes without edges from the rest go first, and if there are none of either, the node with the most
/// edges out over in goes next.
fn ahead(next: &[Vec<usize>]) -> Vec<usize> {
    let count = next.len();
    let mut previous: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, list) in next.iter().enumerate() {
        for to in list {
            if let Some(previous) = previous.get_mut(*to) {
                previous.push(from);
            }
        }
    }
    let mut left: Vec<bool> = vec![true; count];
    let (mut first, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    while first.len() + last.len() < count {
        let open = |list: Option<&Vec<usize>>| {
            list.into_iter().flatten().filter(|at| left.get(**at) == Some(&true)).count()
        };
        let nodes = (0..count).filter(|node| left.get(*node) == Some(&true));
        let counted: Vec<(usize, usize, usize)> =
            nodes.map(|node| (node, open(previous.get(node)), open(next.get(node)))).collect();
        let sinks: Vec<usize> =
            counted.iter().filter(|(_, into, out)| *out == 0 && *into > 0).map(|(node, ..)| *node).collect();
        let sources: Vec<usize> =
            counted.iter().filter(|(_, into, _)| *into == 0).map(|(node, ..)| *node).collect();
        let widest =
            counted.iter().max_by_key(|(node, into, out)| (out + count - into, std::cmp::Reverse(*node)));
        let taken = if !sinks.is_empty() {
            last.extend(sinks.iter().rev());
            sinks
        } else if !sources.is_empty() {
            first.extend(&sources);
            sources
        } else {
            let node: Vec<usize> = widest.map(|(node, ..)| *node).into_iter().collect();
            first.extend(&node);
            node
        };
        for node in taken {
            if let Some(left) = left.get_mut(node) {
                *left = false;
            }
        }
    }
    first.extend(last.into_iter().rev());
    first
}

/// How much room the arrows need.
pub(super) struct Needs {
    /// Lines in the channel before each column, and after the last.
    pub(super) channel: Vec<usize>,
    /// The widest label before each column.
    pub(super) labels: Vec<f64>,
    /// Lines in the corridor above each shelf, and below the last.
    pub(super) corridor: Vec<usize>,
    /// Arrows that end at each node.
    pub(super) into_node: Vec<usize>,
    /// Arrows that end at each group's border.
    pub(super) into_group: Vec<usize>,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Coordinates.
pub(super) struct Plan {
    /// Of each node.
    pub(super) nodes: Vec<Rect>,
    /// Of each group; nothing if it is empty.
    pub(super) groups: Vec<Option<Rect>>,
    /// Where the lines of each channel start.
    pub(super) channel: Vec<f64>,
    /// Where the lines of each corridor start.
    pub(super) corridor: Vec<f64>,
    /// Of everything.
    pub(super) width: f64,
    /// Of everything, without the notes.
    pub(super) height: f64,
}

impl Plan {
    pub(super) fn of(graph: &Graph, grid: &Grid, needs: &Needs) -> Self {
        let widths = column_widths(graph, grid);
        let mut x = MARGIN;
        let mut left = Vec::with_capacity(grid.columns);
        let mut channel = Vec::with_capacity(grid.columns + 1);
        let lines = |list: &[usize], at: usize| list.get(at).copied().unwrap_or(0) as f64 * TRACK;
        for column in 0..=grid.columns {
            x += TRACK;
            channel.push(x);
            x += lines(&needs.channel, column);
            if column < grid.columns {
                x += needs.labels.get(column).copied().unwrap_or(0.0) + PAD;
                left.push(x);
                x += widths.get(column).copied().unwrap_or(0.0) + PAD;
            }
        }
        let mut plan = Self {
            nodes: vec![Rect::default(); graph.nodes.len()],
            groups: vec![None; graph.groups.len()],
            channel,
            corridor: Vec::with_capacity(grid.shelves + 1),
            width: x + MARGIN,
            height: 0.0,
        };
        let mut y = MARGIN;
        for shelf in 0..grid.shelves {
            y += TRACK;
            plan.corridor.push(y);
            y = on_row(y + lines(&needs.corridor, shelf) + TRACK);
            let mut bottom = y;
            for group in (0..graph.groups.len()).filter(|group| grid.shelf.get(*group) == Some(&shelf)) {
                bottom = bottom.max(plan.put(graph, grid, needs, group, y, &left, &widths));
            }
            y = bottom;
        }
        y += TRACK;
        plan.corridor.push(y);
        plan.height = y + lines(&needs.corridor, grid.shelves) + MARGIN;
        plan
    }

    /// Puts a group and its nodes below a line; returns where it ends.
    #[expect(clippy::too_many_arguments, reason = "all of it is about one box")]
    fn put(
        &mut self,
        graph: &Graph,
        grid: &Grid,
        needs: &Needs,
        group: usize,
        top: f64,
        left: &[f64],
        widths: &[f64],
    ) -> f64 {
        let Some((first, last)) = grid.span.get(group).copied().flatten() else { return top };
        let arrows = needs.into_group.get(group).copied().unwrap_or(0);
        let title = ROW * (arrows.max(1) as f64) + ROW;
        let mut bottom = top + title;
        for column in first..=last {
            let mut y = top + title;
            for node in graph.members(group).filter(|node| grid.column.get(*node) == Some(&column)) {
                let rows = lines_of(graph, node).max(needs.into_node.get(node).copied().unwrap_or(0)).max(2);
                let rect = Rect {
                    x: left.get(column).copied().unwrap_or(0.0),
                    y,
                    width: widths.get(column).copied().unwrap_or(0.0),
                    height: ROW * rows as f64,
                };
                if let Some(slot) = self.nodes.get_mut(node) {
                    *slot = rect;
                }
                y += rect.height + ROW;
            }
            bottom = bottom.max(y);
        }
        let x = left.get(first).copied().unwrap_or(0.0) - PAD;
        let end = left.get(last).copied().unwrap_or(0.0) + widths.get(last).copied().unwrap_or(0.0) + PAD;
        if let Some(slot) = self.groups.get_mut(group) {
            *slot = Some(Rect { x, y: top, width: end - x, height: bottom - top });
        }
        bottom
    }
}

/// The lines of text in a node.
fn lines_of(graph: &Graph, node: usize) -> usize {
    graph
        .nodes
        .get(node)
        .map_or(1, |node| 1 + usize::from(!node.detail.is_empty()) + usize::from(node.entry.is_some()))
}

fn column_widths(graph: &Graph, grid: &Grid) -> Vec<f64> {
    let mut widths = vec![96.0_f64; grid.columns];
    for (node, column) in graph.nodes.iter().zip(&grid.column) {
        let entry = node.entry.as_deref().map_or(0.0, |entry| text_width(entry, 10.0));
        let widest = text_width(&node.name, 13.0).max(text_width(&node.detail, 10.0)).max(entry) + 24.0;
        if let Some(width) = widths.get_mut(*column) {
            *width = width.max(widest.ceil());
        }
    }
    // A box must hold its title too.
    for (at, group) in graph.groups.iter().enumerate() {
        let Some((first, last)) = grid.span.get(at).copied().flatten() else { continue };
        if first == last
            && let Some(width) = widths.get_mut(first)
        {
            *width = width.max(text_width(&super::draw::title(group), 12.0).ceil());
        }
    }
    widths
}

/// The next whole row.
fn on_row(y: f64) -> f64 {
    (y / ROW).ceil() * ROW
}
