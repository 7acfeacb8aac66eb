//! Checks a log without the service that wrote it: every leaf, every hash, the tree of each checkpoint, payloads, order.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::Serialize;
use tlog_tiles::{Hash, check_record, record_hash};

use super::event::{Leaf, commitment, erased};
use super::export::{FORMAT, Header, Line};
use super::store::Store;
use super::tree::Edge;
use super::{Error, SignedCheckpoint};

/// Leaves that are read at a time.
const BATCH: u64 = 4096;
/// Problems that are told one by one.
const TOLD: usize = 100;

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `leaf-changed`, `leaf-missing`, `leaf-form`, `order`, `tile`, `tree`, `truncated`, `fork`, `payload-changed`,
    /// `payload-missing`; from the command line also `signature` and `witness`.
    pub code: &'static str,
    /// Which leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// For people.
    pub text: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Nothing is wrong.
    pub verified: bool,
    /// How many leaves there are.
    pub leaves: u64,
    /// How many of them are in the largest checkpoint.
    pub signed: u64,
    /// The hash of the tree of the leaves that there are, in base64.
    pub root: String,
    /// Checkpoints that the tree leads to, by size.
    pub checkpoints: Vec<u64>,
    /// Payloads that are there, and fit.
    pub payloads: u64,
    /// Payloads that were deleted, and a leaf says so.
    pub payloads_erased: u64,
    /// When the first and the last leaf were written.
    pub first: Option<String>,
    /// See `first`.
    pub last: Option<String>,
    /// Leaves by kind.
    pub kinds: BTreeMap<String, u64>,
    /// What is wrong, the first hundred.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problems_found: u64,
}

/// Where leaves are read from.
#[derive(Debug)]
pub struct Source(Kept);

enum Kept {
    Database { store: Store, size: u64, next: u64 },
    Export { lines: Box<dyn BufRead + Send>, next: u64 },
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Database { .. } => "Database",
            Self::Export { .. } => "Export",
        })
    }
}

struct Entry {
    number: u64,
    bytes: Vec<u8>,
    /// The hash that is stored beside it.
    hash: Option<Vec<u8>>,
    payload: Option<(Vec<u8>, Vec<u8>)>,
}

impl Source {
    /// A database, or a copy of one.
    pub async fn database(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::file(path, std::io::ErrorKind::NotFound.into()));
        }
        let store = Store::open_to_read(path).await?;
        let size = store.size().await?;
        Ok(Self(Kept::Database { store, size, next: 0 }))
    }

    /// An export, and what its first line says.
    pub fn export(mut lines: Box<dyn BufRead + Send>) -> Result<(Self, Header), Error> {
        let mut line = String::new();
        lines.read_line(&mut line).map_err(unreadable)?;
        let header: Header = serde_json::from_str(&line)
            .ok()
            .filter(|header: &Header| header.format == FORMAT)
            .ok_or_else(|| {
                Error::Note("it is no export that this version of `whynot audit export` writes".to_owned())
            })?;
        Ok((Self(Kept::Export { lines, next: 0 }), header))
    }

    /// How many leaves it says that it has: when it was opened, and now. A log that is in use grows meanwhile.
    async fn claims(&self) -> Result<Option<(u64, u64)>, Error> {
        match &self.0 {
            Kept::Database { store, size, .. } => Ok(Some((*size, store.size().await?))),
            Kept::Export { .. } => Ok(None),
        }
    }

    async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        match &mut self.0 {
            Kept::Database { store, next, .. } => {
                let leaves = store.leaves(*next, u64::MAX, BATCH).await?;
                *next = leaves.last().map_or(*next, |leaf| leaf.number + 1);
                Ok(leaves
                    .into_iter()
                    .map(|leaf| Entry {
                        number: leaf.number,
                        bytes: leaf.bytes,
                        hash: Some(leaf.hash),
                        payload: leaf.payload,
                    })
                    .collect())
            }
            Kept::Export { lines, next } => {
                let mut entries = Vec::new();
                let mut text = String::new();
                for _ in 0..BATCH {
                    text.clear();
                    if lines.read_line(&mut text).map_err(unreadable)? == 0 {
                        break;
                    }
                    let line: Line = serde_json::from_str(&text)
                        .map_err(|error| Error::Note(format!("line {} of the export: {error}", *next + 2)))?;
                    let salt = line.salt.map(|salt| HEXLOWER.decode(salt.as_bytes()));
                    // A salt that is none fits to nothing.
                    let salt = salt.map(Result::unwrap_or_default);
                    entries.push(Entry {
                        number: *next,
                        bytes: line.leaf.into_bytes(),
                        hash: None,
                        payload: salt.zip(line.payload.map(String::into_bytes)),
                    });
                    *next += 1;
                }
                Ok(entries)
            }
        }
    }

    /// Whether the stored hash of a subtree is this one; `true` where none are stored.
    async fn has_node(&self, level: u8, number: u64, hash: Hash) -> Result<bool, Error> {
        match &self.0 {
            Kept::Database { store, .. } => Ok(store.node(level, number).await?.is_some_and(|stored| stored == hash.0)),
            Kept::Export { .. } => Ok(true),
        }
    }
}

fn unreadable(source: std::io::Error) -> Error {
    Error::file(Path::new("the export"), source)
}

/// Checks all leaves of a source, and that they lead to each of these checkpoints.
pub async fn verify(
    mut source: Source,
    checkpoints: &[SignedCheckpoint],
    progress: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    let mut check = Check::new(checkpoints);
    check.roots();
    loop {
        let entries = source.next().await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            check.entry(&entry);
        }
        for node in std::mem::take(&mut check.nodes) {
            if !check.is_broken && !source.has_node(node.level, node.number, node.hash).await? {
                let width = 1_u64 << (8 * u32::from(node.level));
                let first = node.number * width;
                let last = first + width - 1;
                let text = format!(
                    "the stored hash of leaves {first} to {last} is not theirs: they were changed, or put into another order"
                );
                check.problem("tile", Some(first), text);
            }
        }
        progress(check.edge.size());
    }
    Ok(check.end(source.claims().await?))
}

struct Check<'a> {
    edge: Edge,
    nodes: Vec<super::tree::Node>,
    /// By size, those that the tree has not reached.
    ahead: Vec<&'a SignedCheckpoint>,
    /// A leaf is missing: hashes after it say nothing.
    is_broken: bool,
    /// As ranges: leaves whose payload is another one, leaves without payload, and those that were erased.
    unfitting: Vec<(u64, u64)>,
    missing: Vec<(u64, u64)>,
    erased: Vec<(u64, u64)>,
    report: Report,
}

impl<'a> Check<'a> {
    fn new(checkpoints: &'a [SignedCheckpoint]) -> Self {
        let mut ahead: Vec<_> = checkpoints.iter().collect();
        ahead.sort_by_key(|signed| std::cmp::Reverse(signed.checkpoint.size));
        let mut report = Report {
            signed: ahead.first().map_or(0, |signed| signed.checkpoint.size),
            ..Report::default()
        };
        for pair in ahead.windows(2) {
            let [later, earlier] = pair else { continue };
            let (one, other) = (&later.checkpoint, &earlier.checkpoint);
            if one.size == other.size && one.root != other.root {
                report.problems_found += 1;
                report.problems.push(Problem {
                    code: "fork",
                    leaf: None,
                    text: format!(
                        "the log's key signed two different trees of {} leaves: the log was forked",
                        one.size
                    ),
                });
            }
        }
        Self {
            edge: Edge::default(),
            nodes: Vec::new(),
            ahead,
            is_broken: false,
            unfitting: Vec::new(),
            missing: Vec::new(),
            erased: Vec::new(),
            report,
        }
    }

    fn problem(&mut self, code: &'static str, leaf: Option<u64>, text: String) {
        self.report.problems_found += 1;
        // What is wrong with the whole is always told.
        if self.report.problems.len() < TOLD || leaf.is_none() {
            self.report.problems.push(Problem { code, leaf, text });
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let expected = self.edge.size();
        if entry.number != expected && !self.is_broken {
            self.is_broken = true;
            let text = format!("leaf {expected} is missing, the next one is {}", entry.number);
            self.problem("leaf-missing", Some(expected), text);
        }
        let mut hash = record_hash(&entry.bytes);
        if let Some(stored) = &entry.hash
            && *stored != hash.0
        {
            let text = format!("leaf {} does not have its hash: it was changed", entry.number);
            self.problem("leaf-changed", Some(entry.number), text);
            // With the hash as it was the tree says whether anything else was changed.
            hash = stored.as_slice().try_into().map_or(hash, Hash);
        }
        self.edge.push(hash, &mut self.nodes);
        self.roots();
        match serde_json::from_slice::<Leaf>(&entry.bytes) {
            Ok(leaf) if leaf.v == 1 => self.leaf(entry, leaf),
            Ok(leaf) => self.problem(
                "leaf-form",
                Some(entry.number),
                format!("leaf {} is of version {}", entry.number, leaf.v),
            ),
            Err(error) => self.problem(
                "leaf-form",
                Some(entry.number),
                format!("leaf {} is not readable: {error}", entry.number),
            ),
        }
    }

    /// Compares the tree with the checkpoints of its size.
    fn roots(&mut self) {
        while let Some(signed) = self.ahead.last()
            && signed.checkpoint.size == self.edge.size()
        {
            let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
            self.ahead.pop();
            if self.is_broken {
                continue;
            }
            if root == self.edge.root() {
                self.report.checkpoints.push(size);
                continue;
            }
            self.problem(
                "tree",
                None,
                format!(
                    "the first {size} leaves are not those of the checkpoint of {size}: some were changed, removed, \
                     added or put into another order, or this is a fork of the log"
                ),
            );
        }
    }

    fn leaf(&mut self, entry: &Entry, leaf: Leaf) {
        let number = entry.number;
        if self.report.last.as_ref().is_some_and(|last| leaf.at < *last) {
            self.problem(
                "order",
                Some(number),
                format!("leaf {number} is older than the one before it"),
            );
        }
        match &entry.payload {
            Some((salt, payload)) if commitment(salt, payload) == leaf.commitment => self.report.payloads += 1,
            Some(_) => add(&mut self.unfitting, (number, number)),
            None => add(&mut self.missing, (number, number)),
        }
        if leaf.kind == super::Kind::PayloadErased.name()
            && let Some((first, last)) = erased(&leaf.subject)
            && last < number
        {
            add(&mut self.erased, (first, last));
        }
        *self.report.kinds.entry(leaf.kind).or_default() += 1;
        self.report.first.get_or_insert_with(|| leaf.at.clone());
        self.report.last = Some(leaf.at);
    }

    fn end(mut self, claims: Option<(u64, u64)>) -> Report {
        let found = self.edge.size();
        self.report.leaves = found;
        self.report.root = self.edge.root().to_string();
        if let Some((least, most)) = claims.filter(|_| !self.is_broken)
            && !(least..=most).contains(&found)
        {
            let text = format!("there are {found} leaves, and the database says {most}");
            self.problem("truncated", None, text);
        }
        let ahead = std::mem::take(&mut self.ahead);
        let is_whole = !self.is_broken;
        for signed in ahead.iter().filter(|_| is_whole) {
            let size = signed.checkpoint.size;
            self.problem(
                "truncated",
                None,
                format!(
                    "there are {found} leaves, and a checkpoint of {size} was signed: the last {} were removed, or a \
                     backup was restored",
                    size - found
                ),
            );
        }
        for (first, last) in std::mem::take(&mut self.unfitting) {
            let text = format!(
                "payloads of leaves {first} to {last} are not those that the leaves commit to: they were changed"
            );
            self.problem("payload-changed", Some(first), text);
        }
        for (first, last) in std::mem::take(&mut self.missing) {
            let said = self.erased.iter().map(|(from, to)| {
                let (from, to) = (first.max(*from), last.min(*to));
                (to + 1).saturating_sub(from)
            });
            let said: u64 = said.sum();
            self.report.payloads_erased += said;
            let unsaid = last - first + 1 - said;
            if unsaid > 0 {
                let text = format!(
                    "{unsaid} payloads of leaves {first} to {last} are gone, and no leaf says that they were deleted"
                );
                self.problem("payload-missing", Some(first), text);
            }
        }
        self.report.verified = self.report.problems_found == 0;
        self.report
    }
}

/// Adds a range, as a part of the last one where it goes on from it. Ranges that were added before are not counted twice.
fn add(ranges: &mut Vec<(u64, u64)>, (first, last): (u64, u64)) {
    match ranges.last_mut() {
        Some(before) if first <= before.1 + 1 && first >= before.0 => before.1 = before.1.max(last),
        _ => ranges.push((first, last)),
    }
}

/// Checks that a leaf is in the tree of a checkpoint.
pub fn inclusion(signed: &SignedCheckpoint, index: u64, leaf: &str, hashes: &[String]) -> Result<(), Error> {
    let hashes: Result<Vec<Hash>, _> = hashes.iter().map(|hash| Hash::parse_hash(hash)).collect();
    let tree = &signed.checkpoint;
    check_record(&hashes?, tree.size, tree.root, index, record_hash(leaf.as_bytes()))
        .map_err(|_| Error::Note(format!("leaf {index} is not in the tree of {} leaves", tree.size)))
}

/// Checks that a payload is what a leaf commits to.
pub fn payload(leaf: &str, salt: &str, payload: &str) -> Result<(), Error> {
    let leaf: Leaf = serde_json::from_str(leaf)?;
    let salt = HEXLOWER.decode(salt.as_bytes()).unwrap_or_default();
    if commitment(&salt, payload.as_bytes()) == leaf.commitment {
        return Ok(());
    }
    Err(Error::Note(
        "the payload is not the one that the leaf commits to".to_owned(),
    ))
}
