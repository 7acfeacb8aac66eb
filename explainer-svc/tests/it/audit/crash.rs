//! The process is killed while it appends: the log verifies, and what was acknowledged is in it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use explainer_svc::audit::{Counts, Log, Query, Settings};

use super::{Folder, event};

const CHILD: &str = "WHYNOT_TEST_AUDIT_FOLDER";

/// What is killed: appends from several tasks, and prints the number of each acknowledged leaf.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests below, as a process of its own"]
async fn appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let settings = Settings::at(std::path::Path::new(&folder).join("audit.db"));
    let log = Log::open(&settings, Counts::default()).await.unwrap();
    let mut tasks = Vec::new();
    for task in 0..8_u64 {
        let log = log.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0.. {
                let name = format!("task-{task}");
                let receipt = log.append(event(number, &name)).await.unwrap();
                // One write: a line is whole or not there.
                println!("\nacknowledged {} {name}-{number}", receipt.index);
                if number % 50 == 49 && task == 0 {
                    log.erase(jiff::Timestamp::now().as_millisecond()).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Kills it `times` times; how many leaves there are then.
async fn kill(times: u64) -> u64 {
    let folder = Folder::new();
    let mut acknowledged = std::collections::HashMap::new();
    for time in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "audit::crash::appends_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            let lines = lines.map_while(Result::ok);
            let receipts = lines.filter_map(|line| {
                let (index, subject) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
                Some((index.parse::<u64>().ok()?, subject.to_owned()))
            });
            receipts.collect::<Vec<_>>()
        });
        // From before the database is open to the middle of appending.
        std::thread::sleep(Duration::from_millis(20 + (time * 37) % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reader.join().unwrap());
        if !folder.file("audit.checkpoint").exists() {
            continue;
        }
        let report = folder.verify().await;
        assert!(report.verified, "after {time}: {report:?}");
    }
    assert!(!acknowledged.is_empty());
    let log = folder.open().await;
    let last = acknowledged.keys().max().unwrap();
    let signed = tokio::time::timeout(Duration::from_secs(20), log.checkpoint_of(last + 1)).await;
    let size = signed
        .expect("the last acknowledged leaf is there")
        .unwrap()
        .checkpoint
        .size;
    assert!(*last < size);
    let mut found = std::collections::HashMap::new();
    while found.len() < usize::try_from(size).unwrap() {
        let query = Query {
            from: u64::try_from(found.len()).unwrap(),
            limit: 1000,
            ..Query::default()
        };
        let events = log.events(&query).await.unwrap();
        found.extend(events.into_iter().map(|event| (event.index, event.subject)));
    }
    for (index, subject) in &acknowledged {
        assert_eq!(found.get(index), Some(subject), "leaf {index}");
    }
    log.close().await;
    let report = folder.verify().await;
    assert!(
        report.verified && report.leaves >= u64::try_from(acknowledged.len()).unwrap(),
        "{report:?}"
    );
    println!(
        "killed {times} times: {} leaves, {} acknowledged, all there",
        report.leaves,
        acknowledged.len()
    );
    report.leaves
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    assert!(kill(8).await > 0);
}

#[tokio::test]
#[ignore = "takes minutes: just bench-audit"]
async fn nothing_acknowledged_is_lost_when_it_is_killed_200_times() {
    assert!(kill(200).await > 0);
}
