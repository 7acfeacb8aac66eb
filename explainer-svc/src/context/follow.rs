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
/// What was missed while a watch was down arrives at once when it is resumed; when nothing has for so long, nothing was.
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
    let mut is_caught_up = false;
    let idle = Duration::from_secs(seconds.into()) + MARGIN;
    let mut proof = Instant::now();
    loop {
        let patience = if is_caught_up { idle } else { QUIET };
        let next = tokio::select! {
            next = timeout(patience, stream.try_next()) => next,
            _ = reconnects.changed() => return Ok(()),
        };
        let event = match next {
            Err(_) if !is_caught_up => {
                is_caught_up = true;
                place.refusals = 0;
                watched.live();
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
