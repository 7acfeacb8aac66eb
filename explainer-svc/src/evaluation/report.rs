//! What was found, for people.

use std::io::{self, Write};

use super::figures::Figures;
use crate::cli::Looks;
use crate::gateway::release::{Evaluated, Pair};

/// Writes what came of each pair.
pub(crate) fn text(out: &mut dyn Write, looks: Looks, evaluated: &Evaluated) -> io::Result<()> {
    for pair in &evaluated.pairs {
        writeln!(out, "{}", looks.strong(&pair.subject()))?;
        let figures: Figures = serde_json::from_value(pair.figures.clone()).unwrap_or_default();
        for (name, value) in lines(&figures) {
            writeln!(out, "  {name:<12} {value}")?;
        }
        let verdict = verdict(looks, pair);
        writeln!(out, "  {:<12} {verdict}", "gate")?;
    }
    Ok(())
}

fn verdict(looks: Looks, pair: &Pair) -> String {
    if pair.passed {
        return looks.good("passed");
    }
    format!("{}: {}", looks.bad("not passed"), pair.failures.join("; "))
}

fn lines(figures: &Figures) -> Vec<(&'static str, String)> {
    let Figures {
        denials,
        answered,
        words,
        fixes_proposed,
        fixes_verified,
        fixes_shown,
        fixes_unverified,
        input_tokens,
        output_tokens,
        ..
    } = figures;
    let mut lines = vec![
        (
            "denials",
            format!(
                "{denials}: {answered} answered by the model, {words} with its words ({})",
                percent(figures.explained)
            ),
        ),
        (
            "answers",
            format!(
                "{} of the form asked for, {} grounded",
                percent(figures.schema_valid),
                percent(figures.grounded)
            ),
        ),
        (
            "fixes",
            format!(
                "{fixes_proposed} proposed, {fixes_verified} verified ({}), {fixes_shown} shown, {fixes_unverified} of them unverified",
                percent(figures.fix_pass_rate)
            ),
        ),
        (
            "readability",
            format!(
                "reading ease {}, grade {}",
                one(figures.reading_ease),
                one(figures.reading_grade)
            ),
        ),
        (
            "latency",
            format!(
                "p50 {} ms, p99 {} ms; {} in time{}",
                whole(figures.p50_ms),
                whole(figures.p99_ms),
                percent(figures.in_time),
                stalled(figures)
            ),
        ),
        (
            "cost",
            format!("{}; {input_tokens} tokens in, {output_tokens} out", cost(figures)),
        ),
    ];
    if !figures.refused.is_empty() {
        let each = figures
            .refused
            .iter()
            .map(|(reason, times)| format!("{reason} {times}"));
        lines.push(("no words", each.collect::<Vec<_>>().join(", ")));
    }
    lines
}

fn cost(figures: &Figures) -> String {
    match (figures.dollars, figures.dollars_each) {
        (Some(all), Some(each)) => format!("${all:.4}, ${each:.6} a denial"),
        _ => "without a price".to_owned(),
    }
}

/// What is not counted in that is said.
fn stalled(figures: &Figures) -> String {
    match figures.stalled_ms {
        0 => String::new(),
        stalled => format!(
            ", {} by the clock alone: the machine stood still for {stalled} ms",
            percent(figures.in_time_by_clock)
        ),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn one(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(figures: &Figures, failures: &[&str]) -> String {
        let evaluated: Evaluated = serde_json::from_value(json!({
            "apiVersion": "whynot.dev/v1", "kind": "Evaluation", "at": "2026-11-23T05:00:00Z", "cases": "x", "thresholds": [{"figure": "grounded", "min": 0.9}],
            "pairs": [{
                "provider": "openai", "model": "gpt-4.1-mini", "prompts": [
                    {"name": "explain", "version": 1, "hash": "a"}, {"name": "change", "version": 2, "hash": "b"},
                ],
                "passed": failures.is_empty(), "failures": failures, "figures": figures,
            }],
        }))
        .unwrap();
        let mut out = Vec::new();
        text(&mut out, Looks::default(), &evaluated).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_was_measured_is_shown_and_what_was_not_is_a_dash() {
        let figures = Figures {
            denials: 200,
            answered: 198,
            words: 190,
            schema_valid: Some(0.995),
            grounded: Some(0.97),
            explained: Some(0.95),
            fixes_proposed: 4,
            fixes_verified: 3,
            fixes_shown: 3,
            fix_pass_rate: Some(0.75),
            in_time: Some(1.0),
            reading_ease: Some(61.24),
            reading_grade: Some(8.44),
            p50_ms: Some(812.4),
            p99_ms: Some(2310.0),
            input_tokens: 120_000,
            output_tokens: 30_000,
            dollars: Some(0.096),
            dollars_each: Some(0.00048),
            refused: [("guard-out: schema".to_owned(), 1), ("deadline".to_owned(), 2)].into(),
            ..Figures::default()
        };
        insta::assert_snapshot!(shown(&figures, &[]), @r"
        openai/gpt-4.1-mini explain@1+change@2
          denials      200: 198 answered by the model, 190 with its words (95.0 %)
          answers      99.5 % of the form asked for, 97.0 % grounded
          fixes        4 proposed, 3 verified (75.0 %), 3 shown, 0 of them unverified
          readability  reading ease 61.2, grade 8.4
          latency      p50 812 ms, p99 2310 ms; 100.0 % in time
          cost         $0.0960, $0.000480 a denial; 120000 tokens in, 30000 out
          no words     deadline 2, guard-out: schema 1
          gate         passed
        ");
        let nothing = shown(&Figures::default(), &["grounded could not be measured"]);
        assert!(nothing.contains("- of the form asked for, - grounded"), "{nothing}");
        assert!(nothing.contains("without a price"), "{nothing}");
        assert!(
            nothing.ends_with("gate         not passed: grounded could not be measured\n"),
            "{nothing}"
        );
    }
}
