//! A table in plain text that is markdown as well: columns aligned by spaces, the first to the left, others to the
//! right.

pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heading: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table { rows: vec![heading.into_iter().map(Into::into).collect()] }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.rows[0].len(), "a row has as many cells as the heading");
        self.rows.push(cells);
    }

    pub fn print(&self) {
        print!("{}", self.render());
    }

    pub fn render(&self) -> String {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += "|";
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                text += &if column == 0 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") };
            }
            text += "\n";
            if number == 0 {
                text += &rule(&widths);
            }
        }
        text
    }
}

/// The line under the heading; a colon says on which side a column is aligned.
fn rule(widths: &[usize]) -> String {
    let mut text = String::from("|");
    for (column, width) in widths.iter().enumerate() {
        let dashes = "-".repeat(width + 1);
        text += &if column == 0 { format!("{dashes}-|") } else { format!("{dashes}:|") };
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned_and_the_text_is_markdown() {
        let mut table = Table::new(["server", "µs"]);
        table.row(["raw", "5.0"]);
        table.row(["coracle", "12.25"]);
        let expected = "\
| server  |    µs |
|---------|------:|
| raw     |   5.0 |
| coracle | 12.25 |
";
        assert_eq!(table.render(), expected);
    }
}
