//! Generated tensors: `normal:1536x784:1` is a tensor of shape `[1536, 784]` of normal numbers, from seed 1.
//!
//! Their standard deviation is `sqrt(2 / n)`, `n` being the product of all lengths but the first: that of He's
//! initialisation if rows are outputs. Deviates are sums of twelve uniform ones, so that every machine makes the same
//! numbers to the last bit.

use zkml_import::Array;

/// Most values of a generated tensor.
const MAX_VALUES: usize = 1 << 27;

/// The tensor that a name describes; `None` if it is no such name, an error if it is a wrong one.
pub fn parse(name: &str) -> Option<Result<Array, String>> {
    let rest = name.strip_prefix("normal:")?;
    let parts = rest.split_once(':').and_then(|(shape, seed)| {
        let shape: Option<Vec<usize>> = shape.split('x').map(|n| n.parse().ok().filter(|&n| n > 0)).collect();
        Some((shape?, seed.parse().ok()?))
    });
    let Some((shape, seed)) = parts else {
        return Some(Err(format!("`{name}` is not of the form `normal:LENGTHxLENGTH:SEED`, e.g. `normal:10x64:1`")));
    };
    let cells = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)).filter(|&n| n <= MAX_VALUES);
    let Some(cells) = cells else { return Some(Err(format!("`{name}` has more than {MAX_VALUES} values"))) };
    Some(Ok(Array { source: name.to_owned(), values: normal(cells, fan_in(&shape), seed), shape }))
}

/// True if a name asks for a generated tensor.
pub fn is_generated(name: &str) -> bool {
    name.starts_with("normal:")
}

fn fan_in(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

/// SplitMix64 (Steele, Lea, Flood 2014); four 16-bit uniforms per output.
fn normal(count: usize, fan_in: usize, seed: u64) -> Vec<f64> {
    let deviation = (2.0 / fan_in.max(1) as f64).sqrt();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut uniforms = || {
        (0..4)
            .map({
                let bits = next();
                move |k| f64::from((bits >> (16 * k)) as u16) / 65536.0
            })
            .sum::<f64>()
    };
    (0..count).map(|_| (uniforms() + uniforms() + uniforms() - 6.0) * deviation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_normal_and_the_same_everywhere() {
        let array = parse("normal:200x50:3").unwrap().unwrap();
        assert_eq!(array.shape, [200, 50]);
        let n = array.values.len() as f64;
        let mean = array.values.iter().sum::<f64>() / n;
        let variance = array.values.iter().map(|v| v * v).sum::<f64>() / n;
        assert!(mean.abs() < 0.01 && (variance * 25.0 - 1.0).abs() < 0.05, "{mean} {variance}");
        assert_eq!(parse("normal:200x50:3").unwrap().unwrap(), array);
        assert_ne!(parse("normal:200x50:4").unwrap().unwrap().values, array.values);
    }

    #[test]
    fn wrong_names_say_what_is_right() {
        assert!(parse("weights").is_none());
        for name in
            ["normal:", "normal:3x", "normal:3x4", "normal:0x4:1", "normal:3x4:-1", "normal:99999999x99999999:1"]
        {
            assert!(parse(name).unwrap().is_err(), "{name}");
        }
    }
}
