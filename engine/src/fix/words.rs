//! What a policy's own words say of a change.

/// Whether a message asks for a value, and for no other: `use "policy/v1" instead`.
pub(super) fn is_asked_for(said: &str, value: &str) -> bool {
    said.match_indices(value).any(|(at, _)| {
        let quotes = ['"', '\'', '`', '<', '[', '(', ' ', ':', '='];
        let before = said.get(..at).unwrap_or_default().trim_end_matches(quotes);
        let after = said
            .get(at + value.len()..)
            .unwrap_or_default()
            .trim_start_matches(['"', '\'', '`', '>', ']']);
        let asks = [
            "use", "be", "set", "instead", "expected", "take", "as", "to", "is", "need", "needs",
        ];
        let is_word = before.rsplit(|character: char| !character.is_alphanumeric()).next();
        let is_one_of = [",", " or ", " and ", "/", "|"]
            .iter()
            .any(|next| after.starts_with(next));
        is_word.is_some_and(|word| asks.contains(&word)) && !is_one_of
    })
}

/// The words of a name: `readOnlyRootFilesystem` is read, only, root and filesystem. Plurals count as singulars.
pub(super) fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    for character in name.chars() {
        if !character.is_alphanumeric() || character.is_uppercase() {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| word.len() > 1);
    words
        .iter()
        .map(|word| word.strip_suffix('s').unwrap_or(word).to_owned())
        .collect()
}

/// Whether a message says a number, and not only as a part of another.
pub(super) fn says_number(said: &str, number: &str) -> bool {
    said.match_indices(number).any(|(at, _)| {
        let before = said.get(..at).and_then(|text| text.chars().next_back());
        let after = said.get(at + number.len()..).and_then(|text| text.chars().next());
        let is_part = |character: Option<char>| {
            character.is_some_and(|character| character.is_alphanumeric() || character == '.')
        };
        !is_part(before) && !after.is_some_and(|character| character.is_ascii_digit())
    })
}

/// The words that a message asks for in a field: `must be Off`, `use RollingUpdate`, `updateMode Off` where that is its name.
///
/// What a message asks for is often the finding in other words (`must be non-root in tier payments`): it is a value only of a
/// field that is pointed at or that the message names, of a label only where its key stands before the demand, of a name never.
pub(super) fn asked_for(said: &str, path: &[&str], is_reported: bool) -> Vec<String> {
    let field = path.last().copied().unwrap_or_default();
    if field == "name" || field == "generateName" || field.is_empty() {
        return Vec::new();
    }
    let own = words_of(field);
    let named = words_of(said);
    let is_named = is_reported || (!own.is_empty() && own.iter().all(|word| named.contains(word)));
    let groups = ["labels", "annotations", "matchLabels", "nodeSelector"];
    let is_key = path.iter().any(|name| groups.contains(name));
    let marks = |character: char| !character.is_alphanumeric() && !matches!(character, '-' | '_' | '/' | '.' | ':');
    let words: Vec<&str> = said
        .split_whitespace()
        .map(|word| word.trim_matches(marks).trim_end_matches(['.', ':']))
        .collect();
    let mut found: Vec<String> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let before = |back: usize| {
            place
                .checked_sub(back)
                .and_then(|at| words.get(at))
                .map(|word| word.to_lowercase())
        };
        let is_before = |back: usize| before(back).is_some_and(|name| name == field.to_lowercase());
        let asks = match before(1).as_deref() {
            Some("use") => is_named && !is_key,
            Some("be") if matches!(before(2).as_deref(), Some("must" | "should" | "to")) => {
                if is_key {
                    // `zone must be a-1`, `the zone label must be a-1`.
                    is_before(3) || (is_before(4) && matches!(before(3).as_deref(), Some("label" | "annotation")))
                } else {
                    is_named
                }
            }
            Some(_) => is_before(1),
            None => false,
        };
        // A value of Kubernetes is a name: it begins with a capital, or is no word of a sentence.
        let is_name = word.starts_with(char::is_uppercase) || word.contains(['-', '/', '.']);
        if asks && is_name && !found.iter().any(|known| known == word) {
            found.push((*word).to_owned());
        }
    }
    found.truncate(6);
    found
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_finding_in_other_words_is_no_value_of_a_label() {
        let said = "web must be non-root in tier payments";
        assert!(asked_for(said, &["metadata", "labels", "tier"], false).is_empty());
        assert!(asked_for(said, &["spec", "containers", "0", "name"], true).is_empty());
        assert!(asked_for(said, &["spec", "schedulerName"], false).is_empty());
    }

    #[test]
    fn a_field_that_is_named_gets_what_is_asked_of_it() {
        let label = ["metadata", "labels", "zone"];
        assert_eq!(asked_for("the zone label must be a-1", &label, false), ["a-1"]);
        let mode = ["spec", "updatePolicy", "updateMode"];
        assert_eq!(asked_for("updateMode must be Off", &mode, false), ["Off"]);
        assert!(asked_for("the policy must be Off", &["spec", "schedule"], false).is_empty());
        assert_eq!(asked_for("must be Off", &["spec", "schedule"], true), ["Off"]);
    }
}
