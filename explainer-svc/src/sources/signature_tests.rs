use ring::hmac;
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"for tests only";

fn entry(name: &str, text: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        written: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn policy() -> Entry {
    entry("a.rego", "package a")
}

fn listed(entry: &Entry) -> Value {
    json!({"name": entry.name, "algorithm": "SHA-256", "hash": digest("SHA-256", &entry.name, &entry.bytes).unwrap()})
}

fn token(header: &Value, payload: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn signatures(token: &str) -> Entry {
    entry(".signatures.json", &json!({"signatures": [token]}).to_string())
}

fn trust() -> Trust {
    Trust {
        keys: Key::parse(SECRET, Some(Algorithm::Hs256)).unwrap(),
        ..Trust::default()
    }
}

fn check(mut entries: Vec<Entry>, trust: Trust) -> Result<Option<Signed>, String> {
    verify(&mut entries, &Verification::Required(Box::new(trust))).map_err(|problems| engine::policy::list(&problems))
}

/// What is said of a token with this header and payload, over one policy.
fn told(header: &Value, payload: &Value, trust: Trust) -> String {
    match check(vec![policy(), signatures(&token(header, payload))], trust) {
        Ok(signed) => format!("{signed:?}"),
        Err(text) => text,
    }
}

fn hs256() -> Value {
    json!({"alg": "HS256"})
}

#[test]
fn a_signature_over_every_file_is_accepted_and_taken_out() {
    let mut entries = vec![
        policy(),
        signatures(&token(&hs256(), &json!({"files": [listed(&policy())]}))),
    ];
    let signed = verify(&mut entries, &Verification::Required(Box::new(trust())))
        .unwrap()
        .unwrap();
    assert_eq!((signed.files, signed.algorithm), (1, Algorithm::Hs256));
    assert_eq!(entries, [policy()]);
}

#[test]
fn every_file_is_listed_once_and_nothing_else() {
    let file = listed(&policy());
    let text = told(&hs256(), &json!({"files": [file, file]}), trust());
    assert_eq!(text, ".signatures.json: the signature lists a.rego twice");
    let text = told(&hs256(), &json!({}), trust());
    assert!(text.contains("a.rego: is not in the signature"), "{text}");
    let other = listed(&entry("b.rego", ""));
    let text = told(&hs256(), &json!({"files": [file, other]}), trust());
    assert_eq!(
        text,
        ".signatures.json: the signature lists b.rego, which is not in the bundle"
    );
}

#[test]
fn digests_have_to_be_there_known_and_right() {
    let with = |key: &str, value: &str| {
        let mut file = listed(&policy());
        file[key] = json!(value);
        told(&hs256(), &json!({"files": [file]}), trust())
    };
    assert!(with("hash", "00").contains("a.rego: was changed after it was signed"));
    assert!(with("hash", "xyz").contains("is not hexadecimal"));
    assert!(with("algorithm", "SHA-1").contains("can be forged"));
    assert!(with("algorithm", "").contains("names no algorithm"));
    let upper = listed(&policy())["hash"].as_str().unwrap().to_uppercase();
    assert!(with("hash", &upper).starts_with("Some("));
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let good = token(&hs256(), &json!({"files": [listed(&policy())]}));
    let (_, tag) = good.rsplit_once('.').unwrap();
    let other = token(&hs256(), &json!({"files": []}));
    let (message, _) = other.rsplit_once('.').unwrap();
    let text = check(vec![policy(), signatures(&format!("{message}.{tag}"))], trust()).unwrap_err();
    assert!(
        text.contains("is not this key's, or what it covers was changed"),
        "{text}"
    );
}

#[test]
fn the_key_says_which_algorithm_and_never_the_token() {
    let payload = json!({"files": [listed(&policy())]});
    let text = told(&json!({"alg": "none"}), &payload, trust());
    assert!(text.contains("alg: \"none\" is no algorithm"), "{text}");
    let text = told(&json!({"alg": "RS256"}), &payload, trust());
    assert!(
        text.contains("the signature is RS256, and the key is a secret"),
        "{text}"
    );
    // The public key as the secret of an HMAC.
    let pem = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/opa-bundles/keys/rsa.pem"
    ))
    .unwrap();
    let public = Trust {
        keys: Key::parse(&pem, None).unwrap(),
        ..Trust::default()
    };
    let text = told(&hs256(), &payload, public);
    assert!(
        text.contains("the signature is HS256, and the key is an RSA key"),
        "{text}"
    );
    let only = Trust {
        algorithm: Some(Algorithm::Hs512),
        ..trust()
    };
    assert!(told(&hs256(), &payload, only).contains("is HS256, and only HS512 is taken"));
    assert!(told(&json!({"alg": "HS256", "crit": ["b64"]}), &payload, trust()).contains("crit"));
}

#[test]
fn scopes_have_to_be_the_same() {
    let payload = json!({"files": [listed(&policy())], "scope": "staging"});
    let scoped = |scope: &str| {
        told(
            &hs256(),
            &payload,
            Trust {
                scope: scope.to_owned(),
                ..trust()
            },
        )
    };
    assert!(scoped("staging").starts_with("Some("));
    assert!(scoped("").contains(r#"has the scope "staging", and "" is expected"#));
    assert!(scoped("production").contains("is expected (--scope)"));
}

#[test]
fn the_configured_key_comes_before_the_one_that_is_named() {
    let key = |id: &str, content: &[u8]| {
        let mut key = Key::parse(content, Some(Algorithm::Hs256)).unwrap().remove(0);
        key.id = Some(id.to_owned());
        key
    };
    let two = Trust {
        keys: vec![key("right", SECRET), key("wrong", b"x")],
        ..Trust::default()
    };
    let payload = json!({"files": [listed(&policy())]});
    let kid = |kid: &str| json!({"alg": "HS256", "kid": kid});
    assert!(told(&kid("right"), &payload, two.clone()).contains("Some(\"right\")"));
    assert!(told(&kid("wrong"), &payload, two.clone()).contains("not this key's"));
    assert!(told(&kid("other"), &payload, two.clone()).contains("no key with the id \"other\""));
    assert!(told(&hs256(), &payload, two.clone()).contains("names no key, and several were given"));
    let claimed = json!({"files": [listed(&policy())], "keyid": "right"});
    assert!(told(&hs256(), &claimed, two.clone()).contains("Some(\"right\")"));
    let configured = Trust {
        key_id: Some("wrong".to_owned()),
        ..two
    };
    assert!(told(&kid("right"), &payload, configured).contains("not this key's"));
    // A file in PEM has no name of its own.
    let named = Trust {
        key_id: Some("release".to_owned()),
        ..trust()
    };
    assert!(told(&kid("anything"), &payload, named).contains("Some(\"release\")"));
}

#[test]
fn excluded_files_need_not_be_signed_and_are_told() {
    let exclude = |pattern: &str| {
        let exclude = Exclude::new(&[pattern.to_owned()]).unwrap();
        let good = token(&hs256(), &json!({"files": [listed(&policy())]}));
        check(
            vec![policy(), entry("docs/x.md", "x"), signatures(&good)],
            Trust { exclude, ..trust() },
        )
    };
    assert_eq!(exclude("docs/*.md").unwrap().unwrap().excluded, ["docs/x.md"]);
    assert!(
        exclude("*.md")
            .unwrap_err()
            .contains("docs/x.md: is not in the signature")
    );
    assert!(
        exclude("**")
            .unwrap_err()
            .contains("docs/x.md: is not in the signature")
    );
    assert!(exclude("docs/{x,y}.md").is_err());
    assert!(
        Exclude::new(&["[".to_owned()])
            .unwrap_err()
            .contains("is not a pattern")
    );
}

#[test]
fn who_has_to_sign_and_who_must_not() {
    let signed = || {
        vec![
            policy(),
            signatures(&token(&hs256(), &json!({"files": [listed(&policy())]}))),
        ]
    };
    let text = |mut entries: Vec<Entry>, verification: &Verification| match verify(&mut entries, verification) {
        Ok(signed) => format!("{signed:?} {}", entries.len()),
        Err(problems) => engine::policy::list(&problems),
    };
    assert_eq!(text(vec![policy()], &Verification::NoKey), "None 1");
    assert_eq!(text(signed(), &Verification::Skip), "None 1");
    assert!(text(signed(), &Verification::NoKey).contains("no key was given to verify it"));
    let required = Verification::Required(Box::new(trust()));
    assert!(text(vec![policy()], &required).contains("the bundle is not signed"));
    assert!(text(vec![policy(), entry(".signatures.json", "{}")], &required).contains("the bundle is not signed"));
    let two = [signed(), vec![entry("b/.signatures.json", "{}")]].concat();
    assert!(text(two, &required).contains("b/.signatures.json: the bundle has another signature"));
}

#[test]
fn signatures_that_are_none_are_refused() {
    let text = |content: &str| check(vec![policy(), entry(".signatures.json", content)], trust()).unwrap_err();
    assert!(text("[").contains("is not what `opa sign` writes"));
    assert!(text(r#"{"signatures": []}"#).contains("expected exactly one, got 0"));
    assert!(text(r#"{"signatures": ["a.b.c", "a.b.c"]}"#).contains("expected exactly one, got 2"));
    assert!(text(r#"{"signatures": ["a.b.c"], "plugin": "vault"}"#).contains("plugin: is \"vault\""));
    assert!(text(r#"{"signatures": ["a.b"]}"#).contains("expected three parts"));
    assert!(text(r#"{"signatures": ["a.b.c.d"]}"#).contains("expected three parts"));
    assert!(text(r#"{"signatures": ["!.b.c"]}"#).contains("its header is not base64url"));
    assert!(text(r#"{"signatures": ["e30.e30.AA"]}"#).contains("its header: missing field `alg`"));
}
