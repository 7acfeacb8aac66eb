//! A service whose model explains denials: what that evidences.

use explainer_svc::delivery::Token;
use explainer_svc::words::Prompts;
use serde_json::{Value, json};

use super::{ADMINISTRATOR, control, status};
use crate::words::{MODEL, Stand, denial, good};

#[tokio::test]
async fn an_explained_denial_evidences_what_was_sent_whose_words_they_are_and_that_the_model_was_measured() {
    let prompts = Prompts::shipped().unwrap();
    let prompts: Vec<Value> = [&prompts.explain.id, &prompts.change.id]
        .into_iter()
        .map(|id| json!({"name": id.name, "version": id.version, "hash": id.hash}))
        .collect();
    let at = jiff::Timestamp::now().to_string();
    let measured = json!({
        "apiVersion": "whynot.dev/v1", "kind": "Evaluation", "at": at, "cases": "c",
        "thresholds": [{"figure": "grounded", "min": 0.9}, {"figure": "fixesUnverified", "max": 0}],
        "pairs": [{
            "provider": "a", "model": MODEL, "prompts": prompts, "passed": true, "failures": [],
            "figures": {"grounded": 0.97, "fixesUnverified": 0},
        }],
    });
    let adjust = |config: &mut explainer_svc::config::Config| {
        let file = config.gateway.as_ref().unwrap().file.clone();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}releaseGate: evaluation.json\n")).unwrap();
        std::fs::write(file.with_file_name("evaluation.json"), measured.to_string()).unwrap();
        std::fs::write(file.with_file_name("administrator"), ADMINISTRATOR).unwrap();
        config.policies.administrator = Some(Token::open(file.with_file_name("administrator")).unwrap());
    };
    let stand = Stand::start(&[], adjust, good).await;
    let answer = stand.server.explain(&denial()).await;
    assert_eq!(answer["source"], "model");
    stand.event("verdict-explained").await;
    let url = format!("{}/v1/governance", stand.server.url);
    let asked = stand
        .server
        .client
        .get(url)
        .bearer_auth(ADMINISTRATOR)
        .send()
        .await
        .unwrap();
    let report: Value = asked.json().await.unwrap();
    for name in [
        "aiuc-1/A003",
        "aiuc-1/B006",
        "aiuc-1/C002",
        "aiuc-1/D001",
        "aiuc-1/E009",
        "aiuc-1/E015",
        "aiuc-1/E016",
        "nist-ai-rmf/MEASURE 2.1",
        "nist-ai-rmf/MEASURE 2.3",
        "nist-ai-rmf/MEASURE 2.5",
        "nist-ai-600-1/GV-1.3-002",
        "nist-ai-600-1/MP-2.3-001",
        "nist-ai-600-1/MS-2.5-003",
        "nist-ai-600-1/MS-2.6-004",
    ] {
        assert_eq!(status(&report, name), "evidenced", "{}", control(&report, name));
    }
    // Nobody tried the switch or saw a fall-back: there is none.
    for name in ["nist-ai-rmf/GOVERN 1.7", "nist-ai-600-1/GV-6.2-006"] {
        assert_eq!(status(&report, name), "not-evidenced", "{name}");
    }
}
