//! The JSON schema of experiment files, generated from [`Experiment`].

use serde_json::Value;

use super::types::Experiment;

/// The schema as data.
pub fn schema() -> Value {
    schemars::schema_for!(Experiment).to_value()
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
