//! Reasons to doubt the times above, and the score of the hardware.

use zkml_results::advice;
use zkml_results::environment::Environment;
use zkml_results::record::CellRecord;

use super::label;

/// Most lines about cells: the report has all of them.
const MOST: usize = 8;

/// What to know before trusting the times: of the machine and the build, then of the cells.
pub(super) fn doubts(environment: &Environment, records: &[CellRecord]) -> Vec<String> {
    let mut lines: Vec<String> = advice::of_environment(environment).iter().map(|a| format!("note: {a}")).collect();
    let one = records.len() == 1;
    let place = |record: &CellRecord| if one { String::new() } else { format!("{}: ", label(record)) };
    let of_cell = |record| advice::of(record).into_iter().map(move |a| format!("note: {}{a}", place(record)));
    let cells: Vec<String> = records.iter().flat_map(of_cell).collect();
    let more = cells.len().saturating_sub(MOST);
    lines.extend(cells.into_iter().take(MOST));
    if more > 0 {
        lines.push(format!("note: {more} more about single cells are in the report"));
    }
    lines
}

/// The column of the score: its heading, its values, and what they mean.
pub(super) struct Score {
    /// Heading.
    pub(super) heading: &'static str,
    metric: &'static str,
    /// Meaning, with the source of the energy.
    pub(super) meaning: String,
}

impl Score {
    /// Per joule where every cell's energy is known, per second elsewhere.
    pub(super) fn of(records: &[CellRecord]) -> Self {
        let measured = || records.iter().filter_map(|r| r.measured.as_ref());
        let mut sources: Vec<&str> = measured().filter_map(|m| m.machine.as_ref()?.energy_source.as_deref()).collect();
        let known = sources.len() == measured().count() && !sources.is_empty();
        sources.dedup();
        if known {
            let meaning =
                format!("products/J: predicted products per joule of whole proofs, by {}", sources.join("; "));
            return Self { heading: "products/J", metric: "products_per_joule", meaning };
        }
        let meaning =
            "products/s: predicted products per second of lookups and einsums; no energy: neither RAPL nor NVML \
                       reports it to this user"
                .to_owned();
        Self { heading: "products/s", metric: "products_per_second", meaning }
    }

    /// The value of a cell.
    pub(super) fn value(&self, record: &CellRecord) -> String {
        record.metrics.get(self.metric).map_or_else(String::new, |v| super::count(*v))
    }
}

#[cfg(test)]
mod tests {
    use zkml_results::record::{Machine, Measured};

    use super::*;

    #[test]
    fn the_score_is_per_joule_only_where_all_energy_is_known() {
        let cell = |source: Option<&str>| CellRecord {
            measured: Some(Measured {
                machine: Some(Machine { energy_source: source.map(str::to_owned), ..Machine::default() }),
                ..Measured::default()
            }),
            ..CellRecord::default()
        };
        let (known, unknown) = (cell(Some("RAPL intel-rapl:0")), cell(None));
        assert!(Score::of(std::slice::from_ref(&known)).meaning.contains("RAPL intel-rapl:0"));
        assert_eq!(Score::of(&[known, unknown]).heading, "products/s");
        assert_eq!(Score::of(&[]).heading, "products/s");
    }
}
