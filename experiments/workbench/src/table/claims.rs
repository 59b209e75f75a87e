//! The tables of `workbench papers`.

use zkml_report::claims::{Claim, Column, Verdict};

use super::plain;

/// Claims that no experiment checks, and why; and those that one does.
pub(crate) fn list(claims: &[Claim]) -> String {
    let header = ["claim", "paper", "value", "unit", "hardware", "source", "source read", "checked"];
    let row = |claim: &Claim| {
        let read = match (claim.opened, claim.derived) {
            (true, _) => "yes",
            (false, true) => "derived here",
            (false, false) => "an excerpt",
        };
        let checked = claim.check.as_ref().map(|check| format!("by {}", check.experiment));
        vec![
            claim.id.clone(),
            claim.paper.clone(),
            claim.value_text(),
            claim.unit.clone(),
            claim.hardware.clone().unwrap_or_default(),
            claim.source.clone(),
            read.to_owned(),
            checked.unwrap_or_else(|| claim.why_not().unwrap_or_default().to_owned()),
        ]
    };
    plain(&header, claims.iter().map(row).collect())
}

/// What is claimed, predicted and measured; `others` are the claims that were not checked.
pub(crate) fn report(judged: &[(&Claim, Result<[Column; 2], String>)], others: usize) -> String {
    let header = ["claim", "claimed", "predicted", "measured", "verdict"];
    let mut counts = [0_usize; 3];
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    for (claim, columns) in judged {
        let claimed = format!("{} {}", claim.value_text(), claim.unit);
        let (found, verdict) = match columns {
            Ok(both) => {
                let verdict = overall(both);
                counts[verdict as usize] += 1;
                (both.clone().map(|column| numbers(&column.found)), words(both))
            }
            Err(error) => {
                counts[Verdict::DoesNotHold as usize] += 1;
                errors.push(format!("{}: {error}", claim.id));
                ([String::new(), String::new()], "not checked".to_owned())
            }
        };
        let [predicted, measured] = found;
        rows.push(vec![claim.id.clone(), claimed, predicted, measured, verdict]);
    }
    let [holds, fails, open] = counts;
    let mut parts = vec![plain(&header, rows)];
    parts.push(format!(
        "{holds} claims hold, {fails} do not, {open} were not measured; {others} more cannot be checked here: `--list` says why"
    ));
    if judged.iter().any(|(_, columns)| columns.as_ref().is_ok_and(|[_, m]| m.verdict == Verdict::NotMeasured)) {
        parts.push(
            "no measured value: rounds are not counted, and operations only by a build with `--features count-ops`"
                .to_owned(),
        );
    }
    parts.extend(errors);
    parts.join("\n")
}

/// The verdict of both columns: the worse of what there is.
fn overall(both: &[Column; 2]) -> Verdict {
    let has = |verdict| both.iter().any(|column| column.verdict == verdict);
    match (has(Verdict::DoesNotHold), has(Verdict::Holds)) {
        (true, _) => Verdict::DoesNotHold,
        (false, true) => Verdict::Holds,
        (false, false) => Verdict::NotMeasured,
    }
}

fn words([predicted, measured]: &[Column; 2]) -> String {
    match (predicted.verdict, measured.verdict) {
        (a, b) if a == b => a.words().to_owned(),
        (a, Verdict::NotMeasured) => format!("{} (predicted)", a.words()),
        (Verdict::NotMeasured, b) => format!("{} (measured)", b.words()),
        (a, b) => format!("predicted {}, measured {}", a.words(), b.words()),
    }
}

/// Numbers with five digits, the same one once.
fn numbers(found: &[f64]) -> String {
    let mut shown: Vec<String> = Vec::new();
    for value in found {
        let digits = (4 - value.abs().log10().max(0.0).floor() as i32).max(0) as usize;
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
        if shown.last() != Some(&text) {
            shown.push(text);
        }
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_said_once() {
        assert_eq!(numbers(&[10.5, 10.5, 10.512_34]), "10.5, 10.512");
        assert_eq!(numbers(&[4224.0, 1_234_567.0, 0.0]), "4224, 1234567, 0");
    }

    #[test]
    fn the_worse_verdict_counts() {
        let column = |verdict| Column { found: Vec::new(), verdict };
        let both = |a, b| [column(a), column(b)];
        assert_eq!(overall(&both(Verdict::Holds, Verdict::DoesNotHold)), Verdict::DoesNotHold);
        assert_eq!(words(&both(Verdict::Holds, Verdict::NotMeasured)), "holds (predicted)");
        assert_eq!(words(&both(Verdict::Holds, Verdict::Holds)), "holds");
    }
}
