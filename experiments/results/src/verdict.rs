//! Is one thing faster than another, and is the difference larger than this machine's noise?

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::stats::median;

/// Resamples of the bootstrap: enough that the ends of a 95 % interval rest on 50 of them each.
const RESAMPLES: usize = 2000;

/// No machine is trusted with differences below this share, however quiet it seems.
const SMALLEST_FLOOR: f64 = 0.01;

/// Two things are the same if they differ by less than this share, and the machine can tell that much.
const SAME: f64 = 0.1;

/// A ratio of medians with its 95 % confidence interval (percentile bootstrap).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Median of the one over median of the other.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What the samples say. Files have the [`word`](Verdict::word).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Faster, by more than the noise floor.
    Better,
    /// Slower, by more than the noise floor.
    Worse,
    /// A tenth apart at most, on a machine whose noise is smaller than that.
    Same,
    /// The interval is too wide, or the machine too noisy.
    #[serde(rename = "can't tell")]
    CannotTell,
}

impl Verdict {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
            Self::CannotTell => "can't tell",
        }
    }
}

/// The ratio of the medians of `ours` to `theirs`; nothing if either has no samples, or its median is not positive. The
/// resampling is seeded: equal samples give equal intervals.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Ratio> {
    let value = quotient(ours, theirs)?;
    let mut rng = StdRng::seed_from_u64(1979);
    let mut resampled = |samples: &[f64]| -> Vec<f64> {
        (0..samples.len()).map(|_| samples[rng.random_range(0..samples.len())]).collect()
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES).filter_map(|_| quotient(&resampled(ours), &resampled(theirs))).collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios.get((share * (ratios.len() - 1) as f64).round() as usize).copied().unwrap_or(value);
    Some(Ratio { value, low: at(0.025), high: at(0.975) })
}

fn quotient(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    let (ours, theirs) = (median(ours)?, median(theirs)?);
    (ours > 0.0 && theirs > 0.0).then(|| ours / theirs)
}

/// The share by which two measurements of one thing may differ on this machine, from such pairs: the largest deviation that
/// their intervals reach, and never less than a hundredth.
pub fn noise_floor(pairs: &[Ratio]) -> f64 {
    let reach = |r: &Ratio| (r.high - 1.0).abs().max((1.0 - r.low).abs());
    pairs.iter().map(reach).fold(SMALLEST_FLOOR, f64::max)
}

/// What a ratio of times says, given the noise floor.
pub fn verdict(ratio: Ratio, floor: f64) -> Verdict {
    match ratio {
        Ratio { high, .. } if high < 1.0 / (1.0 + floor) => Verdict::Better,
        Ratio { low, .. } if low > 1.0 + floor => Verdict::Worse,
        Ratio { low, high, .. } if floor <= SAME && low >= 1.0 / (1.0 + SAME) && high <= 1.0 + SAME => Verdict::Same,
        _ => Verdict::CannotTell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` samples around `center`, with uniform noise of this share.
    fn samples(center: f64, noise: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..count).map(|_| center * (1.0 + noise * (2.0 * rng.random::<f64>() - 1.0))).collect()
    }

    fn judged(ours: &[f64], theirs: &[f64], floor: f64) -> Verdict {
        verdict(ratio(ours, theirs).unwrap(), floor)
    }

    #[test]
    fn verdicts_follow_the_interval_and_the_floor() {
        let base = samples(1.0, 0.02, 30, 1);
        assert_eq!(judged(&samples(0.8, 0.02, 30, 2), &base, 0.05), Verdict::Better);
        assert_eq!(judged(&samples(1.3, 0.02, 30, 3), &base, 0.05), Verdict::Worse);
        assert_eq!(judged(&samples(1.0, 0.02, 30, 4), &base, 0.05), Verdict::Same);
        assert_eq!(judged(&samples(1.1, 0.02, 30, 5), &base, 0.12), Verdict::CannotTell);
        assert_eq!(judged(&samples(1.0, 0.02, 30, 4), &base, 2.0), Verdict::CannotTell);
        assert_eq!(judged(&samples(1.1, 0.8, 6, 6), &base, 0.05), Verdict::CannotTell);
        // What is better one way is worse the other.
        assert_eq!(judged(&base, &samples(0.8, 0.02, 30, 2), 0.05), Verdict::Worse);
    }

    #[test]
    fn intervals_hold_the_truth_about_as_often_as_they_say() {
        let held = (0..200)
            .filter(|seed| {
                let ratio = ratio(&samples(1.2, 0.3, 25, 2 * seed), &samples(1.0, 0.3, 25, 2 * seed + 1)).unwrap();
                ratio.low <= 1.2 && 1.2 <= ratio.high
            })
            .count();
        assert!(held >= 180, "{held} of 200");
    }

    #[test]
    fn the_noise_floor_is_what_equal_things_differ_by() {
        assert!((noise_floor(&[]) - 0.01).abs() < 1e-12);
        let pair = |low, high| Ratio { value: 1.0, low, high };
        assert!((noise_floor(&[pair(0.93, 1.02), pair(0.99, 1.04)]) - 0.07).abs() < 1e-12);
    }

    #[test]
    fn files_have_the_word() {
        for verdict in [Verdict::Better, Verdict::Worse, Verdict::Same, Verdict::CannotTell] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.word());
        }
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!((ratio(&[], &[1.0]), ratio(&[1.0], &[]), ratio(&[0.0], &[1.0])), (None, None, None));
        assert_eq!(ratio(&[2.0], &[1.0]), Some(Ratio { value: 2.0, low: 2.0, high: 2.0 }));
    }
}
