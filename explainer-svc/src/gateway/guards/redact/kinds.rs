//! Secrets that are known by their form. The first group is the secret; without one, all of the match is.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::{Kind, Span};
use crate::gateway::guards::pattern::{fixed, set};

/// Kind and form. Forms are looser than what is issued today: an issuer may change lengths, and a wrong guess costs a word.
const FORMS: &[(&str, &str)] = &[
    (
        "private-key",
        r"-----BEGIN[ A-Z0-9]*PRIVATE KEY[ A-Z]*-----(?s:.*?)(?:-----END[ A-Z0-9]*PRIVATE KEY[ A-Z]*-----|\z)",
    ),
    (
        "private-key",
        r"PuTTY-User-Key-File-\d(?s:.)*|-----BEGIN OpenVPN Static key(?s:.)*?(?:-----END[^-]*-----|\z)",
    ),
    ("age-key", r"AGE-SECRET-KEY-1[0-9A-Za-z]{20,}"),
    ("ansible-vault", r"\$ANSIBLE_VAULT;[^\n]*(?:\s+[0-9a-f]{20,})*"),
    (
        "jwt",
        r"\bey[IJ][A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_=-]*){0,3}",
    ),
    ("jwk", r#""(?:d|k|p|q|dp|dq|qi)"\s*:\s*"([A-Za-z0-9_-]{20,})""#),
    (
        "url-credentials",
        r#"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"'<>]*:([^\s/@"'<>]+)@"#,
    ),
    (
        "url-credentials",
        r#"(?i)\b(?:postgres\w*|mysql\w*|mariadb|mongodb|mssql|sqlserver|rediss?|amqps?|kafka|ftps?|smtps?|imaps?|ldaps?|nats|clickhouse|cockroachdb|oracle|jdbc:\w+|cassandra|couchdb|neo4j|bolt|git|https?)(?:\+\w+)?://[^\s/:@"'<>]*:([^\s"'<>]{1,200}?)@[A-Za-z0-9\[]"#,
    ),
    ("url-credentials", r"\bhttps?://([A-Za-z0-9_-]{16,})@"),
    ("database-dsn", r#"\b[\w.-]+:([^@\s:/"']+)@(?:tcp|udp|unix)?\("#),
    (
        "database-dsn",
        r#"(?i)\b[\w.-]+/([^@\s/"']{3,})@(?:\([A-Z]|//?[\w.-]+:\d)|\bjdbc:\w+:\w+:[^\s/@"']+/([^@\s"']{3,})@"#,
    ),
    (
        "connection-string",
        r#"(?i)(?:^|[;?&\s"'])(?:password|pwd|accountkey|sharedaccesskey|sharedsecret|sharedaccesssignature|accesskey|secretkey|user ?pass|pass)\s*=\s*([^;&\s"']{2,})"#,
    ),
    ("bearer", r#"(?i)\bbearer[\s:]+["']?([A-Za-z0-9._~+/=-]{6,})"#),
    (
        "basic-auth",
        r#"(?i)\bbasic[\s:]+["']?([A-Za-z0-9+/_-]{6,}={0,2})(?:$|[\s"',;\\)])"#,
    ),
    (
        "basic-auth",
        r#"(?i)(?:^|\s|["',])(?:-u|--user|--proxy-user|--creds)[\s=,"']+[^\s:"']+:([^\s"',]+)"#,
    ),
    (
        "authorization",
        r#"(?i)\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:token|apikey|digest|negotiate|bot|key|aws4-hmac-sha256|splunk|sso-key|genie\w+|api-token)[\s:]+)?([^\s"',]{6,})"#,
    ),
    ("cookie", r#"(?im)\b(?:set-)?cookie["']?\s*:\s*["']?([^\n"']{6,})"#),
    (
        "command-line",
        r#"(?i)\bsshpass\s+-p\s*["']?([^\s"']+)|\bredis-cli\b[^\n]*?\s-a\s+["']?([^\s"']+)|\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n]*?\s-p([^\s"']+)|\b(?:ldapsearch|ldapmodify|sqlcmd|docker login|helm registry login|podman login|skopeo login)\b[^\n]*?\s-(?:w|P|p)\s+["']?([^\s"']+)|\bopenssl\b[^\n]*\bpass:([^\s"']+)|\bopenssl\b[^\n]*?\s-[kK]\s+["']?([^\s"']+)|\bhtpasswd\s+-\w*b\w*\s+\S+\s+\S+\s+(\S+)|\b(?:zip|unzip|7z|rar|unrar)\b[^\n]*?\s-(?:P|p)\s*["']?([^\s"']+)|\bsmbclient\b[^\n]*?%([^\s"']+)|\bexpect\b[^\n]*?\bsend\s+\\*["']([^"'\\]{3,})|\b(?:xfreerdp|rdesktop)\b[^\n]*?\s(?:/p:|-p\s+)([^\s"']+)|\bkeytool\b[^\n]*?-(?:store|key)pass\s+([^\s"']+)|\bsnmp\w+\b[^\n]*?\s-[AX]\s+["']?([^\s"']+)"#,
    ),
    (
        "pgpass",
        r"(?m)^\s*(?:[\w.*-]+|\[[^\]]+\]):(?:\d{2,5}|\*):[^:\s]+:[^:\s]+:(\S+)\s*$",
    ),
    (
        "pgpass",
        r"\b[\w.*-]+:(?:5432|6432|3306|\*):[\w*.-]+:[\w*.-]+:([^\s:]+)",
    ),
    (
        "netrc",
        r"(?i)\b(?:machine\s+\S+|default)\s+login\s+\S+\s+password\s+(\S+)",
    ),
    (
        "docker-config",
        r#"\\*"(?:auth|identitytoken|registrytoken)\\*"\s*:\s*\\*"([^"\\]{4,})"#,
    ),
    (
        "docker-config",
        r#"(?m)\b(?:\.dockerconfigjson|\.dockercfg)["']?\s*:\s*["']?([A-Za-z0-9+/=]{8,})"#,
    ),
    (
        "kubeconfig",
        r#"(?m)\b(?:client-key-data|client-certificate-data|id-token|refresh-token|access-token)["']?\s*:\s*["']?([^\s"',}]{6,})"#,
    ),
    (
        "npmrc",
        r#"(?m)(?:_authToken|_auth|_password)\s*=\s*["']?([^\s"']{4,})"#,
    ),
    (
        "password-hash",
        r"\$(?:2[abxy]?|1|5|6|7|y|apr1|argon2(?:id?|d)|pbkdf2[\w-]*|scrypt|bcrypt)\$[./A-Za-z0-9$=,+-]{10,}|\{(?:SSHA|SHA|SMD5|CRYPT)\d*\}[A-Za-z0-9+/=$./]{8,}",
    ),
    (
        "shared-secret",
        r#"(?m)\bPSK[ \t]+\\*["']([^"'\\\n]+)|\S[ \t]+\S+[ \t]+\\*["']([^"'\\\n]{4,})\\*["'][ \t]+\*[ \t]*(?:$|\\n|["'])"#,
    ),
    ("otp-seed", r"(?i)otpauth://\S+"),
    ("bootstrap-token", r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),
    ("openshift-token", r"\bsha256~[A-Za-z0-9_-]{20,}"),
    (
        "rancher-token",
        r"\b(?:token|kubeconfig-user)-[a-z0-9.]{4,}:[a-z0-9]{20,}",
    ),
    (
        "aws-access-key-id",
        r"\b(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|ANPA|ANVA|AIPA|APKA|A3T[A-Z0-9])[A-Z0-9]{12,}\b",
    ),
    (
        "aws-secret-key",
        r#"(?i)\baws\w{0,30}["'\s:=>]{1,8}([A-Za-z0-9/+=]{40})(?:[^A-Za-z0-9/+=]|$)"#,
    ),
    (
        "aws-bedrock-key",
        r"\b(?:ABSK[A-Za-z0-9+/=]{20,}|bedrock-api-key-[A-Za-z0-9+/=]{10,})",
    ),
    ("aws-mws", r"\bamzn\.mws\.[0-9a-f-]{16,}"),
    (
        "presigned-url",
        r"(?i)[?&](?:x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|signature|sig|awsaccesskeyid)=([A-Za-z0-9%+/=_.-]{8,})",
    ),
    ("google-api-key", r"\bAIza[0-9A-Za-z_-]{20,}"),
    (
        "google-oauth",
        r"\bya29\.[0-9A-Za-z_.-]{10,}|\bGOCSPX-[0-9A-Za-z_-]{12,}|\b1//0[0-9A-Za-z_-]{20,}|\b4/0A[0-9A-Za-z_-]{20,}",
    ),
    (
        "google-service-account",
        r#"\\*"private_key(?:_id)?\\*"\s*:\s*\\*"([^"]{8,})"#,
    ),
    ("azure-client-secret", r"[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{20,}"),
    (
        "azure-key",
        r"\b[A-Za-z0-9+/]{40,}(?:AzFu|AzSe|ACDb|ASt|APIM)[A-Za-z0-9+/=]{4,}|\b[A-Za-z0-9]{70,}AZDO[A-Za-z0-9]{4}",
    ),
    ("github", r"\bgh[a-z]_[A-Za-z0-9_]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}"),
    (
        "gitlab",
        r"\bgl[a-z]{1,8}-[A-Za-z0-9_.=-]{12,}|\bGR1348941[A-Za-z0-9_-]{10,}|\b_gitlab_session=\w+",
    ),
    (
        "atlassian",
        r"\bAT(?:ATT|CTT|BB)[A-Za-z0-9_=-]{16,}|\bBBDC-[A-Za-z0-9+/=]{20,}",
    ),
    (
        "slack",
        r"\bxox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|\bxapp-\d-[A-Za-z0-9-]{8,}|\bxwfp-[A-Za-z0-9-]{8,}",
    ),
    (
        "webhook-url",
        r"(?i)\b(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/(?:v\d+/)?webhooks|[\w.-]*webhook\.office\.com/webhookb2|[\w.-]*\.logic\.azure\.com|hooks\.zapier\.com/hooks|chat\.googleapis\.com/v1/spaces|outlook\.office\.com/webhook|maker\.ifttt\.com)/([^\s\x22'<>]{8,})",
    ),
    (
        "discord",
        r"\b[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{20,}",
    ),
    ("telegram", r"\b\d{7,12}:A[A-Za-z0-9_-]{30,}"),
    ("facebook", r"\bEAA[A-Za-z0-9]{24,}|\b\d{13,17}\|[\w-]{24,}"),
    ("twitter", r"\bA{20,}[A-Za-z0-9%]{20,}"),
    (
        "stripe",
        r"\b(?:sk|rk|pk|whsec|ek|rsk)_(?:(?:live|test|prod)_)?[A-Za-z0-9+/=]{10,}",
    ),
    ("square", r"\bsq0[a-z]{3}-[0-9A-Za-z_-]{16,}|\bEAAA[0-9A-Za-z_-]{40,}"),
    (
        "paypal",
        r"\baccess_token\$(?:production|sandbox)\$[0-9a-z]+\$[0-9a-f]+",
    ),
    ("shopify", r"\bshp[a-z]{2,4}_[a-fA-F0-9]{16,}"),
    ("plaid", r"\baccess-(?:sandbox|development|production)-[0-9a-f-]{16,}"),
    ("flutterwave", r"\bFLW(?:PUB|SEC)K(?:_TEST)?-[0-9A-Za-z-]{12,}"),
    (
        "openai",
        r"\bsk-(?:proj-|svcacct-|admin-|None-|or-v1-|or-)?[A-Za-z0-9_-]{16,}|\bsess-[A-Za-z0-9]{30,}",
    ),
    ("anthropic", r"\bsk-ant-[A-Za-z0-9_-]{10,}"),
    (
        "model-provider",
        r"\b(?:hf_|api_org_|r8_|gsk_|pplx-|xai-|nvapi-|lsv2_(?:pt|sk)_|pcsk_|tvly-|fc-|jina_|voyage-|fw_|tgp_v1_|csk-|dapr_|esecret_|pk-lf-|sk-lf-)[A-Za-z0-9_-]{16,}",
    ),
    ("twilio", r"\b(?:SK|AC|AP)[0-9a-fA-F]{32}\b"),
    ("sendgrid", r"\bSG\.[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}"),
    (
        "mailgun",
        r"\b(?:pub)?key-[0-9a-f]{24,}\b|\b[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b",
    ),
    ("mailchimp", r"\b[0-9a-f]{32}-us\d{1,2}\b|\bmd-[A-Za-z0-9_-]{22}\b"),
    ("brevo", r"\bx(?:key|smtp)sib-[0-9a-fA-F]{32,}[A-Za-z0-9-]*"),
    ("npm", r"\bnpm_[A-Za-z0-9]{16,}"),
    ("pypi", r"\bpypi-[A-Za-z0-9_-]{16,}"),
    (
        "package-registry",
        r"\brubygems_[0-9a-f]{24,}|\bcio[A-Za-z0-9]{32}\b|\boy2[a-z0-9]{43}\b|\bCLOJARS_[a-z0-9]{20,}|\bhex_[a-z0-9]{20,}",
    ),
    ("docker-hub", r"\bdckr_[a-z]+_[A-Za-z0-9_-]{16,}"),
    (
        "artifactory",
        r"\bAKC[A-Za-z0-9]{20,}|\bcmVmdGtu[A-Za-z0-9]{20,}|\bAP[0-9A-F][A-Za-z0-9]{40,}",
    ),
    ("vault", r"\bhv[a-z]\.[A-Za-z0-9_-]{16,}|\b[sbr]\.[A-Za-z0-9]{24}\b"),
    ("terraform-cloud", r"\b[A-Za-z0-9]{10,}\.atlasv1\.[A-Za-z0-9_=-]{16,}"),
    ("digitalocean", r"\bdo[a-z]_v1_[a-f0-9]{24,}"),
    (
        "cloudflare",
        r"\bv1\.0-[0-9a-f]{16,}-[0-9a-f]{32,}|\bcf(?:ut|at|k|[a-z]{2})_[A-Za-z0-9_-]{24,}",
    ),
    (
        "hosting",
        r"\bHRKU-[A-Za-z0-9_-]{16,}|\bfo1_[\w-]{20,}|\bfm[12][ar]?_[A-Za-z0-9+/=]{20,}|\bnfp_[A-Za-z0-9]{20,}|\brnd_[A-Za-z0-9]{16,}|\bvc[a-z]_[A-Za-z0-9]{20,}|\bpscale_[a-z]+_[\w=.-]{16,}|\bsb[a-z]{1,2}_[A-Za-z0-9_]{16,}|\bsb_(?:secret|publishable)_[\w-]{16,}",
    ),
    (
        "cloud-key",
        r"\bLTAI[A-Za-z0-9]{10,}|\bAKID[A-Za-z0-9]{12,}|\bSCW[A-Z0-9]{17}\b|\bAQVN[A-Za-z0-9_-]{20,}|\bt1\.[A-Z0-9a-z_-]+=*\.[A-Z0-9a-z_-]{40,}|\bYC[A-Za-z0-9_-]{38}\b|\bJDC_[A-Z0-9]{20,}|\bAKLT[A-Za-z0-9_-]{20,}|\bocid1\.credential\S+|\bIQoJ[A-Za-z0-9+/=]{40,}",
    ),
    (
        "datadog",
        r"\bdd(?:pat|app|api|oauth)?_[A-Za-z0-9]{24,}|\bpub[0-9a-f]{32}\b",
    ),
    (
        "newrelic",
        r"\bNR(?:AK|AA|JS|II|IQ|RA|SP)-[A-Za-z0-9-]{12,}|\b[0-9a-f]{32,36}NRAL\b|\b[0-9a-f]{36}FFFFNRAL\b",
    ),
    (
        "grafana",
        r"\bgl(?:c|sa)_[A-Za-z0-9+/=_]{16,}|\beyJrIjoi[A-Za-z0-9+/=_-]{16,}",
    ),
    (
        "sentry",
        r"\bsntry[a-z]_[A-Za-z0-9=+/_]{16,}|\bhttps://([0-9a-f]{16,}(?::[0-9a-f]+)?)@",
    ),
    ("dynatrace", r"\bdt0[a-z]\d{2}\.[A-Za-z0-9]{8,}(?:\.[A-Za-z0-9]{16,})?"),
    (
        "monitoring",
        r"\bhc[a-z]{2,4}_[A-Za-z0-9]{20,}|\bSplunk\s+([0-9A-Fa-f-]{20,})|\bPDU[A-Za-z0-9+_-]{16,}|\bessu_[A-Za-z0-9+/=]{16,}|\bphc?x?_[A-Za-z0-9]{20,}|\blogz_\w{20,}|\b(?:sdk|mob|api)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    ("postman", r"\bPMAK-[A-Za-z0-9-]{16,}"),
    ("linear", r"\blin_[a-z]+_[A-Za-z0-9]{16,}"),
    ("notion", r"\b(?:secret|ntn)_[A-Za-z0-9]{20,}"),
    (
        "design-tool",
        r"\bfig[a-z]{1,2}_[A-Za-z0-9_-]{16,}|\b[ps]k\.eyJ[A-Za-z0-9_.-]{20,}|\bfio-u-[A-Za-z0-9_=-]{20,}|\bCFPAT-[A-Za-z0-9_-]{20,}|\bp8e-[a-z0-9]{24,}",
    ),
    (
        "office-tool",
        r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{32,}|\bsl\.[A-Za-z0-9_-]{40,}|\b\d/\d{12,}:[0-9a-f]{24,}|\btfp_[A-Za-z0-9_.=-]{24,}|\brdme_[a-z0-9]{24,}|\bpat-[a-z]{2}\d-[0-9a-f-]{20,}|\bdG9r[A-Za-z0-9+/=]{40,}",
    ),
    ("doppler", r"\bdp\.[a-z]{2,6}\.[A-Za-z0-9._-]{16,}"),
    ("databricks", r"\bdapi[0-9a-f]{24,}(?:-\d)?\b"),
    (
        "code-quality",
        r"\bsq[a-z]_[0-9a-f]{24,}|\bsnyk_[a-z]+\.[\w.-]{16,}|\bsgp_[A-Za-z0-9_]{20,}",
    ),
    ("pulumi", r"\bpul-[0-9a-f]{24,}"),
    (
        "ci-token",
        r"\bbk[a-z]{2}_[A-Za-z0-9]{16,}|\bCCIP(?:AT|RJ)_[A-Za-z0-9_]{16,}|\bpnu_[A-Za-z0-9]{16,}|\bgh-actions-\S{16,}|\bdrone_[A-Za-z0-9]{20,}|\bocto-[A-Z0-9]{16,}|\bAPI-[A-Z0-9]{20,}",
    ),
    ("tailscale", r"\btskey-[A-Za-z0-9-]{12,}"),
    (
        "one-password",
        r"\bops_eyJ[A-Za-z0-9_-]{16,}|\bA3-[A-Z0-9]{6}-[A-Z0-9-]{16,}",
    ),
    (
        "easypost",
        r"\bEZ[AT]K[A-Za-z0-9]{20,}|\bshippo_(?:live|test)_[0-9a-f]{20,}|\b(?:live|test)_(?:pub_)?[a-f0-9]{30,}",
    ),
    ("duffel", r"\bduffel_(?:test|live)_[A-Za-z0-9_=-]{20,}"),
    ("cloudinary", r"\bcloudinary://\S+"),
    (
        "wallet-key",
        r"\b0x[0-9a-fA-F]{64}\b|\b[5KL][1-9A-HJ-NP-Za-km-z]{50,51}\b|\bxprv[1-9A-HJ-NP-Za-km-z]{50,}",
    ),
    (
        "wireguard",
        r"(?m)\b(?:PrivateKey|PresharedKey)\s*=\s*([A-Za-z0-9+/]{40,}=?)",
    ),
    (
        "service-token",
        r"\b[a-z]{2,10}_(?:live|test|prod|sk|pat|secret|token|key)_[A-Za-z0-9_-]{16,}|\b(?:sk|pk|rk|ak|pat|tok|key|secret|token)[-_][A-Za-z0-9]*\d[A-Za-z0-9]{14,}",
    ),
];

struct Forms {
    set: RegexSet,
    each: Vec<(Kind, Regex)>,
}

static ALL: LazyLock<Forms> = LazyLock::new(|| Forms {
    set: set(FORMS.iter().map(|(_, form)| form)),
    each: FORMS.iter().map(|(kind, form)| (Kind(kind), fixed(form))).collect(),
});

/// How many kinds are known by their form.
#[cfg(test)]
pub(super) fn count() -> usize {
    FORMS
        .iter()
        .map(|(kind, _)| kind)
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

/// Finds them.
pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    let forms = &*ALL;
    for (kind, form) in forms
        .set
        .matches(text)
        .into_iter()
        .filter_map(|index| forms.each.get(index))
    {
        for captures in form.captures_iter(text) {
            let group = captures.iter().skip(1).flatten().next().or_else(|| captures.get(0));
            found.extend(group.map(|group| Span {
                start: group.start(),
                end: group.end(),
                kind: *kind,
            }));
        }
    }
}
