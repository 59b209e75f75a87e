//! What there is to choose from.

use zkml_core::{Goldilocks, Goldilocks3, ProtocolInfo, Slot, Suite};

/// Protocols of the registry.
pub(crate) fn protocols() -> Vec<ProtocolInfo> {
    let both = &[Slot::Einsum, Slot::Lookup][..];
    let info =
        |id, slots, companion, options| ProtocolInfo { id, about: "", paper: "", slots, options, companion, setup: "" };
    vec![
        info("reveal", both, None, &[]),
        info("sumcheck", &[Slot::Einsum], Some("logup-gkr"), &[]),
        info("logup-gkr", &[Slot::Lookup], Some("sumcheck"), &[]),
        info("logkr", both, None, &[("form", &["difference", "product"])]),
    ]
}

/// Suites, as `(name, one line)`.
pub(crate) fn suites() -> Vec<(String, String)> {
    vec![
        (Goldilocks::ID.to_owned(), Goldilocks::ABOUT.to_owned()),
        (Goldilocks3::ID.to_owned(), Goldilocks3::ABOUT.to_owned()),
    ]
}

/// Devices, as `(name, one line)`.
pub(crate) fn devices() -> Vec<(String, String)> {
    vec![("cpu".to_owned(), "the host's cores".to_owned())]
}
