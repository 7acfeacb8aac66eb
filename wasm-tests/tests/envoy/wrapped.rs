//! A webhook behind the filter, by a route of Envoy's.

use std::fs;

use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};

use crate::fake::{Fake, Manner};
use crate::support::{Envoy, Explainer, settings};

/// The place in the template before the route that answers everything else.
const LAST_ROUTE: &str = "                        - match: {prefix: /}\n";

#[test]
fn what_is_allowed_reaches_the_webhook_behind_and_what_is_denied_does_not() {
    let bundle = policies(&[PRIVILEGED]);
    let mut settings = settings("wrapped", &bundle, Explainer::Other);
    settings.render_arguments.push("--no-explainer".to_owned());
    // The test plays the webhook on the explainer's port, which has a cluster already.
    let template = fs::read_to_string(&settings.envoy_template).unwrap();
    let route = "                        - match: {prefix: /wrap/behind/}\n                          \
                 route: {cluster: explainer, prefix_rewrite: /, timeout: 5s}\n";
    let routed = template.replacen(LAST_ROUTE, &format!("{route}{LAST_ROUTE}"), 1);
    assert_ne!(template, routed);
    settings.envoy_template = settings.run_dir.with_extension("envoy.yaml");
    fs::write(&settings.envoy_template, routed).unwrap();
    let template = settings.envoy_template.clone();
    let webhook = Fake::listen(settings.ports.explainer);
    webhook.behave(Manner::Answer(200, b"the webhook's own answer".to_vec()));
    let envoy = Envoy::with(settings, &bundle);
    fs::remove_file(template).unwrap();

    let reply = envoy.review_at("/wrap/behind/admit", &review_bytes(&pod(false)));
    assert_eq!((reply.status, reply.text().as_str()), (200, "the webhook's own answer"));
    assert_eq!(webhook.asked(), 1);

    let reply = envoy.review_at("/wrap/behind/admit", &review_bytes(&pod(true)));
    assert!(!reply.is_allowed());
    assert_eq!(webhook.asked(), 1, "a denied review goes no further");

    let reply = envoy.review_at("/wrap/nobody/admit", &review_bytes(&pod(false)));
    assert_eq!(reply.status, 404, "without a route nothing says \"allowed\"");
}
