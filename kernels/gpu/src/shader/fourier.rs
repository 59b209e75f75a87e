//! The kernel of discrete Fourier transforms.
//!
//! A transform of `2^k` rows is a few passes over memory, each of which does up to [`LOG_RADIX`] of the `k` levels in a
//! workgroup's own memory and leaves its results in order (Stockham; Govindaraju et al. 2008, "High performance discrete
//! Fourier transforms on graphics processors", section 4). After passes of radices whose product is `D`, the pass of radix
//! `R` reads, for each of the `(2^k / R) · width` *series* `q` of one column's entries that are `2^k / R` rows apart, entry `r` at
//! `q + r · series`; scales it by a power of the root; transforms the `R` entries; and writes entry `r` at `r · D · width`
//! after the series' start. Neighbours read neighbours, and from `D · width = 8` on they write neighbours.

use zkml_device::FieldKind;

use super::{Dialect, ENTRY, Kernel, View, numbers};

/// Logarithm of the largest radix of a pass.
pub const LOG_RADIX: u32 = 8;
/// Logarithm of the entries that a workgroup works on: 16 KiB, which every adapter has.
const LOG_TILE: u32 = 11;

/// Series that a workgroup works on at a time, for a radix of this logarithm.
pub const fn series_at_once(log_radix: u32) -> usize {
    1 << (LOG_TILE - log_radix)
}

/// Numbers of [`pass`]. `powers` holds the powers of the root of exponents below `2^split`, then those of multiples of
/// `2^split`; `log_done` is the logarithm of `D`, and `2^scale · D · R` is the height.
pub const PASS: [&str; 7] = ["series", "width", "log_radix", "log_done", "log_height", "scale", "split"];

/// One pass over a matrix of base-field elements.
pub fn pass(dialect: Dialect) -> Kernel {
    let body = format!(
        "
const TILE = {tile}u;
var<workgroup> tile: array<F, {tile}>;

fn power(exponent: u32, split: u32) -> F {{
    return f_mul(powers_e(exponent & ((1u << split) - 1u)), powers_e((1u << split) + (exponent >> split)));
}}
{ENTRY}{}
    let log_columns = {LOG_TILE}u - log_radix;
    let columns = 1u << log_columns;
    let block = width << log_done;
    for (var first = group.x * columns; first < series; first += groups.x * columns) {{
        for (var i = lane; i < TILE; i += 256u) {{
            let q = first + (i & (columns - 1u));
            let r = i >> log_columns;
            var value = F_ZERO;
            if (q < series) {{
                value = before_e(q + r * series);
                if (log_done > 0u) {{
                    let j = (q / width) & ((1u << log_done) - 1u);
                    value = f_mul(value, power((j * r) << scale, split));
                }}
            }}
            tile[((reverseBits(r) >> (32u - log_radix)) << log_columns) + (i & (columns - 1u))] = value;
        }}
        workgroupBarrier();
        for (var level = 0u; level < log_radix; level++) {{
            let half = 1u << level;
            for (var i = lane; i < TILE / 2u; i += 256u) {{
                let butterfly = i >> log_columns;
                let k = butterfly & (half - 1u);
                let row = ((butterfly >> level) << (level + 1u)) + k;
                let low = (row << log_columns) + (i & (columns - 1u));
                let high = low + (half << log_columns);
                let a = tile[low];
                var b = tile[high];
                if (level > 0u) {{
                    b = f_mul(b, powers_e((1u << split) + (k << (log_height - split - level - 1u))));
                }}
                tile[low] = f_add(a, b);
                tile[high] = f_sub(a, b);
            }}
            workgroupBarrier();
        }}
        for (var i = lane; i < TILE; i += 256u) {{
            let q = first + (i & (columns - 1u));
            if (q < series) {{
                let start = (q / block) * (block << log_radix) + q % block;
                after_set(start + (i >> log_columns) * block, tile[i]);
            }}
        }}
        workgroupBarrier();
    }}
}}",
        numbers(&PASS),
        tile = 1 << LOG_TILE,
    );
    let buffers = [("args", View::Args), ("before", View::Read), ("powers", View::Read), ("after", View::Write)];
    Dialect { field: Some(FieldKind::Goldilocks), ..dialect }.kernel(&buffers, &body)
}
