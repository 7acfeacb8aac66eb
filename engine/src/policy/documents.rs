//! What a policy reads and nobody defines: refused when it is loaded.

use super::Problem;
use super::format::{Form, INPUT};
use crate::rego::Program;

/// What policies see of the context below `data.context`.
const CONTEXT: [&str; 3] = ["namespaces", "cluster", "teams"];

/// Where the documents are that kube-mgmt gives to OPA.
const OF_KUBE_MGMT: &str = "What kube-mgmt keeps there is data.context.namespaces[name] (labels, annotations), \
    data.inventory.cluster[apiVersion][kind][name] and data.inventory.namespace[namespace][apiVersion][kind][name]";

/// What is read from outside has to be there: a misspelt path is undefined, and a policy that reads it never objects.
pub(super) fn check(
    program: &Program,
    form: Form,
    data: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (file, line) in program.asks_for_time() {
        let advice = "time.now_ns has no value here: the same review gets the same verdict at any time, also when a fix is tried";
        problems.push(Problem::at(file, usize::try_from(*line).unwrap_or(0), advice));
    }
    for read in program.documents() {
        let names: Vec<&str> = read.path.iter().map(smol_str::SmolStr::as_str).collect();
        let root = if read.is_input { "input" } else { "data" };
        let path = std::iter::once(root)
            .chain(names.iter().copied())
            .collect::<Vec<_>>()
            .join(".");
        let is_there = match (read.is_input, names.as_slice()) {
            (_, []) | (false, ["context"] | ["inventory", ..]) => true,
            (true, [first, ..]) => match form {
                Form::Admission => INPUT.contains(first),
                Form::Gatekeeper => ["review", "parameters"].contains(first),
                Form::Response => ["request", "apiVersion", "kind"].contains(first),
                Form::Object => true,
            },
            (false, ["context", second, ..]) => CONTEXT.contains(second),
            (false, [first, ..]) => data.contains_key(*first),
        };
        if is_there {
            continue;
        }
        let sees = match (read.is_input, form) {
            (true, Form::Gatekeeper) => "a template sees input.review and input.parameters".to_owned(),
            (true, Form::Response) => "it sees the AdmissionReview: input.request".to_owned(),
            (true, _) => format!("a policy sees input.{}", INPUT.join(", input.")),
            (false, _) if names.first() == Some(&"context") => {
                format!("a policy sees data.context.{}", CONTEXT.join(", data.context."))
            }
            (false, _) => {
                let own =
                    "no rule and no data has this name; the set has data.context, data.inventory and its own files";
                match names.first() {
                    Some(&"kubernetes") => format!("{own}. {OF_KUBE_MGMT}"),
                    _ => format!("{own}. Write what it shall be into data.yaml or data.json"),
                }
            }
        };
        let line = usize::try_from(read.line).unwrap_or(0);
        problems.push(Problem::at(&read.file, line, format!("{path} is not there: {sees}")));
    }
    problems.dedup();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
