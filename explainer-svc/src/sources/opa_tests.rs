//! Bundles that OPA made, and what OPA makes of them: `tests/fixtures/opa-bundles/README.md`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/opa-bundles")
}

/// A line of `cases.txt`: a bundle and how OPA was asked to read it.
fn options(key: &str, flags: &[&str]) -> Options {
    let flag = |name: &str| {
        flags
            .windows(2)
            .find(|pair| pair[0] == name)
            .map(|pair| pair[1].to_owned())
    };
    if key == "-" {
        return Options::default();
    }
    let algorithm = flag("--signing-alg").map(|name| name.parse().unwrap());
    let content = fs::read(fixtures().join("keys").join(key)).unwrap();
    let trust = Trust {
        keys: Key::parse(&content, algorithm).unwrap(),
        algorithm,
        scope: flag("--scope").unwrap_or_default(),
        exclude: Exclude::new(&flag("--exclude-files-verify").into_iter().collect::<Vec<_>>()).unwrap(),
        ..Trust::default()
    };
    Options {
        verification: Verification::Required(Box::new(trust)),
        ..Options::default()
    }
}

fn bundle(name: &str) -> PathBuf {
    fixtures().join(format!("{name}.tar.gz"))
}

#[test]
fn every_bundle_is_read_or_refused_as_by_opa() {
    let cases = fs::read_to_string(fixtures().join("cases.txt")).unwrap();
    let mut accepted = 0;
    for line in cases.lines() {
        let [name, key, flags @ ..] = line.split(' ').collect::<Vec<_>>().leak() else {
            panic!("{line}")
        };
        let expected = fixtures().join("expected").join(name.rsplit('/').next().unwrap());
        let found = read(&[bundle(name)], &options(key, flags));
        match (found, fs::read_to_string(expected.with_extension("json"))) {
            (Ok(sources), Ok(data)) => {
                assert_eq!(
                    sources.data.to_json(),
                    json::Json::parse(data.as_bytes()).unwrap().canonical(),
                    "{name}"
                );
                assert_eq!(sources.bundles[0].signed.is_some(), *key != "-", "{name}");
                accepted += 1;
            }
            (Err(problems), Err(_)) => assert!(expected.with_extension("refused").exists(), "{name}: {problems:?}"),
            (found, expected) => panic!("{name}: here {found:?}, in OPA {expected:?}"),
        }
    }
    assert_eq!(accepted, 15);
}

#[test]
fn what_opa_refuses_is_refused_for_the_same_reason() {
    let cases = [
        ("extra-file", "NOTES.md: is not in the signature"),
        ("changed-policy", "legacy/images.rego: was changed after it was signed"),
        ("changed-data", "limits/data.json: was changed after it was signed"),
        ("changed-manifest", ".manifest: was changed after it was signed"),
        (
            "missing-file",
            "lists kubernetes/admission/policy_test.rego, which is not in the bundle",
        ),
        (
            "two-signatures",
            "teams/x/.signatures.json: the bundle has another signature, .signatures.json",
        ),
        (
            "package-outside",
            "legacy/images.rego: is of the package other, outside of the manifest's roots",
        ),
        ("data-outside", "holds data at /other, outside of the manifest's roots"),
        (
            "conflict",
            "limits/data.yaml: gives data.limits.share a value, and so does limits/data.json",
        ),
        (
            "overlapping-roots",
            r#".manifest: roots: "teams" and "teams/a" overlap"#,
        ),
        (
            "two-manifests",
            "teams/.manifest: the bundle has another manifest, .manifest",
        ),
        ("delta", "the bundle is not signed"),
    ];
    let lines = fs::read_to_string(fixtures().join("cases.txt")).unwrap();
    for (name, part) in cases {
        let line = lines
            .lines()
            .find_map(|line| line.strip_prefix(&format!("bad/{name} ")))
            .unwrap();
        let problems = read(&[bundle(&format!("bad/{name}"))], &options(line, &[])).unwrap_err();
        let text = engine::policy::list(&problems);
        assert!(text.contains(part), "{name}: {text}");
    }
    let problems = read(&[bundle("bad/delta")], &Options::default()).unwrap_err();
    assert!(
        engine::policy::list(&problems).contains("patch.json: belongs to a delta bundle"),
        "{problems:?}"
    );
}

#[test]
fn a_signed_bundle_needs_the_right_key() {
    let refused = |name: &str, key: &str, flags: &[&str]| {
        engine::policy::list(&read(&[bundle(name)], &options(key, flags)).unwrap_err())
    };
    assert!(refused("good/rs256", "-", &[]).contains("no key was given to verify it"));
    assert!(refused("good/rs256", "p256.pem", &[]).contains("the signature is RS256, and the key is a P-256 key"));
    assert!(refused("good/rs256", "rsa.pem", &["--signing-alg", "PS256"]).contains("only PS256 is taken"));
    assert!(refused("good/unsigned", "rsa.pem", &[]).contains("the bundle is not signed"));
    assert!(refused("good/scoped", "rsa.pem", &[]).contains(r#"has the scope "production""#));
    assert!(refused("good/excluded", "rsa.pem", &[]).contains("NOTES.md: is not in the signature"));
    let skip = Options {
        verification: Verification::Skip,
        ..Options::default()
    };
    assert!(
        read(&[bundle("good/rs256")], &skip).unwrap().bundles[0]
            .signed
            .is_none()
    );
}

/// Whatever is changed in a signed archive, it is refused, or says the same: times and padding are nobody's content.
#[test]
fn no_changed_byte_gets_through() {
    let options = options("rsa.pem", &[]);
    let original = fs::read(bundle("good/tar")).unwrap();
    let said = |archive: &[u8]| {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("bundle.tar.gz");
        fs::write(&path, archive).unwrap();
        let sources = read(&[path], &options).ok()?;
        Some((sources.files, sources.tests, sources.data, sources.bundles))
    };
    let whole = said(&original).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(original.as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    let mut refused = 0;
    for at in (0..tar.len()).step_by(11) {
        let mut changed = tar.clone();
        changed[at] ^= 1 << (at % 8);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&changed).unwrap();
        match said(&encoder.finish().unwrap()) {
            Some(other) => assert!(other == whole, "byte {at}"),
            None => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn the_content_of_a_bundle_is_known() {
    let sources = read(&[bundle("good/tar")], &options("rsa.pem", &[])).unwrap();
    let files: Vec<_> = sources
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.kind.clone()))
        .collect();
    let rego = |dialect| Kind::Rego(dialect, "the manifest says so".to_owned());
    assert_eq!(
        files,
        [
            ("kubernetes/admission/policy.rego", rego(Dialect::V1)),
            ("legacy/images.rego", rego(Dialect::V0))
        ]
    );
    assert_eq!(sources.tests[0].path, "kubernetes/admission/policy_test.rego");
    let OpaBundle { manifest, signed, .. } = &sources.bundles[0];
    assert_eq!(
        (manifest.revision.as_str(), signed.as_ref().unwrap().files),
        ("2026-11-01", 6)
    );
    assert_eq!(manifest.metadata["team"], "platform");
    let formats: Vec<_> = sources
        .packages
        .iter()
        .map(|package| package.detection.format)
        .collect();
    assert_eq!(formats, [Format::Native, Format::Library]);

    // As OPA itself names files and patterns.
    let sources = read(&[bundle("good/unsigned")], &Options::default()).unwrap();
    assert_eq!(sources.files[1].path, "source/legacy/images.rego");
    assert_eq!(sources.files[1].kind, rego(Dialect::V0));
}

#[test]
fn bundles_that_own_the_same_are_refused() {
    let text =
        engine::policy::list(&read(&[bundle("good/unsigned"), bundle("good/v0")], &Options::default()).unwrap_err());
    assert!(
        text.contains(r#"roots: "" overlaps with "kubernetes" of the bundle "#),
        "{text}"
    );
}
