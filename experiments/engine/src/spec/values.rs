//! The values of an axis: written out, powers of two, and ranges.
//!
//! | in the file and on the command line | short, on the command line | values |
//! |---|---|---|
//! | `{pow2: [4, 8]}` | `2^4..2^8` | 16, 32, 64, 128, 256 |
//! | `{pow2: [0, 8, 2]}` | `2^0..2^8..2^2` | 1, 4, 16, 64, 256 |
//! | `{range: [1, 4]}` | `1..4` | 1, 2, 3, 4 |
//! | `{range: [0, 1, 0.25]}` | `0..1..0.25` | 0, 0.25, 0.5, 0.75, 1 |
//! | `[1, {range: [4, 8, 2]}]` | `1,4..8..2` | 1, 4, 6, 8 |
//!
//! A progression is a map with the one key `pow2` or `range`: no value of an experiment is. It stands for a whole axis or
//! for an item of its list, never deeper, so a text, a list or any other map is a value like any other. Both ends are included.
//! Progressions are held as written and counted by division; they are written out when the cells are made.

use serde_json::{Number, Value};

use super::check::Fault;
use super::error::nearest;
use super::path::KeyPath;
use super::tree::Tree;

/// The key of powers of two.
pub(crate) const POW2: &str = "pow2";
/// The key of a range.
pub(crate) const RANGE: &str = "range";
/// Largest exponent: its power is the largest in 64 bits.
const MAX_EXPONENT: u32 = 63;
/// Most digits behind the decimal point of a range.
const MAX_SCALE: u32 = 18;
/// Most values that an error message lists.
const SHOWN: usize = 8;

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    items: Vec<Item>,
    /// True if the only item stands without a list around it.
    alone: bool,
}

/// One item as written, and what it stands for if that is not itself.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    written: Tree,
    progression: Option<Progression>,
}

/// Numbers at equal distances or ratios.
#[derive(Clone, Debug, PartialEq)]
enum Progression {
    /// `2^first`, `2^(first + step)`, and so on.
    Powers { first: u32, step: u32, count: u128 },
    /// `first`, `first + step`, and so on, in units of `10^-scale`.
    Range { first: i128, step: i128, scale: u32, count: u128 },
}

impl Values {
    /// An axis of the file: a list with one or more items, or a progression.
    pub(crate) fn read(path: &KeyPath, tree: Tree) -> Result<Self, Fault> {
        match tree {
            Tree::List(items) if !items.is_empty() => Self::listed(path, items),
            Tree::Map(_) if is_progression(&tree) => Self::one(path, tree),
            other => {
                let name = path.segments().last().map(ToString::to_string).unwrap_or_default();
                let problem = format!("the axis `{name}` is not a list of values");
                let allowed = "a list with one or more values, `{pow2: [from, to]}`, or `{range: [from, to]}` with an optional step";
                let nearest = long_form(&other).or_else(|| misspelt(&other)).map(String::into_boxed_str);
                Err(Fault { nearest, ..Fault::value(path, problem, other.describe(), allowed) })
            }
        }
    }

    /// Items among which there may be progressions.
    pub(crate) fn listed(path: &KeyPath, items: Vec<Tree>) -> Result<Self, Fault> {
        let read = |(i, item)| Item::read(&path.index(i), item);
        Ok(Self { items: items.into_iter().enumerate().map(read).collect::<Result<_, _>>()?, alone: false })
    }

    /// A value or a progression, without a list around it.
    pub(crate) fn one(path: &KeyPath, tree: Tree) -> Result<Self, Fault> {
        Ok(Self { items: vec![Item::read(path, tree)?], alone: true })
    }

    /// How many values there are, without writing them out.
    pub(crate) fn count(&self) -> u128 {
        self.items.iter().map(Item::count).fold(0, u128::saturating_add)
    }

    /// All values in order.
    pub(crate) fn expand(&self) -> impl Iterator<Item = Tree> + '_ {
        self.items.iter().flat_map(Item::expand)
    }

    /// The values that are written out, each with its position in the written list if there is one.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (Option<usize>, &Tree)> {
        let plain = self.items.iter().enumerate().filter(|(_, item)| item.progression.is_none());
        plain.map(|(i, item)| ((!self.alone).then_some(i), &item.written))
    }

    /// The position in the written list of value number `index`; `None` if there is no list.
    pub(crate) fn item(&self, index: usize) -> Option<usize> {
        let mut end = 0_u128;
        let ends = self.items.iter().map(|item| {
            end = end.saturating_add(item.count());
            end
        });
        let position = ends.take_while(|end| *end <= index as u128).count();
        Some(position).filter(|_| !self.alone)
    }

    /// What [`Values::read`] reads.
    pub(crate) fn written(&self) -> Tree {
        match (self.items.as_slice(), self.alone) {
            ([item], true) => item.written.clone(),
            (items, _) => Tree::List(items.iter().map(|item| item.written.clone()).collect()),
        }
    }

    /// The first values on one line, and how many there are.
    pub(crate) fn shown(&self) -> String {
        let first: Vec<String> = self.expand().take(SHOWN).map(|value| value.short()).collect();
        let count = self.count();
        if count > SHOWN as u128 { format!("{}, ... ({count} values)", first.join(", ")) } else { first.join(", ") }
    }
}

impl Item {
    fn read(path: &KeyPath, written: Tree) -> Result<Self, Fault> {
        let progression = if is_progression(&written) { Some(Progression::read(path, &written)?) } else { None };
        Ok(Self { written, progression })
    }

    fn count(&self) -> u128 {
        match self.progression {
            None => 1,
            Some(Progression::Powers { count, .. } | Progression::Range { count, .. }) => count,
        }
    }

    fn expand(&self) -> Box<dyn Iterator<Item = Tree> + '_> {
        match &self.progression {
            None => Box::new(std::iter::once(self.written.clone())),
            Some(progression) => Box::new((0..self.count()).map_while(|k| progression.value(k))),
        }
    }
}

impl Progression {
    fn read(path: &KeyPath, tree: &Tree) -> Result<Self, Fault> {
        let Tree::Map(entries) = tree else { return Err(Fault::value(path, "no progression", tree.describe(), RANGE)) };
        let [(key, parts)] = entries.as_slice() else {
            let problem = "`pow2` and `range` stand alone in their map";
            return Err(Fault::value(path, problem, tree.describe(), format!("{}; or {}", form(POW2), form(RANGE))));
        };
        let path = path.key(key);
        let parts = match parts {
            Tree::List(parts) if (2..=3).contains(&parts.len()) => parts,
            other => {
                let problem = format!("`{key}` takes a list of two or three numbers");
                return Err(Fault::value(&path, problem, other.describe(), form(key)));
            }
        };
        if key == POW2 { Self::powers(&path, parts) } else { Self::range(&path, parts) }
    }

    fn powers(path: &KeyPath, parts: &[Tree]) -> Result<Self, Fault> {
        let exponent = |(i, part): (usize, &Tree)| match part {
            Tree::Scalar(Value::Number(n)) => {
                let exponent = n.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= MAX_EXPONENT);
                exponent.ok_or_else(|| faulty_part(path, i, part))
            }
            _ => Err(faulty_part(path, i, part)),
        };
        let parts_read = parts.iter().enumerate().map(exponent).collect::<Result<Vec<_>, _>>()?;
        match *parts_read.as_slice() {
            [first, last] if first <= last => Ok(Self::Powers { first, step: 1, count: u128::from(last - first) + 1 }),
            [first, last, step] if first <= last && step > 0 => {
                Ok(Self::Powers { first, step, count: u128::from((last - first) / step) + 1 })
            }
            _ => Err(empty(path, parts)),
        }
    }

    fn range(path: &KeyPath, parts: &[Tree]) -> Result<Self, Fault> {
        let number = |(i, part): (usize, &Tree)| match part {
            Tree::Scalar(Value::Number(n)) => Decimal::read(&n.to_string()).ok_or_else(|| faulty_part(path, i, part)),
            _ => Err(faulty_part(path, i, part)),
        };
        let numbers = parts.iter().enumerate().map(number).collect::<Result<Vec<_>, _>>()?;
        let scale = numbers.iter().map(|n| n.scale).max().unwrap_or(0);
        let units = numbers.iter().enumerate().map(|(i, n)| {
            n.units_at(scale).ok_or_else(|| faulty_part(path, i, parts.get(i).unwrap_or(&Tree::Scalar(Value::Null))))
        });
        let (first, last, step) = match *units.collect::<Result<Vec<_>, _>>()?.as_slice() {
            [first, last] => (first, last, 10_i128.checked_pow(scale).unwrap_or(0)),
            [first, last, step] => (first, last, step),
            _ => return Err(empty(path, parts)),
        };
        let steps = last.checked_sub(first).filter(|span| *span >= 0 && step > 0).map(|span| span / step);
        let count = steps.and_then(|n| u128::try_from(n).ok()).ok_or_else(|| empty(path, parts))?;
        Ok(Self::Range { first, step, scale, count: count.saturating_add(1) })
    }

    fn value(&self, k: u128) -> Option<Tree> {
        let number = match *self {
            Self::Powers { first, step, .. } => {
                let exponent = step.checked_mul(u32::try_from(k).ok()?)?.checked_add(first)?;
                Number::from(1_u64.checked_shl(exponent)?)
            }
            Self::Range { first, step, scale, .. } => {
                let units = i128::try_from(k).ok()?.checked_mul(step)?.checked_add(first)?;
                Decimal { units, scale }.number()?
            }
        };
        Some(Tree::Scalar(Value::Number(number)))
    }
}

/// True if a value is meant as a progression.
pub(crate) fn is_progression(tree: &Tree) -> bool {
    tree.entry(POW2).or_else(|| tree.entry(RANGE)).is_some()
}

fn form(key: &str) -> String {
    if key == POW2 {
        format!(
            "`{{pow2: [from, to]}}` or `{{pow2: [from, to, step]}}`, exponents from 0 to {MAX_EXPONENT}, from <= to, step > 0"
        )
    } else {
        format!(
            "`{{range: [from, to]}}` or `{{range: [from, to, step]}}`, numbers of at most {MAX_SCALE} decimals, from <= to, step > 0"
        )
    }
}

fn kind(path: &KeyPath) -> String {
    path.segments().last().map(ToString::to_string).unwrap_or_default()
}

fn faulty_part(path: &KeyPath, i: usize, part: &Tree) -> Fault {
    let (key, name) = (kind(path), ["from", "to", "step"].get(i).copied().unwrap_or("step"));
    Fault::value(&path.index(i), format!("`{name}` of `{key}` cannot be used"), part.describe(), form(&key))
}

fn empty(path: &KeyPath, parts: &[Tree]) -> Fault {
    let found = format!("[{}]", parts.iter().map(Tree::short).collect::<Vec<_>>().join(", "));
    Fault::value(path, format!("`{}` counts up, and this has no values", kind(path)), found, form(&kind(path)))
}

/// What the short form in a text would be in a file; for hints.
pub(crate) fn long_form(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Scalar(Value::String(text)) => Some(short_form(text)?.ok()?.short()),
        _ => None,
    }
}

fn misspelt(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Map(entries) => match entries.as_slice() {
            [(key, _)] => nearest(key, [POW2, RANGE]),
            _ => None,
        },
        _ => None,
    }
}

/// What the command line adds: `2^4..2^8`, `1..10`, `0..1..0.25` and `2^10`. `None` for any other text.
pub(crate) fn short_form(text: &str) -> Option<Result<Tree, String>> {
    let power = |part: &str| part.strip_prefix("2^").and_then(|n| n.parse::<u32>().ok());
    let number = |part: &str| serde_json::from_str::<Number>(part).ok();
    let parts: Vec<&str> = text.split("..").collect();
    if let [one] = parts.as_slice() {
        let exponent = power(one)?;
        let value = 1_u64.checked_shl(exponent).ok_or_else(|| format!("2^{exponent} is more than 2^{MAX_EXPONENT}"));
        return Some(value.map(|n| Tree::Scalar(n.into())));
    }
    let map = |key: &str, parts: Vec<Value>| {
        let parts = parts.into_iter().map(Tree::Scalar).collect();
        Tree::Map(vec![(key.to_owned(), Tree::List(parts))])
    };
    if parts.len() > 3 || !parts.iter().all(|part| power(part).is_some() || number(part).is_some()) {
        return None;
    }
    let powers: Option<Vec<Value>> = parts.iter().map(|part| power(part).map(Value::from)).collect();
    let numbers: Option<Vec<Value>> = parts.iter().map(|part| number(part).map(Value::Number)).collect();
    Some(match (powers, numbers) {
        (Some(powers), _) => Ok(map(POW2, powers)),
        (_, Some(numbers)) => Ok(map(RANGE, numbers)),
        _ => Err("it mixes powers of two with other numbers (powers: 2^0..2^8..2^2, others: 0..100..10)".to_owned()),
    })
}

/// `units * 10^-scale`, without trailing zeros behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Reads the text of a JSON number; `None` if it has more digits than are kept.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut units: i128 = format!("{whole}{fraction}").parse().ok()?;
        let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        while scale > 0 && units % 10 == 0 {
            (units, scale) = (units / 10, scale - 1);
        }
        if scale < 0 {
            units = units.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?;
            scale = 0;
        }
        let scale = u32::try_from(scale).ok().filter(|s| *s <= MAX_SCALE)?;
        Some(Self { units, scale })
    }

    fn units_at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// The number, whole if it can be.
    fn number(self) -> Option<Number> {
        let whole = 10_i128.checked_pow(self.scale)?;
        if self.units % whole == 0 {
            let units = self.units / whole;
            let small = i64::try_from(units).map(Number::from).or_else(|_| u64::try_from(units).map(Number::from));
            return small.ok().or_else(|| Number::from_f64(units.to_string().parse().ok()?));
        }
        Number::from_f64(format!("{}e-{}", self.units, self.scale).parse().ok()?)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.scale == 0 { self.units.fmt(f) } else { write!(f, "{}e-{}", self.units, self.scale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Values, Fault> {
        Values::read(&KeyPath::default().key("matrix").key("input.rows"), super::super::yaml::parse(text).unwrap())
    }

    fn values(text: &str) -> String {
        let values = read(text).unwrap();
        let shown: Vec<String> = values.expand().map(|v| v.short()).collect();
        assert_eq!(shown.len() as u128, values.count(), "{text}");
        assert_eq!(read(&values.written().short()).unwrap(), values, "{text}");
        shown.join(" ")
    }

    #[test]
    fn progressions_include_both_ends() {
        assert_eq!(values("{pow2: [4, 8]}"), "16 32 64 128 256");
        assert_eq!(values("{pow2: [0, 8, 2]}"), "1 4 16 64 256");
        assert_eq!(values("{pow2: [0, 7, 2]}"), "1 4 16 64");
        assert_eq!(values("{pow2: [63, 63]}"), "9223372036854775808");
        assert_eq!(values("{range: [1, 4]}"), "1 2 3 4");
        assert_eq!(values("{range: [0, 100, 25]}"), "0 25 50 75 100");
        assert_eq!(values("{range: [-3, 3, 4]}"), "-3 1");
        assert_eq!(values("{range: [5, 5]}"), "5");
        assert_eq!(values("[1, {range: [4, 8, 2]}, {pow2: [4, 5]}]"), "1 4 6 8 16 32");
    }

    #[test]
    fn decimal_steps_are_exact() {
        assert_eq!(values("{range: [0, 1, 0.1]}"), "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1");
        assert_eq!(values("{range: [1e-5, 3e-5, 1e-5]}"), "0.00001 0.00002 0.00003");
        assert_eq!(values("{range: [0.5, 3]}"), "0.5 1.5 2.5");
        assert_eq!(values("{range: [1.0, 3.0]}"), "1 2 3");
    }

    #[test]
    fn texts_lists_and_other_maps_stay_what_they_are() {
        assert_eq!(values("['1..3', a..b.npy, 2^4..2^8]"), "1..3 a..b.npy 2^4..2^8");
        assert_eq!(
            values("[{logkr: {form: square}}, [1, {range: [1, 2]}]]"),
            "{logkr: {form: square}} [1, {range: [1, 2]}]"
        );
    }

    #[test]
    fn lengths_are_counted_without_writing_them_out() {
        assert_eq!(read("{range: [0, 1000000000000000000, 1e-9]}").unwrap().count(), 10_u128.pow(27) + 1);
        assert_eq!(read("{range: [-1e19, 1e19]}").unwrap().count(), 2 * 10_u128.pow(19) + 1);
        let mixed = read("[1, {range: [4, 8, 2]}, 9]").unwrap();
        assert_eq!((0..5).map(|i| mixed.item(i).unwrap()).collect::<Vec<_>>(), [0, 1, 1, 1, 2]);
        assert_eq!(read("{pow2: [0, 3]}").unwrap().item(2), None);
        assert_eq!(read("{range: [1, 100]}").unwrap().shown(), "1, 2, 3, 4, 5, 6, 7, 8, ... (100 values)");
    }

    #[test]
    fn faulty_progressions_say_where_and_what_is_allowed() {
        let fault = |text: &str| {
            let fault = read(text).unwrap_err();
            format!("{}: {} ({})", fault.path, fault.problem, fault.found)
        };
        let cases = [
            ("{pow2: 4}", "matrix.input.rows.pow2: `pow2` takes a list of two or three numbers (the number 4)"),
            ("{pow2: [1, 64]}", "matrix.input.rows.pow2.1: `to` of `pow2` cannot be used (the number 64)"),
            ("{pow2: [-1, 4]}", "matrix.input.rows.pow2.0: `from` of `pow2` cannot be used (the number -1)"),
            ("{pow2: [4, 8, 0]}", "matrix.input.rows.pow2: `pow2` counts up, and this has no values ([4, 8, 0])"),
            ("{range: [1]}", "matrix.input.rows.range: `range` takes a list of two or three numbers (a list of 1)"),
            ("{range: [1, ten]}", "matrix.input.rows.range.1: `to` of `range` cannot be used (the text `ten`)"),
            ("{range: [9, 1]}", "matrix.input.rows.range: `range` counts up, and this has no values ([9, 1])"),
            ("{range: [1, 9, -1]}", "matrix.input.rows.range: `range` counts up, and this has no values ([1, 9, -1])"),
            (
                "{range: [0, 1, 1e-19]}",
                "matrix.input.rows.range.2: `step` of `range` cannot be used (the number 1e-19)",
            ),
            ("{range: [0, 1e300]}", "matrix.input.rows.range.1: `to` of `range` cannot be used (the number 1e+300)"),
            ("[1, {range: [9, 1]}]", "matrix.input.rows.1.range: `range` counts up, and this has no values ([9, 1])"),
            (
                "{range: [1, 2], pow2: [1, 2]}",
                "matrix.input.rows: `pow2` and `range` stand alone in their map (a map with the keys range, pow2)",
            ),
            ("[]", "matrix.input.rows: the axis `input.rows` is not a list of values (a list of 0)"),
        ];
        for (text, expected) in cases {
            assert_eq!(fault(text), expected, "{text}");
        }
        let nearest = |text: &str| read(text).unwrap_err().nearest.map(String::from);
        assert_eq!(nearest("2^4..2^8").as_deref(), Some("{pow2: [4, 8]}"));
        assert_eq!(nearest("{rnage: [1, 2]}").as_deref(), Some("range"));
    }

    #[test]
    fn short_forms_are_read_strictly() {
        let short = |text: &str| short_form(text).map(|r| r.map(|t| t.short()));
        let is = |text: &str, long: &str| assert_eq!(short(text), Some(Ok(long.to_owned())), "{text}");
        is("2^4..2^8", "{pow2: [4, 8]}");
        is("2^0..2^8..2^2", "{pow2: [0, 8, 2]}");
        is("1..10", "{range: [1, 10]}");
        is("-1..10..3", "{range: [-1, 10, 3]}");
        is("0..1..0.25", "{range: [0, 1, 0.25]}");
        is("2^10", "1024");
        for text in ["a..b.npy", "1..", "..3", "1...3", "1..2..3..4", "2^", "x^2", "'1..3'", "007..009", "1-3", ".", ""]
        {
            assert_eq!(short(text), None, "{text}");
        }
        assert!(short("2^4..100").unwrap().unwrap_err().contains("mixes"));
        assert!(short("2^64").unwrap().unwrap_err().contains("more than 2^63"));
    }

    #[test]
    fn no_key_of_an_experiment_is_called_like_a_progression() {
        fn keys(schema: &Value, found: &mut Vec<String>) {
            match schema {
                Value::Object(map) => map.iter().for_each(|(key, value)| {
                    if key == "properties" {
                        found.extend(value.as_object().into_iter().flat_map(|p| p.keys().cloned()));
                    }
                    keys(value, found);
                }),
                Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
                _ => {}
            }
        }
        let mut schema = super::super::schema::schema().clone();
        schema["properties"].as_object_mut().unwrap().remove("matrix");
        let mut found = Vec::new();
        keys(&schema, &mut found);
        assert!(found.len() > 50 && !found.iter().any(|key| key == POW2 || key == RANGE), "{found:?}");
        let top = schema["properties"].as_object().unwrap();
        assert!(!top.contains_key("zip") && !top.contains_key("exclude"));
    }
}
