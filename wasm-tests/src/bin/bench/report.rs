//! Tables of figures, printed and as JSON.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

/// What one scenario found.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    notes: Vec<String>,
}

/// A column: its key in JSON, and what stands above it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    key: &'static str,
    head: &'static str,
    decimals: usize,
}

/// A column of names, or of figures with so many decimals.
pub(crate) const fn column(key: &'static str, head: &'static str, decimals: usize) -> Column {
    Column { key, head, decimals }
}

impl Table {
    pub(crate) fn new(title: String, columns: &[Column]) -> Self {
        Self {
            title,
            columns: columns.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// One value for each column; `null` where there is none.
    pub(crate) fn row(&mut self, values: &[Value]) {
        self.rows.push(values.to_vec());
    }

    /// A sentence below the table.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn to_json(&self, scenario: &str) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let cells = self.columns.iter().zip(row);
                Value::Object(
                    cells
                        .filter(|(_, value)| !value.is_null())
                        .map(|(column, value)| (column.key.to_owned(), value.clone()))
                        .collect::<Map<_, _>>(),
                )
            })
            .collect();
        json!({"scenario": scenario, "title": self.title, "rows": rows, "notes": self.notes})
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let shown: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let cells = row.iter().zip(&self.columns);
                cells.map(|(value, column)| show(value, column.decimals)).collect()
            })
            .collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| {
                let cells = shown.iter().filter_map(|row| row.get(i)).map(String::len);
                cells.chain([column.head.len()]).max().unwrap_or_default()
            })
            .collect();
        writeln!(out, "\n{}\n", self.title)?;
        let heads = self.columns.iter().map(|column| column.head.to_owned()).collect();
        for row in std::iter::once(&heads).chain(&shown) {
            let mut line = String::new();
            for ((cell, width), column) in row.iter().zip(&widths).zip(&self.columns) {
                let is_name = self.is_name(column.key);
                line += &if is_name {
                    format!("{cell:<width$}  ")
                } else {
                    format!("{cell:>width$}  ")
                };
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        for note in &self.notes {
            writeln!(out, "\n{note}")?;
        }
        Ok(())
    }

    fn is_name(&self, key: &str) -> bool {
        let place = self.columns.iter().position(|column| column.key == key);
        let first = place.and_then(|place| self.rows.first()?.get(place));
        first.is_some_and(Value::is_string)
    }
}

fn show(value: &Value, decimals: usize) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .map_or_else(String::new, |number| format!("{number:.decimals$}")),
        other => other.to_string(),
    }
}

/// The value below which this share of the values lies.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into some thousands of values"
    )]
    let place = (last as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let shares = [0.0, 0.5, 0.99, 1.0].map(|share| percentile(&values, share).to_string());
        assert_eq!(shares, ["1", "51", "99", "100"]);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_table_leaves_out_what_is_not_there() {
        let mut table = Table::new("title".into(), &[column("name", "who", 0), column("us", "us", 1)]);
        table.row(&[json!("a"), json!(1.25)]);
        table.row(&[json!("longer"), Value::Null]);
        let mut out = Vec::new();
        table.print(&mut out).expect("printed");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out, "\ntitle\n\nwho      us\na       1.2\nlonger\n");
        assert_eq!(
            table.to_json("x")["rows"],
            json!([{"name": "a", "us": 1.25}, {"name": "longer"}])
        );
    }
}
