"""Translations of the two phrases that every contact must understand: in case of danger, and for a handoff."""

from __future__ import annotations

from collections.abc import Mapping

TRANSLATIONS: Mapping[str, Mapping[str, str]] = {
    "ar": {
        "danger": (
            "يؤسفني أنك تمر بهذا الآن، وأنا آخذ كلامك على محمل الجد. إذا كنت أنت أو أي شخص آخر في خطر، "
            "فاتصل برقم الطوارئ في بلدك الآن. سيتولى أحد زملائنا المحادثة هنا في أقرب وقت ممكن."
        ),
        "handoff": "سيتولى أحد زملائنا المحادثة هنا في أقرب وقت ممكن.",
    },
    "bn": {
        "danger": (
            "আপনার এমন সময় যাচ্ছে জেনে আমি দুঃখিত, আর আমি আপনার কথা গুরুত্ব দিয়ে নিচ্ছি। আপনি বা অন্য কেউ "
            "বিপদে থাকলে এখনই আপনার এলাকার জরুরি নম্বরে ফোন করুন। যত তাড়াতাড়ি সম্ভব আমাদের একজন সহকর্মী "
            "এখানে কথা বলবেন।"
        ),
        "handoff": "যত তাড়াতাড়ি সম্ভব আমাদের একজন সহকর্মী এখানে কথা বলবেন।",
    },
    "es": {
        "danger": (
            "Siento mucho que estés pasando por esto, y me lo tomo en serio. Si tú u otra persona estáis en "
            "peligro, llama ahora al número de emergencias de tu país. Una persona de nuestro equipo "
            "seguirá aquí lo antes posible."
        ),
        "handoff": "Una persona de nuestro equipo seguirá aquí lo antes posible.",
    },
    "fr": {
        "danger": (
            "Je suis désolé que vous traversiez cela, et je le prends au sérieux. Si vous ou quelqu’un "
            "d’autre êtes en danger, appelez tout de suite le numéro d’urgence de votre pays. Une personne "
            "de notre équipe prendra le relais ici dès que possible."
        ),
        "handoff": "Une personne de notre équipe prendra le relais ici dès que possible.",
    },
    "hi": {
        "danger": (
            "मुझे दुख है कि आप इस दौर से गुज़र रहे हैं, और मैं आपकी बात को गंभीरता से ले रहा हूँ। अगर आप या "
            "कोई और ख़तरे में है, तो अभी अपने यहाँ के आपातकालीन नंबर पर फ़ोन करें। हमारे एक सहकर्मी जल्द से "
            "जल्द यहाँ आपसे बात करेंगे।"
        ),
        "handoff": "हमारे एक सहकर्मी जल्द से जल्द यहाँ आपसे बात करेंगे।",
    },
    "id": {
        "danger": (
            "Saya turut prihatin Anda sedang mengalami ini, dan saya menanggapinya dengan serius. Jika Anda "
            "atau orang lain dalam bahaya, segera hubungi nomor darurat setempat. Rekan kami akan "
            "melanjutkan di sini secepatnya."
        ),
        "handoff": "Rekan kami akan melanjutkan percakapan di sini secepatnya.",
    },
    "it": {
        "danger": (
            "Mi dispiace che tu stia vivendo tutto questo, e lo prendo sul serio. Se tu o un’altra persona "
            "siete in pericolo, chiama subito il numero di emergenza del tuo Paese. Una persona del nostro "
            "team continuerà qui appena possibile."
        ),
        "handoff": "Una persona del nostro team continuerà qui appena possibile.",
    },
    "ja": {
        "danger": (
            "とてもつらい思いをされているのですね。お話を真剣に受け止めています。"
            "あなたやほかの方の身に危険があるときは、今すぐお住まいの地域の緊急通報番号に電話してください。"
            "担当者ができるだけ早くこちらで対応いたします。"
        ),
        "handoff": "担当者ができるだけ早くこちらで対応いたします。",
    },
    "ko": {
        "danger": (
            "많이 힘드시군요. 말씀을 진지하게 받아들이고 있습니다. 본인이나 다른 분이 위험한 상황이라면 "
            "지금 바로 거주 지역의 긴급 전화번호로 전화해 주세요. 담당자가 최대한 빨리 이곳에서 이어서 "
            "도와드리겠습니다."
        ),
        "handoff": "담당자가 최대한 빨리 이곳에서 이어서 도와드리겠습니다.",
    },
    "nl": {
        "danger": (
            "Wat naar dat je dit doormaakt. Ik neem het serieus. Ben jij of is iemand anders in gevaar, bel "
            "dan nu het alarmnummer in jouw land. Een collega neemt het hier zo snel mogelijk over."
        ),
        "handoff": "Een collega neemt het hier zo snel mogelijk over.",
    },
    "pl": {
        "danger": (
            "Przykro mi, że przez to przechodzisz. Traktuję to poważnie. Jeśli Tobie lub komuś innemu grozi "
            "niebezpieczeństwo, zadzwoń teraz pod lokalny numer alarmowy. Ktoś z naszego zespołu odezwie "
            "się tutaj najszybciej, jak to możliwe."
        ),
        "handoff": "Ktoś z naszego zespołu odezwie się tutaj najszybciej, jak to możliwe.",
    },
    "pt": {
        "danger": (
            "Sinto muito que você esteja passando por isso, e levo isso a sério. Se você ou outra pessoa "
            "estiver em perigo, ligue agora para o número de emergência do seu país. Alguém da nossa equipe "
            "continua aqui o mais rápido possível."
        ),
        "handoff": "Alguém da nossa equipe continua aqui o mais rápido possível.",
    },
    "ru": {
        "danger": (
            "Мне очень жаль, что вам сейчас так тяжело, и я отношусь к этому серьёзно. Если вы или кто-то "
            "другой в опасности, позвоните прямо сейчас по местному номеру экстренной помощи. Наш сотрудник "
            "ответит вам здесь как можно скорее."
        ),
        "handoff": "Наш сотрудник ответит вам здесь как можно скорее.",
    },
    "tr": {
        "danger": (
            "Bunları yaşadığınız için çok üzgünüm ve söylediklerinizi ciddiye alıyorum. Siz veya başka biri "
            "tehlikedeyse lütfen hemen bulunduğunuz yerdeki acil yardım numarasını arayın. Bir çalışanımız "
            "en kısa sürede burada sizinle ilgilenecek."
        ),
        "handoff": "Bir çalışanımız en kısa sürede burada sizinle ilgilenecek.",
    },
    "uk": {
        "danger": (
            "Мені дуже шкода, що вам зараз так важко, і я ставлюся до цього серйозно. Якщо ви чи хтось "
            "інший у небезпеці, зателефонуйте просто зараз за місцевим номером екстреної допомоги. Наш "
            "працівник відповість вам тут якнайшвидше."
        ),
        "handoff": "Наш працівник відповість вам тут якнайшвидше.",
    },
    "ur": {
        "danger": (
            "مجھے افسوس ہے کہ آپ اس مشکل سے گزر رہے ہیں، اور میں آپ کی بات کو سنجیدگی سے لیتا ہوں۔ اگر آپ "
            "یا کوئی اور خطرے میں ہے تو ابھی اپنے علاقے کے ہنگامی نمبر پر فون کریں۔ ہمارا ایک ساتھی جلد از "
            "جلد یہاں آپ سے بات کرے گا۔"
        ),
        "handoff": "ہمارا ایک ساتھی جلد از جلد یہاں آپ سے بات کرے گا۔",
    },
    "vi": {
        "danger": (
            "Tôi rất tiếc khi bạn đang phải trải qua điều này, và tôi coi đây là chuyện nghiêm túc. Nếu bạn "
            "hoặc ai đó đang gặp nguy hiểm, hãy gọi ngay số khẩn cấp tại nơi bạn ở. Đồng nghiệp của chúng "
            "tôi sẽ tiếp tục hỗ trợ bạn tại đây sớm nhất có thể."
        ),
        "handoff": "Đồng nghiệp của chúng tôi sẽ tiếp tục hỗ trợ bạn tại đây sớm nhất có thể.",
    },
    "zh": {
        "danger": (
            "听到您正经历这些，我很难过，也会认真对待。如果您或其他人有危险，"
            "请立即拨打当地的紧急求助电话。我们的同事会尽快在这里与您联系。"
        ),
        "handoff": "我们的同事会尽快在这里与您联系。",
    },
}
"""Texts by language. English and German have translations of all phrases in ``voice.py``."""
