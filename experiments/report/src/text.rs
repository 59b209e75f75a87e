//! Numbers with units, and names from files as they are shown.

use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

static FONT: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::new(dejavu::sans::regular()).ok());

/// Width of a text in pixels, in DejaVu Sans, which is wider than what most readers' systems take for `sans-serif`.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let Some(font) = FONT.as_ref() else { return text.chars().count() as f64 * 0.7 * size };
    let glyphs = font.charmap();
    let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
    let em = f64::from(font.metrics(Size::unscaled(), LocationRef::default()).units_per_em.max(1));
    let advance = |c: char| glyphs.map(c).and_then(|g| metrics.advance_width(g)).map_or(1.0, |a| f64::from(a) / em);
    text.chars().map(advance).sum::<f64>() * size
}

/// The text if it fits, or its beginning with an ellipsis.
pub(crate) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = width("…", size);
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]), size);
        if used > room {
            break;
        }
        short.push(c);
    }
    format!("{}…", short.trim_end())
}

/// A name without what neither XML nor a line of a picture can hold.
pub(crate) fn printable(name: &str) -> String {
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().map(|c| if odd(c) { '\u{FFFD}' } else { c }).collect()
}

/// Three significant digits.
fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.9995 => format!("{value:.2}"),
        v if v >= 0.099_95 => format!("{value:.3}"),
        0.0 => "0".to_owned(),
        v if v >= 1e-4 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

/// Seconds as `27.1 ms`.
pub(crate) fn time(seconds: f64) -> String {
    match seconds.abs() {
        s if s >= 0.9995 => format!("{} s", digits(seconds)),
        s if s >= 0.000_999_5 => format!("{} ms", digits(seconds * 1e3)),
        s if s > 0.0 => format!("{} µs", digits(seconds * 1e6)),
        _ => "0 s".to_owned(),
    }
}

/// A median with its spread, in one unit and to one digit: `27.1 ± 3.7 ms`.
pub(crate) fn spread(median: f64, spread: f64) -> String {
    let shown = time(median);
    let Some((number, unit)) = shown.split_once(' ').filter(|_| spread.is_finite()) else { return shown };
    let decimals = number.split_once('.').map_or(0, |(_, d)| d.len());
    let one =
        [(" s", 1.0), (" ms", 1e3), (" µs", 1e6)].iter().find(|(u, _)| u.trim_start() == unit).map_or(1.0, |u| u.1);
    format!("{number} ± {:.decimals$} {unit}", spread * one)
}

/// Two ends of a range, with the unit once if they share it.
pub(crate) fn range(low: &str, high: &str) -> String {
    if low == high {
        return low.to_owned();
    }
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} – {high}"),
        _ => format!("{low} – {high}"),
    }
}

/// Bytes as `161 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes.abs() {
        b if b >= 1023.5 * 1_048_576.0 => format!("{} GiB", digits(bytes / 1_073_741_824.0)),
        b if b >= 1023.5 * 1024.0 => format!("{} MiB", digits(bytes / 1_048_576.0)),
        b if b >= 1024.0 => format!("{} KiB", digits(bytes / 1024.0)),
        _ => format!("{bytes:.0} B"),
    }
}

/// Numbers of things as `1.50 M`.
pub(crate) fn count(number: f64) -> String {
    match number.abs() {
        n if n >= 999.5e9 => format!("{number:.2e}"),
        n if n >= 999.5e6 => format!("{} G", digits(number / 1e9)),
        n if n >= 999.5e3 => format!("{} M", digits(number / 1e6)),
        n if n >= 9.995e3 => format!("{} k", digits(number / 1e3)),
        _ if number.fract().abs() < 1e-9 => format!("{number:.0}"),
        _ => digits(number),
    }
}

/// Quantisation steps.
pub(crate) fn steps(number: f64) -> String {
    digits(number)
}

/// A factor as `484 ×`.
pub(crate) fn factor(number: f64) -> String {
    if number.abs() >= 9.995e3 { format!("{} ×", count(number)) } else { format!("{} ×", digits(number)) }
}

/// Bits of soundness.
pub(crate) fn bits(number: f64) -> String {
    if number.is_finite() { format!("{number:.1}") } else { "no error".to_owned() }
}

/// Two decimals, with a real minus, and none for zero.
pub(crate) fn signed(number: f64) -> String {
    let text = format!("{:.2}", number.abs());
    if number < 0.0 && text != "0.00" { format!("−{text}") } else { text }
}

/// `1 cell`, `2 cells`.
pub(crate) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The last part of a path in an experiment, which says what it is: `rows` of `input.rows`.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A value of an axis as people write it: `{logkr: {form: square}}` is `logkr (form: square)`, and
/// `{einsum: sumcheck, lookup: logkr}` is `sumcheck + logkr`.
pub(crate) fn value(text: &str) -> String {
    let text = printable(text.trim());
    let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else { return dimensions(text) };
    let entries = top_level(inner);
    let pairs: Vec<(&str, &str)> = entries.iter().filter_map(|e| e.split_once(": ")).collect();
    if pairs.len() != entries.len() {
        return text.clone();
    }
    match pairs[..] {
        [("einsum", einsum), ("lookup", lookup)] | [("lookup", lookup), ("einsum", einsum)] => {
            format!("{} + {}", value(einsum), value(lookup))
        }
        [("einsum" | "lookup", only)] => value(only),
        [(name, options)] if options.starts_with('{') && options.ends_with('}') => {
            format!("{name} ({})", &options[1..options.len() - 1])
        }
        _ => inner.to_owned(),
    }
}

/// The entries of a list that is in no bracket.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut entries) = (0i32, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    entries.push(list[start..].trim());
    entries
}

/// The shape of a generated tensor, `normal:64x64:1`, if it is one.
pub(crate) fn generated(text: &str) -> Option<Vec<usize>> {
    let mut parts = text.split(':');
    let (kind, shape) = (parts.next()?, parts.next()?);
    if !kind.chars().all(|c| c.is_ascii_lowercase()) || parts.next()?.parse::<u64>().is_err() || parts.next().is_some()
    {
        return None;
    }
    shape.split('x').map(|d| d.parse().ok()).collect()
}

fn dimensions(text: String) -> String {
    let Some(shape) = generated(&text) else { return text };
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units_and_three_digits() {
        assert_eq!(
            [time(0.012_345), time(2.0), time(0.000_5), time(0.25), time(99.96)],
            ["12.3 ms", "2.00 s", "500 µs", "250 ms", "100 s"]
        );
        assert_eq!(
            [bytes(512.0), bytes(20_480.0), bytes(3_145_728.0), bytes(165_268.0)],
            ["512 B", "20.0 KiB", "3.00 MiB", "161 KiB"]
        );
        assert_eq!([count(12.0), count(12_345.0), count(1.5e9), count(0.5)], ["12", "12.3 k", "1.50 G", "0.500"]);
        assert_eq!(
            [spread(0.0271, 0.003_69), spread(0.0199, 0.000_487), spread(0.0, 0.0)],
            ["27.1 ± 3.7 ms", "19.9 ± 0.5 ms", "0 ± 0 s"]
        );
        assert_eq!(
            [range("1 ms", "2 ms"), range("1 ms", "2 s"), range("105.0", "105.0")],
            ["1 – 2 ms", "1 ms – 2 s", "105.0"]
        );
        assert_eq!([signed(-0.001), signed(-1.5), signed(0.984)], ["0.00", "−1.50", "0.98"]);
    }

    #[test]
    fn values_of_axes_are_shown_as_people_write_them() {
        assert_eq!(value("logkr"), "logkr");
        assert_eq!(value("{logkr: {form: square}}"), "logkr (form: square)");
        assert_eq!(value("{einsum: sumcheck, lookup: {logkr: {form: product}}}"), "sumcheck + logkr (form: product)");
        assert_eq!(value("normal:64x32:1"), "64 × 32");
        assert_eq!(value("{odd"), "{odd");
        assert_eq!(value("{a, b}"), "{a, b}");
        assert_eq!(value("{}"), "{}");
        assert_eq!(value("{é: {ü"), "{é: {ü");
    }

    #[test]
    fn long_names_are_cut_to_the_room() {
        let name = "x".repeat(300);
        assert!(width(&fitted(&name, 13.0, 120.0), 13.0) <= 120.0 && width(&name, 13.0) > 2000.0);
        assert_eq!(fitted("short", 13.0, 120.0), "short");
        assert_eq!(printable("a\u{1}b\nc\u{202E}"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}");
    }
}
