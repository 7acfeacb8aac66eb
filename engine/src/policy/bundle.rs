//! A policy set as one document: what `whynot policy build` writes and the filter reads.

use std::fmt::Write as _;
use std::mem;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::Problem;
use super::settings::Settings;
use crate::explain::wire;
use crate::rego::Dialect;

/// Sources and settings, with the revision that names exactly these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    api_version: String,
    kind: String,
    /// 12 hex digits of a SHA-256 over settings and files.
    pub revision: String,
    /// `policy-set.yaml`.
    pub settings: Settings,
    /// The policies, sorted by path.
    pub files: Vec<File>,
    /// What policies read below `data`, from the data files of a bundle.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// One file: Rego, or templates and constraints of Gatekeeper as YAML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Relative to the policies' folder, with `/`.
    pub path: String,
    /// The source.
    pub text: String,
    /// The syntax of Rego, where something outside of the text says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
}

impl File {
    /// A file whose text says all.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            dialect: None,
        }
    }

    /// Whether it is Rego.
    pub fn is_rego(&self) -> bool {
        std::path::Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rego")
    }
}

impl Bundle {
    /// Makes a bundle. `files` are paths and sources.
    pub fn new(settings: Settings, files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files = files.into_iter().map(|(path, text)| File::new(path, text)).collect();
        Self::with_data(settings, files, serde_json::Map::new())
    }

    /// Makes a bundle that brings data of its own.
    pub fn with_data(
        settings: Settings,
        mut files: Vec<File>,
        data: serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let revision = revision(&settings, &files, &data);
        Self {
            api_version: wire::API_VERSION.to_owned(),
            kind: "PolicyBundle".to_owned(),
            revision,
            settings,
            files,
            data,
        }
    }

    /// Makes a bundle from what was read from a folder: the text of `policy-set.yaml`, if there is one, and the Rego files.
    pub fn from_parts(settings_yaml: Option<&str>, files: Vec<(String, String)>) -> Result<Self, Vec<Problem>> {
        let settings = settings_yaml.map_or_else(|| Ok(Settings::default()), Settings::from_yaml)?;
        Ok(Self::new(settings, files))
    }

    /// Reads a bundle and checks that its revision is that of its content.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<Problem>> {
        let refuse = |message: String| vec![Problem::at("bundle", 0, message)];
        let deserializer = &mut serde_json::Deserializer::from_slice(json);
        let bundle: Self = serde_path_to_error::deserialize(deserializer)
            .map_err(|error| refuse(format!("{}: {}", error.path(), error.inner())))?;
        bundle.check()?;
        Ok(bundle)
    }

    /// What types cannot say. Also for a bundle that came inside another document.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        self.check_as(&revision(&self.settings, &self.files, &self.data))
    }

    /// The same, for who knows what the revision of the content is.
    pub(super) fn check_as(&self, actual: &str) -> Result<(), Vec<Problem>> {
        let refuse = |message: String| vec![Problem::at("bundle", 0, message)];
        if self.api_version != wire::API_VERSION || self.kind != "PolicyBundle" {
            return Err(refuse(format!(
                "expected apiVersion {:?} and kind \"PolicyBundle\", got {:?} and {:?}",
                wire::API_VERSION,
                self.api_version,
                self.kind
            )));
        }
        if actual != self.revision {
            return Err(refuse(format!(
                "revision is {:?} but the content is {actual:?}: it was changed after it was built",
                self.revision
            )));
        }
        self.settings.check()
    }

    /// The bundle as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and maps with string keys always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn revision(settings: &Settings, files: &[File], data: &serde_json::Map<String, serde_json::Value>) -> String {
    let mut digest = Digest::default();
    for file in files {
        digest.file(settings, file);
    }
    digest.finish(settings, data)
}

/// The revision of a content, file by file: a digest of the JSON `[settings,[file,…],data]`, whose keys are sorted.
#[derive(Default)]
pub(super) struct Digest {
    content: Sha256,
    has_begun: bool,
}

impl Digest {
    fn begin(&mut self, settings: &Settings) {
        if !mem::replace(&mut self.has_begun, true) {
            self.content.update(b"[");
            self.json(settings);
            self.content.update(b",[");
        }
    }

    fn json(&mut self, value: &impl Serialize) {
        // Strings and maps with string keys always serialise.
        self.content.update(serde_json::to_vec(value).unwrap_or_default());
    }

    /// The next file.
    pub(super) fn file(&mut self, settings: &Settings, file: &File) {
        let is_first = !self.has_begun;
        self.begin(settings);
        if !is_first {
            self.content.update(b",");
        }
        self.json(file);
    }

    /// The revision.
    pub(super) fn finish(mut self, settings: &Settings, data: &serde_json::Map<String, serde_json::Value>) -> String {
        self.begin(settings);
        self.content.update(b"],");
        self.json(data);
        self.content.update(b"]");
        let mut text = hex(&self.content.finalize());
        text.truncate(12);
        text
    }
}

/// A bundle's JSON, cut into its files, which are then read one by one.
pub(super) struct Pieces {
    head: Head,
    files: std::vec::IntoIter<Box<RawValue>>,
    read: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    api_version: String,
    kind: String,
    revision: String,
    settings: Box<RawValue>,
    files: Vec<Box<RawValue>>,
    data: Option<Box<RawValue>>,
}

impl Pieces {
    /// Finds where the files begin and end.
    pub(super) fn cut(json: &[u8]) -> Result<Self, Vec<Problem>> {
        let mut head: Head = serde_json::from_slice(json).map_err(|error| refuse("", &error.to_string()))?;
        let files = mem::take(&mut head.files).into_iter();
        Ok(Self { head, files, read: 0 })
    }

    /// The next file; `None` after the last one.
    pub(super) fn file(&mut self) -> Result<Option<File>, Vec<Problem>> {
        let Some(json) = self.files.next() else {
            return Ok(None);
        };
        let path = format!("files[{}]", self.read);
        self.read += 1;
        read(&path, &json).map(Some)
    }

    /// The bundle with these files.
    pub(super) fn bundle(self, files: Vec<File>) -> Result<Bundle, Vec<Problem>> {
        let Head {
            api_version,
            kind,
            revision,
            settings,
            files: _,
            data,
        } = self.head;
        Ok(Bundle {
            api_version,
            kind,
            revision,
            settings: read("settings", &settings)?,
            files,
            data: data.map_or_else(|| Ok(serde_json::Map::new()), |data| read("data", &data))?,
        })
    }
}

fn read<'a, T: Deserialize<'a>>(path: &str, json: &'a RawValue) -> Result<T, Vec<Problem>> {
    let deserializer = &mut serde_json::Deserializer::from_str(json.get());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let below = error.path().to_string();
        let path = if below == "." || below == "?" {
            path.to_owned()
        } else {
            format!("{path}.{below}")
        };
        refuse(&path, &error.inner().to_string())
    })
}

fn refuse(path: &str, reason: &str) -> Vec<Problem> {
    let colon = if path.is_empty() { "" } else { ": " };
    vec![Problem::at("bundle", 0, format!("{path}{colon}{reason}"))]
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bundle() -> Bundle {
        Bundle::new(
            Settings::default(),
            [
                ("b.rego".into(), "package b".into()),
                ("a.rego".into(), "package a".into()),
            ],
        )
    }

    #[test]
    fn the_revision_depends_on_content_and_not_on_order() {
        let other = Bundle::new(
            Settings::default(),
            [
                ("a.rego".into(), "package a".into()),
                ("b.rego".into(), "package b".into()),
            ],
        );
        assert_eq!(bundle().revision, other.revision);
        assert_ne!(bundle().revision, Bundle::new(Settings::default(), []).revision);
        assert_eq!(bundle().revision.len(), 12);
    }

    #[test]
    fn a_bundle_survives_the_round_trip_and_no_change() {
        let json = bundle().to_json();
        assert_eq!(Bundle::from_json(&json).unwrap(), bundle());
        let tampered = String::from_utf8(json).unwrap().replace("package a", "package c");
        let problems = Bundle::from_json(tampered.as_bytes()).unwrap_err();
        assert!(
            problems[0].message.contains("changed after it was built"),
            "{problems:?}"
        );
    }

    #[test]
    fn mistakes_name_the_field() {
        let problems = Bundle::from_json(br#"{"apiVersion":"whynot.dev/v1","kind":"PolicyBundle","revision":"x","settings":{"policies":{"a":{"action":"block"}}},"files":[]}"#).unwrap_err();
        assert!(
            problems[0].message.starts_with("settings.policies.a.action"),
            "{problems:?}"
        );
    }
}
