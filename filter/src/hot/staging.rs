//! A revision on its way from shared data to a set that can serve, in steps of which each is short.

use engine::eval::PolicySet;
use engine::policy;
use engine::policy::compile::{Compilation, Progress};
use engine::warm::Rehearsal;

use super::bundles;

/// A revision that is being staged.
pub(super) struct Staging {
    pub(super) revision: String,
    /// What serves meanwhile. What both have in common is compiled already.
    before: Option<PolicySet>,
    stage: Stage,
}

enum Stage {
    Fetching,
    Compiling(Box<Compilation>),
    Rehearsing(PolicySet, Rehearsal),
}

/// Where it stands.
pub(super) enum Step {
    /// There is more to do.
    More,
    /// It can serve.
    Ready(PolicySet),
    /// It is not in shared data: somebody was faster, and it is not needed any more.
    Gone,
    /// It will never serve: every reason.
    Failed(String),
}

impl Staging {
    /// Begins.
    pub(super) fn new(revision: &str, before: Option<&PolicySet>) -> Self {
        Self {
            revision: revision.to_owned(),
            before: before.cloned(),
            stage: Stage::Fetching,
        }
    }

    /// Does a little.
    pub(super) fn step(&mut self) -> Step {
        match &mut self.stage {
            Stage::Fetching => match bundles::get(&self.revision) {
                None => return Step::Gone,
                Some(json) => self.stage = Stage::Compiling(Box::new(Compilation::of_json(json, self.before.as_ref()))),
            },
            Stage::Compiling(compilation) => match compilation.step() {
                Progress::More => {}
                Progress::Done(Err(problems)) => return Step::Failed(policy::list(&problems)),
                Progress::Done(Ok(set)) if set.revision() != self.revision => {
                    let reason = format!(
                        "the bundle of revision {:?} says it is {:?}",
                        self.revision,
                        set.revision()
                    );
                    return Step::Failed(reason);
                }
                Progress::Done(Ok(set)) => {
                    let rehearsal = Rehearsal::new(&set, self.before.as_ref());
                    self.stage = Stage::Rehearsing(set, rehearsal);
                }
            },
            Stage::Rehearsing(set, rehearsal) => {
                if !rehearsal.step(set) {
                    return Step::Ready(set.clone());
                }
            }
        }
        Step::More
    }

    /// All that is left, for whoever waits for it. What comes of it is not run before it is needed.
    pub(super) fn finish(mut self) -> Step {
        loop {
            if let Stage::Rehearsing(set, _) = &self.stage {
                return Step::Ready(set.clone());
            }
            match self.step() {
                Step::More => {}
                other => return other,
            }
        }
    }
}

/// The set that is active in this process, for an instance that is made anew.
pub(super) fn active_set(active: &str, embedded: Option<&str>) -> Option<PolicySet> {
    if active.is_empty() || embedded == Some(active) {
        return None;
    }
    match Staging::new(active, None).finish() {
        Step::Ready(set) => Some(set),
        Step::More | Step::Gone | Step::Failed(_) => None,
    }
}
