//! How text looks on a terminal: colour where it is one, columns everywhere.

use std::io::IsTerminal;

use clap::builder::styling::{AnsiColor, Style};

/// What the streams may show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    /// Standard output takes colours.
    pub colour: bool,
    /// Standard error shows what goes on, on a line that is written over.
    pub progress: bool,
}

impl Looks {
    /// Of this process. `NO_COLOR` turns colours off (<https://no-color.org>).
    pub fn detect() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            colour: std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
            progress: std::io::stderr().is_terminal() && !is_dumb,
        }
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    pub(crate) fn doubtful(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// `1 policy`, `2 policies`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !noun.ends_with("ay") => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_there_or_not() {
        assert_eq!(Looks::default().bad("x"), "x");
        let looks = Looks {
            colour: true,
            progress: false,
        };
        assert_eq!(looks.good("x"), "\u{1b}[32mx\u{1b}[0m");
    }

    #[test]
    fn nouns_have_their_number() {
        assert_eq!(
            [count(1, "policy"), count(2, "policy"), count(0, "test")],
            ["1 policy", "2 policies", "0 tests"]
        );
    }
}
