//! What gives an instruction to a model away. Each family counts once, by its strongest pattern.

use std::sync::LazyLock;

use regex::RegexSet;

use super::Place;
use super::languages::LANGUAGES;
use super::views::folded;
use crate::gateway::guards::pattern::set;

/// What a pattern is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// The text with its punctuation.
    Text,
    /// Words with one space between them.
    Words,
    /// Letters alone.
    Letters,
}

use Against::{Letters, Text, Words};

/// A few words between two.
macro_rules! gap {
    () => {
        r"(?: \S+){0,5}? "
    };
}

/// Family, weight, what it is compared with, pattern. A weight of three is sure; two are, where no prose belongs.
const PATTERNS: &[(&str, u8, Against, &str)] = &[
    (
        "override",
        3,
        Words,
        concat!(
            r"\b(?:ignor(?:e|es|ed|ing)|disregard(?:ing)?|forget|neglect|overrid(?:e|es|ing)|bypass|discard|dismiss|abandon|nullify|supersede|overrule|void|erase|delete|cancel|unlearn|(?:stop|quit|cease) (?:follow|obey|apply|us)ing|(?:do not|dont|don t|never|no longer) (?:follow|obey|apply|heed|use|listen to|comply with|adhere to)|pay no (?:attention|heed)|set aside|put aside|drop|replace)\b",
            gap!(),
            r"?(?:instructions?|prompts?|directives?|system message|system messages|guardrails?|(?:above|prior|previous|preceding|earlier|initial|original|other) (?:\S+ ){0,2}(?:rules?|guid\S+|text|messages?|context|commands?|orders?|content|constraints?|restrictions?|polic\S+|tasks?|directions?|statements?|input)|everything (?:above|before|previous|prior|you|that|i|we)|all (?:of )?(?:the )?(?:above|previous|prior|rules|guidelines)|what (?:you|came|was|were|i|we) \S+|your (?:rules|guidelines|training|programming|policies|constraints|safety|task|role|context|directions))\b"
        ),
    ),
    (
        "override",
        2,
        Words,
        concat!(
            r"\b(?:ignore|disregard|forget|override|bypass|skip|circumvent|evade|suppress|waive|overlook|dismiss|discount|stop enforcing|do not (?:enforce|apply|report|mention|flag)|dont (?:enforce|apply|report|mention|flag)|never (?:enforce|report|mention|flag))\b",
            gap!(),
            r"?(?:polic(?:y|ies)|rules?|guidelines?|checks?|violations?|findings?|restrictions?|constraints?|safety|safeguards?|denials?|context|warnings?|validation|security|compliance|above|previous|prior|problem|issue)\b"
        ),
    ),
    (
        "role",
        3,
        Text,
        r"<\|?/?\s*(?:im_start|im_end|im_sep|endoftext|endofprompt|eot_id|eom_id|start_header_id|end_header_id|begin_of_text|end_of_text|start_of_turn|end_of_turn|fim_\w+|system|assistant|user|channel|message|tool_call)\s*\|?>",
    ),
    (
        "role",
        3,
        Text,
        r"\[\s*/?\s*inst\s*\]|<<\s*/?\s*sys\s*>>|</?s>|\bbegin[ _-]+(?:system|new|admin)[ _-]*(?:prompt|instructions?|message)|\bend[ _-]+of[ _-]+(?:the[ _-]+)?(?:system|user|untrusted|prompt|input|instructions?|document|data|context|quoted)\b",
    ),
    (
        "role",
        3,
        Text,
        r"</\s*(?:data|facts|context|document|input|text|content|quote|message|user|object|manifest|resource)\s*>|</?\s*(?:system|assistant|developer|instructions?|prompt|system[_-]?prompt|user[_-]?input|untrusted\w*|admin|override|human|thinking|function_calls?|tool_\w+|invoke|antml:\w+)\b[^<>]{0,80}>",
    ),
    (
        "role",
        3,
        Text,
        r"(?m)(?:^|[\n.;!?\x22'`])\s*(?:[#*=\[(>-]{0,6}\s*)(?:system|assistant|developer|human|admin(?:istrator)?|root)[ _-]*(?:prompt|message|note|override|instructions?|update|alert|command|notice)?[\])*]{0,3}\s*:\s*\pL+\W+\pL+\W+\pL",
    ),
    (
        "role",
        2,
        Text,
        r#"[\["']?\brole["']?\s*[:=]\s*["']?(?:system|assistant|developer|tool)\b|\[\s*(?:system|admin|developer|sudo|override)[^\]]{0,40}\]|###\s*(?:instruction|system|response|human|assistant|new|task)"#,
    ),
    (
        "role",
        2,
        Words,
        r"\b(?:system prompt|system message|system override|system instruction|developer message|prompt injection|hidden instruction\w*|secret instruction\w*|admin override|override code|system notice|system command)\b",
    ),
    (
        "persona",
        2,
        Words,
        r"\b(?:you are now|you re now|youre now|you will now|you must now|you shall now|you are no longer|you have been (?:re\w+|updated|freed|hacked|instructed|authori[sz]ed)|you are (?:a|an|the|in|dan|free|going to|being|allowed|authori[sz]ed|required|helpful|not bound)\b|act as|acting as|behave (?:as|like)|pretend (?:to|you|that|this)|role ?play|impersonate|assume the (?:role|identity)|take on the role|imagine you|simulate (?:a|an|being)|respond as|speak as|play the (?:role|part)|from now on|henceforth|starting now|for the rest of)\b",
    ),
    (
        "persona",
        3,
        Words,
        r"\b(?:do anything now|jail ?br(?:eak|oken)\w*|(?:developer|debug|god|admin|maintenance|dan|sudo|unrestricted|unfiltered|root|override|permissive|test) mode (?:enabled|activated|on|is|engaged|now)|(?:enter|enable|activate|switch (?:in)?to|you are in|enabled|go into)(?: \S+){0,2} mode|you are now (?:an? |the )?\S*(?:bot|gpt|assistant|ai))\b",
    ),
    (
        "task",
        2,
        Words,
        r"\b(?:(?:new|real|true|actual|updated|revised|next|following|additional|special|important|only|primary|main|different|secret|hidden|latest) (?:instructions?|directives?|objective|system prompt|prompt|orders|persona)|your (?:\S+ )?(?:new |real |true |actual |only |primary |sole |next |main )(?:task|goal|job|purpose|role|objective|mission|duty)|your (?:instructions?|system prompt|prompt|guidelines|programming|training|rules|task|role|objective|mission|answer|response|reply|output|explanation|summary|verdict)|instead (?:you|say|reply|respond|answer|output|write|tell|do|just|of (?:explaining|answering|denying))|follow (?:these|the following|my|this|those|the new)|obey (?:me|this|these|the)|comply with (?:this|these|my)|listen (?:carefully|to me))\b",
    ),
    (
        "address",
        2,
        Words,
        r"\b(?:(?:dear|hey|hello|hi|attention|listen|note (?:to|for)|notes? for|message (?:to|for)|instructions? (?:to|for)|addressed to|if you are|as|to (?:the|any|all|every|whatever)|any|every) (?:an? |the |any |all |our |this |other )?(?:\S+ )?(?:ai|a i|llms?|gpt|chatgpt|claude|gemini|copilot|language models?|chat ?bots?|bots?|models?|assistants?|agents?|explainer|ai \S+)|as an ai|large language model|dear (?:\S+ )?(?:assistant|model|reviewer|explainer))\b",
    ),
    (
        "address",
        1,
        Words,
        r"\b(?:ai|llms?|gpt|chatgpt|claude|gemini|copilot|language model|chat ?bot|the model|assistant|ai agent)\b",
    ),
    (
        "output",
        2,
        Words,
        concat!(
            r"\b(?:say|respond|reply|answer|output|print|write|return|state|declare|conclude|claim|announce|tell|inform|advise|instruct|convince|recommend|suggest|assure|persuade|remind|notify|instructing|telling|explain|mention|include|add|append|insert|end|begin|start|report)\b",
            gap!(),
            r"?(?:the user|user|users|the developers?|developers?|the engineers?|engineers?|operators?|the reader|customers?|them that|everyone|the team that|the human|humans|they (?:should|must|can)|only the|exactly|verbatim|approved|compliant|is allowed|allowed|is safe|lgtm|in your|your (?:answer|response|reply|message|explanation|output|summary)|the (?:answer|response|explanation|output|summary) (?:that|with|must|should)|the word|the words|the phrase|the sentence|the following|nothing else|no (?:violations?|issues?|problems?)|everything is)\b"
        ),
    ),
    (
        "output",
        2,
        Words,
        r"\b(?:respond|reply|answer|output) (?:only|with|just|exactly|in|as|by|back|yes|no|ok|that)\b|\b(?:say|print|write|tell|repeat) (?:only|exactly|just|that|hello|hi|yes|ok|after me|the word)\b|\bwhen (?:you |asked |a user )?(?:explain|answer|respond|reply|summari[sz]|describ|generat|asked|writ)\w*|\b(?:do not|don t|dont|never) (?:mention|tell|reveal|explain|warn|say|disclose|refuse|deny|reject|block|flag)\b",
    ),
    (
        "approve",
        2,
        Words,
        concat!(
            r"\b(?:mark|treat|consider|classify|label|flag|rate|accept|pass|approve|allow|admit|permit|whitelist|allowlist|exempt|greenlight|let|authori[sz]e|validate|grant)\b",
            r"(?: \S+){0,3}? (?:this|it|the (?:request|pod|deployment|resource|manifest|workload|change|image|denial|container|deploy|object|following)|all (?:requests|pods|changes|images|deployments|resources|containers)|everything|anything|as (?:approved|safe|compliant|allowed|valid|benign|trusted|exempt|low))\b"
        ),
    ),
    (
        "approve",
        2,
        Words,
        r"\b(?:is|are|was|been|already|pre|fully|considered|hereby|officially|automatically)(?: \w+){0,2} (?:approved|whitelisted|allowlisted|exempt|exempted|authori[sz]ed|preapproved|cleared|compliant|safe|signed off)\b|\b(?:approved|authori[sz]ed|instructed|ordered|cleared|requested|exempted|signed off|granted|whitelisted) by (?:the |our |your )?(?:\S+ )?(?:security|admin\w*|ciso|platform|management|anthropic|openai|ceo|cto|sre|team|lead\w*|owner|policy|compliance)\b|\bpre ?approved\b|\bsecurity (?:team )?(?:has )?(?:approved|signed)|\blgtm\b",
    ),
    (
        "approve",
        1,
        Words,
        r"\b(?:approved?|whitelist(?:ed)?|allowlist(?:ed)?|exempt(?:ed)?|verdict|decision|allowed|compliant)\b",
    ),
    (
        "authority",
        2,
        Words,
        r"\b(?:i am|im|i m|we are|this is|speaking as) (?:the |your |an? |from (?:the )?)?(?:\S+ )?(?:admin\w*|developer|creator|owner|ciso|security (?:team|officer|lead)|operator|anthropic|openai|ceo|platform (?:team|owner)|cluster (?:admin\w*|owner))\b|\b(?:emergency|incident|break ?glass) (?:override|exception|bypass|access)\b|\bby order of\b",
    ),
    (
        "leak",
        3,
        Words,
        concat!(
            r"\b(?:reveal|repeat|print|show|leak|disclose|expose|output|display|share|send|dump|give|tell|exfiltrate|email|post|upload|forward|include|list|copy|recite|summari[sz]e|translate|write|return|append|encode)\b",
            gap!(),
            r"?(?:(?:system|initial|hidden|full|original|entire|whole) (?:prompt|instructions?|message|conversation|context)|your (?:prompt|instructions?|rules|guidelines|configuration|secrets?|keys?|system)|chat history|conversation history|the conversation|prompt)\b"
        ),
    ),
    (
        "leak",
        2,
        Words,
        concat!(
            r"\b(?:reveal|repeat|print|leak|disclose|output|send|dump|give me|tell me|exfiltrate|email|post|upload|forward|recite|fetch|read|cat|extract|steal|collect)\b",
            gap!(),
            r"?(?:api keys?|secrets?|passwords?|credentials?|tokens?|environment variables?|env vars?|kubeconfig|configuration|private keys?|service account|data|contents? of|etc passwd|var run secrets)\b"
        ),
    ),
    (
        "danger",
        3,
        Text,
        r"(?:curl|wget|fetch)\b[^|\n]{0,200}\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\brm\s+-rf?\b|<\s*(?:img|script|iframe|svg|object|embed|link|meta|form)\b|javascript:|\bon(?:error|load|click)\s*=|data:text/|!\[[^\]]*\]\s*[(\[]|\bfunction_call\b|\btool_calls?\b",
    ),
    (
        "danger",
        2,
        Text,
        r"kubectl[\s_-]+(?:delete|patch|edit|apply|exec|create|label|annotate|replace|scale|get|run)\b|(?:validating|mutating)[\s_-]*(?:admission|webhook)|--validate[= ]false|--force\b|--grace-period|--no-verify|--insecure|failurepolicy\W{1,4}ignore|\]\(\s*[a-z]+:|\bhttps?://\S+\s+(?:to|for|and)\b|<!--|-->|\bclusterrolebinding\b|\bcluster-admin\b",
    ),
    (
        "danger",
        2,
        Words,
        concat!(
            r"\b(?:disable|remove|delete|turn off|switch off|uninstall|deactivate|stop|kill|scale down|take down|patch|edit|exclude|detach|pause)\b",
            gap!(),
            r"?(?:webhooks?|admission|gatekeeper|kyverno|whynot|opa|enforcement|validation|pod security|admission controller|policy (?:engine|controller|check)|polic(?:y|ies)|security (?:checks?|controls?|polic\w+)|network polic\w+|audit\w*|falco|monitoring|guardrails?|envoy|rbac)\b"
        ),
    ),
    (
        "danger",
        2,
        Words,
        r"\b(?:run|execute|paste|type|invoke|use|apply|issue|call|try)(?: \S+){0,4}? (?:commands?|scripts?|kubectl|curl|bash|wget|shell|terminal|function|tools?|plugins?|api|helm|sudo)\b|\b(?:visit|click|open|go to|browse|navigate|download|see|follow|contact|email|mail|message|call)(?: \S+){0,4}? (?:http|https|www|links?|url|here|site|website|at|com|io)\b|\bhttps? \S+ (?:to|for) ",
    ),
    (
        "danger",
        2,
        Words,
        r"\b(?:set|enable|add|use|change|grant|switch|turn)(?: \S+){0,4}? (?:(?:privileged|hostnetwork|host network|hostpid|hostipc|allowprivilegeescalation|privilege escalation)(?: \S+){0,2}? (?:true|on|yes)|cluster admin|cap sys admin|runasuser 0|docker sock)\b",
    ),
    (
        "override",
        3,
        Letters,
        r"(?:ignore|disregard|forget|override|bypass|discard|neglect)(?:all|any|the|your|my|every|these|those|of|previous|prior|above|earlier|preceding|system|safety|security|original|initial|foregoing){1,5}(?:instruction|prompt|rule|directive|guideline|command|message|context|polic|restriction|constraint|check)",
    ),
    (
        "override",
        2,
        Letters,
        r"(?:ignore|disregard|forget|bypass|override|skip)(?:all|any|the|your|this|previous|security|admission)?(?:polic|rule|check|violation|validation|instruction|restriction|everything|above)|donotfollow|stopfollowing",
    ),
    (
        "role",
        2,
        Letters,
        r"systemprompt|systemoverride|developermode|promptinjection|adminoverride|assistantsay|imstart|endofprompt",
    ),
    (
        "persona",
        2,
        Letters,
        r"youarenow|actasan?(?:admin|expert|unrestricted|root|helpful|dan)|pretendtobe|doanythingnow|fromnowon",
    ),
    (
        "approve",
        2,
        Letters,
        r"(?:approve|allow|accept|admit|whitelist|exempt)(?:this|the|all)(?:request|pod|deployment|change|image|container|resource|workload|immediately)?|requestisapproved|isapproved|mark(?:as|this)(?:as)?(?:approved|safe|compliant)|approvedby(?:security|admin|platform)|preapproved",
    ),
    (
        "output",
        2,
        Letters,
        r"(?:respond|reply|answer)(?:only|with|approved|yes|that)|say(?:approved|yes|itsapproved|itisapproved|thatit)|telltheuser|telluser|tellthedeveloper",
    ),
    (
        "leak",
        2,
        Letters,
        r"(?:reveal|print|show|leak|repeat|output)(?:me)?(?:the|your|all)?(?:system|secret|prompt|password|instruction|apikey|credential)",
    ),
    (
        "danger",
        2,
        Letters,
        r"kubectl(?:delete|patch|edit|apply|exec|create|label)|deletevalidating|deletethewebhook|disable(?:the)?(?:webhook|admission|polic|gatekeeper|validation|security)|validatingwebhookconfiguration",
    ),
];

/// Signs of prose or of a request, where only names and values belong.
const IN_FIELDS: &[(&str, u8, Against, &str)] = &[
    // What somebody is told to do, or what the answer would be.
    (
        "advice",
        2,
        Words,
        r"\b(?:always|never|must|should|please|only|now|you) (?:\S+ )?(?:propos|recommend|suggest|advis|output|answer|reply|respond|say|tell|set|use|add|remov|delet|run|allow|approv|accept|grant|print|write|choose|pick|prefer|return|give|make|patch|appl|chang)\w*\b",
    ),
    (
        "advice",
        2,
        Words,
        r"\b(?:recommend|propose|suggest|advise|instruct|forget|disregard|prefer)(?:s|ing)? (?:\S+ ){0,5}\S+|\b(?:correct|right|only|best|real|proper|true|good) (?:\S+ )?(?:fix|fixes|answer|solution|remedy|change|patch|value|choice)\b|\b(?:tell|inform|convince|ask)(?: the)? (?:user|users|developer|reader|operator|human|team)\b|^(?:assistant|model|ai|system|llm)\b(?: \S+){2}|\b(?:fix|solution|answer|remedy) (?:is|must be|should be|would be)\b",
    ),
    // Several words of a sentence, or of one that speaks of those who decide.
    (
        "advice",
        2,
        Words,
        r"\b(?:rule|policy|check|control|requirement)(?: \S+)? (?:does not|doesnt|doesn t|need not|will not|no longer) (?:apply|count|hold|matter)\b|\b(?:the )?(?:reader|user|developer) (?:should|must|may|can)\b|\b(?:platform|security|cluster|ops|infra\S*|compliance|risk) (?:team|group|board|office\S*|people|lead) (?:\S+ ){0,3}(?:fine|ok|okay|approved?|agreed?|accept\S*|allow\S*|sign\S*|clear\S*|grant\S*|exempt\S*)\b|\b(?:label|annotate|scale|add)(?: \S+){0,5} (?:ignore|exempt|exclusion|exception|zero|bypass|skip)\b|\blgtm\b|\bship it\b",
    ),
    // Letter by letter.
    ("spelled", 2, Words, r"(?:\b\pL ){5,}\pL\b"),
    // Several words, or as many letters as make them, of a script that no name here is in.
    (
        "foreign",
        2,
        Words,
        r"\p{Cyrillic}{2,} (?:\S+ )*?\p{Cyrillic}{2,}|\p{Greek}{2,} (?:\S+ )*?\p{Greek}{2,}|\p{Arabic}{2,} (?:\S+ )*?\p{Arabic}{2,}|\p{Hebrew}{2,} (?:\S+ )*?\p{Hebrew}{2,}|\p{Devanagari}{2,} (?:\S+ )*?\p{Devanagari}{2,}|\p{Hangul}{2,} (?:\S+ )*?\p{Hangul}{2,}|[\p{Han}\p{Hiragana}\p{Katakana}]{6,}|[\p{Thai}]{10,}",
    ),
    (
        "prose",
        1,
        Words,
        r"\b(?:please|you|your|must|should|always|never|immediately|important|urgent|kindly|note that|make sure|remember|instead)\b",
    ),
    (
        "prose",
        1,
        Words,
        r"\b(?:the|to|and|is|that|this|of|with|as|for|it)(?: \S+){0,3} (?:the|to|and|is|that|this|of|with|as|for|it)(?: \S+){0,4} (?:the|to|and|is|that|this|of|with|as|for|it)\b",
    ),
    (
        "foreign",
        1,
        Words,
        r"[\p{Cyrillic}\p{Greek}\p{Arabic}\p{Hebrew}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Devanagari}\p{Thai}\p{Bengali}\p{Tamil}]{2}",
    ),
];

/// Signs in what explains a rule: the author speaks as a person, to whoever sums it up, or gives leave.
const IN_POLICIES: &[(&str, u8, Against, &str)] = &[
    (
        "consent",
        3,
        Words,
        r"\bi (?:hereby |now |do )?(?:grant|approve|authori[sz]e|permit|allow|accept|waive|exempt|confirm|declare|order)\b|\b(?:approved|exempted|excepted|waived|signed off|cleared|accepted|okayed|blessed|greenlit) (?:by|under|in|at|per|via|as per|through) (?:the |our |your |last )?\S+|\b(?:has|have|had|was|were|is|are|been|already) (?:\S+ )?(?:approved|signed off|exempted|waived|cleared|okayed|accepted|granted|fine with|ok with)\b|\b(?:says?|said|agreed|confirmed|thinks?|decided) (?:that )?(?:\S+ ){1,4}(?:is|are) (?:fine|ok|okay|allowed|safe|acceptable|harmless)\b|\b(?:can|may|could) (?:be |just be |safely be )?(?:skipped|ignored|waived|disregarded|bypassed|overlooked)\b|\bship it\b|\blgtm\b|\bgo ahead\b|\bno (?:change|action|fix) (?:is )?(?:needed|required)\b",
    ),
    (
        "consent",
        3,
        Words,
        r"\b(?:rule|policy|check|control|requirement|denial)(?: \S+)? (?:does not|doesnt|doesn t|need not|will not|no longer) (?:apply|count|hold|matter)\b|\b(?:exclusion|exception|exemption|exempt|ignore|bypass|waiver|skip) ?(?:list|label|annotation)\b|\bpolicy ?(?:ignore|skip|exempt|bypass|disabled?|none|off)\b|\b(?:label|annotate|mark|tag)(?: \S+){0,4} (?:ignore|skip|exempt|bypass|excluded?|disabled)\b|\bto (?:zero|0)(?: replicas)?\b(?: \S+){0,3} (?:while|during|before|until)\b",
    ),
    (
        "persona",
        3,
        Words,
        r"\b(?:pretend|roleplay|role play|impersonate|imagine (?:that )?you|behave (?:as|like)|act as (?:the|a|an|if))\b|\b(?:call|invoke|use|run|execute)(?: \S+)? (?:tool|function|plugin)\b|\bdelete (?:\S+ ){0,2}(?:mutating|validating)\S*",
    ),
    (
        "address",
        3,
        Words,
        r"\bif you (?:read|see|are reading|can read|summari[sz]e)\b|\b(?:whoever|anyone|whichever model) (?:reads|summari[sz]es|explains|sees|processes)\b|\bthe reader (?:should|must|has to|needs to|can|may)\b|\b(?:tell|inform|let|mention to|remind|assure) (?:the |your )?(?:reader|user|developer|audience)\b|\byou are now\b|\b\S+bot (?:recommends?|suggests?|says?|approves?|has no)\b|\b(?:could|would|can) you (?:kindly |please )?(?:mention|say|add|tell|write|note|state)\b|\b(?:answer|reply|respond) in one\b|\byou must (?:answer|say|reply|respond|tell|write)\b",
    ),
];

struct Table {
    patterns: Vec<(&'static str, u8)>,
    set: RegexSet,
}

impl Table {
    fn new(rows: impl IntoIterator<Item = (&'static str, u8, String)>) -> Self {
        let (patterns, texts): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .map(|(family, weight, pattern)| ((family, weight), pattern))
            .unzip();
        Self {
            patterns,
            set: set(texts),
        }
    }

    fn of(rows: &[(&'static str, u8, Against, &'static str)], against: Against) -> Self {
        let rows = rows.iter().filter(|row| row.2 == against);
        Self::new(rows.map(|(family, weight, _, pattern)| (*family, *weight, (*pattern).to_owned())))
    }

    fn found(&self, text: &str) -> impl Iterator<Item = (&'static str, u8)> {
        self.set
            .matches(text)
            .into_iter()
            .filter_map(|index| self.patterns.get(index).copied())
    }
}

static TEXT: LazyLock<Table> = LazyLock::new(|| Table::of(PATTERNS, Text));
static WORDS: LazyLock<Table> = LazyLock::new(|| Table::of(PATTERNS, Words));
static LETTERS: LazyLock<Table> = LazyLock::new(|| Table::of(PATTERNS, Letters));
static FIELD: LazyLock<Table> = LazyLock::new(|| Table::of(IN_FIELDS, Words));
static POLICY: LazyLock<Table> = LazyLock::new(|| Table::of(IN_POLICIES, Words));
static FOREIGN: LazyLock<Table> = LazyLock::new(|| {
    Table::new(LANGUAGES.iter().flat_map(|language| {
        let (near, edge) = if language.spaced {
            (r"(?: \S+){0,5}? ", r"\b")
        } else {
            (".{0,16}?", "")
        };
        // As the texts are: without accents.
        let [ignore, object, approve] = [language.ignore, language.instructions, language.approve].map(folded);
        [
            ("override", 3, format!("{edge}(?:{ignore}){near}(?:{object}){edge}")),
            ("override", 3, format!("{edge}(?:{object}){near}(?:{ignore}){edge}")),
            ("consent", 2, format!("{edge}(?:{approve}){edge}")),
        ]
    }))
});

/// The families that one reading of a text has, with their weights.
pub(super) fn found(text: &str, words: &str, letters: &str, place: Place) -> Vec<(&'static str, u8)> {
    let mut all: Vec<_> = TEXT
        .found(text)
        .chain(WORDS.found(words))
        .chain(FOREIGN.found(words))
        .collect();
    // Letters of a long text run together say anything.
    if letters.len() <= 400 {
        all.extend(LETTERS.found(letters));
    }
    match place {
        Place::Field => all.extend(FIELD.found(words)),
        Place::Policy => all.extend(POLICY.found(words)),
        Place::Prose => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        for table in [&TEXT, &WORDS, &LETTERS, &FIELD, &POLICY, &FOREIGN] {
            assert_eq!(table.set.len(), table.patterns.len());
        }
        assert_eq!(
            TEXT.patterns.len() + WORDS.patterns.len() + LETTERS.patterns.len(),
            PATTERNS.len()
        );
    }
}
