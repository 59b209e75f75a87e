//! Exponents: straight lines through logarithms.

/// The exponent `e` of `y = c x^e`, by least squares over logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The exponent.
    pub exponent: f64,
    /// Its standard error; `None` for two points, which every line fits.
    pub error: Option<f64>,
    /// `ln c`.
    pub intercept: f64,
}

impl Fit {
    /// The fit of points `(x, y)`. `None` without two different `x`, or if a coordinate is not positive and finite.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        if points.iter().any(|(x, y)| !(*x > 0.0 && *y > 0.0 && x.is_finite() && y.is_finite())) {
            return None;
        }
        let n = points.len() as f64;
        let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let mean_x = logs.iter().map(|p| p.0).sum::<f64>() / n;
        let mean_y = logs.iter().map(|p| p.1).sum::<f64>() / n;
        let sum_xx: f64 = logs.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
        let sum_xy: f64 = logs.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
        if points.len() < 2 || sum_xx < 1e-12 {
            return None;
        }
        let exponent = sum_xy / sum_xx;
        let intercept = mean_y - exponent * mean_x;
        let residuals: f64 = logs.iter().map(|p| (p.1 - intercept - exponent * p.0).powi(2)).sum();
        let error = (points.len() > 2).then(|| (residuals / (n - 2.0) / sum_xx).sqrt());
        Some(Self { exponent, error, intercept })
    }

    /// `0.98 ± 0.03`.
    pub fn shown(&self) -> String {
        let exponent = crate::text::signed(self.exponent);
        self.error.map_or_else(|| exponent.clone(), |e| format!("{exponent} ± {e:.2}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(f: impl Fn(f64) -> f64) -> Fit {
        let points: Vec<(f64, f64)> = [16.0, 64.0, 256.0, 1024.0].iter().map(|&n| (n, f(n))).collect();
        Fit::of(&points).unwrap()
    }

    #[test]
    fn exponents_are_recovered() {
        for exponent in [1.0, 1.5, 2.0, 0.0, -0.5] {
            let fit = of(|n| 3e-6 * n.powf(exponent));
            assert!((fit.exponent - exponent).abs() < 1e-9 && fit.error.unwrap() < 1e-7, "{fit:?}");
        }
        let fit = of(|n| 1e-5 * n * n.log2());
        assert!(fit.exponent > 1.1 && fit.exponent < 1.3, "{fit:?}");
    }

    #[test]
    fn the_standard_error_is_that_of_the_textbook() {
        // ln y = (0, 1, 1, 2) over ln x = (0, 1, 2, 3): slope 0.6, residual sum of squares 0.2, error sqrt(0.1 / 5).
        let points: Vec<(f64, f64)> =
            [(0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (3.0, 2.0)].map(|(x, y): (f64, f64)| (x.exp(), y.exp())).to_vec();
        let fit = Fit::of(&points).unwrap();
        assert!((fit.exponent - 0.6).abs() < 1e-12 && (fit.error.unwrap() - 0.02f64.sqrt()).abs() < 1e-12, "{fit:?}");
        assert_eq!(fit.shown(), "0.60 ± 0.14");
    }

    #[test]
    fn what_has_no_exponent_has_none() {
        assert_eq!(Fit::of(&[]), None);
        assert_eq!(Fit::of(&[(2.0, 1.0)]), None);
        assert_eq!(Fit::of(&[(2.0, 1.0), (2.0, 3.0)]), None);
        assert_eq!(Fit::of(&[(2.0, 1.0), (4.0, 0.0)]), None);
        assert_eq!(Fit::of(&[(2.0, 1.0), (4.0, f64::INFINITY)]), None);
        assert_eq!(Fit::of(&[(2.0, 1.0), (4.0, 2.0)]).unwrap().error, None);
    }
}
