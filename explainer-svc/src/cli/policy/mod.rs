//! `whynot policy`: policies in whichever form, built, described, tested and looked over.

mod build;
pub(super) mod inputs;
mod inspect;
mod lint;
mod push;
mod rollback;
mod status;
mod test;

use clap::{Subcommand, ValueEnum};
use engine::policy::Problem;

use self::inputs::Inputs;
use super::style::count;
use super::{Failed, Streams, server};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Checks every policy and writes them as one bundle.
    ///
    /// Takes policies in any form, and several together: Rego for whynot, for OPA's admission webhook and for conftest,
    /// Gatekeeper's templates and constraints, OPA bundles. Settings are policy-set.yaml at the top of a PATH. All problems
    /// are printed at once, with file and line, and then nothing is written.
    ///
    /// Example: whynot policy build policies -o bundle.json
    Build(build::BuildArgs),
    /// Says what was found in policies, and how it will be applied.
    ///
    /// For each policy its form and why it was taken for that, the rules that are asked, what it concerns, its parameters and
    /// what happens when it fails; then libraries, tests, data, bundles with their signatures, and what was passed over.
    ///
    /// Example: whynot policy inspect policies bundle.tar.gz --verification-key key.pem
    Inspect(inspect::InspectArgs),
    /// Runs the tests of policies: *_test.rego, and YAML cases.
    ///
    /// Cases are for the policy in their folder, or in the folder above `cases`, and are tried on it alone. Exit code:
    /// 0 all passed, 1 some failed, 2 they could not be run.
    ///
    /// Example: whynot policy test policies --filter required-labels --coverage
    Test(test::TestArgs),
    /// Finds what does not stop a build and is probably not meant.
    ///
    /// A comment `# whynot:ignore RULE` on the line before turns a finding off. Exit code 1 when something is wrong, with
    /// --deny-warnings also for findings.
    ///
    /// Example: whynot policy lint policies --deny-warnings
    Lint(lint::LintArgs),
    /// Gives policies to a running explainer, which gives them to every filter.
    ///
    /// They are compiled and tested here, and again there; only what passes becomes current. Pushing what is current changes nothing.
    /// Exit code: 0 they are current, 1 they are refused, 2 the explainer could not be asked.
    ///
    /// Example: whynot policy push policies --token-file token
    Push(push::PushArgs),
    /// Says which policies are current, where they come from, what was refused, and which worker of Envoy has which.
    ///
    /// Exit code: 0 every worker that serves has the current ones, 1 some have not, 2 that cannot be told.
    ///
    /// Example: whynot policy status --wait 3f2a9c01d4e5
    Status(status::StatusArgs),
    /// Goes back to policies of before.
    ///
    /// What was current is not taken from the source again, until the source has something else.
    /// Exit code: 0 done, 1 there is nothing to go back to, 2 the explainer could not be asked.
    ///
    /// Example: whynot policy rollback --token-file token
    Rollback(rollback::RollbackArgs),
}

impl PolicyCommand {
    pub(crate) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Build(args) => build::run(&args, streams),
            Self::Inspect(args) => inspect::run(&args, streams),
            Self::Test(args) => test::run(&args, streams),
            Self::Lint(args) => lint::run(&args, streams),
            Self::Push(args) => push::run(&args, streams),
            Self::Status(args) => status::run(&args, streams),
            Self::Rollback(args) => rollback::run(&args, streams),
        }
    }
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Problems as JSON, with paths that can be opened.
fn json(inputs: &Inputs, problems: &[Problem]) -> serde_json::Value {
    let problem = |problem: &Problem| {
        let Problem { file, line, message } = problem;
        serde_json::json!({"file": file, "path": inputs.located(file), "line": line, "message": message})
    };
    problems.iter().map(problem).collect()
}

/// Prints problems, and how many there are.
fn report(inputs: &Inputs, problems: &[Problem], consequence: &str, streams: &mut Streams<'_>) -> Result<(), Failed> {
    for problem in problems {
        writeln!(streams.err, "{}", inputs.line(problem))?;
    }
    writeln!(
        streams.err,
        "error: {}; {consequence}",
        count(problems.len(), "problem")
    )?;
    Ok(())
}
