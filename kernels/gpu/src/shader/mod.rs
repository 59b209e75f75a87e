//! Kernels as WGSL text.
//!
//! | part | holds |
//! |---|---|
//! | `prelude_u64.wgsl`, `prelude_u32.wgsl` | Goldilocks in native 64-bit integers, or in halves of 32 bits |
//! | `degree1.wgsl` … `degree3.wgsl` | the field itself, `X^2 = 7`, `X^3 = X + 1` |
//! | `integers.wgsl`, `reduce.wgsl` | signed integers as elements; sums over a workgroup |
//! | [`rounds`] | rounds of a sumcheck, generated from an expression |
//! | [`vectors`] | tables, contractions, combinations, fractions, second-level sums |
//! | [`integer`] | sums of products of integers |
//! | [`fourier`] | discrete Fourier transforms |
//!
//! Values in memory are canonical and stored as `vec2<u32>` (low, high) in either prelude. Numbers that change from call to
//! call come in the buffer `args`, so that the text depends on the shape of the work alone: pipelines are cached by it.

pub mod fourier;
pub mod integer;
pub mod rounds;
pub mod vectors;

use core::fmt::Write;

use zkml_device::FieldKind;

use crate::options::{Fault, Prelude};

/// Threads of a workgroup, in all kernels.
pub const THREADS: u32 = 256;

/// How a kernel sees a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// The call's numbers, pairs of 32 bits.
    Args,
    /// Field elements, read only.
    Read,
    /// Field elements, read and written.
    Write,
    /// Signed integers of so many bytes, read only.
    Integers(usize),
    /// Words of 32 bits, read and written.
    Words,
}

impl View {
    /// True if kernels write to it.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Write | Self::Words)
    }
}

/// The text of a kernel and the buffers that it binds, in order.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// WGSL; the entry point is `main`.
    pub text: String,
    /// The bindings of group 0.
    pub views: Vec<View>,
}

/// What all kernels of one run share.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// How 64-bit arithmetic is done.
    pub prelude: Prelude,
    /// The field, if the kernel computes in one.
    pub field: Option<FieldKind>,
    /// A fault to inject, for tests of the self-test.
    pub fault: Option<Fault>,
}

impl Dialect {
    /// A kernel with these buffers (name and view) and this body.
    pub fn kernel(self, buffers: &[(&str, View)], body: &str) -> Kernel {
        let mut text = String::new();
        if let Some(field) = self.field {
            text.push_str(&self.prelude_text());
            text.push_str(match field {
                FieldKind::Goldilocks => include_str!("../kernels/degree1.wgsl"),
                FieldKind::Goldilocks2 => include_str!("../kernels/degree2.wgsl"),
                FieldKind::Goldilocks3 => include_str!("../kernels/degree3.wgsl"),
            });
            if buffers.iter().any(|(_, view)| matches!(view, View::Integers(_))) {
                text.push_str(include_str!("../kernels/integers.wgsl"));
            }
            if body.contains("workgroup_sum(") {
                text.push_str(include_str!("../kernels/reduce.wgsl"));
            }
        }
        for (binding, (name, view)) in buffers.iter().enumerate() {
            declare(&mut text, binding, name, view, self.field);
        }
        text.push_str(body);
        Kernel { text, views: buffers.iter().map(|(_, view)| view.clone()).collect() }
    }

    fn prelude_text(self) -> String {
        let text = match self.prelude {
            Prelude::U64 => include_str!("../kernels/prelude_u64.wgsl"),
            Prelude::U32 => include_str!("../kernels/prelude_u32.wgsl"),
        };
        match self.fault {
            Some(Fault::WrongProduct(prelude)) if prelude == self.prelude => {
                text.replace("return f_canonical(select(r,", "return f_canonical(select(f_add(r, F_ONE),")
            }
            Some(Fault::NoShader(prelude)) if prelude == self.prelude => text.replace("fn f_mul(", "fn f_mul_("),
            _ => text.to_owned(),
        }
    }
}

/// Declares a buffer and the functions that read and write its entries.
fn declare(text: &mut String, binding: usize, name: &str, view: &View, field: Option<FieldKind>) {
    let (access, entry) = match view {
        View::Args | View::Read | View::Integers(8) => ("read", "vec2<u32>"),
        View::Write => ("read_write", "vec2<u32>"),
        View::Integers(_) => ("read", "u32"),
        View::Words => ("read_write", "u32"),
    };
    let _ = writeln!(text, "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{entry}>;");
    match view {
        View::Integers(bytes) => declare_integers(text, name, *bytes, field.is_some()),
        View::Words => {}
        View::Args | View::Read | View::Write => {
            if let Some(field) = field {
                declare_elements(text, name, field.words(), view.writes());
            }
        }
    }
}

/// `NAME_e(at)` reads the element whose first word is at `at`, `NAME_set(at, value)` writes it.
fn declare_elements(text: &mut String, name: &str, words: usize, writes: bool) {
    let load = |i: usize| format!("f_load({name}[at + {i}u])");
    let loads: Vec<String> = (0..words).map(load).collect();
    let value = if words == 1 { loads.join("") } else { format!("E({})", loads.join(", ")) };
    let _ = writeln!(text, "fn {name}_e(at: u32) -> E {{ return {value}; }}");
    if writes {
        let store = |i: usize| {
            let coefficient = if words == 1 { "a".to_owned() } else { format!("a.c{i}") };
            format!("{name}[at + {i}u] = f_store({coefficient});")
        };
        let stores: Vec<String> = (0..words).map(store).collect();
        let _ = writeln!(text, "fn {name}_set(at: u32, a: E) {{ {} }}", stores.join(" "));
    }
}

/// `NAME_i(at)` is the integer at `at`, if it has at most 32 bits; `NAME_f(at)` is that as a field element.
fn declare_integers(text: &mut String, name: &str, bytes: usize, field: bool) {
    let value = match bytes {
        1 => format!("extractBits(i32({name}[at >> 2u]), (at & 3u) * 8u, 8u)"),
        2 => format!("extractBits(i32({name}[at >> 1u]), (at & 1u) * 16u, 16u)"),
        4 => format!("i32({name}[at])"),
        _ => {
            if field {
                let _ = writeln!(text, "fn {name}_f(at: u32) -> F {{ return f_large({name}[at]); }}");
            }
            return;
        }
    };
    let _ = writeln!(text, "fn {name}_i(at: u32) -> i32 {{ return {value}; }}");
    if field {
        let _ = writeln!(text, "fn {name}_f(at: u32) -> F {{ return f_small({name}_i(at)); }}");
    }
}

/// The head of every kernel's entry point, with the names that bodies use.
pub const ENTRY: &str = "
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
";

/// The WGSL of the call's number `index`.
pub fn number(index: usize) -> String {
    format!("args[{}].{}", index / 2, if index.is_multiple_of(2) { 'x' } else { 'y' })
}

/// `let NAME = …;` for the call's first numbers.
pub fn numbers(names: &[&str]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let _ = writeln!(text, "    let {name} = {};", number(index));
    }
    text
}

/// Where elements start in `args` after so many numbers.
pub const fn elements_at(numbers: usize) -> usize {
    numbers.div_ceil(2)
}
