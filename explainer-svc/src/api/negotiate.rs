//! Which representation the client wants (RFC 9110, 12.5.1).

use std::str::FromStr as _;

use axum::http::{HeaderMap, header};
use headers_accept::Accept;
use mediatype::{MediaType, names};

/// How an explanation can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    Html,
    Json,
    Text,
}

/// Ours, the preferred one first: a link is mostly opened by a person.
static AVAILABLE: [MediaType<'static>; 3] = [
    MediaType::new(names::TEXT, names::HTML),
    MediaType::new(names::APPLICATION, names::JSON),
    MediaType::new(names::TEXT, names::PLAIN),
];

/// The representation to send; `None` when the client accepts neither. No header, or one that is no `Accept`, accepts anything.
pub(super) fn representation(headers: &HeaderMap) -> Option<Representation> {
    let values: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let joined = values.join(",");
    if joined.trim().is_empty() {
        return Some(Representation::Html);
    }
    let Ok(accept) = Accept::from_str(&joined) else {
        return Some(Representation::Html);
    };
    let chosen = accept.negotiate(&AVAILABLE)?;
    Some(if chosen.subty == names::JSON {
        Representation::Json
    } else if chosen.subty == names::PLAIN {
        Representation::Text
    } else {
        Representation::Html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Representation> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        representation(&headers)
    }

    #[test]
    fn the_client_chooses_by_quality_and_html_is_the_default() {
        use Representation::{Html, Json, Text};
        assert_eq!(representation(&HeaderMap::new()), Some(Html));
        for (accept, expected) in [
            ("*/*", Some(Html)),
            ("", Some(Html)),
            ("application/json", Some(Json)),
            ("application/json, */*;q=0.5", Some(Json)),
            ("text/html;q=0.4, application/json;q=0.6", Some(Json)),
            ("text/html;q=0.6, application/json;q=0.4", Some(Html)),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Some(Html),
            ),
            ("text/html;q=0, */*", Some(Json)),
            ("application/*", Some(Json)),
            ("text/plain", Some(Text)),
            ("image/png", None),
            ("application/json;q=0", None),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }
}
