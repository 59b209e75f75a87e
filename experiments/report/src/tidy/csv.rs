//! Tables in CSV (RFC 4180, UTF-8).

use csv::{Terminator, WriterBuilder};

use super::{Table, Values};

/// A header, then a line per row.
pub(super) fn encode(table: &Table) -> Result<Vec<u8>, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| column.name.as_str()))?;
    for row in 0..table.rows() {
        writer.write_record(table.columns.iter().map(|column| field(&column.values, row)))?;
    }
    writer.into_inner().map_err(|failure| csv::Error::from(failure.into_error()))
}

/// A value as text that reads back as the same value; nothing where there is none.
pub(super) fn field(values: &Values, row: usize) -> String {
    let text = match values {
        Values::Text(values) => values.get(row).cloned().flatten(),
        Values::Integer(values) => values.get(row).copied().flatten().map(|v| v.to_string()),
        // Rust's shortest text that reads back as the same number, with an exponent where that is shorter.
        Values::Number(values) => values.get(row).copied().flatten().map(|v| format!("{v:?}")),
        Values::Boolean(values) => values.get(row).copied().flatten().map(|v| v.to_string()),
    };
    text.unwrap_or_default()
}
