//! The devices by name: what they are, whether this machine has them, and how to open one.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use zkml_device::{Accelerator, Activity, Device, DeviceInfo, Idle, Step};
use zkml_gpu::{Found, Gpu, Unavailable};

use crate::environment::variables;
use crate::spec::{Fault, KeyPath};
use zkml_results::clock::{Time, timed};
use zkml_results::record::DeviceRecord;

/// The host.
pub const CPU: &str = "cpu";
const GPU: &str = "gpu";
const ICICLE: &str = "icicle";

/// Environment variables that choose and tune a device.
pub const VARIABLES: [&str; 9] = [
    "ZKML_GPU_ADAPTER",
    "ZKML_GPU_PRELUDE",
    "ZKML_GPU_BREAK_EVEN",
    "ZKML_GPU_TIMEOUT",
    "WGPU_BACKEND",
    "ZKML_ICICLE_DIR",
    "ZKML_ICICLE_DEVICE",
    "ICICLE_INSTALL_DIR",
    "ICICLE_BACKEND_INSTALL_DIR",
];

/// Names and one line each, whatever this machine has.
pub fn names() -> Vec<(String, String)> {
    [
        (CPU, "the host's cores"),
        (GPU, "compute shaders through Vulkan, Metal or Direct3D 12"),
        (ICICLE, "an installed ICICLE library, opened at run time"),
    ]
    .map(|(name, about)| (name.to_owned(), about.to_owned()))
    .to_vec()
}

/// Opens an accelerator; `None` for the host. Errors say what was looked for and what to do. A GPU that computes wrongly is
/// announced and left idle: the host does its steps.
pub fn open(name: &str) -> Result<Option<Arc<dyn Accelerator>>, String> {
    match name {
        CPU => Ok(None),
        GPU => gpu(zkml_gpu::open(&zkml_gpu::Options::from_env())).map(Some),
        ICICLE => {
            let device = zkml_icicle::open(&zkml_icicle::Options::from_env());
            device.map(|d| Some(Arc::new(d) as _)).map_err(|e| e.to_string())
        }
        other => Err(format!("there is no device called `{other}`")),
    }
}

fn gpu(opened: Result<Gpu, Unavailable>) -> Result<Arc<dyn Accelerator>, String> {
    match opened {
        Ok(device) => Ok(Arc::new(device)),
        Err(error) => match &error {
            Unavailable::SelfTest { adapter, .. } => {
                tracing::warn!("{error}: the host does every step");
                Ok(Arc::new(Idle::new(GPU, adapter, &error.to_string())))
            }
            _ => Err(error.to_string()),
        },
    }
}

/// The machine's adapters, asked for once.
fn adapters() -> &'static [Found] {
    static FOUND: LazyLock<Vec<Found>> = LazyLock::new(zkml_gpu::discover);
    &FOUND
}

/// The device of a cell.
pub struct Chosen {
    accelerator: Option<Arc<dyn Accelerator>>,
    opened: Time,
    before: Activity,
}

impl Chosen {
    /// Opens the device with this name.
    pub fn open(name: &str) -> Result<Self, String> {
        let (accelerator, opened) = timed(|| open(name));
        Ok(Self { accelerator: accelerator?, opened, before: Activity::default() })
    }

    /// The device for one proof, with nothing resident on it.
    pub fn for_a_proof(&mut self) -> Device {
        let Some(accelerator) = &self.accelerator else { return Device::cpu() };
        self.before = accelerator.activity();
        Device::accelerated(Arc::clone(accelerator))
    }

    /// Why the device does nothing, if it failed its self-test.
    fn refused(&self) -> Option<String> {
        let info = self.accelerator.as_ref()?.info();
        (info.kind == Idle::KIND).then(|| info.notes.join("; "))
    }

    /// What is recorded of the last proof; `None` for the host.
    pub fn record(&self, device: &Device, fallback: Option<String>) -> Option<DeviceRecord> {
        Some(DeviceRecord {
            info: device.info()?.clone(),
            opened: self.opened,
            activity: device.activity().since(self.before),
            left_to_the_host: device.left_to_the_host(),
            fallback: fallback.or_else(|| self.refused()),
            host: Time::default(),
        })
    }
}

/// A fault at the key `device` if this machine does not have it.
pub fn check(name: &str) -> Result<(), Fault> {
    static KNOWN: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let reason = known.entry(name.to_owned()).or_insert_with(|| match name {
        GPU if adapters().iter().any(|found| found.usable.is_ok()) => None,
        GPU | ICICLE => open(name).err(),
        _ => None,
    });
    let Some(reason) = reason.clone() else { return Ok(()) };
    let allowed = "`cpu`, or a device that this machine has: see `workbench list devices`";
    let path = KeyPath::default().key("device");
    Err(Fault::value(&path, reason, format!("`{name}`"), allowed).unsupported())
}

/// What decides results on a device besides its name: the adapters, and the variables that choose among them.
pub fn identity(name: &str) -> String {
    if name == CPU || name.is_empty() {
        return String::new();
    }
    let adapters: Vec<String> = adapters().iter().map(|f| format!("{} {}", f.name, f.driver)).collect();
    format!("{adapters:?} {:?}", variables(&VARIABLES))
}

/// One row per device of this machine; what cannot be used says why.
pub fn rows() -> Vec<(String, String)> {
    let threads = rayon::current_num_threads();
    let mut rows = vec![(CPU.to_owned(), format!("the host's cores: {threads} threads"))];
    let found = adapters();
    rows.extend(found.iter().map(|found| (GPU.to_owned(), adapter(found))));
    if found.is_empty() {
        rows.push((GPU.to_owned(), format!("not usable: {}", open(GPU).err().unwrap_or_default())));
    }
    let icicle = match open(ICICLE) {
        Ok(device) => device.map(|d| summary(d.info())).unwrap_or_default(),
        Err(reason) => format!("not usable: {reason}"),
    };
    rows.push((ICICLE.to_owned(), icicle));
    rows
}

fn adapter(found: &Found) -> String {
    let Found { name, backend, driver, kind, max_binding, max_buffer, int64, usable } = found;
    let arithmetic = if *int64 { "64-bit arithmetic" } else { "32-bit arithmetic" };
    let limits = format!("bindings up to {}, buffers up to {}", mebibytes(*max_binding), mebibytes(*max_buffer));
    match usable {
        Ok(()) => format!("{name} ({kind}, {backend}, {driver}): {arithmetic}, {limits}"),
        Err(reason) => format!("{name} ({kind}, {backend}, {driver}): not usable: {reason}"),
    }
}

fn summary(info: &DeviceInfo) -> String {
    format!("{} ({}, {}, {})", info.adapter, info.kind, info.backend, info.driver)
}

fn mebibytes(bytes: u64) -> String {
    match bytes >> 20 {
        mib if mib >= 1 << 20 => "any size".to_owned(),
        mib => format!("{mib} MiB"),
    }
}

/// What `workbench describe` says of a device.
pub fn describe(name: &str, about: &str) -> String {
    let host = "\n  Proofs have the same bytes on every device: the transcript, short vectors and all checks stay on the host.";
    let mut text = format!("device {name}\n  {about}{host}");
    match name {
        GPU => text.push_str(GPU_HELP),
        ICICLE => text.push_str(ICICLE_HELP),
        _ => return text,
    }
    let here = match open(name) {
        Ok(Some(device)) => opened(device.info()),
        Ok(None) => String::new(),
        Err(reason) => format!("\n\non this machine\n  not usable: {reason}"),
    };
    text + &here
}

const GPU_HELP: &str = "
  On the device: sumcheck rounds, partial evaluations, fraction trees, the sums of products of the forward pass,
  the encoding of WHIR's code words.

  prelude      how 64-bit arithmetic is done: `u64` natively, `u32` in halves. A known-answer test runs at every start; a
               prelude that fails it is given up for the next; with none left the host does every step, and the record says so.
               ZKML_GPU_PRELUDE forces one.
  limits       a vector above the adapter's largest binding is split, a code word above it is encoded by the host; one above the
               largest buffer is an error.
  break-even   a step below this size runs on the host. Measured once per adapter and kept in the user's cache folder;
               ZKML_GPU_BREAK_EVEN=N sets it. A software adapter is never faster: it has a fixed size, for tests.
  failures     a device that is lost, hangs (ZKML_GPU_TIMEOUT seconds, 60 unless set) or runs out of memory in the middle of
               a proof: the host starts the proof again, says so, and the record names the reason.
  adapter      ZKML_GPU_ADAPTER=NAME chooses one by a part of its name.";

const ICICLE_HELP: &str = "
  On the device, over the suite `goldilocks`: sumcheck rounds, partial evaluations and fraction trees, by ICICLE's vector
  operations, with our own transcript.
  ICICLE_INSTALL_DIR or ZKML_ICICLE_DIR names its folder; ZKML_ICICLE_DEVICE (CUDA, METAL, VULKAN, CPU) its device.
  The CUDA, Metal and Vulkan backends of ICICLE are closed source and ask a licence server.";

fn opened(info: &DeviceInfo) -> String {
    let size = |step: Step| match info.break_even.of(step) {
        Some(size) => format!("{} from {size}", step.name()),
        None => format!("{} never", step.name()),
    };
    let steps: Vec<String> = Step::ALL.iter().map(|&step| size(step)).collect();
    let fields: Vec<String> = info.fields.iter().map(|f| format!("{f:?}")).collect();
    let software =
        if info.software { "\n  warning      a software adapter: its times say nothing about a GPU" } else { "" };
    let notes = info.notes.iter().map(|note| format!("\n  note         {note}")).collect::<Vec<_>>().concat();
    format!(
        "\n\non this machine\n  adapter      {}\n  prelude      {}\n  fields       {}\n  limits       bindings up to {}, buffers up \
         to {}\n  break-even   elements: {} ({}){software}{notes}",
        summary(info),
        info.prelude,
        fields.join(", "),
        mebibytes(info.max_binding),
        mebibytes(info.max_buffer),
        steps.join(", "),
        info.break_even_source,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_fails_its_self_test_is_idle_and_the_record_says_so() {
        let error = Unavailable::SelfTest { adapter: "a card".to_owned(), reason: "u32: 1 + 1 = 3".to_owned() };
        let mut chosen = Chosen {
            accelerator: Some(gpu(Err(error)).unwrap()),
            opened: Time::default(),
            before: Activity::default(),
        };
        let device = chosen.for_a_proof();
        assert!(device.for_integers(usize::MAX).is_none());
        let record = chosen.record(&device, None).unwrap();
        assert!(record.fallback.unwrap().contains("1 + 1 = 3") && record.info.adapter == "a card");
        assert!(gpu(Err(Unavailable::NoAdapter)).is_err());
    }
}
