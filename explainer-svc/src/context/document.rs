//! The context as a document: what is kept, written out in one go, and named by its content.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use engine::context::Context;
use sha2::{Digest as _, Sha256};

use super::objects::{Key, View};
use super::watched::Watched;
use crate::config::Document;

/// A context as it is given to others: named by 12 hex digits of its content's SHA-256.
pub(super) fn named(json: Vec<u8>) -> Document {
    let digest = Sha256::digest(&json);
    let name = HEXLOWER.encode(digest.get(..6).unwrap_or_default());
    Document::named(json, &name)
}

/// A context that is known as a whole.
pub(super) fn fixed(context: &Context) -> Result<Document, serde_json::Error> {
    Ok(named(serde_json::to_vec(context)?))
}

/// The context of a cluster: what does not come from it, and the objects of its watches.
pub(super) fn of_cluster(rest: &Context, watches: &[Arc<Watched>]) -> Result<Document, serde_json::Error> {
    let mut namespaces = Vec::new();
    // apiVersion, kind -> name -> text, for the cluster and for each namespace.
    let mut of_the_cluster: Objects = BTreeMap::new();
    let mut in_namespaces: BTreeMap<String, Objects> = BTreeMap::new();
    for watched in watches.iter().filter(|watched| watched.is_listed()) {
        match watched.view {
            View::Namespaces => namespaces = watched.all(),
            View::Inventory => {
                let api_version = watched.kind.api_version();
                for ((namespace, name), text) in watched.all() {
                    let place = if namespace.is_empty() {
                        &mut of_the_cluster
                    } else {
                        in_namespaces.entry(namespace).or_default()
                    };
                    let kinds = place.entry(api_version.clone()).or_default();
                    kinds.entry(watched.kind.kind.clone()).or_default().insert(name, text);
                }
            }
            View::Sync => {}
        }
    }

    let mut json = Vec::new();
    json.extend_from_slice(b"{\"namespaces\":");
    let namespaces = namespaces.into_iter().map(|((_, name), text): (Key, _)| (name, text));
    object(&mut json, namespaces, text)?;
    json.extend_from_slice(b",\"cluster\":");
    serde_json::to_writer(&mut json, &rest.cluster)?;
    json.extend_from_slice(b",\"teams\":");
    serde_json::to_writer(&mut json, &rest.teams)?;
    json.extend_from_slice(b",\"inventory\":{\"cluster\":");
    objects(&mut json, of_the_cluster)?;
    json.extend_from_slice(b",\"namespace\":");
    object(&mut json, in_namespaces, objects)?;
    json.extend_from_slice(b"}}");
    Ok(named(json))
}

type Objects = BTreeMap<String, BTreeMap<String, BTreeMap<String, Arc<str>>>>;

fn objects(json: &mut Vec<u8>, objects: Objects) -> Result<(), serde_json::Error> {
    object(json, objects, |json, kinds| {
        object(json, kinds, |json, names| object(json, names, text))
    })
}

/// An object that is JSON already.
#[expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "one of several ways to write a member"
)]
fn text(json: &mut Vec<u8>, text: Arc<str>) -> Result<(), serde_json::Error> {
    json.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writes members whose values are written by somebody else: they are JSON already, and not parsed again.
fn object<V>(
    json: &mut Vec<u8>,
    members: impl IntoIterator<Item = (String, V)>,
    mut write: impl FnMut(&mut Vec<u8>, V) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    json.push(b'{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        serde_json::to_writer(&mut *json, &name)?;
        json.push(b':');
        write(json, value)?;
    }
    json.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::health::Pulse;
    use super::super::objects::Budget;
    use super::*;

    #[tokio::test]
    async fn a_clusters_context_is_one_that_the_engine_reads() {
        let budget = Arc::new(Budget::new(100, 100_000));
        let pulse = Arc::new(Pulse::default());
        let watch = |kind: &str, view| {
            let kind = kind.parse().unwrap();
            Arc::new(Watched::new(kind, view, Arc::clone(&budget), Arc::clone(&pulse)))
        };
        let all = [
            watch("v1/Namespace", View::Namespaces),
            watch("networking.k8s.io/v1/Ingress", View::Inventory),
            watch("v1/Node", View::Inventory),
            watch("v1/Pod", View::Inventory),
        ];
        let put = |index: usize, objects: &[serde_json::Value]| {
            let watched: &Arc<Watched> = &all[index];
            for object in objects {
                watched.put(object.clone()).unwrap();
            }
        };
        put(
            0,
            &[
                json!({"metadata": {"name": "shop \"x\"", "labels": {"team": "a"}}}),
                json!({"metadata": {"name": "b"}}),
            ],
        );
        put(
            1,
            &[json!({"metadata": {"name": "web", "namespace": "b"}, "spec": {"rules": [{"host": "a.example"}]}})],
        );
        put(2, &[json!({"metadata": {"name": "n1"}})]);
        put(3, &[json!({"metadata": {"name": "not-listed-yet", "namespace": "b"}})]);
        let keys = |names: &[(&str, &str)]| -> BTreeSet<Key> {
            names.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        all[0].listed(&keys(&[("", "shop \"x\""), ("", "b")]));
        all[1].listed(&keys(&[("b", "web")]));
        all[2].listed(&keys(&[("", "n1")]));

        let rest: Context =
            serde_json::from_value(json!({"cluster": {"name": "dev"}, "teams": {"t": {"namespaces": ["b"]}}})).unwrap();
        let document = of_cluster(&rest, &all).unwrap();
        let context: Context = serde_json::from_slice(&document.json).unwrap();
        assert_eq!(context.namespaces["shop \"x\""].labels["team"], "a");
        assert_eq!(context.namespaces.len(), 2);
        assert_eq!((context.cluster.name.as_str(), context.teams.len()), ("dev", 1));
        assert_eq!(
            context.inventory,
            json!({"cluster": {"v1": {"Node": {"n1": {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}}}},
                "namespace": {"b": {"networking.k8s.io/v1": {"Ingress": {"web": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                    "metadata": {"name": "web", "namespace": "b"}, "spec": {"rules": [{"host": "a.example"}]}}}}}}})
        );
        assert_eq!(document.etag.len(), 14, "{}", document.etag);
        assert_eq!(
            of_cluster(&rest, &all).unwrap().etag,
            document.etag,
            "the same content, the same name"
        );
        put(2, &[json!({"metadata": {"name": "n2"}})]);
        assert_ne!(of_cluster(&rest, &all).unwrap().etag, document.etag);
    }
}
