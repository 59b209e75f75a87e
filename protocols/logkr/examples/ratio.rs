//! Squarings against products in this build: cost of one squaring in units of one product, and trees in every form.
//!
//! `cargo run --release -p zkml-logkr --example ratio`

use std::hint::black_box;
use std::time::Instant;

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use zkml_core::{Goldilocks, Goldilocks3, ProverTranscript, Suite};
use zkml_device::Device;
use zkml_logkr::Form;
use zkml_logkr::fraction::Tree;
use zkml_sumcheck::vector::{Pack, lanes, pack};

fn elements<S: Suite>(count: usize, seed: u64) -> Vec<S::Challenge> {
    let word = |i: u64| (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
    (0..count as u64)
        .map(|i| S::Challenge::from_basis_coefficients_fn(|k| S::Base::from_u64(word(4 * i + k as u64))))
        .collect()
}

/// Best of several runs, in nanoseconds per element.
fn time<T>(elements: usize, mut run: impl FnMut() -> T) -> f64 {
    let once = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64()
    };
    (0..15).map(once).fold(f64::INFINITY, f64::min) * 1e9 / elements as f64
}

fn ratio<S: Suite>() {
    const COUNT: usize = 1 << 12;
    const TURNS: usize = 64;
    let (a, b) = (pack::<S>(&elements::<S>(COUNT, 1)), pack::<S>(&elements::<S>(COUNT, 2)));
    let sum = |f: &dyn Fn(Pack<S>, Pack<S>) -> Pack<S>| {
        let mut sum = Pack::<S>::ZERO;
        for _ in 0..TURNS {
            sum = black_box(&a).iter().zip(black_box(&b)).fold(sum, |sum, (&a, &b)| sum + f(a, b));
        }
        sum
    };
    let product = time(COUNT * TURNS, || sum(&|a, b| a * b));
    let square = time(COUNT * TURNS, || sum(&|a, _| a.square()));
    println!("{} ({} lanes): M {product:.2} ns, S {square:.2} ns, S/M {:.2}", S::ID, lanes::<S>(), square / product);
}

fn trees<S: Suite>(depth: usize) {
    let count = 1 << depth;
    let (n, d) = (elements::<S>(count, 3), elements::<S>(count, 4));
    let host = Device::cpu();
    let tree = || Tree::<S>::explicit(n.clone(), d.clone(), &host);
    let build = time(count, || tree().map(|tree| tree.root()).is_ok());
    for form in Form::ALL {
        let prove = || tree().and_then(|tree| tree.prove(form, &mut ProverTranscript::new(), &host)).is_ok();
        let total = time(count, prove);
        println!(
            "{} tree of 2^{depth} leaves, {:12} {:.1} ns per leaf (build {build:.1})",
            S::ID,
            form.name(),
            total - build
        );
    }
}

fn main() {
    ratio::<Goldilocks>();
    ratio::<Goldilocks3>();
    trees::<Goldilocks>(16);
    trees::<Goldilocks3>(16);
}
