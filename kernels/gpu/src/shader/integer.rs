//! Sums of products of integers.

use core::fmt::Write;

use super::{Dialect, ENTRY, Kernel, View, number, numbers};

/// Numbers of [`einsum`]; the lengths of the outer and inner axes follow, then per operand its base and strides.
pub const EINSUM: [&str; 3] = ["count", "first", "out_base"];

/// `out[o] = Σ_i Π_k operands[k][…]` in 32 bits, for operands of these widths in bytes and so many outer and inner axes.
pub fn einsum(dialect: Dialect, widths: &[usize], outer: usize, inner: usize) -> Kernel {
    let axes = outer + inner;
    let length = |axis: usize| number(EINSUM.len() + axis);
    let base = |k: usize| number(EINSUM.len() + axes + k * (axes + 1));
    let stride = |k: usize, axis: usize| number(EINSUM.len() + axes + k * (axes + 1) + 1 + axis);
    let mut text = format!("{ENTRY}{}", numbers(&EINSUM));
    text.push_str("    for (var i = group.x * 256u + lane; i < count; i += groups.x * 256u) {\n");
    text.push_str("        var rest = first + i;\n");
    for k in 0..widths.len() {
        let _ = writeln!(text, "        var at{k}_0 = {};", base(k));
    }
    for axis in (0..outer).rev() {
        for k in 0..widths.len() {
            let _ = writeln!(text, "        at{k}_0 += (rest % {}) * {};", length(axis), stride(k, axis));
        }
        let _ = writeln!(text, "        rest /= {};", length(axis));
    }
    text.push_str("        var sum = 0i;\n");
    for axis in 0..inner {
        let _ = writeln!(text, "        for (var s{axis} = 0u; s{axis} < {}; s{axis}++) {{", length(outer + axis));
        for k in 0..widths.len() {
            let _ = writeln!(
                text,
                "        let at{k}_{} = at{k}_{axis} + s{axis} * {};",
                axis + 1,
                stride(k, outer + axis)
            );
        }
    }
    let factors: Vec<String> = (0..widths.len()).map(|k| format!("operand{k}_i(at{k}_{inner})")).collect();
    let _ = writeln!(text, "        sum += {};", factors.join(" * "));
    text.push_str(&"        }\n".repeat(inner));
    text.push_str("        out[out_base + i] = u32(sum);\n    }\n}\n");
    let names: Vec<String> = (0..widths.len()).map(|k| format!("operand{k}")).collect();
    let mut buffers = vec![("args", View::Args), ("out", View::Words)];
    buffers.extend(names.iter().zip(widths).map(|(name, &bytes)| (name.as_str(), View::Integers(bytes))));
    dialect.kernel(&buffers, &text)
}
