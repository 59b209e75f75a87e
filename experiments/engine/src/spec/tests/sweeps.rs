//! Sweeps: values of axes, zipped axes, what is left out, overrides of all of it, and large matrices.

use std::fmt::Write as _;

use super::{BASE, document, errors};
use crate::spec::{Cell, Document, Experiment, MANY_CELLS, MAX_CELLS};

fn labels(text: &str, overrides: &[&str]) -> Vec<String> {
    let document = document(text, overrides).unwrap_or_else(|e| panic!("{overrides:?}\n{e}"));
    let cells = document.cells().unwrap_or_else(|e| panic!("{overrides:?}\n{e}")).0;
    assert_eq!(document.count().unwrap(), cells.len());
    cells.iter().map(Cell::label).collect()
}

fn matrix(lines: &str) -> String {
    let lines: Vec<String> = lines.lines().map(|line| format!("  {line}\n")).collect();
    format!("{BASE}matrix:\n{}", lines.concat())
}

fn rows(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|n| format!("input.rows={n}")).collect()
}

#[test]
fn progressions_mean_the_same_in_the_file_and_on_the_command_line() {
    let cases: [(&str, &[&str], &[u32]); 5] = [
        ("{pow2: [4, 7]}", &["{pow2: [4, 7]}", "2^4..2^7", "16,2^5,64..128..64"], &[16, 32, 64, 128]),
        ("{pow2: [0, 8, 2]}", &["{pow2: [0, 8, 2]}", "2^0..2^8..2^2"], &[1, 4, 16, 64, 256]),
        ("{range: [1, 4]}", &["{range: [1, 4]}", "1..4", "1,2..4"], &[1, 2, 3, 4]),
        ("[1, {range: [4, 9, 2]}]", &["1,4..9..2", "1,{range: [4, 9, 2]}"], &[1, 4, 6, 8]),
        ("{range: [5, 5]}", &["5..5", "{range: [5, 5]}"], &[5]),
    ];
    for (written, typed, expected) in cases {
        assert_eq!(labels(&matrix(&format!("input.rows: {written}")), &[]), rows(expected), "{written}");
        for typed in typed {
            assert_eq!(labels(BASE, &[&format!("input.rows={typed}")]), rows(expected), "{typed}");
            assert_eq!(labels(BASE, &[&format!("matrix.input.rows={typed}")]), rows(expected), "{typed}");
        }
    }
}

#[test]
fn values_that_look_like_progressions_stay_what_they_are() {
    let text = matrix("input.file: [a..b.npy, 2^4..2^8, '1..3']");
    assert_eq!(labels(&text, &[]), ["input.file=a..b.npy", "input.file=2^4..2^8", "input.file=1..3"]);
    assert_eq!(labels(BASE, &["input.file=a..b.npy"]), ["single cell"]);
    assert_eq!(labels(BASE, &["input.file='1..3','2..4'"]), ["input.file=1..3", "input.file=2..4"]);
    let text = matrix("input.shape: [[64, 384], [32, 384]]\nmodel.0.protocol: [{logkr: {form: square}}, reveal]");
    assert_eq!(labels(&text, &[]).len(), 4);
    assert_eq!(labels(BASE, &["input.shape=[64, 384]"]), ["single cell"]);
    assert_eq!(labels(BASE, &["model.0.rmsnorm.eps=0.25..0.75..0.25"])[1], "model.0.rmsnorm.eps=0.5");
}

#[test]
fn faulty_values_of_an_axis_are_shown_at_their_place() {
    assert_eq!(
        errors(&matrix("input.rows: {range: [9, 1]}"), &[]),
        "\
test.yaml:9:23: `range` counts up, and this has no values
  9 |   input.rows: {range: [9, 1]}
    |                       ^
  key:      matrix.input.rows.range
  found:    [9, 1]
  allowed:  `{range: [from, to]}` or `{range: [from, to, step]}`, numbers of at most 18 decimals, from <= to, step > 0"
    );
    let shown = errors(&matrix("input.rows: 2^4..2^8"), &[]);
    assert!(shown.starts_with("test.yaml:9:15: the axis `input.rows` is not a list of values\n"), "{shown}");
    assert!(shown.ends_with("nearest:  {pow2: [4, 8]}"), "{shown}");
    let shown = errors(&matrix("input.rows: [1, 4..8]"), &[]);
    assert!(shown.starts_with("test.yaml:9:19: wrong type at `input.rows`\n"), "{shown}");
    assert!(shown.ends_with("nearest:  {range: [4, 8]}"), "{shown}");
    let shown = errors(&matrix("input.rows: [16, {range: [0, 1]}]"), &[]);
    assert!(shown.starts_with("test.yaml:9:20: `input.rows` is out of range\n"), "{shown}");
    let shown = errors(BASE, &["input.rows=8..1"]);
    assert!(shown.starts_with("test.yaml, command line `input.rows=8..1`: `range` counts up"), "{shown}");
    let shown = errors(&matrix("input.rows: [1, {range: [1, 3]}]"), &[]);
    assert!(shown.starts_with("test.yaml:9:19: `input.rows` has a value twice\n"), "{shown}");
    assert!(shown.contains("found:    1 as value 1 and as value 2"), "{shown}");
    assert!(
        errors(BASE, &["suite=bn254,bn254"]).contains("command line `suite=bn254,bn254`: `suite` has a value twice")
    );
    let shown = errors(&matrix("input.rows: [1]\nmodel.0.protocol: [logkr]\nmodel.rmsnorm.protocol: [reveal]"), &[]);
    assert!(
        shown.starts_with("test.yaml:11:3: the axes `model.0.protocol` and `model.rmsnorm.protocol` are the same"),
        "{shown}"
    );
}

const EXCLUDING: &str = "\
suite: [goldilocks, bn254]
input.rows: {pow2: [8, 10]}
model.0.protocol: [logkr, {logkr: {form: product}}]
";

fn excluding(entries: &str) -> String {
    matrix(&format!("{EXCLUDING}exclude: {entries}"))
}

#[test]
fn excluded_combinations_are_left_out() {
    let all = labels(&matrix(EXCLUDING), &[]);
    assert_eq!(all.len(), 12);
    let without = |parts: &[&[&str]]| -> Vec<String> {
        let out = |label: &str| parts.iter().any(|entry| entry.iter().all(|part| label.split(' ').any(|p| p == *part)));
        all.iter().filter(|label| !out(label)).cloned().collect()
    };
    assert_eq!(labels(&excluding("[{suite: bn254}]"), &[]), without(&[&["suite=bn254"]]));
    let one = without(&[&["suite=bn254", "input.rows=1024"]]);
    assert_eq!(one.len(), 10);
    assert_eq!(labels(&excluding("[{suite: bn254, input.rows: 1024}]"), &[]), one);
    assert_eq!(labels(&excluding("[{input.rows: 1024.0, suite: bn254}]"), &[]), one);
    assert_eq!(
        labels(&excluding("[{suite: bn254, input.rows: 1024}, {model.rmsnorm.protocol: logkr}]"), &[]),
        without(&[&["suite=bn254", "input.rows=1024"], &["model.0.protocol=logkr"]])
    );
    let several = without(&[&["suite=bn254", "input.rows=512"], &["suite=bn254", "input.rows=1024"]]);
    assert_eq!(labels(&excluding("[{suite: bn254, input.rows: {pow2: [9, 20]}}]"), &[]), several);
    let product = labels(&excluding("[{model.0.protocol: {logkr: {form: product}}}]"), &[]);
    assert_eq!(
        product,
        labels(&matrix(EXCLUDING), &["model.0.protocol=logkr"])
            .iter()
            .map(|l| format!("{l} model.0.protocol=logkr"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn maps_are_compared_in_any_order_and_options_as_text() {
    let text = matrix(
        "model.0.protocol: [{einsum: sumcheck, lookup: logkr}, {lasso: {chunks: '1'}}, reveal]\n\
         exclude: [{model.0.protocol: {lookup: logkr, einsum: sumcheck}}, {model.0.protocol: {lasso: {chunks: 1}}}]",
    );
    assert_eq!(labels(&text, &[]), ["model.0.protocol=reveal"]);
}

#[test]
fn an_exclude_that_matches_nothing_names_entry_line_and_values() {
    let text = excluding("\n    - {suite: bn254}\n    - {suite: goldilocks, input.rows: 2048}");
    assert_eq!(
        errors(&text, &[]),
        "\
test.yaml:14:41: the entry {suite: goldilocks, input.rows: 2048} of `exclude` matches no cell
  14 |       - {suite: goldilocks, input.rows: 2048}
     |                                         ^
  key:      matrix.exclude.1.input.rows
  found:    input.rows: 2048
  allowed:  values of `input.rows`: 256, 512, 1024"
    );
    assert_eq!(
        errors(&excluding("[{input.row: 256}]"), &[]),
        "\
test.yaml:12:14: `input.row` is no axis of the matrix
  12 |   exclude: [{input.row: 256}]
     |              ^
  key:      matrix.exclude.0.input.row
  found:    `input.row`
  allowed:  suite, input.rows, model.0.protocol
  nearest:  input.rows"
    );
    let shown = errors(&excluding("[{suite: bn254}, {suite: goldilocks}]"), &[]);
    assert!(shown.starts_with("test.yaml:12:12: `exclude` leaves no cell\n"), "{shown}");
    assert!(shown.contains("every one of the 12 combinations matches an entry"), "{shown}");
    let shown = errors(&excluding("[{suite: bn25}]"), &[]);
    assert!(shown.contains("allowed:  values of `suite`: goldilocks, bn254\n  nearest:  bn254"), "{shown}");
    let shown =
        errors(&excluding("[{model.0.protocol: logkr, model.rmsnorm.protocol: {logkr: {form: product}}}]"), &[]);
    assert!(shown.contains("found:    values that no cell has together"), "{shown}");
    assert!(errors(&excluding("[{}]"), &[]).contains("wrong type at `matrix.exclude.0`"));
    assert!(errors(&excluding("{suite: bn254}"), &[]).contains("a list of maps from axes to values"));
    assert!(errors(&excluding("[{input.rows: {range: [1, 1e9]}}]"), &[]).contains("too many values to leave out"));
    assert!(errors(&excluding("[{input.rows: {range: [2, 1]}}]"), &[]).contains("counts up"));
    assert!(errors(&excluding("[{model.7.protocol: logkr}]"), &[]).contains("there is no `model.7.protocol`"));
}

#[test]
fn zipped_axes_take_progressions_and_are_excluded_together() {
    let text =
        matrix("zip:\n  input.rows: {pow2: [4, 6]}\n  input.skip: [0, {range: [5, 6]}]\nsuite: [goldilocks, bn254]");
    assert_eq!(labels(&text, &[])[2], "input.rows=32 input.skip=5 suite=goldilocks");
    assert_eq!(labels(&text, &[]).len(), 6);
    let uneven = text.replace("[5, 6]", "[5, 7]");
    let shown = errors(&uneven, &[]);
    assert!(shown.contains("`input.skip` has another length") && shown.contains("found:    4 values"), "{shown}");
    assert!(shown.starts_with("test.yaml:11:"), "{shown}");
    let left = labels(&format!("{text}\n  exclude: [{{input.skip: 5, suite: bn254}}]\n"), &[]);
    assert_eq!(left.len(), 5);
    let shown = errors(&format!("{text}\n  exclude: [{{input.rows: 16, input.skip: 5}}]\n"), &[]);
    assert!(shown.contains("input.rows: 16, 32, 64; input.skip: 0, 5, 6"), "{shown}");
    assert!(shown.starts_with("test.yaml:14:13: the entry {input.rows: 16, input.skip: 5}"), "{shown}");

    let zipped = labels(&text, &["matrix.zip.input.skip=7,8,9"]);
    assert_eq!(zipped[5], "input.rows=64 input.skip=9 suite=bn254");
    let both = labels(&text, &["matrix.zip.input.skip=7..8", "matrix.zip.input.rows=2^1..2^2"]);
    assert_eq!(both.len(), 4);
    assert!(both[3].contains("input.rows=4") && both[3].contains("input.skip=8"), "{both:?}");
    let shown = errors(&text, &["matrix.zip.input.skip=7,8"]);
    assert!(shown.starts_with("test.yaml, command line `matrix.zip.input.skip=7,8`: zipped axes"), "{shown}");
    assert_eq!(labels(&text, &["matrix.zip=null"]), ["suite=goldilocks", "suite=bn254"]);
    assert_eq!(labels(&text, &["matrix.zip={input.rows: [1, 2], input.skip: [3, 4]}"]).len(), 4);
    assert_eq!(labels(&text, &["matrix=null"]), ["single cell"]);
    assert_eq!(labels(&text, &["matrix={input.rows: {pow2: [1, 3]}}", "suite=bn254"]), rows(&[2, 4, 8]));
}

#[test]
fn excludes_follow_the_axes_that_overrides_change() {
    let text = excluding("[{suite: bn254, input.rows: 1024}]");
    assert_eq!(labels(&text, &["model.0.protocol=logkr"]).len(), 5);
    // The value that is left out is not swept any more: nothing is left out.
    assert_eq!(labels(&text, &["model.0.protocol=logkr", "input.rows=16,32"]).len(), 4);
    assert_eq!(labels(&text, &["model.0.protocol=logkr", "input.rows=16"]).len(), 2);
    assert_eq!(labels(&text, &["model.0.protocol=logkr", "suite=goldilocks"]).len(), 3);
    // The axis has become the value that is left out.
    assert_eq!(labels(&text, &["model.0.protocol=logkr", "input.rows=1024"]), ["suite=goldilocks"]);
    assert_eq!(labels(&text, &["model.0.protocol=logkr", "suite=bn254"]), rows(&[256, 512]));
    let shown = errors(&text, &["suite=bn254", "input.rows=1024"]);
    assert!(shown.starts_with("test.yaml:12:12: `exclude` leaves no cell\n"), "{shown}");
    assert!(shown.contains("`matrix.exclude=[]`"), "{shown}");
    assert_eq!(labels(&text, &["suite=bn254", "input.rows=1024", "matrix.exclude=[]"]).len(), 2);
    // A slip in the file is found whatever is typed.
    let slip = excluding("[{suite: bn254, input.rows: 1025}]");
    let shown = errors(&slip, &["input.rows=16"]);
    assert!(shown.starts_with("test.yaml:12:40: the entry {suite: bn254, input.rows: 1025} of"), "{shown}");
    assert_eq!(labels(&slip, &["matrix.exclude=[]"]).len(), 12);
}

#[test]
fn excludes_on_the_command_line_replace_those_of_the_file_and_must_match() {
    let text = excluding("[{suite: bn254, input.rows: 1024}]");
    assert_eq!(labels(&text, &["matrix.exclude={suite: bn254}"]).len(), 6);
    assert_eq!(
        labels(&text, &["matrix.exclude=[{suite: bn254, input.rows: 256}, {model.0.protocol: logkr}]"]).len(),
        5
    );
    assert_eq!(labels(&text, &["matrix.exclude={suite: bn254, input.rows: 256},{model.0.protocol: logkr}"]).len(), 5);
    assert_eq!(labels(BASE, &["matrix.exclude={input.rows: 3}", "input.rows=1..4"]), rows(&[1, 2, 4]));
    let typed = "matrix.exclude={suite: bn254, input.rows: 16}";
    let shown = errors(&text, &[typed]);
    assert!(shown.starts_with(&format!("test.yaml, command line `{typed}`: the entry")), "{shown}");
    let shown = errors(&text, &["matrix.exclude={suite: bn254}", "suite=bn254"]);
    assert!(shown.contains("`suite` is no axis of the matrix"), "{shown}");
    assert!(errors(BASE, &["matrix.exclude=3"]).contains("command line `matrix.exclude=3`: wrong type"));
}

#[test]
fn the_order_of_overrides_does_not_matter() {
    let json = |overrides: &[&str]| -> Vec<String> {
        let cells = document(BASE, overrides).unwrap_or_else(|e| panic!("{overrides:?}\n{e}")).cells().unwrap().0;
        let mut cells: Vec<String> =
            cells.iter().map(|cell| serde_json::to_string(&cell.experiment).unwrap()).collect();
        cells.sort_unstable();
        cells
    };
    let pairs: [[&str; 2]; 5] = [
        ["model.0.protocol=logkr", "model.0.protocol.lookup=lasso"],
        ["input={file: y.npy, skip: 2}", "input.rows=3"],
        ["model.0.protocol=logkr", "model.0.protocol.lookup=lasso,logup-gkr"],
        ["input={file: y.npy},{file: z.npy}", "input.rows=3,4"],
        ["matrix={suite: [goldilocks, bn254]}", "input.rows=7"],
    ];
    for [whole, part] in pairs {
        assert_eq!(json(&[whole, part]), json(&[part, whole]), "{whole} {part}");
    }
    let shown = json(&["model.0.protocol.lookup=lasso", "model.0.protocol=logkr"]);
    assert!(shown[0].contains(r#""protocol":{"einsum":"logkr","lookup":"lasso"}"#), "{shown:?}");
    let axes = labels(BASE, &["model.0.protocol.lookup=lasso,logkr", "model.0.protocol=logkr,reveal"]);
    assert_eq!(axes[1], "model.0.protocol.lookup=lasso model.0.protocol=reveal");
    let file = matrix("model.0.protocol.lookup: [lasso, logup-gkr]");
    let cells = document(&file, &["model.0.protocol=logkr,reveal"]).unwrap().cells().unwrap().0;
    let lookups: Vec<String> =
        cells.iter().map(|c| serde_json::to_string(&c.experiment.model[0].protocol).unwrap()).collect();
    assert_eq!(lookups[0], r#"{"einsum":"logkr","lookup":"lasso"}"#);
    assert_eq!(lookups[3], r#"{"einsum":"reveal","lookup":"logup-gkr"}"#);
}

#[test]
fn overrides_that_would_be_lost_are_refused() {
    assert_eq!(
        errors(BASE, &["input.rows=16", "suite=bn254", "input.rows=64"]),
        "\
test.yaml, command line `input.rows=64`: `input.rows` is given twice
  key:      input.rows
  found:    `input.rows=16` and `input.rows=64`
  allowed:  one override of a path; commas for several values"
    );
    for twice in [
        ["model.0.protocol=logkr", "model.rmsnorm.protocol=reveal"],
        ["input.rows=16", "input.rows=1,2"],
        ["input.rows=1..2", "matrix.input.rows=3..4"],
        ["input.rows=1..2", "matrix.zip.input.rows=3..4"],
        ["matrix.exclude=[]", "matrix.exclude={suite: bn254}"],
        ["matrix=null", "matrix={}"],
    ] {
        assert!(errors(BASE, &twice).contains("is given twice"), "{twice:?}");
    }
    let inside = matrix("input.rows: [16, 64]\nmodel.0.protocol.lookup: [lasso, logkr]");
    let shown = errors(&inside, &["input={file: y.npy, rows: 5}"]);
    assert_eq!(
        shown,
        "\
test.yaml, command line `input={file: y.npy, rows: 5}`: the matrix axis `input.rows` would overwrite a part of `input`
  key:      input.rows
  found:    the number 5
  allowed:  a value without this part, or an override of the axis"
    );
    assert_eq!(labels(&inside, &["input={file: y.npy}", "model.0.protocol={einsum: sumcheck}"]).len(), 4);
    assert_eq!(labels(&inside, &["input={file: y.npy, rows: 5}", "input.rows=3"]).len(), 2);
    let shown = errors(&inside, &["model.0.protocol=logkr,{einsum: sumcheck, lookup: logup-gkr}"]);
    assert!(shown.contains("axis `model.0.protocol.lookup` would overwrite a part of `model.0.protocol`"), "{shown}");
    let shown = errors(&matrix("input: [{file: a.npy}, {file: b.npy, rows: 3}]\ninput.rows: [16, 64]"), &[]);
    assert!(
        shown.starts_with("test.yaml:9:46: the matrix axis `input.rows` would overwrite a part of `input`"),
        "{shown}"
    );
    for overwritten in [
        ["model.0.protocol=logkr,reveal", "model.0.protocol.lookup=lasso"],
        ["model.0.protocol.lookup=lasso", "model.0.protocol=logkr,reveal"],
    ] {
        let shown = errors(BASE, &overwritten);
        assert!(shown.contains("command line `model.0.protocol.lookup=lasso`: the matrix axis"), "{shown}");
    }
}

#[test]
fn a_large_matrix_is_counted_and_not_written_out() {
    let count = |overrides: &[&str]| document(BASE, overrides).unwrap().count();
    assert_eq!(count(&[]).unwrap(), 1);
    assert_eq!(count(&["input.rows=1..10001"]).unwrap(), MANY_CELLS + 1);
    assert_eq!(count(&["input.rows=1..1000", "measure.samples=1..100"]).unwrap(), MAX_CELLS);
    assert_eq!(
        count(&["input.rows=1..1000", "measure.samples=1..100", "matrix.exclude={input.rows: 1}"]).unwrap(),
        99_900
    );
    assert_eq!(
        count(&["input.rows=1..1000", "measure.samples=1..101"]).unwrap_err().to_string(),
        "\
test.yaml: the matrix has too many cells
  key:      matrix
  found:    1000 x 101
  allowed:  100000 or fewer"
    );
    let absurd =
        ["input.rows=1..1e30", "input.skip=0..1e30", "measure.samples=0..1e18..1e-9", "matrix.exclude={input.rows: 1}"];
    assert!(count(&absurd).unwrap_err().to_string().contains("1000000000000000000000000000000 x "));
    assert!(errors(BASE, &absurd).contains("too many cells"));
    let text = matrix("input.rows: {range: [1, 1e30]}\nexclude: [{input.rows: 3}]");
    assert!(errors(&text, &[]).starts_with("test.yaml:9:3: the matrix has too many cells"), "{}", errors(&text, &[]));
    assert_eq!(labels(&text, &["input.rows=1..4"]), rows(&[1, 2, 4]));
}

#[test]
fn a_fault_in_every_value_is_shown_a_hundred_times_at_most() {
    let shown = errors(&matrix("input.skip: {range: [1, 20]}\nmeasure.samples: {range: [10001, 10300]}"), &[]);
    assert_eq!(shown.matches("`measure.samples` is out of range").count(), 100);
    assert_eq!(
        errors(BASE, &["input.skip=1..3", "measure={samples: x},{warmup: 2, samples: x}"])
            .matches("wrong type")
            .count(),
        1
    );
    let shown = errors(&matrix("input.skip: {range: [1, 2000]}\nmeasure.samples: [3, many]"), &[]);
    assert_eq!(shown.matches("wrong type at `measure.samples`").count(), 1);
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    /// A random axis of whole numbers: how it is written, and its values.
    fn numbers(&mut self) -> (String, Vec<u64>) {
        let (from, step, count) = (1 + self.below(50), 1 + self.below(9), 1 + self.below(4));
        let range: Vec<u64> = (0..count).map(|k| (from + k * step) as u64).collect();
        let to = from + (count - 1) * step + self.below(step);
        match self.below(5) {
            0 => (format!("{{range: [{from}, {to}, {step}]}}"), range),
            1 => {
                (format!("{{range: [{from}, {}]}}", from + count - 1), (0..count).map(|k| (from + k) as u64).collect())
            }
            2 => {
                let (low, step) = (self.below(6), 1 + self.below(2));
                let powers = (0..count).map(|k| 1_u64 << (low + k * step)).collect();
                (format!("{{pow2: [{low}, {}, {step}]}}", low + (count - 1) * step), powers)
            }
            3 => (format!("[{}]", range.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")), range),
            _ => {
                let first = 200 + self.below(9) as u64;
                let values = std::iter::once(first).chain(range).collect();
                (format!("[{first}, {{range: [{from}, {to}, {step}]}}]"), values)
            }
        }
    }
}

/// A random matrix as text, and its points by another way: nested loops over lists of texts.
fn random_matrix(random: &mut Random) -> (String, Vec<String>) {
    let (mut text, mut groups) = (String::new(), Vec::<Vec<String>>::new());
    for name in ["input.rows", "measure.samples", "measure.warmup"] {
        if random.below(2) == 0 {
            let (written, values) = random.numbers();
            writeln!(text, "{name}: {written}").unwrap();
            groups.push(values.iter().map(|v| format!("{name}={v}")).collect());
        }
    }
    if random.below(2) == 0 {
        let (written, values) = random.numbers();
        let skips: Vec<usize> = (0..values.len()).map(|_| random.below(3)).collect();
        writeln!(text, "zip:\n  measure.timeout_s: {written}\n  input.skip: {skips:?}").unwrap();
        let pair = |(v, s): (&u64, &usize)| format!("measure.timeout_s={v} input.skip={s}");
        groups.push(values.iter().zip(&skips).map(pair).collect());
    }
    writeln!(text, "suite: [goldilocks, bn254]").unwrap();
    groups.push(["goldilocks", "bn254"].map(|suite| format!("suite={suite}")).to_vec());
    let mut points = vec![String::new()];
    for group in &groups {
        points = points.iter().flat_map(|p| group.iter().map(move |v| format!("{p} {v}").trim().to_owned())).collect();
    }
    let mut entries = Vec::new();
    for _ in 0..random.below(3) {
        let point = points[random.below(points.len())].clone();
        let parts: Vec<&str> = point.split(' ').collect();
        let mut kept: Vec<&str> = parts.iter().copied().filter(|_| random.below(2) == 0).collect();
        if kept.is_empty() {
            kept.push(parts[random.below(parts.len())]);
        }
        entries.push(kept.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
    }
    if !entries.is_empty() {
        let written: Vec<String> =
            entries.iter().map(|entry| format!("{{{}}}", entry.join(", ").replace('=', ": "))).collect();
        writeln!(text, "exclude: [{}]", written.join(", ")).unwrap();
    }
    let out = |point: &str| entries.iter().any(|entry| entry.iter().all(|part| point.split(' ').any(|p| p == part)));
    points.retain(|point| !out(point));
    (matrix(&text), points)
}

/// Random matrices that are tried, by seed.
const RUNS: u64 = 150;

#[test]
fn random_matrices_expand_and_resolve_to_the_same_cells() {
    let experiments =
        |d: &Document| -> Vec<Experiment> { d.cells().unwrap().0.into_iter().map(|c| c.experiment).collect() };
    let overrides: [&[&str]; 4] = [
        &["suite=goldilocks3"],
        &["input.rows=2^1..2^3", "about='1..3'"],
        &["measure.samples=1,3..4", "suite=bn254"],
        &["matrix.zip.input.bits=8..9", "matrix.zip.input.skip=3..4", "matrix.zip.measure.timeout_s=1,9"],
    ];
    let mut empty = 0;
    for seed in 0..RUNS {
        let (text, expected) = random_matrix(&mut Random(seed));
        if expected.is_empty() {
            assert!(errors(&text, &[]).contains("`exclude` leaves no cell"), "seed {seed}\n{text}");
            empty += 1;
            continue;
        }
        assert_eq!(labels(&text, &[]), expected, "seed {seed}\n{text}");
        for typed in std::iter::once(&[] as &[&str]).chain(overrides) {
            let first = document(&text, typed).unwrap_or_else(|e| panic!("seed {seed} {typed:?}\n{text}\n{e}"));
            if first.count().is_err() {
                continue;
            }
            let resolved = first.resolved();
            let again = document(&resolved, &[]).unwrap_or_else(|e| panic!("seed {seed} {typed:?}\n{resolved}\n{e}"));
            assert_eq!(experiments(&first), experiments(&again), "seed {seed} {typed:?}\n{text}\n{resolved}");
            assert_eq!(labels(&text, typed), labels(&resolved, &[]), "seed {seed} {typed:?}\n{text}\n{resolved}");
            assert_eq!(again.resolved(), resolved, "seed {seed} {typed:?}");
        }
    }
    assert!(empty < RUNS / 3, "{empty} of {RUNS} random matrices are empty");
}

#[test]
fn every_experiment_beside_the_engine_opens_and_resolves_to_the_same_cells() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        files += 1;
        let open = |text: String| {
            let document = Document::from_text(&path, text, &[]).unwrap_or_else(|e| panic!("{e}"));
            let (cells, unsupported) = document.cells().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(document.count().unwrap(), cells.len() + unsupported.len());
            let cells: Vec<(String, Experiment)> = cells.into_iter().map(|c| (c.label(), c.experiment)).collect();
            (document.resolved(), cells)
        };
        let (resolved, cells) = open(std::fs::read_to_string(&path).unwrap());
        assert_eq!(open(resolved.clone()), (resolved, cells), "{}", path.display());
    }
    assert!(files > 10, "{files} experiments");
}

#[test]
fn the_matrix_in_the_readme_is_what_it_says() {
    let readme = include_str!("../../../../../README.md");
    let mut blocks = readme.split("```yaml").skip(1).filter_map(|block| block.split("```").next());
    let block = blocks.find(|block| block.trim_start().starts_with("matrix:")).unwrap();
    let lines: Vec<&str> = block.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    let cells = labels(&format!("{BASE}{}\n", lines.join("\n")), &[]);
    // 2 suites, 8 numbers of rows and 2 protocols; 2 cells match the first entry, 4 the second, and 1 both.
    assert_eq!(cells.len(), 2 * 8 * 2 - (2 + 4 - 1));
    assert_eq!(cells[0], "suite=goldilocks input.rows=1 model.0.protocol=reveal");
}
