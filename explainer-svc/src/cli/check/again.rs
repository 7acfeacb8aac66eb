//! The command that writes a fix into its file: this one again, with `--fix`.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use clap::CommandFactory as _;
use clap::parser::ValueSource;
use engine::redact;

use super::super::Cli;

/// Not for the verdict, or for the command to say itself.
const OTHERS: [&str; 5] = ["output", "diff", "fix", "yes", "fix_removals"];

/// How this check was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Again {
    /// What was named, as arguments.
    named: String,
    /// All else that the verdict needs, as arguments.
    rest: String,
    /// The sources from which something was learnt for all objects, by their position.
    teachers: BTreeSet<usize>,
}

impl Again {
    /// From the arguments of this process; none when they cannot be repeated, or when they hold a secret.
    pub(super) fn of_this_process(teachers: BTreeSet<usize>) -> Option<Self> {
        let arguments: Vec<_> = std::env::args_os().collect();
        Self::new(&arguments, teachers)
    }

    fn new(arguments: &[impl AsRef<OsStr>], teachers: BTreeSet<usize>) -> Option<Self> {
        let mut command = Cli::command();
        let arguments = arguments.iter().map(|argument| argument.as_ref().to_owned());
        let matches = command.try_get_matches_from_mut(arguments).ok()?;
        let (name, matches) = matches.subcommand()?;
        let own = command.find_subcommand(name)?;
        let mut again = Self {
            teachers,
            ..Self::default()
        };
        for argument in own.get_arguments() {
            let id = argument.get_id().as_str();
            let (Some(long), Ok(Some(values))) = (argument.get_long(), matches.try_get_raw(id)) else {
                continue;
            };
            if OTHERS.contains(&id) || matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            let flag = match argument.get_short() {
                Some(short) if matches!(id, "files" | "namespace") => format!(" -{short}"),
                _ => format!(" --{long}"),
            };
            if !argument.get_action().takes_values() {
                again.rest.push_str(&flag);
                continue;
            }
            let to = if id == "files" {
                &mut again.named
            } else {
                &mut again.rest
            };
            // `--policies a b` too: what comes next could be taken for one of its values.
            for value in values {
                let value = value.to_str()?;
                if redact::hides("", "/argument", &value.into()) {
                    return None;
                }
                to.push_str(&format!("{flag} {}", word(value)?));
            }
        }
        Some(again)
    }

    /// The command that writes this file's fixes.
    pub(super) fn command(&self, (source, file): (usize, &str), removes: bool) -> Option<String> {
        let own = format!(" -f {}", word(file)?);
        let is_alone = self.teachers.iter().all(|teacher| *teacher == source);
        let files = if is_alone { &own } else { &self.named };
        let removals = if removes { " --fix-removals" } else { "" };
        Some(format!("whynot check{files}{} --fix{removals}", self.rest))
    }
}

/// An argument as a word of a shell; none when a shell would take it for an option, or a terminal for something else.
fn word(text: &str) -> Option<String> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '=' | ',' | '@' | '+');
    if text.starts_with('-') || redact::line(text, usize::MAX) != text {
        return None;
    }
    if !text.is_empty() && text.chars().all(is_plain) {
        return Some(text.to_owned());
    }
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &str, teachers: &[usize], removes: bool) -> Option<String> {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let again = Again::new(&arguments, teachers.iter().copied().collect())?;
        again.command((1, "a b/it's.yaml"), removes)
    }

    #[test]
    fn the_command_is_the_same_but_for_its_output() {
        assert_eq!(
            command(
                "whynot check -f x --policies p q -ojson --diff -n shop --as-group a --as-group b",
                &[],
                false
            )
            .unwrap(),
            r"whynot check -f 'a b/it'\''s.yaml' --policies p --policies q -n shop --as-group a --as-group b --fix"
        );
        assert_eq!(
            command(
                "whynot check --filename=x -f y --server http://h/x --fail-on warn --fix -y",
                &[0, 1],
                true
            )
            .unwrap(),
            "whynot check -f x -f y --server http://h/x --fail-on warn --fix --fix-removals"
        );
        assert_eq!(
            command("whynot check -f x --policies p --skip-verify", &[1], false).unwrap(),
            r"whynot check -f 'a b/it'\''s.yaml' --policies p --skip-verify --fix"
        );
    }

    #[test]
    fn what_cannot_be_repeated_is_no_command() {
        assert_eq!(command("whynot check --server http://u:hunter2@h", &[], false), None);
        assert_eq!(command("explainer-test --nocapture", &[], false), None);
        assert_eq!(word("-x"), None);
        assert_eq!(word("a\u{202e}b"), None);
    }
}
