//! `whynot gateway`.

use std::path::PathBuf;

use clap::Subcommand;

use super::evaluate::{self, EvaluateArgs};
use super::{Failed, Streams};
use crate::gateway::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Checks the gateway's file, with its keys, prices and policy, and says who is asked for what.
    Check {
        /// The file of `whynot serve --gateway`.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Measures how good models' words are with the prompts, on the cases of policies that are denied, and whether that is good
    /// enough.
    ///
    /// Exit code: 0 every model passed the thresholds, 1 one did not, or it could not be evaluated.
    ///
    /// Examples: whynot gateway evaluate gateway.yaml --policies policies --result evaluation.json
    ///           whynot gateway evaluate gateway.yaml --policies policies --model default --cases 50 --gate gate.yaml
    #[command(verbatim_doc_comment)]
    Evaluate(Box<EvaluateArgs>),
}

impl GatewayCommand {
    pub(crate) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Evaluate(args) => evaluate::run(*args, streams),
            Self::Check { file } => {
                let settings = Settings::load(&file).map_err(|problem| Failed::Other(anyhow::anyhow!(problem)))?;
                let out = &mut streams.out;
                for route in settings.routes.values() {
                    let default = if route.name == settings.default_route {
                        " (default)"
                    } else {
                        ""
                    };
                    writeln!(out, "{}{default}", route.name)?;
                    for target in &route.targets {
                        let region = settings
                            .providers
                            .get(&target.provider)
                            .map_or("", |provider| &provider.region);
                        let price = settings.prices.of(&target.provider, &target.model);
                        let price = if price.is_some() { "" } else { ", without a price" };
                        writeln!(out, "  {}/{} in {region}{price}", target.provider, target.model)?;
                    }
                }
                let (agents, budgets) = (settings.agents.len(), settings.budgets.len());
                writeln!(
                    out,
                    "{agents} agents, {budgets} budgets, prices as of {}",
                    settings.prices.as_of
                )?;
                Ok(())
            }
        }
    }
}
