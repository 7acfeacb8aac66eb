use std::fs;

use tempfile::TempDir;

use super::*;

const POLICY: &str = "package a\ndeny contains x if x := input.request.object.x\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn sources(folder: &TempDir) -> Sources {
    read(&[folder.path().to_owned()], &Options::default()).unwrap()
}

fn refused(paths: &[PathBuf], options: &Options) -> String {
    engine::policy::list(&read(paths, options).unwrap_err())
}

fn names(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn each_kind_of_file_goes_where_it_belongs() {
    let folder = folder(&[
        ("a/policy.rego", POLICY),
        ("a/policy_test.rego", "this is not Rego"),
        ("a/cases/denied.yaml", "cases: []\n"),
        ("old/images.rego", "package old\ndeny[m] { m := input.request.x }"),
        (
            "gatekeeper/template.yaml",
            "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\n",
        ),
        (
            "gatekeeper/all.json",
            r#"{"items": [{"apiVersion": "constraints.gatekeeper.sh/v1beta1"}]}"#,
        ),
        ("policy-set.yaml", "failureMode: allow\n"),
        ("teams/data.yaml", "registries: [a]\n"),
        ("policy.wasm", "\0asm"),
        ("chart/values.yaml", "x: {{ .Values }}\n"),
        ("README.md", ""),
    ]);
    let sources = sources(&folder);
    assert_eq!(
        names(&sources.files),
        [
            "a/policy.rego",
            "gatekeeper/all.json",
            "gatekeeper/template.yaml",
            "old/images.rego"
        ]
    );
    assert_eq!(sources.files[1].kind, Kind::Gatekeeper);
    assert_eq!(
        sources.files[3].kind,
        Kind::Rego(Dialect::V0, "line 2 has a rule in the older form".to_owned())
    );
    assert_eq!(names(&sources.tests), ["a/policy_test.rego"]);
    assert_eq!(names(&sources.cases), ["a/cases/denied.yaml"]);
    assert_eq!(sources.settings.unwrap().text, "failureMode: allow\n");
    assert_eq!(sources.data.to_json(), r#"{"teams":{"registries":["a"]}}"#);
    assert_eq!(sources.data.to_value().unwrap()["teams"]["registries"][0], "a");
    assert!(sources.bundles.is_empty());
    let packages: Vec<_> = sources
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package.detection.format))
        .collect();
    assert_eq!(packages, [("a", Format::Native), ("old", Format::Admission)]);
    let notes: Vec<&str> = sources.notes.iter().map(|note| note.file.as_str()).collect();
    assert_eq!(notes, ["policy.wasm", "chart/values.yaml"]);
}

#[test]
fn problems_are_told_all_at_once_with_file_and_remedy() {
    let folder = folder(&[
        ("a/data.json", "{"),
        ("b/data.json", "{\"x\": 1}"),
        ("b/data.yaml", "x: 2"),
        ("deep/policy-set.yml", "kind: PolicySet\n"),
        ("deeper/policy-set.yaml", ""),
        ("data.yaml", "[1]"),
    ]);
    fs::write(folder.path().join("binary.rego"), [0xff, 0xfe]).unwrap();
    let text = refused(&[folder.path().to_owned()], &Options::default());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[0].starts_with("a/data.json: cannot be read as data: "), "{text}");
    assert_eq!(
        lines[1],
        "b/data.yaml: gives data.b.x a value, and so does b/data.json; keep one of them"
    );
    assert!(lines[2].starts_with("binary.rego: is not UTF-8"), "{text}");
    assert!(
        lines[3].starts_with("data.yaml: is data for the root, which has to be an object"),
        "{text}"
    );
    let settings = "would not be read: settings have to be policy-set.yaml at the top";
    assert_eq!(lines[4], format!("deep/policy-set.yml: {settings}"));
    assert_eq!(lines[5], format!("deeper/policy-set.yaml: {settings}"));
}

#[test]
fn a_set_without_a_policy_is_refused() {
    let folder = folder(&[("a_test.rego", POLICY), ("x.yaml", "a: 1")]);
    assert!(refused(&[folder.path().to_owned()], &Options::default()).contains("no policy found"));
    assert!(refused(&[folder.path().join("gone")], &Options::default()).contains("cannot be read"));
}

#[test]
fn single_files_have_to_be_something() {
    let folder = folder(&[
        ("policy.rego", POLICY),
        ("other.yaml", "a: 1"),
        ("notes.txt", "x"),
        ("settings.yaml", "apiVersion: whynot.dev/v1\nkind: PolicySet\n"),
        (
            "bundle.json",
            r#"{"apiVersion": "whynot.dev/v1", "kind": "PolicyBundle"}"#,
        ),
    ]);
    let path = |name: &str| folder.path().join(name);
    let one = |name: &str| read(&[path(name)], &Options::default());
    assert_eq!(names(&one("policy.rego").unwrap().files), ["policy.rego"]);
    assert_eq!(one("bundle.json").unwrap().files[0].kind, Kind::Bundle);
    for name in ["other.yaml", "notes.txt"] {
        let text = refused(&[path(name)], &Options::default());
        assert!(
            text.starts_with(&format!("{name}: is none of what is read here: *.rego, ")),
            "{text}"
        );
    }
    let both = read(&[path("policy.rego"), path("settings.yaml")], &Options::default()).unwrap();
    assert!(both.settings.is_some());
}

#[test]
fn files_of_several_paths_are_told_apart() {
    let folder = folder(&[
        ("x/a.rego", POLICY),
        ("y/a.rego", "package b"),
        ("x/t/data.json", "1"),
        ("y/t/data.json", "2"),
    ]);
    let [x, y] = ["x", "y"].map(|name| folder.path().join(name));
    let text = refused(&[x.clone(), y.clone()], &Options::default());
    let file = format!("{}/t/data.json", plain(&y));
    assert!(
        text.starts_with(&format!(
            "{file}: gives data.t a value, and so does {}/t/data.json",
            plain(&x)
        )),
        "{text}"
    );
    assert_eq!(
        located(&[x.clone(), y.clone()], &file),
        y.join("t/data.json").display().to_string()
    );

    fs::remove_file(y.join("t/data.json")).unwrap();
    let sources = read(&[x.clone(), y.clone()], &Options::default()).unwrap();
    assert_eq!(
        names(&sources.files),
        [format!("{}/a.rego", plain(&x)), format!("{}/a.rego", plain(&y))]
    );
    assert!(refused(&[x.clone(), x.clone()], &Options::default()).contains("is named twice"));
}

#[test]
fn problems_are_located_from_here() {
    let one = [PathBuf::from("policies")];
    assert_eq!(located(&one, "a/b.rego"), "policies/a/b.rego");
    assert_eq!(located(&one, ""), "policies");
    assert_eq!(located(&[PathBuf::from("x/b.rego")], "b.rego"), "x/b.rego");
    assert_eq!(
        located(&[PathBuf::from("./x"), PathBuf::from("y.rego")], "y.rego"),
        "y.rego"
    );
    assert_eq!(
        located(&[PathBuf::from("./x"), PathBuf::from("y")], "x/b.rego"),
        "./x/b.rego"
    );
}

#[test]
fn a_folder_with_a_manifest_is_a_bundle() {
    let folder = folder(&[
        (".manifest", r#"{"roots": ["a"], "rego_version": 0, "color": 1}"#),
        ("a.rego", POLICY),
        ("b.rego", "package b"),
        ("b/data.json", "1"),
    ]);
    let text = refused(&[folder.path().to_owned()], &Options::default());
    assert!(
        text.contains("b.rego: is of the package b, outside of the manifest's roots [\"a\"]"),
        "{text}"
    );
    assert!(
        text.contains("holds data at /b, outside of the manifest's roots"),
        "{text}"
    );
    fs::remove_file(folder.path().join("b.rego")).unwrap();
    fs::remove_file(folder.path().join("b/data.json")).unwrap();
    let sources = sources(&folder);
    assert_eq!(
        sources.files[0].kind,
        Kind::Rego(Dialect::V0, "the manifest says so".to_owned())
    );
    assert_eq!(sources.bundles[0].manifest.roots, ["a"]);
    assert_eq!(sources.notes[0].message, "color: is not known to OPA and was not read");

    fs::write(folder.path().join(".signatures.json"), "{}").unwrap();
    let text = refused(&[folder.path().to_owned()], &Options::default());
    assert!(
        text.starts_with(".signatures.json: the signature of a folder is not verified"),
        "{text}"
    );
    let skip = Options {
        verification: Verification::Skip,
        ..Options::default()
    };
    assert!(read(&[folder.path().to_owned()], &skip).is_ok());
}

#[test]
fn with_a_key_only_signed_bundles_and_settings_are_taken() {
    let folder = folder(&[("policy.rego", POLICY), ("policy-set.yaml", "")]);
    let required = Options {
        verification: Verification::Required(Box::default()),
        ..Options::default()
    };
    for path in [folder.path().to_owned(), folder.path().join("policy.rego")] {
        let text = refused(&[path], &required);
        assert!(
            text.contains("cannot be verified: a verification key was given"),
            "{text}"
        );
    }
    let text = refused(&[folder.path().join("policy-set.yaml")], &required);
    assert!(text.contains("no policy found"), "{text}");
}
