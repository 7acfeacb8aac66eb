//! A server of OPA bundles: <https://www.openpolicyagent.org/docs/latest/management-bundles/>.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, Response, StatusCode};

use super::super::Settings;
use super::super::examine::Material;
use super::{Checked, Seen, authorities, chain, mebibytes, secret};

/// What a server that waits calls its answers.
const WAITS: &str = "application/vnd.openpolicyagent.bundles";
const CONNECT: Duration = Duration::from_secs(10);
/// For an answer that is being sent, between two pieces of it.
const STALLED: Duration = Duration::from_secs(30);
/// For a whole bundle, beside the time that it waits.
const WHOLE: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Server {
    url: String,
    token: Option<PathBuf>,
    authority: Option<PathBuf>,
    wait: Duration,
    largest: u64,
    client: Option<Client>,
    etag: Option<HeaderValue>,
    seen: Seen,
    waits: bool,
}

impl Server {
    pub(super) fn new(url: String, settings: &Settings) -> Self {
        Self {
            url,
            token: settings.token_file.clone(),
            authority: settings.authority_file.clone(),
            wait: settings.long_poll,
            largest: settings.options.limits.compressed,
            client: None,
            etag: None,
            seen: Seen::default(),
            waits: false,
        }
    }

    /// Whether it waits for something new before it answers.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    pub(super) async fn check(&mut self) -> Checked {
        let checked = self.ask().await.unwrap_or_else(Checked::Failed);
        if matches!(checked, Checked::Failed(_)) {
            // The next question may find other certificates, and a server that has to be asked for all of it.
            self.client = None;
            self.waits = false;
        }
        checked
    }

    async fn ask(&mut self) -> Result<Checked, String> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.build()?,
        };
        let mut request = client
            .get(&self.url)
            .timeout(WHOLE + self.wait)
            .header("prefer", format!("modes=snapshot;wait={}", self.wait.as_secs()));
        if let Some(path) = &self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", secret(path).await?))
                .map_err(|_| format!("{} holds what no header may hold", path.display()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        self.client = Some(client);
        let response = request.send().await.map_err(|error| chain(&error.without_url()))?;
        let is_waiting = |headers: &HeaderMap| headers.get(CONTENT_TYPE).is_some_and(|kind| kind == WAITS);
        match response.status() {
            StatusCode::NOT_MODIFIED => {
                self.waits = is_waiting(response.headers());
                Ok(Checked::Unchanged)
            }
            StatusCode::OK => {
                self.waits = is_waiting(response.headers());
                let etag = response.headers().get(ETAG).cloned();
                let checked = self.read(response).await?;
                // Of what was refused, too: it need not be sent again.
                self.etag = etag;
                Ok(checked)
            }
            status => Err(format!("it answers {status}")),
        }
    }

    async fn read(&mut self, mut response: Response) -> Result<Checked, String> {
        let too_large = || {
            let limit = mebibytes(self.largest);
            Ok(Checked::Refused(vec![format!(
                "is larger than {limit}, the limit for an archive"
            )]))
        };
        if response.content_length().is_some_and(|length| length > self.largest) {
            return too_large();
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| chain(&error.without_url()))? {
            bytes.extend_from_slice(&piece);
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > self.largest {
                return too_large();
            }
        }
        if !self.seen.is_news(&bytes) {
            return Ok(Checked::Unchanged);
        }
        Ok(Checked::Changed(Material::sent(Bytes::from(bytes))))
    }

    fn build(&self) -> Result<Client, String> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(STALLED + self.wait)
            .https_only(self.url.starts_with("https:"))
            .user_agent(concat!("whynot/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &self.authority {
            let certificates = authorities(path)?.into_iter().map(|der| {
                reqwest::Certificate::from_der(&der).map_err(|error| format!("{}: {}", path.display(), chain(&error)))
            });
            builder = builder.tls_certs_only(certificates.collect::<Result<Vec<_>, _>>()?);
        }
        builder.build().map_err(|error| chain(&error))
    }
}
