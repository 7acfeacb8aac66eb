//! By which keys policies were verified, remembered with what is kept: a key that is configured later holds for that, too.

use serde::{Deserialize, Serialize};

use super::settings::{Location, Settings};
use crate::sources::{Key, Sources, Verification};

/// By which keys policies were verified when they came; by none by default. Keys are named by their fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Those that signed the OPA bundles.
    #[serde(default)]
    bundle: Vec<String>,
    /// The scope of those signatures.
    #[serde(default)]
    scope: String,
    /// The one that signed the artefact in a registry.
    #[serde(default)]
    artefact: Option<String>,
}

impl Proof {
    /// By the signatures of OPA bundles.
    pub(super) fn of(sources: &Sources, verification: &Verification, artefact: Option<String>) -> Self {
        let signed = sources.bundles.iter().map(|bundle| bundle.signed.as_ref());
        let keys: Option<Vec<String>> = signed.map(|signed| Some(signed?.key.clone())).collect();
        match verification {
            Verification::Required(trust) => Self {
                bundle: keys.unwrap_or_default(),
                scope: trust.scope.clone(),
                artefact,
            },
            Verification::NoKey | Verification::Skip => Self {
                artefact,
                ..Self::default()
            },
        }
    }
}

/// By which keys policies have to have been verified; by none by default.
#[derive(Debug, Clone, Default)]
pub(super) struct Requirement {
    bundle: Option<(Vec<String>, String)>,
    artefact: Option<String>,
}

impl Requirement {
    pub(super) fn new(settings: &Settings) -> Self {
        let bundle = match &settings.options.verification {
            Verification::Required(trust) => {
                let keys = trust.keys.iter().map(Key::fingerprint).collect();
                Some((keys, trust.scope.clone()))
            }
            Verification::NoKey | Verification::Skip => None,
        };
        // What comes from elsewhere has no signature of this kind.
        let is_artefact = matches!(settings.location, Location::Oci(_));
        let artefact = settings.cosign.as_ref().filter(|_| is_artefact);
        Self {
            bundle,
            artefact: artefact.map(Key::fingerprint),
        }
    }

    /// `Err` continues a sentence about a revision.
    pub(super) fn is_met(&self, proof: &Proof) -> Result<(), String> {
        let Self { bundle, artefact } = self;
        if let Some((keys, scope)) = bundle
            && (proof.bundle.is_empty() || proof.scope != *scope || !proof.bundle.iter().all(|key| keys.contains(key)))
        {
            return Err("was not verified by the configured --verification-key and scope when it came".to_owned());
        }
        if artefact.is_some() && proof.artefact != *artefact {
            return Err("was not verified by the configured --cosign-key when it came".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_has_to_be_of_a_configured_key_and_scope() {
        let required = Requirement {
            bundle: Some((vec!["a".to_owned(), "b".to_owned()], "write".to_owned())),
            artefact: Some("c".to_owned()),
        };
        let proof = |bundle: &[&str], scope: &str, artefact: Option<&str>| Proof {
            bundle: bundle.iter().map(|&key| key.to_owned()).collect(),
            scope: scope.to_owned(),
            artefact: artefact.map(str::to_owned),
        };
        assert!(required.is_met(&proof(&["a", "b"], "write", Some("c"))).is_ok());
        for missing in [
            Proof::default(),
            proof(&[], "write", Some("c")),
            proof(&["a", "d"], "write", Some("c")),
            proof(&["a"], "", Some("c")),
            proof(&["a"], "write", None),
            proof(&["a"], "write", Some("a")),
        ] {
            assert!(required.is_met(&missing).is_err(), "{missing:?}");
            assert!(Requirement::default().is_met(&missing).is_ok());
        }
    }
}
