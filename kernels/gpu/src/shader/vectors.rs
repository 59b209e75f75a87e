//! Kernels for tables, contractions, combinations of columns and levels of fractions.
//!
//! All loops are grid-strided: any number of workgroups computes the same. Bases count words of 64 bits from the start of
//! a window, or integers in windows of integers.

use core::fmt::Write;

use super::{Dialect, ENTRY, Kernel, View, elements_at, numbers};

/// Numbers of [`outer_product`].
pub const OUTER_PRODUCT: [&str; 5] = ["count", "first", "bits", "low", "base"];

/// `out[x] = high[x >> bits] · low[x mod 2^bits]` for a range of `x`; both tables are among the arguments.
pub fn outer_product(dialect: Dialect) -> Kernel {
    let high = elements_at(OUTER_PRODUCT.len());
    let body = format!(
        "{ENTRY}{}
    for (var i = group.x * 256u + lane; i < count; i += groups.x * 256u) {{
        let x = first + i;
        let left = args_e({high}u + (x >> bits) * DEGREE);
        let right = args_e(low + (x & ((1u << bits) - 1u)) * DEGREE);
        out_set(base + i * DEGREE, e_mul(left, right));
    }}
}}",
        numbers(&OUTER_PRODUCT)
    );
    dialect.kernel(&[("args", View::Args), ("out", View::Write)], &body)
}

/// Numbers of [`contract`]: the part of the output is `outputs = rows · width` cells, the part of the summed axis `middle`
/// entries in `splits` pieces of `piece`.
pub const CONTRACT: [&str; 13] = [
    "outputs",
    "width",
    "middle",
    "splits",
    "piece",
    "cells_base",
    "row_step",
    "middle_step",
    "weights_base",
    "out_base",
    "out_row",
    "out_split",
    "add",
];

/// `out[a, b] = Σ_m weights[m] · cells[a, m, b]`: a thread per output and piece, or a workgroup if `cooperative`.
pub fn contract(dialect: Dialect, cells: View, cooperative: bool) -> Kernel {
    let product = match cells {
        View::Integers(_) => "e_scale(weights_e(weights_base + m * DEGREE), cells_f(cell))",
        _ => "e_mul(weights_e(weights_base + m * DEGREE), cells_e(cell * DEGREE + cells_base))",
    };
    let start = if matches!(cells, View::Integers(_)) { "cells_base + " } else { "" };
    let (index, step) =
        if cooperative { ("group.x", "groups.x") } else { ("group.x * 256u + lane", "groups.x * 256u") };
    let (first, stride) = if cooperative { (" + lane", "256u") } else { ("", "1u") };
    let (total, only) = if cooperative { ("workgroup_sum(sum, lane)", "lane == 0u") } else { ("sum", "true") };
    let body = format!(
        "{ENTRY}{}
    for (var i = {index}; i < outputs * splits; i += {step}) {{
        let split = i / outputs;
        let o = i % outputs;
        let start = {start}(o / width) * row_step + o % width;
        let end = min(middle, (split + 1u) * piece);
        var sum = e_zero();
        for (var m = split * piece{first}; m < end; m += {stride}) {{
            let cell = start + m * middle_step;
            sum = e_add(sum, {product});
        }}
        var total = {total};
        if ({only}) {{
            let at = out_base + (split * out_split + (o / width) * out_row + o % width) * DEGREE;
            if (add != 0u) {{ total = e_add(total, out_e(at)); }}
            out_set(at, total);
        }}
    }}
}}",
        numbers(&CONTRACT)
    );
    let buffers = [("args", View::Args), ("cells", cells), ("weights", View::Read), ("out", View::Write)];
    dialect.kernel(&buffers, &body)
}

/// Numbers of [`fold`].
pub const FOLD: [&str; 6] = ["outputs", "width", "splits", "out_base", "out_row", "add"];

/// Adds up the pieces of a contraction.
pub fn fold(dialect: Dialect) -> Kernel {
    let body = format!(
        "{ENTRY}{}
    for (var o = group.x * 256u + lane; o < outputs; o += groups.x * 256u) {{
        let at = out_base + ((o / width) * out_row + o % width) * DEGREE;
        var sum = e_zero();
        if (add != 0u) {{ sum = out_e(at); }}
        for (var s = 0u; s < splits; s++) {{ sum = e_add(sum, pieces_e((s * outputs + o) * DEGREE)); }}
        out_set(at, sum);
    }}
}}",
        numbers(&FOLD)
    );
    dialect.kernel(&[("args", View::Args), ("pieces", View::Read), ("out", View::Write)], &body)
}

/// Numbers of [`combine`]; a base per column follows.
pub const COMBINE: [&str; 5] = ["count", "first", "stored", "out_base", "add"];

/// An affine combination of columns of these widths in bytes. Elements: the constant, the tail, the coefficients. With
/// `add`, it is added to what is there instead of the constant, and the tail is left.
pub fn combine(dialect: Dialect, widths: &[usize]) -> Kernel {
    let elements = elements_at(COMBINE.len() + widths.len());
    let names: Vec<String> = (0..widths.len()).map(|j| format!("column{j}")).collect();
    let mut sum = String::new();
    for (j, name) in names.iter().enumerate() {
        let base = super::number(COMBINE.len() + j);
        let coefficient = format!("args_e({elements}u + {}u * DEGREE)", j + 2);
        let _ = writeln!(sum, "            value = e_add(value, e_scale({coefficient}, {name}_f({base} + i)));");
    }
    let body = format!(
        "{ENTRY}{}
    for (var i = group.x * 256u + lane; i < count; i += groups.x * 256u) {{
        let at = out_base + i * DEGREE;
        let inside = first + i < stored;
        var value: E;
        if (add != 0u) {{
            value = out_e(at);
        }} else if (inside) {{
            value = args_e({elements}u);
        }} else {{
            value = args_e({elements}u + DEGREE);
        }}
        if (inside) {{
{sum}        }}
        out_set(at, value);
    }}
}}",
        numbers(&COMBINE)
    );
    let mut buffers = vec![("args", View::Args), ("out", View::Write)];
    buffers.extend(names.iter().zip(widths).map(|(name, &bytes)| (name.as_str(), View::Integers(bytes))));
    dialect.kernel(&buffers, &body)
}

/// Numbers of [`fractions`].
pub const FRACTIONS: [&str; 10] =
    ["count", "n0_base", "n1_base", "d0_base", "d1_base", "sum_base", "product_base", "first", "half", "ones"];

/// A level of a tree of fractions, with stored numerators or ones before the index `ones` and zeros after that.
pub fn fractions(dialect: Dialect, stored: bool) -> Kernel {
    let sum = if stored {
        "e_add(e_mul(n0_e(n0_base + i * DEGREE), d1), e_mul(n1_e(n1_base + i * DEGREE), d0))"
    } else {
        "e_add(if_one(first + i < ones, d1), if_one(first + half + i < ones, d0))"
    };
    let body = format!(
        "
fn if_one(condition: bool, value: E) -> E {{
    if (condition) {{ return value; }}
    return e_zero();
}}
{ENTRY}{}
    for (var i = group.x * 256u + lane; i < count; i += groups.x * 256u) {{
        let d0 = d0_e(d0_base + i * DEGREE);
        let d1 = d1_e(d1_base + i * DEGREE);
        sum_set(sum_base + i * DEGREE, {sum});
        product_set(product_base + i * DEGREE, e_mul(d0, d1));
    }}
}}",
        numbers(&FRACTIONS)
    );
    let mut buffers = vec![
        ("args", View::Args),
        ("d0", View::Read),
        ("d1", View::Read),
        ("sum", View::Write),
        ("product", View::Write),
    ];
    if stored {
        buffers.extend([("n0", View::Read), ("n1", View::Read)]);
    }
    dialect.kernel(&buffers, &body)
}

/// Numbers of [`sums`].
pub const SUMS: [&str; 2] = ["count", "width"];

/// `out[s] = Σ_g partials[g · width + s]`, a workgroup per `s`.
pub fn sums(dialect: Dialect) -> Kernel {
    let body = format!(
        "{ENTRY}{}
    var sum = e_zero();
    for (var g = lane; g < count; g += 256u) {{ sum = e_add(sum, partials_e((g * width + group.x) * DEGREE)); }}
    let total = workgroup_sum(sum, lane);
    if (lane == 0u) {{ out_set(group.x * DEGREE, total); }}
}}",
        numbers(&SUMS)
    );
    dialect.kernel(&[("args", View::Args), ("partials", View::Read), ("out", View::Write)], &body)
}

/// Numbers of [`bind`].
pub const BIND: [&str; 3] = ["count", "low_base", "high_base"];

/// `low[x] += r (high[x] - low[x])`; the element is `r`.
pub fn bind(dialect: Dialect) -> Kernel {
    let body = format!(
        "{ENTRY}{}
    let r = args_e({}u);
    for (var i = group.x * 256u + lane; i < count; i += groups.x * 256u) {{
        let at = low_base + i * DEGREE;
        let value = low_e(at);
        low_set(at, e_add(value, e_mul(r, e_sub(high_e(high_base + i * DEGREE), value))));
    }}
}}",
        numbers(&BIND),
        elements_at(BIND.len())
    );
    dialect.kernel(&[("args", View::Args), ("low", View::Write), ("high", View::Write)], &body)
}

/// Numbers of [`products`].
pub const PRODUCTS: [&str; 2] = ["count", "times"];

/// `out[i] = a[i] · b[i]^times`: for the self-test, and to measure how fast multiplications are.
pub fn products(dialect: Dialect) -> Kernel {
    let body = format!(
        "{ENTRY}{}
    for (var i = group.x * 256u + lane; i < count; i += groups.x * 256u) {{
        var value = a_e(i * DEGREE);
        let factor = b_e(i * DEGREE);
        for (var t = 0u; t < times; t++) {{ value = e_mul(value, factor); }}
        out_set(i * DEGREE, value);
    }}
}}",
        numbers(&PRODUCTS)
    );
    dialect.kernel(&[("args", View::Args), ("a", View::Read), ("b", View::Read), ("out", View::Write)], &body)
}
