//! Names of classes of characters.

/// General categories and their long names. Without surrogates (`Cs`), which no text has.
const CATEGORIES: &[&str] = &[
    "c",
    "cc",
    "cf",
    "cn",
    "co",
    "l",
    "lc",
    "ll",
    "lm",
    "lo",
    "lt",
    "lu",
    "m",
    "mc",
    "me",
    "mn",
    "n",
    "nd",
    "nl",
    "no",
    "p",
    "pc",
    "pd",
    "pe",
    "pf",
    "pi",
    "po",
    "ps",
    "s",
    "sc",
    "sk",
    "sm",
    "so",
    "z",
    "zl",
    "zp",
    "zs",
    "any",
    "assigned",
    "ascii",
    "casedletter",
    "closepunctuation",
    "combiningmark",
    "connectorpunctuation",
    "control",
    "currencysymbol",
    "dashpunctuation",
    "decimalnumber",
    "enclosingmark",
    "finalpunctuation",
    "format",
    "initialpunctuation",
    "letter",
    "letternumber",
    "lineseparator",
    "lowercaseletter",
    "mark",
    "mathsymbol",
    "modifierletter",
    "modifiersymbol",
    "nonspacingmark",
    "number",
    "openpunctuation",
    "other",
    "otherletter",
    "othernumber",
    "otherpunctuation",
    "othersymbol",
    "paragraphseparator",
    "privateuse",
    "punctuation",
    "separator",
    "spaceseparator",
    "spacingmark",
    "symbol",
    "titlecaseletter",
    "unassigned",
    "uppercaseletter",
    "cntrl",
    "digit",
    "punct",
];

/// Scripts. The short codes (`Grek`), which Rust's expressions know, are not Go's.
const SCRIPTS: &str = "\
    adlam ahom anatolianhieroglyphs arabic armenian avestan balinese bamum bassavah batak bengali bhaiksuki \
    bopomofo brahmi braille buginese buhid canadianaboriginal carian caucasianalbanian chakma cham cherokee \
    chorasmian common coptic cuneiform cypriot cyprominoan cyrillic deseret devanagari divesakuru dogra duployan \
    egyptianhieroglyphs elbasan elymaic ethiopic georgian glagolitic gothic grantha greek gujarati gunjalagondi \
    gurmukhi han hangul hanifirohingya hanunoo hatran hebrew hiragana imperialaramaic inherited \
    inscriptionalpahlavi inscriptionalparthian javanese kaithi kannada katakana kawi kayahli kharoshthi \
    khitansmallscript khmer khojki khudawadi lao latin lepcha limbu lineara linearb lisu lycian lydian mahajani \
    makasar malayalam mandaic manichaean marchen masaramgondi medefaidrin meeteimayek mendekikakui meroiticcursive \
    meroitichieroglyphs miao modi mongolian mro multani myanmar nabataean nagmundari nandinagari newtailue newa \
    nko nushu nyiakengpuachuehmong ogham olchiki oldhungarian olditalic oldnortharabian oldpermic oldpersian \
    oldsogdian oldsoutharabian oldturkic olduyghur oriya osage osmanya pahawhhmong palmyrene paucinhau phagspa \
    phoenician psalterpahlavi rejang runic samaritan saurashtra sharada shavian siddham signwriting sinhala \
    sogdian sorasompeng soyombo sundanese sylotinagri syriac tagalog tagbanwa taile taitham taiviet takri tamil \
    tangsa tangut telugu thaana thai tibetan tifinagh tirhuta toto ugaritic vai vithkuqi wancho warangciti yezidi \
    yi zanabazarsquare";

/// The name of a Unicode class as it is looked up, when Go knows it. It is empty for the class without characters.
pub(super) fn unicode(name: &str) -> Option<String> {
    let separator = |c: &char| !matches!(c, ' ' | '_' | '-');
    let name: String = name.chars().filter(separator).map(|c| c.to_ascii_lowercase()).collect();
    if name == "cs" || name == "surrogate" {
        return Some(String::new());
    }
    let script = |name: &str| SCRIPTS.split_ascii_whitespace().any(|script| script == name);
    (CATEGORIES.contains(&name.as_str()) || script(&name)).then_some(name)
}

/// The members of a class such as `[:alpha:]`, without the brackets.
pub(super) fn posix(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => r"\x{0}-\x{7F}",
        "blank" => r"\t\x{20}",
        "cntrl" => r"\x{0}-\x{1F}\x{7F}",
        "digit" => DIGIT,
        "graph" => r"\x{21}-\x{7E}",
        "lower" => "a-z",
        "print" => r"\x{20}-\x{7E}",
        "punct" => r"\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}",
        "space" => r"\t\n\x{B}\f\r\x{20}",
        "upper" => "A-Z",
        "word" => WORD,
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}

/// The members of `\d`, `\s` or `\w`.
pub(super) fn perl(letter: char) -> Option<&'static str> {
    Some(match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => r"\t\n\f\r\x{20}",
        'w' => WORD,
        _ => return None,
    })
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
