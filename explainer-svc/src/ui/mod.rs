//! Pages: semantic HTML without scripts, everything escaped.

mod view;

use std::sync::LazyLock;

use askama::Template;
use sha2::{Digest, Sha256};

use engine::explain::by_model::ByModel;
use engine::explain::text::{Extras, render};
use engine::explain::wire::ExplainRequest;

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

/// The same as text, as a denial says it: with a model's words when they came later, too.
pub fn text(explanation: &Explanation, url: String) -> String {
    let Some(words) = &explanation.words else {
        return explanation.message.clone();
    };
    let request = ExplainRequest {
        fix: explanation.request.fix.clone().or_else(|| words.fix.clone()),
        ..explanation.request.clone()
    };
    let by_model = (!words.text.is_empty()).then(|| ByModel {
        model: words.model.clone(),
        text: words.text.clone(),
        steps: words.steps.clone(),
    });
    let extras = Extras {
        repeats: explanation.repeats.clone(),
        url: Some(url),
        by_model,
    };
    render(&request, &extras).message
}

/// The page for an explanation that is not there.
pub fn not_found() -> Result<String, askama::Error> {
    NotFoundPage { css: CSS }.render()
}
