//! Each model of a route with the prompts: a gateway of its own, with that one place and nothing kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use engine::admission::Review;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::figures::{Figures, Used};
use super::gate::Gate;
use super::run::{Said, Words, run};
use crate::assembly::Denial;
use crate::audit::{self, Counts, Event, Kind, Log};
use crate::gateway::release::{Evaluated, Pair, Prompt};
use crate::gateway::{Gateway, GatewayMetrics, Guarding, Parts, Refused, Settings};
use crate::words::metrics::WordsMetrics;
use crate::words::{self, History, PromptId, Prompts, Unwritten, Verifier, Writer};

/// What is to be evaluated, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The gateway's file.
    pub(crate) gateway: PathBuf,
    /// Routes; all of their places are evaluated. None for the default one.
    pub(crate) routes: Vec<String>,
    /// The prompts.
    pub(crate) prompts: Prompts,
    /// Where books and the audit log are kept.
    pub(crate) state: PathBuf,
    /// What has to be explained.
    pub(crate) denials: Vec<Denial>,
    /// For each.
    pub(crate) deadline: Duration,
    /// So many at a time.
    pub(crate) parallel: usize,
    /// Asks for a change also where the engine has one.
    pub(crate) all_changes: bool,
    /// What figures have to come to.
    pub(crate) gate: Gate,
}

impl Plan {
    /// Evaluates all pairs, and records each in the audit log. `step` is told which pair it is and how many denials are done.
    pub(crate) async fn evaluated(&self, step: &mut dyn FnMut(&str, usize)) -> anyhow::Result<Evaluated> {
        let log = Log::open(
            &audit::Settings::beside(&self.state.join("evaluation.db")),
            Counts::default(),
        )
        .await?;
        let mut evaluated = Evaluated {
            api_version: Evaluated::API_VERSION.to_owned(),
            kind: Evaluated::KIND.to_owned(),
            at: jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string(),
            cases: digest(&self.denials),
            thresholds: self.gate.thresholds.clone(),
            pairs: Vec::new(),
        };
        let load = || Settings::load(&self.gateway).map_err(|problem| anyhow!(problem));
        let known = load()?;
        let routes = if self.routes.is_empty() {
            vec![known.default_route.clone()]
        } else {
            self.routes.clone()
        };
        for name in routes {
            let route = known
                .routes
                .get(&name)
                .with_context(|| format!("there is no route {name:?}"))?;
            for target in &route.targets {
                let mut settings = load()?;
                if let Some(route) = settings.routes.get_mut(&name) {
                    route.targets = vec![target.clone()];
                }
                settings.default_route.clone_from(&name);
                // Each answer is the model's own, whether or not it may speak elsewhere.
                settings.cache.entries = 0;
                settings.release = None;
                let label = format!("{}/{}", target.provider, target.model);
                let number = evaluated.pairs.len();
                let figures = self
                    .pair(settings, number, &log, &mut |done| step(&label, done))
                    .await?;
                let failures = self.gate.failures(&figures);
                let pair = Pair {
                    provider: target.provider.clone(),
                    model: target.model.clone(),
                    prompts: [&self.prompts.explain.id, &self.prompts.change.id].map(prompt).to_vec(),
                    passed: failures.is_empty(),
                    failures,
                    figures: serde_json::to_value(&figures)?,
                };
                let event = Event::new(Kind::EvaluationRun, pair.subject(), pair.described(&evaluated, None));
                log.append(event).await?;
                evaluated.pairs.push(pair);
            }
        }
        log.close().await;
        Ok(evaluated)
    }

    async fn pair(
        &self,
        settings: Settings,
        number: usize,
        log: &Log,
        step: &mut dyn FnMut(usize),
    ) -> anyhow::Result<Figures> {
        let gateway = Gateway::open(Parts {
            guards: Arc::new(Guarding {
                answer_bytes: settings.limits.answer_bytes,
            }),
            settings,
            // Books of its own: what is in them was spent here.
            database: self.state.join(format!("gateway-{number}.db")),
            kill_file: None,
            trail: Arc::new(log.clone()),
            metrics: GatewayMetrics::default(),
        })
        .await?;
        let before = used(&gateway).await?;
        let model = Model {
            plan: self,
            gateway: gateway.clone(),
            log: log.clone(),
        };
        let attempts = run(&model, &self.denials, self.deadline, self.parallel, step).await;
        gateway.drained().await;
        let after = used(&gateway).await?;
        gateway.close().await;
        let used = Used {
            input: after.input - before.input,
            output: after.output - before.output,
            nanodollars: after.nanodollars - before.nanodollars,
            unpriced: after.unpriced - before.unpriced,
        };
        Ok(Figures::of(&attempts, used))
    }
}

/// A model behind the gateway, asked as `whynot serve` asks it.
struct Model<'p> {
    plan: &'p Plan,
    gateway: Gateway,
    log: Log,
}

impl Words for Model<'_> {
    async fn words(&self, denial: &Denial, deadline: Instant) -> Said {
        let verifier = Verifier::Fixed(denial.set.clone());
        let (gateway, prompts) = (self.gateway.clone(), self.plan.prompts.clone());
        let metrics = WordsMetrics::default();
        let writer = Writer::new(gateway, prompts, self.log.clone(), verifier, metrics.clone());
        let mut asked = words::Denial {
            request: denial.request.clone(),
            review: Review::parse(&denial.review_bytes()).ok().map(Arc::new),
            team: "evaluation".to_owned(),
        };
        let said = writer.words(&asked, History { count: 1 }, deadline).await;
        if self.plan.all_changes {
            asked.request.fix = None;
        }
        let change = if writer.wants_change(&asked) {
            writer.change(&asked, deadline).await.ok()
        } else {
            None
        };
        let proposed = change.as_ref().is_some_and(|change| change.proposed);
        let fix = change.and_then(|change| change.fix);
        let shown = fix.map(|fix| serde_json::from_value(fix.patch).unwrap_or_default());
        // As it was counted when it was tried: what is shown is another question.
        let holds = metrics.verified() > 0;
        match said {
            Ok(words) => {
                let is_cut = words.is_cut;
                let lines = std::iter::once(words.text).chain(words.steps);
                Said {
                    words: Ok(lines.collect::<Vec<_>>().join("\n")),
                    is_cut,
                    proposed,
                    verified: holds,
                    shown,
                }
            }
            Err(unwritten) => Said {
                words: Err(nothing(&unwritten)),
                is_cut: false,
                proposed,
                verified: holds,
                shown,
            },
        }
    }
}

/// Why, and which guard it was.
fn nothing(unwritten: &Unwritten) -> (String, Option<String>) {
    let guard = match unwritten {
        Unwritten::Refused(Refused::Guard { guard, inbound: false }) => Some(guard.clone()),
        _ => None,
    };
    (unwritten.reason().to_owned(), guard)
}

async fn used(gateway: &Gateway) -> anyhow::Result<Used> {
    let mut used = Used::default();
    for row in gateway.usage("").await? {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        used.input += number(row.input);
        used.output += number(row.output);
        used.nanodollars += number(row.nanodollars);
        used.unpriced += number(row.unpriced);
    }
    Ok(used)
}

fn prompt(id: &PromptId) -> Prompt {
    Prompt {
        name: id.name.clone(),
        version: id.version,
        hash: id.hash.clone(),
    }
}

/// Which denials there were.
fn digest(denials: &[Denial]) -> String {
    let names: Vec<&str> = denials.iter().map(|denial| denial.name.as_str()).collect();
    data_encoding::HEXLOWER.encode(&Sha256::digest(json!(names).to_string()))
}
