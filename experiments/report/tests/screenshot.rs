//! The page in a real browser: headless Chromium, at a desk's and a phone's width, light and dark.
//!
//! Without Chromium the tests are skipped, and say so; `ZKML_REQUIRE_CHROMIUM=1` makes that a failure.

mod common;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{at, folder};
use resvg::tiny_skia::Pixmap;
use serde_json::Value;
use zkml_report::{Run, page};

const WIDTHS: [u32; 2] = [1280, 390];
/// The smallest text on a phone, in CSS pixels.
const SMALLEST: f64 = 11.0;
const PATIENCE: Duration = Duration::from_secs(90);

/// What a reader prefers, as Chromium's settings number it.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    Dark = 0,
    Light = 1,
}

fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser"];
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).flat_map(|p| names.map(|n| p.join(n))).find(|p| p.is_file());
    let required = env::var_os("ZKML_REQUIRE_CHROMIUM").is_some_and(|v| v == "1");
    assert!(found.is_some() || !required, "ZKML_REQUIRE_CHROMIUM=1, and there is no chromium");
    if found.is_none() {
        eprintln!("SKIPPED: there is no chromium; on Debian: apt-get install --no-install-recommends chromium");
    }
    found
}

/// Runs Chromium over a local file and returns what it printed.
fn browse(program: &Path, file: &Path, scheme: Scheme, arguments: &[String]) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--allow-file-access-from-files", "--force-device-scale-factor=1", "--enable-logging=stderr"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", scheme as u8))
        .args(arguments)
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(profile.path().join("stdout")).unwrap())
        .stderr(fs::File::create(profile.path().join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("chromium did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |name: &str| fs::read(profile.path().join(name)).unwrap();
    Output { status, stdout: read("stdout"), stderr: read("stderr") }
}

/// What pages wrote to the console.
fn console(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().filter(|l| l.contains("CONSOLE")).map(str::to_owned).collect()
}

/// Opens every `<details>` of pages in frames of these widths, and writes what it finds as JSON.
const PROBE: &str = r#"<!doctype html><meta charset="utf-8"><body><script>
const found = [];
function look(frame, name, width) {
  const win = frame.contentWindow, doc = win.document;
  for (const d of doc.querySelectorAll("details")) d.open = true;
  const shown = [...doc.querySelectorAll("figure svg")].filter(s => s.getBoundingClientRect().width > 0);
  const text = [...doc.querySelectorAll("svg text")].filter(t => t.ownerSVGElement.getBoundingClientRect().width > 0)
    .map(t => parseFloat(win.getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width / t.ownerSVGElement.viewBox.baseVal.width);
  const prose = [...doc.querySelectorAll("body *:not(svg *)")].filter(e => e.getClientRects().length && e.textContent.trim())
    .map(e => parseFloat(win.getComputedStyle(e).fontSize));
  const outside = [...doc.querySelectorAll("body *:not(svg *)")].filter(e => !e.closest("thead, .skip"))
    .filter(e => e.getBoundingClientRect().right > doc.documentElement.clientWidth + 1 && !e.closest(".scroll"));
  const paint = e => win.getComputedStyle(e);
  const label = doc.querySelector("figure svg text");
  const scroll = doc.querySelector(".scroll");
  found.push({ name, width, inner: win.innerWidth, scroll: doc.documentElement.scrollWidth, height: doc.documentElement.scrollHeight,
    table: scroll.scrollWidth - scroll.clientWidth, figures: doc.querySelectorAll("figure").length, shown: shown.length,
    smallest: Math.min(...text, ...prose), resources: win.performance.getEntriesByType("resource").map(r => r.name),
    background: paint(doc.body).backgroundColor, ink: paint(doc.body).color, label: label ? paint(label).fill : "",
    outside: outside.slice(0, 5).map(e => e.tagName + ": " + e.textContent.slice(0, 40)) });
}
const wanted = PAGES; let left = wanted.length;
for (const [name, width] of wanted) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:800px;border:0;display:block`;
  frame.onload = () => {
    try { look(frame, name, width); } catch (e) { found.push({ name, width, error: String(e) }); }
    if (--left === 0) { document.body.replaceChildren(); const p = document.createElement("pre"); p.textContent = "FOUND" + JSON.stringify(found) + "END"; document.body.append(p); }
  };
  frame.src = name; document.body.append(frame);
}
</script></body>"#;

/// Pages of small, large and odd runs, in a folder.
fn pages(folder_for: &Path) -> Vec<String> {
    let mut runs: Vec<(String, Run)> = ["rmsnorm-compare", "lookup-compare", "lenet5"]
        .map(|n| (n.to_owned(), Run::open(&folder(n)).unwrap()))
        .to_vec();
    let long = "averyveryverylongname".repeat(15);
    let odd = [long.as_str(), "a name of several words ", "短い"]
        .map(|name| at(&[("model.0.protocol", name), ("input.rows", "4")]));
    let mut odd = Run::of(odd.to_vec());
    odd.experiment.clone_from(&long);
    odd.records[1].reason = Some(long.clone());
    odd.records[1].status = zkml_results::record::Status::Failed;
    runs.push(("odd".to_owned(), odd));
    let write = |(name, run): (String, Run)| {
        let file = format!("{name}.html");
        fs::write(folder_for.join(&file), page(&run)).unwrap();
        file
    };
    runs.into_iter().map(write).collect()
}

/// What the probe finds on these pages, and what was written to the console.
fn probe(program: &Path, folder: &Path, pages: &[String], scheme: Scheme) -> (Vec<Value>, Vec<String>) {
    let wanted: Vec<(&str, u32)> = pages.iter().flat_map(|p| WIDTHS.map(|w| (p.as_str(), w))).collect();
    let html = PROBE.replace("PAGES", &serde_json::to_string(&wanted).unwrap());
    let file = folder.join("probe.html");
    fs::write(&file, html).unwrap();
    let arguments = ["--dump-dom", "--window-size=1400,900", "--virtual-time-budget=20000"].map(str::to_owned);
    let output = browse(program, &file, scheme, &arguments);
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let json = dom.rsplit_once("FOUND").and_then(|(_, rest)| rest.split_once("END")).map(|(json, _)| json);
    let json = json.unwrap_or_else(|| panic!("{dom}\n{}", String::from_utf8_lossy(&output.stderr)));
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (serde_json::from_str(&json).unwrap(), console(&output))
}

fn luminance(colour: &Value) -> f64 {
    let text = colour.as_str().unwrap();
    let numbers = text.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(')');
    let rgb: Vec<f64> = numbers.split(',').take(3).map(|n| n.trim().parse().unwrap()).collect();
    (0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]) / 255.0
}

#[test]
fn pages_fit_desks_and_phones_in_both_schemes_and_load_nothing() {
    let Some(program) = chromium() else { return };
    let out = tempfile::tempdir().unwrap();
    let pages = pages(out.path());
    for scheme in [Scheme::Light, Scheme::Dark] {
        let (found, console) = probe(&program, out.path(), &pages, scheme);
        assert_eq!((found.len(), console.as_slice()), (2 * pages.len(), &[][..]));
        for page in &found {
            assert!(page["error"].is_null(), "{page}");
            assert_eq!(page["inner"], page["width"], "{page}");
            assert!(page["scroll"].as_f64() <= page["width"].as_f64(), "wider than its window: {page}");
            assert_eq!((&page["table"], &page["outside"]), (&Value::from(0), &serde_json::json!([])), "{page}");
            assert_eq!(page["figures"], page["shown"], "one form of every picture: {page}");
            assert!(page["smallest"].as_f64().unwrap() >= SMALLEST, "{page}");
            assert_eq!(page["resources"], serde_json::json!([]), "{page}");
            let (background, ink) = (luminance(&page["background"]), luminance(&page["ink"]));
            match scheme {
                Scheme::Light => assert!(background > 0.85 && ink < 0.2 && luminance(&page["label"]) < 0.4, "{page}"),
                Scheme::Dark => assert!(background < 0.15 && ink > 0.8 && luminance(&page["label"]) > 0.5, "{page}"),
            }
        }
    }
}

/// A page that loads, overflows and complains: what the probe must find.
#[test]
fn the_probe_finds_what_it_looks_for() {
    let Some(program) = chromium() else { return };
    let out = tempfile::tempdir().unwrap();
    let bad = r#"<!doctype html><body><div class="scroll" style="width:2000px;font-size:5px">wide</div>
        <img src="http://example.invalid/x.png"><script>console.error("complaint")</script></body>"#;
    fs::write(out.path().join("bad.html"), bad).unwrap();
    let (found, console) = probe(&program, out.path(), &["bad.html".to_owned()], Scheme::Light);
    assert!(console.iter().any(|l| l.contains("complaint")), "{console:?}");
    for page in found {
        assert!(page["scroll"].as_f64() >= Some(2000.0) && page["smallest"].as_f64() < Some(SMALLEST), "{page}");
        assert!(page["resources"].to_string().contains("example.invalid"), "{page}");
    }
}

/// Light and dark screenshots of a page at a width, by a frame: windows have a smallest width.
fn screenshot(program: &Path, folder: &Path, width: u32, scheme: Scheme) -> Pixmap {
    let frame = format!(
        "<!doctype html><html style=\"background:#00f\"><body style=\"margin:0\">\
         <iframe src=\"rmsnorm-compare.html\" style=\"border:0;width:{width}px;height:1600px\"></iframe></body></html>"
    );
    let file = folder.join("frame.html");
    fs::write(&file, frame).unwrap();
    let shot = folder.join(format!("{width}-{scheme:?}.png"));
    let window = width.max(500);
    let arguments = [format!("--window-size={window},1600"), format!("--screenshot={}", shot.display())];
    let output = browse(program, &file, scheme, &arguments);
    let bytes = fs::read(&shot).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    if let Some(kept) = env::var_os("ZKML_SCREENSHOTS") {
        fs::create_dir_all(&kept).unwrap();
        fs::copy(&shot, Path::new(&kept).join(shot.file_name().unwrap())).unwrap();
    }
    Pixmap::decode_png(&bytes).unwrap()
}

#[test]
fn screenshots_show_the_page_and_differ_between_schemes() {
    let Some(program) = chromium() else { return };
    let out = tempfile::tempdir().unwrap();
    let _ = pages(out.path());
    for width in WIDTHS {
        let [light, dark] = [Scheme::Light, Scheme::Dark].map(|s| screenshot(&program, out.path(), width, s));
        for shot in [&light, &dark] {
            let pixels = (0..1500).flat_map(|y| (0..width).map(move |x| (x, y)));
            let mut colours: Vec<[u8; 3]> =
                pixels.filter_map(|(x, y)| shot.pixel(x, y)).map(|p| [p.red(), p.green(), p.blue()]).collect();
            let all = colours.len();
            let paper = shot.pixel(3, 3).map(|p| [p.red(), p.green(), p.blue()]).unwrap();
            let page = colours.iter().filter(|c| **c == paper).count();
            colours.sort_unstable();
            colours.dedup();
            assert!(colours.len() > 200 && page < all * 9 / 10, "{width}: {} colours, {page} of {all}", colours.len());
        }
        let corner =
            |shot: &Pixmap| shot.pixel(3, 3).map(|p| u32::from(p.red()) + u32::from(p.green()) + u32::from(p.blue()));
        assert!(corner(&light) > Some(600) && corner(&dark) < Some(150), "{:?} {:?}", corner(&light), corner(&dark));
    }
}
