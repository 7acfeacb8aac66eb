//! Pages: semantic HTML without scripts, everything escaped.

mod view;

use std::sync::LazyLock;

use askama::Template;
use sha2::{Digest, Sha256};

use crate::store::Explanation;

const CSS: &str = include_str!("../../templates/style.css");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(CSS));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The only style that a page may use is ours; nothing else is loaded or run.
pub fn content_security_policy() -> &'static str {
    &POLICY
}

#[derive(Debug, Template)]
#[template(path = "explanation.html")]
struct ExplanationPage {
    css: &'static str,
    page: view::Page,
}

#[derive(Debug, Template)]
#[template(path = "not_found.html")]
struct NotFoundPage {
    css: &'static str,
}

/// The page of an explanation.
pub fn explanation(explanation: &Explanation) -> Result<String, askama::Error> {
    ExplanationPage {
        css: CSS,
        page: view::page(explanation),
    }
    .render()
}

/// The page for an explanation that is not there.
pub fn not_found() -> Result<String, askama::Error> {
    NotFoundPage { css: CSS }.render()
}
