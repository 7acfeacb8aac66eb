//! `GET /openapi.json`: the interface, generated from the handlers and their types.

use axum::Json;
use utoipa::OpenApi;

use super::{audit, explain, explanations, health, policies, violations};

#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "whynot explainer",
        description = "Words for admission denials, permanent links, and the ledger of violations.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "filter", description = "What the filter in Envoy asks"),
        (name = "people", description = "What a denied person opens"),
        (name = "ledger", description = "Which team hit which rule"),
        (name = "policies", description = "What `whynot check --server` decides with"),
        (name = "audit", description = "What was decided, provably"),
        (name = "operations", description = "Probes and metrics")
    ),
    paths(
        explain::post, explanations::get, violations::list, policies::policies, policies::context, audit::checkpoint,
        audit::tile, audit::proof, audit::consistency, audit::events, health::alive,
        health::ready, health::metrics, get
    )
)]
struct Api;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn get() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
