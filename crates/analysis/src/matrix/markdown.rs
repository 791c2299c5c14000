//! Matrices in Markdown. In: a file with prose and tables. Out: the tables that are matrices, with the lines of their rows;
//! prose and other tables are left alone.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Fault, Matrix, RawRow, Table, line_of};
use crate::question::Problem;

/// Reads a Markdown file.
#[must_use]
pub fn read(text: &str) -> Matrix {
    let mut matrix = Matrix::default();
    let mut reader = Reader { text, ..Reader::default() };
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        if let Some(table) = reader.take(event, range) {
            matrix.tables.extend(table);
        }
    }
    if matrix.tables.is_empty() {
        let problem = Problem::new("the file has no table with the columns Source, Destination and Expected")
            .help("write `| Source | Destination | Port | Expected |`, the line `|---|---|---|---|`, and the rows below");
        matrix.faults.push(Fault { line: 1, problem });
    }
    matrix
}

#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    heading: Option<String>,
    in_heading: bool,
    columns: Vec<String>,
    rows: Vec<RawRow>,
    in_head: bool,
    row: Option<RawRow>,
    cell: Option<String>,
}

impl Reader<'_> {
    /// Takes one event; at the end of a table says whether it is a matrix.
    fn take(&mut self, event: Event<'_>, range: Range<usize>) -> Option<Option<Table>> {
        match event {
            Event::Start(Tag::Heading { level, .. }) if level <= HeadingLevel::H6 => {
                self.in_heading = true;
                self.heading = Some(String::new());
            }
            Event::End(TagEnd::Heading(_)) => self.in_heading = false,
            Event::Start(Tag::Table(_)) => {
                self.columns.clear();
                self.rows.clear();
            }
            Event::Start(Tag::TableHead) => self.in_head = true,
            Event::End(TagEnd::TableHead) => self.in_head = false,
            Event::Start(Tag::TableRow) => {
                let line = line_of(self.text, range.start);
                self.row = Some(RawRow { line, text: Vec::new(), markdown: Vec::new() });
            }
            Event::End(TagEnd::TableRow) => self.rows.extend(self.row.take()),
            Event::Start(Tag::TableCell) => self.cell = Some(String::new()),
            Event::End(TagEnd::TableCell) => self.end_cell(range),
            Event::End(TagEnd::Table) => {
                let (columns, rows) = (std::mem::take(&mut self.columns), std::mem::take(&mut self.rows));
                return Some(Table::of(self.heading.clone(), columns, rows));
            }
            Event::Text(text) | Event::Code(text) => self.text(&text),
            Event::SoftBreak | Event::HardBreak => self.text(" "),
            _ => {}
        }
        None
    }

    fn text(&mut self, text: &str) {
        if let Some(cell) = &mut self.cell {
            cell.push_str(text);
        } else if let (true, Some(heading)) = (self.in_heading, &mut self.heading) {
            heading.push_str(text);
        }
    }

    fn end_cell(&mut self, range: Range<usize>) {
        let text = self.cell.take().unwrap_or_default().trim().to_owned();
        if self.in_head {
            self.columns.push(text);
        } else if let Some(row) = &mut self.row {
            row.text.push(text);
            let source = self.text.get(range).unwrap_or_default();
            row.markdown.push(source.trim().trim_matches('|').trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Expect;

    const FILE: &str = "\
# Plan

| Component | Role |
|---|---|
| web | frontend |

## The `shop`

Prose.

| Source | Destination | Port | Expected | Why |
|:--|---|--:|---|---|
| `web` | **api** | 8000 | Allow | see [doc](x) |
| web | db | | ❌ |

```yaml
| Source | Destination | Port | Expected |
|---|---|---|---|
| not | a | table | Allow |
```
";

    #[test]
    fn tables_of_the_right_columns_with_their_lines() {
        let matrix = read(FILE);
        assert_eq!(matrix.tables.len(), 1);
        let table = &matrix.tables[0];
        assert_eq!(table.heading.as_deref(), Some("The shop"));
        assert_eq!(table.columns, ["Source", "Destination", "Port", "Expected", "Why"]);
        assert_eq!(table.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [13, 14]);
        assert_eq!(table.rows[0].cells, ["`web`", "**api**", "8000", "Allow", "see [doc](x)"]);
        let case = table.rows[0].case.as_ref().unwrap();
        assert_eq!((case.from.as_str(), case.to.as_str(), case.expect), ("web", "api", Expect::Allow));
        assert_eq!(table.rows[1].case.as_ref().unwrap().expect, Expect::Deny);
        assert_eq!(table.rows[1].case.as_ref().unwrap().port, "");
        assert!(matrix.faults.is_empty());
        assert_eq!(read("just prose\n").faults.len(), 1);
    }
}
