//! Secrets and numbers of people in sentences and notes: known by the words around them, in the languages that people write.

use std::sync::LazyLock;

use regex::{Match, Regex};

use super::keys::{Tells, is_no_secret, tells};
use super::{Kind, Span};
use crate::gateway::guards::pattern::fixed;

const NAMED: Kind = Kind("named-secret");
const MNEMONIC: Kind = Kind("mnemonic");
const PERSON: Kind = Kind("personal-field");

/// What people call a secret that they keep in mind.
const CALLED: &str = "pass(?:word|wd|phrase|code|wort)s?|kennwort|zugangsdaten|pwd?|pin(?:[ -]?code)?|creds?|credentials?|log[ -]?ins?|\
    secret (?:word|phrase|code|answer|key)|(?:unlock|door|access|security|recovery|backup|verification) codes?|\
    mots? de passe|identifiants?|contrase(?:ñ|n)as?|claves?|palabra secreta|senhas?|parola(?: d['’]ordine)?|parole|has(?:ł|l)o|wachtwoord|\
    l(?:ö|o)senord|adgangskode|kodeord|passord|heslo|geslo|lozinka|(?:š|s)ifra|salasana|parool|(?:ş|s)ifre|parola|jelsz(?:ó|o)|\
    m(?:ậ|a)t kh(?:ẩ|a)u|kata sandi|пароль|пароля|паролем|код доступа|密码|密碼|口令|暗証番号|パスワード|合言葉|비밀번호|암호|รหัสผ่าน|รหัส|\
    كلمة (?:المرور|السر)|رمز عبور|סיסמ(?:ה|א|ת)|κωδικ(?:ός|ος|ό|ο)(?: πρόσβασης)?|συνθηματικό|पासवर्ड|পাসওয়ার্ড|கடவுச்சொல்";

/// Finds them.
pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    called(text, found);
    told(text, found);
    users(text, found);
    identifiers(text, found);
    groups(text, found);
    personal(text, found);
    mnemonics(text, found);
}

fn push(found: &mut Vec<Span>, value: Match<'_>, kind: Kind) {
    let written = value.as_str().trim_end_matches(['.', ',', ';', '!', '?', ')']);
    if written.chars().count() >= 3 && !is_no_secret(written) && !written.starts_with("[redacted:") {
        found.push(Span {
            start: value.start(),
            end: value.start() + written.len(),
            kind,
        });
    }
}

/// `mot de passe : …`, `密码：…`, `the root password was changed to …`.
fn called(text: &str, found: &mut Vec<Span>) {
    static DIRECT: LazyLock<Regex> = LazyLock::new(|| {
        fixed(&format!(
            r#"(?i)(?:^|[^\pL\pN_])(?:{CALLED})["'”」]?\s{{0,2}}(?:[:：=＝]|是|は|为|為)\s{{0,2}}["'“„«「`]?(?P<value>[^\s"'”“»」`,;、。]{{3,}})"#
        ))
    });
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
        fixed(&format!(
            r#"(?i)(?:^|[^\pL\pN_])(?:{CALLED})(?:\s+\pL+){{0,4}}\s*[:：=]?\s*["“„«「`](?P<value>[^"”»」`\n]{{3,80}})["”»」`]"#
        ))
    });
    static NEAR: LazyLock<Regex> = LazyLock::new(|| {
        fixed(&format!(
            r"(?i)(?:^|[^\pL\pN_])(?:{CALLED})(?P<rest>[^\pL\n][^\n]{{0,80}})"
        ))
    });
    for captures in DIRECT.captures_iter(text).chain(QUOTED.captures_iter(text)) {
        if let Some(value) = captures.name("value") {
            push(found, value, NAMED);
        }
    }
    let mut at = 0;
    while let Some(rest) = NEAR.captures_at(text, at).and_then(|captures| captures.name("rest")) {
        odd_words(text, rest, found);
        at = rest.start();
    }
}

/// Words of a clause that no language has: letters and digits in one, as people make passwords; and a number that stands alone.
fn odd_words(text: &str, clause: Match<'_>, found: &mut Vec<Span>) {
    static WORD: LazyLock<Regex> = LazyLock::new(|| fixed(r#"[^\s"'`“”«»,;()<>\[\]{}=:/|\\]{4,64}"#));
    let end = clause.as_str().find(". ").unwrap_or(clause.len());
    for word in WORD.find_iter(clause.as_str().get(..end).unwrap_or_default()).take(12) {
        let start = clause.start() + word.start();
        let written = word.as_str().trim_end_matches(['.', '!', '?']);
        let before = text.get(..start).unwrap_or_default();
        let is_number =
            written.len() <= 8 && written.bytes().all(|byte| byte.is_ascii_digit()) && before.ends_with(' ');
        let is_first = clause
            .as_str()
            .get(..word.start())
            .is_some_and(|before| before.trim().is_empty());
        if is_odd(written) || (is_number && is_first) {
            found.push(Span {
                start,
                end: start + written.len(),
                kind: NAMED,
            });
        }
    }
}

/// Letters with a digit or a sign among them; not the name of a standard, a version, a quantity or an object.
fn is_odd(word: &str) -> bool {
    static KNOWN: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)^(?:sha\d*|md\d|aes\d*|[rehp]s\d{3}|rsa\d*|ed25519|x509|base\d+|utf-?\d+|oauth\d?|oidc\d?|http\d?|ipv?\d|k8s|i18n|s3|ec2|2fa|mp\d|v\d.*|\d+[a-z]{1,2}|[a-z]+v\d+|.*\.(?:ya?ml|json|txt|conf|sh|key|pem|crt)|[a-z]+\d?[-_][a-z]+.*|(?:[a-z0-9]+-)+[a-z0-9]+|-.*|\$.*|\d[\d.:-]*)$",
        )
    });
    let has = |is: fn(char) -> bool| word.chars().any(is);
    let has_digit = has(|character| character.is_ascii_digit());
    let has_sign = has(|character| "!@#$%^&*+~?".contains(character));
    let has_inner = word.chars().skip(1).any(char::is_uppercase) && has(char::is_lowercase);
    let length = word.chars().count();
    // `Thunderbolt_9`, `Wombat-77`: a word and a number, with a capital.
    let is_marked = has_digit && word.starts_with(char::is_uppercase) && has(char::is_lowercase);
    (5..=64).contains(&length)
        && has(char::is_alphabetic)
        && (has_digit || (has_sign && has_inner))
        && (is_marked || !KNOWN.is_match(word))
        && !word.contains(['.', '*'])
}

/// `I set DB_PASSWORD to …`: what reads as the name of a variable, and what it gets.
fn told(text: &str, found: &mut Vec<Span>) {
    static SET: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?P<key>\b[\pL][\pL\pN]*(?:[_.-][\pL\pN]+)+|\b[A-Z][A-Z\d]{2,}|\b\pL+[a-z][A-Z]\pL*)["'`]?\s+(?:to|as|with|=|auf|zu|à|a|на|(?:has |with )?(?:the )?value(?: of)?)\s+(?P<value>"[^"\n]+"|'[^'\n]+'|[^\s"'`,;]{4,}(?:\s[^\s"'`,;.]+){0,11})"#,
        )
    });
    const NOT: &[&str] = &[
        "the",
        "a",
        "an",
        "be",
        "use",
        "come",
        "from",
        "secret",
        "secretkeyref",
        "valuefrom",
        "your",
        "this",
        "that",
        "environment",
        "plain",
        "some",
        "another",
        "something",
        "anything",
        "whatever",
    ];
    let mut at = 0;
    while let Some(captures) = SET.captures_at(text, at) {
        let (Some(key), Some(value)) = (captures.name("key"), captures.name("value")) else {
            break;
        };
        at = key.end();
        if tells(key.as_str()) != Tells::Secret {
            continue;
        }
        let all = value.as_str().trim_matches(['"', '\'']);
        let start = value.start() + value.as_str().find(all).unwrap_or_default();
        // Of a value of several words where it ends is not said: at a word that goes on with the sentence.
        let end = [
            ". ",
            " in ",
            " for ",
            " and ",
            " on ",
            " but ",
            " so ",
            " which ",
            " because ",
        ]
        .iter()
        .filter_map(|word| all.find(word))
        .min()
        .unwrap_or(all.len());
        let written = all.get(..end).unwrap_or(all).trim_end_matches(['.', '!', '?']);
        let first = written.split(' ').next().unwrap_or_default().to_lowercase();
        if !NOT.contains(&first.as_str()) && !is_no_secret(written) && written.len() >= 3 {
            found.push(Span {
                start,
                end: start + written.len(),
                kind: NAMED,
            });
        }
    }
}

/// `admin / …`, `root:…`, `user … and pass …`.
fn users(text: &str, found: &mut Vec<Span>) {
    static PAIR: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)(?:^|[\s"'`(])(?:admin|administrator|root|superuser|sysadmin|operator|guest|postgres|deploy|jenkins|ci|svc|sa|ops|backup|bot)\s?[/:|]\s?(?P<value>[^\s"'`|/:,;)]{5,})"#,
        )
    });
    static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)\b(?:user(?:name)?|login|account|benutzer|utilisateur|usuario)\s+["'`]?[\w.@-]+["'`]?,?\s+(?:and\s+|und\s+|et\s+|y\s+|with\s+|\W\s?)?(?:the\s+)?(?:pass(?:word|wd|wort|phrase)?|pwd?|secret|kennwort|mot de passe|contraseña)\s+(?:is\s+)?["'`]?(?P<value>[^\s"'`,;]{3,})"#,
        )
    });
    static CHANGED: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"["'][\w.@-]+:(?P<value>[^\s"':]{3,})["']\s*\|\s*(?:sudo\s+)?(?:chpasswd|passwd)\b"#));
    for value in PAIR.captures_iter(text).filter_map(|captures| captures.name("value")) {
        if is_odd(value.as_str().trim_end_matches(['.', '!', '?'])) {
            push(found, value, NAMED);
        }
    }
    for captures in CLAUSE.captures_iter(text).chain(CHANGED.captures_iter(text)) {
        if let Some(value) = captures.name("value") {
            push(found, value, NAMED);
        }
    }
}

/// UUIDs are public, unless a word says what one is for.
fn identifiers(text: &str, found: &mut Vec<Span>) {
    static NEAR: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)(?:tokens?|secrets?|passwords?|credentials?|(?:api|access|licen[cs]e|service|auth|app|private|client|integration|ingest|account)[ _-]?keys?|bearer|\bkey(?:\s+is)?)\b[^\n\pN]{0,24}?(?P<value>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b",
        )
    });
    static LINK: LazyLock<Regex> = LazyLock::new(|| {
        fixed(r"(?i)://[^\s/]*(?:ping|hook|push|ingest|webhook)[^\s]*/(?P<value>[0-9a-f]{8}-[0-9a-f-]{27})\b")
    });
    for captures in NEAR.captures_iter(text).chain(LINK.captures_iter(text)) {
        if let Some(value) = captures.name("value") {
            push(found, value, NAMED);
        }
    }
}

/// Seeds and codes for a second factor, in groups as they are shown to be typed in.
fn groups(text: &str, found: &mut Vec<Span>) {
    static GROUPS: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)\b(?:2fa|mfa|totp|otp|two[ -]factor|authenticator|recovery|backup|setup|unseal)\b[^\n:=]{0,30}[:=]?\s*(?P<value>[a-z0-9]{3,8}(?:[ -][a-z0-9]{3,8}){3,})\b",
        )
    });
    for value in GROUPS.captures_iter(text).filter_map(|captures| captures.name("value")) {
        let has_digits = value.as_str().bytes().filter(u8::is_ascii_digit).count() >= 3;
        if has_digits {
            push(found, value, NAMED);
        }
    }
}

/// Numbers that offices and banks give to people, behind the words for them.
fn personal(text: &str, found: &mut Vec<Span>) {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)\b(?:passport|passnummer|reisepass|driver'?s? licen[cs]e|licen[cs]e plate|social security|ssn|sin|national insurance|ni|nino|nhs|medicare|aadhaar|pan|cpf|cnpj|dni|nie|nif|curp|rfc|bsn|pesel|cnp|oib|ahv|avs|personnummer|cpr|steuer-?id(?:nr)?|steueridentifikationsnummer|tax(?:payer)? id|tin|codice fiscale|insee|sort code|routing|account|konto|kontonummer|bank account|card|cvv|cvc|patient|insurance|versicherungsnummer|date of birth|birth ?date|birthday|dob|geboren(?: am)?|geburtsdatum|né(?:e)? le|nacid[oa] el)\b[ \t]*(?:n(?:umbe)?r|no|number|nummer|num|id|code|is|ist|account)?[.:#=]?[ \t]*(?:is[ \t]+|:[ \t]*)?(?P<value>[A-Z]{0,6}\d[A-Z\d]*(?:[ ./-]?[A-Z]?\d[A-Z\d]*){0,5}[A-Z]?)\b",
        )
    });
    let mut at = 0;
    while let Some(value) = NUMBER.captures_at(text, at).and_then(|captures| captures.name("value")) {
        at = value.end();
        if value.as_str().bytes().filter(u8::is_ascii_digit).count() >= 6 {
            push(found, value, PERSON);
        }
    }
}

/// The words of a wallet (BIP-39): twelve or more in a row, each of three to eight small letters, and none of those that every
/// sentence of such a length has.
fn mnemonics(text: &str, found: &mut Vec<Span>) {
    static RUN: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"\b[a-z]{3,8}(?:(?:[ \t]*[,;][ \t]*|[ \t]+|\s*\n?\s*\d{1,2}[.):]\s*|\s*\n\s*(?:-\s+)?)[a-z]{3,8}){11,47}\b",
        )
    });
    const COMMON: &[&str] = &[
        "the", "and", "for", "are", "was", "were", "has", "had", "have", "been", "not", "but", "with", "from", "must",
        "its", "his", "her", "they", "them", "their", "will", "would", "should", "could", "which", "than", "does",
        "did", "our", "your", "get", "set", "pods", "image", "named", "each",
    ];
    for run in RUN.find_iter(text) {
        let words: Vec<&str> = run
            .as_str()
            .split(|character: char| !character.is_ascii_alphabetic())
            .filter(|word| !word.is_empty())
            .collect();
        if !words.iter().any(|word| COMMON.contains(word)) {
            found.push(Span {
                start: run.start(),
                end: run.end(),
                kind: MNEMONIC,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.iter().filter_map(|span| text.get(span.start..span.end)).collect()
    }

    #[test]
    fn what_words_say_about_a_value_is_heard_in_many_languages() {
        for (text, secret) in [
            ("Kennwort: Apfelbaum", "Apfelbaum"),
            ("mot de passe : croissant", "croissant"),
            ("口令是longjing", "longjing"),
            ("パスワード：himitsu", "himitsu"),
            ("mật khẩu: banhmi", "banhmi"),
            ("סיסמה: shalom1", "shalom1"),
            ("the admin password was rotated to Gecko-21 today", "Gecko-21"),
            ("PIN 7716 opens it", "7716"),
            ("try root / Iguana88", "Iguana88"),
            ("log in with user ann and pass Lorikeet", "Lorikeet"),
            ("I set DB_PASSWORD to parakeet in it", "parakeet"),
            (
                "token 1b4e28ba-2fa1-41d2-883f-0016d3cca427",
                "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
            ),
            ("2FA setup key: ab3d ef5h ij7l mn9p", "ab3d ef5h ij7l mn9p"),
            ("passport no. X1234567", "X1234567"),
            ("CPF 111.444.777-35", "111.444.777-35"),
        ] {
            assert!(hidden(text).contains(&secret), "{text}: {:?}", hidden(text));
        }
        let words = "zoo wrong vote travel salmon ripple prize olive noble merry lunar kiwi";
        assert_eq!(hidden(&format!("words: {words}")), [words]);
    }

    #[test]
    fn sentences_about_secrets_that_hold_none_stay() {
        for text in [
            "Use a Secret and secretKeyRef instead of a plain password in env.",
            "The password must be rotated every 90 days, says the rule.",
            "the password is hashed with sha256 and stored in vault-0",
            "The login page is served by the container web on port 8443.",
            "uid: 6f1d2c3b-4a59-4e86-9c70-1b2d3e4f5a6b",
            "the credentials come from database-credentials in shop",
            "Set DB_PASSWORD to a reference.",
            "account 12 of 30",
            "create get list patch update watch delete bind use escalate proxy impersonate the rest",
        ] {
            assert!(hidden(text).is_empty(), "{text}: {:?}", hidden(text));
        }
    }
}
