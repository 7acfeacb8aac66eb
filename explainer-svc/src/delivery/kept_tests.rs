use engine::policy::bundle::Bundle;
use engine::policy::settings::Settings;
use tempfile::TempDir;

use super::*;

fn bundle(message: &str) -> Bundle {
    let text = format!("package a\n\ndeny contains {message:?} if input.request.object.data.x\n");
    Bundle::new(Settings::default(), [("a.rego".to_owned(), text)])
}

fn taken(bundle: &Bundle) -> Taken {
    Taken {
        revision: bundle.revision.clone(),
        at: "2026-11-22T10:00:00Z".to_owned(),
        by: "push".to_owned(),
        source: "push".to_owned(),
        sha256: sha256(&bundle.to_json()),
        proof: Proof::default(),
    }
}

/// A shelf with these, the last one current.
fn shelf(folder: &TempDir, bundles: &[&Bundle]) -> (Shelf, Kept) {
    let shelf = Shelf::new(folder.path().join("policies"));
    let mut kept = Kept::default();
    for bundle in bundles {
        kept.add(taken(bundle));
        shelf.write(&kept, &bundle.to_json()).unwrap();
    }
    (shelf, kept)
}

#[test]
fn what_was_written_is_read() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (bundle("a"), bundle("b"));
    let (shelf, kept) = shelf(&folder, &[&a, &b]);
    let (read, current) = shelf.open(&Requirement::default());
    assert_eq!(read, kept);
    let current = current.unwrap();
    assert_eq!(
        (&current.revision, current.json),
        (&b.revision, Bytes::from(b.to_json()))
    );
}

#[test]
fn a_torn_or_changed_file_is_never_used_and_the_one_before_it_is() {
    for damage in [&b""[..], br#"{"apiVersion""#] {
        let folder = TempDir::new().unwrap();
        let (a, b) = (bundle("a"), bundle("b"));
        let (shelf, _) = shelf(&folder, &[&a, &b]);
        fs::write(shelf.bundle(&b.revision).unwrap(), damage).unwrap();
        assert_eq!(shelf.open(&Requirement::default()).1.unwrap().revision, a.revision);
        fs::remove_file(shelf.bundle(&a.revision).unwrap()).unwrap();
        assert!(shelf.open(&Requirement::default()).1.is_none());
    }
}

#[test]
fn a_folder_that_cannot_be_understood_is_no_reason_not_to_start() {
    let folder = TempDir::new().unwrap();
    let (shelf, _) = shelf(&folder, &[&bundle("a")]);
    fs::write(shelf.folder.join(INDEX), "{").unwrap();
    assert!(shelf.open(&Requirement::default()).1.is_none());
    assert!(
        Shelf::new(folder.path().join("nothing"))
            .open(&Requirement::default())
            .1
            .is_none()
    );
}

#[test]
fn ten_revisions_are_kept_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let bundles: Vec<Bundle> = (0..12).map(|number| bundle(&number.to_string())).collect();
    let (shelf, kept) = shelf(&folder, &bundles.iter().collect::<Vec<_>>());
    fs::write(shelf.folder.join(".staged-1-index.json"), "{").unwrap();
    fs::write(shelf.folder.join("of-a-person.json"), "{}").unwrap();
    shelf.open(&Requirement::default());
    let mut files: Vec<String> = fs::read_dir(&shelf.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut expected: Vec<String> = bundles[2..]
        .iter()
        .map(|bundle| format!("{}.json", bundle.revision))
        .collect();
    expected.extend(["index.json".to_owned(), "of-a-person.json".to_owned()]);
    expected.sort();
    assert_eq!(files, expected);
    assert_eq!(kept.history().len(), 10);
}

#[test]
fn the_way_back_passes_over_what_was_left_before() {
    let (a, b, c) = (bundle("a"), bundle("b"), bundle("c"));
    let any = Requirement::default();
    let mut kept = Kept::default();
    assert!(kept.target(None, None, &any).unwrap_err().contains("nothing is kept"));
    for bundle in [&a, &b, &c] {
        kept.add(taken(bundle));
    }
    let back = |kept: &Kept, current: &Bundle| {
        kept.target(None, Some(&current.revision), &any)
            .map(|taken| taken.revision)
    };
    assert_eq!(back(&kept, &c), Ok(b.revision.clone()));
    kept.avoid(&c.revision);
    kept.add(taken(&b));
    assert_eq!(back(&kept, &b), Ok(a.revision.clone()), "not forward to the bad one");
    assert_eq!(
        kept.target(Some(&c.revision), Some(&b.revision), &any)
            .unwrap()
            .revision,
        c.revision
    );
    let reason = kept.target(Some("ffffffffffff"), None, &any).unwrap_err();
    assert!(reason.contains(&a.revision), "{reason}");
}

#[test]
fn a_rollback_holds_until_the_source_has_something_else() {
    let mut kept = Kept::default();
    kept.avoid("bad");
    assert!(kept.is_held("bad"));
    kept.release();
    assert!(!kept.is_held("bad") && kept.is_avoided("bad"));
    kept.avoid("worse");
    assert!(kept.is_held("worse") && !kept.is_held("bad"));
    kept.forgive("worse");
    assert!(!kept.is_held("worse") && !kept.is_avoided("worse"));
    // An earlier version knew one list only.
    let mut kept: Kept = serde_json::from_str(r#"{"history": [], "avoided": ["bad"]}"#).unwrap();
    assert!(kept.is_held("bad"));
    kept.release();
    assert!(!kept.is_held("bad"));
}

#[test]
fn an_address_that_was_kept_whole_is_not_shown_whole() {
    let folder = TempDir::new().unwrap();
    let a = bundle("a");
    let (shelf, mut kept) = shelf(&folder, &[&a]);
    kept.history[0].source = "https://h/a.tar.gz?signature=s".to_owned();
    shelf.write(&kept, &a.to_json()).unwrap();
    let current = shelf.open(&Requirement::default()).1.unwrap();
    assert_eq!(current.source, "https://h/a.tar.gz");
}

#[test]
fn a_name_that_leads_elsewhere_is_no_revision() {
    let shelf = Shelf::new("/nowhere".into());
    for name in ["../../etc/pas", "a/b", "", "index", "ABCDEFGHIJKL"] {
        assert!(shelf.bundle(name).is_none(), "{name}");
    }
}
