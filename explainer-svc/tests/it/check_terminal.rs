//! `whynot check --fix` at a terminal: it asks first.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::check::{MANIFESTS, folder};
use crate::cli::Run;

/// Runs it with a terminal for everything but results, and gives this answer when it is asked. What the terminal shows is `err`.
fn answered(folder: &TempDir, arguments: &[&str], answer: &str) -> Run {
    asked(folder, arguments, || answer)
}

fn asked<'a>(folder: &TempDir, arguments: &[&str], mut answer: impl FnMut() -> &'a str) -> Run {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let open = || {
        let path = std::ffi::OsStr::from_bytes(name.to_bytes());
        File::options().read(true).write(true).open(path).unwrap()
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_whynot"))
        .args(["check", "--policies", "policies", "-f", "manifests"])
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .stdin(open())
        .stderr(open())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = File::from(terminal);
    let mut shown = Vec::new();
    let mut is_asked = false;
    let mut piece = [0; 4096];
    // The end of it is an error: nobody has the terminal open any more.
    while let Ok(length @ 1..) = terminal.read(&mut piece) {
        shown.extend_from_slice(&piece[..length]);
        if !is_asked && shown.ends_with(b"[y/N] ") {
            is_asked = true;
            terminal.write_all(answer().as_bytes()).unwrap();
        }
    }
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let code = child.wait().unwrap().code();
    Run {
        code,
        out,
        err: String::from_utf8(shown).unwrap(),
    }
}

fn manifests(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("manifests/shop.yaml")).unwrap()
}

#[test]
fn it_shows_the_change_and_asks() {
    let folder = folder();
    for no in ["n\n", "\n", "maybe\n", "\u{4}"] {
        let run = answered(&folder, &["--fix"], no);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(
            run.err.contains("-        privileged: true # for debugging\r\n"),
            "{}",
            run.err
        );
        assert!(
            run.err.contains("+        privileged: false # for debugging\r\n"),
            "{}",
            run.err
        );
        let question = "Write these changes (1 object in 1 file)? [y/N] ";
        assert!(run.err.contains(question), "{}", run.err);
        assert!(run.err.ends_with("nothing was written\r\n"), "{}", run.err);
        assert_eq!(manifests(&folder), MANIFESTS);
    }
    let run = answered(&folder, &["--fix"], "y\n");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("Pod shop/web denied"), "{}", run.out);
    assert!(run.err.ends_with("changed 1 object in 1 file\r\n"), "{}", run.err);
    assert_eq!(
        manifests(&folder),
        MANIFESTS.replace("privileged: true # for", "privileged: false # for")
    );
    // Nothing to ask.
    let run = answered(&folder, &["--fix"], "");
    assert_eq!((run.code, &*run.err.replace("\r\u{1b}[K", "")), (Some(0), ""));
}

#[test]
fn with_yes_nobody_is_asked() {
    let folder = folder();
    let run = answered(&folder, &["--fix", "--yes"], "");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(!run.err.contains("[y/N]"), "{}", run.err);
    assert_ne!(manifests(&folder), MANIFESTS);
}

/// Somebody edits the file while the question stands.
#[test]
fn what_changed_meanwhile_is_not_lost() {
    let folder = folder();
    let edited = format!("{MANIFESTS}# mine\n");
    let run = asked(&folder, &["--fix"], || {
        crate::cli::write(&folder, "manifests/shop.yaml", &edited);
        "y\n"
    });
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(
        run.err
            .contains("manifests/shop.yaml: was left as it is: the file has changed since it was read"),
        "{}",
        run.err
    );
    assert!(run.err.contains("nothing was written"), "{}", run.err);
    assert_eq!(manifests(&folder), edited);
}
