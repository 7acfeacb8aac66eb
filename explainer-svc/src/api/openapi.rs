//! `GET /openapi.json`: the interface, generated from the handlers and their types.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{audit, chat, context, explain, explanations, filters, gateway, governance, health, policies, violations};

#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "whynot explainer",
        description = "Words for admission denials, permanent links, and the ledger of violations.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "filter", description = "What the filter in Envoy and other webhooks ask"),
        (name = "people", description = "What a denied person opens"),
        (name = "ledger", description = "Which team hit which rule"),
        (name = "policies", description = "What filters and `whynot check --server` decide with, and who has it"),
        (name = "audit", description = "What was decided, provably"),
        (name = "models", description = "Words of models: for agents, and what administrators do with them"),
        (name = "governance", description = "How controls stand, with their evidence"),
        (name = "operations", description = "Probes and metrics")
    ),
    paths(
        explain::post, explanations::get, violations::list, policies::policies, policies::status, policies::push,
        policies::rollback, chat::completions, chat::models, chat::model, gateway::kill, gateway::is_killed, gateway::usage, governance::report, filters::report, context::context,
        context::namespace, context::status, audit::checkpoint, audit::tile, audit::proof, audit::consistency, audit::events,
        health::alive,
        health::ready, health::metrics, get
    ),
    modifiers(&Callers)
)]
struct Api;

/// How administrators and clients say who they are.
struct Callers;

impl Modify for Callers {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("What is in the file of --admin-token-file"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("administrator", SecurityScheme::Http(bearer));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "One of the file of --api-token-file; without that file none is needed",
            ))
            .build();
        components.add_security_scheme("client", SecurityScheme::Http(bearer));
        let agent = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of an agent of the gateway's file"))
            .build();
        components.add_security_scheme("agent", SecurityScheme::Http(agent));
    }
}

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
