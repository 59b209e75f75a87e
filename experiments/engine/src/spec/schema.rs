//! The JSON schema of experiment files, generated from [`Experiment`].

use std::sync::LazyLock;

use serde_json::Value;

use super::types::Experiment;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Experiment).to_value());

/// The schema as data; it is made once.
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// The schema as the text of `experiments/experiment.schema.json`.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_schema_beside_the_experiments_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../experiment.schema.json");
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            checked_in == super::schema_text(),
            "experiments/experiment.schema.json is out of date: run `workbench schema > experiments/experiment.schema.json`"
        );
    }
}
