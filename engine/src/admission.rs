//! `AdmissionReview`: bytes to [`Review`], [`Answer`] to bytes. Webhooks that know only v1beta1 are still sent that, and it differs in
//! its name alone.
//!
//! The uid comes first: a review that is otherwise broken can still be answered, and so be refused with a reason instead of
//! leaving the decision to the webhook's `failurePolicy`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::document::Document;
use crate::explain::wire::{GroupVersionKind, Owner};

/// A version of the interface. An answer has that of its review: the API server takes no other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// The one of today.
    #[default]
    V1,
    /// The one before, of which webhooks still say in `admissionReviewVersions` that they know no other.
    V1beta1,
}

impl Version {
    /// As the interface writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1beta1 => "admission.k8s.io/v1beta1",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V1beta1]
            .into_iter()
            .find(|known| known.as_str() == text)
    }

    /// The version of bytes that are not a whole review: what its first bytes say, where the API server writes it.
    pub fn salvage(body: &[u8]) -> Self {
        let head = body.get(..body.len().min(256)).unwrap_or_default();
        let name = format!("{:?}", Self::V1beta1.as_str());
        let is_older = head.windows(name.len()).any(|window| window == name.as_bytes());
        if is_older { Self::V1beta1 } else { Self::V1 }
    }
}

/// The largest review that can be asked for: Envoy buffers 16 MiB (`envoy/envoy.yaml`), and a review needs less.
pub const MAX_REVIEW_BYTES: usize = 15 * 1024 * 1024;

/// One admission request.
#[derive(Debug, Clone)]
pub struct Review {
    /// Of the interface; to be echoed.
    pub version: Version,
    /// To be echoed.
    pub uid: String,
    /// The object's kind; a subresource has its own (`Scale`, `Eviction`) or its parent's.
    pub kind: GroupVersionKind,
    /// The subresource, or empty.
    pub sub_resource: String,
    /// The name, or empty when the API server will make one.
    pub name: String,
    /// The namespace, or empty. A Namespace's own review has its own name here.
    pub namespace: String,
    /// What is to be done.
    pub operation: Operation,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The whole `request`, as policies see it.
    pub request: Document,
}

/// What is to be done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is created. `oldObject` is null.
    Create,
    /// It is changed.
    Update,
    /// It is deleted. `object` is null.
    Delete,
    /// A connection to it is opened: exec, attach, port-forward, proxy.
    Connect,
}

impl Operation {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "CREATE" => Some(Self::Create),
            "UPDATE" => Some(Self::Update),
            "DELETE" => Some(Self::Delete),
            "CONNECT" => Some(Self::Connect),
            _ => None,
        }
    }

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Bytes that are no review. The uid is there when it could be found all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ReviewError {
    /// The version that its answer has to have.
    pub version: Version,
    /// The uid of the request, if it could be told.
    pub uid: Option<String>,
    /// What is wrong, naming the field.
    pub reason: String,
}

impl Review {
    /// Reads a review.
    pub fn parse(body: &[u8]) -> Result<Self, ReviewError> {
        let broken = |reason: String| ReviewError {
            version: Version::salvage(body),
            uid: salvage_uid(body),
            reason,
        };
        let envelope =
            Document::parse(body).map_err(|error| broken(format!("the AdmissionReview is not valid JSON: {error}")))?;
        Self::from_document(&envelope).map_err(broken)
    }

    fn from_document(envelope: &Document) -> Result<Self, String> {
        let name = string(envelope, "apiVersion");
        let kind = string(envelope, "kind");
        let Some(version) = Version::parse(&name).filter(|_| kind == "AdmissionReview") else {
            let expected = Version::V1.as_str();
            return Err(format!(
                "expected apiVersion {expected:?} and kind \"AdmissionReview\", got {name:?} and {kind:?}"
            ));
        };
        let request = envelope.get("request").ok_or("the AdmissionReview has no request")?;
        let uid = string(&request, "uid");
        if uid.is_empty() {
            return Err("request.uid is missing".to_owned());
        }
        let operation = string(&request, "operation");
        let operation = Operation::parse(&operation).ok_or(format!(
            "request.operation is {operation:?}; expected CREATE, UPDATE, DELETE or CONNECT"
        ))?;
        let kind = gvk(&request.get("kind").unwrap_or_default());
        if kind.kind.is_empty() {
            return Err("request.kind.kind is missing".to_owned());
        }
        Ok(Self {
            version,
            uid,
            kind,
            sub_resource: string(&request, "subResource"),
            name: string(&request, "name"),
            namespace: string(&request, "namespace"),
            operation,
            dry_run: request.get("dryRun").and_then(|value| value.as_bool()).unwrap_or(false),
            request,
        })
    }

    /// The object that the request is about: the new one, or the old one when there is no new one (DELETE).
    pub fn object(&self) -> Document {
        let object = self.request.get("object").unwrap_or_default();
        if object.is_null() { self.old_object() } else { object }
    }

    /// The object as it was, or null.
    pub fn old_object(&self) -> Document {
        self.request.get("oldObject").unwrap_or_default()
    }

    /// The same request for a changed object.
    #[must_use]
    pub fn with_object(&self, object: Document) -> Self {
        Self {
            request: self.request.with("object", object),
            ..self.clone()
        }
    }

    /// Who asked.
    pub fn username(&self) -> String {
        self.request
            .at(&["userInfo", "username"])
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The tool, as it named itself; empty when it did not.
    pub fn field_manager(&self) -> String {
        self.request
            .at(&["options", "fieldManager"])
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The controller among the owners, if there is one.
    pub fn controller(&self) -> Option<Owner> {
        let owners = self.object().at(&["metadata", "ownerReferences"])?.items();
        let owner = owners
            .into_iter()
            .find(|owner| owner.get("controller").and_then(|value| value.as_bool()) == Some(true))?;
        Some(Owner {
            kind: string(&owner, "kind"),
            name: string(&owner, "name"),
            uid: string(&owner, "uid"),
        })
    }
}

fn gvk(document: &Document) -> GroupVersionKind {
    GroupVersionKind {
        group: string(document, "group"),
        version: string(document, "version"),
        kind: string(document, "kind"),
    }
}

/// A string member, or empty.
pub(crate) fn string(document: &Document, key: &str) -> String {
    document
        .get(key)
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Finds the request's uid in bytes that are not a whole review: truncated, over a limit, not UTF-8.
///
/// The first `"uid"` is taken, which the API server writes before anything that a user can choose. Only characters that a uid
/// can have are accepted, and a wrong guess does no harm: the API server refuses an answer with another uid.
pub fn salvage_uid(body: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"uid\"";
    // Far more than what comes before it in a real review, and little enough to search on every broken body.
    let head = body.get(..body.len().min(4096))?;
    let start = head.windows(KEY.len()).position(|window| window == KEY)?;
    let rest = head.get(start + KEY.len()..)?;
    let mut rest = rest.iter().copied().skip_while(u8::is_ascii_whitespace);
    if rest.next() != Some(b':') {
        return None;
    }
    let mut rest = rest.skip_while(u8::is_ascii_whitespace);
    if rest.next() != Some(b'"') {
        return None;
    }
    let mut uid = String::new();
    for byte in rest {
        match byte {
            b'"' if !uid.is_empty() => return Some(uid),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' if uid.len() < 64 => uid.push(char::from(byte)),
            _ => return None,
        }
    }
    None
}

/// What the API server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The review's.
    pub version: Version,
    /// The request's uid.
    pub uid: String,
    /// `None` lets the request pass; `Some` refuses it with this text.
    pub denial: Option<String>,
    /// One line each.
    pub warnings: Vec<String>,
    /// Keys are the last part of qualified names: `revision`, `denied-by`, `explanation`.
    pub audit_annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(rename = "status")]
    outcome: &'static str,
    // kubectl prints `Error from server (Forbidden):`; with `Invalid` it could print causes in place of the message.
    reason: &'static str,
    code: u16,
    message: &'a str,
}

impl Answer {
    /// The `AdmissionReview` to send back, as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let envelope = Envelope {
            api_version: self.version.as_str(),
            kind: "AdmissionReview",
            response: Response {
                uid: &self.uid,
                allowed: self.denial.is_none(),
                status: self.denial.as_deref().map(|message| Status {
                    outcome: "Failure",
                    reason: "Forbidden",
                    code: 403,
                    message,
                }),
                warnings: &self.warnings,
                audit_annotations: &self.audit_annotations,
            },
        };
        // Strings, a bool and a map of strings always serialise.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }
}
