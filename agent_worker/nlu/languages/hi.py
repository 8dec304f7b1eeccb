"""Hindi, in Devanagari and in Latin letters."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    आत्महत्या/खुदकुशी/ख़ुदकुशी/सुसाइड/आत्म_हत्या
    खुद/अपने/ख़ुद/अपने_आप को/को_ही ... मार*/खत्म/नुकसान/ख़त्म/चोट/काट*
    मैं/मुझे/में ... मरना/मर_जाना ... चाहता/चाहती/है/चाहते
    मरना चाहता/चाहती/है
    मर जाना/जाऊं/जाऊँ चाहता/चाहती/है/बेहतर/अच्छा
    जीना/जिंदा_रहना/जीने ... नहीं ... चाहता/चाहती/है/चाहते/मन/इच्छा
    और/अब ... नहीं ... जी ... सकता/सकती/पाऊंगा/पाऊंगी
    जी/जीना नहीं सकता/सकती/चाहता/चाहती
    जीने ... कोई/का/की ... मतलब/वजह/इच्छा/कारण/फायदा ... नहीं
    जिंदगी/ज़िंदगी/ज़िन्दगी/जिन्दगी/जीवन/जान ... खत्म/ख़त्म/समाप्त/दे_दूंगा/दे_दूंगी/दे_दूँगा/दे_दूँगी/से_तंग/
    से_थक
    अपनी जान ... दे/ले ... दूंगा/दूंगी/लूंगा/रहा/रही/दूँगा/दूँगी/देना/लेना
    जान दे/देने/देना दूंगा/दूंगी/दूँगा/दूँगी/वाला/वाली/चाहता/चाहती
    फांसी/फाँसी ... लगा*/लगाने/लूंगा/लूंगी/खुद
    मेरे/मेरा ... बिना/न_होने ... बेहतर/अच्छा
    नस/नसें/कलाई काट*
    गोलियां/गोलियाँ/नींद_की_गोलियां/दवाई/जहर/ज़हर ... खा/पी/निगल ... ली/लीं/लिया/लूंगा/लूंगी/लूँगा/लूँगी
    पुल/छत/ट्रेन ... कूद*
    मुझे ... मारने/जान_से_मारने/मार_डालने ... धमकी/कोशिश/वाला
    suicide karna/karne/karunga/karungi/kar
    khudkushi/khudkhushi/atmahatya/aatmahatya
    main/mai/mujhe/me ... marna/mar_jana ... chahta/chahti/hai/chahta_hu
    marna chahta/chahti/hai
    jeena/jina/jeene/jine ... nahi/nahin/nhi ... chahta/chahti/hai/mann/man/chahta_hu
    nahi/nhi/nahin ... jeena/jina/jee ... chahta/chahti/sakta/sakti/hai
    khud/apne/apne_aap/khudko ko/ko_hi ... maar*/mar/khatam/nuksan/khatm
    zindagi/jindagi/jaan/zindgi ... khatam/khatm/de_dunga/de_dungi/se_tang/se_thak
    apni jaan ... de/le ... dunga/dungi/lunga/lungi/raha/rahi/dena
    faansi/fansi laga*
    neend_ki_goliyan/goliya/goliyan/zeher/zahar ... kha/pi li/liya/lunga/lungi
    """,
    person="""
    इंसान/व्यक्ति/आदमी/एजेंट/कर्मचारी/प्रतिनिधि/किसी/अधिकारी/मैनेजर/मैनेज़र/कस्टमर_केयर/ग्राहक_सेवा/ऑपरेटर/
    सहकर्मी/प्रबंधक/टीम ... से ... बात/संपर्क/बातचीत/जोड़*/कनेक्ट/मिला*/चैट
    बात/बातचीत/संपर्क ... कर*/करा* ... इंसान/व्यक्ति/एजेंट/कर्मचारी/किसी/प्रतिनिधि/अधिकारी
    असली/वास्तविक/सच्चे/रियल/जीवित इंसान/व्यक्ति/आदमी/एजेंट/कर्मचारी
    मुझे ... इंसान/व्यक्ति/एजेंट/कर्मचारी/प्रतिनिधि ... चाहिए/की_जरूरत/से_जोड़ें/की_ज़रूरत/दो
    किसी/कोई ... इंसान/व्यक्ति/कर्मचारी/को/एजेंट ... मदद/फोन/कॉल/फ़ोन/जवाब/बुला*/भेज*
    मुझे ... कॉल/फोन/फ़ोन ... करें/करो/कीजिए/करवा*/करे/कर_सकता
    बॉट/रोबोट/मशीन/चैटबॉट से ... बात ... नहीं
    insaan/insan/agent/kisi/aadmi/vyakti/human/person/manager/customer_care/executive/representative/
    operator ... se ... baat/bat/connect/jodo/milao/sampark/chat
    baat/bat karni/karna/karao/karwao/karwa ... insaan/insan/kisi/agent/human
    asli/sachche/real insaan/insan/aadmi/vyakti
    mujhe/muje ... insaan/insan/agent/human ... chahiye/chaiye
    mujhe call/phone karo/kare/karein/karwao
    bot/robot/machine se baat nahi/nhi/nahin
    """,
    legal="""
    मुकदमा/मुक़दमा/केस ... कर*/करूंगा/करूंगी/दर्ज/ठोक*/दायर/करूँगा
    वकील*
    अदालत/कोर्ट/न्यायालय/कचहरी
    कानूनी/क़ानूनी कार्रवाई/कार्यवाही/नोटिस/कदम
    उपभोक्ता अदालत/फोरम/न्यायालय/मंच/आयोग
    पुलिस ... शिकायत/रिपोर्ट/एफआईआर
    शिकायत/रिपोर्ट ... पुलिस
    mukadma/mukdama/case ... karunga/karungi/thok*/file_karunga/darj
    vakil/vakeel/wakil/wakeel
    court/adalat/kanooni/consumer_court/kanuni ... jaunga/jaungi/karunga/karwai/karyawahi/case/karungi/jayenge/
    mein/kaarwai
    """,
    chargeback="""
    चार्जबैक/chargeback*
    बैंक/कार्ड ... पैसे/भुगतान/चार्ज/ट्रांजैक्शन/लेनदेन ... वापस/रद्द/विवाद/वापिस
    बैंक/कार्ड ... शिकायत/विवाद/डिस्प्यूट ... भुगतान/पैसे/दर्ज/चार्ज/करूंगा/करूंगी
    भुगतान/चार्ज/ट्रांजैक्शन/लेनदेन/पेमेंट ... विवाद/डिस्प्यूट/चुनौती
    अनधिकृत/बिना_अनुमति/अवैध भुगतान/चार्ज/लेनदेन/ट्रांजैक्शन/कटौती
    bank ... paise/payment/charge/transaction ... wapas/dispute/cancel/vapas
    payment/charge/transaction dispute kar*
    """,
    deletion="""
    मेरा/मेरे/मेरी/अपना ... डेटा/डाटा/खाता/अकाउंट/जानकारी/प्रोफाइल/व्यक्तिगत_जानकारी ... हटा*/डिलीट/मिटा*/
    बंद_और/नष्ट
    डेटा/डाटा/खाता/अकाउंट ... हटा*/डिलीट/मिटा*
    हटाएं/डिलीट/मिटाएं/हटाओ/हटा_दें/हटा_दो ... मेरा/मेरे/मेरी ... डेटा/डाटा/खाता/अकाउंट/जानकारी
    भुला दिए जाने का अधिकार
    mera/mere/meri/apna ... data/account/khata/jankari/profile ... delete/hata*/mita*
    """,
    negated="""
    क्या आप ... इंसान/व्यक्ति ... हैं/हो
    इंसान/किसी/व्यक्ति/एजेंट/कर्मचारी ... से ... बात ... नहीं/मत
    नहीं ... इंसान/एजेंट/व्यक्ति ... चाहिए
    इंसान/एजेंट/व्यक्ति/कर्मचारी ... नहीं/जरूरत_नहीं/ज़रूरत_नहीं ... चाहिए/जरूरत/ज़रूरत/है
    मरना नहीं चाहता/चाहती
    नहीं मरना चाहता/चाहती
    हंसी/हँसी/भूख/गर्मी/बोरियत/शर्म/प्यास ... से/के_मारे ... मर*
    पौधा/पौधे/पौधों/कीड़े/कीट/कीड़ों/पत्ते ... मार*/मर*/खत्म
    insaan/insan/kisi/agent ... se ... baat nahi/nhi/nahin/mat
    plant/paudha/paudhe/keede ... mar*/maar*
    bhookh/hansi/garmi ... se mar*
    """,
    greeting="नमस्ते|नमस्कार|हैलो|हेलो|हाय|प्रणाम|राम राम|सुप्रभात|शुभ प्रभात|शुभ संध्या|कैसे हैं आप|आप कैसे हैं"
    "|कैसे हो|क्या हाल है|namaste|namaskar|pranam|ram ram|kaise ho|kaise hain|kaise ho aap|aap kaise hain"
    "|kya haal hai|suprabhat|नमस्ते जी|हेल्लो|जय श्री राम|सत श्री अकाल",
    thanks="मदद के लिए|आपकी मदद के लिए|सहायता के लिए|सब के लिए|धन्यवाद|शुक्रिया|बहुत धन्यवाद|बहुत बहुत धन्यवाद"
    "|बहुत शुक्रिया|बहुत बहुत शुक्रिया|थैंक यू|थैंक्स|थैंक्यू|आभार|मदद के लिए धन्यवाद"
    "|आपकी मदद के लिए धन्यवाद|बहुत अच्छा|बहुत बढ़िया|बढ़िया|शानदार|अच्छा|अच्छे|समझ गया|समझ गई"
    "|ठीक है धन्यवाद|आप बहुत अच्छे हैं|आप बहुत अच्छे हो|बस इतना ही|dhanyavad|dhanyawad|dhanyavaad|shukriya"
    "|bahut dhanyavad|bahut bahut dhanyavad|bahut shukriya|bahut accha|bahut badhiya|badhiya|samajh gaya"
    "|samajh gayi|shandar|वाह|सही|उत्तम|कमाल",
    goodbye="अलविदा|फिर मिलेंगे|बाय|बाय बाय|शुभ रात्रि|शुभ रात्री|टाटा|alvida|phir milenge|fir milenge"
    "|shubh ratri|आपका दिन शुभ हो|चलता हूं|चलती हूं|तो फिर मिलते हैं",
    complaint="यह गलत है|ये गलत है|गलत|गलत है|यह सही नहीं है|ये सही नहीं है|सही नहीं है|आपका जवाब गलत है"
    "|आपका जवाब गलत था|आपका उत्तर गलत है|तुम्हारा जवाब गलत है|जवाब गलत है|उत्तर गलत है|गलत जवाब|गलत उत्तर"
    "|आप गलत हैं|आप गलत हो|तुम गलत हो|इससे मदद नहीं मिली|इससे कोई मदद नहीं मिली|कोई मदद नहीं मिली"
    "|इससे मदद नहीं हुई|मैंने यह नहीं पूछा|मैंने ये नहीं पूछा|मैंने यह नहीं पूछा था|मेरा सवाल यह नहीं था"
    "|आपने मेरे सवाल का जवाब नहीं दिया|मेरे सवाल का जवाब नहीं दिया|आप समझ नहीं रहे|आप समझे नहीं"
    "|आप मेरी बात नहीं समझे|तुम समझ नहीं रहे|बकवास|यह बकवास है|क्या बकवास है|झूठ|यह झूठ है|बेकार"
    "|बेकार जवाब|एकदम बेकार|बेकार है|galat|galat hai|yeh galat hai|ye galat hai|galat jawab"
    "|aapka jawab galat hai|tumhara jawab galat hai|sahi nahi hai|yeh sahi nahi hai|bakwas|bekar|jhooth"
    "|maine yeh nahi pucha|madad nahi mili",
    abilities="आप क्या कर सकते हैं|आप क्या कर सकते हो|तुम क्या कर सकते हो|आप मेरी कैसे मदद कर सकते हैं"
    "|आप कैसे मदद कर सकते हैं|आप मेरी क्या मदद कर सकते हैं|आप कौन हैं|आप कौन हो|तुम कौन हो"
    "|क्या आप इंसान हैं|क्या आप रोबोट हैं|क्या आप बॉट हैं|क्या तुम इंसान हो|मदद|मदद करो|मदद करें"
    "|मेरी मदद करो|मेरी मदद करें|मुझे मदद चाहिए|क्या आप मेरी मदद कर सकते हैं|मेरा एक सवाल है|एक सवाल है"
    "|मुझे कुछ पूछना है|aap kya kar sakte hain|aap kya kar sakte ho|tum kya kar sakte ho|aap kaun hain"
    "|aap kaun ho|tum kaun ho|kya aap insaan hain|madad|madad karo|meri madad karo|mujhe madad chahiye"
    "|ek sawal hai|mera ek sawal hai|यह कैसे काम करता है",
    presence="कोई है|क्या कोई है|कोई है क्या|क्या कोई है यहां|यहां कोई है|क्या आप वहां हैं|क्या आप हैं|आप वहां हैं"
    "|आप हैं क्या|कोई है यहां|koi hai|koi hai kya|kya koi hai|aap hain kya|koi hai yahan",
    person_short="इंसान|एजेंट|किसी इंसान से|असली इंसान|कस्टमर केयर|ग्राहक सेवा|कर्मचारी|मैनेजर|प्रतिनिधि|insaan"
    "|insan se|agent se|customer care|asli insaan|व्यक्ति",
    filler="जी|आप|आपका|आपकी|बहुत|भाई|भैया|सर|मैडम|दीदी|हाँ|हां|ठीक|है|हैं|और|के|लिए|मदद|की|को|सब|सबको|तो|अब|यह"
    "|ये|एक|ji|aap|bhai|bhaiya|sir|madam|bahut|haan|theek|hai|aur|ke|liye|madad|ko|sab|yaar|यार|बस|कृपया"
    "|please|ओह|फिर",
    laugh="हाहा|हाहाहा|हा हा|हाहाहाहा|लोल|हम्म|ठीक है|ठीक|अच्छा जी|ओके|ओह|theek hai|thik hai|acha|accha|haha|टेस्ट",
)
