//! Whether a sentence speaks of what the facts speak of: whoever explains them takes most words from them, and whoever makes something
//! up brings words along.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::said::words;
use super::vocabulary::stem;

/// Words of every text.
const STOP: &str = "a an the this that these those it its itself them they their there here of in on at to for from by with \
    into within under as is are be was were been being not no and or but so then if when where while which who what whose \
    why because since before than also only just each every all any same own such has have had do does did can could may \
    might will would shall should must need needs you your about over up out off through between more most other another one \
    two some like both either neither nor very too even still already yet once again how however without across after during \
    until unless against don doesn isn aren won hasn cannot \
    among beyond ones permitted allowed exists exist configured";
/// What explanations of denials speak of, whatever the facts are.
const FIELD: &str = "yaml json linux container pod node cluster kubernetes process program application image object field \
    value setting manifest policy namespace set uses run means makes way user attacker access allow lets gives protection \
    isolation security risk host service network traffic default explicit anyone everyone example instance job deployment \
    statefulset daemonset replicaset cronjob ingress template init ephemeral reach able become whole inside outside denied \
    part own place entry read write reads change file data power rights privilege control permission kernel mode thing time \
    level number size name kind kinds type version address port server api token secret password certificate account root \
    memory cpu disk storage volume directory path socket request connection role label entries list code bug damage harm \
    limit restriction unrestricted unlimited full anything nothing something somebody anybody people person developer \
    software system machine workload neighbour other break broken escape stop start restart fail failure lose lost gain take \
    taken get got hand over given carry work need needed unable possible easily easy hard weak weaken stronger";
/// One word that is nowhere in the facts is a matter of style.
const FREE: usize = 1;
/// Of ten words, so many.
const NEW: usize = 3;

/// How words are compared: `exposes` and `exposed` are the same.
fn short(word: &str) -> String {
    stem(word).chars().take(6).collect()
}

fn stems_of(list: &'static str) -> BTreeSet<String> {
    list.split_ascii_whitespace().map(short).collect()
}

/// With a space before each capital letter behind a small one: `startupProbe` is a startup probe.
pub(super) fn apart(text: &str) -> String {
    let mut apart = String::new();
    let mut is_small = false;
    for character in text.chars() {
        if is_small && character.is_uppercase() {
            apart.push(' ');
        }
        is_small = character.is_lowercase();
        apart.push(character);
    }
    apart
}

/// The words of a text that carry its meaning.
fn content(text: &str) -> impl Iterator<Item = String> {
    static STOPS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| STOP.split_ascii_whitespace().collect());
    let all = words(&apart(text));
    let content = |word: &&str| {
        word.chars().count() > 1 && !word.chars().all(|character| character.is_ascii_digit()) && !STOPS.contains(word)
    };
    let content: Vec<String> = all.split(' ').filter(content).map(str::to_owned).collect();
    content.into_iter()
}

/// Adds what a text speaks of.
pub(super) fn learn(known: &mut BTreeSet<String>, text: &str) {
    known.extend(content(text).map(|word| short(&word)));
}

/// The words of a sentence that are not in the facts, when they are too many.
pub(super) fn unfounded(sentence: &str, known: &BTreeSet<String>) -> Option<Vec<String>> {
    static FIELDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| stems_of(FIELD));
    let said: Vec<String> = content(sentence).collect();
    let count = said.len();
    let is_new = |word: &String| {
        let short = short(word);
        !known.contains(&short) && !FIELDS.contains(&short)
    };
    let new: Vec<String> = said.into_iter().filter(is_new).collect();
    let is_style = new.len() <= FREE && count > 2;
    (!is_style && new.len() * 10 > count * NEW).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_paraphrases_is_told_from_who_makes_something_up() {
        let mut known = BTreeSet::new();
        learn(
            &mut known,
            "A privileged container can do on the node whatever root can do: load kernel modules, read every disk. Set privileged to false.",
        );
        for good in [
            "The container runs with privileged set to true.",
            "A process in it has all the rights of root on the node, down to its kernel modules and disks.",
        ] {
            assert_eq!(unfounded(good, &known), None, "{good}");
        }
        for made_up in [
            "The scheduler hands such Pods out in turns, and two never meet.",
            "Backups are made every night, hence the only thing at stake is money.",
        ] {
            assert!(unfounded(made_up, &known).is_some(), "{made_up}");
        }
    }
}
