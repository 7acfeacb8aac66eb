//! "Ignore the instructions" in other languages: what is to be done, and to what, near each other and in either order.
//!
//! Texts are in small letters and without accents when they are compared, so these are too.

/// A language's words for leaving out, for instructions, and for letting something through.
pub(super) struct Language {
    /// Verbs.
    pub(super) ignore: &'static str,
    /// Their objects.
    pub(super) instructions: &'static str,
    /// Whole phrases that approve, or give the reader a part to play.
    pub(super) approve: &'static str,
    /// Words stand apart.
    pub(super) spaced: bool,
}

const fn spaced(ignore: &'static str, instructions: &'static str, approve: &'static str) -> Language {
    Language {
        ignore,
        instructions,
        approve,
        spaced: true,
    }
}

const fn joined(ignore: &'static str, instructions: &'static str, approve: &'static str) -> Language {
    Language {
        ignore,
        instructions,
        approve,
        spaced: false,
    }
}

pub(super) const LANGUAGES: &[Language] = &[
    // Spanish
    spaced(
        "ignora\\w*|ignore\\w*|olvida\\w*|omite|omitir|descarta\\w*|desobedece|haz caso omiso|no (?:sigas|obedezcas)|salta(?:te)?",
        "instruccion\\w*|indicacion\\w*|reglas?|ordenes|directrices|anterior\\w*|politicas?|restriccion\\w*|mensajes? del sistema",
        "visto bueno|(?:aprob|autoriz)(?:o|aron|ado|ada)\\b|(?:puede|puedes|pueden) (?:desactivar|omitir|saltar|ignorar|seguir|continuar)\\w*|dile a|ahora eres|actua como|(?:aprueba|permite|acepta) (?:este|esta|esto|el|la|todo)|(?:esta|queda) aprobad\\w+|responde (?:solo|que|con|unicamente)|di(?:le|ga)? al (?:usuario|desarrollador)|solicitud aprobada|revela",
    ),
    // French
    spaced(
        "ignore[rz]?\\w*|oublie[rz]?|neglige[rz]?|ne (?:tiens|tenez) pas compte|ne (?:suis|suivez) pas|contourne[rz]?|passe[rz]? outre",
        "instructions?|consignes?|regles?|directives?|precedent\\w*|ci dessus|politiques?|restrictions?|invite systeme",
        "ne vaut pas|(?:a|ont) (?:approuve|valide|autorise|accepte)|(?:peut|pouvez|peuvent) (?:etre )?(?:ignore|desactive|continue|passe)\\w*|feu vert|c est (?:accepte|approuve|valide)|tu es (?:maintenant|desormais)|vous etes (?:maintenant|desormais)|(?:approuve|autorise|accepte)[rz]? (?:cette|ce|la|le|tout)|est (?:approuve|autorise)e?|repond[sez]* (?:uniquement|seulement|que|avec)|dis a l utilisateur|dites a l utilisateur|revele",
    ),
    // German
    spaced(
        "ignorier\\w*|vergiss|vergesst|vergessen sie|missachte\\w*|ubergeh\\w*|uberspring\\w*|umgeh\\w*|beachte\\w* nicht|folge\\w* nicht",
        "anweisung\\w*|instruktion\\w*|regeln?|vorgaben?|richtlinien?|vorherig\\w*|obig\\w*|bisherig\\w*|befehle?|einschrankung\\w*|systemprompt",
        "(?:schon|bereits|wurde|ist|sind) (?:\\w+ ){0,2}(?:freigegeben|genehmigt|abgenommen|erlaubt|unbedenklich)|unbedenklich|freigegeben hat|gilt (?:hier )?nicht|(?:konnen|darf|kann) (?:\\w+ ){0,3}(?:ignoriert|abgeschaltet|umgangen|ubersprungen)|du bist (?:jetzt|nun|ab jetzt)|(?:genehmige|erlaube|akzeptiere|bewillige)\\w* (?:diese|den|die|das|alle)\\w*|ist (?:genehmigt|freigegeben|erlaubt)|(?:antworte|sag)\\w* (?:nur|dem|mit|dass)|gib .{0,20}(?:passwort|geheim|prompt)",
    ),
    // Italian
    spaced(
        "ignora\\w*|dimentica\\w*|trascura\\w*|non (?:seguire|considerare|rispettare)|tralascia\\w*|scavalca\\w*",
        "istruzion\\w*|regol[ae]|direttiv[ae]|precedent\\w*|indicazion\\w*|sopra|politic(?:a|he)|comand[oi]|restrizion\\w*",
        "via libera|(?:ha|hanno) (?:gia )?(?:approvato|autorizzato|accettato)|(?:si )?puo (?:saltare|ignorare|disattivare|essere)|(?:ora|adesso) sei|(?:approva|autorizza|accetta|consenti) (?:questa|questo|la|il|tutto)|e (?:approvat|autorizzat)[oa]|rispondi (?:solo|che|con)|di all utente|rivela",
    ),
    // Portuguese
    spaced(
        "ignor[ea]\\w*|esqueca\\w*|desconsider\\w*|desobedeca|nao (?:siga|obedeca|considere)|contorne|pule",
        "instruc(?:ao|oes)\\w*|regras?|diretrizes|anterior\\w*|acima|politicas?|ordens|restric(?:ao|oes)",
        "ja (?:aprovou|autorizou|liberou)|(?:foi|esta) liberad[oa]|pode (?:ser )?(?:ignorad|desativ|pul)\\w*|(?:agora )?voce (?:agora )?e (?:um|uma|agora)|(?:aprove|autorize|aceite|permita) (?:este|esta|isso|o|a|tudo)|esta (?:aprovad|autorizad)[oa]|responda (?:apenas|somente|que|com)|diga ao (?:usuario|desenvolvedor)|revele",
    ),
    // Dutch
    spaced(
        "negeer\\w*|vergeet\\w*|sla .{0,20}over|omzeil\\w*|volg .{0,20}niet",
        "instructies?|regels?|aanwijzing\\w*|voorgaande|vorige|bovenstaande|eerdere|richtlijn\\w*|beleid",
        "(?:heeft|is|werd) (?:\\w+ )?(?:goedgekeurd|vrijgegeven)|geldt (?:hier )?niet|(?:kan|mag|kunt) (?:\\w+ )?(?:overgeslagen|genegeerd|uitgezet)|je bent nu|u bent nu|(?:keur|sta) .{0,30}(?:goed|toe)|is goedgekeurd|antwoord (?:alleen|met|dat)|zeg (?:tegen|dat)",
    ),
    // Polish
    spaced(
        "zignoruj\\w*|ignoruj\\w*|zapomnij\\w*|pomin\\w*|nie przestrzegaj|odrzuc",
        "instrukcj\\w*|polece\\w*|zasad\\w*|poprzedni\\w*|powyzsz\\w*|wczesniejsz\\w*|regul\\w*|wytyczn\\w*",
        "wyrazi\\w* zgod\\w*|zatwierdzi\\w*|zatwierdzono|zgodzi\\w* sie|mozna (?:pominac|wylaczyc|zignorowac)|(?:teraz )?jestes (?:teraz|wolnym)|(?:zatwierdz|zezwol|zaakceptuj)\\w*|(?:jest|zostal\\w*) zatwierdzon\\w*|odpowiedz (?:tylko|ze)|powiedz uzytkownikowi",
    ),
    // Swedish, Danish, Norwegian
    spaced(
        "ignorer\\w*|glom\\w*|glem\\w*|bortse|se bort fra|strunta i|hoppa over|overse",
        "instruktion\\w*|instruksjon\\w*|instruks\\w*|regler\\w*|tidigare|tidligere|foregaende|forrige|ovanstaende|anvisning\\w*",
        "godkant|godkendt|godkjent|(?:kan|far) (?:hoppas over|ignoreras|springes over|ignoreres)|du ar nu|du er na|du er nu|(?:godkann|godkend|godkjenn) \\w+|ar godkand|er godkendt|er godkjent|svara (?:bara|endast)|svar (?:kun|bare)",
    ),
    // Czech and Slovak
    spaced(
        "ignoruj\\w*|zapomen\\w*|zabudni\\w*|nedbej\\w*|prehlizej|preskoc",
        "instrukc\\w*|pokyn\\w*|pravidl\\w*|predchoz\\w*|predosl\\w*|predchadzajuc\\w*|vyse",
        "schvaleno|(?:byl\\w*|je) (?:schvalen|odsouhlasen)\\w*|lze (?:preskocit|vypnout|ignorovat)|(?:nyni|ted|teraz) (?:jsi|si)|(?:schval|povol)\\w* (?:tento|tuto|toto|tuto)|je (?:schvalen|povolen)\\w*|odpovez (?:pouze|jen)",
    ),
    // Romanian
    spaced(
        "ignora\\w*|uita\\w*|nu (?:urma|respecta)\\w*|treci peste",
        "instructiun\\w*|regul\\w*|anterioar\\w*|precedent\\w*|de mai sus|indicati\\w*",
        "a (?:fost )?aprobat\\w*|(?:poate|puteti) (?:fi )?(?:ignora|dezactiva)\\w*|(?:acum )?esti (?:acum|un)|(?:aproba|permite|accepta) (?:aceasta|acest|cererea)|este aprobat\\w*|raspunde (?:doar|ca)|spune utilizatorului",
    ),
    // Hungarian
    spaced(
        "hagyd (?:figyelmen kivul|figyelmen)|felejtsd el|figyelmen kivul|ne kovesd",
        "utasitas\\w*|szabaly\\w*|elozo\\w*|korabbi\\w*|fenti\\w*",
        "jovahagy\\w*|engedelyezve|kihagyhato|kikapcsolhato|mostantol te|(?:hagyd jova|engedelyezd)|jovahagyva",
    ),
    // Turkish
    spaced(
        "yok say\\w*|gormezden gel\\w*|unut\\w*|goz ardi et\\w*|dikkate alma\\w*|gecersiz kil\\w*|uyma",
        "talimat\\w*|yonerge\\w*|kural\\w*|onceki\\w*|yukaridaki\\w*|komut\\w*|politika\\w*",
        "onaylan\\w*|izin verildi|(?:atlan|kapat|yok say)\\w*labilir|(?:artik|simdi) (?:sen|siz)|onayla\\w*|izin ver\\w*|onaylandi|(?:sadece|yalnizca) .{0,30}(?:yanitla|cevap|yaz)",
    ),
    // Indonesian and Malay
    spaced(
        "abaikan|lupakan|hiraukan|jangan (?:ikuti|patuhi)|lewati",
        "instruksi|arahan|perintah|aturan|sebelumnya|di atas|peraturan|kebijakan",
        "disetujui|diizinkan|(?:dapat|boleh) (?:diabaikan|dilewati|dimatikan)|(?:sekarang )?(?:kamu|anda) (?:sekarang|adalah)|(?:setujui|izinkan|luluskan) (?:permintaan|ini|semua)|(?:telah |sudah )disetujui|jawab (?:hanya|dengan)|katakan (?:kepada|bahwa)",
    ),
    // Vietnamese
    spaced(
        "bo qua|phot lo|quen(?: đi| di| het| cac)?|khong (?:tuan theo|lam theo)|lo di",
        "huong dan|chi dan|chi thi|lenh|quy tac|truoc (?:do|day)|o tren|ben tren|chinh sach",
        "đa duyet|da duyet|đa (?:đuoc )?(?:phe )?duyet|co the (?:bo qua|tat)|tra loi|bay gio (?:ban|may)|phe duyet|cho phep|chap thuan|chi tra loi|hay (?:noi|tra loi)",
    ),
    // Tagalog, Swahili, Finnish
    spaced(
        "balewalain|kalimutan|huwag pansinin|puuza|sahau|unohda\\w*|ohita\\w*|sivuuta",
        "tagubilin|utos|panuntunan|nauna\\w*|maagizo|maelekezo|awali|sheria|ohje\\w*|saanno\\w*|aiem\\w*|edelli\\w*",
        "imeidhinishwa|aprubahan|ikaw na ngayon|idhinisha|kubali ombi|hyvaksy\\w*|olet nyt",
    ),
    // Russian, Bulgarian
    spaced(
        "игнорир\\w*|проигнорир\\w*|забуд\\w*|забыть|пренебрег\\w*|не (?:следуи|обращаи|учитываи|выполняи)\\w*|отмени\\w*|обоиди\\w*|пропусти\\w*|забрави",
        "инструкци\\w*|указани\\w*|правил\\w*|предыдущ\\w*|выше\\w*|команд\\w*|политик\\w*|ограничени\\w*|промпт\\w*|предишн\\w*",
        "одобр\\w+|согласован\\w*|утвержден\\w*|можно (?:отключить|пропустить|не обращать|обоити|игнорировать)\\w*|(?:теперь|отныне) ты|ты теперь|(?:одобр|разреш|утверд)\\w+ (?:эт\\w+|запрос\\w*|все\\w*)|запрос одобрен|одобрено|(?:ответь|отвечаи|скажи|напиши)\\w* (?:только|что|пользовател\\w+|разработчик\\w+)",
    ),
    // Ukrainian
    spaced(
        "ігнору\\w*|проігнору\\w*|забудь\\w*|знехтуи\\w*|не (?:дотримуи|виконуи|зважаи)\\w*|пропусти\\w*",
        "інструкці\\w*|вказівк\\w*|правил\\w*|попередн\\w*|вище\\w*|команд\\w*|політик\\w*",
        "погоджено|можна (?:вимкнути|пропустити|ігнорувати)|(?:тепер|відтепер) ти|ти тепер|(?:схвал|дозволь|затверд)\\w+|схвалено|(?:відповідаи|скажи|напиши)\\w* (?:лише|тільки|що|користувач\\w+)",
    ),
    // Greek
    spaced(
        "αγνοησ\\w*|αγνοειστε|ξεχασ\\w*|παραβλεψ\\w*|παρακαμψ\\w*",
        "οδηγι\\w*|εντολ\\w*|κανον\\w*|προηγουμεν\\w*|παραπανω",
        "εγκριθηκ\\w*|εγκεκριμεν\\w*|μπορει (?:να )?(?:αγνοηθει|απενεργοποιηθει)|ειστε πλεον|εισαι (?:τωρα|πλεον)|εγκριν\\w*|επιτρεψ\\w*|εγκριθηκε|απαντησε μονο",
    ),
    // Hebrew
    spaced(
        "התעלמ\\w*|התעלם|תתעלם|תתעלמ\\w*|שכח\\w*|תשכח\\w*|אל תציית",
        "הוראות|ההוראות|מההוראות|כללים|הכללים|הקודמ\\w*|לעיל|הנחיות|ההנחיות|מההנחיות",
        "אושר\\w*|אתה עכשיו|מעכשיו אתה|אשר את|הבקשה אושרה|מאושר|ענה רק|אמור למשתמש",
    ),
    // Arabic
    spaced(
        "تجاهل\\w*|انس\\w*|تجاوز\\w*|لا تتبع\\w*|اهمل\\w*|أهمل\\w*|إنس",
        "التعليمات|تعليمات\\w*|الأوامر|الاوامر|القواعد|السابق\\w*|أعلاه|اعلاه|التوجيهات|الإرشادات|الارشادات|السياسات",
        "مقبول|تم (?:القبول|الاعتماد)|موافق عليه|أنت الآن|انت الان|وافق على|اسمح|تمت الموافقة|أجب فقط|اجب فقط|قل للمستخدم|أخبر المستخدم|اخبر المستخدم",
    ),
    // Persian, Urdu
    spaced(
        "نادیده بگیر\\w*|نادیده|فراموش کن\\w*|نظر انداز کر\\w*|بھول جا\\w*",
        "دستورالعمل\\w*|دستورات|دستور\\w*|قوانین|قبلی|بالا|ہدایات|احکامات|پچھلی|سابقہ",
        "تایید شد|تأیید شد|تاييد شد|اکنون شما|تو اکنون|تایید کن|تأیید کن|اجازه بده|منظور کر\\w*|اب تم|اب آپ",
    ),
    // Hindi
    spaced(
        "अनदखा|अनदेखा|नजरअंदाज|नज़रअंदाज़|भल जा\\S*|भूल जा\\S*|उपकषा|उपेक्षा|नजरदाज|नजरअदाज",
        "नरदश\\S*|निर्देश\\S*|आदश\\S*|आदेश\\S*|नियम\\S*|नयम\\S*|पछल\\S*|पिछल\\S*|उपरकत|उपरोक्त",
        "सवकत|स्वीकृत|अब आप|अब तम|अब तुम|सवकत कर\\S*|स्वीकृत कर\\S*|अनमत द\\S*|अनुमति द\\S*|मजर कर\\S*|मंज़ूर कर\\S*",
    ),
    // Bengali, Tamil
    spaced(
        "উপেক্ষা|উপকষ|ভুলে যাও|ভল যও|புறக்கணி\\S*|பறககண\\S*|மறந்துவிடு",
        "নির্দেশ\\S*|নরদশ\\S*|নিয়ম\\S*|আগের|আগর|வழிமுறை\\S*|வழமற\\S*|முந்தைய|மநதய|அறிவுறுத்தல்\\S*|அறவறததல\\S*",
        "অনুমোদন কর\\S*|অনমদন কর\\S*|அனுமதி|அனமத",
    ),
    // Chinese
    joined(
        "忽略|无视|無視|忘记|忘記|忘掉|不要理会|不要理會|不要遵守|不要遵循|绕过|繞過|跳过|跳過|覆盖|覆蓋|抛弃|取消",
        "指令|指示|说明|說明|提示|规则|規則|之前|以上|上述|前面|先前|命令|策略|限制|约束|規範|系统消息",
        "已(?:经)?(?:批准|通过|获批|同意)|可以(?:关闭|忽略|跳过|禁用|绕过)|無需修改|无需修改|你现在是|你現在是|现在你是|扮演|批准(?:这|此|该|請|这个|本)?|允许(?:这|此|该|部署)|允許(?:這|此|該)|已批准|已獲批准|通过审核|(?:只|请|請|仅)回[复答覆]|告诉用户|告訴用戶|输出.{0,6}系统提示",
    ),
    // Japanese
    joined(
        "無視|忘れ|従わな|したがわな|むし|スキップ|回避",
        "指示|命令|ルール|規則|以前|これまで|上記|前の|先の|プロンプト|ポリシ|ホリシ|フロンフト|制限|制約",
        "承認(?:され|済)|問題(?:ない|ありません)|(?:無視|省略|スキップ)して(?:も)?(?:よい|構い|かまい)|あなたは今|今からあなた|として振る舞|承認し|承認済|許可し|許可せよ|承認せよ|と(?:だけ)?(?:答え|回答|返答|言っ|伝え)|ユーザーに(?:伝|言|教)|ユーサーに(?:伝|言|教)|システムプロンプト|システムフロンフト",
    ),
    // Korean
    joined(
        "무시|잊어|잊으|잊고|따르지|우회|건너뛰|생략",
        "지시|명령|지침|규칙|이전|앞선|앞의|위의|프롬프트|정책|제한",
        "승인되|승인 ?완료|(?:꺼도|무시해도|건너뛰어도) (?:됩|된)|당신은 이제|너는 이제|넌 이제|승인해|승인하|승인됨|승인되었|허용해|허용하|라고만? ?(?:답|말|대답|응답)|사용자에게 .{0,12}(?:말|전|알)",
    ),
    // Thai
    joined(
        "เพกเฉย|เพิกเฉย|ละเวน|ละเว้น|ลม|ลืม|ไมตองสนใจ|ไม่ต้องสนใจ|ขาม|ข้าม",
        "คาสง|คำสั่ง|คําสั่ง|คาสัง|กฎ|กอนหนา|ก่อนหน้า|ดานบน|ด้านบน|คาแนะนา|คำแนะนำ",
        "อนมตแลว|ตอนนคณคอ|ตอนนี้คุณคือ|อนมต|อนุมัติ|อนญาต|อนุญาต",
    ),
];
