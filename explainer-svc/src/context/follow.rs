//! List, watch, and again: one kind's loop against the API server.
//!
//! Not kube's own watcher: it reports neither bookmarks nor that a watch was resumed, so nobody could tell a watch that is quiet
//! from one that is broken.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder as _;
use futures_util::TryStreamExt as _;
use kube::api::{ListParams, WatchParams};
use kube::core::{Request, WatchEvent};
use kube::{Client, Error};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::cluster::{Resource, reason};
use super::objects::{Objects, View};
use super::watched::Watched;

/// Objects in one answer.
const PAGE: u32 = 500;
/// How long the API server may take for one page.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take to begin a watch, or to say what kinds it has. Short, because an idle connection may hang that an
/// interruption has left.
const BEGIN: Duration = Duration::from_secs(5);
/// After how many seconds the API server ends a watch, so that it is begun anew. Not the same for all kinds.
const WATCH_SECONDS: u32 = 240;
/// How much later the end has to have arrived.
const MARGIN: Duration = Duration::from_secs(5);
/// What was missed while a watch was down arrives at once when it is resumed: before the answer to a question that is asked after it
/// was begun, or so much later. What reached the version of that answer proves it; a bookmark does, once a minute.
const QUIET: Duration = Duration::from_millis(100);
/// How often a kind that the cluster does not have is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// How often to try what is refused, rather than out of reach.
const REFUSED: Duration = Duration::from_secs(5);
/// After so many refusals in a row the objects are listed anew: the version may be of another life of the cluster.
const MAX_REFUSALS: u32 = 3;

/// What a watch goes on from.
#[derive(Debug, Default)]
struct Place {
    resource: Option<Resource>,
    version: Option<String>,
    refusals: u32,
}

/// Why a watch does not go on.
#[derive(Debug)]
struct Stopped {
    reason: String,
    /// To be tried less often.
    is_refused: bool,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        let is_refused = matches!(&error, Error::Api(status) if matches!(status.code, 401 | 403));
        let reason = reason(&error);
        Self { reason, is_refused }
    }
}

impl Stopped {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_refused: false,
        }
    }

    fn refused(reason: String) -> Self {
        Self {
            reason,
            is_refused: true,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    metadata: PageMetadata,
    /// Null when there are none and only metadata was asked for.
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: Option<String>,
}

/// Keeps a kind's objects as the cluster has them, until it is aborted.
pub(super) async fn follow(client: Client, watched: Arc<Watched>) {
    let mut reconnects = watched.pulse.reconnects();
    let mut place = Place::default();
    let mut pauses = pauses();
    loop {
        let begun = Instant::now();
        let stopped = once(&client, &watched, &mut place, &mut reconnects).await;
        let lasted = begun.elapsed() > Duration::from_secs(5);
        if lasted {
            pauses = self::pauses();
        }
        let pause = match stopped {
            // The API server's own end of a watch: resumed at once, unless it ends them all the time.
            Ok(()) if lasted || place.resource.is_none() => continue,
            Ok(()) => pauses.next(),
            Err(stopped) => {
                watched.failed(&stopped.reason);
                if stopped.is_refused {
                    Some(REFUSED)
                } else {
                    pauses.next()
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause.unwrap_or(REFUSED)) => {}
            _ = reconnects.changed() => {}
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(3))
        .with_jitter()
        .without_max_times()
        .build()
}

/// As far as it goes.
async fn once(
    client: &Client,
    watched: &Watched,
    place: &mut Place,
    reconnects: &mut watch::Receiver<u64>,
) -> Result<(), Stopped> {
    let Some(resource) = resource(client, watched, place).await? else {
        watched.absent();
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = reconnects.changed() => {}
        }
        return Ok(());
    };
    let request = Request::new(resource.path(&watched.kind));
    let version = match place.version.clone() {
        Some(version) => version,
        None => list(client, watched, &request).await.map_err(|error| {
            if error.is_gone() {
                place.resource = None;
            }
            error.stopped()
        })?,
    };
    place.version = Some(version.clone());
    changes(client, watched, &request, place, reconnects).await
}

/// Where the kind's objects are; asked for once.
async fn resource(client: &Client, watched: &Watched, place: &mut Place) -> Result<Option<Resource>, Stopped> {
    if place.resource.is_none() {
        let asked = timeout(BEGIN, Resource::discover(client, &watched.kind)).await;
        place.resource = match asked {
            Ok(Ok(found)) => found,
            Ok(Err(reason)) => {
                watched.interrupted(Instant::now());
                return Err(Stopped::new(reason));
            }
            Err(_) => return Err(Stopped::new("the API server does not say what kinds it has")),
        };
        place.version = None;
    }
    Ok(place.resource.clone())
}

enum ListError {
    Api(Error),
    Late,
    Full(String),
}

impl ListError {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Api(Error::Api(status)) if status.code == 404)
    }

    fn stopped(self) -> Stopped {
        match self {
            Self::Api(error) => error.into(),
            Self::Late => Stopped::new("the API server did not list the objects in time"),
            Self::Full(reason) => Stopped::refused(reason),
        }
    }
}

/// A question that the API server answers after it has begun the watch: how long that takes is how slow the way is now. With the
/// version that the cluster has then.
async fn answered(client: &Client, watched: &Watched, request: &Request) -> Result<String, Stopped> {
    let parameters = ListParams::default().limit(1);
    let asked = if is_metadata(watched) {
        request.list_metadata(&parameters)
    } else {
        request.list(&parameters)
    };
    let asked = asked.map_err(Error::BuildRequest)?;
    match timeout(BEGIN, client.request::<Page>(asked)).await {
        Ok(Ok(page)) => Ok(page.metadata.resource_version),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Stopped::new("the API server began a watch and answers nothing")),
    }
}

/// Reads all objects, page by page, and says which version of the cluster they are of.
async fn list(client: &Client, watched: &Watched, request: &Request) -> Result<String, ListError> {
    let mut listed = BTreeSet::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let asked = if is_metadata(watched) {
            request.list_metadata(&parameters)
        } else {
            request.list(&parameters)
        };
        let asked = asked.map_err(|error| ListError::Api(Error::BuildRequest(error)))?;
        let page = timeout(ANSWER, client.request::<Page>(asked)).await;
        let page = page.map_err(|_| ListError::Late)?.map_err(ListError::Api)?;
        for object in page.items.into_iter().flatten() {
            listed.insert(Objects::key(&object));
            watched.put(object).map_err(ListError::Full)?;
        }
        match page.metadata.r#continue {
            Some(token) if !token.is_empty() => parameters.continue_token = Some(token),
            _ => {
                watched.listed(&listed);
                return Ok(page.metadata.resource_version);
            }
        }
    }
}

fn is_metadata(watched: &Watched) -> bool {
    watched.view == View::Namespaces || watched.kind.is_secret()
}

/// Takes changes as they are made, until the watch ends.
async fn changes(
    client: &Client,
    watched: &Watched,
    request: &Request,
    place: &mut Place,
    reconnects: &mut watch::Receiver<u64>,
) -> Result<(), Stopped> {
    let spread = watched.kind.kind.bytes().map(u32::from).sum::<u32>() % 40;
    let seconds = WATCH_SECONDS + spread;
    let parameters = WatchParams::default().timeout(seconds);
    let version = place.version.clone().unwrap_or_default();
    let asked = if is_metadata(watched) {
        request.watch_metadata(&parameters, &version)
    } else {
        request.watch(&parameters, &version)
    };
    let asked = asked.map_err(Error::BuildRequest)?;
    let stream = timeout(BEGIN, client.request_events::<Value>(asked)).await;
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(begin_failed(watched, place, error)),
        Err(_) => {
            watched.interrupted(Instant::now());
            return Err(Stopped::new("the API server did not begin the watch in time"));
        }
    };
    let mut stream = pin!(stream);
    let mut answer = pin!(answered(client, watched, request));
    let mut goal: Option<String> = None;
    let mut is_caught_up = false;
    let idle = Duration::from_secs(seconds.into()) + MARGIN;
    let mut proof = Instant::now();
    loop {
        if !is_caught_up && goal.as_deref().is_some_and(|goal| is_reached(place, goal)) {
            is_caught_up = true;
            caught_up(watched, place);
        }
        let patience = if goal.is_some() && !is_caught_up { QUIET } else { idle };
        let next = tokio::select! {
            answer = &mut answer, if goal.is_none() => {
                goal = Some(answer.inspect_err(|_| watched.interrupted(Instant::now()))?);
                continue;
            }
            next = timeout(patience, stream.try_next()) => next,
            _ = reconnects.changed() => return Ok(()),
        };
        let event = match next {
            Err(_) if goal.is_some() && !is_caught_up => {
                is_caught_up = true;
                caught_up(watched, place);
                continue;
            }
            Err(_) => {
                watched.interrupted(proof);
                return Err(Stopped::new("the watch was silent for longer than it may last"));
            }
            Ok(Err(error)) => {
                watched.interrupted(Instant::now());
                return Err(error.into());
            }
            Ok(Ok(None)) => {
                watched.interrupted(Instant::now());
                return Ok(());
            }
            Ok(Ok(Some(event))) => event,
        };
        proof = Instant::now();
        take(watched, place, event).inspect_err(|_| watched.interrupted(proof))?;
    }
}

fn caught_up(watched: &Watched, place: &mut Place) {
    place.refusals = 0;
    watched.live();
}

/// Versions are numbers that grow; where they are not, nothing is proven by them.
fn is_reached(place: &Place, goal: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    let at = place.version.as_deref().and_then(number);
    at.is_some_and(|at| number(goal).is_some_and(|goal| at >= goal))
}

/// One event of a watch.
fn take(watched: &Watched, place: &mut Place, event: WatchEvent<Value>) -> Result<(), Stopped> {
    let version = |object: &Value| {
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        version.map(str::to_owned)
    };
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            let at = version(&object);
            watched.put(object).map_err(|reason| {
                // Nothing of what follows may be taken for the whole.
                place.version = None;
                Stopped::refused(reason)
            })?;
            place.version = at;
        }
        WatchEvent::Deleted(object) => {
            watched.remove(&object);
            place.version = version(&object);
        }
        WatchEvent::Bookmark(bookmark) => place.version = Some(bookmark.metadata.resource_version),
        WatchEvent::Error(status) => {
            place.version = None;
            return Err(Error::Api(status).into());
        }
    }
    Ok(())
}

/// A watch that could not be begun.
fn begin_failed(watched: &Watched, place: &mut Place, error: Error) -> Stopped {
    watched.interrupted(Instant::now());
    if let Error::Api(status) = &error {
        place.refusals += 1;
        match status.code {
            // The version is too old to go on from.
            410 => place.version = None,
            // The definition of the kind is gone.
            404 => *place = Place::default(),
            _ if place.refusals >= MAX_REFUSALS => *place = Place::default(),
            _ => {}
        }
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_has_no_items_in_three_ways() {
        for items in ["", r#", "items": null"#, r#", "items": []"#] {
            let page = format!(r#"{{"metadata": {{"resourceVersion": "7"}}{items}}}"#);
            let page: Page = serde_json::from_str(&page).unwrap();
            assert!(page.items.into_iter().flatten().next().is_none());
            assert_eq!(page.metadata.resource_version, "7");
        }
    }

    /// An API server on a slow way: everything takes this long to arrive.
    async fn slow(delay: Duration) -> Client {
        use axum::Router;
        use axum::body::Body;
        use axum::http::Uri;
        use futures_util::stream::{self, StreamExt as _};

        let answer = move |uri: Uri| async move {
            let is_watch = uri.query().is_some_and(|query| query.contains("watch=true"));
            if !is_watch {
                tokio::time::sleep(delay).await;
                return Body::from(r#"{"metadata": {"resourceVersion": "9"}, "items": []}"#);
            }
            let missed = serde_json::json!({"type": "ADDED", "object": {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "missed", "namespace": "a", "resourceVersion": "7"}
            }});
            let missed = stream::once(async move {
                tokio::time::sleep(delay).await;
                Ok::<_, std::convert::Infallible>(format!("{missed}\n"))
            });
            Body::from_stream(missed.chain(stream::pending()))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap()
    }

    #[tokio::test]
    async fn a_resumed_watch_is_live_only_with_what_was_missed_however_slow_the_way_is() {
        use super::super::health::Pulse;
        use super::super::kinds::Kind;
        use super::super::objects::Budget;
        use super::super::watched::Phase;

        let client = slow(Duration::from_millis(500)).await;
        let kind = Kind {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Service".to_owned(),
        };
        let budget = Arc::new(Budget::new(10, 10_000));
        let watched = Arc::new(Watched::new(kind, View::Inventory, budget, Arc::new(Pulse::default())));
        let resuming = Arc::clone(&watched);
        let running = tokio::spawn(async move {
            let mut place = Place {
                resource: Some(Resource {
                    plural: "services".to_owned(),
                }),
                version: Some("5".to_owned()),
                refusals: 0,
            };
            let mut reconnects = resuming.pulse.reconnects();
            once(&client, &resuming, &mut place, &mut reconnects).await
        });
        let begun = Instant::now();
        while watched.figures().phase != Phase::Live {
            assert!(begun.elapsed() < Duration::from_secs(10) && !running.is_finished());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(watched.all().len(), 1, "live without what was missed");
        running.abort();
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pauses: Vec<Duration> = pauses().take(20).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| *pause >= Duration::from_millis(100) && *pause <= Duration::from_secs(6))
        );
        assert!(pauses.last().is_some_and(|pause| *pause >= Duration::from_secs(3)));
    }
}
