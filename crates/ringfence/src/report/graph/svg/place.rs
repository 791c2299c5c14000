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

/// The layer of each node: one more than those of the nodes that point to it. Edges that close a cycle do not count.
fn layers(graph: &Graph) -> Vec<usize> {
    let count = graph.nodes.len();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut incoming = vec![0_usize; count];
    let ends = |anchor: Anchor| match anchor {
        Anchor::Node(at) => vec![at],
        Anchor::Group(group) => graph.members(group).collect(),
    };
    for edge in &graph.edges {
        for from in ends(edge.from) {
            for to in ends(edge.to) {
                if let (true, Some(list), Some(number)) =
                    (from != to, next.get_mut(from), incoming.get_mut(to))
                {
                    list.push(to);
                    *number += 1;
                }
            }
        }
    }
    // Those who are only asked come last, those who only ask come first.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|node| (incoming.get(*node).copied(), *node));
    let mut state = vec![State::New; count];
    let mut finished = Vec::with_capacity(count);
    for node in order {
        visit(node, &next, &mut state, &mut finished);
    }
    // Reverse order of finishing is an order in which every edge but those that close a cycle points ahead.
    finished.reverse();
    let mut rank = vec![0; count];
    for (at, node) in finished.iter().enumerate() {
        if let Some(rank) = rank.get_mut(*node) {
            *rank = at;
        }
    }
    let ahead = |from: usize, to: usize| rank.get(from) < rank.get(to);
    let mut layer = vec![0; count];
    for node in &finished {
        let here = layer.get(*node).copied().unwrap_or(0);
        for to in next.get(*node).into_iter().flatten().filter(|to| ahead(*node, **to)) {
            if let Some(layer) = layer.get_mut(*to) {
                *layer = (*layer).max(here + 1);
            }
        }
    }
    layer
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Seen,
}

/// Depth first, without recursion: a chain of workloads can be long.
fn visit(start: usize, next: &[Vec<usize>], state: &mut [State], finished: &mut Vec<usize>) {
    let mut stack = vec![(start, 0_usize)];
    match state.get_mut(start) {
        Some(known) if *known == State::New => *known = State::Seen,
        _ => return,
    }
    while let Some((node, at)) = stack.last_mut() {
        let Some(to) = next.get(*node).and_then(|list| list.get(*at)).copied() else {
            finished.push(*node);
            stack.pop();
            continue;
        };
        *at += 1;
        if let Some(known) = state.get_mut(to)
            && *known == State::New
        {
            *known = State::Seen;
            stack.push((to, 0));
        }
    }
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
