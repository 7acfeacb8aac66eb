//! What the search for a fix takes, the verdict before it not counted.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use engine::{
    admission::Review,
    eval::PolicySet,
    fix::{self, Effort},
    verdict::Verdict,
};
use serde_json::json;

use crate::{
    Arguments,
    report::{Table, column, percentile},
    reviews::{Fault, Size, review},
    say, sets,
};

/// What is wrong with the Pods.
const KINDS: [(&str, &[Fault]); 7] = [
    ("privileged", &[Fault::Privileged]),
    ("a missing label", &[Fault::Label]),
    ("another registry", &[Fault::Registry]),
    ("host namespaces", &[Fault::HostNamespaces]),
    ("no limits", &[Fault::Limits]),
    ("two of them", &[Fault::Privileged, Fault::Label]),
    ("all of them", &Fault::ALL),
];

/// Different Pods of each kind.
const PODS: usize = 40;

/// One search.
struct Timed {
    milliseconds: f64,
    evaluations: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let columns = [
        column("fault", "fault", 0),
        column("authors", "proposals", 0),
        column("p50Ms", "p50 ms", 2),
        column("p99Ms", "p99 ms", 2),
        column("p50Evaluations", "p50 evaluations", 0),
        column("p99Evaluations", "p99 evaluations", 0),
        column("found", "found", 0),
        column("runs", "runs", 0),
    ];
    let title =
        "Native, one thread: the search for fixes of a denied Pod of 13 kB, 20 policies; the verdict is not counted.";
    let mut table = Table::new(title.to_owned(), &columns);
    let set = sets::compile(&sets::twenty()?)?;
    if set.policies().len() != 20 {
        bail!("expected 20 policies, got {}", set.policies().len());
    }
    let efforts = [
        ("authors'", Effort::ADMISSION),
        (
            "none",
            Effort {
                authors: false,
                ..Effort::ADMISSION
            },
        ),
    ];
    for (authors, effort) in efforts {
        let mut all = Vec::new();
        let mut all_found = (0, 0);
        for (name, faults) in KINDS {
            say(&format!("fixes: {name}"));
            let denied = (0..PODS)
                .map(|turn| denied(&set, turn, faults))
                .collect::<Result<Vec<_>>>()?;
            let (times, found) = times(arguments, &set, &denied, effort);
            table.row(&row(name, authors, &times, &format!("{found}/{PODS}")));
            all_found = (all_found.0 + found, all_found.1 + PODS);
            all.extend(times);
        }
        table.row(&row("any", authors, &all, &format!("{}/{}", all_found.0, all_found.1)));
    }
    Ok(table)
}

fn row(fault: &str, authors: &str, times: &[Timed], found: &str) -> [serde_json::Value; 8] {
    let milliseconds: Vec<f64> = times.iter().map(|timed| timed.milliseconds).collect();
    let evaluations: Vec<f64> = times.iter().map(|timed| timed.evaluations).collect();
    [
        json!(fault),
        json!(authors),
        json!(percentile(&milliseconds, 0.5)),
        json!(percentile(&milliseconds, 0.99)),
        json!(percentile(&evaluations, 0.5)),
        json!(percentile(&evaluations, 0.99)),
        json!(found),
        json!(times.len()),
    ]
}

fn denied(set: &PolicySet, turn: usize, faults: &[Fault]) -> Result<(Review, Verdict)> {
    let review = Review::parse(&review(Size::Usual, turn, faults)?)?;
    let verdict = set.evaluate(&review);
    if !verdict.failures().is_empty() || verdict.violations().count() < faults.len() {
        bail!("expected {} violations, got {verdict:?}", faults.len());
    }
    Ok((review, verdict))
}

/// Each Pod once at least, and as many as fit in the time; for how many of them a change was found after which all pass.
fn times(arguments: &Arguments, set: &PolicySet, denied: &[(Review, Verdict)], effort: Effort) -> (Vec<Timed>, usize) {
    let patience = Duration::from_millis(if arguments.quick { 0 } else { 1500 });
    let (mut times, mut found) = (Vec::new(), 0);
    let began = Instant::now();
    for (review, verdict) in denied.iter().cycle() {
        let start = Instant::now();
        let remedies = black_box(fix::remedies(set, review, verdict, effort));
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if times.len() < denied.len() {
            found += usize::from(remedies.whole.is_some_and(|fix| fix.complete()));
        }
        times.push(Timed {
            milliseconds,
            evaluations: f64::from(u32::try_from(remedies.evaluations).unwrap_or(u32::MAX)),
        });
        if times.len() >= denied.len() && began.elapsed() > patience {
            break;
        }
    }
    (times, found)
}
