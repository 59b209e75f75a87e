//! Whether a series of values is what a claim says.

use zkml_results::record::CellRecord;

use super::{Check, ClaimsError, Expect, Transform, measure};
use crate::fit::Fit;

/// What a column says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The values are what is claimed.
    Holds,
    /// They are not.
    DoesNotHold,
    /// There are none.
    NotMeasured,
}

impl Verdict {
    /// The words in tables.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::NotMeasured => "not measured",
        }
    }
}

/// What was found, predicted or measured: the numbers that were compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The numbers, e.g. one exponent; empty if there is none.
    pub found: Vec<f64>,
    /// What they say.
    pub verdict: Verdict,
}

/// Deviations that rounding explains.
const ROUNDING: f64 = 1e-9;

/// The predicted and the measured column of a check, from the records of [`Check::cells`] in that order.
pub fn judge(check: &Check, records: &[&CellRecord]) -> Result<[Column; 2], ClaimsError> {
    let values: Vec<[Option<f64>; 2]> =
        records.iter().map(|record| measure::values(check, record)).collect::<Result<_, _>>()?;
    let sizes: Vec<f64> = check.points.iter().map(|p| p.size).collect();
    let expected = if check.baseline.is_empty() { sizes.len() } else { 2 * sizes.len() };
    if values.len() != expected {
        return Err(ClaimsError::Unfit(format!("{} records for {expected} cells", values.len())));
    }
    let (own, baseline) = values.split_at(sizes.len());
    let column = |which: usize| {
        let series = |rows: &[[Option<f64>; 2]]| -> Option<Vec<f64>> {
            let values: Vec<f64> = rows.iter().map(|row| row[which]).collect::<Option<_>>()?;
            Some(transformed(check.series, &values, &sizes))
        };
        let mut found = series(own)?;
        if !baseline.is_empty() {
            found = found.iter().zip(series(baseline)?).map(|(ours, theirs)| ours / theirs).collect();
        }
        Some(found)
    };
    Ok([0, 1].map(|which| match column(which) {
        Some(values) => compared(&check.expect, &values, &sizes),
        None => Column { found: Vec::new(), verdict: Verdict::NotMeasured },
    }))
}

fn transformed(transform: Transform, values: &[f64], sizes: &[f64]) -> Vec<f64> {
    match transform {
        Transform::Raw => values.to_vec(),
        Transform::PerUnit => values.iter().zip(sizes).map(|(q, u)| q / u).collect(),
        Transform::Marginal => differences(values).iter().zip(differences(sizes)).map(|(q, u)| q / u).collect(),
    }
}

fn differences(values: &[f64]) -> Vec<f64> {
    values.iter().zip(values.iter().skip(1)).map(|(a, b)| b - a).collect()
}

fn compared(expect: &Expect, values: &[f64], sizes: &[f64]) -> Column {
    let near = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance.max(ROUNDING * b.abs().max(1.0));
    let (found, holds) = match expect {
        Expect::Equal { value, values: all, tolerance } => {
            let wanted = all.clone().unwrap_or_else(|| vec![value.unwrap_or(f64::NAN); values.len()]);
            let each = |(a, b): (&f64, &f64)| near(*a, *b, tolerance * b.abs());
            (values.to_vec(), wanted.len() == values.len() && values.iter().zip(&wanted).all(each))
        }
        Expect::AtMost { value, tolerance } => {
            (values.to_vec(), values.iter().all(|v| *v <= value * (1.0 + tolerance.max(ROUNDING))))
        }
        Expect::Exponent { value, tolerance } => {
            let points: Vec<(f64, f64)> = sizes.iter().copied().zip(values.iter().copied()).collect();
            let slope = Fit::of(&points).map_or(f64::NAN, |fit| fit.exponent);
            (vec![slope], near(slope, *value, *tolerance))
        }
        Expect::PerDoubling { order, value, tolerance } => {
            let mut steps = values.to_vec();
            for _ in 0..*order {
                steps = differences(&steps);
            }
            let holds = !steps.is_empty() && steps.iter().all(|s| near(*s, *value, *tolerance));
            (steps, holds)
        }
    };
    Column { found, verdict: if holds { Verdict::Holds } else { Verdict::DoesNotHold } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(expect: &Expect, values: &[f64]) -> Verdict {
        compared(expect, values, &[8.0, 16.0, 32.0]).verdict
    }

    #[test]
    fn every_expectation_holds_and_fails() {
        let [holds, fails] = [Verdict::Holds, Verdict::DoesNotHold];
        let equal = Expect::Equal { value: Some(2.0), values: None, tolerance: 0.01 };
        assert_eq!([verdict(&equal, &[2.0, 2.01, 1.99]), verdict(&equal, &[2.0, 2.0, 2.03])], [holds, fails]);
        let list = Expect::Equal { value: None, values: Some(vec![1.0, 2.0, 3.0]), tolerance: 0.0 };
        assert_eq!([verdict(&list, &[1.0, 2.0, 3.0]), verdict(&list, &[1.0, 2.0])], [holds, fails]);
        let most = Expect::AtMost { value: 3.0, tolerance: 0.0 };
        assert_eq!([verdict(&most, &[1.0, 3.0, 2.0]), verdict(&most, &[1.0, 3.1, 2.0])], [holds, fails]);
        let square = Expect::Exponent { value: 2.0, tolerance: 0.02 };
        assert_eq!([verdict(&square, &[64.0, 256.0, 1024.0]), verdict(&square, &[8.0, 16.0, 32.0])], [holds, fails]);
        let second = Expect::PerDoubling { order: 2, value: 2.0, tolerance: 0.0 };
        assert_eq!([verdict(&second, &[9.0, 16.0, 25.0]), verdict(&second, &[9.0, 16.0, 26.0])], [holds, fails]);
        assert_eq!(verdict(&equal, &[f64::NAN, 2.0, 2.0]), fails);
    }

    #[test]
    fn marginal_values_forget_what_is_constant() {
        assert_eq!(transformed(Transform::Marginal, &[107.0, 121.0], &[1.0, 2.0]), [14.0]);
        assert_eq!(transformed(Transform::PerUnit, &[4.0, 8.0], &[2.0, 4.0]), [2.0, 2.0]);
    }
}
