//! Generators and their pairings: transparent, in levels, kept on disk.
//!
//! Level `k` has the generators that a matrix of `2^k` columns needs beyond those of one of `2^(k-1)`, and three products
//! of pairings for the verifier:
//!
//! | | level 0 | level `k > 0`, halves of `2^(k-1)` generators: `A, A'` of the first group, `B, B'` of the second |
//! |---|---|---|
//! | generators | number 0 | numbers `2^(k-1) .. 2^k` |
//! | `Δ_1R`, `Δ_2R`, `χ` | `1`, `1`, `e(A_0, B_0)` | `e(A', B)`, `e(A, B')`, `χ` of the level below times `e(A', B')` |
//!
//! A generator is hashed to its curve: BLAKE3 of [`DOMAIN`], its name, number and a counter gives an x-coordinate and a
//! sign; the counter goes up until the x-coordinate lies on the curve, and points of the second group are multiplied by the
//! cofactor. Nobody knows a discrete logarithm between any two, and there is no secret.
//!
//! A level is a file of the folder that [`CACHE_VARIABLE`] names, or else of `zkml-workbench` in the system's folder for caches.
//! What is read must have the digest that is pinned here: a file that is damaged, too short or forged is computed again and
//! replaced. Without a folder, or where it cannot be written, levels are computed
//! once per process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use dory_pcs::primitives::arithmetic::{Group, PairingCurve};

use crate::groups::{Curve, First, Second, Target};

/// Seed of all generators.
pub const DOMAIN: &str = "zkml-workbench dory bn254 v1";
/// Environment variable that names the folder for computed parameters.
pub const CACHE_VARIABLE: &str = "ZKML_WORKBENCH_CACHE";
/// Smaller levels take milliseconds and are not written.
const FIRST_STORED_LEVEL: usize = 5;
/// Bytes per generator of each group, and per product.
const POINT_BYTES: [usize; 3] = [64, 128, 384];

/// Largest level: there are `2^MAX_LEVEL` generators of each source group.
pub const MAX_LEVEL: usize = DIGESTS.len() - 1;

/// BLAKE3 of the encoding of each level.
const DIGESTS: [&str; 14] = [
    "c70b09dc35fa0a85c0ddd836288b1843e552cb2977bb7d553ae5e801c90cd3af",
    "418d80b91e7efe3cd4308a9bc293475cebc9b8441437650379cc2a764febf273",
    "13aea19756d83693e0393dccbf6d0d2a9895dc07316d8df09cff7a57bb30e720",
    "99f468f2dd96885992bc2abaa2931a2ab03de3fe2274965f6e1ed480edae019c",
    "be9b150ccdf822a229cc2740b75ad0388869a785540e2223df665249d112c88e",
    "9274664bc05d73ef4a64c16fc89dc45457c8373320b48e17d7d89bddceace553",
    "23abbc15bc3ed2fe90f3e924d720e3839306d3ed092bd95739b183a5de792e22",
    "89cbe40bf4752f556388fab65873cd72c7b63670a360e166b6608e0a7f961fe3",
    "910c20f6bac75786d68e2f601460453524a6dd396cf1b1c2047cfe6979839e67",
    "a4ee2bbc72160cfd7cfa921867d30991a47f3b8ea0348e97855ed678e6468cc1",
    "3faae1ca86f073c85800521477d1ae721fb1f9cbb8675d6d77a9c0affca81228",
    "d6ff76c30e6b51225833384efb4096f6aa8307515706ac77137f09222b2d7623",
    "e1c25e447d479e39be8a6964c3f45484672aee388cbfb14aaedd771fa9ed6d27",
    "f59512ab0d3d7e93ac047657834ab498d7dc61e8d5f891e633ccdd2f7f3c952b",
];

/// The prover's parameters.
#[cfg(feature = "prover")]
pub type ProverSetup = dory_pcs::ProverSetup<Curve>;
/// The verifier's parameters.
pub type VerifierSetup = dory_pcs::VerifierSetup<Curve>;

/// One level.
#[derive(Debug, PartialEq)]
struct Level {
    first: Vec<G1Affine>,
    second: Vec<G2Affine>,
    delta_1r: Target,
    delta_2r: Target,
    chi: Target,
}

/// Uniform bytes for one try at one generator.
fn draw<const N: usize>(name: &str, number: u64, counter: u32) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
    hasher.update(name.as_bytes()).update(&number.to_le_bytes()).update(&counter.to_le_bytes());
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// A number below the modulus of the coordinate field, with a bias of `2^-256`.
fn coordinate(bytes: &[u8]) -> Fq {
    Fq::from_le_bytes_mod_order(bytes)
}

/// A generator of the first group.
fn first(name: &str, number: u64) -> G1Affine {
    let point = |counter| {
        let bytes: [u8; 65] = draw(name, number, counter);
        let (x, sign) = bytes.split_at(64);
        G1Affine::get_point_from_x_unchecked(coordinate(x), sign.iter().any(|b| b & 1 == 1))
    };
    (0..=u32::MAX).find_map(point).unwrap_or_default()
}

/// A generator of the second group.
fn second(name: &str, number: u64) -> G2Affine {
    let point = |counter| {
        let bytes: [u8; 129] = draw(name, number, counter);
        let (x, sign) = bytes.split_at(128);
        let (x0, x1) = x.split_at(64);
        let x = Fq2::new(coordinate(x0), coordinate(x1));
        let point = G2Affine::get_point_from_x_unchecked(x, sign.iter().any(|b| b & 1 == 1))?;
        Some(point.clear_cofactor()).filter(|point| !point.is_zero())
    };
    (0..=u32::MAX).find_map(point).unwrap_or_default()
}

fn lift_first(points: &[G1Affine]) -> Vec<First> {
    points.iter().map(|&point| First(point.into())).collect()
}

fn lift_second(points: &[G2Affine]) -> Vec<Second> {
    points.iter().map(|&point| Second(point.into())).collect()
}

impl Level {
    /// Computes level `below.len()`.
    fn compute(below: &[Arc<Self>]) -> Self {
        let level = below.len();
        let numbers = if level == 0 { 0..1_u64 } else { 1 << (level - 1)..1 << level };
        let own =
            (numbers.clone().map(|i| first("first", i)).collect(), numbers.map(|i| second("second", i)).collect());
        let (own_first, own_second): (Vec<G1Affine>, Vec<G2Affine>) = own;
        let (upper_first, upper_second) = (lift_first(&own_first), lift_second(&own_second));
        let (lower_first, lower_second) = generators(below);
        let above = Curve::multi_pair(&upper_first, &upper_second);
        Self {
            first: own_first,
            second: own_second,
            delta_1r: Curve::multi_pair(&upper_first, &lower_second),
            delta_2r: Curve::multi_pair(&lower_first, &upper_second),
            chi: below.last().map_or(above, |below| below.chi + above),
        }
    }

    /// Number of generators of each group in a level.
    fn generators(level: usize) -> usize {
        if level == 0 { 1 } else { 1 << (level - 1) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to a vector does not fail.
        for point in &self.first {
            let _ = point.serialize_uncompressed(&mut out);
        }
        for point in &self.second {
            let _ = point.serialize_uncompressed(&mut out);
        }
        for product in [&self.delta_1r, &self.delta_2r, &self.chi] {
            let _ = product.0.serialize_uncompressed(&mut out);
        }
        out
    }

    /// Decodes a level whose digest was checked: points are not checked again.
    fn decode(bytes: &[u8], level: usize) -> Option<Self> {
        let count = Self::generators(level);
        let [first_bytes, second_bytes, target_bytes] = POINT_BYTES;
        let (first, rest) = bytes.split_at_checked(count * first_bytes)?;
        let (second, targets) = rest.split_at_checked(count * second_bytes)?;
        let target = |bytes: &[u8]| CanonicalDeserialize::deserialize_uncompressed_unchecked(bytes).ok().map(Target);
        let targets: Option<Vec<Target>> = targets.chunks(target_bytes).map(target).collect();
        let [delta_1r, delta_2r, chi] = targets?.try_into().ok()?;
        Some(Self {
            first: read_points(first, first_bytes)?,
            second: read_points(second, second_bytes)?,
            delta_1r,
            delta_2r,
            chi,
        })
    }

    /// Reads a level from a file; the error says why it cannot be used.
    fn load(path: &Path, level: usize) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let digest = blake3::hash(&bytes).to_hex();
        if DIGESTS.get(level) != Some(&digest.as_str()) {
            return Err(format!("its digest is {digest}"));
        }
        Self::decode(&bytes, level).ok_or_else(|| "it is not a level of the setup".to_owned())
    }

    /// Writes a level so that no other process ever sees a part of it.
    fn store(&self, path: &Path) -> std::io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        let partial = path.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&partial, self.encode())?;
        std::fs::rename(&partial, path)
    }
}

fn read_points<P: CanonicalDeserialize>(bytes: &[u8], width: usize) -> Option<Vec<P>> {
    bytes.chunks(width).map(|bytes| P::deserialize_uncompressed_unchecked(bytes).ok()).collect()
}

/// All generators of some levels.
fn generators(levels: &[Arc<Level>]) -> (Vec<First>, Vec<Second>) {
    let first = levels.iter().flat_map(|level| lift_first(&level.first)).collect();
    let second = levels.iter().flat_map(|level| lift_second(&level.second)).collect();
    (first, second)
}

/// The folder for computed parameters: `ZKML_WORKBENCH_CACHE`, or `zkml-workbench` in the system's folder for caches.
/// `None` if the system has none.
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let system = || {
        set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(|| {
            let home = set("HOME")?;
            Some(if cfg!(target_os = "macos") { home.join("Library").join("Caches") } else { home.join(".cache") })
        })
    };
    set(CACHE_VARIABLE).or_else(|| system().map(|folder| folder.join("zkml-workbench")))
}

/// The next level above some: read, or else computed and stored.
fn next_level(below: &[Arc<Level>], folder: Option<&Path>) -> Result<Level, String> {
    let level = below.len();
    let path = folder.filter(|_| level >= FIRST_STORED_LEVEL).map(|f| f.join(format!("dory-bn254-v1-{level:02}.bin")));
    if let Some(path) = path.as_deref().filter(|path| path.exists()) {
        match Level::load(path, level) {
            Ok(loaded) => return Ok(loaded),
            Err(reason) => {
                tracing::warn!("{} is not used but computed again: {reason}", path.display());
            }
        }
    }
    let Some(pinned) = DIGESTS.get(level) else {
        return Err(format!("the setup has levels 0 to {MAX_LEVEL}, not {level}"));
    };
    let computed = Level::compute(below);
    let digest = blake3::hash(&computed.encode()).to_hex();
    if *pinned != digest.as_str() {
        return Err(format!("level {level} of the setup has the digest {digest} instead of {pinned}"));
    }
    if let Some(path) = path
        && let Err(error) = computed.store(&path)
    {
        tracing::warn!("{} cannot be written: {error}", path.display());
    }
    Ok(computed)
}

/// Levels `0..=columns`.
fn levels(columns: usize) -> Result<Vec<Arc<Level>>, String> {
    static LEVELS: Mutex<Vec<Arc<Level>>> = Mutex::new(Vec::new());
    if columns > MAX_LEVEL {
        return Err(format!("there are generators for 2^{MAX_LEVEL} columns, not for 2^{columns}"));
    }
    // A panic elsewhere leaves complete levels behind.
    let mut levels = LEVELS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache_folder();
    while levels.len() <= columns {
        let next = next_level(&levels, folder.as_deref())?;
        levels.push(Arc::new(next));
    }
    Ok(levels.iter().take(columns + 1).cloned().collect())
}

/// The generators that tie the evaluation point into the argument.
fn point_generators() -> (First, Second) {
    (First(first("first/point", 0).into()), Second(second("second/point", 0).into()))
}

/// The prover's parameters for a matrix of `2^columns` columns.
#[cfg(feature = "prover")]
pub fn prover(columns: usize) -> Result<ProverSetup, String> {
    let (g1_vec, g2_vec) = generators(&levels(columns)?);
    let (h1, h2) = point_generators();
    Ok(ProverSetup { g1_vec, g2_vec, ht: Curve::pair(&h1, &h2), h1, h2 })
}

/// The verifier's parameters for a matrix of `2^columns` columns.
pub fn verifier(columns: usize) -> Result<VerifierSetup, String> {
    let levels = levels(columns)?;
    let (h1, h2) = point_generators();
    let chi: Vec<Target> = levels.iter().map(|level| level.chi).collect();
    // Products of the lower halves are those of all generators of the level below.
    let lower: Vec<Target> = core::iter::once(Target::identity()).chain(chi.iter().copied()).take(chi.len()).collect();
    let (g1_vec, g2_vec) = generators(levels.get(..1).unwrap_or_default());
    Ok(VerifierSetup {
        delta_1l: lower.clone(),
        delta_1r: levels.iter().map(|level| level.delta_1r).collect(),
        delta_2l: lower,
        delta_2r: levels.iter().map(|level| level.delta_2r).collect(),
        chi,
        g1_0: g1_vec.first().copied().ok_or("the setup has no generators")?,
        g2_0: g2_vec.first().copied().ok_or("the setup has no generators")?,
        ht: Curve::pair(&h1, &h2),
        h1,
        h2,
        max_log_n: 2 * columns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed(count: usize) -> Vec<Arc<Level>> {
        let mut levels = Vec::new();
        for _ in 0..count {
            let next = Level::compute(&levels);
            levels.push(Arc::new(next));
        }
        levels
    }

    #[test]
    fn levels_have_the_pinned_digests() {
        for (level, (computed, pinned)) in computed(7).iter().zip(DIGESTS).enumerate() {
            let bytes = computed.encode();
            assert_eq!(blake3::hash(&bytes).to_hex().as_str(), pinned, "level {level}");
            assert_eq!(Level::decode(&bytes, level).as_ref(), Some(computed.as_ref()));
        }
    }

    #[test]
    #[ignore = "the large levels take minutes without optimisation"]
    fn all_levels_have_the_pinned_digests() {
        let digests: Vec<String> =
            computed(DIGESTS.len()).iter().map(|level| blake3::hash(&level.encode()).to_hex().to_string()).collect();
        assert_eq!(digests, DIGESTS, "{digests:#?}");
    }

    #[test]
    fn sizes_without_generators_are_refused_before_any_work() {
        for columns in [MAX_LEVEL + 1, 60, usize::MAX] {
            assert!(verifier(columns).unwrap_err().contains("2^13"));
            assert!(prover(columns).unwrap_err().contains("2^13"));
        }
    }

    #[test]
    fn generators_are_distinct_points_of_the_subgroups() {
        let (h1, h2) = point_generators();
        let (mut first, mut second) = generators(&computed(4));
        assert_eq!((first.len(), second.len()), (8, 8));
        first.push(h1);
        second.push(h2);
        for (i, (p, q)) in first.iter().zip(&second).enumerate() {
            let (p, q) = (G1Affine::from(p.0), G2Affine::from(q.0));
            assert!(p.is_on_curve() && q.is_on_curve() && q.is_in_correct_subgroup_assuming_on_curve());
            assert!(!p.is_zero() && !q.is_zero());
            assert!(first[..i].iter().all(|other| other.0 != p) && second[..i].iter().all(|other| other.0 != q));
        }
    }

    /// The library's own way to the verifier's parameters.
    #[test]
    fn the_verifiers_parameters_are_those_of_the_library() {
        let (ours, reference) = (verifier(3).unwrap(), prover(3).unwrap().to_verifier_setup());
        assert_eq!((&ours.delta_1l, &ours.delta_1r), (&reference.delta_1l, &reference.delta_1r));
        assert_eq!((&ours.delta_2l, &ours.delta_2r), (&reference.delta_2l, &reference.delta_2r));
        assert_eq!((&ours.chi, ours.ht), (&reference.chi, reference.ht));
        assert_eq!(
            (ours.g1_0, ours.g2_0, ours.h1, ours.h2),
            (reference.g1_0, reference.g2_0, reference.h1, reference.h2)
        );
        assert_eq!(ours.max_log_n, reference.max_log_n);
    }

    #[test]
    fn damaged_short_and_forged_files_are_replaced() {
        let folder = std::env::temp_dir().join(format!("zkml-dory-setup-{}", std::process::id()));
        let below = computed(FIRST_STORED_LEVEL);
        let path = folder.join("dory-bn254-v1-05.bin");
        let fresh = next_level(&below, Some(&folder)).unwrap();
        let good = std::fs::read(&path).unwrap();
        assert_eq!(good, fresh.encode());
        assert_eq!(Level::load(&path, FIRST_STORED_LEVEL).as_ref(), Ok(&fresh));
        let mut damaged = good.clone();
        damaged[1000] ^= 4;
        let forged = below[FIRST_STORED_LEVEL - 1].encode();
        for bad in [damaged, good[..good.len() - 1].to_vec(), Vec::new(), [&good[..], &[0]].concat(), forged] {
            std::fs::write(&path, &bad).unwrap();
            assert!(Level::load(&path, FIRST_STORED_LEVEL).unwrap_err().contains("digest"));
            assert_eq!(next_level(&below, Some(&folder)).as_ref(), Ok(&fresh));
            assert_eq!(std::fs::read(&path).unwrap(), good);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_obstacle() {
        let file = std::env::temp_dir().join(format!("zkml-dory-no-folder-{}", std::process::id()));
        std::fs::write(&file, b"in the way").unwrap();
        let below = computed(FIRST_STORED_LEVEL);
        assert!(next_level(&below, Some(&file)).is_ok());
        std::fs::remove_file(&file).unwrap();
    }
}
