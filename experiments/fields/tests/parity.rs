//! Every implementation against integer arithmetic modulo `p` and the extension's polynomial, over the loops that are timed:
//! implementations of one field agree, and the bench compares the same thing.

use num_bigint::BigUint;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_fields::{DOT_TERMS, Implementation, Prime, arkworks, kernels, plonky2, plonky3};

const SEED: u64 = 20_260_101;

/// A multiple of [`DOT_TERMS`] values in any number of lanes up to 16.
const ELEMENTS: usize = 1024;

/// Canonical integers as the reference sees them.
trait Words: Copy + Default + PartialEq + std::fmt::Debug + 'static {
    fn integer(&self) -> BigUint;
    fn of(integer: &BigUint) -> Self;
}

impl Words for u64 {
    fn integer(&self) -> BigUint {
        BigUint::from(*self)
    }

    fn of(integer: &BigUint) -> Self {
        Self::try_from(integer).expect("one word")
    }
}

impl Words for [u64; 4] {
    fn integer(&self) -> BigUint {
        self.iter().rev().fold(BigUint::default(), |sum, &word| (sum << 64) + word)
    }

    fn of(integer: &BigUint) -> Self {
        let mut words = integer.iter_u64_digits();
        let result = std::array::from_fn(|_| words.next().unwrap_or(0));
        assert_eq!(words.next(), None, "at most four words");
        result
    }
}

/// `Z_p[X]` modulo `X^degree = Σ reduction_i X^i`.
struct Reference {
    p: BigUint,
    reduction: Vec<u32>,
}

type Element = Vec<BigUint>;

impl Reference {
    fn of<T: Implementation>() -> Self {
        let (p, reduction): (&str, &[u32]) = match (T::FIELD, T::DEGREE) {
            ("Goldilocks", 1) => ("18446744069414584321", &[0]),
            ("Goldilocks", 2) => ("18446744069414584321", &[7, 0]),
            ("Goldilocks", 3) => ("18446744069414584321", &[1, 1, 0]),
            ("KoalaBear", 1) => ("2130706433", &[0]),
            ("KoalaBear", 4) => ("2130706433", &[3, 0, 0, 0]),
            ("BN254", 1) => ("21888242871839275222246405745257275088548364400416034343698204186575808495617", &[0]),
            other => panic!("no reference for {other:?}"),
        };
        Self { p: p.parse().expect("a decimal number"), reduction: reduction.to_vec() }
    }

    fn multiply(&self, a: &Element, b: &Element) -> Element {
        let degree = self.reduction.len();
        let mut product = vec![BigUint::default(); 2 * degree - 1];
        for (i, a) in a.iter().enumerate() {
            for (j, b) in b.iter().enumerate() {
                product[i + j] += a * b;
            }
        }
        for top in (degree..product.len()).rev() {
            let leading = product.pop().expect("the coefficient at `top`");
            for (i, &factor) in self.reduction.iter().enumerate() {
                product[top - degree + i] += &leading * factor;
            }
        }
        product.into_iter().map(|c| c % &self.p).collect()
    }

    fn add(&self, a: &Element, b: &Element) -> Element {
        a.iter().zip(b).map(|(a, b)| (a + b) % &self.p).collect()
    }

    fn signed(&self, integer: i64) -> BigUint {
        let magnitude = BigUint::from(integer.unsigned_abs()) % &self.p;
        if integer < 0 { (&self.p - magnitude) % &self.p } else { magnitude }
    }

    fn scale(&self, a: &Element, integer: i64) -> Element {
        a.iter().map(|a| a * self.signed(integer) % &self.p).collect()
    }

    /// Integers around every place where a carry, a borrow or a reduction could go wrong.
    fn extremes(&self) -> Vec<BigUint> {
        let power = |n: u32| BigUint::from(1_u32) << n;
        let near = [power(0), power(31), power(32), power(63), power(64), power(128), power(192), &self.p >> 1_u32];
        let near = near.into_iter().flat_map(|n| [n.clone() - 1_u32, n.clone(), n + 1_u32]);
        let below = [1_u32, 2].map(|n| &self.p - n).into_iter().chain([&self.p - (power(32) % &self.p)]);
        near.chain(below).map(|n| n % &self.p).collect()
    }

    /// Elements of extremes, in all pairs with [`Self::second`] of the same index, then mixed with random coefficients.
    fn elements(&self, rng: &mut StdRng, first: impl Fn(usize, usize) -> usize) -> Vec<Element> {
        let extremes = self.extremes();
        let n = extremes.len();
        let coefficient = |rng: &mut StdRng| {
            if rng.random() {
                extremes[rng.random_range(0..n)].clone()
            } else {
                let words: [u64; 5] = rng.random();
                words.iter().fold(BigUint::default(), |sum, &word| (sum << 64) + word) % &self.p
            }
        };
        let element = |i: usize, rng: &mut StdRng| -> Element {
            let fixed = extremes.get(first(i, n)).filter(|_| i < n * n);
            self.reduction.iter().map(|_| fixed.cloned().unwrap_or_else(|| coefficient(rng))).collect()
        };
        (0..ELEMENTS).map(|i| element(i, rng)).collect()
    }
}

/// Elements in a library's representation, and as integers.
struct Sample<T: Implementation> {
    values: Vec<T::Value>,
    elements: Vec<Element>,
}

impl<T: Implementation<Canonical: Words>> Sample<T> {
    fn new(elements: Vec<Element>) -> Self {
        let value = |lanes: &[Element]| T::from_coefficients(|lane, power| T::Canonical::of(&lanes[lane][power]));
        let values = elements.chunks_exact(T::LANES).map(value).collect();
        Self { values, elements }
    }

    fn pair(reference: &Reference) -> (Self, Self) {
        let mut rng = StdRng::seed_from_u64(SEED);
        let a = reference.elements(&mut rng, |i, n| i / n);
        let b = reference.elements(&mut rng, |i, n| i % n);
        (Self::new(a), Self::new(b))
    }
}

/// Compares values with elements, lane by lane.
fn assert_same<T: Implementation<Canonical: Words>>(what: &str, values: &[T::Value], expected: &[Element]) {
    assert_eq!(values.len() * T::LANES, expected.len());
    for (i, expected) in expected.iter().enumerate() {
        let found = (0..T::DEGREE).map(|power| T::coefficient(&values[i / T::LANES], i % T::LANES, power).integer());
        let found: Element = found.collect();
        let name = (T::LIBRARY, T::FIELD, T::BACKEND, T::DEGREE, T::LANES);
        assert_eq!(&found, expected, "{name:?}: {what} of pair {i}, seed {SEED}");
    }
}

fn arithmetic<T: Implementation<Canonical: Words>>() {
    let reference = Reference::of::<T>();
    let (a, b) = Sample::<T>::pair(&reference);
    let pairs = || a.elements.iter().zip(&b.elements);
    assert_same::<T>("conversion", &a.values, &a.elements);

    let products: Vec<Element> = pairs().map(|(a, b)| reference.multiply(a, b)).collect();
    let mut out = a.values.clone();
    kernels::multiply::<T>(&a.values, &b.values, &mut out);
    assert_same::<T>("product", &out, &products);

    // Sums of sums and products of sums: operands that a library may hold unreduced.
    let sums: Vec<Element> = pairs().map(|(a, b)| reference.add(a, b)).collect();
    kernels::add::<T>(&a.values, &b.values, &mut out);
    assert_same::<T>("sum", &out, &sums);
    let unreduced = out.clone();
    kernels::add::<T>(&unreduced, &unreduced, &mut out);
    let doubles: Vec<Element> = sums.iter().map(|sum| reference.add(sum, sum)).collect();
    assert_same::<T>("sum of sums", &out, &doubles);
    kernels::multiply::<T>(&unreduced, &unreduced, &mut out);
    let squares: Vec<Element> = sums.iter().map(|sum| reference.multiply(sum, sum)).collect();
    assert_same::<T>("product of sums", &out, &squares);

    let mut out = unreduced;
    kernels::multiply_accumulate::<T>(&a.values, &b.values, &mut out);
    let accumulated: Vec<Element> = sums.iter().zip(&products).map(|(s, p)| reference.add(s, p)).collect();
    assert_same::<T>("multiply-accumulate", &out, &accumulated);

    let mut total = vec![reference.scale(&products[0], 0); T::LANES];
    for (i, product) in products.iter().enumerate() {
        total[i % T::LANES] = reference.add(&total[i % T::LANES], product);
    }
    assert_eq!(a.values.len() % DOT_TERMS, 0);
    assert_same::<T>("dot product", &[kernels::dot::<T>(&a.values, &b.values).expect("whole blocks")], &total);
}

fn integers<T: Implementation<Canonical: Words>>() {
    let reference = Reference::of::<T>();
    let (a, _) = Sample::<T>::pair(&reference);
    let mut rng = StdRng::seed_from_u64(SEED);
    let extremes = [0, 1, -1, 127, -128, i32::MAX, i32::MIN, i32::MIN + 1];
    let factors: Vec<i32> =
        (0..ELEMENTS).map(|i| if i % 2 == 0 { rng.random() } else { extremes[i / 2 % 8] }).collect();
    let mut out = a.values.clone();
    kernels::scale::<T>(&a.values, &factors, &mut out);
    let scaled: Vec<Element> = a.elements.iter().zip(&factors).map(|(a, &n)| reference.scale(a, n.into())).collect();
    assert_same::<T>("small multiple", &out, &scaled);
}

fn chains<T: Implementation<Canonical: Words>>() {
    let reference = Reference::of::<T>();
    let (a, b) = Sample::<T>::pair(&reference);
    let chain = |step: &dyn Fn(&Element, &Element) -> Element| -> Vec<Element> {
        let mut lanes = a.elements[..T::LANES].to_vec();
        for (i, b) in b.elements.iter().enumerate() {
            lanes[i % T::LANES] = step(&lanes[i % T::LANES], b);
        }
        lanes
    };
    let sums = chain(&|a, b| reference.add(a, b));
    assert_same::<T>("chain of sums", &[kernels::add_chain::<T>(a.values[0], &b.values)], &sums);
    // A chain that meets zero stays there.
    let nonzero = |b: &&T::Value| {
        (0..T::LANES).all(|lane| (0..T::DEGREE).any(|i| T::coefficient(b, lane, i) != T::Canonical::default()))
    };
    let factors: Vec<T::Value> = b.values.iter().filter(nonzero).copied().collect();
    let kept: Vec<&[Element]> =
        b.elements.chunks_exact(T::LANES).zip(&b.values).filter(|(_, b)| nonzero(b)).map(|(e, _)| e).collect();
    assert!(kept.len() > 16);
    let mut products: Vec<Element> = kept[0].to_vec();
    for factor in &kept {
        for (product, factor) in products.iter_mut().zip(*factor) {
            *product = reference.multiply(product, factor);
        }
    }
    assert_same::<T>("chain of products", &[kernels::multiply_chain::<T>(factors[0], &factors)], &products);
}

fn conversions<T: Prime<Canonical: Words>>() {
    let reference = Reference::of::<T>();
    let mut rng = StdRng::seed_from_u64(SEED);
    let power = |n: u32| 1_i64 << n;
    let mut values = vec![0, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1];
    values.extend([31, 32, 62].into_iter().flat_map(|n| [power(n) - 1, power(n), power(n) + 1]));
    values.extend(values.clone().into_iter().map(i64::wrapping_neg));
    values.extend((0..ELEMENTS).map(|_| rng.random::<i64>()));
    let residue = |integer: i64| vec![reference.signed(integer)];
    let expected: Vec<Element> = values.iter().map(|&integer| residue(integer)).collect();
    let mut out = vec![T::from_i64(7); values.len()];
    kernels::from_i64::<T>(&values, &mut out);
    assert_same::<T>("integer", &out, &expected);

    let mut canonical = vec![T::Canonical::default(); values.len()];
    kernels::to_canonical::<T>(&out, &mut canonical);
    let canonical: Vec<Element> = canonical.iter().map(|words| vec![words.integer()]).collect();
    assert_eq!(canonical, expected, "{} {}: canonical integers, seed {SEED}", T::LIBRARY, T::BACKEND);

    let small: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let mut out = vec![T::from_i64(7); small.len()];
    kernels::from_i8::<T>(&small, &mut out);
    let expected: Vec<Element> = small.iter().map(|&integer| residue(integer.into())).collect();
    assert_same::<T>("small integer", &out, &expected);
}

macro_rules! parity {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        #[test]
        fn $name() {
            arithmetic::<$type>();
            integers::<$type>();
            chains::<$type>();
        }
    )*};
}

parity! {
    p3_goldilocks: plonky3::Goldilocks,
    p3_goldilocks_packed: plonky3::GoldilocksPacked,
    p3_goldilocks_2: plonky3::Goldilocks2,
    p3_goldilocks_2_packed: plonky3::Goldilocks2Packed,
    p3_goldilocks_3: plonky3::Goldilocks3,
    p3_goldilocks_3_packed: plonky3::Goldilocks3Packed,
    plonky2_goldilocks: plonky2::Goldilocks,
    plonky2_goldilocks_packed: plonky2::GoldilocksPacked,
    plonky2_goldilocks_2: plonky2::Goldilocks2,
    ark_goldilocks: arkworks::Goldilocks,
    ark_goldilocks_small: arkworks::GoldilocksSmall,
    ark_goldilocks_2: arkworks::Goldilocks2,
    p3_koala_bear: plonky3::KoalaBear,
    p3_koala_bear_packed: plonky3::KoalaBearPacked,
    p3_koala_bear_4: plonky3::KoalaBear4,
    p3_koala_bear_4_packed: plonky3::KoalaBear4Packed,
    p3_bn254: plonky3::Bn254,
    ark_bn254: arkworks::Bn254,
}

#[test]
fn integers_in_and_out() {
    conversions::<plonky3::Goldilocks>();
    conversions::<plonky2::Goldilocks>();
    conversions::<arkworks::Goldilocks>();
    conversions::<arkworks::GoldilocksSmall>();
    conversions::<plonky3::KoalaBear>();
    conversions::<plonky3::Bn254>();
    conversions::<arkworks::Bn254>();
}
