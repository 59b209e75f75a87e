//! What papers claim, as data, and whether the workbench's own cells bear it out.
//!
//! `papers/claims.yaml` says in its first comment what every field means; the types here are that text, and [`judge`] is its
//! arithmetic. Times on other people's hardware are listed and never checked.

mod judge;
mod measure;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

pub use judge::{Column, Verdict, judge};
pub use measure::Measure;

/// A list of claims that cannot be read, or makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// It is not of the form that it should have.
    #[error("the claims cannot be read: {0}")]
    Form(#[from] serde_yaml::Error),
    /// A claim contradicts itself or another one.
    #[error("claim `{id}`: {what}")]
    Senseless {
        /// The claim.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// A check does not fit the results that it is about.
    #[error("{0}")]
    Unfit(String),
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    claims: Vec<Claim>,
}

/// A quantity that a paper or a system claims.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Unique name.
    pub id: String,
    /// A page of `papers/`, without `.md`.
    pub paper: String,
    /// What is counted or timed.
    pub quantity: String,
    /// A number, or a formula or bound as text.
    pub value: Value,
    /// Unit of the value.
    pub unit: String,
    /// What a time was measured on.
    pub hardware: Option<String>,
    /// Document and place in it.
    pub source: String,
    /// True if that document was opened and read.
    pub opened: bool,
    /// True if no source states it, and a page here derives it from the paper's construction.
    #[serde(default)]
    pub derived: bool,
    /// How an experiment checks it.
    #[serde(default)]
    pub check: Option<Check>,
    /// Why none does.
    #[serde(default)]
    pub why_not: Option<String>,
}

impl Claim {
    /// The value as it is printed.
    pub fn value_text(&self) -> String {
        self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned)
    }

    /// Why no experiment checks it; `None` if one does.
    pub fn why_not(&self) -> Option<&str> {
        let default = "not comparable: other hardware";
        self.check.is_none().then(|| self.why_not.as_deref().unwrap_or(default))
    }
}

/// How an experiment checks a claim.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A file of `experiments/`, without `.yaml`.
    pub experiment: String,
    /// Overrides of every point.
    pub overrides: Vec<String>,
    /// The points; sizes increase.
    pub points: Vec<Point>,
    /// Overrides that make a second series, by which the first is divided.
    #[serde(default)]
    pub baseline: Vec<String>,
    /// Only relations of this kind.
    #[serde(default)]
    pub kind: Option<String>,
    /// Only relations whose scope contains one of these.
    #[serde(default)]
    pub scope: Option<Scopes>,
    /// What is summed over them.
    pub measure: Measure,
    /// What is made of the values.
    #[serde(default)]
    pub series: Transform,
    /// What they should be.
    pub expect: Expect,
}

/// One text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Scopes {
    /// One.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

/// One cell of a check.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The number that the quantity is compared with.
    pub size: f64,
    /// More overrides.
    pub set: Vec<String>,
}

/// What is made of values `Q` at sizes `U` before they are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// `Q_i`.
    #[default]
    Raw,
    /// `Q_i / U_i`.
    PerUnit,
    /// `(Q_{i+1} - Q_i) / (U_{i+1} - U_i)`, one value less.
    Marginal,
}

/// What a series should be.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// Every value is `value`, or the values are `values`; tolerance relative.
    Equal {
        /// The one value.
        value: Option<f64>,
        /// Or all of them.
        values: Option<Vec<f64>>,
        /// Relative.
        #[serde(default)]
        tolerance: f64,
    },
    /// No value is above `value`; tolerance relative.
    AtMost {
        /// The bound.
        value: f64,
        /// Relative.
        #[serde(default)]
        tolerance: f64,
    },
    /// The slope of the line through the logarithms of values and sizes; tolerance absolute.
    Exponent {
        /// The slope.
        value: f64,
        /// Absolute.
        #[serde(default)]
        tolerance: f64,
    },
    /// Differences of this order of values at sizes that double; tolerance absolute.
    PerDoubling {
        /// 1, or 2 for the differences of differences.
        order: usize,
        /// All of them.
        value: f64,
        /// Absolute.
        #[serde(default)]
        tolerance: f64,
    },
}

impl Check {
    /// The overrides of every cell: those of the points, then those of the baseline's points, if there is one.
    pub fn cells(&self) -> Vec<Vec<String>> {
        let own = self.points.iter().map(|point| [self.overrides.as_slice(), &point.set].concat());
        let own: Vec<Vec<String>> = own.collect();
        if self.baseline.is_empty() {
            return own;
        }
        let baseline: Vec<Vec<String>> = own.iter().map(|overrides| replaced(overrides, &self.baseline)).collect();
        own.into_iter().chain(baseline).collect()
    }
}

/// Overrides with others in the place of those with the same key.
fn replaced(overrides: &[String], others: &[String]) -> Vec<String> {
    let key = |text: &String| text.split('=').next().unwrap_or_default().to_owned();
    let keys: BTreeSet<String> = others.iter().map(key).collect();
    overrides.iter().filter(|o| !keys.contains(&key(o))).chain(others).cloned().collect()
}

/// Reads a list of claims.
pub fn read(text: &str) -> Result<Vec<Claim>, ClaimsError> {
    let File { claims } = serde_yaml::from_str(text)?;
    let mut ids = BTreeSet::new();
    for claim in &claims {
        let senseless = |what: &str| ClaimsError::Senseless { id: claim.id.clone(), what: what.to_owned() };
        if !ids.insert(claim.id.as_str()) {
            return Err(senseless("there are two of this name"));
        }
        let Some(check) = &claim.check else { continue };
        if claim.why_not.is_some() {
            return Err(senseless("it has a check and a reason why there is none"));
        }
        if let Some(what) = faulty(check) {
            return Err(senseless(what));
        }
    }
    Ok(claims)
}

/// What makes a check impossible.
fn faulty(check: &Check) -> Option<&'static str> {
    let sizes: Vec<f64> = check.points.iter().map(|p| p.size).collect();
    let pairs = || sizes.iter().zip(sizes.iter().skip(1));
    if sizes.is_empty() {
        return Some("its check has no points");
    }
    if !pairs().all(|(a, b)| a < b) {
        return Some("the sizes of its points do not increase");
    }
    if check.series == Transform::Marginal && sizes.len() < 2 {
        return Some("marginal values need two points");
    }
    match &check.expect {
        Expect::Equal { value, values, .. } if value.is_some() == values.is_some() => {
            Some("`equal` needs either `value` or `values`")
        }
        Expect::Exponent { .. } if sizes.len() < 2 || check.series != Transform::Raw => {
            Some("an exponent needs two points and the values themselves")
        }
        Expect::PerDoubling { order, .. } if !(1..=2).contains(order) || sizes.len() <= *order => {
            Some("`per_doubling` needs an order of 1 or 2 and more points than that")
        }
        Expect::PerDoubling { .. } if !pairs().all(|(a, b)| (b - 2.0 * a).abs() < 1e-9 * b) => {
            Some("`per_doubling` needs sizes that double")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str = "
- {id: a, paper: p, quantity: q, value: 2, unit: u, hardware: null, source: s, opened: false, check: {
   experiment: e, overrides: [x=1, y=1], measure: rounds, baseline: [y=2],
   points: [{size: 1, set: [z=1]}, {size: 2, set: [z=2]}], expect: {kind: per_doubling, order: 1, value: 3}}}
";

    #[test]
    fn a_baseline_replaces_what_has_its_key() {
        let claims = read(&format!("claims:{CLAIM}")).unwrap();
        let cells = claims[0].check.as_ref().unwrap().cells();
        let joined: Vec<String> = cells.iter().map(|c| c.join(" ")).collect();
        assert_eq!(joined, ["x=1 y=1 z=1", "x=1 y=1 z=2", "x=1 z=1 y=2", "x=1 z=2 y=2"]);
    }

    #[test]
    fn senseless_claims_are_refused() {
        let says = |text: String, word: &str| {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        };
        says(format!("claims:{CLAIM}{CLAIM}"), "two of this name");
        for (from, to, word) in [
            ("size: 2", "size: 1", "do not increase"),
            ("size: 2", "size: 3", "sizes that double"),
            ("order: 1", "order: 2", "more points"),
            ("kind: per_doubling, order: 1, value: 3", "kind: equal", "either `value` or `values`"),
            ("measure: rounds", "measure: seconds", "cannot be read"),
            ("unit: u", "unit: u, units: v", "cannot be read"),
            ("opened: false", "opened: false, why_not: w", "a reason why there is none"),
        ] {
            says(format!("claims:{}", CLAIM.replace(from, to)), word);
        }
    }

    #[test]
    fn the_papers_own_list_is_well_formed_and_its_pages_are_there() {
        let papers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../papers");
        let claims = read(&std::fs::read_to_string(papers.join("claims.yaml")).unwrap()).unwrap();
        assert!(claims.iter().filter(|c| c.check.is_some()).count() >= 30);
        for claim in claims {
            assert!(papers.join(format!("{}.md", claim.paper)).exists(), "{}: {}", claim.id, claim.paper);
            assert!(claim.check.is_some() != claim.why_not().is_some(), "{}", claim.id);
            if let Some(check) = claim.check {
                let file = papers.join(format!("../experiments/{}.yaml", check.experiment));
                assert!(file.exists(), "{}: {}", claim.id, file.display());
            }
        }
    }
}
