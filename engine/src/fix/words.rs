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
