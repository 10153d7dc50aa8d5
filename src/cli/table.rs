//! Columns that line up, and colours for states. Tables are as wide as what is in them.

use crate::model::{State, Status};

pub struct Table {
    coloured: bool,
    rows: Vec<Vec<Cell>>,
}

pub struct Cell {
    text: String,
    colour: Option<&'static str>,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell { text: text.to_owned(), colour: None }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, colour: None }
    }
}

impl From<State> for Cell {
    fn from(state: State) -> Cell {
        let colour = match state {
            State::Up => "32",
            State::Degraded => "33",
            State::Down => "1;31",
            State::Unknown => "35",
        };
        Cell { text: state.as_str().to_owned(), colour: Some(colour) }
    }
}

impl From<Status> for Cell {
    fn from(status: Status) -> Cell {
        let colour = match status {
            Status::Operational => "32",
            Status::Maintenance => "34",
            Status::Degraded => "33",
            Status::PartialOutage => "31",
            Status::MajorOutage => "1;31",
            Status::Unknown => "35",
        };
        Cell { text: status.as_str().to_owned(), colour: Some(colour) }
    }
}

impl Table {
    pub fn new<const N: usize>(coloured: bool, heads: [&str; N]) -> Table {
        let heads = heads.map(|head| Cell { text: head.to_owned(), colour: Some("1") });
        Table { coloured, rows: vec![heads.into()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(widths) {
            match cell.colour.filter(|_| self.coloured) {
                Some(colour) => line += &format!("\x1b[{colour}m{}\x1b[0m", cell.text),
                None => line += &cell.text,
            }
            line += &" ".repeat(wide - width(cell) + 2);
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

fn width(cell: &Cell) -> usize {
    cell.text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_and_without_colours() {
        for (coloured, want) in [
            (false, "NAME  STATE\na     up\nlong  unknown\n"),
            (true, "\x1b[1mNAME\x1b[0m  \x1b[1mSTATE\x1b[0m\na     \x1b[32mup\x1b[0m\nlong  \x1b[35munknown\x1b[0m\n"),
        ] {
            let mut table = Table::new(coloured, ["NAME", "STATE"]);
            assert!(table.is_empty());
            table.row(["a".into(), State::Up.into()]);
            table.row(["long".into(), State::Unknown.into()]);
            assert_eq!(table.render(), want);
        }
    }
}
