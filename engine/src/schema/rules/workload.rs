//! What makes Pods, and what counts them.

use serde_json::Value;

use super::Object;
use super::metadata::{is_empty, label_map, selects};
use super::read::{at_least, exactly_one, get, has, number, object, text};
use super::volume;
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;

/// The volumes that a `StatefulSet` adds to those of its template.
pub(super) fn claims<'a>(whole: &'a Object, kind: &str) -> Vec<&'a str> {
    match object(whole, "spec") {
        Some(spec) if kind == "StatefulSet" => volume::claim_names(spec),
        _ => Vec::new(),
    }
}

/// What cannot be without a specification, though the schema says so.
pub(super) fn specified(of: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if !has(of, "spec") {
        check.missing(&path.key("spec"));
    }
}

pub(super) fn controller(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let numbers = ["replicas", "minReadySeconds", "revisionHistoryLimit"];
    at_least(0, spec, &numbers, path, check);
    let deadline = number(spec, "progressDeadlineSeconds");
    if deadline.is_some_and(|deadline| deadline <= number(spec, "minReadySeconds").unwrap_or(0)) {
        check.invalid(
            &path.key("progressDeadlineSeconds"),
            "must be more than minReadySeconds",
        );
    }
    let template = object(spec, "template");
    restart_policy(template, &["Always"], path, check);
    let none = Object::new();
    let labels = template
        .and_then(|template| object(template, "metadata"))
        .and_then(|metadata| object(metadata, "labels"))
        .unwrap_or(&none);
    let Some(selector) = object(spec, "selector") else {
        return;
    };
    // The selector of a ReplicationController is the labels themselves.
    let is_selected = if check.kind == "ReplicationController" {
        label_map(selector, &path.key("selector"), check);
        Some(selector.iter().all(|(key, value)| get(labels, key) == Some(value)))
    } else {
        if is_empty(selector) {
            check.invalid(&path.key("selector"), "must not be empty");
        }
        selects(selector, labels)
    };
    if template.is_some() && is_selected == Some(false) {
        let path = path.key("template");
        check.invalid(&path.key("metadata").key("labels"), "must be selected by the selector");
    }
}

fn restart_policy(template: Option<&Object>, allowed: &[&'static str], path: &Path<'_>, check: &mut Check<'_>) {
    let Some(spec) = template.and_then(|template| object(template, "spec")) else {
        return;
    };
    let policy = text(spec, "restartPolicy").unwrap_or("Always");
    if !allowed.contains(&policy) {
        let allowed = allowed.to_vec();
        let path = path.key("template");
        check.report(&path.key("spec").key("restartPolicy"), What::NotListed { allowed });
    }
    if has(spec, "activeDeadlineSeconds") && allowed == ["Always"] {
        let path = path.key("template");
        check.invalid(
            &path.key("spec").key("activeDeadlineSeconds"),
            "is only for Pods and Jobs",
        );
    }
}

pub(super) fn strategy(strategy: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let rolling = object(strategy, "rollingUpdate");
    let path = path.key("rollingUpdate");
    if rolling.is_some() && matches!(text(strategy, "type"), Some("Recreate" | "OnDelete")) {
        check.invalid(&path, "must not be there for this type");
    }
    let Some(rolling) = rolling else {
        return;
    };
    for key in ["maxSurge", "maxUnavailable"] {
        amount(rolling, key, &path, check);
    }
    let is_zero = |key| get(rolling, key).is_some_and(|value| *value == 0 || *value == "0%");
    if is_zero("maxSurge") && is_zero("maxUnavailable") {
        check.invalid(&path.key("maxUnavailable"), "must not be 0 when maxSurge is 0");
    }
}

/// A number of Pods or a share of them.
fn amount(of: &Object, key: &str, path: &Path<'_>, check: &mut Check<'_>) {
    let is_right = match get(of, key) {
        Some(Value::Number(number)) => number.as_i64().is_none_or(|number| number >= 0),
        Some(Value::String(text)) => text
            .strip_suffix('%')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())),
        _ => true,
    };
    if !is_right {
        check.invalid(&path.key(key), "must be a whole number or a percentage like 25%");
    }
}

pub(super) fn job(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let numbers = [
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ];
    at_least(0, spec, &numbers, path, check);
    restart_policy(object(spec, "template"), &["OnFailure", "Never"], path, check);
    // Without both numbers they are 1.
    if text(spec, "completionMode") == Some("Indexed") && has(spec, "parallelism") && !has(spec, "completions") {
        check.missing(&path.key("completions"));
    }
}

pub(super) fn cron_job(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let numbers = [
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ];
    at_least(0, spec, &numbers, path, check);
    let Some(schedule) = text(spec, "schedule") else {
        return;
    };
    let path = path.key("schedule");
    if schedule.contains("TZ=") {
        check.invalid(&path, "must not name a time zone: timeZone does");
    } else if !schedule.starts_with('@') && schedule.split_whitespace().count() != 5 {
        check.invalid(&path, "must have five parts, or be like @hourly");
    }
}

pub(super) fn disruption_budget(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if has(spec, "minAvailable") && has(spec, "maxUnavailable") {
        check.invalid(path, "must not have both minAvailable and maxUnavailable");
    }
    for key in ["minAvailable", "maxUnavailable"] {
        amount(spec, key, path, check);
    }
}

pub(super) fn autoscaler(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    at_least(1, spec, &["minReplicas", "maxReplicas"], path, check);
    if let (Some(minimum), Some(maximum)) = (number(spec, "minReplicas"), number(spec, "maxReplicas"))
        && minimum > maximum
    {
        check.invalid(&path.key("maxReplicas"), "must not be less than minReplicas");
    }
}

/// What a metric is of: its type names the one field that says more.
pub(super) fn metric(of: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let fields = ["containerResource", "external", "object", "pods", "resource"];
    exactly_one(of, &fields, path, check);
    let Some(kind) = text(of, "type") else { return };
    let is_own = |field: &&&str| field.eq_ignore_ascii_case(kind);
    if let Some(own) = fields.iter().find(is_own)
        && !has(of, own)
    {
        check.invalid(&path.key("type"), "must name the field that is there");
    }
}
