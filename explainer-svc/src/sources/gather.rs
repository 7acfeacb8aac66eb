//! Puts what the paths hold together, and every problem with it.

use std::path::Path;

use engine::policy::Problem;
use engine::policy::settings::Settings;

use super::archive::{self, Entry, GZIP};
use super::classify::{Content, classify};
use super::data::{Data, base};
use super::limits::size;
use super::manifest::{Manifest, overlap};
use super::packages::packages;
use super::scan::Scan;
use super::signature::{self, Signed, Verification};
use super::{File, Kind, Note, OpaBundle, Options, Sources, walk};

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    sources: Sources,
    modules: Vec<(String, Scan)>,
    problems: Vec<Problem>,
    /// YAML and JSON that is not of a policy set.
    others: Vec<String>,
}

/// The content of one path, before it is looked at.
struct Part {
    prefix: String,
    entries: Vec<Entry>,
    manifest: Option<Manifest>,
    /// Named itself: it has to be something.
    named: bool,
    data: Data,
}

impl Gathered {
    pub(super) fn problem(&mut self, file: &str, message: impl Into<String>) {
        self.problems.push(Problem::at(file, 0, message));
    }

    fn note(&mut self, file: impl Into<String>, message: impl Into<String>) {
        self.sources.notes.push(Note {
            file: file.into(),
            message: message.into(),
        });
    }

    /// Reads one path. `prefix` stands before the names of its files.
    pub(super) fn path(&mut self, path: &Path, prefix: &str, options: &Options) {
        match self.part(path, prefix, options) {
            Ok(part) => self.add(part),
            Err(problems) => self.refuse(prefix, problems),
        }
    }

    /// Reads an OPA bundle that is in memory.
    pub(super) fn bytes(&mut self, bytes: &[u8], options: &Options) {
        let part = Part {
            prefix: String::new(),
            entries: Vec::new(),
            manifest: None,
            named: false,
            data: Data::default(),
        };
        let read =
            archive::unpack(bytes, &options.limits).and_then(|entries| self.archive(Part { entries, ..part }, options));
        match read {
            Ok(part) => self.add(part),
            Err(problems) => self.refuse("", problems),
        }
    }

    fn refuse(&mut self, prefix: &str, problems: Vec<Problem>) {
        let placed = problems.into_iter().map(|problem| Problem {
            file: below(prefix, &problem.file),
            ..problem
        });
        self.problems.extend(placed);
    }

    fn part(&mut self, path: &Path, prefix: &str, options: &Options) -> Result<Part, Vec<Problem>> {
        let refuse = |message: String| vec![Problem::at("", 0, message)];
        let part = |entries| Part {
            prefix: prefix.to_owned(),
            entries,
            manifest: None,
            named: false,
            data: Data::default(),
        };
        let required = matches!(options.verification, Verification::Required(_));
        let unsigned = "cannot be verified: a verification key was given, and only a bundle that `opa build` packed \
                        and signed (.tar.gz) has a signature";
        if path.is_dir() {
            if required {
                return Err(refuse(unsigned.to_owned()));
            }
            let found = walk::walk(path, &options.limits)?;
            for note in found.notes {
                self.note(below(prefix, &note.file), note.message);
            }
            return self.folder(part(found.entries), options);
        }
        let limits = &options.limits;
        let largest = limits.compressed.max(limits.file);
        let bytes = walk::read(path, largest).map_err(refuse)?;
        if bytes.starts_with(&GZIP) {
            return self.archive(part(archive::unpack(bytes.as_slice(), limits)?), options);
        }
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.file {
            return Err(refuse(format!(
                "is larger than {}, the limit for a file",
                size(limits.file)
            )));
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let is_settings = name == Settings::FILE || classify(&String::from_utf8_lossy(&bytes)) == Content::Settings;
        if required && !is_settings {
            return Err(refuse(unsigned.to_owned()));
        }
        let entries = vec![Entry {
            written: name.clone(),
            name,
            bytes,
        }];
        Ok(Part {
            prefix: parent(prefix).to_owned(),
            named: true,
            ..part(entries)
        })
    }

    /// A folder is an OPA bundle when it has a manifest.
    fn folder(&mut self, mut part: Part, options: &Options) -> Result<Part, Vec<Problem>> {
        let is_signature = |entry: &Entry| base(&entry.name) == signature::FILE;
        if part.entries.iter().any(is_signature) {
            if !matches!(options.verification, Verification::Skip) {
                let message = "the signature of a folder is not verified; name the bundle as `opa build` packed it \
                               (.tar.gz), or give --skip-verify";
                return Err(vec![Problem::at(signature::FILE, 0, message)]);
            }
            part.entries.retain(|entry| !is_signature(entry));
        }
        if part.entries.iter().any(|entry| is_manifest(&entry.name)) {
            self.manifest(&mut part, None)?;
        }
        Ok(part)
    }

    fn archive(&mut self, mut part: Part, options: &Options) -> Result<Part, Vec<Problem>> {
        // Before anything else looks into it.
        let signed = signature::verify(&mut part.entries, &options.verification)?;
        self.manifest(&mut part, signed)?;
        Ok(part)
    }

    /// Takes the manifest out of an OPA bundle.
    fn manifest(&mut self, part: &mut Part, signed: Option<Signed>) -> Result<(), Vec<Problem>> {
        let found: Vec<Entry> = part.entries.extract_if(.., |entry| is_manifest(&entry.name)).collect();
        let manifest = match found.as_slice() {
            [] => Manifest::absent(),
            [file] if file.name.ends_with(Manifest::PROTOBUF) => {
                let message = "a manifest in Protocol Buffers is not read; build the bundle with --format json";
                return Err(vec![Problem::at(&file.name, 0, message)]);
            }
            [file] => Manifest::parse(&file.name, &file.bytes)?,
            [first, others @ ..] => {
                let message = format!("the bundle has another manifest, {}; keep one of them", first.name);
                return Err(others
                    .iter()
                    .map(|other| Problem::at(&other.name, 0, message.clone()))
                    .collect());
            }
        };
        for field in &manifest.unknown {
            let file = found.first().map_or("", |file| file.name.as_str());
            self.note(
                below(&part.prefix, file),
                format!("{field}: is not known to OPA and was not read"),
            );
        }
        for bundle in &self.sources.bundles {
            let theirs = &bundle.manifest.roots;
            let pair = manifest
                .roots
                .iter()
                .find_map(|a| theirs.iter().find(|b| overlap(a, b)).map(|b| (a, b)));
            if let Some((a, b)) = pair {
                let message = format!(
                    "roots: {a:?} overlaps with {b:?} of the bundle {}; OPA takes only one of them",
                    bundle.path
                );
                return Err(vec![Problem::at("", 0, message)]);
            }
        }
        self.sources.bundles.push(OpaBundle {
            path: part.prefix.clone(),
            manifest: manifest.clone(),
            signed,
        });
        part.manifest = Some(manifest);
        Ok(())
    }

    fn add(&mut self, mut part: Part) {
        for entry in std::mem::take(&mut part.entries) {
            self.entry(entry, &mut part);
        }
        if let Some(manifest) = &part.manifest
            && let Some(path) = part.data.outside_of(&manifest.roots)
        {
            let message = format!(
                "holds data at /{path}, outside of the manifest's roots {:?}",
                manifest.roots
            );
            self.problem(&part.prefix, message);
        }
        let prefix = if part.prefix.is_empty() {
            String::new()
        } else {
            format!("{}/", part.prefix)
        };
        self.sources.data.absorb(part.data, &prefix, &mut self.problems);
    }

    fn entry(&mut self, entry: Entry, part: &mut Part) {
        let name = entry.name;
        let path = below(&part.prefix, &name);
        let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
        match base(&name) {
            "policy.wasm" => return self.note(path, "is compiled and was not read; the Rego beside it is"),
            "plan.json" | "plan.pb" => return self.note(path, "is a plan and was not read; the Rego beside it is"),
            "patch.json" if part.manifest.is_some() => {
                let message = "belongs to a delta bundle, which changes another one; name the whole bundle";
                return self.problem(&path, message);
            }
            _ if Data::is_data_file(&name) => {
                if let Err(reason) = part.data.add(&name, &entry.bytes) {
                    self.problem(&path, reason);
                }
                return;
            }
            _ => {}
        }
        if !matches!(extension, Some("rego" | "yaml" | "yml" | "json")) {
            if part.named {
                self.problem(&path, EXPECTED);
            }
            return;
        }
        match String::from_utf8(entry.bytes) {
            Ok(text) if extension == Some("rego") => {
                self.rego(path, &name, &entry.written, text, part.manifest.as_ref());
            }
            Ok(text) => self.document(path, &name, text, part.named),
            Err(error) => self.problem(&path, format!("is not UTF-8: {}", error.utf8_error())),
        }
    }

    fn rego(&mut self, path: String, name: &str, written: &str, text: String, manifest: Option<&Manifest>) {
        let scan = Scan::of(&text);
        let said = manifest.and_then(|manifest| manifest.dialect(written));
        let (dialect, reason) = said.map_or_else(|| scan.dialect(), |said| (said, "the manifest says so".to_owned()));
        if let Some(manifest) = manifest.filter(|manifest| !manifest.permits(&scan.package)) {
            let package = scan.package.join(".");
            let message = format!(
                "is of the package {package}, outside of the manifest's roots {:?}",
                manifest.roots
            );
            self.problem(&path, message);
        }
        let file = File {
            path: path.clone(),
            text,
            kind: Kind::Rego(dialect, reason),
        };
        if name.ends_with("_test.rego") {
            self.sources.tests.push(file);
        } else {
            self.sources.files.push(file);
            self.modules.push((path, scan));
        }
    }

    fn document(&mut self, path: String, name: &str, text: String, named: bool) {
        // By its name: the file may leave out what it is.
        if name == Settings::FILE || (named && classify(&text) == Content::Settings) {
            return match &self.sources.settings {
                Some(first) => {
                    let message = format!("there are settings already, in {}; keep one of them", first.path);
                    self.problem(&path, message);
                }
                None => {
                    self.sources.settings = Some(File {
                        path,
                        text,
                        kind: Kind::Settings,
                    });
                }
            };
        }
        let content = match classify(&text) {
            Content::Other if base(name) == Settings::FILE => Content::Settings,
            content => content,
        };
        let (files, kind) = match content {
            Content::Gatekeeper => (&mut self.sources.files, Kind::Gatekeeper),
            Content::Bundle => (&mut self.sources.files, Kind::Bundle),
            Content::Cases => (&mut self.sources.cases, Kind::Cases),
            Content::Settings => {
                let message = format!("would not be read: settings have to be {} at the top", Settings::FILE);
                return self.problem(&path, message);
            }
            Content::Other if named => return self.problem(&path, EXPECTED),
            Content::Other => return self.others.push(path),
        };
        files.push(File { path, text, kind });
    }

    /// All of it, and all problems.
    pub(super) fn finish(mut self) -> (Sources, Vec<Problem>) {
        self.unread();
        let sources = &mut self.sources;
        if sources.files.is_empty() && self.problems.is_empty() {
            let message = "no policy found: expected at least one *.rego file that is not a *_test.rego, \
                           or a ConstraintTemplate of Gatekeeper";
            self.problems.push(Problem::at("", 0, message));
        }
        for files in [&mut sources.files, &mut sources.tests, &mut sources.cases] {
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        sources.packages = packages(&self.modules);
        self.problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        (self.sources, self.problems)
    }

    /// One note for all of them: a repository is full of YAML.
    fn unread(&mut self) {
        const SHOWN: usize = 5;
        self.others.sort();
        let shown: Vec<&str> = self.others.iter().take(SHOWN).map(String::as_str).collect();
        let more = self.others.len().saturating_sub(SHOWN);
        let message = match (shown.as_slice(), more) {
            ([], _) => return,
            ([one], _) => return self.note((*one).to_owned(), "holds nothing of a policy set and was not read"),
            (shown, 0) => format!(
                "these hold nothing of a policy set and were not read: {}",
                shown.join(", ")
            ),
            (shown, more) => {
                format!(
                    "these hold nothing of a policy set and were not read: {} and {more} more",
                    shown.join(", ")
                )
            }
        };
        self.note("", message);
    }
}

const EXPECTED: &str = "is none of what is read here: *.rego, a ConstraintTemplate or constraint of Gatekeeper, \
                        policy-set.yaml, data.json or data.yaml, cases, or an OPA bundle (.tar.gz)";

fn is_manifest(name: &str) -> bool {
    name.ends_with(Manifest::FILE) || name.ends_with(Manifest::PROTOBUF)
}

/// A name below a prefix.
fn below(prefix: &str, name: &str) -> String {
    match (prefix, name) {
        ("", name) => name.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, name) => format!("{prefix}/{name}"),
    }
}

/// The folder of a path.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
