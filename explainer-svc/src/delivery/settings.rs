//! Where policies come from and what is asked of them: arguments become [`Settings`], whole or refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use clap::Args;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::sources::{Exclude, Key, Options, Trust, Verification};

/// The arguments of `whynot serve` about policies.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policies")]
pub struct PolicyArgs {
    /// Where policies come from: folders, files and bundles; or one `https://…/bundle.tar.gz`; or one `oci://REGISTRY/REPOSITORY:TAG`.
    ///
    /// Changes are taken up as they come: files within two seconds, a bundle server that can wait at once, others after
    /// --policies-interval. What does not compile, whose tests fail or whose signature is wrong is refused, and the policies before
    /// serve on. Without this, policies are pushed (whynot policy push).
    ///
    /// Whoever reaches this server can read them and the context.
    #[arg(long, env = "WHYNOT_POLICIES", value_name = "SOURCE", num_args = 1.., value_delimiter = ',')]
    pub policies: Vec<String>,
    /// How often a server that cannot wait, or a registry, is asked.
    #[arg(long, env = "WHYNOT_POLICIES_INTERVAL", value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub policies_interval: u64,
    /// A file with the bearer token for the bundle server.
    #[arg(long, env = "WHYNOT_POLICIES_TOKEN_FILE", value_name = "FILE")]
    pub policies_token_file: Option<PathBuf>,
    /// The authorities (PEM) that may have signed the certificate of the bundle server or the registry, instead of the system's.
    #[arg(long, env = "WHYNOT_POLICIES_CA_FILE", value_name = "FILE")]
    pub policies_ca_file: Option<PathBuf>,
    /// Docker's config.json with the login for the registry, as an image pull secret has it.
    #[arg(long, env = "WHYNOT_REGISTRY_CONFIG", value_name = "FILE")]
    pub registry_config: Option<PathBuf>,
    /// A public key (PEM, JWK or JWK set) that OPA bundles have to be signed with, pushed ones too.
    #[arg(long, env = "WHYNOT_VERIFICATION_KEY", value_name = "FILE")]
    pub verification_key: Option<PathBuf>,
    /// The scope that the signature has to have.
    #[arg(
        long,
        env = "WHYNOT_VERIFICATION_SCOPE",
        value_name = "SCOPE",
        requires = "verification_key"
    )]
    pub verification_scope: Option<String>,
    /// A public key (PEM) that artefacts in a registry have to be signed with by cosign.
    #[arg(long, env = "WHYNOT_COSIGN_KEY", value_name = "FILE")]
    pub cosign_key: Option<PathBuf>,
    /// Takes bundles and artefacts without a look at their signatures.
    #[arg(long, env = "WHYNOT_SKIP_VERIFY", conflicts_with_all = ["verification_key", "cosign_key"])]
    pub skip_verify: bool,
    /// Where the last good policies are kept, for a start without their source, and those before them, for a rollback.
    ///
    /// Default: policies, beside the ledger's database.
    #[arg(long, env = "WHYNOT_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A file with the token of who may push and roll back policies; without it nobody may.
    #[arg(long, env = "WHYNOT_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
}

/// Where policies come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Location {
    /// From whoever has the administrator's token.
    #[default]
    Push,
    /// These files and folders.
    Files(Vec<PathBuf>),
    /// An OPA bundle behind this address.
    Bundle(String),
    /// An artefact in a registry, without `oci://`.
    Oci(String),
}

impl Location {
    /// As `policy status` calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Files(_) => "directory",
            Self::Bundle(_) => "bundle",
            Self::Oci(_) => "oci",
        }
    }

    fn parse(sources: &[String]) -> Result<Self, String> {
        let is_remote = |source: &&String| source.contains("://");
        match sources {
            [] => Ok(Self::Push),
            [one] if one.starts_with("oci://") => {
                let reference = one.trim_start_matches("oci://");
                match reference.parse::<oci_client::Reference>() {
                    Ok(parsed) if reference.starts_with(parsed.registry()) => Ok(Self::Oci(reference.to_owned())),
                    _ => Err(format!(
                        "--policies {one}: expected oci://REGISTRY/REPOSITORY:TAG or oci://REGISTRY/REPOSITORY@sha256:…"
                    )),
                }
            }
            [one] if one.contains("://") => {
                let uri: Result<Uri, _> = one.parse();
                let is_web = uri.is_ok_and(|uri| {
                    let has_host = uri.host().is_some_and(|host| !host.is_empty());
                    let has_login = uri
                        .authority()
                        .is_some_and(|authority| authority.as_str().contains('@'));
                    matches!(uri.scheme_str(), Some("http" | "https")) && has_host && !has_login
                });
                if is_web {
                    Ok(Self::Bundle(one.clone()))
                } else {
                    Err(format!(
                        "--policies {}: expected a path, https://HOST/PATH.tar.gz or oci://REGISTRY/REPOSITORY:TAG; a token \
                         goes into a file (--policies-token-file)",
                        shown(one)
                    ))
                }
            }
            many if many.iter().any(|source| is_remote(&source)) => {
                Err("--policies: name one address, or paths; they cannot be put together".to_owned())
            }
            paths => Ok(Self::Files(paths.iter().map(PathBuf::from).collect())),
        }
    }
}

/// An address as anybody may see it: what follows the path may be a signature that opens it.
pub(super) fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// As it is told, and not always all of it ([`shown`]).
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push => f.write_str("push"),
            Self::Files(paths) => {
                let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                f.write_str(&paths.join(" "))
            }
            Self::Bundle(url) => f.write_str(shown(url)),
            Self::Oci(reference) => write!(f, "oci://{reference}"),
        }
    }
}

/// How policies get in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where they come from.
    pub location: Location,
    /// How much is read, and who has to have signed OPA bundles.
    pub options: Options,
    /// Who has to have signed artefacts.
    pub cosign: Option<Key>,
    /// Between questions to who cannot wait.
    pub interval: Duration,
    /// How long a server may wait before it answers.
    pub long_poll: Duration,
    /// With the token for the bundle server.
    pub token_file: Option<PathBuf>,
    /// With the authorities of the server's certificate.
    pub authority_file: Option<PathBuf>,
    /// With the login for the registry.
    pub registry_config: Option<PathBuf>,
    /// Where policies are kept; `None` beside the database.
    pub state_dir: Option<PathBuf>,
    /// Who may push and roll back.
    pub administrator: Option<Token>,
    /// Tests that have not begun by then do not count as passed.
    pub examination: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: Location::Push,
            options: Options::default(),
            cosign: None,
            interval: Duration::from_secs(30),
            long_poll: Duration::from_secs(30),
            token_file: None,
            authority_file: None,
            registry_config: None,
            state_dir: None,
            administrator: None,
            examination: Duration::from_mins(1),
        }
    }
}

impl PolicyArgs {
    /// Checks what single arguments cannot say, and reads keys.
    ///
    /// # Errors
    /// Names the argument, and what it takes.
    pub fn settings(self) -> Result<Settings, String> {
        let Self {
            policies,
            policies_interval,
            policies_token_file,
            policies_ca_file,
            registry_config,
            verification_key,
            verification_scope,
            cosign_key,
            skip_verify,
            state_dir,
            admin_token_file,
        } = self;
        let location = Location::parse(&policies)?;
        let verification = match &verification_key {
            _ if skip_verify => Verification::Skip,
            None => Verification::NoKey,
            Some(path) => Verification::Required(Box::new(Trust {
                keys: keys("--verification-key", path)?,
                key_id: None,
                algorithm: None,
                scope: verification_scope.unwrap_or_default(),
                exclude: Exclude::default(),
            })),
        };
        let cosign = match &cosign_key {
            None => None,
            Some(path) => keys("--cosign-key", path)?.into_iter().next(),
        };
        // Whoever can write to a registry would decide what is admitted.
        if matches!(location, Location::Oci(_)) && cosign.is_none() && verification_key.is_none() && !skip_verify {
            return Err(format!(
                "{location}: say who has to have signed it with --cosign-key FILE (or --verification-key FILE, for the bundle \
                 in it), or give --skip-verify"
            ));
        }
        let administrator = admin_token_file.map(Token::open).transpose()?;
        Ok(Settings {
            location,
            options: Options {
                verification,
                ..Options::default()
            },
            cosign,
            interval: Duration::from_secs(policies_interval),
            token_file: policies_token_file,
            authority_file: policies_ca_file,
            registry_config,
            state_dir,
            administrator,
            ..Settings::default()
        })
    }
}

fn keys(argument: &str, path: &Path) -> Result<Vec<Key>, String> {
    let wrong = |reason: String| format!("{argument}: {} {reason}", path.display());
    let content = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Key::parse(&content, None).map_err(wrong)
}

/// The administrator's token, in a file that may be replaced.
#[derive(Debug, Clone)]
pub struct Token(PathBuf);

impl Token {
    /// What can be guessed is no secret.
    const SHORTEST: usize = 16;

    /// A token in a file.
    ///
    /// # Errors
    /// The file cannot be read, or what is in it is too short.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let token = Self(path);
        token.read()?;
        Ok(token)
    }

    fn read(&self) -> Result<String, String> {
        let wrong = |reason: String| format!("--admin-token-file: {} {reason}", self.0.display());
        let text = std::fs::read_to_string(&self.0).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let text = text.trim();
        if text.len() < Self::SHORTEST {
            return Err(wrong(format!(
                "holds less than {} letters; make one with: openssl rand -hex 32",
                Self::SHORTEST
            )));
        }
        Ok(text.to_owned())
    }

    /// Whether `given` is the token. How long this takes tells nothing about it, not even its length.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn is(&self, given: &str) -> Result<bool, String> {
        let expected = Sha256::digest(self.read()?);
        let given = Sha256::digest(given);
        Ok(bool::from(expected.as_slice().ct_eq(given.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sources: &[&str]) -> Result<Location, String> {
        let sources: Vec<String> = sources.iter().map(|&source| source.to_owned()).collect();
        Location::parse(&sources)
    }

    #[test]
    fn sources_are_told_apart_by_how_they_begin() {
        assert_eq!(parse(&[]), Ok(Location::Push));
        assert_eq!(parse(&["a", "b"]), Ok(Location::Files(vec!["a".into(), "b".into()])));
        let url = "https://example.test/bundle.tar.gz";
        assert_eq!(parse(&[url]), Ok(Location::Bundle(url.to_owned())));
        for reference in ["registry.test/a/b:1", "localhost:5000/a:latest"] {
            assert_eq!(
                parse(&[&format!("oci://{reference}")]),
                Ok(Location::Oci(reference.to_owned()))
            );
        }
        for wrong in [
            &["ftp://a/b"][..],
            &["https://u:p@a/b"],
            &["https://a/b", "c"],
            &["oci://"],
            &["oci://alpine"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_artefact_needs_a_key_or_a_decision() {
        let args = |skip_verify| PolicyArgs {
            policies: vec!["oci://registry.test/a:1".to_owned()],
            skip_verify,
            ..PolicyArgs::default()
        };
        let reason = args(false).settings().unwrap_err();
        assert!(
            reason.contains("--cosign-key") && reason.contains("--skip-verify"),
            "{reason}"
        );
        assert!(args(true).settings().is_ok());
    }

    #[test]
    fn a_token_is_read_again_and_has_to_be_long() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "short\n").unwrap();
        assert!(Token::open(path.clone()).unwrap_err().contains("openssl rand"));
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let token = Token::open(path.clone()).unwrap();
        assert_eq!(token.is("0123456789abcdef"), Ok(true));
        assert_eq!(token.is("0123456789abcdeg"), Ok(false));
        std::fs::write(&path, "fedcba9876543210").unwrap();
        assert_eq!(token.is("fedcba9876543210"), Ok(true));
        std::fs::remove_file(&path).unwrap();
        assert!(token.is("").is_err());
    }
}
