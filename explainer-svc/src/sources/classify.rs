//! What a YAML or JSON file is, by what is in it.

use super::json::Json;

/// What a file that is no Rego holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A `ConstraintTemplate`, a constraint, a `Config` or a `SyncSet` of Gatekeeper, alone or with others.
    Gatekeeper,
    /// `policy-set.yaml`.
    Settings,
    /// What `whynot policy build` wrote.
    Bundle,
    /// Cases for policies.
    Cases,
    /// Nothing of a policy set.
    Other,
}

/// The last two say which kinds are in the inventory.
const GROUPS: [&str; 4] = [
    "templates.gatekeeper.sh/",
    "constraints.gatekeeper.sh/",
    "config.gatekeeper.sh/",
    "syncset.gatekeeper.sh/",
];

/// Looks at lines and not at the document, so that a broken file is still known for what it should be: the one who
/// reads it then says what is broken, and no policy gets lost.
pub(super) fn classify(text: &str) -> Content {
    if text.trim_start().starts_with('{') {
        let json = Json::parse_yaml(text.as_bytes()).ok();
        let member = |key: &str| json.as_ref().and_then(|json| json.text(key));
        // A bundle may hold Gatekeeper's documents as texts.
        match kind(member("apiVersion"), member("kind"), false) {
            Content::Other => {}
            content => return content,
        }
    }
    if GROUPS.iter().any(|group| is_api_version(text, group)) {
        return Content::Gatekeeper;
    }
    if text.trim_start().starts_with('{') {
        return Content::Other;
    }
    let member = |key: &str| {
        text.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
            // Without a comment and quotes.
            let value = value.split(" #").next().unwrap_or_default().trim();
            Some(value.trim_matches(['"', '\'']))
        })
    };
    kind(member("apiVersion"), member("kind"), member("cases").is_some())
}

fn kind(api_version: Option<&str>, kind: Option<&str>, cases: bool) -> Content {
    let ours = api_version.is_none_or(|version| version.starts_with("whynot.dev/"));
    match kind {
        Some("PolicySet") if ours => Content::Settings,
        Some("PolicyBundle") if ours => Content::Bundle,
        None if cases => Content::Cases,
        _ => Content::Other,
    }
}

/// Whether somewhere `apiVersion` is of this group.
fn is_api_version(text: &str, group: &str) -> bool {
    text.match_indices(group).any(|(index, _)| {
        let before = text.get(..index).unwrap_or_default();
        let before = before.trim_end_matches(['"', '\'', ' ', '\t']);
        before
            .strip_suffix(':')
            .is_some_and(|key| key.trim_end_matches(['"', '\'', ' ']).ends_with("apiVersion"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        let cases = [
            (
                "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\n",
                Content::Gatekeeper,
            ),
            (
                "# x\n---\napiVersion: \"constraints.gatekeeper.sh/v1beta1\"\nkind: K8sRequiredLabels\n",
                Content::Gatekeeper,
            ),
            (
                "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\n",
                Content::Gatekeeper,
            ),
            (
                r#"{"kind":"List","items":[{"apiVersion": "templates.gatekeeper.sh/v1"}]}"#,
                Content::Gatekeeper,
            ),
            (
                "apiVersion: templates.gatekeeper.sh/v1\n  broken: [",
                Content::Gatekeeper,
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\ndata: {doc: see templates.gatekeeper.sh/v1}\n",
                Content::Other,
            ),
            ("apiVersion: whynot.dev/v1\nkind: PolicySet # ours\n", Content::Settings),
            ("kind: 'PolicySet'\n", Content::Settings),
            ("apiVersion: other/v1\nkind: PolicySet\n", Content::Other),
            (
                r#"{"apiVersion":"whynot.dev/v1","kind":"PolicyBundle","files":[]}"#,
                Content::Bundle,
            ),
            (
                r#"{"apiVersion":"whynot.dev/v1","kind":"PolicyBundle","files":[{"text":"apiVersion: templates.gatekeeper.sh/v1"}]}"#,
                Content::Bundle,
            ),
            ("cases:\n  - name: x\n", Content::Cases),
            ("kind: Suite\ncases: []\n", Content::Other),
            ("", Content::Other),
        ];
        for (text, expected) in cases {
            assert_eq!(classify(text), expected, "{text}");
        }
    }
}
