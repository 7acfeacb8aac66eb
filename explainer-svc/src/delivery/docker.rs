//! Docker's `config.json`, as an image pull secret of Kubernetes holds it: who logs in where.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::BASE64;
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
struct Login {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// The name and the password for a registry, if the file has some.
pub(super) fn credentials(path: &Path, registry: &str) -> Result<Option<(String, String)>, String> {
    let wrong = |reason: String| format!("{} {reason}", path.display());
    let text = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    // Not the error's text: it may quote a password.
    let config: Config = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("is not Docker's config.json (line {})", error.line())))?;
    let found = config.auths.iter().find(|(address, _)| host(address) == host(registry));
    let Some((_, login)) = found else {
        return Ok(None);
    };
    if let (Some(user), Some(password)) = (&login.username, &login.password) {
        return Ok(Some((user.clone(), password.clone())));
    }
    let decoded = login
        .auth
        .as_deref()
        .and_then(|auth| BASE64.decode(auth.as_bytes()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    match pair {
        Some((user, password)) => Ok(Some((user.to_owned(), password.to_owned()))),
        None => Err(wrong(format!(
            "has no auth, and no username with password, for {registry}"
        ))),
    }
}

/// Docker's own registry has several names.
fn host(address: &str) -> &str {
    let address = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .unwrap_or(address);
    match address.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(config: &str, registry: &str) -> Result<Option<(String, String)>, String> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        credentials(&path, registry)
    }

    #[test]
    fn both_forms_are_read() {
        let expected = Ok(Some(("jane".to_owned(), "a:b".to_owned())));
        let auth = r#"{"auths": {"registry.example.test": {"auth": "amFuZTphOmI="}}}"#;
        assert_eq!(ask(auth, "registry.example.test"), expected);
        let plain = r#"{"auths": {"https://index.docker.io/v1/": {"username": "jane", "password": "a:b"}}}"#;
        assert_eq!(ask(plain, "docker.io"), expected);
        assert_eq!(ask(plain, "registry.example.test"), Ok(None));
    }

    #[test]
    fn an_error_does_not_tell_a_password() {
        for config in [
            r#"{"auths": {"r.test": {"auth": "c2VjcmV0"}}}"#,
            r#"{"auths": "secret"}"#,
            "secret",
        ] {
            let error = ask(config, "r.test").unwrap_err();
            assert!(!error.contains("secret") && !error.contains("c2VjcmV0"), "{error}");
        }
    }
}
