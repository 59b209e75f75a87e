//! The page: well-formed, self-contained, true to the results, and safe from what files hold.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::{at, folder, published, template};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;
use zkml_report::{Claim, Format, Run, gallery, page, pictures, write};
use zkml_results::record::Status;

fn all<'h>(html: &'h Html, selector: &str) -> Vec<ElementRef<'h>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn inside<'h>(element: ElementRef<'h>, selector: &str) -> Vec<ElementRef<'h>> {
    element.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().trim().to_owned()
}

/// Everything that holds for any page.
fn check(name: &str, page: &str) -> Html {
    let html = Html::parse_document(page);
    assert!(html.errors.is_empty(), "{name}: {:?}", html.errors);
    loads_nothing(name, page, &html);
    accessible(name, &html);
    html
}

fn loads_nothing(name: &str, page: &str, html: &Html) {
    for tag in ["script", "link", "img", "iframe", "object", "embed", "image", "use", "base", "form", "video", "audio"]
    {
        assert!(all(html, tag).is_empty(), "{name}: <{tag}>");
    }
    for element in all(html, "*") {
        for (attribute, value) in element.value().attrs() {
            let local = value.starts_with('#') || !matches!(attribute, "href" | "src" | "srcset" | "data" | "action");
            assert!(local && !attribute.starts_with("on") && attribute != "style", "{name}: {attribute}={value}");
            assert!(!value.contains("url(") || value.starts_with("url(#"), "{name}: {attribute}={value}");
        }
    }
    let styles: String = all(html, "style").into_iter().map(text).collect();
    assert!(!styles.contains("@import") && !styles.contains("url("), "{name}");
    assert!(!page.contains("=\"http"), "{name}");
}

fn accessible(name: &str, html: &Html) {
    assert_eq!(all(html, "html").first().and_then(|h| h.value().attr("lang")), Some("en"), "{name}");
    assert_eq!((all(html, "main").len(), all(html, "h1").len()), (1, 1), "{name}");
    assert!(all(html, "a.skip").first().is_some_and(|a| a.value().attr("href") == Some("#main")), "{name}");
    let mut level = 1;
    for heading in all(html, "h1,h2,h3,h4,h5,h6") {
        let own: u32 = heading.value().name()[1..].parse().unwrap();
        assert!(own <= level + 1 && !text(heading).is_empty(), "{name}: {}", text(heading));
        level = own;
    }
    for figure in all(html, "figure") {
        assert_eq!(inside(figure, "svg[role=img]").len(), 2, "{name}");
        for element in inside(figure, "svg > title, svg > desc, figcaption, table caption") {
            assert!(!text(element).is_empty(), "{name}");
        }
        assert!(inside(figure, "svg > title").len() == 2 && inside(figure, "svg > desc").len() == 2, "{name}");
        assert!(inside(figure, "figcaption").len() == 1 && !inside(figure, "details table td").is_empty(), "{name}");
    }
    for table in all(html, "table") {
        assert_eq!(inside(table, "caption").len(), 1, "{name}");
    }
    assert!(all(html, "th").iter().all(|th| th.value().attr("scope").is_some()), "{name}");
    let ids: Vec<&str> = all(html, "[id]").iter().filter_map(|e| e.value().attr("id")).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{name}");
    for element in all(html, "[aria-labelledby], a[href]") {
        let named = element.value().attr("aria-labelledby").or(element.value().attr("href")).unwrap();
        assert!(named.split(' ').all(|id| unique.contains(id.trim_start_matches('#'))), "{name}: {named}");
    }
}

#[test]
fn pages_of_all_published_runs_are_well_formed_and_load_nothing() {
    for folder in published() {
        let run = Run::open(&folder).unwrap();
        let html = check(&folder.display().to_string(), &page(&run));
        assert_eq!(all(&html, "figure").len(), pictures(&run).len());
        assert_eq!(all(&html, ".compare tbody tr").len(), run.records.len());
        for missing in gallery(&run).into_iter().filter_map(Result::err) {
            assert!(all(&html, ".missing li").iter().any(|li| text(*li).contains(&missing.reason)), "{missing:?}");
        }
    }
}

/// Selects the row of a cell.
fn row_of(cell: &str) -> String {
    format!("tr[data-cell=\"{cell}\"]")
}

/// The exact values of a row's cells, and how they are shown.
fn values(row: ElementRef<'_>, label: &str) -> Vec<(f64, String)> {
    let found = inside(row, &format!("td[data-label=\"{label}\"] data"));
    found.into_iter().map(|d| (d.value().attr("value").unwrap().parse().unwrap(), text(d))).collect()
}

/// What a shown number stands for.
fn meaning(shown: &str) -> f64 {
    let (number, unit) = shown.split_once(' ').unwrap_or((shown, ""));
    let scale = match unit {
        "ms" => 1e-3,
        "µs" => 1e-6,
        "k" | "k ×" => 1e3,
        "M" | "M ×" => 1e6,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "s" | "B" | "" | "×" => 1.0,
        other => panic!("unit {other}"),
    };
    number.parse::<f64>().unwrap() * scale
}

#[test]
fn numbers_of_the_table_are_those_of_the_results() {
    for folder in published() {
        let html = Html::parse_document(&page(&Run::open(&folder).unwrap()));
        let lines = fs::read_to_string(folder.join("results.jsonl")).unwrap();
        for record in lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()) {
            let row = all(&html, &row_of(record["cell"].as_str().unwrap()))[0];
            let measured = &record["measured"];
            let phase = |name: &str, clock: &str, what: &str| measured["phases"][name][clock][what].as_f64();
            let wall = |name: &str| vec![phase(name, "wall", "median")];
            let metric = |name: &str| record["metrics"][name].as_f64();
            let expected = [
                ("forward", wall("forward")),
                ("commit", wall("commit")),
                ("lookups", wall("lookups")),
                ("einsums", wall("einsums")),
                ("opening", wall("opening")),
                ("other", wall("other")),
                ("prove", vec![metric("prove_ms").map(|t| t / 1e3), phase("prove", "wall", "spread")]),
                ("cpu", vec![phase("prove", "cpu", "median")]),
                ("verify", wall("verify")),
                ("proof, key", vec![measured["proof_bytes"].as_f64(), metric("verifying_key_bytes")]),
                ("memory", vec![measured["peak_memory_bytes"].as_f64()]),
                ("bits", vec![measured["soundness"]["bits"].as_f64()]),
                ("error", vec![measured["accuracy"]["max_steps"].as_f64()]),
            ];
            for (label, expected) in expected {
                let shown = values(row, label);
                let expected: Vec<f64> = expected.into_iter().flatten().collect();
                assert_eq!(shown.len(), expected.len(), "{}: {label}", folder.display());
                for ((value, shown), expected) in shown.into_iter().zip(expected) {
                    let close = |a: f64, b: f64, by: f64| (a - b).abs() <= by * b.abs().max(1e-9);
                    assert!(close(value, expected, 1e-12) && close(meaning(&shown), value, 0.006), "{label}: {shown}");
                }
            }
            assert!(values(row, "overhead").first().is_some_and(|o| Some(o.0) == metric("overhead")));
        }
    }
}

#[test]
fn ratios_to_reveal_compare_cells_that_are_otherwise_equal() {
    let folder = folder("conv-compare");
    let run = Run::open(&folder).unwrap();
    let html = Html::parse_document(&page(&run));
    let time = |r: &zkml_results::record::CellRecord| r.measured.as_ref().unwrap().phases["prove"].wall.median;
    for record in &run.records {
        let rows = &record.point.iter().find(|p| p.0 == "input.rows").unwrap().1;
        let same = |r: &&zkml_results::record::CellRecord| r.point.iter().all(|p| p.1 == "reveal" || p.1 == *rows);
        let baseline = run.records.iter().find(same).unwrap();
        let ratio = values(all(&html, &row_of(&record.cell))[0], "overhead")[1].0;
        assert!((ratio - time(record) / time(baseline)).abs() < 1e-12);
    }
}

#[test]
fn cells_that_are_not_ok_show_no_number() {
    let mut records: Vec<_> = ["reveal", "logkr", "lasso"].map(|p| at(&[("protocol", p)])).to_vec();
    records[1].status = Status::Invalid;
    records[1].reason = Some("a tampered copy was accepted".to_owned());
    records[2].status = Status::Failed;
    let run = Run::of(records.clone());
    let html = check("not ok", &page(&run));
    for (record, reason) in [(&records[1], "a tampered copy was accepted"), (&records[2], "no reason was recorded")] {
        let row = all(&html, &row_of(&record.cell))[0];
        assert!(inside(row, "data").is_empty() && text(row).contains(reason), "{}", text(row));
        assert!(!text(row).chars().any(|c| c.is_ascii_digit()), "{}", text(row));
        let details = all(&html, &format!("details[data-cell=\"{}\"]", record.cell))[0];
        assert!(inside(details, "table").is_empty());
        assert!(all(&html, ".reasons li").iter().any(|li| text(*li).contains(reason)));
    }
    for picture in pictures(&run) {
        let shown = format!("{}{:?}{}", picture.svg(), picture.numbers, picture.description);
        assert!(!shown.contains("logkr") && !shown.contains("lasso"), "{}", picture.name);
    }
    let verdict = text(all(&html, ".verdict")[0]);
    for words in ["1 of 3 cells ok", "1 invalid", "1 failed"] {
        assert!(verdict.contains(words), "{verdict}");
    }
    for record in &mut records {
        record.status = Status::Failed;
    }
    let html = check("nothing ok", &page(&Run::of(records)));
    assert!(all(&html, "figure").is_empty() && all(&html, "data").is_empty());
}

/// Names that try to get out of where they stand.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onload='alert(1)",
    "</style></title></svg><script>",
    "&lt;b&gt; ]]> <!-- -->",
    "π 証明 \u{202E}drow\u{0} \u{1F980}",
    "{a: {b: \"}\"",
];

#[test]
fn what_files_hold_is_shown_as_text() {
    let long = "l".repeat(300);
    let names: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let mut records = Vec::new();
    for name in &names {
        for rows in ["4", "16", "64"] {
            let mut record = at(&[("<b>\"axis", name), ("input.rows", rows)]);
            record.experiment = (*name).to_owned();
            record.started = (*name).to_owned();
            record.spec["about"] = Value::from(*name);
            record.reason = Some((*name).to_owned());
            let measured = record.measured.as_mut().unwrap();
            measured.proof_scopes[1].0 = (*name).to_owned();
            measured.layers[0].name = (*name).to_owned();
            measured.layer_accuracy[0].layer = (*name).to_owned();
            measured.tampered[0].reason = (*name).to_owned();
            measured.soundness.regime = (*name).to_owned();
            measured.soundness.terms[0].name = (*name).to_owned();
            records.push(record);
        }
    }
    for first in 0..names.len() {
        records.rotate_left(3);
        let mut run = Run::of(records.clone());
        run.claims.push(Claim {
            protocol: "a".to_owned(),
            axis: "input.rows".to_owned(),
            exponent: 1.0,
            source: names[first].to_owned(),
        });
        run.environment = Err(names[first].to_owned());
        let html = check(names[first], &page(&run));
        assert!(all(&html, "script, img, b").is_empty());
        let shown = names[(first + 1) % names.len()].replace(['\u{202E}', '\0'], "\u{FFFD}");
        assert_eq!(text(all(&html, "h1")[0]), shown);
        assert!(all(&html, ".compare tbody th").iter().any(|th| text(*th).contains(long.as_str())));
        for picture in pictures(&run) {
            let parsed = resvg::usvg::roxmltree::Document::parse(&picture.svg()).map(|_| ());
            assert!(parsed.is_ok(), "{parsed:?}");
        }
    }
}

#[test]
fn no_number_in_a_file_stops_the_report() {
    for extreme in [0.0, -1.0, 1e-300, 1e300, f64::MAX, f64::NAN, f64::INFINITY] {
        let record = |rows: &str, protocol: &str| {
            let mut record = at(&[("protocol", protocol), ("input.rows", rows)]);
            record.metrics.insert("overhead".to_owned(), extreme);
            let measured = record.measured.as_mut().unwrap();
            for phase in measured.phases.values_mut() {
                (phase.wall.median, phase.wall.spread) = (extreme, extreme);
            }
            measured.proofs[0].total.wall = extreme;
            measured.proof_bytes = usize::MAX;
            measured.proof_scopes.iter_mut().for_each(|s| s.1 = usize::MAX);
            measured.relations[0].cost.ext_mul = extreme;
            measured.layer_accuracy[0].max_steps = extreme;
            measured.accuracy.max_steps = extreme;
            measured.soundness.bits = extreme;
            measured.counted =
                serde_json::from_str(r#"{"ext_mul": 18446744073709551615, "base_ext_mul": 0, "base_mul": 0}"#).unwrap();
            record
        };
        let records =
            [("1", "a"), ("16", "a"), ("256", "a"), ("1", "b")].map(|(rows, protocol)| record(rows, protocol));
        let run = Run::of(records.to_vec());
        check(&extreme.to_string(), &page(&run));
        for picture in pictures(&run) {
            let parsed = resvg::usvg::roxmltree::Document::parse(&picture.svg()).map(|_| ());
            assert!(parsed.is_ok(), "{extreme}: {parsed:?}");
        }
    }
}

/// Cells whose time is `rows^exponent` milliseconds.
fn power_law(exponent: f64) -> Run {
    let record = |rows: &str| {
        let mut record = at(&[("protocol", "logkr"), ("input.rows", rows)]);
        let n: f64 = rows.parse().unwrap();
        let measured = record.measured.as_mut().unwrap();
        measured.phases.get_mut("prove").unwrap().wall.median = 1e-3 * n.powf(exponent);
        measured.relations.truncate(1);
        measured.relations[0].cost.ext_mul = 100.0 * n;
        measured.relations[0].cost.base_ext_mul = 0.0;
        measured.relations[0].cost.base_mul = 0.0;
        record
    };
    Run::of(["16", "64", "256", "1024"].map(record).to_vec())
}

#[test]
fn exponents_are_recovered_and_stand_beside_predicted_and_claimed_ones() {
    for (exponent, shown) in [(1.0, "1.00 ± 0.00"), (1.5, "1.50 ± 0.00")] {
        let mut run = power_law(exponent);
        let claim = Claim {
            protocol: "logkr".to_owned(),
            axis: "input.rows".to_owned(),
            exponent: 1.25,
            source: "a paper, table 2".to_owned(),
        };
        let other = Claim { protocol: "kr".to_owned(), exponent: 7.0, ..claim.clone() };
        run.claims = vec![claim, other];
        let picture = pictures(&run).into_iter().find(|p| p.name == "scaling-input-rows").unwrap();
        let row = picture.numbers.rows.iter().find(|r| r[1] == "exponent").unwrap();
        assert_eq!((row[2].as_str(), row[4].as_str()), (shown, "1.00 ± 0.00"));
        let svg = picture.svg();
        assert!(svg.contains(shown) && svg.contains("1.25 (a paper, ta"), "{svg}");
        assert!(picture.numbers.rows.iter().any(|r| r[2] == "1.25 (a paper, table 2)"));
    }
}

#[test]
fn pictures_without_data_say_why() {
    let run = Run::of(vec![template()]);
    let reasons: Vec<String> = gallery(&run).into_iter().filter_map(Result::err).map(|m| m.reason).collect();
    for words in ["fewer than two", "no axis of the matrix is numeric", "--features count-ops"] {
        assert!(reasons.iter().any(|r| r.contains(words)), "{words}: {reasons:?}");
    }
    let short = Run::of(["8", "12", "16"].map(|b| at(&[("input.bits", b)])).to_vec());
    let reasons: Vec<String> = gallery(&short).into_iter().filter_map(Result::err).map(|m| m.reason).collect();
    assert!(reasons.iter().any(|r| r.contains("at least 4 times")), "{reasons:?}");
}

#[test]
fn counted_operations_are_drawn_against_predicted_ones() {
    let mut records = vec![at(&[("protocol", "a")]), at(&[("protocol", "b")])];
    for (record, counted) in records.iter_mut().zip([990, 1980]) {
        let measured = record.measured.as_mut().unwrap();
        measured.relations.truncate(1);
        measured.relations[0].cost.ext_mul = 1000.0;
        measured.relations[0].cost.base_ext_mul = 0.0;
        measured.relations[0].cost.base_mul = 0.0;
        let operations = serde_json::json!({"ext_mul": counted, "base_ext_mul": 0, "base_mul": 0});
        measured.counted = Some(serde_json::from_value(operations).unwrap());
    }
    let picture = pictures(&Run::of(records)).into_iter().find(|p| p.name == "operations").unwrap();
    let ratios: Vec<&str> = picture.numbers.rows.iter().map(|r| r[3].as_str()).collect();
    assert_eq!(ratios, ["0.990", "1.980"]);
}

#[test]
fn what_the_machine_did_is_told_and_weak_proofs_are_marked() {
    let mut record = template();
    record.weak = true;
    let machine = serde_json::json!({"seconds": 2.0, "cores": 2, "own_cpu": 1.5, "other_cpu": 1.0, "stolen": null,
        "mhz": [3000.0, 2000.0], "joules": 12.5, "energy_source": "RAPL <package 0>"});
    record.measured.as_mut().unwrap().machine = Some(serde_json::from_value(machine).unwrap());
    let html = check("machine", &page(&Run::of(vec![record.clone()])));
    let details = text(all(&html, "details.cell")[0]);
    for words in ["1.00 s", "not told by the system", "3000 MHz, 2000 MHz", "12.5 J, from RAPL <package 0>"] {
        assert!(details.contains(words), "{words}: {details}");
    }
    assert!(text(all(&html, ".verdict")[0]).contains("1 weak"));
    assert!(text(all(&html, "td.status")[0]).contains("weak"));
    let doubts = text(all(&html, ".doubts")[0]);
    for words in ["other programs used 25 %", "3000 to 2000 MHz"] {
        assert!(doubts.contains(words), "{words}: {doubts}");
    }
}

#[test]
fn damaged_runs_are_reported_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Run::open(folder.path()).unwrap_err();
    assert!(missing.to_string().contains("the run cannot be read"), "{missing}");
    let results = folder.path().join("results.jsonl");
    fs::write(&results, "{\"cell\": \n").unwrap();
    let empty = Run::open(folder.path()).unwrap_err();
    assert!(empty.to_string().contains("no result in it can be read (1 damaged)"), "{empty}");
    let line = serde_json::to_string(&template()).unwrap();
    fs::write(&results, format!("{line}\n{{\"cell\": 1}}\n{{\"half")).unwrap();
    fs::write(folder.path().join("env.json"), "{}").unwrap();
    let run = Run::open(folder.path()).unwrap();
    let html = check("damaged", &page(&run));
    assert!(text(all(&html, ".verdict")[0]).contains("2 damaged lines of results.jsonl left out"));
    assert!(text(all(&html, "section[aria-labelledby=environment]")[0]).contains("env.json is damaged"));
}

#[test]
fn the_same_results_give_the_same_bytes() {
    let bytes = |folder: &Path| {
        let out = tempfile::tempdir().unwrap();
        let paths = write(&Run::open(folder).unwrap(), out.path(), &Format::ALL).unwrap();
        paths.into_iter().map(|p| (p.file_name().unwrap().to_owned(), fs::read(&p).unwrap())).collect::<Vec<_>>()
    };
    let folder = folder("suites-compare");
    let first = bytes(&folder);
    assert!(first.len() >= 7);
    assert!(first == bytes(&folder));
}
