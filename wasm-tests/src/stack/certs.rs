//! The certificates of one stack: an authority that lives as long as the run folder, and what it signs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{settings::Settings, write_atomically};

/// Long enough for a stack that somebody forgets; short enough that a lost key does not matter.
const VALID: Duration = Duration::days(30);

/// The explainer's user in the cluster.
pub(super) const EXPLAINER: &str = "whynot-explainer";

/// Writes the authority, the API server's, the administrator's, the explainer's and Envoy's certificates, the key of service accounts, and the
/// file by which Envoy finds its own.
pub(super) fn write(settings: &Settings) -> Result<()> {
    let dir = settings.run_dir.join("tls");
    fs::create_dir_all(&dir)?;
    let authority = authority()?;
    let key = KeyPair::generate()?;
    let certificate = authority.self_signed(&key)?;
    fs::write(settings.run_dir.join("ca.crt"), certificate.pem())?;
    let issuer = Issuer::new(authority, key);

    let local = ["127.0.0.1", "localhost"];
    let cluster = [
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "10.96.0.1",
    ];
    signed(
        &dir,
        "apiserver",
        &cluster,
        &[(DnType::CommonName, "kube-apiserver")],
        ExtendedKeyUsagePurpose::ServerAuth,
        &issuer,
    )?;
    signed(
        &dir,
        "admission",
        &local,
        &[(DnType::CommonName, "whynot")],
        ExtendedKeyUsagePurpose::ServerAuth,
        &issuer,
    )?;
    // The group is bound to cluster-admin by the API server itself.
    let administrator = [
        (DnType::CommonName, "admin"),
        (DnType::OrganizationName, "system:masters"),
    ];
    signed(
        &dir,
        "admin",
        &[],
        &administrator,
        ExtendedKeyUsagePurpose::ClientAuth,
        &issuer,
    )?;
    // Who may read what `whynot context rbac` names, and nothing else.
    signed(
        &dir,
        "explainer",
        &[],
        &[(DnType::CommonName, EXPLAINER)],
        ExtendedKeyUsagePurpose::ClientAuth,
        &issuer,
    )?;
    let service_accounts = KeyPair::generate()?;
    secret(&dir.join("service-accounts.key"), &service_accounts.serialize_pem())?;
    fs::write(dir.join("service-accounts.pub"), service_accounts.public_key_pem())?;

    let sds = json!({"resources": [{
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "admission",
        "tls_certificate": {
            "certificate_chain": {"filename": dir.join("admission.crt")},
            "private_key": {"filename": dir.join("admission.key")},
        },
    }]});
    write_atomically(&dir.join("sds.json"), sds.to_string().as_bytes())
}

fn authority() -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = name(&[(DnType::CommonName, "whynot local stack")]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    valid(&mut params);
    Ok(params)
}

fn signed(
    dir: &Path,
    file: &str,
    names: &[&str],
    subject: &[(DnType, &str)],
    usage: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<()> {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name = name(subject);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params);
    let key = KeyPair::generate()?;
    fs::write(dir.join(format!("{file}.crt")), params.signed_by(&key, issuer)?.pem())?;
    secret(&dir.join(format!("{file}.key")), &key.serialize_pem())
}

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

/// From an hour ago: clocks of containers and their host differ.
fn valid(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + VALID;
}

pub(super) fn secret(path: &Path, pem: &str) -> Result<()> {
    fs::write(path, pem).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
