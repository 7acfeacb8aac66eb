//! Digests of files as OPA signs them.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

use super::data::{Data, base};
use super::json::Json;
use super::manifest::Manifest;

/// The digest of a file, in hexadecimal digits. Data and the manifest are hashed by what they say, not by how it is
/// written.
pub(super) fn digest(algorithm: &str, name: &str, bytes: &[u8]) -> Result<String, String> {
    if Data::is_data_file(name) || base(name) == Manifest::FILE {
        let value = Json::parse_yaml(bytes).map_err(|reason| format!("cannot be read: {reason}"))?;
        hash(algorithm, value.canonical().as_bytes())
    } else {
        hash(algorithm, bytes)
    }
}

fn hash(algorithm: &str, bytes: &[u8]) -> Result<String, String> {
    Ok(match algorithm {
        "SHA-224" => HEXLOWER.encode(&Sha224::digest(bytes)),
        "SHA-256" => HEXLOWER.encode(&Sha256::digest(bytes)),
        "SHA-384" => HEXLOWER.encode(&Sha384::digest(bytes)),
        "SHA-512" => HEXLOWER.encode(&Sha512::digest(bytes)),
        "SHA-512-224" => HEXLOWER.encode(&Sha512_224::digest(bytes)),
        "SHA-512-256" => HEXLOWER.encode(&Sha512_256::digest(bytes)),
        // OPA takes them. Somebody else's file can be made to fit such a digest.
        "MD5" | "SHA-1" => {
            return Err(format!(
                "its digest is {algorithm}, which can be forged; sign with SHA-256"
            ));
        }
        "" => return Err("its signature names no algorithm for the digest".to_owned()),
        _ => {
            return Err(format!(
                "its digest is {algorithm:?}, which is not known; expected SHA-256"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_hashed_by_what_it_says() {
        let a = digest("SHA-256", "a/data.json", br#"{"b": 1, "a": [1.0]}"#);
        assert_eq!(a, digest("SHA-256", "a/data.json", b"{\"a\":[1.0],\n\"b\":1}"));
        assert_ne!(a, digest("SHA-256", "a/data.json", br#"{"b": 1, "a": [1]}"#));
        // As any file: by its bytes.
        assert_ne!(digest("SHA-256", "a.json", b"{}"), digest("SHA-256", "a.json", b"{ }"));
        assert_eq!(a, digest("SHA-256", "x/.manifest", br#"{"b": 1, "a": [1.0]}"#));
    }

    #[test]
    fn weak_and_unknown_digests_are_refused() {
        for (algorithm, part) in [
            ("MD5", "can be forged"),
            ("SHA-1", "can be forged"),
            ("", "no algorithm"),
            ("SHA256", "not known"),
        ] {
            assert!(
                digest(algorithm, "a.rego", b"").unwrap_err().contains(part),
                "{algorithm}"
            );
        }
    }
}
