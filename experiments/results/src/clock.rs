//! Wall time as UTC text, and wall with CPU time of a piece of work.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};

/// Time since 1970 in UTC.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Year, month, day, hour, minute, second of a time since 1970, in UTC.
fn civil(time: Duration) -> [u64; 6] {
    let (days, rest) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    // Days since 0000-03-01 in eras of 400 years; years begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [year, month, day, rest / 3600, rest / 60 % 60, rest % 60]
}

/// `2026-01-31T23:59:59Z`.
pub fn readable(time: Duration) -> String {
    let [year, month, day, hour, minute, second] = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `20260131T235959Z`.
pub fn compact(time: Duration) -> String {
    readable(time).replace(['-', ':'], "")
}

/// Wall and CPU time in seconds; CPU time is that of all threads of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Wall time.
    pub wall: f64,
    /// CPU time.
    pub cpu: f64,
}

impl Time {
    /// Sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, cpu: self.cpu + other.cpu }
    }
}

/// Runs `work` and takes its time.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Time) {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let value = work();
    (value, Time { wall: wall.elapsed().as_secs_f64(), cpu: cpu.elapsed().as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        let at = |seconds| readable(Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_767_225_599), "2025-12-31T23:59:59Z");
        assert_eq!(compact(Duration::from_secs(1_767_225_599)), "20251231T235959Z");
    }
}
