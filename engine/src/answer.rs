//! From a review to what the API server is told. The one way through the engine, in Envoy and in tests.

use std::collections::BTreeMap;

use crate::admission::{Answer, Review, ReviewError, Version};
use crate::eval::PolicySet;
use crate::explain::summary;
use crate::explain::text::{Extras, Words, render};
use crate::explain::wire::{Decision, ExplainRequest};
use crate::fix::{self, Effort, Remedies};
use crate::redact;
use crate::verdict::{Action, Verdict};

/// A decided review: all that words, records and answers are made from.
#[derive(Debug, Clone)]
pub struct Decided {
    version: Version,
    uid: String,
    /// The revision of the context, when it has one.
    context: Option<String>,
    /// For the explainer.
    pub request: ExplainRequest,
    /// Nothing was found: there is nothing to explain or to record.
    pub is_silent: bool,
}

/// Decides a review and, when it is denied, tries the fixes that its policies propose.
pub fn decide(set: &PolicySet, review: &Review) -> Decided {
    let verdict = set.evaluate(review);
    decided(set, review, &verdict)
}

/// The rest, once there is a verdict.
pub fn decided(set: &PolicySet, review: &Review, verdict: &Verdict) -> Decided {
    let remedies = if verdict.is_silent() {
        Remedies::default()
    } else {
        fix::remedies(set, review, verdict, Effort::ADMISSION)
    };
    with_remedies(set, review, verdict, &remedies)
}

/// The same, for who has looked for remedies already.
pub fn with_remedies(set: &PolicySet, review: &Review, verdict: &Verdict, remedies: &Remedies) -> Decided {
    let request = if verdict.is_silent() {
        // The projection costs a digest of the spec, which an allowed request need not pay for.
        ExplainRequest {
            api_version: crate::explain::wire::API_VERSION.to_owned(),
            revision: verdict.revision().to_owned(),
            decision: verdict.decision(),
            deadline_ms: 0,
            review: crate::explain::wire::ReviewSummary::default(),
            violations: Vec::new(),
            failures: Vec::new(),
            fix: None,
            unfixable: BTreeMap::new(),
            origin: None,
            defaulted: Vec::new(),
            upstream: None,
        }
    } else {
        summary::request(set, review, verdict, remedies, 0)
    };
    Decided {
        version: review.version,
        uid: review.uid.clone(),
        context: set.context_revision().map(str::to_owned),
        request,
        is_silent: verdict.is_silent(),
    }
}

impl Decided {
    /// The request's uid.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The verdict.
    pub fn decision(&self) -> Decision {
        self.request.decision
    }

    /// The answer in the engine's own words.
    pub fn own_answer(&self) -> Answer {
        self.answer(&render(&self.request, &Extras::default()), None)
    }

    /// The answer in these words. Words decide nothing: allowed stays allowed and denied stays denied.
    pub fn answer(&self, words: &Words, explanation: Option<&str>) -> Answer {
        let denial = match self.request.decision {
            Decision::Allow => None,
            Decision::Deny => Some(redact::lines(&words.message, redact::MAX_MESSAGE)),
        };
        Answer {
            version: self.version,
            uid: self.uid.clone(),
            denial,
            warnings: redact::warnings(&words.warnings),
            audit_annotations: self.annotations(explanation),
        }
    }

    fn annotations(&self, explanation: Option<&str>) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::from([("revision".to_owned(), self.request.revision.clone())]);
        annotations.extend(self.context.clone().map(|revision| ("context".to_owned(), revision)));
        let mut add = |key: &str, values: Vec<String>| {
            if !values.is_empty() {
                annotations.insert(key.to_owned(), redact::line(&values.join(","), 4096));
            }
        };
        for (key, action) in [
            ("denied-by", Action::Deny),
            ("warned-by", Action::Warn),
            ("audited-by", Action::Audit),
        ] {
            let mut ids: Vec<String> = self
                .request
                .with_action(action)
                .map(|found| found.policy.clone())
                .collect();
            ids.dedup();
            add(key, ids);
        }
        add(
            "failed",
            self.request
                .failures
                .iter()
                .map(|failure| failure.policy.clone())
                .collect(),
        );
        add("explanation", explanation.into_iter().map(str::to_owned).collect());
        annotations
    }
}

/// The refusal of what is no review, when its uid could be told. Without a uid there is no answer that the API server takes.
pub fn refusal(error: &ReviewError) -> Option<Answer> {
    Some(refuse(error.version, error.uid.clone()?, &error.reason))
}

/// The refusal of a review that could not be judged.
pub fn refuse(version: Version, uid: String, reason: &str) -> Answer {
    let message = format!("whynot could not judge this request, so it is refused: {reason}");
    Answer {
        version,
        uid,
        denial: Some(redact::lines(&message, redact::MAX_MESSAGE)),
        warnings: Vec::new(),
        audit_annotations: BTreeMap::from([("failed".to_owned(), "review".to_owned())]),
    }
}
