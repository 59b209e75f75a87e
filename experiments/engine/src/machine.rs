//! What the machine does while proofs are measured: who else computes, at which frequency, for how much energy.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use cpu_time::ProcessTime;
use nvml_wrapper::Nvml;
use zkml_results::record::Machine;

/// Linux counts processor time in `/proc/stat` in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// A measurement that has begun.
pub struct Watch {
    wall: Instant,
    own: ProcessTime,
    processors: Option<Processors>,
    mhz: Option<f64>,
    meters: Vec<Meter>,
}

impl Watch {
    /// Begins. With `gpus`, the energy of NVIDIA's GPUs counts too.
    pub fn start(gpus: bool) -> Self {
        let mut meters = packages();
        if gpus {
            meters.extend(nvidia());
        }
        let (mhz, processors) = (megahertz(), Processors::now());
        Self { wall: Instant::now(), own: ProcessTime::now(), processors, mhz, meters }
    }

    /// Ends, and says what happened meanwhile.
    pub fn stop(self) -> Machine {
        let (seconds, own_cpu) = (self.wall.elapsed().as_secs_f64(), self.own.elapsed().as_secs_f64());
        let spent = self.processors.zip(Processors::now()).map(|(before, after)| after.since(before));
        let energy: Vec<(String, f64)> = self.meters.into_iter().filter_map(Meter::stop).collect();
        let sources: Vec<&str> = energy.iter().map(|(name, _)| name.as_str()).collect();
        Machine {
            seconds,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            jobs: None,
            own_cpu,
            other_cpu: spent.map(|s| (s.busy - own_cpu).max(0.0)),
            stolen: spent.map(|s| s.stolen),
            mhz: self.mhz.zip(megahertz()).map(|(before, after)| [before, after]),
            joules: (!energy.is_empty()).then(|| energy.iter().map(|(_, joules)| joules).sum()),
            energy_source: (!energy.is_empty()).then(|| sources.join(", ")),
        }
    }
}

/// Processor seconds of the whole machine.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Processors {
    busy: f64,
    stolen: f64,
}

impl Processors {
    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, steal] = *ticks.first_chunk::<8>()?;
        let busy = user + nice + system + irq + softirq;
        Some(Self { busy: busy / TICKS_PER_SECOND, stolen: steal / TICKS_PER_SECOND })
    }

    fn since(self, before: Self) -> Self {
        Self { busy: self.busy - before.busy, stolen: self.stolen - before.stolen }
    }
}

/// Frequency now, mean over the processors.
fn megahertz() -> Option<f64> {
    let scaled = numbered("/sys/devices/system/cpu", "cpu").into_iter().filter_map(|cpu| {
        let khz: f64 = fs::read_to_string(cpu.join("cpufreq/scaling_cur_freq")).ok()?.trim().parse().ok()?;
        Some(khz / 1e3)
    });
    mean(scaled).or_else(|| {
        let text = fs::read_to_string("/proc/cpuinfo").ok()?;
        mean(text.lines().filter(|l| l.starts_with("cpu MHz")).filter_map(|l| l.split(':').nth(1)?.trim().parse().ok()))
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Folders `<prefix><number>` below `parent`.
fn numbered(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let is_number = |name: &str| name.strip_prefix(prefix).is_some_and(|n| n.parse::<u32>().is_ok());
    let mut found: Vec<PathBuf> =
        entries.flatten().filter(|e| is_number(&e.file_name().to_string_lossy())).map(|e| e.path()).collect();
    found.sort();
    found
}

/// Something that counts joules.
enum Meter {
    /// A processor package: its folder, microjoules at the start, and where its counter starts again.
    Package { folder: PathBuf, start: u64, range: u64 },
    /// A GPU: the library, its index, and millijoules at the start.
    Gpu { index: u32, start: u64 },
}

/// Processor packages that report energy (RAPL) to this user.
fn packages() -> Vec<Meter> {
    let meter = |folder: PathBuf| {
        let range = number(&folder.join("max_energy_range_uj"))?;
        Some(Meter::Package { start: number(&folder.join("energy_uj"))?, range, folder })
    };
    numbered("/sys/class/powercap", "intel-rapl:").into_iter().filter_map(meter).collect()
}

fn number(path: &PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// NVIDIA's GPUs that report energy (NVML).
fn nvidia() -> Vec<Meter> {
    let Ok(library) = Nvml::init() else { return Vec::new() };
    let meter = |index| {
        let start = library.device_by_index(index).and_then(|gpu| gpu.total_energy_consumption()).ok()?;
        Some(Meter::Gpu { index, start })
    };
    (0..library.device_count().unwrap_or(0)).filter_map(meter).collect()
}

impl Meter {
    /// Name and joules; nothing if it fell silent.
    fn stop(self) -> Option<(String, f64)> {
        match self {
            Self::Package { folder, start, range } => {
                let end = number(&folder.join("energy_uj"))?;
                // One turn of the counter at most: it takes minutes at full power.
                let microjoules = if end >= start { end - start } else { end + range - start };
                Some((format!("RAPL {}", folder.file_name()?.to_string_lossy()), microjoules as f64 / 1e6))
            }
            Self::Gpu { index, start } => {
                let library = Nvml::init().ok()?;
                let gpu = library.device_by_index(index).ok()?;
                let end = gpu.total_energy_consumption().ok()?;
                Some((format!("NVML {}", gpu.name().ok()?), end.checked_sub(start)? as f64 / 1e3))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_as_the_system_writes_it() {
        let text = "cpu  100 20 30 1000 5 1 2 40 7 0\ncpu0 1 2 3\n";
        assert_eq!(Processors::parse(text), Some(Processors { busy: 1.53, stolen: 0.4 }));
        assert_eq!(Processors::parse("cpu  100 20 30"), None);
        assert_eq!(Processors::parse(""), None);
    }

    #[test]
    fn own_work_is_not_taken_for_the_work_of_others() {
        let watch = Watch::start(false);
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < 0.05 {
            std::hint::spin_loop();
        }
        let machine = watch.stop();
        assert!(machine.own_cpu >= 0.03 && machine.seconds >= 0.05, "{machine:?}");
        assert_eq!(machine.joules.is_some(), machine.energy_source.is_some());
    }

    #[test]
    fn a_counter_that_starts_again_has_turned_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("energy_uj"), "500000\n").unwrap();
        let meter = |start| Meter::Package { folder: folder.path().to_owned(), start, range: 3_000_000 };
        assert_eq!(meter(200_000).stop().map(|m| m.1), Some(0.3));
        assert_eq!(meter(2_500_000).stop().map(|m| m.1), Some(1.0));
    }
}
