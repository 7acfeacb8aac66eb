//! An artefact in a registry: an OPA bundle as one layer, and cosign's signature beside it.
//!
//! ```text
//! tag -> manifest -> its digest -> signed by the key? -> layer, as the manifest's digest of it says -> bundle
//! ```

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use data_encoding::BASE64;
use futures_util::StreamExt as _;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde::Deserialize;

use super::super::Settings;
use super::super::docker::credentials;
use super::super::examine::{Material, sha256};
use super::{Checked, authorities, chain, mebibytes};
use crate::sources::Key;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// How OPA and its tools call a bundle.
const BUNDLES: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];
/// cosign's statement about an artefact, and where its signature stands.
const STATEMENT: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Bytes of a statement.
const LARGEST_STATEMENT: u64 = 1 << 16;
/// Signatures of one artefact that are looked at.
const SIGNATURES: usize = 32;
const CONNECT: Duration = Duration::from_secs(10);
const STALLED: Duration = Duration::from_secs(30);
/// For all questions of one look.
const WHOLE: Duration = Duration::from_mins(3);

#[derive(Debug)]
pub(super) struct Artefact {
    reference: String,
    authority: Option<PathBuf>,
    registry_config: Option<PathBuf>,
    key: Option<Key>,
    largest: u64,
    /// The manifest that was looked into last.
    seen: Option<String>,
}

/// What keeps from a bundle: no answer, or a bad one.
enum Stopped {
    Failed(String),
    Refused(String),
}

impl From<OciDistributionError> for Stopped {
    fn from(error: OciDistributionError) -> Self {
        match &error {
            OciDistributionError::DigestError(_) => {
                Self::Refused(format!("is not what its digest says: {}", chain(&error)))
            }
            _ => Self::Failed(chain(&error)),
        }
    }
}

impl Artefact {
    pub(super) fn new(reference: String, settings: &Settings) -> Self {
        Self {
            reference,
            authority: settings.authority_file.clone(),
            registry_config: settings.registry_config.clone(),
            key: settings.cosign.clone(),
            largest: settings.options.limits.compressed,
            seen: None,
        }
    }

    pub(super) async fn check(&mut self) -> Checked {
        match tokio::time::timeout(WHOLE, self.look()).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(Stopped::Failed(reason))) => Checked::Failed(reason),
            Ok(Err(Stopped::Refused(reason))) => Checked::Refused(vec![reason]),
            Err(_) => Checked::Failed(format!("no answer within {} s", WHOLE.as_secs())),
        }
    }

    async fn look(&mut self) -> Result<Checked, Stopped> {
        let reference: Reference = self
            .reference
            .parse()
            .map_err(|error| Stopped::Failed(format!("{}: {error}", self.reference)))?;
        let auth = self.auth(&reference).map_err(Stopped::Failed)?;
        let client = self.client(&reference).map_err(Stopped::Failed)?;
        let (manifest, _) = client.pull_manifest_raw(&reference, &auth, &[MANIFEST]).await?;
        // Over what came, not what somebody says of it.
        let digest = format!("sha256:{}", sha256(&manifest));
        if self.seen.as_ref() == Some(&digest) {
            return Ok(Checked::Unchanged);
        }
        if let Some(named) = reference.digest()
            && named != digest
        {
            let reason = format!("the manifest is {digest}, not {named}");
            return Err(Stopped::Refused(reason));
        }
        if let Some(key) = &self.key {
            verify(&client, &reference, &auth, &digest, key).await?;
        }
        let layer = layer(&manifest).map_err(Stopped::Refused)?;
        let bytes = pull(&client, &reference, &layer, self.largest).await?;
        // Only now: what could not be had is asked for again.
        self.seen = Some(digest);
        Ok(Checked::Changed(Material::Archive(
            bytes,
            self.key.as_ref().map(Key::fingerprint),
        )))
    }

    fn auth(&self, reference: &Reference) -> Result<RegistryAuth, String> {
        let Some(path) = &self.registry_config else {
            return Ok(RegistryAuth::Anonymous);
        };
        let found = credentials(path, reference.registry())?;
        Ok(found.map_or(RegistryAuth::Anonymous, |(user, password)| {
            RegistryAuth::Basic(user, password)
        }))
    }

    fn client(&self, reference: &Reference) -> Result<Client, String> {
        let tls_certs_only = match &self.authority {
            None => Vec::new(),
            Some(path) => {
                let certificate = |data| Certificate {
                    encoding: CertificateEncoding::Der,
                    data,
                };
                authorities(path)?.into_iter().map(certificate).collect()
            }
        };
        let registry = reference.resolve_registry();
        let protocol = if is_here(registry) && self.authority.is_none() {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        };
        let config = ClientConfig {
            protocol,
            tls_certs_only,
            connect_timeout: Some(CONNECT),
            read_timeout: Some(STALLED),
            user_agent: concat!("whynot/", env!("CARGO_PKG_VERSION")),
            platform_resolver: None,
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|error| chain(&error))
    }
}

/// As other tools have it: a registry on the own machine is asked without TLS, unless there is an authority.
fn is_here(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// The one layer that is a bundle.
fn layer(manifest: &[u8]) -> Result<OciDescriptor, String> {
    let manifest: OciImageManifest =
        serde_json::from_slice(manifest).map_err(|error| format!("is no manifest of an artefact: {error}"))?;
    let mut layers = manifest
        .layers
        .into_iter()
        .filter(|layer| BUNDLES.contains(&layer.media_type.as_str()));
    match (layers.next(), layers.next()) {
        // Other addresses that a descriptor may name are nobody's business here.
        (Some(layer), None) => Ok(OciDescriptor { urls: None, ..layer }),
        (None, _) => Err(format!(
            "has no layer of type {}; push it as OPA does",
            BUNDLES.join(" or ")
        )),
        (Some(_), Some(_)) => Err("has several layers, and a bundle is one".to_owned()),
    }
}

/// A blob, at most so large, and the one of its digest.
async fn pull(
    client: &Client,
    reference: &Reference,
    descriptor: &OciDescriptor,
    largest: u64,
) -> Result<Bytes, Stopped> {
    let too_large = || {
        Stopped::Refused(format!(
            "is larger than {}, the limit for an archive",
            mebibytes(largest)
        ))
    };
    if u64::try_from(descriptor.size).unwrap_or(u64::MAX) > largest {
        return Err(too_large());
    }
    let mut stream = client.pull_blob_stream(reference, descriptor).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.stream.next().await {
        let piece = piece.map_err(|error| {
            // A digest that does not fit comes as an error of reading.
            let text = chain(&error);
            if text.contains("igest") {
                Stopped::Refused(format!("is not what its digest says: {text}"))
            } else {
                Stopped::Failed(text)
            }
        })?;
        bytes.extend_from_slice(&piece);
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > largest {
            return Err(too_large());
        }
    }
    if format!("sha256:{}", sha256(&bytes)) != descriptor.digest {
        let reason = format!(
            "{} came with another content: it is cut off, or was changed",
            descriptor.digest
        );
        return Err(Stopped::Refused(reason));
    }
    Ok(bytes.into())
}

/// What cosign signs.
#[derive(Deserialize)]
struct Statement {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Whether the key signed a statement about this manifest.
async fn verify(
    client: &Client,
    reference: &Reference,
    auth: &RegistryAuth,
    digest: &str,
    key: &Key,
) -> Result<(), Stopped> {
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let place = Reference::with_tag(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        tag.clone(),
    );
    let missing = || {
        Stopped::Refused(format!(
            "is not signed: there is no {tag} beside it; sign it with cosign sign --key (in version 3 with \
             --new-bundle-format=false)"
        ))
    };
    let (manifest, _) = match client.pull_manifest_raw(&place, auth, &[MANIFEST]).await {
        Ok(found) => found,
        Err(error) if is_missing(&error) => return Err(missing()),
        Err(error) => return Err(error.into()),
    };
    let manifest: OciImageManifest = serde_json::from_slice(&manifest)
        .map_err(|error| Stopped::Refused(format!("its signature {tag} cannot be read: {error}")))?;
    let mut reasons = Vec::new();
    for layer in manifest
        .layers
        .into_iter()
        .filter(|layer| layer.media_type == STATEMENT)
        .take(SIGNATURES)
    {
        let layer = OciDescriptor { urls: None, ..layer };
        let payload = pull(client, &place, &layer, LARGEST_STATEMENT).await?;
        let signature = layer
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(SIGNATURE));
        match signed(&payload, signature.map(String::as_str), digest, key) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        return Err(missing());
    }
    reasons.dedup();
    Err(Stopped::Refused(format!(
        "its signature is refused: {}",
        reasons.join("; ")
    )))
}

/// The signature first: nothing unsigned is read.
fn signed(payload: &[u8], signature: Option<&str>, digest: &str, key: &Key) -> Result<(), String> {
    let signature = signature.ok_or("it has none")?;
    let signature = BASE64
        .decode(signature.trim().as_bytes())
        .map_err(|error| format!("it is not base64: {error}"))?;
    key.verify_blob(payload, &signature)?;
    let statement: Statement =
        serde_json::from_slice(payload).map_err(|error| format!("what was signed cannot be read: {error}"))?;
    if statement.critical.r#type != "cosign container image signature" {
        return Err(format!("what was signed is {:?}", statement.critical.r#type));
    }
    if statement.critical.image.digest != digest {
        return Err(format!(
            "it is for {}, not for {digest}",
            statement.critical.image.digest
        ));
    }
    Ok(())
}

fn is_missing(error: &OciDistributionError) -> bool {
    use oci_client::errors::OciErrorCode;
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope
            .errors
            .iter()
            .any(|error| matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NotFound)),
        _ => false,
    }
}
