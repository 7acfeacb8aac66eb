//! `.signatures.json` of an OPA bundle: one JWT that lists every file of the bundle with its digest.
//!
//! As in OPA, the token says who signed what, and nothing about time: `exp` is not read.

use std::collections::BTreeMap;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use engine::policy::Problem;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::archive::Entry;
use super::data::base;
use super::digest::digest;
use super::keys::{Algorithm, Key};

/// The name of the file, in whichever folder.
pub(super) const FILE: &str = ".signatures.json";

/// Whether bundles have to be signed, and by whom.
#[derive(Debug, Clone, Default)]
pub enum Verification {
    /// No key is configured: a bundle without a signature is taken, one with a signature refused, since nobody can
    /// check it.
    #[default]
    NoKey,
    /// Signatures are not looked at.
    Skip,
    /// Every bundle has to be signed by one of these keys.
    Required(Box<Trust>),
}

/// Who is trusted, with what.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The keys.
    pub keys: Vec<Key>,
    /// The key that has to have signed, whatever the signature says. Also the name of keys that have none.
    pub key_id: Option<String>,
    /// The only algorithm that is taken; when there is none, all that fit the key.
    pub algorithm: Option<Algorithm>,
    /// The scope that the signature has to have; empty for none.
    pub scope: String,
    /// Files that need not be signed.
    pub exclude: Exclude,
}

/// Patterns over paths, in which `*` does not pass `/`.
#[derive(Debug, Clone, Default)]
pub struct Exclude(GlobSet);

impl Exclude {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// One of them is no pattern.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            // Go's patterns have no braces and no `**`.
            let mut literal = pattern.replace('{', "[{]").replace('}', "[}]");
            while literal.contains("**") {
                literal = literal.replace("**", "*");
            }
            let glob = GlobBuilder::new(&literal)
                .literal_separator(true)
                .backslash_escape(true)
                .build();
            set.add(glob.map_err(|error| format!("{pattern:?} is not a pattern: {}", error.kind()))?);
        }
        set.build().map(Self).map_err(|error| error.to_string())
    }
}

/// That a bundle was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key's name, when it has one.
    pub key_id: Option<String>,
    /// The key itself: its fingerprint.
    pub key: String,
    /// How it was signed.
    pub algorithm: Algorithm,
    /// How many files the signature covers.
    pub files: usize,
    /// Files that were excluded from it.
    pub excluded: Vec<String>,
}

#[derive(Deserialize)]
struct Signatures {
    signatures: Option<Vec<String>>,
    plugin: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that a reader has to understand; we have none.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Payload {
    files: Option<Vec<SignedFile>>,
    keyid: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct SignedFile {
    name: String,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    algorithm: String,
}

/// Takes the signature out of a bundle's files and checks it. `Ok(None)`: the bundle is not signed, and need not be.
pub(super) fn verify(entries: &mut Vec<Entry>, verification: &Verification) -> Result<Option<Signed>, Vec<Problem>> {
    let found: Vec<Entry> = entries.extract_if(.., |entry| base(&entry.name) == FILE).collect();
    let trust = match verification {
        Verification::Skip => return Ok(None),
        Verification::NoKey => None,
        Verification::Required(trust) => Some(trust),
    };
    let refuse = |file: &str, message: String| vec![Problem::at(file, 0, message)];
    let file = match found.as_slice() {
        [] => None,
        [file] => Some(file),
        [first, others @ ..] => {
            let twice = others.iter().flat_map(|other| {
                refuse(
                    &other.name,
                    format!("the bundle has another signature, {}; keep one of them", first.name),
                )
            });
            return Err(twice.collect());
        }
    };
    let signatures = file.map(|file| {
        let read: Result<Signatures, _> = serde_json::from_slice(&file.bytes);
        let read = read.map_err(|error| refuse(&file.name, format!("is not what `opa sign` writes: {error}")));
        read.map(|read| (file.name.as_str(), read))
    });
    match (signatures.transpose()?, trust) {
        (
            None
            | Some((
                _,
                Signatures {
                    signatures: None,
                    plugin: None,
                },
            )),
            None,
        ) => Ok(None),
        (
            None
            | Some((
                _,
                Signatures {
                    signatures: None,
                    plugin: None,
                },
            )),
            Some(_),
        ) => {
            let message = "the bundle is not signed, and a verification key was given; \
                           sign it with `opa build --signing-key` or `opa sign`";
            Err(refuse(file.map_or("", |file| file.name.as_str()), message.to_owned()))
        }
        (Some((name, _)), None) => {
            let message = "the bundle is signed, and no key was given to verify it; \
                           give --verification-key, or --skip-verify to take it unverified";
            Err(refuse(name, message.to_owned()))
        }
        (Some((name, signatures)), Some(trust)) => {
            let token = only_token(&signatures).map_err(|reason| refuse(name, reason))?;
            let (payload, signed) = check_token(token, trust).map_err(|reason| refuse(name, reason))?;
            check_files(name, entries, payload, trust, signed).map(Some)
        }
    }
}

fn only_token(signatures: &Signatures) -> Result<&str, String> {
    if let Some(plugin) = signatures
        .plugin
        .as_deref()
        .filter(|plugin| !plugin.is_empty() && *plugin != "_default")
    {
        return Err(format!(
            "plugin: is {plugin:?}, a plugin of OPA that is not here; sign without --signing-plugin"
        ));
    }
    match signatures.signatures.as_deref() {
        Some([token]) => Ok(token),
        other => Err(format!(
            "signatures: expected exactly one, got {}",
            other.map_or(0, <[_]>::len)
        )),
    }
}

/// The token's content, once it is known whose it is.
fn check_token(token: &str, trust: &Trust) -> Result<(Payload, Signed), String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header64, payload64, signature64] = parts.as_slice() else {
        return Err("the signature is no JWT: expected three parts with dots between them".to_owned());
    };
    let decode = |part: &str, text: &str| {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        bytes.map_err(|error| format!("the signature is no JWT: its {part} is not base64url: {error}"))
    };
    let header: Header = serde_json::from_slice(&decode("header", header64)?)
        .map_err(|error| format!("the signature is no JWT: its header: {error}"))?;
    let payload: Payload = serde_json::from_slice(&decode("payload", payload64)?)
        .map_err(|error| format!("the signature does not list files: {error}"))?;
    if header.crit.is_some() {
        return Err("the signature has extensions (crit) that are not known".to_owned());
    }
    let algorithm: Algorithm = header
        .alg
        .parse()
        .map_err(|reason| format!("the signature's alg: {reason}"))?;
    if let Some(expected) = trust.algorithm.filter(|expected| *expected != algorithm) {
        return Err(format!("the signature is {algorithm}, and only {expected} is taken"));
    }
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let said = filled(&header.kid).or_else(|| filled(&payload.keyid));
    let key = choose(trust, said.as_deref())?;
    let message = token.len() - signature64.len() - 1;
    let message = token.as_bytes().get(..message).unwrap_or_default();
    key.verify(algorithm, message, &decode("signature", signature64)?)?;
    let scope = payload.scope.as_deref().unwrap_or_default();
    if scope != trust.scope {
        return Err(format!(
            "the signature has the scope {scope:?}, and {:?} is expected (--scope)",
            trust.scope
        ));
    }
    let key_id = key.id.clone().or_else(|| trust.key_id.clone());
    Ok((
        payload,
        Signed {
            key_id,
            key: key.fingerprint(),
            algorithm,
            files: 0,
            excluded: Vec::new(),
        },
    ))
}

/// The key that has to have signed.
fn choose<'a>(trust: &'a Trust, said: Option<&str>) -> Result<&'a Key, String> {
    // What is configured comes before what the signature says of itself.
    let wanted = trust.key_id.as_deref().or(said);
    let named = trust
        .keys
        .iter()
        .find(|key| key.id.is_some() && key.id.as_deref() == wanted);
    if let Some(key) = named {
        return Ok(key);
    }
    match trust.keys.as_slice() {
        // The only key, and it has no name of its own.
        [key] if key.id.is_none() => Ok(key),
        [key] if wanted.is_none() => Ok(key),
        _ => Err(match wanted {
            Some(id) => format!("no key with the id {id:?} was given"),
            None => {
                "the signature names no key, and several were given; name one with --verification-key-id".to_owned()
            }
        }),
    }
}

/// Every file is listed once, with its digest, and nothing is listed that is not there.
fn check_files(
    file: &str,
    entries: &[Entry],
    payload: Payload,
    trust: &Trust,
    mut signed: Signed,
) -> Result<Signed, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut listed: BTreeMap<String, SignedFile> = BTreeMap::new();
    for item in payload.files.unwrap_or_default() {
        let name = item.name.trim_start_matches("./").trim_start_matches('/').to_owned();
        if let Some(twice) = listed.insert(name, item) {
            problems.push(Problem::at(
                file,
                0,
                format!("the signature lists {} twice", twice.name),
            ));
        }
    }
    for entry in entries {
        let item = listed.remove(&entry.name);
        if trust.exclude.0.is_match(&entry.name) {
            signed.excluded.push(entry.name.clone());
            continue;
        }
        let Some(item) = item else {
            problems.push(Problem::at(
                &entry.name,
                0,
                "is not in the signature; sign the bundle again",
            ));
            continue;
        };
        match matches(&item, entry) {
            Ok(()) => signed.files += 1,
            Err(reason) => problems.push(Problem::at(&entry.name, 0, reason)),
        }
    }
    for missing in listed.values() {
        problems.push(Problem::at(
            file,
            0,
            format!("the signature lists {}, which is not in the bundle", missing.name),
        ));
    }
    if problems.is_empty() { Ok(signed) } else { Err(problems) }
}

fn matches(item: &SignedFile, entry: &Entry) -> Result<(), String> {
    let expected = HEXLOWER_PERMISSIVE
        .decode(item.hash.as_bytes())
        .map_err(|error| format!("its digest in the signature is not hexadecimal: {error}"))?;
    let actual = digest(&item.algorithm, &entry.name, &entry.bytes)?;
    if actual == HEXLOWER_PERMISSIVE.encode(&expected) {
        Ok(())
    } else {
        Err(format!(
            "was changed after it was signed: its digest is {actual}, and {} was signed",
            item.hash
        ))
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
