//! Matrices in CSV. In: `from,to,port,expect[,request]`, with or without a header line, `#` for comments. Out: a matrix.

use super::{Fault, Matrix, RawRow, Table, columns, line_of};
use crate::question::Problem;

/// The columns of a file without a header line.
const COLUMNS: [&str; 5] = ["from", "to", "port", "expect", "request"];

/// Reads a CSV file.
#[must_use]
pub fn read(text: &str) -> Matrix {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut matrix = Matrix::default();
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            // A line of nothing but spaces.
            Ok(record) if record.iter().all(str::is_empty) => {}
            Ok(record) => {
                let line = record.position().map_or(1, |at| line_of_record(text, at.byte()));
                rows.push(RawRow::plain(line, record.iter().map(str::to_owned).collect()));
            }
            Err(error) => {
                let line = error.position().map_or(1, |at| line_of_record(text, at.byte()));
                let problem =
                    Problem::new("this line is not CSV").help("quote cells that hold commas or quotes");
                matrix.faults.push(Fault { line, problem });
            }
        }
    }
    let header = rows.first().filter(|row| columns::roles(&row.text).is_some()).map(|row| row.text.clone());
    let columns = match header {
        Some(header) => {
            rows.remove(0);
            header
        }
        None => COLUMNS.iter().map(|column| (*column).to_owned()).collect(),
    };
    // A column that no row fills is not worth a column of the report.
    let used = rows.iter().map(|row| row.text.len()).max().unwrap_or(0).max(4);
    let columns = columns.into_iter().take(used).collect();
    matrix.tables.extend(Table::of(None, columns, rows));
    if matrix.tables.iter().all(|table| table.rows.is_empty()) && matrix.faults.is_empty() {
        let problem = Problem::new("the file has no rows")
            .help("write lines such as `shop/web,shop/api,8000/TCP,allow`");
        matrix.faults.push(Fault { line: 1, problem });
    }
    matrix
}

/// The line on which a record begins, from 1. The reader's position is where it began to look for the record: before empty
/// lines and comments.
fn line_of_record(text: &str, looked_from: u64) -> u32 {
    let start = usize::try_from(looked_from).unwrap_or(usize::MAX);
    let rest = text.get(start..).unwrap_or_default();
    let skipped = rest.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count();
    line_of(text, start).saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Expect;

    #[test]
    fn lines_of_spaces_are_no_rows_and_count_as_lines() {
        let matrix = read("a,b,80/TCP,allow\n  \na,c,81/TCP,deny\n \n");
        assert_eq!(matrix.tables[0].rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn with_and_without_a_header() {
        let text = "# who may\nfrom,to,port,expect\na,b,80/TCP,allow\n\na,\"c\",81/TCP,deny\n";
        let matrix = read(text);
        let rows = &matrix.tables[0].rows;
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(rows[1].case.as_ref().unwrap().expect, Expect::Deny);
        assert_eq!(matrix.tables[0].columns, ["from", "to", "port", "expect"]);
        let bare = read("a,b,80,allow,GET /\n");
        assert_eq!(bare.tables[0].rows[0].case.as_ref().unwrap().request.as_deref(), Some("GET /"));
        assert_eq!(read("").faults.len(), 1);
        assert!(read("a,b\n").tables[0].rows[0].case.is_err());
    }
}
