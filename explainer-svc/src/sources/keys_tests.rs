use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/opa-bundles/keys/");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}{name}")).unwrap()
}

fn refused(content: &[u8]) -> String {
    Key::parse(content, None).unwrap_err()
}

#[test]
fn public_keys_are_known_by_their_content() {
    let names = [
        ("rsa.pem", "an RSA key"),
        ("rsa-pkcs1.pem", "an RSA key"),
        ("p256.pem", "a P-256 key"),
        ("p384.pem", "a P-384 key"),
        ("ed25519.pem", "an Ed25519 key"),
    ];
    for (name, kind) in names {
        let keys = Key::parse(&file(name), None).unwrap();
        assert_eq!((keys.len(), keys[0].material.name()), (1, kind), "{name}");
    }
    let (a, b) = (
        Key::parse(&file("rsa.pem"), None).unwrap(),
        Key::parse(&file("rsa-pkcs1.pem"), None).unwrap(),
    );
    assert!(a[0].material == b[0].material);
}

#[test]
fn what_is_no_public_key_is_refused_with_a_remedy() {
    let block = |tag: &str| format!("-----BEGIN {tag}-----\nAAAA\n-----END {tag}-----\n");
    assert!(refused(b"").contains("holds no key"));
    assert!(refused(b"secret").contains("holds no key"));
    assert!(refused(block("PRIVATE KEY").as_bytes()).contains("openssl pkey -in FILE -pubout"));
    assert!(refused(block("EC PRIVATE KEY").as_bytes()).contains("is a private key"));
    assert!(refused(block("CERTIFICATE").as_bytes()).contains("openssl x509"));
    assert!(refused(block("PUBLIC KEY").as_bytes()).contains("is no public key"));
    assert!(refused(block("X").as_bytes()).contains("expected PUBLIC KEY"));
    assert!(refused((block("PUBLIC KEY") + &block("PUBLIC KEY")).as_bytes()).contains("as a JWK set"));
    assert!(Key::parse(b"", Some(Algorithm::Hs256)).is_err());
}

// RFC 8037, appendix A.2 and A.4.
const RFC_8037: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[test]
fn a_jwk_verifies_what_its_rfc_signed() {
    let keys = Key::parse(RFC_8037.as_bytes(), None).unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = BASE64URL_NOPAD
        .decode(b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        .unwrap();
    keys[0].verify(Algorithm::EdDsa, message, &signature).unwrap();
    assert!(keys[0].verify(Algorithm::EdDsa, b"other", &signature).is_err());
    let error = keys[0].verify(Algorithm::Rs256, message, &signature).unwrap_err();
    assert_eq!(error, "the signature is RS256, and the key is an Ed25519 key");
}

#[test]
fn jwk_sets_name_what_is_wrong_with_which_key() {
    let set = |keys: &str| refused(format!(r#"{{"keys": [{keys}]}}"#).as_bytes());
    assert!(set("").contains("keys: is empty"));
    assert!(
        set(&format!(r#"{RFC_8037}, {{"kty": "EC", "crv": "P-521"}}"#)).starts_with("keys[1]: kty \"EC\" with crv")
    );
    assert!(set(r#"{"kty": "RSA", "e": "AQAB"}"#).contains("keys[0]: n: is missing"));
    assert!(set(r#"{"kty": "RSA", "e": "AQAB", "n": "a+b"}"#).contains("n: is not base64url"));
    assert!(set(r#"{"kty": "RSA", "e": "AQAB", "n": "AQAB", "d": "AQAB"}"#).contains("is a private key"));
    assert!(set(r#"{"kty": "oct", "k": "AQAB"}"#).contains("is not supported"));
    assert!(refused(b"{").contains("is not JSON"));
    assert!(refused(b"{}").contains("kty"));
}

#[test]
fn no_key_is_printed() {
    let keys = Key::parse(b"hidden", Some(Algorithm::Hs256)).unwrap();
    assert_eq!(format!("{keys:?}"), "[Key(None, a secret)]");
}

#[test]
fn algorithms_have_one_name() {
    for (name, algorithm) in NAMES {
        assert_eq!((name.parse(), algorithm.to_string()), (Ok(algorithm), name.to_owned()));
    }
    let error = "none".parse::<Algorithm>().unwrap_err();
    assert!(error.contains("expected one of RS256"), "{error}");
    assert!("ES512".parse::<Algorithm>().is_err());
}
