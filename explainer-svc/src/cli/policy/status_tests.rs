use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-22T10:00:30Z";

fn worker(id: u64, state: &str, active: &str) -> Value {
    json!({"id": id, "generation": 1, "requests": 5, "active": active, "staged": [active], "state": state})
}

fn status(workers: &[Value], seen: &str) -> Status {
    let proxies = if workers.is_empty() {
        json!([])
    } else {
        json!([{"proxy": "edge/1f", "seenAt": seen, "workers": workers}])
    };
    serde_json::from_value(json!({
        "at": NOW,
        "current": {"revision": "aaaaaaaaaaaa", "since": "2026-11-22T10:00:00Z", "source": "/policies"},
        "source": {"kind": "directory", "location": "/policies", "lastChecked": NOW, "lastError": null},
        "refused": [{"at": "2026-11-22T09:00:00Z", "revision": null, "origin": "/policies",
                     "reasons": ["/policies/a.rego:3: wrong\u{1b}[31m"]}],
        "history": [{"revision": "aaaaaaaaaaaa", "at": NOW, "by": "directory"},
                    {"revision": "bbbbbbbbbbbb", "at": NOW, "by": "directory"}],
        "avoided": ["bbbbbbbbbbbb"],
        "proxies": proxies,
    }))
    .unwrap()
}

#[test]
fn only_workers_that_serve_can_be_behind() {
    let workers = |state| vec![worker(1, "serving", "aaaaaaaaaaaa"), worker(2, state, "bbbbbbbbbbbb")];
    for state in ["idle", "draining"] {
        assert_eq!(answer(&status(&workers(state), NOW), None), Answer::Current, "{state}");
    }
    assert!(matches!(
        answer(&status(&workers("serving"), NOW), None),
        Answer::Behind(_)
    ));
}

#[test]
fn what_is_not_known_is_not_called_current() {
    assert!(matches!(answer(&status(&[], NOW), None), Answer::Unclear(_)));
    let workers = vec![worker(1, "serving", "aaaaaaaaaaaa")];
    let silent = status(&workers, "2026-11-22T10:00:00Z");
    assert!(matches!(answer(&silent, None), Answer::Unclear(_)));
    assert!(matches!(
        answer(&status(&workers, NOW), Some("cccccccccccc")),
        Answer::Behind(_)
    ));
}

#[test]
fn where_nobody_serves_nobody_is_current() {
    let all = |active| vec![worker(1, "idle", active), worker(2, "idle", "aaaaaaaaaaaa")];
    let older = status(&all("bbbbbbbbbbbb"), NOW);
    assert_eq!(
        answer(&older, Some("aaaaaaaaaaaa")),
        Answer::Unclear("no worker serves, and 1 is idle with other policies".to_owned())
    );
    // Idle ones that have taken the policies are as good as any.
    assert_eq!(answer(&status(&all("aaaaaaaaaaaa"), NOW), None), Answer::Current);
    let finishing = status(&[worker(1, "draining", "bbbbbbbbbbbb")], NOW);
    assert!(matches!(answer(&finishing, None), Answer::Unclear(_)));
}

#[test]
fn the_text_says_everything_and_steers_no_terminal() {
    let workers = vec![
        worker(1, "serving", "aaaaaaaaaaaa"),
        json!({"id": 2, "state": "serving", "active": "bbbbbbbbbbbb", "staged": ["aaaaaaaaaaaa"],
               "failed": {"revision": "cccccccccccc", "reason": "out of memory"}}),
        json!({"id": 3, "state": "idle", "active": null}),
    ];
    let status = status(&workers, NOW);
    let text = text(&status, &answer(&status, None), Looks::default());
    insta::assert_snapshot!(text);
}
