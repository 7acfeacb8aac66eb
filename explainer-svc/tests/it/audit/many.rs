//! A million leaves: how fast, and provable without the service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use explainer_svc::audit::verify::inclusion;
use explainer_svc::audit::{Log, SignedCheckpoint};

use super::{Folder, event};

const LEAVES: u64 = 1_000_000;
const TASKS: u64 = 2000;

/// Each task waits for one leaf before it appends the next one.
async fn append(log: &Log, tasks: u64, leaves: u64) -> Vec<Duration> {
    let mut running = Vec::new();
    for task in 0..tasks {
        let log = log.clone();
        running.push(tokio::spawn(async move {
            let mut took = Vec::new();
            for number in 0..leaves / tasks {
                let begun = Instant::now();
                log.append(event(number * tasks + task, "a")).await.unwrap();
                took.push(begun.elapsed());
            }
            took
        }));
    }
    let mut took = Vec::new();
    for task in running {
        took.extend(task.await.unwrap());
    }
    took.sort_unstable();
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "for a release build: just bench-audit"]
async fn a_million_leaves() {
    let folder = Folder::new();
    let log = folder.open().await;
    for tasks in [1, 64] {
        let begun = Instant::now();
        let took = append(&log, tasks, 3200).await;
        let at = |share: usize| took[took.len() * share / 1000];
        println!(
            "{tasks} at a time, each durable: p50 {:?}, p99 {:?}, {:.0} leaves/s",
            at(500),
            at(990),
            3200.0 / begun.elapsed().as_secs_f64()
        );
    }
    let begun = Instant::now();
    append(&log, TASKS, LEAVES).await;
    let took = begun.elapsed();
    println!(
        "{LEAVES} leaves appended, each durable before its caller went on: {took:.1?}, {:.0} leaves/s",
        1e6 / took.as_secs_f64()
    );
    let size = 2 * 3200 + LEAVES;
    let signed = log.checkpoint_of(size).await.unwrap();
    let signed = Arc::new(SignedCheckpoint::open(signed.note().as_bytes(), log.public_key()).unwrap());
    let begun = Instant::now();
    for number in 0..1000_u64 {
        let index = number * 7919 * 131 % size;
        let proof = log.inclusion(index, None).await.unwrap();
        let hashes: Vec<String> = proof.hashes.iter().map(ToString::to_string).collect();
        inclusion(&signed, index, &proof.leaf, &hashes).unwrap();
    }
    println!("1000 inclusion proofs made and checked: {:.1?}", begun.elapsed());
    log.close().await;
    let bytes = std::fs::metadata(folder.settings().database).unwrap().len();
    let begun = Instant::now();
    let report = folder.verify().await;
    assert!(report.verified && report.leaves == size, "{report:?}");
    println!("verified offline, {} MB: {:.1?}", bytes / 1_000_000, begun.elapsed());
    let begun = Instant::now();
    folder.open().await.close().await;
    println!("opened again: {:.1?}", begun.elapsed());
}
