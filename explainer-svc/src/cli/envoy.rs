//! `whynot envoy`: Envoy's configuration from a template, with the filter's own configuration in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use engine::admission::MAX_REVIEW_BYTES;
use engine::context::Context;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use serde_json::{Value, json};

use super::{Failed, Streams, files, wrap};
use crate::delivery;

const WASM_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const STRING_VALUE: &str = "type.googleapis.com/google.protobuf.StringValue";

#[derive(Debug, Subcommand)]
pub(crate) enum EnvoyCommand {
    /// Renders Envoy's configuration: a template, the policies and the context in, JSON out.
    ///
    /// `${NAME}` and `${NAME:default}` in the template's strings are replaced, from --set first and then from the environment.
    /// A dollar sign in a string with a variable is written `\$`. The configuration of every Wasm HTTP filter in the template is
    /// replaced by the filter's.
    Render(RenderArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Envoy's configuration in YAML.
    #[arg(long, value_name = "FILE")]
    template: PathBuf,
    /// The bundle that `whynot policy build` wrote, or the explainer's --state-dir, in which it keeps the last good one. With
    /// --live-policies it is what serves until the explainer has answered; without it, or when nothing is there, Envoy is not
    /// ready until then.
    #[arg(long, value_name = "PATH", required_unless_present = "live_policies")]
    bundle: Option<PathBuf>,
    /// What policies may know about the cluster, in YAML or JSON. With --live-context it counts until the explainer has answered.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Take up the policies that the explainer serves, while Envoy runs.
    #[arg(long, conflicts_with = "no_explainer")]
    live_policies: bool,
    /// Take up the context that the explainer serves, and ask it for a namespace that is not in there.
    #[arg(long, conflicts_with = "no_explainer")]
    live_context: bool,
    /// How long the explainer may hold an answer back until there is something new; 0: it is asked again and again.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=30))]
    live_wait_seconds: u64,
    /// How long to wait before asking again, after a failure or when answers are not held back.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    live_pause_ms: u64,
    /// How old the context may be. One that is older is not used, and policies that need it fail.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    max_context_age_seconds: u64,
    /// Let the filter answer with its own words only.
    #[arg(long)]
    no_explainer: bool,
    /// The cluster of the template that leads to the explainer.
    #[arg(long, value_name = "NAME", default_value = "explainer")]
    explainer_cluster: String,
    /// How long the filter waits for the explainer, at most.
    #[arg(long, value_name = "MS", default_value_t = 800, value_parser = clap::value_parser!(u64).range(1..=30_000))]
    explainer_timeout_ms: u64,
    /// A file with the token that the filter shows the explainer, as one that was started with --api-token-file asks for. What is
    /// written holds it: keep that from whoever may not ask for words.
    #[arg(long, value_name = "FILE", conflicts_with = "no_explainer")]
    explainer_token_file: Option<PathBuf>,
    /// Send the explainer the whole review where no change was found, so that a change which a model proposes can be tried there
    /// (docs/models.md). Reviews of Secrets never are. Without it no object leaves Envoy.
    #[arg(long, conflicts_with = "no_explainer")]
    explainer_object: bool,
    /// How much of the webhook's own deadline is kept for the way back.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    margin_ms: u64,
    /// The largest review that is evaluated; a larger one is refused.
    #[arg(long, value_name = "N", default_value_t = 8_388_608, value_parser = clap::value_parser!(u64).range(1024..=MAX_REVIEW_BYTES as u64))]
    max_body_bytes: u64,
    /// A webhook behind this one, as NAME=HOST:PORT[/PATH],ca=FILE[,sni=NAME][,client-cert=FILE,client-key=FILE][,policies=no];
    /// repeatable.
    ///
    /// What comes to /wrap/NAME/REST, and what the policies allow, goes on to https://HOST:PORT/PATH/REST; what it denies is
    /// explained. Its certificate must be signed by the authority in FILE and be for HOST, or for the name after sni. With
    /// policies=no the policies are not asked first, as fits a webhook that changes objects. Files are those that Envoy sees.
    #[arg(long = "wrap", value_name = "WEBHOOK", value_parser = wrap::parse)]
    wraps: Vec<wrap::Wrap>,
    /// A variable of the template; repeatable.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// A file of its own for the listeners, and the policies with them: Envoy takes up what replaces it, without a restart and
    /// whole or not at all. An absolute path, as Envoy sees it.
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    listeners: Option<PathBuf>,
    /// The file to write; Envoy reads it as JSON when it ends in .json. `-` for standard output.
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
}

impl EnvoyCommand {
    pub(crate) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Render(args) => render(&args, streams),
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() && path.file_name().is_some() {
        Ok(path)
    } else {
        Err("expected an absolute path of a file".to_owned())
    }
}

fn render(args: &RenderArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let mut envoy: Value = serde_saphyr::from_str(&files::read(&args.template)?)
        .map_err(|error| anyhow::anyhow!("{}: {error}", args.template.display()))?;
    let variables = Variables(args.variables.iter().cloned().collect());
    substitute(&mut envoy, &variables, "").map_err(|error| anyhow::anyhow!("{}: {error}", args.template.display()))?;

    wrap::add(&mut envoy, &args.wraps).map_err(|error| anyhow::anyhow!("{}: {error}", args.template.display()))?;
    let mut configuration = filter_configuration(args)?;
    if let Some(members) = configuration.as_object_mut() {
        members.insert("wrapped".to_owned(), wrap::configuration(&envoy, &args.wraps));
    }
    let value = json!({"@type": STRING_VALUE, "value": configuration.to_string()});
    if configure_filters(&mut envoy, &value) == 0 {
        return Err(anyhow::anyhow!(
            "{}: no Wasm HTTP filter found; expected a typed_config with @type {WASM_FILTER}",
            args.template.display()
        )
        .into());
    }
    if !args.no_explainer && !has_cluster(&envoy, &args.explainer_cluster) {
        return Err(anyhow::anyhow!(
            "{}: no cluster {:?} among static_resources.clusters; add it, name another with --explainer-cluster, or use --no-explainer",
            args.template.display(),
            args.explainer_cluster
        )
        .into());
    }
    if let Some(path) = &args.listeners {
        let listeners = take_listeners(
            &mut envoy,
            path,
            configuration.pointer("/bundle/revision").unwrap_or(&Value::Null),
        );
        let text = serde_json::to_string_pretty(&listeners)?;
        files::write(path, (text + "\n").as_bytes(), streams)?;
    }
    let text = serde_json::to_string_pretty(&envoy)?;
    files::write(&args.out, (text + "\n").as_bytes(), streams)
}

/// Takes the listeners out of the configuration, which then names the file where they are.
fn take_listeners(envoy: &mut Value, path: &Path, revision: &Value) -> Value {
    let listeners = envoy.pointer_mut("/static_resources/listeners").map(Value::take);
    let mut resources = match listeners {
        Some(Value::Array(listeners)) => listeners,
        _ => Vec::new(),
    };
    for listener in resources.iter_mut().filter_map(Value::as_object_mut) {
        listener.insert("@type".to_owned(), json!(LISTENER));
    }
    if let Some(members) = envoy.get_mut("static_resources").and_then(Value::as_object_mut) {
        members.remove("listeners");
    }
    // The folder is watched, and not the file: Kubernetes replaces a mounted ConfigMap by turning a link beside it.
    let source = json!({"path": path, "watched_directory": {"path": path.parent()}});
    let lds = json!({"resource_api_version": "V3", "path_config_source": source});
    if let Some(members) = envoy.as_object_mut() {
        let dynamic = members.entry("dynamic_resources").or_insert_with(|| json!({}));
        if let Some(dynamic) = dynamic.as_object_mut() {
            dynamic.insert("lds_config".to_owned(), lds);
        }
    }
    json!({"version_info": revision, "resources": resources})
}

/// The filter's configuration, with a bundle and a context that were checked.
fn filter_configuration(args: &RenderArgs) -> Result<Value, Failed> {
    let context = args.context.as_deref().map(files::context).transpose()?;
    let bundle = match &args.bundle {
        // Nobody has written it yet: the explainer keeps it once it has policies.
        Some(path) if args.live_policies && !path.exists() => None,
        Some(path) if path.is_dir() => kept_bundle(path, args.live_policies)?,
        Some(path) => Some(checked_bundle(path, context.clone().unwrap_or_default())?),
        None => None,
    };
    let live = (args.live_policies || args.live_context).then(|| {
        json!({
            "cluster": args.explainer_cluster, "authority": args.explainer_cluster, "path": "/v1",
            "policies": args.live_policies, "context": args.live_context,
            "waitSeconds": args.live_wait_seconds, "pauseMs": args.live_pause_ms,
            "maxContextAgeSeconds": args.max_context_age_seconds,
        })
    });
    let mut explainer = (!args.no_explainer).then(|| {
        json!({
            "cluster": args.explainer_cluster, "authority": args.explainer_cluster, "path": "/v1/explain",
            "timeoutMs": args.explainer_timeout_ms, "marginMs": args.margin_ms,
        })
    });
    if let Some(path) = &args.explainer_token_file
        && let Some(members) = explainer.as_mut().and_then(Value::as_object_mut)
    {
        members.insert("token".to_owned(), token(path)?.into());
    }
    if args.explainer_object
        && let Some(members) = explainer.as_mut().and_then(Value::as_object_mut)
    {
        members.insert("object".to_owned(), true.into());
    }
    Ok(json!({
        "bundle": bundle, "context": context,
        "validatePath": "/validate", "wrapPrefix": "/wrap/", "maxBodyBytes": args.max_body_bytes,
        "explainer": explainer, "live": live,
    }))
}

/// The last good bundle of an explainer, which it has compiled.
fn kept_bundle(folder: &Path, may_come_later: bool) -> Result<Option<Value>, Failed> {
    let kept = delivery::last_good(folder).map_err(|error| anyhow::anyhow!("{}: {error}", folder.display()))?;
    match kept {
        Some(kept) => Ok(Some(serde_json::from_slice(&kept.json)?)),
        None if may_come_later => Ok(None),
        None => Err(anyhow::anyhow!("{}: no policies are kept in this folder", folder.display()).into()),
    }
}

/// The token of a file, as a header can have it.
fn token(path: &Path) -> Result<String, Failed> {
    let text = files::read(path)?;
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        let expected = "expected a token alone, without blanks; make one with: openssl rand -hex 32";
        return Err(anyhow::anyhow!("{}: {expected}", path.display()).into());
    }
    Ok(token.to_owned())
}

/// The bundle as it was written, once it compiles: Envoy would only say so in its log.
fn checked_bundle(path: &Path, context: Context) -> Result<Value, Failed> {
    let text = files::read(path)?;
    let problems = match Bundle::from_json(text.as_bytes()) {
        Ok(bundle) => match compile(&bundle, context) {
            Ok(_) => return Ok(serde_json::from_str(&text)?),
            Err(problems) => problems,
        },
        Err(problems) => problems,
    };
    Err(anyhow::anyhow!(
        "{}: the bundle is not usable:\n{}",
        path.display(),
        engine::policy::list(&problems)
    )
    .into())
}

/// `--set` before the environment.
struct Variables(BTreeMap<String, String>);

impl<'a> subst::VariableMap<'a> for Variables {
    type Value = String;

    fn get(&'a self, name: &str) -> Option<String> {
        self.0.get(name).cloned().or_else(|| std::env::var(name).ok())
    }
}

/// Replaces the variables in every string below `value`. A string without `${` is left alone, so that regular expressions need
/// no escapes. `path` is where in the template we are, for the error.
fn substitute(value: &mut Value, variables: &Variables, path: &str) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains("${") => {
            *text = subst::substitute(text, variables).map_err(|error| {
                let remedy = match &error {
                    subst::Error::NoSuchVariable(missing) => format!("; give it with --set {}=VALUE", missing.name),
                    _ => String::new(),
                };
                format!("at {path}: {error}{remedy}")
            })?;
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                substitute(item, variables, &format!("{path}/{index}"))?;
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                substitute(member, variables, &format!("{path}/{key}"))?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Sets `config.configuration` of every Wasm HTTP filter below `value`; how many there are.
fn configure_filters(value: &mut Value, configuration: &Value) -> usize {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .map(|item| configure_filters(item, configuration))
            .sum(),
        Value::Object(members) => {
            if members.get("@type").and_then(Value::as_str) == Some(WASM_FILTER) {
                let config = members.entry("config").or_insert_with(|| json!({}));
                if let Some(config) = config.as_object_mut() {
                    config.insert("configuration".to_owned(), configuration.clone());
                    return 1;
                }
                return 0;
            }
            members
                .values_mut()
                .map(|member| configure_filters(member, configuration))
                .sum()
        }
        _ => 0,
    }
}

fn has_cluster(envoy: &Value, name: &str) -> bool {
    let clusters = envoy.pointer("/static_resources/clusters").and_then(Value::as_array);
    clusters.is_some_and(|clusters| {
        clusters
            .iter()
            .any(|cluster| cluster.get("name").and_then(Value::as_str) == Some(name))
    })
}
