//! What an answer urges its reader to do. Turned round: a sentence that is not a plain statement may only use the words of what
//! the policy's authors wrote, of what was found and of the checked fix. It refuses too much rather than too little: the engine
//! has words of its own.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use engine::explain::wire::ExplainRequest;
use engine::schema::{Form, Type};
use regex::Regex;
use serde_json::Value;

use super::said::{sentences, words};
use crate::gateway::guards::injection::{Place, Verdict, detect};
use crate::gateway::guards::pattern::fixed;

/// What may be urged about one denial.
#[derive(Debug, Clone)]
pub(super) struct Advice {
    /// Words of the authors, the policy's message, the paths and the fix.
    known: BTreeSet<String>,
    /// Verbs of the remediation.
    verbs: BTreeSet<String>,
    /// What was written, as words, with a space at each end.
    written: String,
    /// Names of fields that may be said.
    fields: BTreeSet<String>,
    /// The steps that found paths and the fix end with.
    ends: BTreeSet<String>,
    /// The steps of found paths.
    found: BTreeSet<String>,
    /// Words of the values that were found.
    denied: BTreeSet<String>,
    /// Whether anything is to be taken away.
    removes: bool,
}

/// Words that carry no advice by themselves.
const PLAIN: &str = "a an the this that these those it its itself them they their there here of in on at to for from by with \
    into within under as is are be was were been being not no and or but so then if when where while which who what whose why \
    because since before than also only just simply please now either both each every all any same own such has have had do does \
    did can could may might will would shall should must need needs you your out container containers field fields value values \
    setting settings pod pods policy policies denied denies denial violation violations manifest spec yaml json object objects line \
    lines flag flags entry entries boolean absent missing unset empty comply short s";
/// Verbs of changing a field; which field and to what has to be known.
const CHANGES: &str = "set sets setting change changes changing replace replacing add adding specify specifying define defining \
    declare declaring update updating correct configure see read be have";
const REMOVES: &str =
    "remove removes removed removing delete deletes deleting deleted drop dropping omit omitting unset leave leaving";
/// A clause that begins so states something, when nothing else says that it urges.
const STATES: &str = "the a an this that these those it its they their there which who what why whatever when where while because \
    since as if although though each every both all any no none nothing only one two container containers pod pods policy policies \
    yaml json kubernetes anyone anything everything";
/// Before the beginning.
const LEADS: &str =
    "please just simply then now so also and or but first next finally therefore thus hence otherwise again either";
const PLACES: &str = "in on at for with by from under inside within to";
/// A clause with one of these urges, however it begins.
const URGES: &str = "you your yours we us let lets try should must ought need needs recommend recommends recommended suggest suggests \
    suggested advise advised advisable propose proposed consider instead better best simplest easiest quickest remedy solution \
    workaround way trick option alternative alternatively help helps works pass passes want wish";
const MODALS: &str = "should must ought shall might may can could would let lets please";

/// What stands for the field that was found.
const IT: &str = "it this that them these field line flag setting entry";
/// There is no value.
const ABSENT: &str = "absent missing unset empty";
/// Whose what is spoken of is.
const OWNED: &str = "container containers pod pods workload manifest deployment object";

/// A word of this list.
fn among(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// Without what a form of a word adds.
fn stem(word: &str) -> &str {
    ["ing", "ed", "es", "s", "d", "e"]
        .iter()
        .find_map(|end| word.strip_suffix(end).filter(|rest| rest.chars().count() >= 3))
        .unwrap_or(word)
}

impl Advice {
    pub(super) fn new(request: &ExplainRequest, authored: &str) -> Self {
        let mut written = words(authored);
        let (mut verbs, mut known) = (BTreeSet::new(), BTreeSet::new());
        let (mut ends, mut found_steps) = (BTreeSet::new(), BTreeSet::new());
        let (mut denied, mut remedies) = (BTreeSet::new(), String::new());
        let mut changed = String::new();
        let mut fields = BTreeSet::new();
        let take = |text: &str, into: &mut BTreeSet<String>| {
            into.extend(words(text).split(' ').map(|word| stem(word).to_owned()));
        };
        let sound = |text: &str| detect(text, Place::Policy).verdict < Verdict::Sure;
        if let Some(fix) = &request.fix {
            changed = format!("{} {} {}", fix.snippet, fix.kubectl, plain_text(&fix.patch));
            for path in fix.patch.as_array().into_iter().flatten().filter_map(path_of) {
                ends.extend(end_of(path));
            }
        }
        for violation in &request.violations {
            if sound(&violation.remediation) {
                take(&violation.remediation, &mut verbs);
                remedies.push_str(&words(&violation.remediation));
                remedies.push(' ');
            }
            if sound(&violation.message) {
                written.push(' ');
                written.push_str(&words(&violation.message));
            }
            take(&violation.policy, &mut known);
            for found in &violation.found {
                ends.extend(end_of(&found.path));
                take(&found.path.replace("~1", "/"), &mut found_steps);
                fields.extend(joined(&words(&found.path)));
                if let Some(value) = &found.value {
                    take(value, &mut denied);
                }
            }
        }
        // What is denied is not to be set, whatever the message quotes.
        let mut allowed = BTreeSet::new();
        take(authored, &mut allowed);
        take(&changed, &mut allowed);
        take(&written, &mut known);
        known.retain(|word| !denied.contains(word));
        known.extend(allowed);
        known.extend(found_steps.iter().cloned());
        take(&request.review.kind.kind, &mut known);
        fields.extend(joined(&written));
        fields.extend(joined(&words(&changed)));
        let removes = request
            .fix
            .iter()
            .any(|fix| fix.patch.to_string().contains("\"remove\""))
            || remedies.split(' ').any(|word| among(REMOVES, word));
        Self {
            known,
            verbs,
            written: format!(" {written} "),
            fields,
            ends,
            found: found_steps,
            denied,
            removes,
        }
    }

    /// What it has no grounds to urge, allow or name.
    pub(super) fn objection(&self, line: &str) -> Option<String> {
        static ADDRESS: LazyLock<Regex> = LazyLock::new(|| fixed(r"https?://\S+"));
        static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
            fixed(r"(?i)[,;()\u{2013}\u{2014}]|\s-\s|\s(?:and|or|then|but|so|because|since|while|whereas)\s")
        });
        let line = ADDRESS.replace_all(line, " ");
        if let Some(field) = self.foreign_field(&line) {
            return Some(format!("the field {field} is not what this is about"));
        }
        for sentence in sentences(&line) {
            if let Some(said) = self.permits(&words(sentence)) {
                return Some(format!("it permits, or says that nothing is to be done: {said}"));
            }
            if self.written.contains(&format!(" {} ", words(sentence))) {
                continue;
            }
            let mut states = false;
            for clause in CLAUSE.split(sentence) {
                let clause = words(clause);
                if let Some(said) = self.urges(&clause, &mut states) {
                    return Some(format!("nothing asks for it: {said}"));
                }
            }
        }
        None
    }

    /// A field of Kubernetes that is neither in what was found nor in what is to be done.
    fn foreign_field(&self, line: &str) -> Option<String> {
        joined(&words(line)).find(|name| compound_fields().contains(name) && !self.fields.contains(name))
    }

    fn permits(&self, sentence: &str) -> Option<String> {
        static PERMITS: LazyLock<Regex> = LazyLock::new(|| {
            fixed(concat!(
                r"\b(?:approv\w*|permission\w*|consent\w*|bless\w*|green ?(?:lit|light\w*)|waive\w*|exempt\w*|exceptions?|excus\w*|bypass\w*|",
                r"sanctioned|authori[sz]\w*|cleared|clearance|grant\w*|endors\w*|accept(?:ed|able|s)|admit(?:ted|s)|congrat\w*|kudos|advisory|",
                r"optional|harmless|safely|compliant|overrul\w*|overrid\w*|tolerat\w*|pardon\w*|dispens\w*|immun\w*|whitelist\w*|allowlist\w*|",
                r"sign(?:ed)? off|signoff|thumbs up|go ahead|let (?:\S+ )?(?:through|in|pass)|wav(?:e|ed) through|ok|okay|all good|all set|",
                r"(?:good|ready|free|clear|cleared|safe) to|proceed\w*|ship|loophole\w*|unchecked|unguarded|ignor\w*|disregard\w*|overlook\w*|mistaken\w*|",
                r"misfir\w*|false alarm|outdated|obsolete|mislead\w*|bugged|buggy|wrong|needless\w*|unnecessary|unneeded|pointless|",
                r"need(?:s|ed)? (?:not|no|nothing)|needn t|no need|not (?:have|need|necessary|required|bother|worry|matter)(?: to)?|(?:change|fix|action|update|it|this|that|remedy)s? (?:is|are) not needed|",
                r"(?:don|doesn|do|does|did|needn) (?:t|not) (?:have|need|worry|bother|matter|look|check|apply|object|ask|care|cover|see|mind|run|notice|watch)|",
                r"nothing (?:\S+ ){0,3}(?:to|done|needed|wrong|left|required|else)|no longer|not (?:\S+ )?(?:covered|checked|asked|watched|evaluated|inspected|applied|looked|enforced|seen|consulted)|",
                r"never (?:\S+ )?(?:looks?|checks?|applies|sees?|asks?)|as (?:it|they) (?:is|are|stands?)|unchanged|untouched|alone|vouch\w*|licen[cs]ed?|leeway|amnesty|special case|dealt with|sorted|settled|resolved)\b",
            ))
        });
        static ALLOWED: LazyLock<Regex> =
            LazyLock::new(|| fixed(r"\b(?:\S+ ){0,3}(?:allow(?:ed|s)?|permit(?:ted|s)?|passed|passes)\b"));
        static SOUND: LazyLock<Regex> =
            LazyLock::new(|| fixed(r"\b(?:fine|correct|valid|right|good|sound|in order|legitimate|ok)\b"));
        let is_written = |said: &str| {
            let at = sentence.find(said).unwrap_or_default();
            let before = sentence
                .get(..at)
                .unwrap_or_default()
                .split(' ')
                .rfind(|word| !word.is_empty());
            let with = before.map_or_else(|| said.to_owned(), |before| format!("{before} {said}"));
            self.written.contains(&format!(" {with} "))
        };
        if let Some(said) = PERMITS
            .find_iter(sentence)
            .map(|found| found.as_str())
            .find(|said| !is_written(said))
        {
            return Some(said.to_owned());
        }
        let denies = |said: &str| {
            said.split(' ')
                .any(|word| ["not", "no", "nor", "never", "cannot", "only", "isn", "aren"].contains(&word))
        };
        let allowed = ALLOWED.find_iter(sentence).map(|found| found.as_str());
        if let Some(said) = allowed.into_iter().find(|said| !denies(said) && !is_written(said)) {
            return Some(said.to_owned());
        }
        // What is found is not in order; something else may be.
        let is_about_it = sentence.split(' ').any(|word| {
            self.found.contains(stem(word))
                || ["it", "this", "everything", "all", "you", "your", "that"].contains(&word)
        });
        SOUND
            .find(sentence)
            .map(|found| found.as_str())
            .filter(|said| is_about_it && !self.written.contains(&format!(" {said} ")))
            .filter(|_| !sentence.starts_with("the image") || self.found.contains("imag"))
            .map(str::to_owned)
    }

    /// A clause that urges what nothing asks for. `states` is whether the clause before it stated something.
    fn urges(&self, clause: &str, states: &mut bool) -> Option<String> {
        // What everybody does with what was changed.
        static AGAIN: LazyLock<Regex> = LazyLock::new(|| {
            fixed(
                r"^(?:then |now |and |before you |finally )*(?:re)?(?:apply|submit|create|send) (?:it|(?:the|your) (?:manifest|pod|object|request|resource|deployment)) again$",
            )
        });
        if clause.is_empty() || AGAIN.is_match(clause) || self.written.contains(&format!(" {clause} ")) {
            *states |= !clause.is_empty();
            return None;
        }
        let all: Vec<&str> = clause.split(' ').collect();
        let rest: Vec<&str> = all.iter().copied().skip_while(|word| among(LEADS, word)).collect();
        let begin = rest.first().copied().unwrap_or_default();
        // `and runs as root`: of what stands before.
        let goes_on = *states
            && (among(
                "is are was were has have had does do will would can could may gives lets",
                begin,
            ) || (begin.len() > 3 && begin.ends_with('s') && !begin.ends_with("ss")));
        // `Your container runs …` is about it, and asks for nothing.
        let is_owned = begin == "your" && rest.get(1).is_some_and(|word| among(OWNED, word));
        let begins = among(STATES, begin) || goes_on || is_owned;
        let urging = |word: &&str| among(URGES, word) && !(is_owned && *word == "your");
        let passive = || {
            all.windows(2)
                .any(|pair| matches!(pair, ["can" | "could" | "may" | "might" | "to", "be"]))
        };
        *states = begins;
        if begins && !all.iter().any(urging) && !passive() {
            return None;
        }
        // `from true to false`: the value as it was found.
        let was = |at: usize, word: &str| {
            let before = at.checked_sub(1).and_then(|at| all.get(at));
            before == Some(&"from") && self.denied.contains(stem(word))
        };
        let is_known = |at: usize, word: &str| {
            among(PLAIN, word) || self.is_verb(word) || self.known.contains(stem(word)) || was(at, word)
        };
        if let Some((_, word)) = all
            .iter()
            .copied()
            .enumerate()
            .find(|(at, word)| !among(LEADS, word) && !among(URGES, word) && !is_known(*at, word))
        {
            return Some(format!("{word} in: {clause}"));
        }
        let is_verb = |word: &str| self.is_verb(word);
        if !begins && !among(PLACES, begin) && !among(URGES, begin) && !is_verb(begin) && !self.is_value(&rest) {
            return Some(format!("to {begin} in: {clause}"));
        }
        for pair in all.windows(2) {
            if let [before, word] = pair {
                let is_modal = among(MODALS, before) || (*before == "you" && !among(MODALS, word));
                let is_known =
                    is_verb(word) || among(PLAIN, word) || self.written.contains(&format!(" {before} {word} "));
                if is_modal && !is_known {
                    return Some(format!("to {word} in: {clause}"));
                }
                // `no container may be privileged`, `without privileged mode`
                let is_of_found = (*before == "no" && among(OWNED, word))
                    || (*before == "without" && self.found.contains(stem(word)))
                    || clause == "must not be";
                let negates = among("not no never without don", before) && !is_of_found;
                if negates && !self.written.contains(&format!(" {before} {word} ")) {
                    return Some(format!("{before} {word} in: {clause}"));
                }
            }
        }
        self.takes_away(&all).then(|| clause.to_owned())
    }

    fn is_verb(&self, word: &str) -> bool {
        among(CHANGES, word) || (self.removes && among(REMOVES, word)) || self.verbs.contains(stem(word))
    }

    /// `Set it to gold or silver`: what is left of a list.
    fn is_value(&self, rest: &[&str]) -> bool {
        rest.len() <= 2
            && rest
                .iter()
                .all(|word| self.known.contains(stem(word)) || among(ABSENT, word))
    }

    /// Whether it takes away something other than what was found.
    fn takes_away(&self, all: &[&str]) -> bool {
        let Some(at) = all.iter().position(|word| among(REMOVES, word)) else {
            return false;
        };
        !all.iter()
            .skip(at)
            .any(|word| among(IT, word) || self.ends.contains(stem(word)))
    }
}

fn path_of(operation: &Value) -> Option<&str> {
    operation.get("path").and_then(Value::as_str)
}

/// The last step of a path that is no index, as words.
fn end_of(path: &str) -> Vec<String> {
    let end = path.rsplit('/').find(|step| step.parse::<usize>().is_err());
    let end = words(&end.unwrap_or_default().replace("~1", "/"));
    end.split(' ').map(|word| stem(word).to_owned()).collect()
}

fn plain_text(value: &Value) -> String {
    value
        .to_string()
        .replace("\"op\"", " ")
        .replace("\"path\"", " ")
        .replace("\"value\"", " ")
}

/// Words, and up to three of them in a row as one: `host network` is `hostNetwork`.
fn joined(words: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    (1..=3)
        .flat_map(|length| words.windows(length).map(<[&str]>::concat).collect::<Vec<_>>())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Names of Kubernetes' fields that are of several words, in small letters.
fn compound_fields() -> &'static BTreeSet<String> {
    const KINDS: [(&str, &str, &str); 10] = [
        ("", "v1", "Pod"),
        ("", "v1", "Service"),
        ("", "v1", "PersistentVolumeClaim"),
        ("", "v1", "ServiceAccount"),
        ("apps", "v1", "Deployment"),
        ("apps", "v1", "StatefulSet"),
        ("batch", "v1", "CronJob"),
        ("networking.k8s.io", "v1", "Ingress"),
        ("networking.k8s.io", "v1", "NetworkPolicy"),
        ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ];
    static FIELDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for kind in KINDS
            .iter()
            .filter_map(|(group, version, kind)| Type::of_kind(group, version, kind))
        {
            collect(kind, &mut names, &mut seen);
        }
        // A container's name is not only the field of a reference.
        names.remove("containername");
        names
    });
    &FIELDS
}

fn collect(of: Type, names: &mut BTreeSet<String>, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(of.name()) {
        return;
    }
    for (name, field) in of.fields() {
        if name.chars().any(char::is_uppercase) {
            names.insert(name.to_lowercase());
        }
        let mut form = field.form();
        while let Form::List(inner) | Form::Map(inner) = form {
            form = inner.form();
        }
        if let Form::Object(inner) = form {
            collect(inner, names, seen);
        }
    }
}
