//! The one table of protocols and suites.
//!
//! [`Registry`] builds any protocol by name for any suite; the model driver only knows the trait
//! [`ProtocolSet`]. To add a protocol, write its crate under `protocols/` (`workbench new protocol` makes a skeleton and does the
//! rest), add it to this crate's `Cargo.toml` (dependency and feature `prover`), and add its row to `rows`, or to the suites'
//! own rows if it needs more than a field.

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "prover")]
use zkml_core::LayerProver as Half;
#[cfg(not(feature = "prover"))]
use zkml_core::LayerVerifier as Half;
use zkml_core::protocol::SharedProtocol;
use zkml_core::{Bn254, Goldilocks, Goldilocks3, LayerVerifier, ProtocolInfo, ProtocolSet, Slot, Suite};

/// Options of a protocol by name. [`options`] validates them and adds the defaults.
pub type Options = BTreeMap<String, String>;

/// Every protocol that is built in, for every suite.
fn rows<S: Builtin>() -> Vec<Row<S>> {
    let mut rows = vec![
        row(|_| Ok(zkml_reveal::Reveal)),
        row(|_| Ok(zkml_sumcheck::Sumcheck)),
        row(|_| Ok(zkml_logup_gkr::LogupGkr)),
        row(zkml_logkr::LogKr::from_options),
        row(zkml_lasso::Lasso::from_options),
    ];
    rows.extend(S::own_rows());
    rows
}

/// The suites that protocols are built for, with the protocols that not every suite has.
trait Builtin: Suite {
    /// A row for each of them in any case: where one does not exist, its row says why.
    fn own_rows() -> Vec<Row<Self>>;
}

/// Rows of the suites without a pairing.
fn without_pairing<S: Suite>() -> Vec<Row<S>> {
    let zkmatrix = LayerVerifier::<Bn254>::info(&zkml_zkmatrix::ZkMatrix);
    vec![absent(zkmatrix, "`zkmatrix` needs pairings: choose `suite: bn254`")]
}

impl Builtin for Goldilocks {
    fn own_rows() -> Vec<Row<Self>> {
        without_pairing()
    }
}

impl Builtin for Goldilocks3 {
    fn own_rows() -> Vec<Row<Self>> {
        without_pairing()
    }
}

impl Builtin for Bn254 {
    fn own_rows() -> Vec<Row<Self>> {
        vec![row(|_| Ok(zkml_zkmatrix::ZkMatrix))]
    }
}

/// One protocol: what it is, and how it is built from complete and valid options.
struct Row<S: Suite> {
    info: ProtocolInfo,
    build: Constructor<S>,
}

type Constructor<S> = Box<dyn Fn(&Options) -> Result<SharedProtocol<S>, String>>;

fn row<S: Suite, P: Half<S> + Default + 'static>(build: impl Fn(&Options) -> Result<P, String> + 'static) -> Row<S> {
    let info = LayerVerifier::<S>::info(&P::default());
    Row { info, build: Box::new(move |options| Ok(Arc::new(build(options)?))) }
}

/// A protocol that does not exist over the suite.
fn absent<S: Suite>(info: ProtocolInfo, why: &'static str) -> Row<S> {
    Row { info, build: Box::new(move |_| Err(why.to_owned())) }
}

/// What a suite is, for `list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteInfo {
    /// Name used in experiment files.
    pub id: &'static str,
    /// One line.
    pub about: &'static str,
    /// Security bits that a proof over this suite aims at.
    pub security_bits: u32,
}

/// All suites, the default first.
pub fn suites() -> Vec<SuiteInfo> {
    fn info<S: Suite>() -> SuiteInfo {
        SuiteInfo { id: S::ID, about: S::ABOUT, security_bits: S::SECURITY_BITS }
    }
    vec![info::<Goldilocks>(), info::<Goldilocks3>(), info::<Bn254>()]
}

/// The suite with this name, or a message with the names there are and the nearest one.
pub fn suite(id: &str) -> Result<SuiteInfo, String> {
    let all = suites();
    let ids: Vec<&str> = all.iter().map(|s| s.id).collect();
    all.iter().find(|s| s.id == id).copied().ok_or_else(|| unknown("suite", id, &ids))
}

/// All protocols, also those that exist over one suite only.
pub fn protocols() -> Vec<ProtocolInfo> {
    rows::<Goldilocks>().into_iter().map(|row| row.info).collect()
}

/// The protocol with this name, or a message with the names there are and the nearest one.
pub fn protocol(id: &str) -> Result<ProtocolInfo, String> {
    find_row::<Goldilocks>(id).map(|row| row.info)
}

/// The protocol of each slot when a layer names only `id`: itself where it fits, its companion elsewhere.
pub fn slots(id: &str) -> Result<BTreeMap<Slot, &'static str>, String> {
    let info = protocol(id)?;
    [Slot::Einsum, Slot::Lookup]
        .into_iter()
        .map(|slot| {
            let filled_by = if info.slots.contains(&slot) { Some(info.id) } else { info.companion };
            let name =
                filled_by.ok_or_else(|| format!("`{id}` does not fill the {slot} slot; name a protocol for it"))?;
            Ok((slot, name))
        })
        .collect()
}

/// Checks that protocol `id` can fill `slot`; the message names those that can.
pub fn check_slot(id: &str, slot: Slot) -> Result<(), String> {
    let info = protocol(id)?;
    if info.slots.contains(&slot) {
        return Ok(());
    }
    let able: Vec<&str> = protocols().iter().filter(|p| p.slots.contains(&slot)).map(|p| p.id).collect();
    Err(format!("`{id}` does not fill the {slot} slot; {}", allowed(&able)))
}

/// The protocol's options with defaults filled in, or what is wrong with the given ones.
pub fn options(id: &str, given: &Options) -> Result<Options, String> {
    complete(&protocol(id)?, given)
}

fn complete(info: &ProtocolInfo, given: &Options) -> Result<Options, String> {
    let names: Vec<&str> = info.options.iter().map(|&(name, _)| name).collect();
    let mut options = Options::new();
    for &(name, values) in info.options {
        if let Some(default) = values.first() {
            options.insert(name.to_owned(), (*default).to_owned());
        }
    }
    for (name, value) in given {
        let Some((_, values)) = info.options.iter().find(|(known, _)| known == name) else {
            let what = format!("option of `{}`", info.id);
            return Err(unknown(&what, name, &names));
        };
        if !values.contains(&value.as_str()) {
            let what = format!("value of option `{name}` of `{}`", info.id);
            return Err(unknown(&what, value, values));
        }
        options.insert(name.clone(), value.clone());
    }
    Ok(options)
}

fn find_row<S: Builtin>(id: &str) -> Result<Row<S>, String> {
    let rows = rows::<S>();
    let ids: Vec<&str> = rows.iter().map(|row| row.info.id).collect();
    let message = unknown("protocol", id, &ids);
    rows.into_iter().find(|row| row.info.id == id).ok_or(message)
}

/// `there is no protocol `logkd`; allowed are a, b (did you mean `logkr`?)`.
fn unknown(what: &str, got: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|&name| (strsim::damerau_levenshtein(name, got), name))
        .filter(|&(distance, name)| distance <= 1 + name.len() / 3)
        .min();
    let hint = near.map_or_else(String::new, |(_, name)| format!(" (did you mean `{name}`?)"));
    format!("there is no {what} `{got}`; {}{hint}", allowed(known))
}

fn allowed(names: &[&str]) -> String {
    match names {
        [] => "there are none".to_owned(),
        [one] => format!("allowed is `{one}`"),
        _ => format!("allowed are {}", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// All built-in protocols.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registry;

// One concrete implementation per suite: every protocol is compiled once, here, and not again in each program that
// builds protocols by name.
macro_rules! protocol_set {
    ($($suite:ty),*) => {$(
        impl ProtocolSet<$suite> for Registry {
            fn build(&self, id: &str, given: &Options) -> Result<SharedProtocol<$suite>, String> {
                build::<$suite>(id, given)
            }
        }
    )*};
}

protocol_set!(Goldilocks, Goldilocks3, Bn254);

fn build<S: Builtin>(id: &str, given: &Options) -> Result<SharedProtocol<S>, String> {
    let row = find_row::<S>(id)?;
    let options = complete(&row.info, given)?;
    (row.build)(&options)
}
