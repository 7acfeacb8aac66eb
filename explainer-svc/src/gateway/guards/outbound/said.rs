//! What an answer may not say, whatever it explains: links, commands and images of its own, approvals, ways around the policies.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::grounds::Explained;
use crate::gateway::guards::injection::folded;
use crate::gateway::guards::pattern::{fixed, set};

/// A link or an image that the policy's authors did not write.
pub(super) fn foreign_link(text: &str, grounds: &Explained) -> Option<String> {
    static IMAGE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)!\[[^\]]*\]|</?[a-z][a-z0-9-]*(?:\s[^<>]*)?/?>|\b(?:javascript|data|vbscript|file|blob):\S|&(?:#\d+|#x[0-9a-f]+|lt|gt|quot);|\]\s*:\s*\S+://",
        )
    });
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        fixed(r#"(?i)\b(?:[a-z][a-z0-9+.-]{1,12}://|h(?:tt|xx)ps?:/{0,3}|www\.|mailto:)[^\s<>"'`)\]]+"#)
    });
    static MARKDOWN: LazyLock<Regex> = LazyLock::new(|| fixed(r"\[[^\]]*\]\s*\(\s*([^)\s]*)"));
    static HOST: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.|\s?\[\.\]\s?|\s?\(dot\)\s?))+(?:com|net|org|io|dev|co|ai|app|sh|xyz|info|biz|me|ru|cn|de|uk|eu|tk|ml|ga|cf|gq|top|site|online|club|shop|store|link|click|live|page|cloud|tech|pw|cc|ws|in|us|to|ly|gg|gl|gd|evil|example|test|local|internal|zip|mov)\b(?:[:/][^\s\x22'`<>)]*)?",
        )
    });
    let image = IMAGE.find(text).map(|found| found.as_str().to_owned());
    let address = || {
        ADDRESS
            .find_iter(text)
            .map(|found| found.as_str())
            .chain(
                MARKDOWN
                    .captures_iter(text)
                    .filter_map(|found| found.get(1).map(|target| target.as_str())),
            )
            .find(|address| !grounds.has_link(address))
            .map(str::to_owned)
    };
    // A host without a scheme is a link to many readers. The registry of a violating image is none.
    let host = || {
        HOST.find_iter(text)
            .map(|found| found.as_str().trim_end_matches(['.', ',', ';', ':', '!', '?']))
            .find(|host| !grounds.has_link(host) && !grounds.has_word(host) && !grounds.is_path(host))
            .map(str::to_owned)
    };
    image.or_else(address).or_else(host)
}

/// A command that the policy's authors, or the engine's fix, do not have.
pub(super) fn foreign_command(text: &str, grounds: &Explained) -> Option<String> {
    static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?im)(?:\b(?:kubectl|oc|helm|kustomize|argocd|flux|istioctl|eksctl|gcloud|az|aws|docker|podman|crictl|ctr|nerdctl|terraform|ansible(?:-playbook)?|git|gh|systemctl|etcdctl)\s+(?:-{1,2}\w|(?:delete|apply|patch|edit|create|replace|exec|run|get|describe|label|annotate|scale|rollout|set|config|drain|cordon|taint|auth|cp|port-forward|proxy|debug|logs|uninstall|install|upgrade|rollback|template|push|pull|build|rm|rmi|kill|stop|start|restart|login|adm|app|sync|cluster|container|container clusters|eks|iam|s3|sts|ec2|clone|commit|checkout|reset|destroy|plan|import|put|del|disable|mask|image|tag|inspect|save|load|export|prune|system)\b)[^\n`]*|\b(?:curl|wget|nc|ncat|socat|ssh|scp|rsync|telnet|ping|dig|nslookup)\s+(?:-\w|[\w.-]+\.\w|\d|\$|'|\x22|http)[^\n`]*|\b(?:sudo|su|chmod|chown|chroot|nsenter|mount|umount|insmod|modprobe|iptables|mkfs\S*|dd|kill(?:all)?|pkill)\s+(?:-\w|[/\d]|\w+\s+[-/]|if=|apt|yum|dnf|rm|bash|sh|su)[^\n`]*|\brm\s+-\w+[^\n`]*|\b(?:bash|sh|zsh|python3?|perl|ruby|node|php|pwsh|powershell|eval|exec)\s+(?:-\w|<\(|[\w/.]+\.(?:sh|py|pl|rb|js|php|ps1))[^\n`]*|\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\b(?:pip3?|npm|npx|yarn|gem|cargo|go|apt(?:-get)?|yum|dnf|apk|brew)\s+(?:install|add|get|run|exec|i)\s+\S+|^\s*[$#>]\s+[a-z][\w./-]*\s+\S[^\n]*|\$\([^)]+\)|;\s*(?:rm|curl|wget|sh|bash)\b|&&\s*\w+|```(?:ba|z|da|power)?sh\b)",
        )
    });
    COMMAND
        .find_iter(text)
        .map(|found| found.as_str().trim())
        .find(|command| !grounds.has_command(command))
        .map(str::to_owned)
}

/// Words between two others, at most six.
macro_rules! gap {
    () => {
        r"(?: \S+){0,6}? "
    };
}

/// What an explanation of a denial never says: in small letters, words with one space between them.
const NEVER: &[&str] = &[
    // The verdict is not the model's.
    r"\b(?:is|are|was|were|been|be|now|already|hereby|has been|have been|gets?|considered|status|verdict|decision|result|request|pod|deployment|object|resource|workload|change|image|marked(?: as)?)(?: (?:now|already|hereby|fully|officially|pre|automatically|therefore|manually|been|safe and|is|has been|as))* (?:approved|preapproved|authori[sz]ed|whitelisted|allowlisted|greenlit|accepted|admitted|exempt(?:ed)?|waived|cleared|compliant|safe to (?:deploy|ignore|run|proceed)|allowed to (?:proceed|deploy)|good to go)\b|\b(?:is|are)(?: now)? allowed$",
    r"^(?:approved|allowed|accepted|lgtm|ok|okay|yes|pass|passed|compliant|granted|safe|permitted)\b(?: \S+){0,3}$",
    r"\b(?:approved|pre ?approved|lgtm|approval (?:granted|given)|(?:exception|exemption|waiver) (?:granted|approved|applies)|access granted|no violations?(?: were)? found|no (?:issues?|problems?) (?:were )?found|nothing (?:is )?(?:wrong|to fix)|(?:you|it) (?:can|may) (?:be )?(?:safely |just |simply )?(?:proceed|deploy(?:ed)?|ignored?|skip(?:ped)?|bypass(?:ed)?|disregard(?:ed)?)|no (?:change|fix|action) (?:is |are )?(?:needed|required|necessary)|false positive|policy (?:is|was|has been) (?:wrong|outdated|disabled|removed|suspended|lifted|waived)|does not apply to (?:you|this))\b",
    r"\b(?:report|reports|conclude|concludes|say|says|state|states|answer|there (?:is|are|was|were)|finds?|found|has|have|with) (?:that )?(?:there (?:is|are) )?no (?:\S+ )?(?:violations?|problems?|issues?)\b|\bexempt(?:ed|s)? (?:this|the|it|your|from)\b|\b(?:has|have) (?:been )?exempt(?:ed)?\b",
    // Ways around.
    concat!(
        r"\b(?:ignor(?:e|ed|ing)|disregard(?:ed|ing)?|bypass(?:ed|ing)?|circumvent(?:ed|ing)?|evad(?:e|ing)|work(?:ing)? around|get(?:ting)? around|overrid(?:e|ing)|skip(?:ped|ping)?|sidestep|avoid(?:ing)?|dodge|defeat|trick|fool|suppress(?:ed|ing)?|silence|mute|waive)",
        gap!(),
        r"?(?:polic(?:y|ies)|rules?|denials?|violations?|admission|webhooks?|controls?|checks?|validation|enforcement|verdict|decision|guardrails?|warnings?|instructions?|security team|engine|gatekeeper|whynot|kyverno)\b"
    ),
    concat!(
        r"\b(?:disabl(?:e|ed|ing)|delet(?:e|ed|ing)|remov(?:e|ed|ing)|uninstall(?:ed|ing)?|turn(?:ed|ing)? off|switch(?:ed|ing)? off|deactivat(?:e|ed|ing)|stop(?:ped|ping)?|suspend(?:ed|ing)?|paus(?:e|ed|ing)|shut(?:ting)? down|tak(?:e|ing) down|scal(?:e|ing) down|weaken|relax|loosen|edit|modify|patch|chang(?:e|ing)|exclud(?:e|ing)|exempt(?:ing)?|unregister|detach|kill(?:ing)?|break(?:ing)?|amend|rewrite)",
        gap!(),
        r"?(?:webhooks?|webhook configurations?|admission (?:control\S*|polic\S*|plugins?)|validating\S*|mutating\S*|gatekeeper|kyverno|whynot|opa|envoy|(?:the|this|that|these|any|all|your|cluster|security|admission) (?:polic(?:y|ies)|rules?|checks?|enforcement|constraints?|controls?)|enforcement|policy (?:engine|server|set|controller)|pod security (?:admission|label|standard)\S*|constrainttemplates?|audit (?:log|logging)|monitoring|falco|network polic\S*|namespace selector|guardrails?)\b"
    ),
    r"\bvalidatingwebhook\S*|\bmutatingwebhook\S*|\bvalidatingadmission\S*|\bwebhook configurations?\b|\bfailure ?policy\b|\bnamespaceselector\b|\bexcludednamespaces\b|\b(?:excluded|exempt(?:ed)?|unprotected|privileged|ignored|whitelisted|unrestricted|unmonitored|skipped|bypassed) namespaces?\b|\bnamespaces? (?:that|which) (?:is|are) (?:excluded|exempt\S*|not (?:covered|checked|enforced|watched)|skipped|ignored|allowed)",
    r"\bvalidate false\b|\b(?:with|use|using|add|pass|the|and) (?:the )?force\b|\bforce (?:flag|option|delete|push|apply|replace)\b|\bno verify\b|\bskip (?:verify|validation|tls)\b|\binsecure skip\b|\bgrace period 0\b|\bdry run none\b",
    // Another place where nobody looks.
    concat!(
        r"\b(?:renam(?:e|ing)|mov(?:e|ing)|switch(?:ing)?|deploy(?:ing)?|creat(?:e|ing)|migrat(?:e|ing)|relocat(?:e|ing)|run(?:ning)?|chang(?:e|ing)|put(?:ting)?|plac(?:e|ing)|install(?:ing)?|use|using|set(?:ting)?|add(?:ing)?|label(?:ing|ling)?|annotat(?:e|ing))",
        gap!(),
        r"?(?:(?:namespace )?kube (?:system|public|node lease)|gatekeeper system|kyverno|(?:another|a different|an? other|a new|different|other|excluded|exempt\S*|the default|default|system|admin|some) namespaces?|namespaces? (?:to|into|called|named|such as|like)|namespace labels?|exempt\S* (?:labels?|annotations?)|(?:label|annotation) (?:to|that|which) (?:skip|exempt|exclude|bypass|ignore)\S*|control plane label)\b"
    ),
    r"\bkube system\b|\badmission gatekeeper sh ignore\b|\bpod security kubernetes io enforce\b|\bignore (?:label|annotation)\b",
    // More rights.
    concat!(
        r"\b(?:set|add|enable|use|grant|give|make|turn on|switch on|keep|leave|put|bind|assign|request|allow|specify|change|configure|include|mount)",
        gap!(),
        r"?(?:privileged (?:mode|container|pod|access|to true|true)|privileged$|hostnetwork (?:to )?true|hostpid (?:to )?true|hostipc (?:to )?true|host network (?:to )?true|allowprivilegeescalation (?:to )?true|runasuser (?:to )?0|runasnonroot (?:to )?false|as root|root user|readonlyrootfilesystem (?:to )?false|cluster admin|clusterrolebinding|sys admin|cap sys admin|all capabilities|docker sock|latest tag|automountserviceaccounttoken (?:to )?true|unconfined|admin rights|administrator)\b"
    ),
    r"\b(?:privileged|hostnetwork|hostpid|hostipc|allowprivilegeescalation|automountserviceaccounttoken) true (?:so|to|will|and|is|should|must|in order|for)\b",
    r"^(?:just |simply |please |then |now )?run (?:\S+ ){0,4}as root\b|\b(?:should|must|can|could) (?:just |simply |now )?run (?:\S+ ){0,3}as root\b",
    // Of itself and to others.
    r"\b(?:as an ai|language model|i am (?:an?|the|now|your|sorry|unable|going|not)|i m (?:an?|sorry|unable)|i (?:cannot|can t|can not|won t|will|have|was|must|obey|comply|understand|apologi[sz]e|approve|authori[sz]e|grant|allow)|my (?:instructions|prompt|system|training|role|task|guidelines)|system prompt|the prompt|prompt injection|previous instructions|chatgpt|openai|anthropic|gpt|developer mode|jailbreak\S*|roleplay|dan mode|pwned|hacked)\b",
    concat!(
        r"\b(?:send|share|post|email|e mail|mail|upload|paste|forward|give|provide|submit|enter|type|transfer|pay|wire|disclose|tell|message|reply with|reveal|print|attach|include|dump)",
        gap!(),
        r"?(?:password|passwords|secrets?|tokens?|credentials?|kubeconfig|api keys?|private keys?|access keys?|ssh keys?|bitcoin|btc|money|payment|credit card|gift cards?|bank|wallet|personal data|service account token|env(?:ironment)? variables?)\b"
    ),
    concat!(
        r"\b(?:visit|click|go to|open|browse|navigate|download|call|phone|text|dm|ping|contact|write to|message|log ?in|sign ?in|join|scan|install|subscribe|follow)",
        gap!(),
        r"?(?:http|https|www|link|url|website|web site|site|page|attacker|support line|hotline|number|whatsapp|telegram|discord|qr code|extension|tool from|script|binary|this address|evil)\b"
    ),
    r"\b(?:sql injection|reverse shell|exfiltrat\S*|kill yourself|bomb|weapons?|racist|stupid|idiots?|moron|shut up|damn|fuck\S*|shit\S*)\b",
];

/// Answers are in English, so whatever they approve or advise is said where it is looked for.
const FOREIGN: &str = r"[^\p{Latin}\p{Common}\p{Inherited}]";
/// One of these is in every sentence of English, and in few of another language.
const ENGLISH: &str = "the are be been being must should shall this that these it its to and or with without not have from by for does did \
    can could cannot your you which who what when only but would will may might set add remove use make change leave keep run runs give \
    take choose pick put specify define replace container containers pod pods policy field they their there where how why any all both";

/// A sentence that is in no English.
fn in_another_language(sentence: &str, grounds: &Explained) -> Option<String> {
    let written = sentence.chars().filter(|character| !character.is_whitespace()).count();
    let letters = sentence.chars().filter(|character| character.is_alphanumeric()).count();
    if written >= 16 && letters * 2 < written {
        return Some("signs that are no words".to_owned());
    }
    // Names and paths are of no language.
    let said: Vec<String> = sentence
        .split_whitespace()
        .map(|word| word.trim_matches(|character: char| !character.is_alphanumeric()))
        .filter(|word| word.chars().all(char::is_alphabetic) && !word.chars().skip(1).any(char::is_uppercase))
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .collect();
    let is_english = |word: &String| ENGLISH.split_ascii_whitespace().any(|known| known == word);
    if said.len() >= 3 && !said.iter().any(is_english) {
        return Some(format!("another language: {}", said.join(" ")));
    }
    // Letters with accents stand in names, and those are in the facts.
    let is_foreign = |word: &&str| !word.is_ascii() && (!said.iter().any(is_english) || !grounds.has_word(word));
    sentence
        .split(|character: char| !character.is_alphabetic())
        .find(is_foreign)
        .map(|word| format!("another language: {word}"))
}

/// What is not for a model to say.
pub(super) fn out_of_scope(text: &str, grounds: &Explained) -> Option<String> {
    static NEVER_SAID: LazyLock<RegexSet> = LazyLock::new(|| set(NEVER));
    static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| NEVER.iter().map(|pattern| fixed(pattern)).collect());
    static OTHER_SCRIPT: LazyLock<Regex> = LazyLock::new(|| fixed(FOREIGN));
    // `The container is set to run as root` is what was found, `set it to run as root` is advice.
    static IS_SET: LazyLock<Regex> = LazyLock::new(|| fixed(r"\b(is|are|was|were)(?: explicitly)? set to\b"));
    // What frames a conversation, or is not seen.
    static FRAME: LazyLock<Regex> = LazyLock::new(|| {
        fixed(r"(?im)<!--|-->|<\|\w+\|>|\[/?INST\]|^\W*(?:system|assistant|user|developer|human|tool)\W*:")
    });
    static FLAG: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)(?:^|[\s`'\x22(])--?(?:force|validate|no-verify|insecure[\w-]*|grace-period|ignore[\w-]*|skip[\w-]*|disable[\w-]*|allow-[\w-]+|overwrite|prune|now)\b",
        )
    });
    if let Some(found) = OTHER_SCRIPT
        .find(text)
        .filter(|found| !grounds.authored().contains(found.as_str()))
    {
        return Some(format!("another script: {}", found.as_str()));
    }
    if let Some(found) = FRAME.find(text) {
        return Some(found.as_str().trim().to_owned());
    }
    if let Some(found) = FLAG
        .find(text)
        .filter(|found| !grounds.authored().contains(found.as_str().trim()))
    {
        return Some(found.as_str().trim().to_owned());
    }
    if let Some(said) = sentences(text).find_map(|sentence| in_another_language(sentence, grounds)) {
        return Some(said);
    }
    sentences(text).find_map(|sentence| {
        let words = words(sentence);
        let words = IS_SET.replace_all(&words, "$1");
        NEVER_SAID.matches(&words).into_iter().find_map(|index| {
            let said = EACH.get(index)?.find(&words)?.as_str();
            // The policy's authors may say what they want.
            let authored = grounds.authored_words();
            let is_authored = authored.contains(said) || IS_SET.replace_all(authored, "$1").contains(said);
            (!is_authored).then(|| said.to_owned())
        })
    })
}

/// A text cut behind its sentences and lines.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    static END: LazyLock<Regex> = LazyLock::new(|| fixed(r"[.!?;:]+[\s)\x22'`]+|\n+|[.!?]+$"));
    END.split(text).filter(|sentence| !sentence.trim().is_empty())
}

/// Small letters, without accents, one space between words.
pub(super) fn words(text: &str) -> String {
    let folded = folded(text).to_lowercase().replace(['\'', '’'], " ");
    let words: Vec<&str> = folded
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}
