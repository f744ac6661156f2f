//! What commands print: text for people, JSON for programs, failures on one line of standard error.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use crate::plain_text::escaped;

#[derive(Clone, Copy)]
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Prints `value` as JSON, or what `text` makes of it. A reader that has gone is no failure.
    pub(super) fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        let shown = if self.is_json {
            serde_json::to_string(value).unwrap_or_default()
        } else {
            plain_lines(&text(value))
        };
        let _ = writeln!(io::stdout().lock(), "{}", shown.trim_end());
    }

    /// Says why on one line, and gives the exit code for it.
    pub(super) fn failed(self, failure: &dyn Display) -> ExitCode {
        let reason = failure.to_string().replace(['\n', '\r'], " ");
        let reason = escaped(&reason);
        let mut stderr = io::stderr().lock();
        let _ = if self.is_json {
            writeln!(stderr, "{}", serde_json::json!({ "error": reason }))
        } else {
            writeln!(stderr, "aipassport: {reason}")
        };
        ExitCode::FAILURE
    }
}

/// An app names itself, and an operator's terminal believes what it is sent.
fn plain_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// Lines of columns, each as wide as its widest cell.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|&cell| cell.to_owned()).collect()];
    lines.extend(
        rows.into_iter()
            .map(|row| row.iter().map(|cell| escaped(cell).into_owned()).collect()),
    );
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..head.len()).filter_map(width).collect();
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(padded).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_174_a_cell_stays_in_its_row() {
        let rows = [vec!["1".to_owned(), "No\ntes\u{1b}[2J\u{202e}".to_owned()]];

        assert_eq!(
            table(&["ID", "APP"], rows),
            "ID  APP\n1   No\\u000ates\\u001b[2J\\u202e"
        );
        assert_eq!(plain_lines("Notes\u{9b}\nuntil"), "Notes\\u009b\nuntil");
    }
}
