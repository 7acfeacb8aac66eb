//! Files -> outcomes, in the order of the files: one thread reads, one for each processor judges.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError, mpsc};

use engine::admission::Review;
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use serde::Serialize;

use super::again::Again;
use super::diff::Text;
use super::files::Source;
use super::judge::{Checked, Place, Read, Wanted, judge};
use super::objects::{Form, Found, Object, objects};
use super::surroundings::{Asking, Surroundings};
use super::yaml::{Chunk, documents};

/// More than this is never waiting to be judged: a file may be larger than the memory.
const WAITING: usize = 64;
/// So much text is one piece of work.
const PIECE: usize = 64 << 10;
/// Each compiles the policies for itself: more of them would do that and little else.
const MAX_WORKERS: usize = 8;
/// Rules may be in each other deep.
const STACK: usize = 16 << 20;

/// What came of one document or object.
#[derive(Debug)]
pub(super) enum Outcome {
    Checked(Box<Checked>),
    Wrong(Trouble),
    /// It was passed over, and why.
    Passed(Trouble),
    /// A list of nothing, as it is said.
    EmptyList(Trouble),
    /// Everything of a file was said.
    FileDone,
}

/// What could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    pub(super) file: String,
    /// From 1; 0 when it is not known.
    pub(super) line: usize,
    /// From 1; 0 when it is not known.
    pub(super) column: usize,
    pub(super) message: String,
}

/// What judging needs.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) bundle: Bundle,
    pub(super) set: PolicySet,
    pub(super) surroundings: Surroundings,
    pub(super) asking: Asking,
    pub(super) wanted: Wanted,
    pub(super) again: Option<Again>,
}

struct Piece {
    number: usize,
    source: usize,
    content: Result<Vec<Chunk>, io::Error>,
    is_last: bool,
}

/// Judges everything; `each` gets the outcomes in the order of the files.
pub(super) fn run(setup: &Setup, sources: &[Source], mut each: impl FnMut(Outcome)) -> io::Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let is_small = sources.len() < 8 && sources.iter().all(Source::is_small);
    let workers = if is_small { 1 } else { processors.min(MAX_WORKERS) };
    let (pieces, waiting) = mpsc::sync_channel::<Piece>(WAITING);
    let waiting = &Mutex::new(waiting);
    let (results, finished) = mpsc::sync_channel::<(usize, Vec<Outcome>)>(WAITING);
    std::thread::scope(|scope| {
        let builder = || std::thread::Builder::new().stack_size(STACK);
        for worker in 0..workers {
            let results = results.clone();
            builder().spawn_scoped(scope, move || {
                // A set keeps its compiled regexes to itself while it evaluates: two threads would compile them all the time.
                let set = match worker {
                    0 => setup.set.clone(),
                    _ => {
                        compile(&setup.bundle, setup.surroundings.context.clone()).unwrap_or_else(|_| setup.set.clone())
                    }
                };
                loop {
                    let piece = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(piece) = piece else { return };
                    let number = piece.number;
                    let outcomes = judge_piece(setup, &set, sources, piece);
                    if results.send((number, outcomes)).is_err() {
                        return;
                    }
                }
            })?;
        }
        drop(results);
        builder().spawn_scoped(scope, move || read(sources, &pieces))?;
        let mut early: BTreeMap<usize, Vec<Outcome>> = BTreeMap::new();
        let mut next = 0;
        for (number, outcomes) in finished {
            early.insert(number, outcomes);
            while let Some(outcomes) = early.remove(&next) {
                outcomes.into_iter().for_each(&mut each);
                next += 1;
            }
        }
        Ok(())
    })
}

fn read(sources: &[Source], pieces: &mpsc::SyncSender<Piece>) {
    let mut number = 0;
    let mut send = |source: usize, content, is_last| {
        let piece = Piece {
            number,
            source,
            content,
            is_last,
        };
        number += 1;
        // Nobody judges any more.
        pieces.send(piece).is_ok()
    };
    for (index, source) in sources.iter().enumerate() {
        let chunks = match source.chunks() {
            Ok(chunks) => chunks,
            Err(error) => {
                if !send(index, Err(error), true) {
                    return;
                }
                continue;
            }
        };
        let (mut batch, mut size) = (Vec::new(), 0);
        let mut failed = None;
        for chunk in chunks {
            match chunk {
                Ok(chunk) => {
                    size += chunk.text.len();
                    batch.push(chunk);
                }
                Err(error) => failed = Some(error),
            }
            if size >= PIECE {
                size = 0;
                if !send(index, Ok(std::mem::take(&mut batch)), false) {
                    return;
                }
            }
        }
        let is_sent = match failed {
            None => send(index, Ok(batch), true),
            Some(error) => send(index, Ok(batch), false) && send(index, Err(error), true),
        };
        if !is_sent {
            return;
        }
    }
}

fn judge_piece(setup: &Setup, set: &PolicySet, sources: &[Source], piece: Piece) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let Some(source) = sources.get(piece.source) else {
        return outcomes;
    };
    match piece.content {
        Err(error) => outcomes.push(Outcome::Wrong(Trouble {
            file: source.name.to_string(),
            line: 0,
            column: 0,
            message: format!("cannot be read: {error}"),
        })),
        Ok(chunks) => {
            for chunk in chunks {
                judge_chunk(setup, set, (piece.source, source), &chunk, &mut outcomes);
            }
        }
    }
    if piece.is_last {
        outcomes.push(Outcome::FileDone);
    }
    outcomes
}

fn judge_chunk(
    setup: &Setup,
    set: &PolicySet,
    (index, source): (usize, &Source),
    chunk: &Chunk,
    outcomes: &mut Vec<Outcome>,
) {
    let trouble = |line: usize, column: usize, message: String| Trouble {
        file: source.name.to_string(),
        line: if line == 0 { 0 } else { chunk.lines + line },
        column,
        message,
    };
    let read = match documents(&chunk.text) {
        Ok(read) => read,
        Err(wrong) => {
            let hint = if chunk.text.contains("{{") {
                "; it looks like a template: pipe what is made of it into -f -, as in `helm template … | whynot check -f -`"
            } else {
                ""
            };
            let message = format!("cannot be read: {}{hint}", wrong.reason);
            outcomes.push(Outcome::Wrong(trouble(wrong.line, wrong.column, message)));
            return;
        }
    };
    for mut document in read {
        let value = std::mem::take(&mut document.value);
        let text = Text::new(chunk, &document);
        match objects(value) {
            Found::Objects(objects) if objects.is_empty() => {
                outcomes.push(Outcome::EmptyList(trouble(
                    document.line(""),
                    0,
                    "the list is empty".to_owned(),
                )));
            }
            Found::Objects(objects) => {
                for object in objects {
                    let line = document.line(&object.base);
                    outcomes.push(match one(setup, set, (index, source), &text, object) {
                        Ok(checked) => Outcome::Checked(Box::new(checked)),
                        Err(message) => Outcome::Wrong(trouble(line, 0, message)),
                    });
                }
            }
            // Folders hold values of charts and the like.
            Found::Other(reason) if source.is_found => {
                outcomes.push(Outcome::Passed(trouble(document.line(""), 0, reason.to_owned())));
            }
            Found::Other(reason) => outcomes.push(Outcome::Wrong(trouble(document.line(""), 0, reason.to_owned()))),
            Found::Wrong { base, reason } => {
                outcomes.push(Outcome::Wrong(trouble(document.line(&base), 0, reason)));
            }
        }
    }
}

fn one(
    setup: &Setup,
    set: &PolicySet,
    (index, source): (usize, &Source),
    text: &Text<'_>,
    object: Object,
) -> Result<Checked, String> {
    // Who has a review came by it through admission, and gets its words as they are.
    let is_manifest = matches!(object.form, Form::Manifest(_));
    let review = match object.form {
        Form::Manifest(object) => setup.surroundings.review(object, &setup.asking),
        Form::Review(review) => review,
    };
    // The way of every review through the filter, from its bytes on.
    let review = Review::parse(review.to_string().as_bytes()).map_err(|error| error.reason)?;
    let place = Place {
        source: index,
        file: source.name.clone(),
        offset: text.chunk.offset,
        digest: text.chunk.digest(),
        line: text.line(&object.base),
        base: object.base,
    };
    let read = Read {
        review: &review,
        place,
        text,
        is_manifest,
        again: setup.again.as_ref().filter(|_| is_manifest && source.path().is_some()),
    };
    Ok(judge(set, read, setup.wanted))
}
