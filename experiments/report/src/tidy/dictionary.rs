//! The data dictionary.

use std::fmt::Write;

use super::{Column, Unit, with_axes};

const HEAD: &str = "# Data dictionary

Generated from the definitions of the columns: `workbench export` and `cargo run -p zkml-report --example tidy` write these
tables, each as `<table>.csv` and as `<table>.parquet`, with the same columns and values. `experiment` and `cell` name the same cell in every
table. Any value can be missing (an empty field in CSV, null in Parquet), and then it was not measured. A cell that is not `ok` has a
row in `cells`, without numbers, and no rows in the other tables.
";

/// Every table and column with type, unit and meaning, in Markdown.
pub fn dictionary() -> String {
    let mut text = HEAD.to_owned();
    for table in with_axes(&[], &["<path>"]) {
        let header = "| column | type | unit | meaning |\n|---|---|---|---|\n";
        let (name, about) = (table.name, table.about);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## `{name}`\n\n{about}\n\n{header}");
        text.extend(table.columns.iter().map(line));
    }
    text
}

fn line(column: &Column) -> String {
    let (name, about) = (&column.name, column.about.replace('|', "\\|"));
    let kind = if column.unit == Unit::Axis { "integer, number or text" } else { column.values.kind() };
    format!("| `{name}` | {kind} | {} | {about} |\n", column.unit.symbol())
}
