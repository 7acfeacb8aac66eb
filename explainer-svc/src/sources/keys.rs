//! The keys that bundles are verified with, and the one place where a signature is checked.
//!
//! A key decides which algorithms it takes, never the bundle: a public key as the secret of an HMAC is the oldest way
//! to forge a token.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::{hmac, signature};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// How a bundle can be signed: JWS' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 7518's")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

const NAMES: [(&str, Algorithm); 12] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
];

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!(
                "{text:?} is no algorithm that is supported; expected one of {}",
                names.join(", ")
            )
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, algorithm)| algorithm == self);
        formatter.write_str(name.map_or("", |(name, _)| name))
    }
}

impl Algorithm {
    /// Whether it needs a secret that both sides know.
    fn is_secret(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

/// A key that is trusted.
#[derive(Clone)]
pub struct Key {
    /// The name that signatures may give it.
    pub(super) id: Option<String>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    /// `RSAPublicKey` in DER.
    Rsa(Vec<u8>),
    RsaNumbers {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

/// No key is ever printed, since some are secrets.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({:?}, {})", self.id, self.material.name())
    }
}

impl Material {
    fn name(&self) -> &'static str {
        match self {
            Self::Rsa(_) | Self::RsaNumbers { .. } => "an RSA key",
            Self::P256(_) => "a P-256 key",
            Self::P384(_) => "a P-384 key",
            Self::Ed25519(_) => "an Ed25519 key",
            Self::Secret(_) => "a secret",
        }
    }
}

impl Key {
    /// Reads the keys of a file: a public key in PEM, a JWK or a JWK set. With an algorithm of HMAC the whole content
    /// is the secret, as in OPA.
    ///
    /// # Errors
    /// What the content is instead, and what to do.
    pub fn parse(content: &[u8], algorithm: Option<Algorithm>) -> Result<Vec<Self>, String> {
        if algorithm.is_some_and(Algorithm::is_secret) {
            if content.is_empty() {
                return Err("is empty; expected the secret".to_owned());
            }
            return Ok(vec![Self {
                id: None,
                material: Material::Secret(content.to_vec()),
            }]);
        }
        if content.trim_ascii_start().starts_with(b"{") {
            return jwks(content);
        }
        let blocks = pem::parse_many(content).map_err(|error| format!("is not PEM: {error}"))?;
        match blocks.as_slice() {
            [] => {
                Err("holds no key; expected a public key in PEM (-----BEGIN PUBLIC KEY-----) or a JWK set".to_owned())
            }
            [block] => Ok(vec![Self {
                id: None,
                material: from_pem(block)?,
            }]),
            _ => Err("holds more than one PEM block; give several keys as a JWK set".to_owned()),
        }
    }

    /// Names the key, whatever it is called: SHA-256 over its kind and its numbers, in hex.
    pub(crate) fn fingerprint(&self) -> String {
        let parts: [&[u8]; 2] = match &self.material {
            Material::Rsa(key)
            | Material::P256(key)
            | Material::P384(key)
            | Material::Ed25519(key)
            | Material::Secret(key) => [key, &[]],
            Material::RsaNumbers { n, e } => [n, e],
        };
        let mut digest = Sha256::new_with_prefix(self.material.name());
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part);
        }
        HEXLOWER.encode(&digest.finalize())
    }

    /// Whether `signature` is this key's over `message`, as cosign and OpenSSL write it: what the key is says how.
    pub(crate) fn verify_blob(&self, message: &[u8], signature: &[u8]) -> Result<(), String> {
        let (algorithm, key): (&'static dyn signature::VerificationAlgorithm, &[u8]) = match &self.material {
            Material::P256(key) => (&signature::ECDSA_P256_SHA256_ASN1, key),
            Material::P384(key) => (&signature::ECDSA_P384_SHA384_ASN1, key),
            Material::Ed25519(key) => (&signature::ED25519, key),
            Material::Rsa(key) => (&signature::RSA_PKCS1_2048_8192_SHA256, key),
            material @ (Material::RsaNumbers { .. } | Material::Secret(_)) => {
                return Err(format!("{} signs no artefact here", material.name()));
            }
        };
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .map_err(|_| "the signature is not this key's, or what it covers was changed".to_owned())
    }

    /// Whether `signature` is this key's, made with this algorithm over `message`.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), String> {
        let public = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            signature::UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok()
        };
        let secret = |algorithm: hmac::Algorithm, key: &[u8]| {
            hmac::verify(&hmac::Key::new(algorithm, key), message, signature).is_ok()
        };
        let valid = match (&self.material, algorithm, rsa(algorithm)) {
            (Material::Rsa(key), _, Some(with)) => public(with, key),
            (Material::RsaNumbers { n, e }, _, Some(with)) => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(with, message, signature).is_ok()
            }
            (Material::P256(key), Algorithm::Es256, _) => public(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Material::P384(key), Algorithm::Es384, _) => public(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Material::Ed25519(key), Algorithm::EdDsa, _) => public(&signature::ED25519, key),
            (Material::Secret(key), Algorithm::Hs256, _) => secret(hmac::HMAC_SHA256, key),
            (Material::Secret(key), Algorithm::Hs384, _) => secret(hmac::HMAC_SHA384, key),
            (Material::Secret(key), Algorithm::Hs512, _) => secret(hmac::HMAC_SHA512, key),
            (material, _, _) => {
                return Err(format!(
                    "the signature is {algorithm}, and the key is {}",
                    material.name()
                ));
            }
        };
        if valid {
            Ok(())
        } else {
            Err("the signature is not this key's, or what it covers was changed".to_owned())
        }
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn from_pem(block: &pem::Pem) -> Result<Material, String> {
    match block.tag() {
        "PUBLIC KEY" => from_spki(block.contents()),
        "RSA PUBLIC KEY" => Ok(Material::Rsa(block.contents().to_vec())),
        "CERTIFICATE" => {
            Err("is a certificate; take the public key out of it: openssl x509 -in FILE -pubkey -noout".to_owned())
        }
        tag if tag.ends_with("PRIVATE KEY") => Err(
            "is a private key, which only the signer may have; take the public key out of it: \
             openssl pkey -in FILE -pubout"
                .to_owned(),
        ),
        tag => Err(format!("is a PEM block {tag:?}; expected PUBLIC KEY")),
    }
}

fn from_spki(der: &[u8]) -> Result<Material, String> {
    let key = SubjectPublicKeyInfoRef::try_from(der).map_err(|error| format!("is no public key: {error}"))?;
    let bytes = key
        .subject_public_key
        .as_bytes()
        .ok_or("is no public key: it has bits left over")?
        .to_vec();
    let curve = || key.algorithm.parameters_oid();
    match key.algorithm.oid {
        RSA => Ok(Material::Rsa(bytes)),
        ED25519 => Ok(Material::Ed25519(bytes)),
        EC => match curve() {
            Ok(P256) => Ok(Material::P256(bytes)),
            Ok(P384) => Ok(Material::P384(bytes)),
            _ => Err("is on an elliptic curve that is not supported; sign with ES256 or ES384".to_owned()),
        },
        other => Err(format!(
            "is of a kind that is not supported ({other}); expected RSA, P-256, P-384 or Ed25519"
        )),
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Not read: that it is there says that this is a private key.
    d: Option<serde::de::IgnoredAny>,
}

/// A key, or `{"keys": […]}`.
fn jwks(content: &[u8]) -> Result<Vec<Key>, String> {
    let value: serde_json::Value = serde_json::from_slice(content).map_err(|error| format!("is not JSON: {error}"))?;
    let set: JwkSet = if value.get("keys").is_some() {
        serde_path_to_error::deserialize(value).map_err(|error| format!("{}: {}", error.path(), error.inner()))?
    } else {
        let key = serde_path_to_error::deserialize(value);
        JwkSet {
            keys: vec![key.map_err(|error| format!("is no JWK: {}: {}", error.path(), error.inner()))?],
        }
    };
    if set.keys.is_empty() {
        return Err("keys: is empty".to_owned());
    }
    let keys = set.keys.into_iter().enumerate();
    let keys = keys.map(|(index, jwk)| {
        let material = from_jwk(&jwk).map_err(|reason| format!("keys[{index}]: {reason}"))?;
        Ok(Key { id: jwk.kid, material })
    });
    keys.collect()
}

fn from_jwk(jwk: &Jwk) -> Result<Material, String> {
    if jwk.d.is_some() {
        return Err(
            "is a private key, which only the signer may have; leave out all but its public members".to_owned(),
        );
    }
    let member = |name: &str, value: &Option<String>| -> Result<Vec<u8>, String> {
        let text = value.as_deref().ok_or_else(|| format!("{name}: is missing"))?;
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|error| format!("{name}: is not base64url: {error}"))
    };
    let point = || -> Result<Vec<u8>, String> { Ok([vec![4], member("x", &jwk.x)?, member("y", &jwk.y)?].concat()) };
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Ok(Material::RsaNumbers {
            n: member("n", &jwk.n)?,
            e: member("e", &jwk.e)?,
        }),
        ("EC", Some("P-256")) => Ok(Material::P256(point()?)),
        ("EC", Some("P-384")) => Ok(Material::P384(point()?)),
        ("OKP", Some("Ed25519")) => Ok(Material::Ed25519(member("x", &jwk.x)?)),
        (kind, curve) => Err(format!(
            "kty {kind:?}{} is not supported; expected RSA, EC on P-256 or P-384, or OKP with Ed25519",
            curve.map_or_else(String::new, |curve| format!(" with crv {curve:?}"))
        )),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
