//! Why people make rules about a field of Kubernetes: what is said when the rule itself gives no reason.

mod table;

use self::table::{AMBIGUOUS, GENERAL, KNOWN, Known};

/// Why rules about the field at this pointer, or about the nearest part of the object around it, exist; `said`: what the rule
/// says, to choose by.
pub(super) fn at(pointer: &str, said: &str) -> Option<&'static str> {
    find_at(KNOWN, pointer, said)
}

/// As [`at`], for parts of objects that say little by themselves.
pub(super) fn around(pointer: &str, said: &str) -> Option<&'static str> {
    find_at(GENERAL, pointer, said)
}

/// Why rules about the field that these words name exist.
pub(super) fn named(said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    KNOWN
        .iter()
        .chain(GENERAL)
        // A word that is common in other senses has to come with a field.
        .filter(|known| !AMBIGUOUS.iter().any(|path| known.paths.contains(path)))
        .find(|known| known.words.iter().any(|word| has_word(&said, word)))
        .map(|known| known.why)
}

fn find_at(table: &'static [Known], pointer: &str, said: &str) -> Option<&'static str> {
    // The key of a label is a word too.
    let said = format!("{said} {pointer}").to_lowercase();
    let names: Vec<String> = pointer
        .split('/')
        .skip(1)
        .filter(|name| *name != "-" && name.parse::<usize>().is_err())
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect();
    (1..=names.len()).rev().find_map(|length| {
        let names = names.get(..length)?;
        let mut here = table
            .iter()
            .filter(|known| known.paths.iter().any(|path| is_end(names, path)));
        let is_meant = |known: &&Known| known.words.iter().any(|word| has_word(&said, word));
        let chosen = here.clone().find(is_meant);
        // Alone at its path it needs no words.
        let mut own = here.clone().filter(|known| known.words.is_empty());
        let only = (here.clone().count() == 1 && !needs_words(names))
            .then(|| here.next())
            .flatten();
        chosen.or_else(|| own.next()).or(only).map(|known| known.why)
    })
}

/// Where the place alone says nothing: not every variable is a secret, and not every version is old.
fn needs_words(names: &[String]) -> bool {
    let words_only = [
        "env",
        "envFrom",
        "data",
        "stringData",
        "apiVersion",
        "namespace",
        "type",
    ];
    names.last().is_some_and(|last| words_only.contains(&last.as_str()))
}

/// Whether a path ends in these names; a name may have slashes of its own.
fn is_end(names: &[String], end: &str) -> bool {
    names.last().is_some_and(|last| last == end) || {
        let end: Vec<&str> = end.split('/').collect();
        end.len() > 1
            && names.len() >= end.len()
            && names.iter().rev().zip(end.iter().rev()).all(|(name, end)| name == end)
    }
}

/// Whether a text has these words, and not as a part of others.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn starts(found: Option<&str>, start: &str) {
        assert!(found.unwrap_or_default().starts_with(start), "{found:?}");
    }

    #[test]
    fn the_nearest_known_field_is_meant() {
        starts(
            at("/spec/containers/0/securityContext/privileged", ""),
            "A privileged container",
        );
        starts(
            at("/spec/containers/0/securityContext/capabilities/drop", ""),
            "Capabilities are",
        );
        starts(
            at("/spec/template/spec/volumes/2/hostPath/path", ""),
            "A path of the node",
        );
        starts(at("/spec/containers/0/resources/limits/cpu", ""), "A limit keeps");
        starts(at("/spec/containers/0/resources/limits/memory", ""), "A limit keeps");
        starts(at("/spec/tls", ""), "Without TLS");
        starts(
            at("/metadata/labels/pod-security.kubernetes.io~1enforce", ""),
            "This label decides",
        );
        starts(around("/spec/securityContext", ""), "The security context");
        for unknown in [
            "",
            "/spec",
            "/spec/containers/0",
            "/metadata/name",
            "/spec/containers/0/env/0/value",
            "/spec/type",
        ] {
            assert_eq!((at(unknown, ""), around(unknown, "")), (None, None), "{unknown}");
        }
    }

    #[test]
    fn the_rules_words_choose_among_reasons_for_one_field() {
        let image = "/spec/containers/0/image";
        starts(at(image, "image must be pinned by digest"), "A tag can be moved");
        starts(at(image, "the tag \"latest\" is not allowed"), "A tag such as latest");
        starts(
            at(image, "comes from a registry that is not allowed"),
            "An image is code that runs in the cluster: of one",
        );
        starts(at(image, "no"), "An image is code that runs in the cluster: which one");
        starts(
            at("/metadata/labels", "you must provide labels: {\"owner\"}"),
            "When it breaks",
        );
        starts(
            at("/metadata/labels", "you must provide labels: {\"tier\"}"),
            "Selectors, reports",
        );
        starts(at("/spec/type", "type NodePort is not allowed"), "A node port");
        starts(
            at("/spec/containers/0/env/0/value", "DB_PASSWORD holds a password"),
            "A secret in a manifest",
        );
        starts(at("/rules/0/verbs/1", "no wildcards"), "A wildcard also");
        starts(at("/rules/0/verbs/1", "delete is not allowed"), "The rights of a role");
    }

    #[test]
    fn words_are_whole_and_mean_one_thing() {
        starts(
            named("Privileged container is not allowed: app"),
            "A privileged container",
        );
        starts(
            named("Sharing the host network is not allowed"),
            "On its node's network",
        );
        assert_eq!(named("underprivilegedness"), None);
        assert_eq!(named("the tag of this team's secret is wrong"), None);
    }

    #[test]
    fn every_reason_is_one_short_plain_sentence() {
        for known in KNOWN.iter().chain(GENERAL) {
            assert!(
                known.why.is_ascii() && known.why.len() <= 190 && known.why.ends_with('.'),
                "{}",
                known.why
            );
            assert!(!known.paths.is_empty() && !known.why.contains("  "), "{}", known.why);
        }
    }
}
