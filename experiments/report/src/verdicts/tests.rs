//! The picture of verdicts: what it says, and that no file breaks it.

use resvg::usvg::roxmltree::Document;
use zkml_results::verdict::Verdict;

use super::*;
use crate::picture::tests::all_outside;

fn row(series: &str, comparison: Option<(f64, f64, f64, Verdict)>) -> Row {
    let comparison = comparison.map(|(ratio, low, high, verdict)| Comparison { ratio, low, high, verdict });
    Row {
        series: series.to_owned(),
        size: None,
        seconds: 0.025,
        spread: 0.001,
        samples: 20,
        against_reference: comparison,
        against_baseline: None,
    }
}

/// All verdicts, one reference.
fn phase(name: &str) -> Judged {
    Judged {
        phase: name.to_owned(),
        reference: "logup-gkr".to_owned(),
        noise_floor: 0.03,
        rows: vec![
            row("reveal", Some((0.512, 0.48, 0.55, Verdict::Better))),
            row("logup-gkr", None),
            row("{logkr: {form: square}}", Some((1.37, 1.3, 1.45, Verdict::Worse))),
            row("{logkr: {form: half-square}}", Some((1.01, 0.98, 1.04, Verdict::Same))),
            row("lasso", Some((0.94, 0.7, 1.2, Verdict::CannotTell))),
        ],
    }
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|n| n.tag_name().name() == "text");
    texts.filter_map(|n| n.text().map(str::to_owned)).collect()
}

fn count(svg: &str, tag: &str) -> usize {
    Document::parse(svg).unwrap().descendants().filter(|n| n.tag_name().name() == tag).count()
}

#[test]
fn ratios_and_verdicts_are_in_every_form() {
    let picture = picture("rmsnorm", &[phase("prove"), phase("lookups")], None).unwrap();
    for svg in [picture.svg(), picture.narrow_svg()] {
        let texts = texts(&svg);
        let shown = |text: &str| texts.iter().filter(|t| *t == text).count();
        for text in ["0.512 ×", "1.37 ×", "1.01 ×", "0.940 ×", "better", "worse", "same", "can't tell", "reference"]
        {
            assert_eq!(shown(text), 2, "{text}: {texts:?}");
        }
        assert!(shown("logkr (form: square)") == 2 && shown("25.0 ms") == 10 && shown("prove") == 1, "{texts:?}");
        assert!(texts.iter().any(|t| t.contains("noise floor 3.0 %")), "{texts:?}");
    }
    assert!(texts(&picture.svg()).iter().any(|t| t.contains("to those of logup-gkr")));
    assert!(picture.svg().contains("prefers-color-scheme:dark"));
    assert!(picture.description.contains("reveal 0.512 times (0.480 to 0.550), better"), "{}", picture.description);
    assert_eq!(picture.numbers.rows.len(), 10);
    assert!(picture.numbers.rows.iter().all(|r| r.len() == picture.numbers.header.len()));
    assert_eq!(picture.numbers.rows[0][6..10], ["0.512 ×", "0.480 ×", "0.550 ×", "better"]);
    assert_eq!(all_outside(&picture), Vec::<String>::new());
}

#[test]
fn verdicts_have_shapes_and_the_reference_has_none() {
    let marks = |rows: Vec<Row>| {
        let svg = picture("p", &[Judged { rows, ..phase("prove") }], None).unwrap().svg();
        (count(&svg, "circle"), count(&svg, "polygon"))
    };
    let better = || row("a", Some((0.9, 0.85, 0.95, Verdict::Better)));
    // A disc is one circle, a ring two; diamonds and squares are polygons.
    assert_eq!(marks(vec![better()]), (1, 0));
    assert_eq!(marks(vec![better(), row("logup-gkr", None), row("gone", None)]), (1, 0));
    assert_eq!(marks(phase("prove").rows), (3, 2));
}

#[test]
fn an_interval_beyond_the_axis_ends_in_an_arrow() {
    let arrows = |low, high| {
        let rows = vec![row("a", Some((0.9, low, high, Verdict::Better)))];
        let picture = picture("p", &[Judged { rows, ..phase("prove") }], None).unwrap();
        assert_eq!(all_outside(&picture), Vec::<String>::new());
        [picture.svg(), picture.narrow_svg()].map(|svg| count(&svg, "polygon"))
    };
    assert_eq!(arrows(0.5, 1.5), [0, 0]);
    assert_eq!(arrows(0.01, 1.5), [1, 1]);
    assert_eq!(arrows(0.01, 50.0), [2, 2]);
    for (low, high) in [(0.0, f64::INFINITY), (f64::NAN, f64::NAN), (-1.0, 1e300)] {
        assert_eq!(arrows(low, high), [2, 2], "{low} to {high}");
    }
}

#[test]
fn names_and_sizes_that_have_room_are_whole() {
    let sized = |(k, size): (usize, &str)| Row {
        size: Some(size.to_owned()),
        ..row(["a", "logup-gkr (bits: 16)"][k % 2], Some((0.98, 0.97, 0.99, Verdict::Better)))
    };
    let sizes = ["16", "64", "256", "1024", "65536", "1048576"];
    let rows = sizes.into_iter().enumerate().map(sized).collect();
    let picture = picture("p", &[Judged { rows, ..phase("prove") }], None).unwrap();
    for svg in [picture.svg(), picture.narrow_svg()] {
        let texts = texts(&svg);
        assert!(sizes.iter().all(|size| texts.iter().any(|t| t == size)), "{texts:?}");
        assert!(texts.iter().all(|t| !t.contains('…')), "{texts:?}");
        // Ratios near to one have an axis on which they can be told apart.
        assert!(texts.iter().filter(|t| t.ends_with(" ×") && t.starts_with(['0', '1'])).count() > 8, "{texts:?}");
    }
}

#[test]
fn with_a_baseline_the_ratios_are_those_to_the_baseline() {
    let mut judged = phase("prove");
    judged.rows[1].against_baseline = Some(Comparison { ratio: 0.777, low: 0.75, high: 0.8, verdict: Verdict::Better });
    let picture = picture("rmsnorm", &[judged], Some("before")).unwrap();
    let texts = texts(&picture.svg());
    let has = |part: &str| texts.iter().any(|t| t.contains(part));
    assert!(has("0.777 ×") && has("the baseline “before”") && !has("0.512 ×") && !has("worse"), "{texts:?}");
    assert_eq!(texts.iter().filter(|t| *t == "no baseline").count(), 4);
}

#[test]
fn without_comparisons_there_is_a_reason_and_no_picture() {
    let reason = |judged: &[Judged], baseline| picture("p", judged, baseline).unwrap_err().reason;
    assert_eq!(reason(&[], None), "no phase was measured");
    assert_eq!(reason(&[Judged { rows: Vec::new(), ..phase("prove") }], None), "no phase was measured");
    let alone = Judged { rows: vec![row("logup-gkr", None)], ..phase("prove") };
    assert!(reason(&[alone], None).starts_with("nothing but the reference"));
    assert!(reason(&[phase("prove")], Some("old")).contains("the baseline “old” has none"));
    let no_ratio = Judged { rows: vec![row("a", Some((f64::NAN, 1.0, 1.0, Verdict::Same)))], ..phase("prove") };
    assert!(picture("p", &[no_ratio], None).is_err());
}

#[test]
fn hostile_names_and_numbers_break_nothing() {
    let hostile = "</text><script>alert(1)</script>\u{0}\u{202E}\"&'";
    let long = "a very long name ".repeat(40);
    for name in [hostile, &long] {
        let mut judged = phase(name);
        judged.reference = name.to_owned();
        for row in &mut judged.rows {
            row.series = name.to_owned();
            row.size = Some(name.to_owned());
        }
        let numbers = [1e-300, 1e300, f64::MIN_POSITIVE, f64::MAX];
        for (row, ratio) in judged.rows.iter_mut().zip(numbers) {
            row.seconds = ratio;
            row.against_reference = Some(Comparison { ratio, low: 0.0, high: f64::MAX, verdict: Verdict::Worse });
            row.against_baseline = row.against_reference;
        }
        for noise_floor in [0.02, f64::NAN, -3.0, f64::MAX] {
            let judged = Judged { noise_floor, ..judged.clone() };
            for baseline in [None, Some(name)] {
                let picture = picture(name, std::slice::from_ref(&judged), baseline).unwrap();
                for svg in [picture.svg(), picture.narrow_svg()] {
                    Document::parse(&svg).unwrap_or_else(|e| panic!("{noise_floor}: {e}"));
                    assert!(!svg.contains("<script"), "{svg}");
                }
                assert_eq!(all_outside(&picture), Vec::<String>::new(), "{noise_floor}");
            }
        }
    }
}

#[test]
fn many_rows_are_cut_and_the_table_has_all() {
    let rows = (0..500).map(|k| row(&format!("series {k}"), Some((1.2, 1.1, 1.3, Verdict::Worse))));
    let judged = Judged { rows: rows.collect(), ..phase("prove") };
    let picture = picture("p", &vec![judged; 30], None).unwrap();
    assert_eq!(picture.numbers.rows.len(), 15_000);
    assert_eq!(texts(&picture.svg()).iter().filter(|t| *t == "worse").count(), MOST_PANELS * MOST_CELLS);
    assert!(picture.caption.contains("13800 more rows are"), "{}", picture.caption);
}

#[test]
fn the_same_verdicts_give_the_same_bytes_also_from_a_file() {
    let judged = vec![phase("prove"), phase("verify")];
    let file = serde_json::to_string_pretty(&judged).unwrap();
    assert!(file.contains("\"verdict\": \"can't tell\""), "{file}");
    let read: Vec<Judged> = serde_json::from_str(&file).unwrap();
    assert_eq!(read, judged);
    let svg = |judged: &[Judged]| picture("p", judged, None).unwrap().svg();
    assert_eq!(svg(&read), svg(&judged));
    assert!(serde_json::from_str::<Vec<Judged>>(&file.replace("can't tell", "maybe")).is_err());
}
