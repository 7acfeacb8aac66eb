//! Policies and context of a running explainer.

use std::time::Duration;

use engine::context::Context;
use engine::policy::bundle::Bundle;
use ureq::http::Uri;

use super::policies::Loaded;

/// Somebody waits at a prompt.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A bundle with the data of a large organisation.
const MAX_BODY: u64 = 256 << 20;

/// Where an explainer is reached.
#[derive(Debug, Clone)]
pub(in super::super) struct Remote {
    /// Without a slash at its end.
    url: String,
}

impl Remote {
    /// Reads an address.
    pub(in super::super) fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text
            .parse()
            .map_err(|_| "expected http://HOST or https://HOST".to_owned())?;
        let is_web =
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
        if !is_web || uri.query().is_some() {
            return Err("expected http://HOST or https://HOST, with a path if need be".to_owned());
        }
        Ok(Self {
            url: text.trim_end_matches('/').to_owned(),
        })
    }

    /// Its address with a path.
    pub(in super::super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What the explainer decides with.
    pub(super) fn load(&self) -> Result<Loaded, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();
        let bundle = self.get(&agent, "/v1/policies")?;
        let bundle = Bundle::from_json(&bundle).map_err(|problems| {
            let list = engine::policy::list(&problems);
            format!("{}/v1/policies is no bundle that this version reads:\n{list}", self.url)
        })?;
        let context = self.get(&agent, "/v1/context")?;
        let context: Context = serde_json::from_slice(&context)
            .map_err(|error| format!("{}/v1/context is no context that this version reads: {error}", self.url))?;
        Ok(Loaded { bundle, context })
    }

    fn get(&self, agent: &ureq::Agent, path: &str) -> Result<Vec<u8>, String> {
        let url = format!("{}{path}", self.url);
        let failed =
            |error: ureq::Error| format!("cannot read {url}: {error}; is it the address of a running `whynot serve`?");
        let mut response = agent
            .get(&url)
            .header("accept", "application/json")
            .call()
            .map_err(failed)?;
        let status = response.status();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_BODY)
            .read_to_vec()
            .map_err(failed)?;
        if status.is_success() {
            return Ok(body);
        }
        // The explainer says what is wrong.
        let detail = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()))
            .unwrap_or_else(|| "it is no explainer, or an older one".to_owned());
        Err(format!("{url} answers {}: {detail}", status.as_u16()))
    }
}
