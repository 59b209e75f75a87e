use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use serde_json::json;
use zkml_device::count::Operations;
use zkml_results::clock::Time;
use zkml_results::metrics::METRICS;
use zkml_results::record::{
    CellRecord, LayerRecord, Measured, PhaseSummary, ProofTimes, RelationRecord, Status, StepSummary, Verification,
};

use super::{Table, Values, cells, dictionary, tables, write};

const NASTY: [&str; 5] = ["a \"quoted\" word", "two\nlines, and a comma", "ümlaut 𝔽 ÷ 漢字", " spaces ", "cr\r\nlf"];

/// The project's reference results.
fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data")
}

/// The records of a file, read without touching its folder.
fn records(file: &Path) -> Vec<CellRecord> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn cell(number: usize, status: Status) -> CellRecord {
    let time = |wall: f64| Time { wall, cpu: wall * 1.5 };
    let proof = |wall| ProofTimes { total: time(wall), phases: [("commit".to_owned(), time(wall / 4.0))].into() };
    let phases = [("prove", 0.2), ("commit", 0.05), ("verify", 0.01), ("inference", 1e-9)];
    let summary = |wall| PhaseSummary::of(&[time(wall), time(wall * 3.0)]);
    let scope = "dense/range+norm/range/logup-gkr";
    let measured = Measured {
        proofs: vec![proof(0.1), proof(0.3)],
        inference: vec![time(1e-9)],
        phases: phases.iter().map(|(name, wall)| ((*name).to_owned(), summary(*wall))).collect(),
        steps: vec![StepSummary {
            phase: "lookups".to_owned(),
            scope: scope.to_owned(),
            times: summary(0.02),
            operations: Operations { ext_mul: 7, ..Operations::default() },
        }],
        proof_bytes: 1000 + number,
        proof_scopes: vec![(format!("{scope}/tree"), 900), ("opening".to_owned(), 100)],
        relations: vec![RelationRecord {
            scope: "dense/range+norm/range".to_owned(),
            kind: "lookup".to_owned(),
            protocol: NASTY[number % NASTY.len()].to_owned(),
            detail: String::new(),
            cost: zkml_core::Cost::default(),
            proof_bytes: 896,
        }],
        layers: ["dense", "norm"]
            .map(|name| LayerRecord { name: name.to_owned(), shape: vec![2, 3], ..LayerRecord::default() })
            .into(),
        verifications: vec![Verification { inside: time(0.01), process: 0.02, peak_memory_bytes: None }],
        ..Measured::default()
    };
    CellRecord {
        cell: format!("c{number}"),
        identity: format!("c{number}-long"),
        experiment: "made \"up\"".to_owned(),
        point: vec![
            ("input.rows".to_owned(), (1 << number).to_string()),
            ("protocol".to_owned(), NASTY[number % NASTY.len()].to_owned()),
        ],
        status,
        reason: (status != Status::Ok).then(|| NASTY[1].to_owned()),
        seconds: 1.5,
        spec: json!({"suite": "goldilocks", "device": "cpu"}),
        metrics: BTreeMap::from([("prove_ms".to_owned(), 200.25), ("proof_bytes".to_owned(), 1000.0 + number as f64)]),
        measured: Some(measured),
        ..CellRecord::default()
    }
}

fn run() -> Vec<CellRecord> {
    let mut cells: Vec<CellRecord> = (0..6).map(|number| cell(number, Status::Ok)).collect();
    cells.push(cell(6, Status::Invalid));
    cells.push(CellRecord { measured: None, metrics: BTreeMap::new(), ..cell(7, Status::Failed) });
    cells
}

fn find<'a>(tables: &'a [Table], name: &str) -> &'a Table {
    tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

fn column<'a>(table: &'a Table, name: &str) -> &'a Values {
    &table.columns.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("no column {name}")).values
}

/// A CSV file as it reads back: header and rows.
fn read_csv(bytes: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = ::csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (header, rows)
}

/// A Parquet file as its own reader reads it back.
fn read_parquet(bytes: &[u8]) -> (Vec<String>, Vec<Vec<Field>>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let header = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    let rows = reader.get_row_iter(None).unwrap();
    (header, rows.map(|row| row.unwrap().into_columns().into_iter().map(|(_, field)| field).collect()).collect())
}

/// A table's value where both files should have it.
fn expected(values: &Values, row: usize) -> Field {
    match values {
        Values::Text(values) => values[row].clone().map_or(Field::Null, Field::Str),
        Values::Integer(values) => values[row].map_or(Field::Null, Field::Long),
        Values::Number(values) => values[row].map_or(Field::Null, Field::Double),
        Values::Boolean(values) => values[row].map_or(Field::Null, Field::Bool),
    }
}

/// What a CSV field says, read as the column's type.
fn parsed(values: &Values, field: &str) -> Field {
    match values {
        _ if field.is_empty() => Field::Null,
        Values::Text(_) => Field::Str(field.to_owned()),
        Values::Integer(_) => Field::Long(field.parse().unwrap()),
        Values::Number(_) => Field::Double(field.parse().unwrap()),
        Values::Boolean(_) => Field::Bool(field.parse().unwrap()),
    }
}

/// Asserts that both files hold exactly the table.
fn assert_reads_back(table: &Table, csv: &[u8], parquet: &[u8]) {
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let (csv_names, csv_rows) = read_csv(csv);
    let (parquet_names, parquet_rows) = read_parquet(parquet);
    assert_eq!((&csv_names, &parquet_names), (&names, &names), "{}", table.name);
    assert_eq!((csv_rows.len(), parquet_rows.len()), (table.rows(), table.rows()), "{}", table.name);
    for (row, (csv, parquet)) in csv_rows.iter().zip(&parquet_rows).enumerate() {
        for (index, column) in table.columns.iter().enumerate() {
            let want = expected(&column.values, row);
            let place = format!("{}.{} row {row}", table.name, column.name);
            assert_eq!(parquet[index], want, "{place} in Parquet");
            assert_eq!(parsed(&column.values, &csv[index]), want, "{place} in CSV");
        }
    }
}

#[test]
fn both_files_read_back_as_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(&run(), &folder.path().join("a/b")).unwrap();
    let tables = tables(&run());
    assert_eq!(files.len(), 2 * tables.len());
    for table in &tables {
        assert!(table.rows() > 0, "{}", table.name);
        let path = |ending: &str| folder.path().join("a/b").join(format!("{}.{ending}", table.name));
        let read = |ending: &str| std::fs::read(path(ending)).unwrap();
        assert_reads_back(table, &read("csv"), &read("parquet"));
    }
    let texts: BTreeSet<String> = match column(find(&tables, "cells"), "axis.protocol") {
        Values::Text(values) => values.iter().flatten().cloned().collect(),
        other => panic!("{other:?}"),
    };
    assert!(NASTY.iter().all(|text| texts.contains(*text)), "{texts:?}");
}

#[test]
fn without_records_there_are_headers() {
    for table in tables(&[]) {
        assert_reads_back(&table, &table.to_csv().unwrap(), &table.to_parquet().unwrap());
        assert_eq!(table.rows(), 0);
    }
}

#[test]
fn equal_records_give_equal_bytes() {
    for (one, other) in tables(&run()).iter().zip(&tables(&run())) {
        assert_eq!(one.to_csv().unwrap(), other.to_csv().unwrap());
        assert_eq!(one.to_parquet().unwrap(), other.to_parquet().unwrap());
    }
}

#[test]
fn only_cells_that_are_ok_have_numbers() {
    let all = tables(&run());
    let cells = find(&all, "cells");
    assert_eq!(cells.rows(), 8);
    for column in &cells.columns {
        let bad = |missing: [bool; 2], good: bool| assert_eq!((missing, good), ([true; 2], true), "{}", column.name);
        match &column.values {
            Values::Number(v) => bad([v[6].is_none(), v[7].is_none()], true),
            Values::Integer(v) if !column.name.starts_with("axis.") => bad([v[6].is_none(), v[7].is_none()], true),
            _ => {}
        }
    }
    let text = |values: &[&str]| Values::Text(values.iter().map(|v| Some((*v).to_owned())).collect());
    assert_eq!(column(cells, "status"), &text(&["ok", "ok", "ok", "ok", "ok", "ok", "invalid", "failed"]));
    for table in all.iter().filter(|table| table.name != "cells") {
        let Values::Text(ids) = column(table, "cell") else { panic!("{}", table.name) };
        let ids: BTreeSet<&str> = ids.iter().flatten().map(String::as_str).collect();
        assert_eq!(ids, BTreeSet::from(["c0", "c1", "c2", "c3", "c4", "c5"]), "{}", table.name);
    }
}

#[test]
fn values_are_those_of_the_record() {
    let all = tables(&run()[1..2]);
    let number = |table: &str, name: &str| match column(find(&all, table), name) {
        Values::Number(values) => values.clone(),
        Values::Integer(values) => values.iter().map(|v| v.map(|v| v as f64)).collect(),
        other => panic!("{name}: {other:?}"),
    };
    let text = |table: &str, name: &str| match column(find(&all, table), name) {
        Values::Text(values) => values.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let first = |table: &str, name: &str, want: f64| {
        let found = number(table, name)[0].unwrap();
        assert!((found - want).abs() < 1e-9, "{table}.{name}: {found}");
    };
    assert_eq!(number("cells", "axis.input.rows"), [Some(2.0)]);
    assert_eq!(number("cells", "proof_bytes"), [Some(1001.0)]);
    assert_eq!(number("cells", "prove_ms"), [Some(200.25)]);
    // 50 and 150 ms: median 100, deviations 50.
    first("cells", "commit_ms", 100.0);
    first("cells", "commit_mad_ms", 50.0);
    first("cells", "commit_cpu_ms", 150.0);
    assert_eq!(text("cells", "lookup_protocol"), [Some(NASTY[1].to_owned())]);
    // Two proofs with a phase each, an inference, a verification with its process.
    assert_eq!(number("samples", "wall_ms").len(), 2 * 2 + 1 + 2);
    first("samples", "wall_ms", 100.0);
    assert_eq!(text("steps", "layer"), [Some("dense+norm".to_owned())]);
    assert_eq!(text("steps", "relation"), [Some("dense/range+norm/range".to_owned())]);
    // This build does not count, so a zero would be a lie.
    assert_eq!(number("steps", "ext_mul"), [None]);
    assert_eq!(text("scopes", "layer"), [Some("dense+norm".to_owned()), None]);
    assert_eq!(number("scopes", "bytes"), [Some(900.0), Some(100.0)]);
    assert_eq!(number("relations", "proof_bytes"), [Some(896.0)]);
    assert_eq!(text("layers", "shape"), [Some("2x3".to_owned()), Some("2x3".to_owned())]);
}

#[test]
fn an_axis_is_of_numbers_only_if_all_its_values_are() {
    let axis = |values: &[&str]| {
        let record = |v: &&str| CellRecord { point: vec![("a".to_owned(), (*v).to_owned())], ..CellRecord::default() };
        let records: Vec<CellRecord> = values.iter().map(record).collect();
        column(&cells::table(&records, &cells::axes(&records)), "axis.a").kind()
    };
    assert_eq!(axis(&["1", "-20"]), "integer");
    assert_eq!(axis(&["1", "2.5", "1e-5"]), "number");
    for odd in ["007", "-00.5", "inf", "NaN", "0x10", "lasso", ""] {
        assert_eq!(axis(&["1", odd]), "text", "{odd}");
    }
}

#[test]
fn every_column_is_in_the_dictionary_with_unit_and_meaning() {
    let dictionary = dictionary();
    for table in tables(&run()) {
        let section = dictionary.split("\n## ").find(|part| part.starts_with(&format!("`{}`", table.name))).unwrap();
        let mut names = BTreeSet::new();
        for column in &table.columns {
            assert!(names.insert(&column.name), "{} twice", column.name);
            assert!(column.about.len() > 8 && column.about.ends_with('.'), "{}: {}", column.name, column.about);
            assert!(!column.unit.symbol().is_empty(), "{}", column.name);
            let name = if column.name.starts_with("axis.") { "axis.<path>" } else { &column.name };
            assert!(section.contains(&format!("| `{name}` |")), "{}.{name}", table.name);
        }
    }
}

#[test]
fn every_metric_has_a_unit() {
    for metric in METRICS {
        assert!(cells::unit(metric.name).is_some(), "{}: give it a unit in `tidy::cells::unit`", metric.name);
    }
}

#[test]
fn the_committed_dictionary_is_the_generated_one() {
    let committed = std::fs::read_to_string(published().join("DICTIONARY.md")).unwrap();
    let command = "cargo run -p zkml-report --example tidy -- --dictionary > notebooks-data/DICTIONARY.md";
    assert!(committed == dictionary(), "write it again: {command}");
}

#[test]
fn published_tables_are_those_of_the_published_results() {
    let runs = std::fs::read_dir(published().join("published")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for run in runs.filter(|run| run.join("results.jsonl").exists()) {
        let read = |table: &Table, ending: &str| {
            let path = run.join("tables").join(format!("{}.{ending}", table.name));
            let name = run.file_name().unwrap().display().to_string();
            let command = format!("cargo run -p zkml-report --example tidy -- notebooks-data/published/{name}");
            std::fs::read(path).unwrap_or_else(|e| panic!("{}.{ending}: {e}: {command}{{,/tables}}", table.name))
        };
        for table in tables(&records(&run.join("results.jsonl"))) {
            assert_reads_back(&table, &read(&table, "csv"), &read(&table, "parquet"));
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen} runs");
}
