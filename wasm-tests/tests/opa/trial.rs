//! One policy in three places: the engine natively, the filter under wasmtime, and OPA.

use engine::admission::Review;
use engine::answer::{decide, refusal};
use engine::context::Context;
use engine::eval::{MAX_MESSAGE, MAX_VIOLATIONS, PolicySet};
use engine::explain::wire::Decision;
use engine::policy::compile::compile;
use engine::verdict::{Action, FailureKind};
use serde_json::{Value, json};
use wasm_tests::fixtures::configuration;
use wasm_tests::host::{self, Host};
use wasm_tests::opa::{Evaluator as _, Oracle, Outcome, Request};

use crate::corpus::Policy;
use crate::shown;

/// An answer, and what the explainer is told before it.
#[derive(Debug, PartialEq)]
struct Said {
    status: u32,
    body: String,
    explained: Option<Value>,
}

/// What one policy makes of a request.
#[derive(Debug, PartialEq, Eq, Default)]
struct Findings {
    messages: Vec<String>,
    failures: Vec<FailureKind>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reviews: usize,
    pub(crate) refused: usize,
    /// Of the reviews; OPA is asked about these.
    pub(crate) concerned: usize,
    pub(crate) denied: usize,
    pub(crate) failed: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            reviews,
            refused,
            concerned,
            denied,
            failed,
        } = other;
        self.reviews += reviews;
        self.refused += refused;
        self.concerned += concerned;
        self.denied += denied;
        self.failed += failed;
    }
}

/// One policy, in the three places.
pub(crate) struct Trial<'a> {
    pub(crate) policy: &'a Policy,
    context: Context,
    pub(crate) set: PolicySet,
    configuration: String,
    oracle: &'a mut Oracle,
    pub(crate) tally: Tally,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(policy: &'a Policy, oracle: &'a mut Oracle) -> Self {
        let context: Context = serde_json::from_value(policy.context.clone()).unwrap();
        let set = compile(&policy.bundle, context.clone())
            .unwrap_or_else(|problems| panic!("{}", engine::policy::list(&problems)));
        assert_eq!(set.policies().len(), 1, "{}", policy.name);
        assert_eq!(set.policies()[0].entries.len(), 1, "{}", policy.name);
        let mut configuration = configuration(&policy.bundle).unwrap();
        configuration["context"] = policy.context.clone();
        Self {
            policy,
            context,
            set,
            configuration: configuration.to_string(),
            oracle,
            tally: Tally::default(),
        }
    }

    /// How the answers to each request differ: not many at once, a host keeps what it was sent.
    pub(crate) fn differences(&mut self, requests: &[Value]) -> Vec<Option<String>> {
        let host = Host::new(&self.configuration).unwrap_or_else(|error| panic!("{}: {error}", self.policy.name));
        let mut found: Vec<Option<String>> = Vec::new();
        // For OPA: which request, what it has to say, and the inputs.
        let mut asked: Vec<(usize, Findings, usize)> = Vec::new();
        let mut inputs = Vec::new();
        for (place, request) in requests.iter().enumerate() {
            let bytes = bytes(request);
            self.tally.reviews += 1;
            let (natively, findings) = self.natively(&bytes);
            let filter = in_filter(&host, &bytes);
            found.push((natively != filter).then(|| format!("natively: {natively:?}\nfilter:   {filter:?}")));
            let Some((findings, evaluated)) = findings else {
                self.tally.refused += 1;
                continue;
            };
            if evaluated == 0 {
                continue;
            }
            self.tally.concerned += 1;
            self.tally.denied += usize::from(!findings.messages.is_empty());
            self.tally.failed += findings.failures.len();
            let shown = shown::inputs(&self.set.policies()[0], request, &self.context);
            if shown.len() != evaluated {
                found[place] = Some(format!("seen {evaluated} times, expected {}", shown.len()));
                continue;
            }
            asked.push((place, findings, shown.len()));
            inputs.extend(shown.iter().map(|input| Some(input.to_string())));
        }
        let outcomes = self.opa(inputs);
        let mut outcomes = outcomes.iter();
        for (place, ours, count) in asked {
            let mut theirs = Findings::default();
            outcomes.by_ref().take(count).for_each(|outcome| theirs.add(outcome));
            theirs.messages.sort();
            if ours != theirs {
                found[place] = Some(format!("whynot: {ours:?}\nOPA:    {theirs:?}"));
            }
        }
        found
    }

    fn opa(&mut self, inputs: Vec<Option<String>>) -> Vec<Outcome> {
        let request = Request {
            modules: self.policy.modules.clone(),
            data: self.policy.data.to_string(),
            inputs,
            queries: vec![self.policy.query.clone()],
        };
        match self.oracle.ask(&request).unwrap() {
            wasm_tests::opa::Answer::Outcomes(outcomes) => outcomes.concat(),
            wasm_tests::opa::Answer::Refused(reasons) => panic!("{}: {reasons:?}", self.policy.name),
        }
    }

    /// The answer; when the review could be read also what was found, and how often the policy was evaluated.
    fn natively(&self, bytes: &[u8]) -> (Said, Option<(Findings, usize)>) {
        let review = match Review::parse(bytes) {
            Ok(review) => review,
            Err(error) => {
                let answer = refusal(&error);
                let said = Said {
                    status: if answer.is_some() { 200 } else { 400 },
                    body: answer.map_or_else(|| format!("whynot: {error}\n"), |answer| text(&answer.to_bytes())),
                    explained: None,
                };
                return (said, None);
            }
        };
        let verdict = self.set.evaluate(&review);
        let policy = &self.set.policies()[0];
        let mut messages: Vec<String> = verdict
            .violations()
            .map(|violation| violation.message.clone())
            .collect();
        messages.sort();
        let failures: Vec<FailureKind> = verdict.failures().iter().map(|failure| failure.kind).collect();
        let ids = verdict.violations().map(|violation| &violation.policy);
        for id in ids.chain(verdict.failures().iter().map(|failure| &failure.policy)) {
            assert_eq!(*id, policy.meta.id);
        }
        // The decision follows from what OPA is held against.
        let objects = !messages.is_empty() && policy.meta.custom.action == Action::Deny;
        let is_denied = objects || (!failures.is_empty() && !policy.tolerant);
        assert_eq!(verdict.decision() == Decision::Deny, is_denied, "{verdict:?}");
        // Nobody can tell whether it concerns the request, which Gatekeeper counts as a violation: OPA has no part in that.
        let is_unknown =
            |detail: &str| detail.contains("namespaceSelector") || detail.contains("neither an object nor");
        let before = verdict
            .failures()
            .iter()
            .any(|failure| is_unknown(&failure.detail) || failure.detail.contains("no oldObject"));
        let evaluated = if before { 0 } else { verdict.evaluated() };
        let decided = decide(&self.set, &review);
        let said = Said {
            status: 200,
            body: text(&decided.own_answer().to_bytes()),
            explained: (!decided.is_silent).then(|| without_deadline(serde_json::to_value(&decided.request).unwrap())),
        };
        (said, Some((Findings { messages, failures }, evaluated)))
    }
}

/// The same from the module. The explainer does not answer, so that the words are the engine's own.
fn in_filter(host: &Host, bytes: &[u8]) -> Said {
    let mut request = host.request("POST", "/validate?timeout=10s", [("content-type", "application/json")]);
    request.body(bytes, true);
    let explained = (request.outcome() == host::Outcome::Pending).then(|| {
        let call = host.calls().pop().unwrap();
        host.fail_call(call.token);
        without_deadline(serde_json::from_slice(&call.body).unwrap())
    });
    let outcome = request.outcome();
    request.end();
    match outcome {
        host::Outcome::Local(response) => Said {
            status: response.status,
            body: text(&response.body),
            explained,
        },
        other => panic!("{other:?} to {}", text(bytes)),
    }
}

/// Natively nobody waits.
fn without_deadline(mut explained: Value) -> Value {
    explained["deadlineMs"].take();
    explained
}

pub(crate) fn bytes(request: &Value) -> Vec<u8> {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string()
        .into_bytes()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Findings {
    /// What has to follow from what OPA says.
    fn add(&mut self, outcome: &Outcome) {
        let failure = match outcome {
            Outcome::Value(value) => match messages(value) {
                Ok(messages) => return self.messages.extend(messages),
                Err(failure) => failure,
            },
            Outcome::Undefined => FailureKind::Undefined,
            Outcome::Error(_) => FailureKind::Error,
            other => panic!("OPA: {other}"),
        };
        self.failures.push(failure);
    }
}

/// A set of texts, or of objects with a text as `msg`; anything else is a failure.
fn messages(value: &engine::rego::value::Value) -> Result<Vec<String>, FailureKind> {
    let set = value.as_set().ok_or(FailureKind::Shape)?;
    if set.len() > MAX_VIOLATIONS {
        return Err(FailureKind::Limit);
    }
    let message = |element: &engine::rego::value::Value| {
        let message = element
            .as_str()
            .or_else(|| element.member("msg")?.as_str())
            .unwrap_or_default()
            .trim();
        match message.len() {
            0 => Err(FailureKind::Shape),
            length if length > MAX_MESSAGE => Err(FailureKind::Limit),
            _ => Ok(message.to_owned()),
        }
    };
    set.iter().map(message).collect()
}
