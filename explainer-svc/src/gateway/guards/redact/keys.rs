//! Names that tell that a value is for few eyes, and values that are none.

use std::sync::LazyLock;

use regex::Regex;

use crate::gateway::guards::injection::folded;
use crate::gateway::guards::pattern::fixed;

/// Parts of a name, in small letters and without separators.
const TELLING: &str = "password|passwd|passwort|passphrase|passcode|passkey|kennwort|contrasena|clavesecreta|claveprivada|motdepasse|senha|parola|haslo|wachtwoord|losenord|kodeord|passord|heslo|salasana|sifre|jelszo|geheim|пароль|пароля|секрет|токен|密码|密碼|密钥|口令|パスワード|ハスワード|暗号|秘密|비밀번호|암호|secret|token|credential|apikey|accesskey|privatekey|privkey|signingkey|signkey|encryptionkey|encryptkey|decryptionkey|masterkey|rootkey|licensekey|licencekey|authkey|accountkey|sharedkey|presharedkey|deploykey|sshkey|hostkey|servicekey|serviceaccountkey|clientkey|serverkey|storagekey|sessionkey|cookiekey|hmackey|hashkey|appkey|applicationkey|integrationkey|ingestkey|ingestionkey|projectkey|routingkey|instrumentationkey|writekey|adminkey|secretkey|keydata|tlskey|sslkey|idrsa|ided25519|idecdsa|authorization|bearer|connectionstring|connstr|databaseurl|dburl|databaseuri|dburi|mongouri|mongodburi|mongourl|redisurl|amqpurl|rabbitmqurl|brokerurl|sqlalchemy|sentrydsn|jdbcurl|webhookurl|mnemonic|seedphrase|recoveryphrase|htpasswd|pgpass|netrc|dockerconfig|kubeconfig|hmac|saltkey|pepper|lastapplied|cookie|sessionid|signature|authjson|keystore|truststorepass|unsealkey|pincode|requirepass|masterauth|unlockcode|doorcode|accesscode|securitycode|recoverycode|backupcode|verificationcode|cookiesecret|lozinka|geslo|adgangskode|matkhau|katasandi|暗証番号|合言葉|口令|סיסמ|รหัสผ่าน|รหสผาน|كلمةالمرور|κωδικος|συνθηματικο";

/// Whole words of a name.
const WORDS: [&str; 28] = [
    "pass",
    "pwd",
    "pw",
    "psw",
    "pswd",
    "auth",
    "pin",
    "cred",
    "creds",
    "dsn",
    "jwt",
    "sas",
    "salt",
    "seed",
    "otp",
    "totp",
    "mfa",
    "pat",
    "passwd",
    "mdp",
    "clave",
    "kubeconfig",
    "cookie",
    "session",
    "bearer",
    "pem",
    "p12",
    "psk",
];

/// Ends of names that are about a secret and are none.
const HARMLESS: [&str; 63] = [
    "name",
    "names",
    "ref",
    "refs",
    "file",
    "files",
    "path",
    "paths",
    "ttl",
    "type",
    "expiry",
    "expiration",
    "seconds",
    "minutes",
    "hours",
    "length",
    "enabled",
    "provider",
    "class",
    "store",
    "count",
    "namespace",
    "policy",
    "min",
    "max",
    "audience",
    "audiences",
    "issuer",
    "kind",
    "mount",
    "rotation",
    "interval",
    "timeout",
    "version",
    "optional",
    "required",
    "mode",
    "algorithm",
    "alg",
    "header",
    "dir",
    "directory",
    "format",
    "limit",
    "size",
    "prefix",
    "selector",
    "endpoint",
    "review",
    "request",
    "requests",
    "projection",
    "controller",
    "operator",
    "manager",
    "items",
    "volume",
    "group",
    "reference",
    "account",
    "id",
    "age",
    "host",
];

/// Of a person.
const PERSONAL: &str = "email|phone|mobile|firstname|lastname|surname|fullname|birthdate|birthday|dateofbirth|socialsecurity|passportno|passportnumber|taxid|iban|creditcard|cardnumber|streetaddress|homeaddress|postaladdress|nationalid|driverslicense|patient";

/// What a name says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// Nothing.
    Nothing,
    /// It is a secret.
    Secret,
    /// It is about a person.
    Person,
}

/// Reads a name.
pub(super) fn tells(name: &str) -> Tells {
    static SECRET: LazyLock<Regex> = LazyLock::new(|| fixed(TELLING));
    static PERSON: LazyLock<Regex> = LazyLock::new(|| fixed(PERSONAL));
    if name.len() > 256 {
        return Tells::Nothing;
    }
    let words = words(name);
    let Some(last) = words.last() else {
        return Tells::Nothing;
    };
    let joined = words.concat();
    let is_harmless = HARMLESS.contains(&last.as_str())
        && !matches!(
            joined.as_str(),
            "accesskeyid" | "awsaccesskeyid" | "sessionid" | "secretid" | "tokenid" | "vaultsecretid" | "keyid"
        );
    let is_secret = SECRET.is_match(&joined)
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || (!name.contains(char::is_lowercase) && ["pass", "pwd", "pw"].iter().any(|end| joined.ends_with(end)))
        || (joined.ends_with("key") && words.len() > 1 && is_key_of_machine(&words));
    if is_secret && !is_harmless {
        Tells::Secret
    } else if PERSON.is_match(&joined) && !is_harmless {
        Tells::Person
    } else {
        Tells::Nothing
    }
}

/// `STRIPE_KEY`, not the key that things are sorted or told apart by.
fn is_key_of_machine(words: &[String]) -> bool {
    const OTHERS: [&str; 11] = [
        "topology",
        "label",
        "sort",
        "primary",
        "foreign",
        "partition",
        "public",
        "map",
        "merge",
        "config",
        "taint",
    ];
    words.len() <= 4 && !words.iter().any(|word| OTHERS.contains(&word.as_str()))
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last = ' ';
    for character in folded(name).chars() {
        if character.is_alphanumeric() {
            if character.is_uppercase() && last.is_lowercase() {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(character.to_lowercase());
            }
        } else {
            words.push(String::new());
        }
        last = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Values that stand for a secret and are none: references, switches, what was taken out already.
pub(super) fn is_no_secret(value: &str) -> bool {
    static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"^(?:\$\([^()]*\)|\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|\{\{.*\}\}|<[^<>]*>|\*+|x{3,}|\.{3}|\[redacted:[a-z-]+\]|\(?(?i:true|false|null|none|nil|yes|no|undefined)\)?|~)$",
        )
    });
    let value = value.trim();
    value.is_empty() || value.len() < 2 || REFERENCE.is_match(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tell() {
        for name in [
            "password",
            "DB_PASS",
            "PGPASSWORD",
            "apiKey",
            "stripe_api_key",
            "AWS_SECRET_ACCESS_KEY",
            "clientSecret",
            "jwt",
            "authToken",
            "Passwort",
            "contraseña",
            "пароль",
            "密码",
            "DATABASE_URL",
            "STRIPE_KEY",
            "db.pwd",
            "MYSQL_PWD",
            "my-pin",
            "AWS_ACCESS_KEY_ID",
        ] {
            assert_eq!(tells(name), Tells::Secret, "{name}");
        }
    }

    #[test]
    fn names_that_do_not() {
        for name in [
            "secretName",
            "secretKeyRef",
            "PASSWORD_FILE",
            "TOKEN_TTL",
            "serviceAccountName",
            "tokenExpirationSeconds",
            "topologyKey",
            "name",
            "image",
            "compass",
            "bypass",
            "key",
            "imagePullPolicy",
            "privileged",
            "hostname",
            "author",
            "runAsNonRoot",
        ] {
            assert_eq!(tells(name), Tells::Nothing, "{name}");
        }
        assert_eq!(tells("contactEmail"), Tells::Person);
    }
}
