//! Kernels for tables, contractions, combinations of columns and levels of fractions.
//!
//! All loops are grid-strided: any number of workgroups computes the same. Bases count words of 64 bits from the start of
//! a window, or integers in windows of integers.

use core::fmt::Write;

use zkml_device::FieldKind;

use super::{Dialect, ENTRY, Kernel, View, elements_at, numbers};
use crate::options::Prelude;

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
    let start = if matches!(cells, View::Integers(_)) { "cells_base + " } else { "" };
    let (index, step) =
        if cooperative { ("group.x", "groups.x") } else { ("group.x * 256u + lane", "groups.x * 256u") };
    let (first, stride) = if cooperative { (" + lane", "256u") } else { ("", "1u") };
    let (total, only) = if cooperative { ("workgroup_sum(sum, lane)", "lane == 0u") } else { ("sum", "true") };
    let sum = match (&cells, dialect.prelude, dialect.field) {
        (View::Integers(bytes @ 1..=2), Prelude::U64, Some(field)) => sum_of_small(*bytes, field, stride),
        (View::Integers(_), ..) => sum_of_products("e_scale", "cells_f(cell)", stride),
        _ => sum_of_products("e_mul", "cells_e(cell * DEGREE + cells_base)", stride),
    };
    let body = format!(
        "{ENTRY}{}
    for (var i = {index}; i < outputs * splits; i += {step}) {{
        let split = i / outputs;
        let o = i % outputs;
        let start = {start}(o / width) * row_step + o % width;
        let end = min(middle, (split + 1u) * piece);
        var m = split * piece{first};
        var sum = e_zero();
{sum}        var total = {total};
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

/// Adds weighted cells to `sum`, reducing every product.
fn sum_of_products(product: &str, cell: &str, stride: &str) -> String {
    format!(
        "        for (; m < end; m += {stride}) {{
            let cell = start + m * middle_step;
            sum = e_add(sum, {product}(weights_e(weights_base + m * DEGREE), {cell}));
        }}
"
    )
}

/// The same for cells of one or two bytes in native integers: both halves of every word of the weights are multiplied by
/// the cell, moved to be no less than zero, and up to 2^14 products of at most 48 bits are added before anything is reduced.
fn sum_of_small(bytes: usize, field: FieldKind, stride: &str) -> String {
    let bias = 1 << (8 * bytes - 1);
    let (mut start, mut add, mut words) = (String::new(), String::new(), Vec::new());
    for c in 0..field.words() {
        let _ = writeln!(start, "            var l{c} = 0lu; var h{c} = 0lu; var wl{c} = 0lu; var wh{c} = 0lu;");
        let _ = writeln!(add, "                let w{c} = weights[at + {c}u];");
        let _ = writeln!(add, "                l{c} += u64(w{c}.x) * v; wl{c} += u64(w{c}.x);");
        let _ = writeln!(add, "                h{c} += u64(w{c}.y) * v; wh{c} += u64(w{c}.y);");
        words
            .push(format!("f_add(f_sub(l{c}, wl{c} * {bias}lu), f_mul(f_sub(h{c}, wh{c} * {bias}lu), 0x100000000lu))"));
    }
    let value = if words.len() == 1 { words.concat() } else { format!("E({})", words.join(", ")) };
    format!(
        "        while (m < end) {{
            let stop = min(end, m + 16384u * {stride});
{start}            for (; m < stop; m += {stride}) {{
                let v = u64(u32(cells_i(start + m * middle_step) + {bias}));
                let at = weights_base + m * DEGREE;
{add}            }}
            sum = e_add(sum, {value});
        }}
"
    )
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
