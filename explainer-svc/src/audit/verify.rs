//! Checks a log without the service that wrote it: every leaf, every hash, the tree of each checkpoint, payloads, order.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use tlog_tiles::{Hash, check_record, record_hash};

use super::event::{Leaf, commitment, erased};
use super::source::Entry;
pub use super::source::Source;
use super::store::StoredHead;
use super::tree::Edge;
use super::{Error, PublicKey, SignedCheckpoint};

/// Problems that are told one by one.
const TOLD: usize = 100;

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `leaf-changed`, `leaf-missing`, `leaf-form`, `order`, `tile`, `tree`, `truncated`, `fork`, `unsigned`,
    /// `payload-changed`, `payload-missing`; from the command line also `signature` and `witness`.
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
    /// How many leaves after it the database has with the log's seal: a service that runs, or was killed, has not signed them yet.
    pub sealed: u64,
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

/// Checks all leaves of a source, and that they lead to each of these checkpoints.
pub async fn verify(
    mut source: Source,
    checkpoints: &[SignedCheckpoint],
    progress: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    let mut check = Check::new(checkpoints);
    check.roots(source.head());
    loop {
        let entries = source.next().await?;
        let head = source.head();
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            check.entry(&entry, head);
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
    Ok(check.end(source.head()))
}

struct Check<'a> {
    edge: Edge,
    nodes: Vec<super::tree::Node>,
    /// By size, those that the tree has not reached.
    ahead: Vec<&'a SignedCheckpoint>,
    /// What checks the seal.
    key: Option<&'a PublicKey>,
    /// The leaves of the checkpoints and of the seal that the tree leads to, at most: what is after them is of anybody.
    proven: u64,
    /// A leaf is missing: hashes after it say nothing.
    is_broken: bool,
    /// As ranges: leaves whose payload is another one, leaves without payload, and those that were erased.
    unfitting: Vec<(u64, u64)>,
    missing: Vec<(u64, u64)>,
    /// With the leaf that says so.
    erased: Vec<(u64, (u64, u64))>,
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
            key: checkpoints.first().map(SignedCheckpoint::key),
            proven: 0,
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

    fn entry(&mut self, entry: &Entry, head: Option<&StoredHead>) {
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
        self.roots(head);
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

    /// Compares the tree with the checkpoints of its size, and the seal.
    fn roots(&mut self, head: Option<&StoredHead>) {
        if let (Some(key), Some(head)) = (self.key, head)
            && head.size == self.edge.size()
            && let Some(seal) = &head.seal
            && !self.is_broken
            && key.sealed(head.size, self.edge.root(), seal)
        {
            self.proven = head.size;
        }
        while let Some(signed) = self.ahead.last()
            && signed.checkpoint.size == self.edge.size()
        {
            let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
            self.ahead.pop();
            if self.is_broken {
                continue;
            }
            if root == self.edge.root() {
                self.proven = self.proven.max(size);
                if self.report.checkpoints.last() != Some(&size) {
                    self.report.checkpoints.push(size);
                }
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
            self.erased.push((number, (first, last)));
        }
        *self.report.kinds.entry(leaf.kind).or_default() += 1;
        self.report.first.get_or_insert_with(|| leaf.at.clone());
        self.report.last = Some(leaf.at);
    }

    fn end(mut self, head: Option<&StoredHead>) -> Report {
        let found = self.edge.size();
        self.report.leaves = found;
        self.report.root = self.edge.root().to_string();
        if let Some(head) = head.filter(|head| !self.is_broken && head.size != found) {
            let text = format!("there are {found} leaves, and the database says {}", head.size);
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
        if head.is_some_and(StoredHead::has_others) {
            let text = format!("the log has {found} leaves, and somebody has added others to the database");
            self.problem("unsigned", Some(found), text);
        }
        self.tail(head);
        self.payloads();
        self.report.verified = self.report.problems_found == 0;
        self.report
    }

    /// What is after the last checkpoint counts only with the log's seal.
    fn tail(&mut self, head: Option<&StoredHead>) {
        let (found, signed) = (self.report.leaves, self.report.signed);
        self.report.sealed = self.proven.saturating_sub(signed);
        let seal = head.and_then(|head| head.seal.as_ref());
        if found > self.proven.max(signed) {
            let from = self.proven.max(signed);
            let why = match (head, seal) {
                (None, _) => "and an export has none after it",
                (_, Some(_)) => "and the log's key has not sealed them in the database: they were added, or changed",
                (_, None) => {
                    "and the database has no seal: a version of whynot that did not seal has written them, or somebody else"
                }
            };
            let text = format!(
                "the last {} leaves, from leaf {from} on, are in no checkpoint, {why}",
                found - from
            );
            self.problem("unsigned", Some(from), text);
        } else if seal.is_some() && self.key.is_some() && self.sealed_otherwise(head) {
            let text = format!(
                "the database's seal is not that of its {found} leaves: what was written after the checkpoint was removed, or a \
                 backup was restored"
            );
            self.problem("truncated", None, text);
        }
    }

    /// Whether the seal is of another tree, where nothing else says so already.
    fn sealed_otherwise(&self, head: Option<&StoredHead>) -> bool {
        let found = self.edge.size();
        let fits = |head: &StoredHead| {
            let seal = head.seal.as_deref().unwrap_or_default();
            self.key.is_some_and(|key| key.sealed(found, self.edge.root(), seal))
        };
        let told = |problem: &Problem| matches!(problem.code, "tree" | "truncated" | "leaf-missing");
        head.is_some_and(|head| !fits(head)) && !self.report.problems.iter().any(told)
    }

    fn payloads(&mut self) {
        for (first, last) in std::mem::take(&mut self.unfitting) {
            let text = format!(
                "payloads of leaves {first} to {last} are not those that the leaves commit to: they were changed"
            );
            self.problem("payload-changed", Some(first), text);
        }
        // Whoever can delete payloads can also add a leaf that says so; not one that is signed.
        let mut said: Vec<(u64, u64)> = self
            .erased
            .iter()
            .filter_map(|(leaf, range)| (*leaf < self.proven).then_some(*range))
            .collect();
        said.sort_unstable();
        let mut erased = Vec::new();
        for range in said {
            add(&mut erased, range);
        }
        for (first, last) in std::mem::take(&mut self.missing) {
            let said = erased.iter().map(|(from, to)| {
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
