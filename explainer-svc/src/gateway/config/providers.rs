//! Providers of the gateway's file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;

use super::raw::{Kind, RawProvider};
use super::reading::Problems;
use super::{Provider, beside, name};
use crate::gateway::secret::Source;

/// Those of the file by name, each with the models that it may be asked for. One that is wrong is among them: what leads to it
/// is not wrong for that.
pub(super) fn providers(
    raw: Vec<RawProvider>,
    folder: &Path,
    problems: &mut Problems,
) -> BTreeMap<String, (Provider, Vec<String>)> {
    let mut providers = BTreeMap::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let mut wrong = |field: &str, problem: &str| problems.add(format!("providers[{index}].{field}"), problem);
        let read = provider(raw, folder, &mut wrong);
        if providers.insert(read.0.name.clone(), read).is_some() {
            wrong("name", "is there twice");
        }
    }
    providers
}

/// A web address without a login, a query and a fragment.
fn web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_plain.then_some(url)
}

fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn provider(raw: RawProvider, folder: &Path, wrong: &mut impl FnMut(&str, &str)) -> (Provider, Vec<String>) {
    if let Err(problem) = name(&raw.name) {
        wrong("name", &problem);
    }
    let url = web(&raw.url);
    match &url {
        None => wrong(
            "url",
            "expected http(s)://HOST with the path where the interface begins, without a login, ? and #",
        ),
        Some(url) if url.scheme() == "http" && !is_here(url) && !raw.plaintext => wrong(
            "url",
            "prompts and keys would be sent in the clear: use https, or say plaintext: true",
        ),
        Some(_) => {}
    }
    if let Some(proxy) = &raw.proxy {
        let is_clear = url.is_some_and(|url| url.scheme() == "http") && !raw.plaintext;
        if web(proxy).is_none() {
            wrong("proxy", "expected http(s)://HOST:PORT without a login, ? and #");
        } else if is_clear {
            wrong(
                "proxy",
                "it would see prompts and keys in the clear: use https for the url, or say plaintext: true",
            );
        }
    }
    if raw.models.is_empty() {
        wrong("models", "name those that may be used");
    }
    if raw.kind == Kind::Azure && raw.api_version.is_none() {
        wrong("apiVersion", "Azure needs one");
    }
    if raw.region.is_empty() {
        wrong("region", "say where it computes; local is a region");
    }
    if raw.concurrency == 0 {
        wrong("concurrency", "expected at least 1");
    }
    if raw.breaker.failures == 0 {
        wrong("breaker.failures", "expected at least 1");
    }
    let mut milliseconds = |field: &str, given: Option<u64>, otherwise| {
        if given == Some(0) {
            wrong(field, "expected at least 1: in no time nobody answers");
        }
        Duration::from_millis(given.unwrap_or(otherwise))
    };
    let connect_timeout = milliseconds("connectTimeoutMs", raw.connect_timeout_ms, 3_000);
    let first_byte_timeout = milliseconds("firstByteTimeoutMs", raw.first_byte_timeout_ms, 20_000);
    let idle_timeout = milliseconds("idleTimeoutMs", raw.idle_timeout_ms, 10_000);
    let key = raw.key.map(|source| beside(source, folder));
    if let Some(Err(problem)) = key.as_ref().map(Source::read) {
        wrong("key", &problem);
    }
    let provider = Provider {
        name: raw.name,
        kind: raw.kind,
        url: raw.url.trim_end_matches('/').to_owned(),
        region: raw.region,
        key,
        ca_file: raw.ca_file.map(|path| folder.join(path)),
        proxy: raw.proxy,
        api_version: raw.api_version,
        output: raw.output,
        max_tokens_field: raw.max_tokens_field,
        stream: raw.stream,
        concurrency: raw.concurrency,
        connect_timeout,
        first_byte_timeout,
        idle_timeout,
        breaker_failures: raw.breaker.failures,
        breaker_open: Duration::from_millis(raw.breaker.open_ms),
    };
    (provider, raw.models)
}
