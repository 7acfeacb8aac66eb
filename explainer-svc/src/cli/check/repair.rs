//! `--fix`: proven changes, written into the files that the objects came from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use engine::fix::Class;

use super::super::style::count;
use super::super::{Failed, Streams, files};
use super::diff::{rebased, unified};
use super::files::Source;
use super::judge::{Checked, Proposal};
use super::report;
use super::work::Trouble;
use super::yaml::apply;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(super) struct FixArgs {
    /// Writes the fixes into the files; comments, order and style of what is not changed stay.
    ///
    /// Only fixes that can be applied as they stand, and that allow nothing more than before. Shows the changes and asks, unless
    /// --yes is given. What came from standard input is written to standard output, changed or not, and the results to standard
    /// error.
    #[arg(long, help_heading = "Fixes")]
    fix: bool,
    /// Does not ask.
    #[arg(long, short, help_heading = "Fixes", requires = "fix")]
    yes: bool,
    /// Also fixes in which a person has to fill in values afterwards.
    #[arg(long, help_heading = "Fixes", requires = "fix")]
    fix_placeholders: bool,
    /// Also fixes that take away what was there.
    #[arg(long, help_heading = "Fixes", requires = "fix")]
    fix_removals: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Fixed {
    /// The objects that pass now, by their position.
    pub(super) whole: BTreeSet<usize>,
    pub(super) troubles: Vec<Trouble>,
}

/// One changed file.
struct Rewritten<'a> {
    source: &'a Source,
    before: String,
    after: String,
    /// The objects that were changed, by their position.
    objects: Vec<usize>,
}

impl FixArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.fix
    }

    /// Whether it can be asked before anything is changed.
    pub(super) fn check(&self, named: &[PathBuf]) -> Result<(), Failed> {
        let writes_files = named.iter().any(|path| path != Path::new("-"));
        if self.fix && !self.yes && writes_files && !std::io::stdin().is_terminal() {
            let text = "--fix asks before it writes, and there is no terminal to ask on; give --yes too".to_owned();
            return Err(Failed::Usage(text));
        }
        Ok(())
    }

    pub(super) fn run(
        &self,
        sources: &[Source],
        checked: &[Checked],
        streams: &mut Streams<'_>,
    ) -> Result<Fixed, Failed> {
        let mut fixed = Fixed::default();
        if !self.fix {
            return Ok(fixed);
        }
        let mut by_source: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, checked) in checked.iter().enumerate() {
            if checked.fix.as_ref().is_some_and(|fix| self.takes(fix)) {
                by_source.entry(checked.place.source).or_default().push(index);
            }
        }
        let mut rewritten = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let wanted = by_source.remove(&index).unwrap_or_default();
            // Standard input is passed on whole, also when there is nothing to change.
            if !wanted.is_empty() || source.path().is_none() {
                rewritten.push(rewrite(source, checked, &wanted, &mut fixed.troubles)?);
            }
        }
        self.write(&rewritten, &mut fixed, checked, streams)?;
        let left = checked
            .iter()
            .enumerate()
            .filter(|(index, checked)| checked.fix.is_some() && !fixed.whole.contains(index));
        self.skipped(left.map(|(_, checked)| checked), streams)?;
        for trouble in &fixed.troubles {
            writeln!(streams.err, "{}", super::line(trouble))?;
        }
        Ok(fixed)
    }

    fn takes(&self, fix: &Proposal) -> bool {
        !fix.widens && (fix.class == Class::Fix || self.fix_placeholders) && (!fix.removes || self.fix_removals)
    }

    fn write(
        &self,
        rewritten: &[Rewritten<'_>],
        fixed: &mut Fixed,
        checked: &[Checked],
        streams: &mut Streams<'_>,
    ) -> Result<(), Failed> {
        let (files, piped): (Vec<_>, Vec<_>) = rewritten.iter().partition(|file| file.source.path().is_some());
        let changed: Vec<_> = files.into_iter().filter(|file| file.before != file.after).collect();
        let objects: usize = changed.iter().map(|file| file.objects.len()).sum();
        let mut done = Vec::new();
        if !changed.is_empty() {
            for file in &changed {
                let diff = unified(&file.source.name, &file.before, &file.after, 0);
                streams
                    .err
                    .write_all(report::coloured(&diff, streams.looks).as_bytes())?;
            }
            let what = format!("{} in {}", count(objects, "object"), count(changed.len(), "file"));
            if self.yes || agreed(&format!("Write these changes ({what})? [y/N] "), streams)? {
                for file in &changed {
                    if let Some(path) = file.source.path() {
                        replace(path, &file.after, streams)?;
                        done.extend(&file.objects);
                    }
                }
                writeln!(streams.err, "changed {what}")?;
            } else {
                writeln!(streams.err, "nothing was written")?;
            }
        }
        for file in piped {
            streams.out.write_all(file.after.as_bytes())?;
            done.extend(&file.objects);
        }
        streams.out.flush()?;
        // A fix in which values are open makes the policies pass, and nobody's deploy right.
        let is_whole = |index: &&usize| {
            let fix = checked.get(**index).and_then(|checked| checked.fix.as_ref());
            fix.is_some_and(|fix| fix.complete && fix.class == Class::Fix)
        };
        fixed.whole = done.iter().copied().filter(is_whole).copied().collect();
        Ok(())
    }

    fn skipped<'a>(&self, left: impl Iterator<Item = &'a Checked>, streams: &mut Streams<'_>) -> Result<(), Failed> {
        for checked in left {
            let Some(fix) = &checked.fix else { continue };
            let reason = if fix.widens {
                "its fix allows more than before, so a person has to make it"
            } else if fix.class == Class::Placeholder && !self.fix_placeholders {
                "its fix has values to fill in; --fix-placeholders writes it"
            } else if fix.removes && !self.fix_removals {
                "its fix takes something away; --fix-removals writes it"
            } else {
                continue;
            };
            let place = &checked.place;
            writeln!(
                streams.err,
                "{}:{}: {}: {reason}",
                place.file, place.line, checked.subject
            )?;
        }
        Ok(())
    }
}

/// A source with these objects changed, as far as that can be done.
fn rewrite<'a>(
    source: &'a Source,
    checked: &[Checked],
    wanted: &[usize],
    troubles: &mut Vec<Trouble>,
) -> Result<Rewritten<'a>, Failed> {
    let mut file = Rewritten {
        source,
        before: String::new(),
        after: String::new(),
        objects: Vec::new(),
    };
    let mut left: BTreeSet<usize> = wanted.iter().copied().collect();
    let left_alone = |one: &Checked, reason: &str| Trouble {
        file: one.place.file.to_string(),
        line: one.place.line,
        column: 0,
        message: format!("{}: was left as it is: {reason}", one.subject),
    };
    for chunk in source.chunks()? {
        let chunk = chunk?;
        let mut text = chunk.text.clone();
        for index in wanted {
            let is_here = |one: &&Checked| one.place.offset == chunk.offset && one.place.digest == chunk.digest();
            let Some(one) = checked.get(*index).filter(is_here) else {
                continue;
            };
            left.remove(index);
            match changed(&text, one) {
                Ok(after) => {
                    text = after;
                    file.objects.push(*index);
                }
                Err(reason) => troubles.push(left_alone(one, &reason)),
            }
        }
        file.before.push_str(&chunk.text);
        file.after.push_str(&text);
    }
    let gone = left.iter().filter_map(|index| checked.get(*index));
    troubles.extend(gone.map(|one| left_alone(one, "the file has changed since it was read")));
    Ok(file)
}

fn changed(text: &str, checked: &Checked) -> Result<String, String> {
    let Some(fix) = &checked.fix else {
        return Ok(text.to_owned());
    };
    apply(text, &rebased(&fix.patch, &checked.place.base)).map_err(|refused| refused.to_string())
}

/// Writes a file through whichever link leads to it, with the rights that it has.
fn replace(path: &Path, text: &str, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let real = std::fs::canonicalize(path)?;
    let rights = std::fs::metadata(&real)?.permissions();
    files::write(&real, text.as_bytes(), streams)?;
    std::fs::set_permissions(&real, rights)?;
    Ok(())
}

fn agreed(question: &str, streams: &mut Streams<'_>) -> Result<bool, Failed> {
    write!(streams.err, "{question}")?;
    streams.err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
