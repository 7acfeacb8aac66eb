//! Which kinds of objects policies read in `data.inventory`: from arguments, from `policy-set.yaml`, and from Gatekeeper's
//! `Config` and `SyncSet`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use engine::policy::Problem;
use engine::policy::bundle::Bundle;
use engine::policy::settings::Settings;
use serde_json::Value;

/// A kind of objects in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    /// For example `v1`.
    pub version: String,
    /// For example `Ingress`.
    pub kind: String,
}

impl Kind {
    /// What namespaces are.
    pub(super) fn namespaces() -> Self {
        Self::of("", "v1", "Namespace")
    }

    /// Where Gatekeeper says what it keeps.
    pub fn gatekeeper() -> [Self; 2] {
        [
            Self::of("config.gatekeeper.sh", "v1alpha1", "Config"),
            Self::of("syncset.gatekeeper.sh", "v1alpha1", "SyncSet"),
        ]
    }

    fn of(group: &str, version: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// As objects have it: `v1`, `networking.k8s.io/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether its objects hold what nobody may see.
    pub(super) fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (group, version, kind) = match parts.as_slice() {
            ["", version, kind] | [version, kind] => ("", *version, *kind),
            [group, version, kind] => (*group, *version, *kind),
            _ => ("", "", ""),
        };
        let is_name = |text: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
            !text.is_empty() && text.len() <= 253 && text.chars().all(allowed) && !text.contains("..")
        };
        let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase()) && is_name(kind);
        if !is_kind || !is_name(version) || !(group.is_empty() || is_name(group)) {
            return Err(format!(
                "{text:?}: expected GROUP/VERSION/KIND, for example networking.k8s.io/v1/Ingress or v1/Pod"
            ));
        }
        Ok(Self::of(group, version, kind))
    }
}

/// The kinds that the policies of a bundle need: its settings' `inventory`, and Gatekeeper's objects among its files.
///
/// # Errors
/// What is no kind, with its place.
pub fn of_bundle(bundle: &Bundle) -> Result<BTreeSet<Kind>, Vec<Problem>> {
    let mut kinds = BTreeSet::new();
    let mut problems = Vec::new();
    for text in &bundle.settings.inventory {
        match text.parse() {
            Ok(kind) => drop(kinds.insert(kind)),
            Err(reason) => problems.push(Problem::at(Settings::FILE, 0, format!("inventory: {reason}"))),
        }
    }
    let named = bundle.files.iter().filter(|file| {
        let groups = ["config.gatekeeper.sh/", "syncset.gatekeeper.sh/"];
        !file.is_rego() && groups.iter().any(|group| file.text.contains(group))
    });
    for file in named {
        match serde_saphyr::from_multiple::<Value>(&file.text) {
            Ok(documents) => {
                for document in documents {
                    let read = of_objects(&document);
                    match read {
                        Ok(more) => kinds.extend(more),
                        Err(reason) => problems.push(Problem::at(&file.path, 0, reason)),
                    }
                }
            }
            Err(error) => problems.push(Problem::at(&file.path, 0, format!("is not YAML: {error}"))),
        }
    }
    if problems.is_empty() { Ok(kinds) } else { Err(problems) }
}

/// What a `Config`, a `SyncSet` or a list of them names; nothing for other objects.
pub(super) fn of_objects(object: &Value) -> Result<BTreeSet<Kind>, String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text(object, "apiVersion"), text(object, "kind"));
    let list = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).cloned();
    if let (true, Some(items)) = (kind.ends_with("List"), list("/items")) {
        let mut kinds = BTreeSet::new();
        for item in &items {
            kinds.extend(of_objects(item)?);
        }
        return Ok(kinds);
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let named = match (group, kind.as_str()) {
        ("config.gatekeeper.sh", "Config") => list("/spec/sync/syncOnly"),
        ("syncset.gatekeeper.sh", "SyncSet") => list("/spec/gvks"),
        _ => None,
    };
    let read = named.unwrap_or_default().into_iter().map(|entry| {
        let written = format!(
            "{}/{}/{}",
            text(&entry, "group"),
            text(&entry, "version"),
            text(&entry, "kind")
        );
        written.parse::<Kind>().map_err(|reason| format!("{kind}: {reason}"))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kinds: &BTreeSet<Kind>) -> Vec<String> {
        kinds.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn kinds_are_read_as_people_write_them() {
        for (text, shown) in [
            ("v1/Pod", "v1/Pod"),
            ("/v1/Pod", "v1/Pod"),
            ("networking.k8s.io/v1/Ingress", "networking.k8s.io/v1/Ingress"),
        ] {
            assert_eq!(text.parse::<Kind>().unwrap().to_string(), shown);
        }
        for text in [
            "Pod",
            "v1/pods",
            "a/b/c/D",
            "v1/",
            "",
            "../v1/Pod",
            "v1/Pod?x",
            "a//Pod",
        ] {
            assert!(text.parse::<Kind>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bundle_names_its_kinds_in_three_ways() {
        let settings = Settings::from_yaml("inventory: [v1/Service]\n").unwrap();
        let gatekeeper = "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\n\
            spec: {sync: {syncOnly: [{group: '', version: v1, kind: Pod}]}}\n---\n\
            apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {name: a}\n\
            spec:\n  gvks:\n    - {group: networking.k8s.io, version: v1, kind: Ingress}\n";
        let bundle = Bundle::new(settings.clone(), [("sync.yaml".to_owned(), gatekeeper.to_owned())]);
        assert_eq!(
            names(&of_bundle(&bundle).unwrap()),
            ["v1/Pod", "v1/Service", "networking.k8s.io/v1/Ingress"]
        );

        let wrong = gatekeeper.replace("kind: Ingress", "kind: '*'");
        let bundle = Bundle::new(settings, [("sync.yaml".to_owned(), wrong)]);
        let problems = of_bundle(&bundle).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().contains("sync.yaml") && problems[0].to_string().contains("SyncSet"));
    }
}
