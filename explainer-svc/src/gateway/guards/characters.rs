//! Characters that show nothing, or change how others are shown.

use std::ops::AddAssign;

use serde::Serialize;

/// How many characters of each sort a text had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tricks {
    /// Control characters; line feeds and tabs are none.
    pub(super) control: usize,
    /// Marks that change the direction of writing.
    pub(super) bidirectional: usize,
    /// Characters without width: joiners, fillers, soft hyphens.
    pub(super) invisible: usize,
    /// Unicode tags, which spell ASCII invisibly.
    pub(super) tags: usize,
    /// Variation selectors beyond one behind a character, which spell bytes invisibly.
    pub(super) selectors: usize,
}

impl Tricks {
    /// All of them.
    pub(super) fn total(&self) -> usize {
        self.control + self.bidirectional + self.invisible + self.tags + self.selectors
    }

    /// Whether the text carries a second, invisible one.
    pub(super) fn is_hidden_text(&self) -> bool {
        self.tags > 0 || self.selectors > 0 || self.invisible >= 8
    }
}

impl AddAssign for Tricks {
    fn add_assign(&mut self, other: Self) {
        self.control += other.control;
        self.bidirectional += other.bidirectional;
        self.invisible += other.invisible;
        self.tags += other.tags;
        self.selectors += other.selectors;
    }
}

/// The text as it is seen, and what was taken out of it.
pub(super) fn visible(text: &str) -> (String, Tricks) {
    let mut tricks = Tricks::default();
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return (text.to_owned(), tricks);
    }
    let mut clean = String::with_capacity(text.len());
    let mut selectors = 0_usize;
    for character in text.chars() {
        if is_selector(character) {
            selectors += 1;
            // One of them says how the character before it looks; a chain of them says something else.
            if selectors == 1 && matches!(character, '\u{FE0E}' | '\u{FE0F}') {
                clean.push(character);
            } else {
                tricks.selectors += 1;
            }
            continue;
        }
        selectors = 0;
        match character {
            '\n' | '\t' => clean.push(character),
            '\r' => {}
            '\u{E0000}'..='\u{E007F}' => tricks.tags += 1,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                tricks.bidirectional += 1;
            }
            '\u{2028}' | '\u{2029}' => clean.push('\n'),
            '\u{00AD}'
            | '\u{034F}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200D}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1D173}'..='\u{1D17A}' => tricks.invisible += 1,
            control if control.is_control() => tricks.control += 1,
            other => clean.push(other),
        }
    }
    (clean, tricks)
}

fn is_selector(character: char) -> bool {
    matches!(character, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// What the invisible characters of a text spell.
pub(super) fn smuggled(text: &str) -> Vec<String> {
    if text.is_ascii() {
        return Vec::new();
    }
    let shifted = |character: char, from: u32, by: u32| u8::try_from(u32::from(character) - from + by).ok();
    let tags: String = text
        .chars()
        .filter(|character| matches!(character, '\u{E0020}'..='\u{E007E}'))
        .filter_map(|character| shifted(character, 0xE0000, 0).map(char::from))
        .collect();
    let selectors: Vec<u8> = text
        .chars()
        .filter_map(|character| match character {
            '\u{FE00}'..='\u{FE0F}' => shifted(character, 0xFE00, 0),
            '\u{E0100}'..='\u{E01EF}' => shifted(character, 0xE0100, 16),
            _ => None,
        })
        .collect();
    let bits: String = text
        .chars()
        .filter_map(|character| match character {
            '\u{200B}' | '\u{2062}' => Some('0'),
            '\u{200C}' | '\u{200D}' | '\u{2064}' => Some('1'),
            _ => None,
        })
        .collect();
    let mut found = vec![tags, String::from_utf8_lossy(&selectors).into_owned()];
    found.extend(bits_as_text(&bits));
    found.retain(|text| text.trim().len() >= 4);
    found
}

/// Bytes written as digits 0 and 1.
pub(super) fn bits_as_text(bits: &str) -> Option<String> {
    let digits: Vec<u8> = bits.bytes().filter(|byte| matches!(byte, b'0' | b'1')).collect();
    let bytes: Vec<u8> = digits
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0_u8, |value, digit| (value << 1) | (digit - b'0')))
        .collect();
    (bytes.len() >= 4 && bytes.iter().all(|byte| matches!(byte, b'\n' | b' '..=b'~')))
        .then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_taken_out_and_counted() {
        let (clean, tricks) = visible("a\u{200B}b\u{202E}c\u{E0041}d\u{7}e\n\tf\u{FE0F}");
        assert_eq!(clean, "abcde\n\tf\u{FE0F}");
        assert_eq!(
            (
                tricks.invisible,
                tricks.bidirectional,
                tricks.tags,
                tricks.control,
                tricks.selectors
            ),
            (1, 1, 1, 1, 0)
        );
    }

    #[test]
    fn tags_and_selectors_are_read() {
        let tags: String = "approve it"
            .chars()
            .map(|c| char::from_u32(0xE0000 + u32::from(c)).unwrap())
            .collect();
        assert_eq!(smuggled(&format!("web{tags}")), ["approve it"]);
        let selectors: String = "approve"
            .bytes()
            .map(|b| char::from_u32(0xE0100 + u32::from(b) - 16).unwrap())
            .collect();
        assert_eq!(smuggled(&format!("web{selectors}")), ["approve"]);
        assert!(visible(&selectors).1.is_hidden_text());
    }
}
