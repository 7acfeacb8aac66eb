//! What to write instead of a function that is not there.

/// Why a function is refused, and what to write instead.
pub fn absent(name: &str) -> String {
    format!("function {name} is not available here; {}", advice(name))
}

fn advice(name: &str) -> String {
    if name.starts_with("input.") || name.starts_with("data.") || name.contains('[') {
        return "if what is in parentheses is a statement of its own, end the line before it with `;`".to_owned();
    }
    let family = name.rsplit_once('.').map_or("", |(family, _)| family);
    let known = match (family, name) {
        (_, "eq") => "write ==",
        (_, "assign") => "write :=",
        (_, "http.send" | "net.lookup_ip_addr" | "external_data") => {
            "a policy has no network: read what it needs of the cluster in data.context and data.inventory, and other facts in \
             data.yaml"
        }
        (_, "rand.intn" | "uuid.rfc4122") => {
            "the same review has to get the same verdict: take something that differs from the review, such as its uid"
        }
        (_, "json.match_schema" | "json.verify_schema") => {
            "the API server has checked the object against its schema: write rules for what is left to check"
        }
        (_, "strings.render_template") => "use sprintf",
        (_, "uri.parse" | "uri.is_valid") => "use regex.match, or split",
        ("io.jwt" | "crypto.x509" | "providers.aws", _) | (_, "crypto.parse_private_keys") => {
            "a review brings no key that could be trusted: verify this before the object is made, and take the call out"
        }
        ("graphql", _) => "Kubernetes sends no GraphQL: take the call out",
        _ => return nearest(name),
    };
    known.to_owned()
}

fn nearest(name: &str) -> String {
    let far = 2.min(name.len() / 3);
    let near = super::all()
        .map(|builtin| (strsim::damerau_levenshtein(builtin.name, name), builtin.name))
        .filter(|(distance, _)| *distance <= far)
        .min();
    match near {
        Some((_, near)) => format!("did you mean {near}?"),
        None => "no rule and no builtin has this name: write a function, import it, or name its package (data.lib.x.f)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn everything_that_is_refused_has_an_advice() {
        for (name, part) in [
            ("http.send", "data.inventory"),
            ("external_data", "data.yaml"),
            ("uuid.rfc4122", "its uid"),
            ("io.jwt.decode_verify", "key that could be trusted"),
            ("crypto.x509.parse_certificates", "key that could be trusted"),
            ("graphql.parse", "GraphQL"),
            ("json.match_schema", "API server"),
            ("eq", "write =="),
            ("sprint", "did you mean sprintf?"),
            ("regex.macth", "did you mean regex.match?"),
            ("is_privileged", "import it"),
            ("f", "import it"),
            ("input.request.a", "`;`"),
        ] {
            let text = absent(name);
            assert!(text.contains(part), "{text}");
        }
    }
}
