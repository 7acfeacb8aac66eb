//! The only file that calls Envoy. Every status becomes an `Option` or a `bool`; headers are read as bytes, because the SDK
//! panics on those that are not UTF-8.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType};

use crate::config::{Explainer, Token};
use crate::flow::Response;

/// Writes to Envoy's log.
pub(crate) fn log(level: LogLevel, message: &str) {
    // A log that cannot be written has nowhere to be reported.
    let _ = hostcalls::log(level, message);
}

/// A header of the request, as far as it is text.
pub(crate) fn request_header(name: &str) -> String {
    header(MapType::HttpRequestHeaders, name)
}

/// A header of the answer of the webhook behind, as far as it is text.
pub(crate) fn answer_header(name: &str) -> String {
    header(MapType::HttpResponseHeaders, name)
}

/// Takes a header out of the request, which has not gone on yet.
pub(crate) fn drop_request_header(name: &str) {
    if !request_header(name).is_empty() {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, None);
    }
}

/// The first bytes of the answer of the webhook behind.
pub(crate) fn answer_body(size: usize) -> Vec<u8> {
    buffer(BufferType::HttpResponseBody, size)
}

/// Puts another body in place of an answer of this size that has not gone on yet. False: it is as it was.
pub(crate) fn replace_answer(size: usize, body: &[u8]) -> bool {
    // A length that was left as it is cuts the body, without a word.
    let length = |length: usize| {
        let text = length.to_string();
        hostcalls::set_map_value_bytes(MapType::HttpResponseHeaders, "content-length", Some(text.as_bytes())).is_ok()
    };
    if !length(body.len()) {
        return false;
    }
    let is_replaced = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, body).is_ok();
    if !is_replaced {
        length(size);
    }
    is_replaced
}

/// Lets the answer of the webhook behind go on.
pub(crate) fn resume_answer() {
    let _ = hostcalls::resume_http_response();
}

/// The status of the explainer's answer; `None` when there was none.
pub(crate) fn call_status() -> Option<u32> {
    header(MapType::HttpCallResponseHeaders, ":status").parse().ok()
}

fn header(map: MapType, name: &str) -> String {
    let value = hostcalls::get_map_value_bytes(map, name)
        .ok()
        .flatten()
        .unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

/// The first bytes of the request's body.
pub(crate) fn request_body(size: usize) -> Vec<u8> {
    buffer(BufferType::HttpRequestBody, size)
}

/// The explainer's answer.
pub(crate) fn call_body(size: usize) -> Vec<u8> {
    buffer(BufferType::HttpCallResponseBody, size)
}

/// The plugin's configuration.
pub(crate) fn configuration() -> Vec<u8> {
    buffer(BufferType::PluginConfiguration, usize::MAX)
}

fn buffer(buffer: BufferType, size: usize) -> Vec<u8> {
    hostcalls::get_buffer(buffer, 0, size)
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Answers the request. False when Envoy did not take it.
pub(crate) fn respond(response: &Response) -> bool {
    let headers = vec![("content-type", response.content_type), ("cache-control", "no-store")];
    hostcalls::send_http_response(response.status, headers, Some(&response.body)).is_ok()
}

/// Lets the request go on.
pub(crate) fn resume() {
    let _ = hostcalls::resume_http_request();
}

/// A header of a call's answer, as far as it is text; `None` when it is not there.
pub(crate) fn call_header(name: &str) -> Option<String> {
    Some(header(MapType::HttpCallResponseHeaders, name)).filter(|value| !value.is_empty())
}

/// Asks a service with GET, or with POST when there is a body. `None` when Envoy did not take the call.
pub(crate) fn ask(
    cluster: &str,
    authority: &str,
    path: &str,
    known: &str,
    body: Option<&[u8]>,
    timeout: Duration,
) -> Option<u32> {
    let mut headers = vec![
        (":method", if body.is_some() { "POST" } else { "GET" }),
        (":path", path),
        (":authority", authority),
        ("accept", "application/json"),
    ];
    let tag = format!("\"{known}\"");
    if !known.is_empty() {
        headers.push(("if-none-match", &tag));
    }
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    hostcalls::dispatch_http_call(cluster, headers, body, vec![], timeout).ok()
}

/// What all instances of this process share under a key, and its version.
pub(crate) fn shared_data(key: &str) -> (Option<Vec<u8>>, Option<u32>) {
    hostcalls::get_shared_data(key).unwrap_or_default()
}

/// Writes what is shared. With a version only when nobody has written since. False when it was not written.
pub(crate) fn set_shared_data(key: &str, value: &[u8], version: Option<u32>) -> bool {
    hostcalls::set_shared_data(key, Some(value), version).is_ok()
}

/// How often the plugin is called by itself.
pub(crate) fn tick_every(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// The name of this Envoy, as far as it is text.
pub(crate) fn node_id() -> String {
    let id = hostcalls::get_property(vec!["node", "id"]).ok().flatten();
    String::from_utf8_lossy(&id.unwrap_or_default()).into_owned()
}

/// Calls the explainer. `None` when Envoy did not take the call.
pub(crate) fn call(explainer: &Explainer, body: &[u8], timeout: Duration) -> Option<u32> {
    let authorization = explainer.token.as_ref().map(Token::authorization);
    let mut headers = vec![
        (":method", "POST"),
        (":path", explainer.path.as_str()),
        (":authority", explainer.authority.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    hostcalls::dispatch_http_call(&explainer.cluster, headers, Some(body), vec![], timeout).ok()
}

/// The host's clock in microseconds; 0 when it has none.
pub(crate) fn now_us() -> u64 {
    let since_epoch = hostcalls::get_current_time()
        .ok()
        .and_then(|now| now.duration_since(std::time::UNIX_EPOCH).ok());
    since_epoch
        .and_then(|elapsed| u64::try_from(elapsed.as_micros()).ok())
        .unwrap_or(0)
}

/// The id of a counter.
pub(crate) fn counter(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Counter, name).ok()
}

/// The id of a histogram.
pub(crate) fn histogram(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Histogram, name).ok()
}

/// The id of a gauge.
pub(crate) fn gauge(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Gauge, name).ok()
}

/// Counts one.
pub(crate) fn increment(id: u32) {
    let _ = hostcalls::increment_metric(id, 1);
}

/// Records a value.
pub(crate) fn record(id: u32, value: u64) {
    let _ = hostcalls::record_metric(id, value);
}
