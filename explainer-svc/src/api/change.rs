//! A fix as programs get it: from `POST /v1/explain`, and from `whynot check` with the report as JSON.

use engine::explain::wire::FixSummary;
use engine::fix;
use json_patch::Patch;
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// A change after which the policies pass: it was tried.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the schema's members")]
pub(crate) struct Change {
    /// Always true: nothing else is ever called a fix.
    pub(crate) verified: bool,
    #[schema(value_type = schema::Class)]
    pub(crate) class: fix::Class,
    #[schema(value_type = schema::Source)]
    pub(crate) source: fix::Source,
    /// RFC 6902, of the denied object.
    #[schema(value_type = Vec<Object>)]
    pub(crate) patch: Patch,
    /// What a person has to fill in; empty for the class `fix`.
    #[schema(value_type = Vec<schema::Placeholder>)]
    pub(crate) placeholders: Vec<fix::Placeholder>,
    /// A piece of YAML with the path around it.
    pub(crate) snippet: String,
    /// What changes in the object's YAML, as a unified diff; empty when it is too long, or near a secret.
    pub(crate) diff: String,
    /// It takes something away.
    pub(crate) removes: bool,
    /// More is allowed or reached after it.
    pub(crate) widens: bool,
    /// Nothing of the denial is left after it.
    pub(crate) complete: bool,
}

impl Change {
    /// What the engine tells of a fix. None when its patch is no such patch, which the engine does not make.
    pub(super) fn new(fix: FixSummary) -> Option<Self> {
        let FixSummary {
            patch,
            snippet,
            policies: _,
            complete,
            class,
            source,
            placeholders,
            removes,
            widens,
            lifted: _,
            diff,
            kubectl: _,
        } = fix;
        Some(Self {
            verified: true,
            class,
            source,
            patch: serde_json::from_value(patch).ok()?,
            placeholders,
            snippet,
            diff,
            removes: !removes.is_empty(),
            widens: !widens.is_empty(),
            complete,
        })
    }
}
