//! Reasons to doubt a measurement, and what to do about them.

use crate::environment::Environment;
use crate::record::{CellRecord, Machine, Measured};
use crate::stats::Summary;

/// Fewer measured proofs than this say little about their spread.
const FEW: usize = 5;

/// Outliers lie further from the median than this many times the median absolute deviation over 0.6745, which is the
/// standard deviation of normal noise (Iglewicz, Hoaglin 1993).
const OUTLIER: f64 = 3.5;

/// Outliers also differ from the median by more than this share of it: among very steady samples, a deviation that is many
/// times the usual one is still of no consequence.
const FAR: f64 = 0.05;

/// A median absolute deviation above this share of the median is noise worth a word.
const NOISY: f64 = 0.1;

/// Shares of the machine's time that are too much for others.
const BUSY: f64 = 0.1;
const STOLEN: f64 = 0.02;

/// A change of frequency worth a word.
const DRIFT: f64 = 0.1;

/// What a reader should know before trusting the times of a cell; empty if there is nothing.
pub fn of(record: &CellRecord) -> Vec<String> {
    let Some(measured) = &record.measured else { return Vec::new() };
    let mut advice = samples(measured);
    if let Some(machine) = &measured.machine {
        advice.extend(surroundings(machine));
    }
    advice
}

/// What a reader should know about a build and a machine before trusting any time.
pub fn of_environment(environment: &Environment) -> Vec<String> {
    let mut advice = Vec::new();
    if environment.opt_level != "3" {
        let level = &environment.opt_level;
        advice.push(format!("built at optimisation level {level}: measure with `cargo run --release`"));
    }
    if environment.features.iter().any(|f| f == "count-ops") {
        advice.push("this build counts operations, which takes time: measure times with another one".to_owned());
    }
    if let Some(governor) = environment.governor.as_deref().filter(|g| *g != "performance") {
        advice.push(format!("the processor's governor is `{governor}`: `cpupower frequency-set -g performance`"));
    }
    advice
}

/// True where a sample is an outlier among its like.
pub fn outliers(samples: &[f64]) -> Vec<bool> {
    let Summary { median, spread, .. } = Summary::of(samples);
    let usual = (OUTLIER * spread / 0.6745).max(FAR * median.abs());
    samples.iter().map(|s| (s - median).abs() > usual).collect()
}

fn samples(measured: &Measured) -> Vec<String> {
    let times: Vec<f64> = measured.proofs.iter().map(|p| p.total.wall).collect();
    if times.len() < FEW {
        let proofs = if times.len() == 1 { "1 measured proof".to_owned() } else { format!("{} proofs", times.len()) };
        return vec![format!("{proofs}: too few to know the spread; set measure.samples=10 or more")];
    }
    let mut advice = Vec::new();
    let Summary { median, spread, min, max, .. } = Summary::of(&times);
    let far = outliers(&times);
    let count = far.iter().filter(|f| **f).count();
    if far.first() == Some(&true) && count == 1 && times.first() == Some(&max) {
        advice.push("the first measured proof is the slowest by far: raise measure.warmup".to_owned());
    } else if count > 0 {
        let (which, end) = if max - median >= median - min { ("slowest", max) } else { ("fastest", min) };
        let worst = end / median;
        advice.push(format!("{count} of {} proofs are outliers, the {which} {worst:.1} x the median", times.len()));
    }
    if spread > NOISY * median {
        let share = 100.0 * spread / median;
        advice
            .push(format!("times scatter by {share:.0} % (median absolute deviation): take more samples, or CPU time"));
    }
    advice
}

fn surroundings(machine: &Machine) -> Vec<String> {
    let all = machine.seconds * machine.cores as f64;
    let mut advice = Vec::new();
    if let Some(jobs) = machine.jobs.filter(|jobs| *jobs > 1) {
        advice.push(format!("up to {jobs} cells ran side by side, which disturbs times: measure with `--jobs 1`"));
    }
    let mut share = |seconds: Option<f64>, limit: f64, says: &str| {
        if let Some(share) = seconds.map(|s| s / all).filter(|s| all > 0.0 && *s > limit) {
            advice.push(format!("{says} {:.0} % of the processors' time: run on a quiet machine", 100.0 * share));
        }
    };
    share(machine.other_cpu, BUSY, "other programs used");
    share(machine.stolen, STOLEN, "the virtual machine was kept waiting for");
    if let Some([before, after]) = machine.mhz.filter(|[b, a]| (a - b).abs() > DRIFT * b) {
        advice.push(format!(
            "the processor went from {before:.0} to {after:.0} MHz between the first and the last proof"
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::record::ProofTimes;

    fn cell(times: &[f64], machine: Option<Machine>) -> CellRecord {
        let proof = |&wall: &f64| ProofTimes { total: Time { wall, cpu: wall }, ..ProofTimes::default() };
        let measured = Measured { proofs: times.iter().map(proof).collect(), machine, ..Measured::default() };
        CellRecord { measured: Some(measured), ..CellRecord::default() }
    }

    #[test]
    fn quiet_and_steady_needs_no_advice() {
        let quiet = Machine {
            seconds: 10.0,
            cores: 2,
            other_cpu: Some(0.5),
            mhz: Some([2000.0, 2050.0]),
            ..Machine::default()
        };
        for record in [cell(&[1.0, 1.01, 0.99, 1.0, 1.02], Some(quiet)), CellRecord::default()] {
            assert!(of(&record).is_empty(), "{:?}", of(&record));
        }
    }

    #[test]
    fn outliers_are_far_from_the_median_and_from_the_other_samples() {
        let count = |samples: &[f64]| outliers(samples).iter().filter(|far| **far).count();
        // Four hundredths are far from samples a thousandth apart, and yet no outlier.
        assert_eq!(count(&[1.0, 1.001, 0.999, 1.04, 1.0, 1.001]), 0);
        assert_eq!(count(&[1.0, 1.001, 0.999, 1.06, 1.0, 1.001]), 1);
        assert_eq!(count(&[1.0, 1.001, 0.999, 0.94, 1.0, 1.001]), 1);
        // Six hundredths are usual among samples that scatter by as much.
        assert_eq!(count(&[1.0, 1.05, 0.95, 1.06, 1.02, 0.97]), 0);
        assert_eq!(count(&[0.0, 0.0, 0.0]), 0);
    }

    #[test]
    fn every_reason_for_doubt_is_named() {
        let says = |cell: &CellRecord, word: &str| {
            let advice = of(cell);
            assert!(advice.len() == 1 && advice[0].contains(word), "{word}: {advice:?}");
        };
        says(&cell(&[1.0, 1.0], None), "too few");
        says(&cell(&[3.0, 1.0, 1.01, 0.99, 1.0, 1.02], None), "measure.warmup");
        says(&cell(&[1.0, 1.01, 0.99, 3.0, 1.0, 1.02], None), "1 of 6 proofs are outliers, the slowest 3.0 x");
        says(&cell(&[1.0, 1.01, 0.99, 0.5, 1.0, 1.02], None), "1 of 6 proofs are outliers, the fastest 0.5 x");
        says(&cell(&[1.0, 1.3, 0.7, 1.2, 0.8], None), "scatter by 20 %");
        let steady = [1.0, 1.01, 0.99, 1.0, 1.02];
        let machine = Machine { seconds: 10.0, cores: 2, ..Machine::default() };
        says(&cell(&steady, Some(Machine { other_cpu: Some(5.0), ..machine.clone() })), "used 25 %");
        says(&cell(&steady, Some(Machine { jobs: Some(3), ..machine.clone() })), "3 cells ran side by side");
        says(&cell(&steady, Some(Machine { stolen: Some(1.0), ..machine.clone() })), "waiting for 5 %");
        says(&cell(&steady, Some(Machine { mhz: Some([3000.0, 2000.0]), ..machine })), "3000 to 2000 MHz");
    }
}
