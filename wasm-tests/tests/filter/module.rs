//! What the module asks of the proxy, and how big it is.

use wasm_tests::host::{FilterModule, filter_module};

/// Envoy compiles it once per worker when it starts. The search for fixes and Kubernetes' schema are a fifth of it.
const SIZE_BUDGET: usize = 6 * 1024 * 1024 + 768 * 1024;

fn filter() -> &'static FilterModule {
    filter_module().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn it_imports_proxy_wasm_functions_and_nothing_else() {
    let others: Vec<_> = filter()
        .imports()
        .into_iter()
        .filter(|(module, name)| module != "env" || !name.starts_with("proxy_"))
        .collect();
    assert!(
        others.is_empty(),
        "a proxy has no {others:?}: no clock, no files, no randomness, no JavaScript"
    );
}

#[test]
fn it_stays_within_its_size() {
    let size = filter().size();
    assert!(size <= SIZE_BUDGET, "{size} bytes, of {SIZE_BUDGET}");
}
