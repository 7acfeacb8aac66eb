//! Fields that a text names, as far as the object has them.

use crate::document::Document;
use crate::finding;
use crate::redact;
use crate::verdict::Found;

/// How many words of a message are looked at.
const MAX_WORDS: usize = 400;

/// How many fields are shown for one message.
const MAX_FOUND: usize = 4;

/// The fields that a message names: `/spec/replicas`, `spec.containers[0].image`, `object.spec.replicas`.
pub(super) fn found(message: &str, kind: &str, object: &Document) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let is_between = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '`' | ',' | ';' | '(' | ')' | '=' | '<' | '>' | '!' | ':'
            )
    };
    for word in message
        .split(is_between)
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
    {
        let Some(path) = pointer(word) else { continue };
        let Some(value) = finding::at_pointer(object.value(), &path) else {
            continue;
        };
        if found.iter().all(|known| known.path != path) && found.len() < MAX_FOUND {
            let value = redact::value(kind, &path, &value.to_json());
            found.push(Found { path, value });
        }
    }
    found
}

/// A word as a JSON pointer of at least two steps.
fn pointer(word: &str) -> Option<String> {
    let word = word.trim_end_matches(['.', '/']);
    let steps: Vec<String> = if let Some(path) = word.strip_prefix('/') {
        path.split('/').map(str::to_owned).collect()
    } else {
        let word = [
            "input.review.object.",
            "input.request.object.",
            "review.object.",
            "request.object.",
            "object.",
            "$.",
            ".",
        ]
        .iter()
        .find_map(|start| word.strip_prefix(start))
        .unwrap_or(word);
        let mut steps = Vec::new();
        for part in word.split('.') {
            let (name, places) = part
                .split_once('[')
                .map_or((part, None), |(name, rest)| (name, Some(rest)));
            steps.push(name.to_owned());
            for place in places.into_iter().flat_map(|places| places.split('[')) {
                let place = place.strip_suffix(']')?;
                place.parse::<usize>().ok()?;
                steps.push(place.to_owned());
            }
        }
        steps
    };
    let is_step = |step: &String| !step.is_empty() && !step.contains(['~', '/']);
    (steps.len() >= 2 && steps.iter().all(is_step)).then(|| format!("/{}", steps.join("/")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn fields_that_are_there_are_found() {
        let object = Document::from(json!({
            "metadata": {"labels": {"app": "web"}, "name": "x"},
            "spec": {"replicas": 7, "containers": [{"image": "nginx", "env": [{"name": "A", "value": "secret"}]}]},
        }));
        let paths = |message: &str| -> Vec<String> {
            let found = found(message, "Pod", &object).into_iter();
            found.map(|found| found.path).collect()
        };
        assert_eq!(
            paths("rule check failed at path /metadata/labels/app/"),
            ["/metadata/labels/app"]
        );
        assert_eq!(
            paths("failed expression: object.spec.replicas <= 5."),
            ["/spec/replicas"]
        );
        assert_eq!(
            paths("'spec.containers[0].image', spec.containers[1].image"),
            ["/spec/containers/0/image"]
        );
        assert_eq!(
            paths("see https://example.com/spec/replicas or spec or a.b"),
            Vec::<String>::new()
        );
        let secret = found("spec.containers[0].env[0]", "Pod", &object);
        assert_eq!(secret[0].value, None);
        assert_eq!(found("/spec/replicas", "Pod", &object)[0].value.as_deref(), Some("7"));
    }
}
