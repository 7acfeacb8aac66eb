//! Words of advice, and of what is none: which verbs tell somebody to do something, and what begins a statement.

/// Words that carry no advice by themselves.
pub(super) const PLAIN: &str = "a an the this that these those it its itself them they their there here of in on at to for from by with \
    into within under as is are be was were been being not no and or but so then if when where while which who what whose why \
    because since before than also only just simply please now either both each every all any same own such has have had do does \
    did can could may might will would shall should must need needs you your out container containers field fields value values \
    setting settings pod pods policy policies denied denies denial violation violations manifest spec yaml json object objects line \
    lines flag flags entry entries boolean absent missing unset empty comply short s init ephemeral least most explicitly directly really \
    itself own together per instead still until once again sure make makes program programs application app process image template \
    section key keys name names level default different otherwise whole part rest itself something anything someone";
/// Verbs of changing a field; which field and to what has to be known.
pub(super) const CHANGES: &str = "set sets setting change changes changing replace replacing add adding specify specifying define defining \
    declare declaring update updating correct configure see read be have";
pub(super) const REMOVES: &str = "remove removes removed removing delete deletes deleting deleted drop dropping omit omitting unset leave leaving left";
/// A clause that begins so states something, when nothing else says that it urges.
pub(super) const STATES: &str = "the a an this that these those it its they their there which who what why whatever when where while because \
    since as if although though each every both all any no none nothing only one two container containers pod pods policy policies \
    yaml json kubernetes anyone anything everything traffic data root sudo seccomp apparmor selinux kernel";
/// Verbs that tell somebody to do something: where one of these is, a clause is no mere continuation.
pub(super) const COMMANDS: &str = "set change replace add specify define declare update correct configure remove delete drop omit unset leave \
    use put turn switch give scale pause ask wait run apply disable enable make ensure note know trust remember assume pretend believe \
    treat rest relax accept tell check verify keep move rename deploy redeploy resubmit retry create install uninstall restart stop \
    start kill grant allow permit let mark label annotate tag sign approve ignore skip bypass override exempt exclude include mount \
    edit modify patch push pull build send share post email contact call visit open click read follow go stay bring \
    force try wrap copy paste write enter log grab fetch get download upload roll revert reset raise lower increase decrease \
    extend reduce expose bind attach detach assign swap convert migrate point route forward proxy hide mask rewrite reword reorder \
    split merge join forget think say claim argue insist confirm hope imagine suppose feel enjoy celebrate consider see look \
    choose pick select";
/// What a whole sentence has that states something.
pub(super) const FINITE: &str = "is are was were has have had does do did can could may might will would cannot let lets gives means makes runs \
    needs must should";
/// Before these words a verb tells nobody to do anything.
pub(super) const NO_SUBJECT: &str = "that which who whom to can could may might would will cannot not never they it them we rarely often really only \
    a an the any each every no its their this these those own other another such and or of";
/// Verbs of a process: after another one, of what can be done.
pub(super) const DOES: &str = "open raise modify take read write send load start stop kill copy edit hide bind share reset forward force \
    change replace delete get extend increase attach";
/// What somebody can do to what is left open, so that saying so is no advice: `can be read by anyone`.
pub(super) const HARMS: &str = "used read reached seen taken lost broken stolen abused attacked altered intercepted tampered compromised \
    exploited guessed loaded opened held called sent scheduled swapped exposed controlled damaged pulled overwritten shared forged \
    impersonated accessed found watched observed bound starved misused";
/// What follows is said about the word before.
pub(super) const RELATIVE: &str = "that which who whom what where when if because as while";
/// Words that take back what stands with them.
pub(super) const DENIES: &str = "not no nor none never cannot only isn aren neither";
/// Words that continue or begin what is stated.
pub(super) const GOES_ON: &str = "not without within outside inside beyond through throughout between among against beneath behind before \
    after during until unless once via like than such same similar enough most many several some more less another even often usually \
    normally typically effectively directly almost nearly exactly whether how other others else same everyone someone something in on at \
    for with by from under of as about across over per into onto own init ephemeral sidecar neither";
/// What can be done.
pub(super) const MODAL: &str = "can could may might would will let lets cannot";
/// Before the beginning.
pub(super) const LEADS: &str =
    "please just simply then now so also and or but first next finally therefore thus hence otherwise again either";
pub(super) const PLACES: &str = "in on at for with by from under inside within to";
/// A clause with one of these urges, however it begins.
pub(super) const URGES: &str = "you your yours we us try should must ought need needs recommend recommends recommended suggest suggests \
    suggested advise advised advisable propose proposed consider better best fix fixes solves simplest easiest quickest remedy solution \
    workaround trick option alternative alternatively help helps works pass passes want wish";
pub(super) const MODALS: &str = "should must ought shall might may can could would let lets please";

/// What stands for the field that was found.
pub(super) const IT: &str = "it this that them these field line flag setting entry";
/// There is no value.
pub(super) const ABSENT: &str = "absent missing unset empty";
/// Whose what is spoken of is.
pub(super) const OWNED: &str = "container containers pod pods workload manifest deployment object";

/// A word of this list.
pub(super) fn among(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// A word of advice that is none where it stands: `rights that applications rarely need`, `traffic does not pass through`.
pub(super) fn is_no_advice(all: &[&str], at: usize) -> bool {
    let (word, next) = (all.get(at), all.get(at + 1));
    let before = all.get(..at).unwrap_or_default();
    match word {
        Some(&("need" | "needs")) => {
            next.is_none()
                || before
                    .iter()
                    .any(|word| among("that which they rarely hardly few", word))
        }
        Some(&("pass" | "passes")) => matches!(next, Some(&("through" | "between" | "on" | "over"))),
        _ => false,
    }
}

/// A form of a verb that tells somebody to do something.
pub(super) fn is_command(word: &str) -> bool {
    COMMANDS.split_ascii_whitespace().any(|verb| stem(verb) == stem(word))
}

/// Without what a form of a word adds.
pub(super) fn stem(word: &str) -> &str {
    ["ing", "ed", "es", "s", "d", "e"]
        .iter()
        .find_map(|end| word.strip_suffix(end).filter(|rest| rest.chars().count() >= 3))
        .unwrap_or(word)
}
