//! What `whynot serve` is told about models' words.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// When models are asked for words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Never.
    Off,
    /// Behind the denial: for its link, and for the next denial of the same shape.
    #[default]
    Background,
    /// Also while the denial waits, within --model-budget-ms.
    Inline,
}

/// The arguments of `whynot serve` about models' words.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Models")]
pub struct WordsArgs {
    /// When the model of --gateway is asked for words: off; background, which shows them at the denial's link and in the next
    /// denial of the same shape; inline, also in the denial itself when they are there in time.
    #[arg(long, env = "WHYNOT_MODEL_WORDS", value_name = "WHEN", value_enum, default_value_t = Mode::Background)]
    pub model_words: Mode,
    /// How long a denial waits for a model's words with --model-words inline; never more than a third of its deadline.
    #[arg(long, env = "WHYNOT_MODEL_BUDGET_MS", value_name = "MS", default_value_t = 200,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub model_budget_ms: u64,
    /// How long a model may take behind a denial.
    #[arg(long, env = "WHYNOT_MODEL_DEADLINE_MS", value_name = "MS", default_value_t = 30_000,
        value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub model_deadline_ms: u64,
    /// Denials that models write about at a time; what is more has the engine's words alone.
    #[arg(long, env = "WHYNOT_MODEL_PLACES", value_name = "N", default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub model_places: u16,
    /// A folder with prompts, NAME/VERSION.j2, in place of those that come along.
    #[arg(long, env = "WHYNOT_PROMPTS", value_name = "DIR")]
    pub prompts: Option<PathBuf>,
}

/// When and how models are asked for words.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When.
    pub mode: Mode,
    /// How long a denial waits in the mode inline.
    pub budget: Duration,
    /// How long a model may take behind a denial.
    pub background: Duration,
    /// Denials that models write about at a time.
    pub places: usize,
    /// Prompts in place of those that come along.
    pub prompts: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            budget: Duration::from_millis(200),
            background: Duration::from_secs(30),
            places: 32,
            prompts: None,
        }
    }
}

impl WordsArgs {
    /// What was asked for.
    pub fn settings(self) -> Settings {
        let Self {
            model_words,
            model_budget_ms,
            model_deadline_ms,
            model_places,
            prompts,
        } = self;
        Settings {
            mode: model_words,
            budget: Duration::from_millis(model_budget_ms),
            background: Duration::from_millis(model_deadline_ms),
            places: usize::from(model_places),
            prompts,
        }
    }
}
