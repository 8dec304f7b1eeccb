"""Phrases that mean yes or no and nothing else, one row per language.

A yes may start an action, so only whole messages count: every word of it must belong to the list. Case, diacritics,
punctuation and repeated letters ("Yesss!!") make no difference. Spellings in Latin letters stand beside the scripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

Answer = Literal["yes", "no", "unclear", ""]
"""``unclear``: a word that looks like an answer and could mean either; empty for everything else."""
Meaning = Literal["yes", "no", "polite", "unclear"]
Phrases = dict[tuple[str, ...], Meaning]


@dataclass(frozen=True, slots=True)
class Row:
    """Phrases of one language, separated by "|". ``polite`` may accompany a yes or a no and means neither. ``unclear``:
    words that mean yes or no elsewhere, or could mean both, and are therefore no answer in this language."""

    yes: str
    no: str
    polite: str = ""
    unclear: str = ""


ROWS: dict[str, Row] = {
    "en": Row(
        yes=(
            "yes|yeah|yea|yep|yup|ya|yess|y|aye|sure|sure thing|of course|certainly|absolutely|definitely|ok"
            "|okay|okey|okie|k|kk|alright|all right|right|correct|thats right|thats correct|i do|agreed"
            "|i agree|agree|confirm|confirmed|i confirm|go ahead|go for it|do it|do that|do so|do|yes do"
            "|please do|proceed|please|sounds good|looks good|fine|thats fine|very well|affirmative"
            "|by all means|you may|yes you may|yes go|it is ok|its ok|do it now|go on then|go"
        ),
        no=(
            "no|nope|nah|nay|n|no way|not now|not yet|dont|do not|dont do it|do not do it|dont do that|stop"
            "|stop it|leave it|leave it alone|never mind|nevermind|forget it|forget about it|dont bother"
            "|rather not|id rather not|better not|i changed my mind|changed my mind|negative|absolutely not"
            "|of course not|certainly not|definitely not"
        ),
        polite="please|pls|plz|thanks|thank you|thx|many thanks|cheers|thanks a lot|thank you very much",
        unclear="cancel|cancel it|cancel that|cancel this|wait|maybe|perhaps|hm|hmm|abort",
    ),
    "zh": Row(
        yes=(
            "是|是的|对|對|好|好的|好啊|好吧|可以|行|没问题|沒問題|确认|確認|确定|確定|同意|嗯|嗯嗯"
            "|当然|當然|继续|繼續|请继续|shi|shi de|shide|hao|hao de"
            "|haode|keyi|dui|xing"
        ),
        no="不|不是|不要|不用|不行|不可以|别|別|算了|不同意|没有|沒有|bu|bu yao|buyao|bu shi|bushi|bu xing|bu yong",
        polite="谢谢|謝謝|请|請|xiexie",
        unclear="取消",
    ),
    "hi": Row(
        yes=(
            "हाँ|हां|हा|जी|जी हाँ|जी हां|हाँ जी|हां जी|ठीक है|ठीक|बिल्कुल|ज़रूर|जरूर|कर दो|कर दीजिए|करो|सही"
            "|अच्छा|haan|han|ha|haa|ji|ji haan|haan ji|theek hai|thik hai|bilkul|zaroor|kar do|kar dijiye"
            "|acha|accha|sahi"
        ),
        no="नहीं|नही|ना|जी नहीं|मत करो|मत कीजिए|रहने दो|रहने दीजिए|nahi|nahin|na|ji nahi|mat karo|rehne do",
        polite="कृपया|धन्यवाद|शुक्रिया|kripya|dhanyavad|shukriya",
    ),
    "es": Row(
        yes=(
            "sí|sip|sipi|claro|claro que sí|por supuesto|vale|de acuerdo|ok|okay|bueno|está bien|correcto"
            "|confirmo|confirmado|adelante|dale|hazlo|hágalo|hágalo ya|procede|proceda|perfecto|desde luego"
            "|así es|eso es|por favor sí"
        ),
        no=(
            "no|nop|para nada|de ninguna manera|no lo hagas|no lo haga|ahora no|todavía no|mejor no|déjalo"
            "|déjelo|claro que no|nunca"
        ),
        polite="por favor|porfa|gracias|muchas gracias",
        unclear="cancelar|cancela|espera",
    ),
    "fr": Row(
        yes=(
            "oui|ouais|ouaip|ouep|oui oui|bien sûr|d'accord|daccord|dac|ok|okay|d'ac|entendu|parfait|exact"
            "|exactement|c'est ça|je confirme|confirmé|allez y|vas y|allez|faites le|fais le|volontiers"
            "|certainement|absolument|tout à fait|mais oui|ça marche|c'est bon|bien"
        ),
        no=(
            "non|nan|non non|pas maintenant|pas encore|surtout pas|pas du tout|ne le faites pas"
            "|ne le fais pas|laissez|laisse|laissez tomber|laisse tomber|tant pis|jamais|bien sûr que non"
        ),
        polite="s'il vous plaît|s'il te plaît|svp|stp|merci|merci beaucoup|merci bien",
        unclear="annuler|si|attendez",
    ),
    "ar": Row(
        yes=(
            "نعم|ايوه|أيوه|ايوا|أيوا|اه|آه|أجل|بلى|موافق|موافقة|اوافق|أوافق|تمام|حسنا|حسناً|طبعا|طبعاً"
            "|بالتأكيد|بالطبع|اكيد|أكيد|اوكي|أوكي|ماشي|تفضل|naam|aiwa|aywah|tamam|akid|mashi|mwafeq|muwafiq"
            "|aywa"
        ),
        no="لا|كلا|لأ|لا شكرا|لا أريد|لا اريد|ليس الآن|غير موافق|مش عايز|la|kalla",
        polite="من فضلك|لو سمحت|شكرا|شكراً|رجاء|shukran",
    ),
    "bn": Row(
        yes=("হ্যাঁ|হ্যা|হা|হাঁ|জি|জ্বি|জি হ্যাঁ|ঠিক আছে|আচ্ছা|অবশ্যই|করুন|করো|রাজি|hya|hyan|hae|haa|ji|thik ache|accha|obosshoi|korun"),
        no="না|জি না|জ্বি না|করবেন না|করো না|থাক|na|ji na|thak",
        polite="দয়া করে|প্লিজ|ধন্যবাদ|dhonnobad",
    ),
    "pt": Row(
        yes=(
            "sim|claro|claro que sim|com certeza|certo|certamente|ok|okay|está bem|tá bem|tá|tá bom|está bom"
            "|tudo bem|pode|pode ser|pode sim|confirmo|confirmado|faça|faz isso|vai em frente|pode fazer"
            "|prossiga|perfeito|correto|beleza|blz|isso|é|uhum|s"
        ),
        no=(
            "não|nao|nem pensar|de jeito nenhum|agora não|ainda não|melhor não|deixa|deixe|deixa pra lá"
            "|esquece|esqueça|não faça|claro que não|nunca"
        ),
        polite="por favor|obrigado|obrigada|obg|pf|pfv",
        unclear="cancelar|espera",
    ),
    "ru": Row(
        yes=(
            "да|ага|угу|конечно|хорошо|ладно|ок|окей|окэй|давай|давайте|согласен|согласна|подтверждаю|верно"
            "|правильно|точно|разумеется|делай|делайте|сделай|сделайте|можно|да да|да конечно|так точно|da"
            "|aga|ugu|konechno|horosho|khorosho|ladno|davai|davay"
        ),
        no=(
            "нет|не|неа|не надо|не нужно|не делай|не делайте|ни в коем случае|не сейчас|пока нет|нет нет|стоп"
            "|хватит|net|nyet|niet|ne nado|nea"
        ),
        polite="пожалуйста|спасибо|pozhaluista|spasibo",
        unclear="отмена",
    ),
    "ur": Row(
        yes=(
            "ہاں|جی|جی ہاں|ہاں جی|ٹھیک ہے|ٹھیک|بالکل|ضرور|کر دیں|کردیں|کر دو|کریں|درست|اچھا|haan|han|ji"
            "|ji haan|theek hai|thik hai|bilkul|zaroor|kar dein|kardo"
        ),
        no="نہیں|نہ|جی نہیں|مت کریں|مت کرو|رہنے دیں|nahi|nahin|ji nahi|rehne dein",
        polite="براہ کرم|مہربانی|شکریہ|shukriya|meherbani",
    ),
    "id": Row(
        yes=(
            "ya|iya|yaa|iyah|y|yoi|yup|oke|ok|okay|baik|baiklah|setuju|boleh|tentu|tentu saja|silakan|lanjut"
            "|lanjutkan|benar|betul|siap|sip|lakukan"
        ),
        no=("tidak|tdk|gak|ga|nggak|enggak|ngga|jangan|tidak usah|gak usah|ga usah|tidak jadi|gak jadi|belum|bukan"),
        polite="tolong|terima kasih|makasih|mohon",
        unclear="batal",
    ),
    "ms": Row(
        yes="ya|ye|yer|ok|okay|baik|baiklah|setuju|boleh|tentu|sudah tentu|teruskan|sila|sila teruskan|betul",
        no="tidak|tak nak|tak mahu|tidak mahu|jangan|bukan|tak payah|belum",
        polite="tolong|terima kasih",
        unclear="tak",
    ),
    "de": Row(
        yes=(
            "ja|jo|jep|jap|jup|joa|jawohl|klar|na klar|aber klar|sicher|natürlich|selbstverständlich|gern"
            "|gerne|ja gern|ja gerne|ja bitte|bitte|ok|okay|okey|in ordnung|einverstanden|passt|stimmt"
            "|richtig|genau|mach|mach das|machen sie das|mach es|tu das|tun sie das|los|leg los|bestätigt"
            "|bestätige|ich bestätige|auf jeden fall|unbedingt|gut|alles klar|ja mach|ja mach das|geht klar"
            "|jaja|ja doch|freilich"
        ),
        no=(
            "nein|nee|ne|nö|nope|nein danke|lieber nicht|bitte nicht|nicht|auf keinen fall|keinesfalls"
            "|noch nicht|jetzt nicht|lass|lass es|lass das|lassen sie es|lassen sie das|doch nicht|stopp|stop"
            "|vergiss es|nie|niemals|nein nein|natürlich nicht"
        ),
        polite="bitte|danke|danke schön|vielen dank|bitte sehr",
        unclear="da|warte|moment|vielleicht|stornieren|abbrechen|abbruch",
    ),
    "ja": Row(
        yes=(
            "はい|ハイ|ええ|うん|そうです|お願いします|おねがいします|お願い|いいですよ|オーケー"
            "|オッケー|おk|了解|了解です|了解しました|承知しました|わかりました|もちろん"
            "|進めてください"
            "|実行してください|同意します|hai|ee|un|onegaishimasu|onegai shimasu|ryokai|wakarimashita|mochiron"
        ),
        no=(
            "いいえ|いや|いやです|いえ|ううん|だめ|ダメ|だめです|やめて|やめてください|やめます"
            "|しない|しないで|しないでください|いらない|いりません|iie|iya|dame|yamete"
        ),
        polite="ください|ありがとう|ありがとうございます|arigato|arigatou",
        unclear="結構です|大丈夫|大丈夫です|いいです",
    ),
    "pcm": Row(
        yes=(
            "yes|yes o|yes oo|ehen|na so|oya|oya do am|do am|abeg do am|make you do am|i gree|i don gree"
            "|sharp|no wahala|e dey ok|correct"
        ),
        no="no|no o|mba|no do am|abeg no|i no gree|i no want|leave am|make you no do am|forget am",
        polite="abeg|thank you|una do well",
    ),
    "mr": Row(
        yes=("हो|होय|हो हो|ठीक आहे|बरं|चालेल|नक्की|करा|कर|मान्य|ho|hoy|hoi|thik aahe|theek aahe|chalel|nakki|kara"),
        no="नाही|नको|नका|नको करू|करू नका|राहू दे|nahi|nako|naka|rahu de",
        polite="कृपया|धन्यवाद",
    ),
    "te": Row(
        yes=("అవును|ఔను|సరే|సరి|అలాగే|చేయండి|చెయ్యండి|తప్పకుండా|ఓకే|avunu|aunu|sare|sari|alage|cheyandi|tappakunda"),
        no="కాదు|లేదు|వద్దు|చేయవద్దు|kaadu|kadu|ledu|vaddu|oddu",
        polite="దయచేసి|ధన్యవాదాలు",
    ),
    "tr": Row(
        yes=(
            "evet|he|hıhı|tabii|tabi|tabii ki|elbette|olur|tamam|tmm|tamamdır|peki|onaylıyorum|onay|onayla"
            "|kabul|kabul ediyorum|yap|yapın|yapabilirsin|devam|devam et|devam edin|aynen|kesinlikle|doğru"
            "|evet evet|ok|okey"
        ),
        no=("hayır|hyr|yok|olmaz|istemiyorum|yapma|yapmayın|gerek yok|vazgeçtim|kalsın|asla|hayır hayır|şimdi değil"),
        polite="lütfen|teşekkürler|teşekkür ederim|sağ ol|sağol",
        unclear="ne|dur|bekle|iptal",
    ),
    "ta": Row(
        yes="ஆம்|ஆமாம்|ஆமா|சரி|நிச்சயமாக|செய்யுங்கள்|செய்|ஓகே|aam|aama|aamaam|sari|seri|nichayamaga|seyyungal",
        no="இல்லை|வேண்டாம்|இல்ல|வேணாம்|செய்யாதீர்கள்|illai|illa|vendam|venam|vendaam",
        polite="தயவுசெய்து|நன்றி|nandri",
    ),
    "yue": Row(
        yes="係|係呀|係啊|好|好呀|好啊|得|冇問題|可以|啱|確認|同意|梗係|hai|hai aa|ho|ho aa|dak|mou man tai",
        no="唔係|唔好|唔使|唔得|唔要|唔同意|算啦|m hai|mhai|m ho|mho|m sai",
        polite="唔該|多謝|唔該晒|mgoi|dojeh",
        unclear="取消",
    ),
    "vi": Row(
        yes=(
            "vâng|dạ|dạ vâng|có|ừ|ừm|ok|okay|oke|được|đồng ý|đúng vậy|đúng rồi|chắc chắn|làm đi"
            "|cứ làm đi|tiếp tục|xác nhận|tất nhiên|phải"
        ),
        no="không|ko|khong|hong|thôi|không cần|dạ không|đừng làm|chưa|không đồng ý|không phải",
        polite="làm ơn|cảm ơn|xin cảm ơn|ạ|nhé|nha",
    ),
    "ko": Row(
        yes=(
            "네|넵|예|응|어|그래|그래요|좋아|좋아요|좋습니다|맞아요|맞습니다|알겠습니다|알았어|오케이"
            "|ㅇㅇ|ㅇㅋ|해주세요|해 주세요|진행해주세요|진행해 주세요|물론|물론이죠"
            "|동의합니다|확인|ne|nae|ye|eung|geurae|joayo"
        ),
        no=(
            "아니|아니요|아뇨|아니오|아니에요|ㄴㄴ|싫어|싫어요|하지마|하지 마|하지마세요|하지 마세요"
            "|됐어|됐어요|ani|aniyo|anyo"
        ),
        polite="부탁해요|부탁합니다|부탁드립니다|감사합니다|고마워요|고맙습니다",
        unclear="괜찮아요|괜찮습니다|취소",
    ),
    "it": Row(
        yes=(
            "sì|certo|certamente|certo che sì|ok|okay|va bene|vabbene|vada|d'accordo|esatto|esattamente"
            "|giusto|confermo|confermato|procedi|proceda|fallo|lo faccia|faccia pure|fai pure|sicuro"
            "|sicuramente|assolutamente sì|perfetto|volentieri|bene|ovvio|vai|vai pure|senz'altro"
        ),
        no=(
            "no|no no|nope|non farlo|non lo faccia|non ora|non adesso|non ancora|meglio di no|lascia stare"
            "|lasci stare|lascia perdere|assolutamente no|certo che no|mai|per niente"
        ),
        polite="per favore|per piacere|grazie|grazie mille",
        unclear="hai|annulla|aspetta",
    ),
    "fa": Row(
        yes=(
            "بله|آره|اره|بلی|باشه|باشد|حتما|حتماً|البته|موافقم|تایید|تایید میکنم|تأیید|انجام بده|انجام بدهید"
            "|درسته|درست است|اوکی|خوبه|bale|baleh|areh|bashe|hatman|albate|ok"
        ),
        no="نه|خیر|نخیر|نه ممنون|نمیخواهم|نمی خواهم|نمیخوام|انجام نده|na|nah|kheir|nakheir",
        polite="لطفا|لطفاً|ممنون|مرسی|متشکرم|lotfan|mamnun|merci",
    ),
    "pa": Row(
        yes=(
            "ਹਾਂ|ਹਾਂਜੀ|ਹਾਂ ਜੀ|ਜੀ|ਜੀ ਹਾਂ|ਠੀਕ ਹੈ|ਠੀਕ|ਬਿਲਕੁਲ|ਜ਼ਰੂਰ|ਕਰ ਦਿਓ|haan|haanji|haan ji|theek hai|bilkul"
            "|zaroor|kar dio|ہاں جی|آہو|aaho"
        ),
        no="ਨਹੀਂ|ਨਾ|ਜੀ ਨਹੀਂ|ਰਹਿਣ ਦਿਓ|ਨਾ ਕਰੋ|nahi|nahin|na|rehn dio",
        polite="ਕਿਰਪਾ ਕਰਕੇ|ਧੰਨਵਾਦ|dhanvaad",
    ),
    "gu": Row(
        yes=("હા|હાજી|હા જી|જી|ઠીક છે|બરાબર|ચોક્કસ|જરૂર|કરો|કરી દો|ha|haa|haji|thik che|barabar|chokkas|jarur|kari do"),
        no="ના|નહીં|ના જી|નથી|રહેવા દો|ના કરો|na|nahi|rehva do",
        polite="કૃપા કરીને|આભાર|aabhar",
    ),
    "jv": Row(
        yes="iya|iyo|yo|inggih|nggih|injih|ya|oke|sae|setuju|monggo|lanjut",
        no="ora|boten|mboten|ojo|aja|emoh|ndak|gak|wegah",
        polite="matur nuwun|tulung",
    ),
    "tl": Row(
        yes=(
            "oo|opo|oho|sige|sige po|oo po|sige na|ok|okay|tama|oo naman|syempre|siyempre|gawin mo"
            "|gawin mo na|pwede|puwede|payag ako"
        ),
        no="hindi|hindi po|wag|huwag|wag na|huwag na|ayaw|ayaw ko|ayoko|dili|wala|hinde",
        polite="pakiusap|salamat|salamat po",
        unclear="ano",
    ),
    "sw": Row(
        yes="ndiyo|ndio|naam|sawa|sawa sawa|sawasawa|haya|hakika|bila shaka|endelea|fanya|nakubali|kweli|poa",
        no="hapana|la|sivyo|usifanye|sitaki|acha|wacha|bado|hapana asante",
        polite="tafadhali|asante|asante sana",
    ),
    "ha": Row(
        yes="na'am|haka ne|na yarda|toh",
        no="a'a|ba haka ba|ban yarda ba|kar ka yi|kada ka yi",
        polite="don allah|na gode",
    ),
    "th": Row(
        yes=(
            "ใช่|ใช่ครับ|ใช่ค่ะ|ครับ|ค่ะ|คะ|ได้|ได้ครับ|ได้ค่ะ|ได้เลย|โอเค|โอเคครับ|โอเคค่ะ|ตกลง|ตกลงครับ"
            "|ตกลงค่ะ|ยืนยัน|เอา|ทำเลย|chai|chai krap|chai ka|dai|ok krap|ok ka|toklong"
        ),
        no=(
            "ไม่|ไม่ครับ|ไม่ค่ะ|ไม่ใช่|ไม่ใช่ครับ|ไม่ใช่ค่ะ|ไม่เอา|ไม่เอาครับ|ไม่เอาค่ะ|ไม่ต้อง|ไม่ต้องครับ"
            "|ไม่ต้องค่ะ|อย่า|mai|mai chai|mai ao|mai tong"
        ),
        polite="ขอบคุณ|ขอบคุณครับ|ขอบคุณค่ะ|กรุณา|นะ|นะครับ|นะคะ",
        unclear="ยกเลิก",
    ),
    "pl": Row(
        yes=(
            "tak|tak tak|jasne|oczywiście|pewnie|dobrze|dobra|ok|okej|okay|zgoda|zgadzam się|potwierdzam"
            "|zgadza się|zrób to|proszę zrobić|proszę to zrobić|proszę|śmiało|dokładnie|racja|mhm|dalej"
            "|niech będzie"
        ),
        no=(
            "nie|nie nie|nie dziękuję|nie rób tego|nie teraz|jeszcze nie|lepiej nie|zostaw|zostaw to|nigdy"
            "|absolutnie nie|rezygnuję"
        ),
        polite="proszę|dziękuję|dzięki",
        unclear="no|anuluj",
    ),
    "uk": Row(
        yes=(
            "так|так так|ага|угу|звичайно|звісно|добре|гаразд|ок|окей|згоден|згодна|підтверджую|вірно"
            "|правильно|точно|зробіть|зроби|давайте|давай|авжеж|tak|zvychaino|dobre"
        ),
        no="ні|не|нє|не треба|не потрібно|не робіть|не роби|не зараз|поки ні|ni|ne treba",
        polite="будь ласка|дякую|dyakuyu",
        unclear="скасуй",
    ),
    "nl": Row(
        yes=(
            "ja|jawel|jep|jazeker|zeker|natuurlijk|tuurlijk|graag|ja graag|ok|oke|oké|okay|akkoord|prima|goed"
            "|is goed|klopt|doe maar|ja doe maar|ga je gang|ga uw gang|bevestigd|ik bevestig|uiteraard"
            "|absoluut|doe het|juist"
        ),
        no=(
            "nee|neen|nee dank je|nee bedankt|nee hoor|liever niet|niet doen|doe maar niet|nog niet|nu niet"
            "|laat maar|laat maar zitten|nooit|absoluut niet|nope"
        ),
        polite="alsjeblieft|alstublieft|aub|svp|dank je|dank u|bedankt|dankjewel",
        unclear="annuleren|annuleer|wacht",
    ),
    "ro": Row(
        yes=(
            "da|da da|desigur|sigur|bineînțeles|ok|okay|bine|de acord|sunt de acord|confirm|confirmat|corect"
            "|exact|perfect|fă asta|faceți asta|dă i drumul|continuă|continuați|se poate"
        ),
        no=(
            "nu|nu nu|ba nu|nu mulțumesc|nu acum|încă nu|mai bine nu|lasă|lăsați|nu face asta|nu faceți asta"
            "|niciodată|renunț"
        ),
        polite="te rog|vă rog|mulțumesc|mersi",
    ),
    "el": Row(
        yes=(
            "ναι|ναί|μάλιστα|βεβαίως|βέβαια|φυσικά|οκ|οκει|εντάξει|σύμφωνοι|συμφωνώ|επιβεβαιώνω|σωστά|κάντο"
            "|κάντε το|προχώρα|προχωρήστε|ne|nai|malista|entaxei|fysika"
        ),
        no="όχι|οχι|μη|μην το κάνεις|μην το κάνετε|όχι τώρα|όχι ακόμα|καλύτερα όχι|άστο|ποτέ|oxi|ohi|ochi",
        polite="παρακαλώ|ευχαριστώ|parakalo|efharisto",
    ),
    "cs": Row(
        yes=(
            "ano|jo|jojo|jasně|jistě|samozřejmě|ok|oukej|okay|dobře|dobrá|souhlasím|potvrzuji|potvrzuju"
            "|správně|přesně|udělej to|udělejte to|určitě|tak jo|pokračujte|pokračuj"
        ),
        no=(
            "ne|ne ne|nene|ne děkuji|nechci|nedělej to|nedělejte to|teď ne|ještě ne|raději ne|nech to"
            "|nechte to|nikdy|rozhodně ne"
        ),
        polite="prosím|děkuji|děkuju|díky",
        unclear="no",
    ),
    "hu": Row(
        yes=(
            "igen|igen igen|ja|aha|persze|természetesen|rendben|oké|ok|okés|jó|jól van|helyes|így van"
            "|egyetértek|megerősítem|csináld|csinálja|mehet|tessék|folytasd|biztosan"
        ),
        no=(
            "nem|nem nem|nem kérem|nem köszönöm|ne|ne csináld|ne csinálja|most nem|még nem|inkább ne"
            "|inkább nem|hagyd|hagyja|soha|dehogy"
        ),
        polite="kérem|kérlek|köszönöm|köszi",
    ),
    "sv": Row(
        yes=(
            "ja|jo|japp|jepp|jadå|javisst|visst|absolut|självklart|gärna|ja gärna|ja tack|ok|okej|okay|bra"
            "|det går bra|stämmer|det stämmer|gör det|kör|kör på|bekräftar|jag bekräftar|precis|tack ja"
        ),
        no=(
            "nej|nä|näe|nej tack|inte|gör det inte|inte nu|inte än|helst inte|låt bli|strunta i det|aldrig"
            "|absolut inte|nope"
        ),
        polite="tack|tack så mycket|snälla",
        unclear="avbryt|vänta|nu",
    ),
    "da": Row(
        yes=(
            "ja|jo|jep|jada|javist|ja tak|gerne|ja gerne|selvfølgelig|naturligvis|ok|okay|fint|det er fint"
            "|i orden|enig|bekræfter|jeg bekræfter|gør det|bare gør det|præcis|netop|korrekt"
        ),
        no=("nej|næ|nej tak|ikke|gør det ikke|ikke nu|ikke endnu|helst ikke|lad være|glem det|aldrig|slet ikke"),
        polite="tak|mange tak|venligst",
        unclear="annuller|vent",
    ),
    "nb": Row(
        yes=(
            "ja|jo|jepp|japp|ja takk|gjerne|ja gjerne|selvfølgelig|selvsagt|klart|ok|okei|okay|greit"
            "|det er greit|i orden|enig|bekrefter|jeg bekrefter|gjør det|bare gjør det|nettopp|riktig|kjør på"
        ),
        no=("nei|nei takk|ikke|ikke gjør det|ikke nå|ikke ennå|helst ikke|la være|glem det|aldri|absolutt ikke|niks"),
        polite="takk|mange takk|tusen takk|vennligst",
        unclear="avbryt|vent",
    ),
    "fi": Row(
        yes=(
            "kyllä|kylla|joo|juu|jep|jes|ok|okei|selvä|selvä homma|totta kai|tietysti|toki|hyvä|hyvä on|sopii"
            "|käy|vahvistan|oikein|tee se|tehkää se|anna mennä|jatka|ehdottomasti|joo joo"
        ),
        no=(
            "ei|en|ei kiitos|älä|älä tee|älkää|ei nyt|ei vielä|mieluummin ei|anna olla|antaa olla|unohda"
            "|ei missään nimessä"
        ),
        polite="kiitos|kiitoksia|ole hyvä|olkaa hyvä",
        unclear="peruuta|odota",
    ),
    "bg": Row(
        yes=(
            "да|да да|ами да|разбира се|добре|ок|окей|съгласен|съгласна|съгласен съм|съгласна съм"
            "|потвърждавам|точно|правилно|давай|давайте|направи го|направете го|става|da|dobre|razbira se"
        ),
        no="не|не не|не сега|още не|по добре не|не го прави|не го правете|остави|оставете|никога|ne",
        polite="моля|благодаря|мерси|molya|blagodarya",
    ),
    "sr": Row(
        yes=(
            "да|da|да да|da da|наравно|naravno|важи|važi|ok|okej|ок|у реду|u redu|добро|dobro|слажем се"
            "|slažem se|потврђујем|potvrđujem|тачно|tačno|točno|уради|uradi|napravi|може|može|svakako"
        ),
        no=(
            "не|ne|не не|ne ne|не хвала|ne hvala|немој|nemoj|nemojte|не сада|ne sada|još ne|остави|ostavi|nikad|nikako"
        ),
        polite="молим|molim|хвала|hvala",
    ),
    "sk": Row(
        yes=(
            "áno|hej|jasné|iste|samozrejme|ok|okej|dobre|súhlasím|potvrdzujem|správne|presne|urob to"
            "|urobte to|určite|pokračujte"
        ),
        no=(
            "nie|nie nie|nie ďakujem|nechcem|nerob to|nerobte to|teraz nie|ešte nie|radšej nie|nechaj to"
            "|nechajte to|nikdy"
        ),
        polite="prosím|ďakujem|vďaka",
        unclear="no",
    ),
    "he": Row(
        yes=(
            "כן|כן כן|בטח|בהחלט|כמובן|אוקיי|אוקי|אוקי כן|בסדר|סבבה|מאשר|מאשרת|אני מאשר|אני מאשרת|נכון|תעשה"
            "|תעשי|קדימה|יאללה|מסכים|מסכימה|ken|betach|beseder|sababa"
        ),
        no=("לא|לא לא|לא תודה|ממש לא|אל|אל תעשה|אל תעשי|לא עכשיו|עדיין לא|עזוב|עזבי|עזוב את זה|בשום אופן לא|lo"),
        polite="בבקשה|תודה|תודה רבה|bevakasha|toda",
    ),
}
"""By language. The languages that most people speak, and those of Europe."""

_EVERYWHERE = Row(yes="ok|okay|yes", no="", polite="please")
"""Understood in every language."""
_AT_HOME = frozenset(
    [
        "a",
        "an",
        "e",
        "ee",
        "eh",
        "ha",
        "haa",
        "he",
        "hej",
        "ho",
        "i",
        "k",
        "la",
        "na",
        "nu",
        "s",
        "sari",
        "shi",
        "to",
        "u",
        "um",
        "un",
    ]
)
"""Words too short, or too common elsewhere, to count outside their own language."""
_ICONS: dict[str, Answer] = {
    "👍": "yes",
    "👌": "yes",
    "✅": "yes",
    "✔": "yes",
    "☑": "yes",
    "🆗": "yes",
    "👎": "no",
    "❌": "no",
    "✖": "no",
    "🚫": "no",
}
_SMILES = frozenset("🙂😊😀😃😄😁☺🙏❤")
"""May accompany an answer, and are none."""
_DRESS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f\u200d]")
"""Skin tones, and how a character is drawn."""
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640]")
_STROKES = str.maketrans(
    {"ı": "i", "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ی": "ي", "ک": "ك"}
)
_APOSTROPHES = re.compile("['’ʼ`´]")
_RUN = re.compile(r"([^\W\d_])\1{2,}")
_DOUBLE_END = re.compile(r"([^\W\d_])\1\b")
_ASKS = re.compile("[?？؟]")
_LONGEST = 80
"""Characters of an answer; whatever is longer says more than yes or no."""
_MOST = 12
"""Words."""


def yes_or_no(text: str, language: str = "") -> Answer:
    """What a whole message answers to a question. ``language``: the contact's, which decides where a word means
    something else in another language; without it, or where its list does not have the phrase, every list counts, and
    a phrase that means yes in one language and no in another is ``unclear``."""
    if len(text) > _LONGEST:
        return ""
    words, icons = _read(text)
    if icons is None or len(words) > _MOST:
        return ""
    if not words:
        return icons.pop() if len(icons) == 1 else "unclear" if icons else ""
    found = _of_words(words, language)
    is_plain = not _ASKS.search(text) and (not icons or icons == {found})
    return found if is_plain or not found else "unclear"


def _of_words(words: tuple[str, ...], language: str) -> Answer:
    own = language.replace("_", "-").partition("-")[0].casefold()
    for spelling in _spellings(words):
        meant = _meanings(spelling, _phrases(own))
        if meant:
            return _answer(meant)
    if len(words) == 1 and words[0] in _AT_HOME:
        return ""
    for spelling in _spellings(words):
        answers = {_answer(_meanings(spelling, _phrases(other))) for other in ROWS if other != own} & {"yes", "no"}
        if answers:
            return answers.pop() if len(answers) == 1 else "unclear"
    return ""


def _answer(meant: set[Meaning]) -> Answer:
    answers: set[Answer] = {one for one in meant if one != "polite"}
    return "" if not answers else answers.pop() if len(answers) == 1 else "unclear"


def _meanings(words: tuple[str, ...], phrases: Phrases) -> set[Meaning]:
    """Of the phrases that the words divide into, the longest first; empty when a word is left over."""
    meant: set[Meaning] = set()
    at = 0
    while at < len(words):
        for end in range(min(len(words), at + _MOST), at, -1):
            if (found := phrases.get(words[at:end])) is not None:
                meant.add(found)
                at = end
                break
        else:
            return set()
    return meant


@cache
def _phrases(language: str) -> Phrases:
    row = ROWS.get(language)
    if row is None:
        return {}
    lists: list[tuple[Meaning, str]] = []
    for one in (_EVERYWHERE, row):
        lists += [("polite", one.polite), ("yes", one.yes), ("no", one.no), ("unclear", one.unclear)]
    return {_read(phrase)[0]: meaning for meaning, phrases in lists for phrase in phrases.split("|") if phrase}


def _spellings(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """As written, then with repeated letters taken back."""
    text = " ".join(words)
    once, twice = _RUN.sub(r"\1", text), _RUN.sub(r"\1\1", text)
    for spelling in dict.fromkeys((text, once, twice, _DOUBLE_END.sub(r"\1", text), _DOUBLE_END.sub(r"\1", twice))):
        yield tuple(spelling.split())


def _read(text: str) -> tuple[tuple[str, ...], set[Answer] | None]:
    """The bare words, and what the emoji among them mean; None for these where one means nothing here."""
    icons: set[Answer] = set()
    letters: list[str] = []
    for letter in normalize(text):
        if letter in _ICONS:
            icons.add(_ICONS[letter])
            letters.append(" ")
        elif letter in _SMILES or unicodedata.category(letter)[0] in "PZC":
            letters.append(" ")
        elif unicodedata.category(letter)[0] in "LM":
            letters.append(letter)
        else:
            return (), None
    return tuple("".join(letters).split()), icons


def normalize(text: str) -> str:
    """Without case, diacritics, apostrophes and skin tones, in which people differ who write the same."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", _DRESS.sub("", text).casefold()))
    return _APOSTROPHES.sub("", unicodedata.normalize("NFC", plain).translate(_STROKES))
