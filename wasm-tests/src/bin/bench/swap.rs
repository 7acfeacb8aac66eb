//! Policies that are swapped under load: does a request fail, is an answer of two revisions, what does a swap cost the others.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::{
    delivery::Delivery,
    fixtures::review_bytes,
    stack::{Part, Settings, TestStack, client},
};

use crate::{
    Arguments,
    report::{Table, column},
    reviews::{Expected, Size, reviews},
    say, sets,
};

const POLICIES: usize = 100;
/// Of them say in a denial which revision they are of.
const MARKED: usize = 10;
const CLIENTS: usize = 8;
/// One of so many reviews is denied by all of the marked ones.
const DENIED: usize = 8;

/// An answer. Times are microseconds since the start.
#[derive(Clone, Copy)]
struct Seen {
    sent: u64,
    came: u64,
    /// Which swap's set answered.
    number: usize,
}

/// What one client saw.
#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    failed: Vec<String>,
    mixed: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let (swaps, swapping, steady) = if arguments.quick {
        (5, Duration::from_secs(6), Duration::from_secs(2))
    } else {
        (50, Duration::from_mins(1), Duration::from_secs(20))
    };
    let sets: Vec<Bundle> = (0..=swaps).map(marked).collect::<Result<_>>()?;
    let numbers: HashMap<String, usize> = sets.iter().map(|set| set.revision.clone()).zip(0..).collect();
    let first = sets.first().context("no sets")?;
    let file = sets::write(first, &arguments.output, "swap")?;
    let mut settings = Settings::for_test("bench-swap")?.without_kubernetes();
    settings.parts.remove(&Part::Explainer);
    settings.bundle = fs::canonicalize(file)?;
    settings.concurrency = 2;
    settings.render_arguments.push("--live-policies".to_owned());
    let delivery = Delivery::listen(settings.ports.explainer)?;
    let stack = TestStack::start(settings)?;

    let is_over = AtomicBool::new(false);
    let phase = AtomicUsize::new(0);
    let logs: [Mutex<Log>; 3] = Default::default();
    let began = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stack, numbers, is_over, phase, logs) = (&stack, &numbers, &is_over, &phase, &logs);
                scope.spawn(move || ask(client, stack, numbers, is_over, phase, logs, began))
            })
            .collect();
        say("swap: warming up");
        thread::sleep(Duration::from_secs(if arguments.quick { 1 } else { 10 }));
        say("swap: steady");
        phase.store(1, Ordering::Relaxed);
        thread::sleep(steady);
        say(&format!("swap: {swaps} swaps in {} s", swapping.as_secs()));
        phase.store(2, Ordering::Relaxed);
        let each = swapping / u32::try_from(swaps)?;
        for set in sets.iter().skip(1) {
            delivery.deliver(set);
            thread::sleep(each);
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            match client.join() {
                Ok(result) => result?,
                Err(_) => bail!("a client panicked"),
            }
        }
        Ok(())
    })?;
    // Envoy merges its workers' histograms every five seconds.
    thread::sleep(Duration::from_secs(6));
    let stall = statistic(&stack, "staging_stall_us")?;
    let late = statistic(&stack, "staged_late")?;
    let [_, steady_log, swap_log] = logs.map(|log| log.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(table(swaps, [steady, swapping], &steady_log, &swap_log, &stall, &late))
}

/// A hundred policies, of which some name the number in what they say.
fn marked(number: usize) -> Result<Bundle> {
    let many = sets::many(POLICIES - MARKED)?;
    let mut files: Vec<(String, String)> = many.files.into_iter().map(|file| (file.path, file.text)).collect();
    for place in 0..MARKED {
        let text = format!(
            "# METADATA\n# custom: {{fix: {{action: none}}}}\npackage marked.policy_{place}\n\ndeny contains \"number {number}.\" \
             if input.request.name == \"marked\"\n"
        );
        files.push((format!("marked/{place}.rego"), text));
    }
    Ok(Bundle::new(many.settings, files))
}

fn ask(
    client_number: usize,
    stack: &TestStack,
    numbers: &HashMap<String, usize>,
    is_over: &AtomicBool,
    phase: &AtomicUsize,
    logs: &[Mutex<Log>; 3],
    began: Instant,
) -> Result<()> {
    let client = client(&stack.ca_file())?;
    let url = format!("{}?timeout=30s", stack.admission_url());
    let mut bodies = reviews(Size::Usual, Expected::Allowed, 100)?;
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "marked", "namespace": "shop"}});
    let denied = review_bytes(&object);
    for body in bodies.iter_mut().step_by(DENIED) {
        body.clone_from(&denied);
    }
    let since = |instant: Instant| u64::try_from(instant.duration_since(began).as_micros()).unwrap_or(0);
    let mut own: [Log; 3] = Default::default();
    for body in bodies.iter().cycle().skip(client_number * 13) {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let Some(log) = own.get_mut(phase.load(Ordering::Relaxed)) else {
            break;
        };
        let sent = Instant::now();
        let request = client.post(&url).header("content-type", "application/json");
        let answer = request.send(body.as_slice()).and_then(|mut answer| {
            let status = answer.status().as_u16();
            answer.body_mut().read_to_string().map(|text| (status, text))
        });
        let came = Instant::now();
        match answer {
            Ok((200, text)) => match number_of(&text, numbers) {
                Ok(number) => log.seen.push(Seen {
                    sent: since(sent),
                    came: since(came),
                    number,
                }),
                Err(wrong) => log.mixed.push(wrong),
            },
            Ok((status, text)) => log.failed.push(format!("{status}: {text}")),
            Err(error) => log.failed.push(error.to_string()),
        }
    }
    for (log, own) in logs.iter().zip(own) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.seen.extend(own.seen);
        log.failed.extend(own.failed);
        log.mixed.extend(own.mixed);
    }
    Ok(())
}

/// Which set an answer is of, when all of it is of the same.
fn number_of(text: &str, numbers: &HashMap<String, usize>) -> Result<usize, String> {
    let wrong = || text.to_owned();
    let answer: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let revision = answer
        .pointer("/response/auditAnnotations/revision")
        .and_then(Value::as_str);
    let number = *revision.and_then(|revision| numbers.get(revision)).ok_or_else(wrong)?;
    let message = answer
        .pointer("/response/status/message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut said = message
        .split("number ")
        .skip(1)
        .filter_map(|rest| rest.split('.').next());
    if said.all(|said| said == number.to_string()) {
        Ok(number)
    } else {
        Err(wrong())
    }
}

fn table(
    swaps: usize,
    [steady_time, swapping]: [Duration; 2],
    steady: &Log,
    swap: &Log,
    stall: &str,
    late: &str,
) -> Table {
    for wrong in [&steady.failed, &swap.failed, &steady.mixed, &swap.mixed] {
        if let Some(first) = wrong.first() {
            say(&format!("swap: {} like this: {first}", wrong.len()));
        }
    }
    let columns = [
        column("phase", "phase", 0),
        column("requests", "requests", 0),
        column("requestsPerSecond", "requests/s", 0),
        column("failed", "failed", 0),
        column("mixed", "mixed", 0),
        column("p50Us", "p50 us", 0),
        column("p99Us", "p99 us", 0),
        column("maxUs", "max us", 0),
    ];
    let title = format!(
        "{swaps} swaps of {POLICIES} policies, {MARKED} of them new each time, in {} s under load, 2 workers, {CLIENTS} connections, Pods of {}.",
        swapping.as_secs(),
        Size::Usual.name()
    );
    let mut table = Table::new(title, &columns);
    let mut p99s = Vec::new();
    for (name, log, time) in [("steady", steady, steady_time), ("swaps", swap, swapping)] {
        let mut times: Vec<u64> = log.seen.iter().map(|seen| seen.came - seen.sent).collect();
        times.sort_unstable();
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a list"
            )]
            let place = (times.len() as f64 * share) as usize;
            times
                .get(place.min(times.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0)
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let rate = times.len() as f64 / time.as_secs_f64();
        p99s.push(at(0.99));
        table.row(&[
            json!(name),
            json!(times.len()),
            json!(rate),
            json!(log.failed.len()),
            json!(log.mixed.len()),
            json!(at(0.5)),
            json!(at(0.99)),
            json!(at(1.0)),
        ]);
    }
    if let [before, during] = p99s.as_slice() {
        #[expect(clippy::cast_precision_loss, reason = "microseconds")]
        let ratio = *during as f64 / (*before).max(1) as f64;
        table.note(format!("p99 while swapping is {ratio:.2} times the steady one."));
    }
    let (flips, arrived, sent) = flips(&swap.seen, swaps);
    table.note(format!(
        "{flips} of {swaps} sets came to serve. After the first answer of a new one the last old answer came within {arrived:.1} ms at \
         most; the last request that was sent after it and got an old answer was sent {sent:.1} ms after it."
    ));
    table.note(format!("A worker's stalls while staging, in us: {stall}"));
    table.note(format!("Requests that had to wait for a compilation: {late}"));
    table
}

/// How many sets came to serve; how long after the first answer of each an older one came, and was asked for, at most; in ms.
fn flips(seen: &[Seen], swaps: usize) -> (usize, f64, f64) {
    let (mut count, mut arrived, mut sent) = (0, 0, 0);
    for number in 1..=swaps {
        let Some(first) = seen
            .iter()
            .filter(|seen| seen.number == number)
            .map(|seen| seen.came)
            .min()
        else {
            continue;
        };
        count += 1;
        for old in seen.iter().filter(|seen| seen.number < number) {
            arrived = arrived.max(old.came.saturating_sub(first));
            sent = sent.max(old.sent.saturating_sub(first));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    let ms = |us: u64| us as f64 / 1e3;
    (count, ms(arrived), ms(sent))
}

/// A statistic as Envoy prints it.
fn statistic(stack: &TestStack, name: &str) -> Result<String> {
    let url = format!("{}/stats?filter={name}", stack.admin_url());
    let text = ureq::get(&url).call()?.body_mut().read_to_string()?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join("; "))
}
