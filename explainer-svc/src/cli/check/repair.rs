//! `--fix`: proven changes, written into the files that the objects came from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use engine::fix::Class;
use json_patch::Patch;

use super::super::style::count;
use super::super::{Failed, Streams};
use super::diff::{rebased, unified};
use super::files::Source;
use super::judge::{Checked, Proposal};
use super::mask::Masked;
use super::report;
use super::work::Trouble;
use super::yaml::apply;

#[derive(Debug, Args)]
pub(super) struct FixArgs {
    /// Writes the fixes into the files; comments, order and style of what is not changed stay.
    ///
    /// Only fixes that can be applied as they stand, and that allow nothing more than before. Shows the changes and asks; where
    /// there is no terminal to ask on, nothing is written without --yes. What came from standard input is written to standard
    /// output, changed or not, and the results to standard error.
    #[arg(long, help_heading = "Fixes")]
    fix: bool,
    /// Does not ask.
    #[arg(long, short, help_heading = "Fixes", requires = "fix")]
    yes: bool,
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
    before: Masked,
    after: Masked,
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
        if self.fix && !self.yes && writes_files && !io::stdin().is_terminal() {
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
        fix.is_mechanical() && (!fix.removes || self.fix_removals)
    }

    fn write(
        &self,
        rewritten: &[Rewritten<'_>],
        fixed: &mut Fixed,
        checked: &[Checked],
        streams: &mut Streams<'_>,
    ) -> Result<(), Failed> {
        let (files, piped): (Vec<_>, Vec<_>) = rewritten.iter().partition(|file| file.source.path().is_some());
        let changed: Vec<_> = files.into_iter().filter(|file| file.is_changed()).collect();
        let mut done = Vec::new();
        if !changed.is_empty() {
            for file in &changed {
                let diff = unified(&file.source.name, &file.before, &file.after, 0);
                streams
                    .err
                    .write_all(report::coloured(&diff, streams.looks).as_bytes())?;
            }
            let objects = changed.iter().map(|file| file.objects.len()).sum();
            let what = what(objects, changed.len());
            if self.yes || agreed(&format!("Write these changes ({what})? [y/N] "), streams)? {
                let mut written = 0;
                for file in changed {
                    match file.replace() {
                        Ok(()) => {
                            written += 1;
                            done.extend(&file.objects);
                        }
                        Err(trouble) => fixed.troubles.push(trouble),
                    }
                }
                if written > 0 {
                    writeln!(streams.err, "changed {}", self::what(done.len(), written))?;
                }
            }
            if done.is_empty() {
                writeln!(streams.err, "nothing was written")?;
            }
        }
        for file in piped {
            streams.out.write_all(file.after.text().as_bytes())?;
            done.extend(&file.objects);
        }
        streams.out.flush()?;
        let is_whole = |index: &&usize| {
            let fix = checked.get(**index).and_then(|checked| checked.fix.as_ref());
            fix.is_some_and(|fix| fix.complete)
        };
        fixed.whole = done.iter().copied().filter(is_whole).copied().collect();
        Ok(())
    }

    fn skipped<'a>(&self, left: impl Iterator<Item = &'a Checked>, streams: &mut Streams<'_>) -> Result<(), Failed> {
        for checked in left {
            let Some(fix) = &checked.fix else { continue };
            let reason = if fix.widens {
                "its fix allows more than before, so a person has to make it"
            } else if fix.class == Class::Placeholder {
                "its fix has values that only a person can fill in"
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
        before: Masked::default(),
        after: Masked::default(),
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
        let digest = chunk.digest();
        let is_here = |index: &&usize| {
            let here = |one: &Checked| one.place.offset == chunk.offset && one.place.digest == digest;
            left.contains(index) && checked.get(**index).is_some_and(here)
        };
        let here: Vec<usize> = wanted.iter().filter(is_here).copied().collect();
        left.retain(|index| !here.contains(index));
        let mut text = chunk.text.clone();
        if let Ok(after) = changed(&text, checked, &here) {
            text = after;
            file.objects.extend(here);
        } else {
            // What cannot be changed keeps none of the others from it.
            for index in here {
                match changed(&text, checked, &[index]) {
                    Ok(after) => {
                        text = after;
                        file.objects.push(index);
                    }
                    Err(reason) => troubles.extend(checked.get(index).map(|one| left_alone(one, &reason))),
                }
            }
        }
        let before = Masked::new(&chunk.text);
        if text == chunk.text {
            file.after.push(&before);
        } else {
            file.after.push(&Masked::new(&text));
        }
        file.before.push(&before);
    }
    let gone = left.iter().filter_map(|index| checked.get(*index));
    troubles.extend(gone.map(|one| left_alone(one, "the file has changed since it was read")));
    Ok(file)
}

/// A text with the fixes of these objects.
fn changed(text: &str, checked: &[Checked], objects: &[usize]) -> Result<String, String> {
    let mut patch = Patch(Vec::new());
    for one in objects.iter().filter_map(|index| checked.get(*index)) {
        if let Some(fix) = &one.fix {
            patch.0.extend(rebased(&fix.patch, &one.place.base).0);
        }
    }
    if patch.0.is_empty() {
        return Ok(text.to_owned());
    }
    apply(text, &patch).map_err(|refused| refused.to_string())
}

/// `2 objects in 1 file`.
fn what(objects: usize, files: usize) -> String {
    format!("{} in {}", count(objects, "object"), count(files, "file"))
}

impl Rewritten<'_> {
    fn is_changed(&self) -> bool {
        self.before.text() != self.after.text()
    }

    /// Writes it whole or not at all, through whichever link leads to it, with the rights that the file has.
    fn replace(&self) -> Result<(), Trouble> {
        let Some(path) = self.source.path() else { return Ok(()) };
        let refused = |reason: String| Trouble {
            file: self.source.name.to_string(),
            line: 0,
            column: 0,
            message: format!("was left as it is: {reason}"),
        };
        let failed = |error: io::Error| refused(format!("it cannot be written: {error}"));
        let real = std::fs::canonicalize(path).map_err(failed)?;
        let rights = std::fs::metadata(&real).map_err(failed)?.permissions();
        // Where a folder can be written, a read-only file in it could be replaced: nobody meant that.
        if rights.readonly() {
            return Err(refused("it is read-only".to_owned()));
        }
        // While it was asked, somebody may have edited it.
        if std::fs::read(&real).map_err(failed)? != self.before.text().as_bytes() {
            return Err(refused("the file has changed since it was read".to_owned()));
        }
        let folder = real.parent().unwrap_or(Path::new("."));
        let staged = tempfile::Builder::new().prefix(".whynot-").tempfile_in(folder);
        let mut staged = staged.map_err(failed)?;
        staged.write_all(self.after.text().as_bytes()).map_err(failed)?;
        staged.as_file().set_permissions(rights).map_err(failed)?;
        staged.as_file().sync_all().map_err(failed)?;
        staged.persist(&real).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn agreed(question: &str, streams: &mut Streams<'_>) -> Result<bool, Failed> {
    write!(streams.err, "{question}")?;
    streams.err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
