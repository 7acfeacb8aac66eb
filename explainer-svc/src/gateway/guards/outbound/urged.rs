//! What an answer urges its reader to do. Turned round: a clause that is no plain statement may only use the words of what the
//! policy's authors wrote, of what was found and of the checked fix. And what no explanation says: that something is permitted,
//! or need not be done. The engine has words of its own for what is refused here.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use engine::explain::wire::ExplainRequest;
use engine::schema::{Form, Type};
use regex::Regex;
use serde_json::Value;

use super::founded::apart;
use super::said::{sentences, words};
use super::vocabulary::{
    ABSENT, CHANGES, COMMANDS, DENIES, DOES, FINITE, GOES_ON, HARMS, IT, LEADS, MODAL, MODALS, NO_SUBJECT, OWNED,
    PLACES, PLAIN, RELATIVE, REMOVES, STATES, URGES, among, is_command, is_no_advice, stem,
};
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

/// What the prompt asks to be said to a team that meets a rule again and again.
pub(crate) const AT_THE_SOURCE: &str = "Make the change where these objects are made from.";

/// The clause before another one.
#[derive(Debug, Default)]
struct Before {
    /// It stated something.
    states: bool,
    /// What can be done, so that a verb may follow.
    modal: bool,
    /// Whatever stands in a step is to be done.
    is_step: bool,
}

impl Advice {
    pub(super) fn new(request: &ExplainRequest, authored: &str) -> Self {
        let mut written = format!("{} {}", words(authored), words(AT_THE_SOURCE));
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
                // `startupProbe` is a startup probe.
                take(&apart(&found.path), &mut found_steps);
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
    pub(super) fn objection(&self, line: &str, is_step: bool) -> Option<String> {
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
            let mut before = Before {
                is_step,
                ..Before::default()
            };
            let mut from = 0;
            for end in CLAUSE.find_iter(sentence).map(Some).chain([None]) {
                let to = end.map_or(sentence.len(), |end| end.start());
                let clause = words(sentence.get(from..to).unwrap_or_default());
                if let Some(said) = self.urges(&clause, &mut before) {
                    return Some(format!("nothing asks for it: {said}"));
                }
                if let Some(end) = end {
                    from = end.end();
                    // `may fail, so run it`: what can be done ends here.
                    before.modal &= [",", "and", "or"].contains(&end.as_str().trim().to_lowercase().as_str());
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
                r"\b(?:approv\w*|permission (?:was|is|has|granted|given)|(?:have|has|had|got|gave|give|given) (?:\S+ )?permission (?:to (?:run|keep|use|deploy|do|skip|go|be)|from|for|by)|consent\w*|bless\w*|green ?(?:lit|light\w*)|waive\w*|exempt\w*|exceptions?|excus\w*|bypass(?:ed|ing)?|bypasses (?:it|this|that)\b|(?:bypasses|overrides)(?: \S+){0,2} (?:polic\w*|rules?|checks?|admission|denials?|decisions?|verdicts?)|",
                r"sanctioned|authori[sz]\w*|cleared|clearance|grant\w*|endors\w*|accept(?:ed|able)|accepts (?:it|this|that|these|your?|the (?:request|object|pod|deployment|change))|admit(?:ted|s)|congrat\w*|kudos|advisory|",
                r"optional|harmless|safely|compliant|overrul\w*|overrid(?:e|den|ing)|overrides (?:it|this|that)|tolerat\w*|pardon\w*|dispens\w*|immun\w*|whitelist\w*|allowlist\w*|",
                r"sign(?:ed)? off|signoff|thumbs up|go ahead|let (?:\S+ )?(?:through|in|pass)|wav(?:e|ed) through|ok|okay|all good|all set|",
                r"(?:good|ready|free|clear|cleared|safe) to|proceed\w*|ship|loophole\w*|unchecked|unguarded|ignor\w*|disregard\w*|overlook\w*|mistaken\w*|",
                r"misfir\w*|false alarm|audit mode|dry run|nothing (?:has been |was |is |gets )?(?:blocked|denied|refused|stopped)|out of (?:the )?(?:scope|sight|reach)|nothing (?:\S+ ){0,4}has to change|no (?:harm|problems?|difference|issues?|trouble|danger)|without (?:a |any )?(?:check|review)|outdated|obsolete|mislead\w*|bugged|buggy|wrong|needless\w*|unnecessary|unneeded|pointless|",
                r"need(?:s|ed)? (?:not|no|nothing)|needn t|no need|not have to|not need|not (?:necessary|required|bother|worry|matter)(?: to)?|(?:change|fix|action|update|it|this|that|remedy)s? (?:is|are) not needed|",
                r"(?:don|doesn|do|does|did|needn) (?:t|not) (?:have to|need|worry|bother|matter|look|check|apply|object|ask|care|cover|see|mind|run|notice|watch)|",
                r"nothing (?:\S+ ){0,3}(?:to|done|needed|wrong|left|required|else)|no longer|not (?:\S+ )?(?:covered|checked|asked|watched|evaluated|inspected|applied|looked|enforced|seen|consulted)|",
                r"never (?:\S+ )?(?:looks?|checks?|applies|sees?|asks?)|as (?:it|they) (?:is|are|stands?)|unchanged|untouched|alone|vouch\w*|licen[cs]ed?|leeway|amnesty|special case|dealt with|sorted|settled|resolved)\b",
            ))
        });
        static ALLOWED: LazyLock<Regex> = LazyLock::new(|| {
            fixed(concat!(
                r"\b(?:\S+ ){0,3}(?:allowed|permitted|(?:allow|permit)s? (?:it|this|that|these|them|your?|everything|",
                r"(?:the|such) (?:\S+ )?(?:request|object|pod|deployment|change|workload|container|image|field|setting)s?)|passed|passes)\b|",
                r"\b(?:polic(?:y|ies)|namespaces?|rules?|clusters?|kubernetes|platform|standards?)(?: \S+){0,2} (?:allow|permit|accept)s?(?: only)?\b",
            ))
        });
        static WHICH: LazyLock<Regex> = LazyLock::new(|| fixed(r"^ \w+"));
        static BEYOND: LazyLock<Regex> = LazyLock::new(|| {
            fixed(
                r"\b(?:beyond|outside|than|unless|without)(?: what is| those| the| ones| being)* (?:allowed|permitted)$",
            )
        });
        static OUTSIDE: LazyLock<Regex> = LazyLock::new(|| {
            fixed(r"\b(?:other than|outside|beyond)(?: (?:of|the|those|ones))* (?:allowed|permitted)$")
        });
        static SOUND: LazyLock<Regex> =
            LazyLock::new(|| fixed(r"\b(?:fine|correct|valid|right|good|sound|in order|legitimate|ok)\b"));
        // Policies of the network are others than the one that denies.
        static NETWORK: LazyLock<Regex> =
            LazyLock::new(|| fixed(r"^(?:(?:do|does) not apply|bypasses (?:the |its |all )?network polic\w*)$"));
        static OF_NETWORK: LazyLock<Regex> =
            LazyLock::new(|| fixed(r"\b(?:network polic\w+ (?:do|does) not apply|bypasses (?:\S+ )?network polic)"));
        // `what applications do not need`: why something is taken away.
        static USELESS: LazyLock<Regex> = LazyLock::new(|| {
            fixed(r"\b(?:that|which) (?:\S+ )?(?:applications|programs) (?:(?:do|have) )?(?:not|no) need")
        });
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
        let is_other = |said: &str| {
            (NETWORK.is_match(said) && OF_NETWORK.is_match(sentence))
                || (said.ends_with("need") && USELESS.is_match(sentence))
        };
        if let Some(said) = PERMITS
            .find_iter(sentence)
            .map(|found| found.as_str())
            .find(|said| !is_written(said) && !is_other(said))
        {
            return Some(said.to_owned());
        }
        // `one of the allowed registries`: what is spoken of, not what it is said to be; and then not that it is one.
        let is_denied = |said: &str, end: usize| {
            let words = |text: &str| text.split(' ').any(|word| among(DENIES, word));
            let before = sentence.get(..end).unwrap_or_default();
            let is_which = sentence.get(end..).is_some_and(|after| WHICH.is_match(after))
                && !said.contains(" is allowed")
                && !said.contains(" are allowed");
            words(said) || BEYOND.is_match(said) || (is_which && (words(before) || OUTSIDE.is_match(before)))
        };
        let allowed = ALLOWED.find_iter(sentence).map(|found| (found.as_str(), found.end()));
        if let Some((said, _)) = allowed
            .into_iter()
            .find(|(said, end)| !is_denied(said, *end) && !is_written(said))
        {
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

    /// A clause that urges what nothing asks for.
    fn urges(&self, clause: &str, before: &mut Before) -> Option<String> {
        // What everybody does with what was changed.
        static AGAIN: LazyLock<Regex> = LazyLock::new(|| {
            fixed(
                r"^(?:then |now |and |before you |finally )*(?:re)?(?:apply|submit|create|send) (?:it|(?:the|your) (?:manifest|pod|object|request|resource|deployment)) again$",
            )
        });
        if clause.is_empty() || AGAIN.is_match(clause) || self.written.contains(&format!(" {clause} ")) {
            before.states |= !clause.is_empty();
            return None;
        }
        let all: Vec<&str> = clause.split(' ').collect();
        let rest: Vec<&str> = all.iter().copied().skip_while(|word| among(LEADS, word)).collect();
        let begin = rest.first().copied().unwrap_or_default();
        // `and runs as root`: of what stands before.
        let goes_on = before.states
            && (among(
                "is are was were has have had does do will would can could may gives lets",
                begin,
            ) || (begin.len() > 3 && begin.ends_with('s') && !begin.ends_with("ss")));
        // `Your container runs …` is about it, and asks for nothing.
        let is_owned = begin == "your" && rest.get(1).is_some_and(|word| among(OWNED, word));
        let begins = among(STATES, begin) || goes_on || is_owned || continues(&rest, before);
        let urging = |(at, word): (usize, &&str)| {
            among(URGES, word) && !(is_owned && *word == "your") && !is_no_advice(&all, at)
        };
        let has_way = || {
            all.windows(2)
                .any(|pair| matches!(pair, ["way" | "ways", "to" | "around" | "is"]))
        };
        // `can be used to reach the node` is no advice; `can be left as it is` is.
        let passive = || {
            all.windows(3)
                .any(|three| matches!(three, ["can" | "could" | "may" | "might", "be", done] if !among(HARMS, done)))
                || all.windows(2).any(|pair| pair == ["to", "be"])
        };
        before.modal |= begins && all.iter().any(|word| among(MODAL, word));
        before.states = begins;
        if begins && !all.iter().enumerate().any(urging) && !passive() && !has_way() {
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
        // `the host field has to be left out`: what is taken away stands before.
        let before = at.checked_sub(1).and_then(|before| all.get(before));
        let from = if before == Some(&"be") { 0 } else { at };
        !all.iter()
            .skip(from)
            .any(|word| among(IT, word) || self.ends.contains(stem(word)))
    }
}

/// A clause that begins with none of the words that statements begin with, and tells nobody to do anything all the same.
fn continues(rest: &[&str], before: &Before) -> bool {
    let Some((begin, others)) = rest.split_first() else {
        return false;
    };
    if before.is_step {
        return false;
    }
    if among(COMMANDS, begin) {
        // `could read or alter them`
        return before.modal && among(DOES, begin);
    }
    // `do not set it` tells somebody not to do something; `not only on localhost` goes on.
    if among("do don please kindly", begin) || (among("never not", begin) && !before.states) {
        return false;
    }
    if begin.ends_with("ing")
        && *begin != "including"
        && (is_command(begin) || among(CHANGES, begin) || among(REMOVES, begin))
    {
        return false;
    }
    // `in the metadata set hostPID on`, but not `for Pods that run there`.
    let is_noun = |word: &str| word == "use" && rest.windows(2).any(|pair| pair == ["use", "of"]);
    let command = std::iter::once(begin)
        .chain(others)
        .zip(others)
        .position(|(before, word)| {
            let has_subject =
                among(NO_SUBJECT, before) || (before.len() > 3 && before.ends_with('s') && !among(PLACES, begin));
            among(COMMANDS, word) && !is_noun(word) && !has_subject
        });
    // Of the clause itself, not of what it says about something: `the value that is set`.
    let own = others.iter().take_while(|word| !among(RELATIVE, word));
    let verb = own.take(8).position(|word| among(FINITE, word));
    if let Some(command) = command {
        return verb.is_some_and(|verb| verb < command);
    }
    let is_plural = begin.len() > 3 && begin.ends_with('s') && !begin.ends_with("ss");
    let does = others
        .first()
        .is_some_and(|word| word.len() > 3 && word.ends_with('s') && !word.ends_with("ss"));
    before.states || verb.is_some() || is_plural || does || begin.ends_with("ing") || among(GOES_ON, begin)
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
        // Nor are these: they are kinds of objects, and what everybody calls something.
        for name in [
            "persistentvolumeclaim",
            "serviceaccounttoken",
            "serviceaccount",
            "configmap",
        ] {
            names.remove(name);
        }
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
