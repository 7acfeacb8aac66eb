//! What every request passes: limits, caught panics, headers, metrics.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::problem::Problem;
use crate::config::Limits;
use crate::telemetry::Metrics;

/// Limits for routes that do work. Probes are not among them: a busy server is not a broken one.
pub fn limited<S: Clone + Send + Sync + 'static>(routes: Router<S>, limits: &Limits) -> Router<S> {
    let Limits {
        concurrency,
        body,
        request,
        headers: _,
        connections: _,
    } = limits;
    routes.layer(DefaultBodyLimit::max(*body)).layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(over_limit))
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::new(*concurrency))
            .timeout(*request),
    )
}

async fn over_limit(error: tower::BoxError) -> Problem {
    if error.is::<tower::timeout::error::Elapsed>() {
        return Problem::new(StatusCode::REQUEST_TIMEOUT, "The request took too long.");
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many requests at a time.");
    }
    tracing::error!(%error, "request failed");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The server has a defect; its log says more.",
    )
}

/// What every answer gets, whatever made it.
pub fn hardened(router: Router, metrics: Metrics) -> Router {
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .layer(CatchPanicLayer::custom(caught))
        .layer(middleware::from_fn_with_state(metrics, counted))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(set(HeaderName::from_static("x-robots-tag"), "noindex, nofollow"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(set(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that CatchPanicLayer asks for"
)]
fn caught(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = message.unwrap_or("of unknown kind"), "a request panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The server has a defect; its log says more.",
    )
    .into_response()
}

async fn counted(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let took = begun.elapsed();
    metrics.answered(&method, &route, response.status().as_u16(), took);
    tracing::debug!(method, route, status = response.status().as_u16(), ?took, "answered");
    response
}
