//! Tables, written as Markdown, HTML, CSV and LaTeX.

use crate::html::escaped;

/// A column's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Titles and rows of cells.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    /// Rows that a rule stands above, in LaTeX.
    rules: Vec<usize>,
}

impl Table {
    /// A table with these columns: those of text come first, so many of them, then those of numbers.
    pub fn new<T: Into<String>>(texts: usize, titles: impl IntoIterator<Item = T>) -> Self {
        let side = |index| if index < texts { Align::Left } else { Align::Right };
        let columns = titles.into_iter().enumerate().map(|(index, title)| (title.into(), side(index)));
        Self { columns: columns.collect(), rows: Vec::new(), rules: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not a cell for each column.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.columns.len(), "cells of {cells:?}");
        self.rows.push(cells);
    }

    /// A rule above the next row.
    pub fn rule(&mut self) {
        self.rules.push(self.rows.len());
    }

    /// As HTML; a column of numbers has the class `number`.
    pub fn to_html(&self) -> String {
        let cell = |tag: &str, text: &str, align: Align| {
            let class = if align == Align::Right { " class=number" } else { "" };
            let name = tag.split(' ').next().unwrap_or(tag);
            format!("<{tag}{class}>{}</{name}>", escaped(text))
        };
        let mut html = "<div class=scroll><table><thead><tr>".to_owned();
        html.extend(self.columns.iter().map(|(title, align)| cell("th scope=col", title, *align)));
        html += "</tr></thead><tbody>";
        for row in &self.rows {
            html += "<tr>";
            html.extend(row.iter().zip(&self.columns).map(|(text, (_, align))| cell("td", text, *align)));
            html += "</tr>\n";
        }
        html + "</tbody></table></div>"
    }

    /// As Markdown that also reads well in a terminal.
    pub fn to_markdown(&self) -> String {
        let escaped = |cell: &str| cell.replace('|', "\\|").replace(char::is_control, " ");
        let titles: Vec<String> = self.columns.iter().map(|(title, _)| escaped(title)).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect());
        let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3))
            .collect();
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            for ((cell, width), (_, align)) in line.iter().zip(&widths).zip(&self.columns) {
                let pad = " ".repeat(width - cell.chars().count());
                text += &match align {
                    Align::Left => format!("| {cell}{pad} "),
                    Align::Right => format!("| {pad}{cell} "),
                };
            }
            text += "|\n";
            if index == 0 {
                for (width, (_, align)) in widths.iter().zip(&self.columns) {
                    text += &match align {
                        Align::Left => format!("| {} ", "-".repeat(*width)),
                        Align::Right => format!("| {}: ", "-".repeat(width - 1)),
                    };
                }
                text += "|\n";
            }
        }
        text
    }

    /// As comma-separated values (RFC 4180).
    ///
    /// # Panics
    /// Never: rows have a cell for each column, and go to memory.
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut write = |record: &mut dyn Iterator<Item = &String>| {
            writer.write_record(record).expect("rows of equal length, in memory");
        };
        write(&mut self.columns.iter().map(|(title, _)| title));
        self.rows.iter().for_each(|row| write(&mut row.iter()));
        String::from_utf8(writer.into_inner().expect("it is in memory")).expect("cells are text")
    }

    /// As a LaTeX `tabular` with the rules of `booktabs`.
    pub fn to_latex(&self) -> String {
        let sides: String =
            self.columns.iter().map(|(_, align)| if *align == Align::Left { 'l' } else { 'r' }).collect();
        let line = |cells: Vec<String>| cells.join(" & ") + " \\\\\n";
        let mut text = format!("\\begin{{tabular}}{{{sides}}}\n\\toprule\n");
        text += &line(self.columns.iter().map(|(title, _)| latex(title)).collect());
        text += "\\midrule\n";
        for (index, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&index) {
                text += "\\midrule\n";
            }
            text += &line(row.iter().map(|cell| latex(cell)).collect());
        }
        text + "\\bottomrule\n\\end{tabular}\n"
    }
}

/// A cell's text with everything escaped that means something in LaTeX.
fn latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '±' => escaped += "$\\pm$",
            '×' => escaped += "$\\times$",
            'µ' => escaped += "$\\mu$",
            '∝' => escaped += "$\\propto$",
            '−' => escaped += "$-$",
            '–' => escaped += "--",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(1, ["policy", "score | mean"]);
        table.row(["a_b, 10 %", "1.0 ± 0.5"]);
        table.rule();
        table.row(["quoted \"x\"", "–"]);
        table
    }

    #[test]
    fn every_form_keeps_what_means_something_in_it_out_of_the_cells() {
        assert_eq!(
            table().to_markdown(),
            "| policy     | score \\| mean |\n| ---------- | ------------: |\n| a_b, 10 %  |     1.0 ± 0.5 |\n| quoted \"x\" |             – |\n"
        );
        assert_eq!(
            table().to_csv(),
            "policy,score | mean\n\"a_b, 10 %\",1.0 ± 0.5\n\"quoted \"\"x\"\"\",–\n"
        );
        let latex = table().to_latex();
        assert!(latex.contains("a\\_b, 10 \\% & 1.0 $\\pm$ 0.5 \\\\\n\\midrule\nquoted"), "{latex}");
    }
}
