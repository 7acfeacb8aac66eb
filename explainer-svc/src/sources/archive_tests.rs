use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive with these entries; names are written as they are, which the crate would not do by itself.
fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = Header::new_gnu();
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn files(entries: &[(&str, &[u8])]) -> Vec<u8> {
    packed(
        &entries
            .iter()
            .map(|(name, bytes)| (*name, EntryType::Regular, *bytes))
            .collect::<Vec<_>>(),
    )
}

fn refused(archive: &[u8], limits: Limits) -> String {
    engine::policy::list(&unpack(archive, &limits).unwrap_err())
}

#[test]
fn names_are_the_same_however_they_are_written() {
    let archive = packed(&[
        ("./", EntryType::Directory, b""),
        ("/a.rego", EntryType::Regular, b"1"),
        ("./b/c.rego", EntryType::Regular, b"2"),
        ("d//e.rego", EntryType::Regular, b"3"),
    ]);
    let entries = unpack(archive.as_slice(), &Limits::default()).unwrap();
    let names: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.written.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("a.rego", "/a.rego"),
            ("b/c.rego", "./b/c.rego"),
            ("d/e.rego", "d//e.rego")
        ]
    );
    assert_eq!(entries[1].bytes, b"2");
}

#[test]
fn paths_that_lead_out_and_links_are_refused_all_at_once() {
    let archive = packed(&[
        ("../a.rego", EntryType::Regular, b""),
        ("b/../../c.rego", EntryType::Regular, b""),
        ("/..", EntryType::Directory, b""),
        ("d\\e.rego", EntryType::Regular, b""),
        ("f\u{7}.rego", EntryType::Regular, b""),
        ("g.rego", EntryType::Symlink, b""),
        ("h.rego", EntryType::Link, b""),
        ("i", EntryType::Char, b""),
        ("j.rego", EntryType::GNUSparse, b""),
        ("/", EntryType::Regular, b""),
    ]);
    let text = refused(&archive, Limits::default());
    assert_eq!(text.matches("leads out of the archive").count(), 3, "{text}");
    assert_eq!(text.matches("a backslash, a control character").count(), 2, "{text}");
    assert!(text.contains("f\u{fffd}.rego: "), "{text}");
    assert!(text.matches("is a link or a device").count() >= 3, "{text}");
}

#[test]
fn a_file_is_there_once() {
    let text = refused(&files(&[("a.rego", b"1"), ("./a.rego", b"2")]), Limits::default());
    assert_eq!(text, "a.rego: is in the archive twice");
}

#[test]
fn every_limit_fires() {
    let limits = Limits {
        compressed: 4096,
        unpacked: 65_536,
        file: 4096,
        files: 25,
        path: 20,
        depth: 3,
    };
    let fits = files(&[("a/b/c.rego", &[7; 4096]), ("d.rego", b"")]);
    assert_eq!(unpack(fits.as_slice(), &limits).unwrap().len(), 2);

    let text = |archive: &[u8]| refused(archive, limits);
    assert_eq!(
        text(&files(&[("a.rego", &[7; 4097])])),
        "a.rego: is larger than 4 KiB, the limit for a file"
    );
    assert!(text(&files(&[("a/b/c/d.rego", b"")])).contains("deeper than 3 folders"));
    assert!(text(&files(&[("a23456789012345.rego2", b"")])).contains("longer than 20 bytes"));
    assert!(text(&files(&[("a", b"".as_slice()); 26])).contains("more than 25 files and folders"));
    assert!(text(&files(&[("a.rego", [7; 4096].as_slice()); 20])).contains("unpacks to more than 64 KiB"));
}

#[test]
fn what_is_on_disk_may_not_be_too_large() {
    // Hardly compressible.
    let noise: Vec<u8> = (0..20_000_u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let limits = Limits {
        compressed: 1024,
        ..Limits::default()
    };
    let text = refused(&files(&[("a.rego", &noise)]), limits);
    assert_eq!(text, ": is larger than 1 KiB, the limit for an archive");
}

/// A tar header that announces 128 MiB, and as much of one letter: half a MiB when it is packed.
fn bomb(name: &str, kind: EntryType, letter: u8) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(128 << 20);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    for _ in 0..128 {
        encoder.write_all(&vec![letter; 1 << 20]).unwrap();
    }
    let archive = encoder.finish().unwrap();
    assert!(archive.len() < 1 << 20);
    archive
}

#[test]
fn a_bomb_is_left_before_it_goes_off() {
    let text = refused(&bomb("a.rego", EntryType::Regular, 0), Limits::default());
    assert!(text.contains("a.rego: is larger than 16 MiB"), "{text}");
    assert!(text.contains(": unpacks to more than 64 MiB"), "{text}");
    // In the name of a file, which readers take into memory without being asked.
    let text = refused(&bomb("././@LongLink", EntryType::GNULongName, b'a'), Limits::default());
    assert_eq!(text, ": unpacks to more than 64 MiB, the limit for its content");
}

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [
        b"".as_slice(),
        b"package a",
        &gzip(b"package a"),
        &files(&[("a.rego", &[7; 5000])])[..60],
    ] {
        let text = refused(bytes, Limits::default());
        assert!(text.contains("cannot be unpacked"), "{text}");
    }
    let mut damaged = files(&[("a.rego", &[7; 5000])]);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    assert!(unpack(damaged.as_slice(), &Limits::default()).is_err());
}
