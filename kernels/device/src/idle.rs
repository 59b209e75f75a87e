//! An accelerator that does nothing.

use crate::{Accelerator, Activity, BreakEven, Buffer, Column, DeviceError, DeviceInfo, FieldKind};

/// What is left of a device whose results cannot be trusted: it keeps the name and the reason for the record, and the host
/// does every step.
#[derive(Debug)]
pub struct Idle {
    info: DeviceInfo,
}

impl Idle {
    /// Its kind in [`DeviceInfo`].
    pub const KIND: &str = "refused";

    /// The device `id` on this adapter, refused for this reason.
    pub fn new(id: &str, adapter: &str, reason: &str) -> Self {
        let none = || "none".to_owned();
        let info = DeviceInfo {
            id: id.to_owned(),
            adapter: adapter.to_owned(),
            backend: none(),
            driver: none(),
            kind: Self::KIND.to_owned(),
            software: false,
            prelude: none(),
            fields: FieldKind::ALL.to_vec(),
            max_binding: 0,
            max_buffer: 0,
            break_even: BreakEven { rounds: None, contract: None, tree: None, forward: None, encode: None },
            break_even_source: reason.to_owned(),
            notes: vec![reason.to_owned()],
        };
        Self { info }
    }
}

impl Accelerator for Idle {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn activity(&self) -> Activity {
        Activity::default()
    }

    fn upload(&self, _: FieldKind, _: &[u64]) -> Result<Buffer, DeviceError> {
        Err(self.unsupported("memory"))
    }

    fn upload_column(&self, _: &Column) -> Result<Buffer, DeviceError> {
        Err(self.unsupported("memory"))
    }

    fn download(&self, _: &Buffer) -> Result<Vec<u64>, DeviceError> {
        Err(self.unsupported("memory"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Device, Step};

    #[test]
    fn the_host_does_every_step() {
        let device = Device::accelerated(Arc::new(Idle::new("gpu", "a card", "the self-test failed")));
        assert!(
            Step::ALL.iter().all(|&step| device.for_step(step, Some(FieldKind::Goldilocks2), usize::MAX).is_none())
        );
        assert!(device.for_integers(usize::MAX).is_none() && device.for_encoding(usize::MAX).is_none());
        assert_eq!(device.left_to_the_host(), [""; 0]);
        assert_eq!(device.info().unwrap().notes, ["the self-test failed"]);
    }
}
