"""Turkish."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    kendimi/kendime/canıma/hayatıma/canima ... öldür*/asacağım/asmak/zarar*/kıyacağım/kıymak/kıyarım/kesmek/
    kesiyorum/vurmak/son_ver*/kıyıcam/öldürücem
    intihar*
    ölmek/ölüp ... istiyorum/isterdim/istedim/gitmek/isterim/istiyom
    yaşamak/yaşamaya/hayatta_kalmak/uyanmak ... istemiyorum/istemiyom/dayanamıyorum/değmez/istemem
    artık ... yaşa* ... istemiyorum/dayanamıyorum/yok
    yaşamanın/yaşamak_için/hayatın/hayatımın ... anlamı/nedenim/sebebim/sebep/anlam ... yok/kalmadı
    yaşama ... isteğim/sebebim ... yok/kalmadı
    hayatıma/hayatimi/hayata son ver*
    hayattan/yaşamaktan bıktım/usandım/yoruldum
    ölsem/keşke_ölsem/bensiz/ben_olmasam ... daha_iyi/keşke/kurtulsam
    keşke ölsem/ölseydim/doğmasaydım
    aşırı doz
    hap/hapları/ilaç/ilaçları/ilacı ... içtim/yuttum/aldım ... hepsini/çok
    bütün/tüm/çok_fazla/bir_sürü/bir_kutu ... hap/hapları/ilaç/ilaçları ... içtim/yuttum
    bileklerimi/bileğimi kes*
    köprüden/çatıdan/balkondan/pencereden ... atla*/atacağım/atlıycam
    beni öldürmek/öldürecek/öldürmeye/öldürmekle ... istiyor/çalışıyor/tehdit*
    beni öldürecek
    """,
    person="""
    insanla/insanlarla/insan/kişiyle/kişi/yetkili/yetkiliyle/temsilci/temsilciyle/temsilcisi/temsilcisiyle/
    temsilcinizle/çalışanla/birisiyle/biriyle/birileriyle/biri/görevli/görevliyle/danışmanla/operatörle/
    müdürle/personelle ... konuş*/görüş*/bağla*/yazış*/ile_konuş*/ile_görüş*/iletişim*/konusmak/gorusmek
    insan/insana/insana_bağla*/temsilciye/temsilcisine/yetkiliye/operatöre/birine/müdüre/görevliye/
    danışmana ... bağla*/aktar*/yönlendir*/ulaş*/bağlan*
    gerçek/canlı bir_insan*/insan*/kişi*/temsilci*/destek/bir_kişi*/biri/birisi/biriyle/birisiyle
    canlı destek*/temsilci*
    insan/bir_insan/temsilci/yetkili ... istiyorum/lazım/gerek/rica_ediyorum
    biri/birisi/yetkili/temsilci ... yardım/ara*/cevap*/yanıt* ... misiniz/mı/mi/edebilir/olabilir/arasın/
    versin/arayabilir/bilir/istiyorum
    beni ... arayın/arar_mısınız/arasın/arayabilir/ara/arasınlar
    robotla/botla/makineyle/yapay_zekayla/bilgisayarla ... konuşmak ... istemiyorum
    """,
    legal="""
    dava aç*/edeceğim/ediyorum
    avukatım*/avukata/avukat*
    mahkeme*
    yasal/hukuki yollara/yoldan/işlem/haklarımı/yola/süreç/yollar
    savcılığa/savcılık*/tüketici_hakem*/tüketici_mahkeme*/hakem_heyeti*
    şikayet ... polise/savcılığa
    suç duyurusu*
    """,
    chargeback="""
    chargeback*/ters_ibraz*
    harcama itiraz*
    bankam*/bankaya/bankadan/banka/kart ... itiraz*/iptal_ettir*/iade_alacağım/geri_al*/geri_alacağım/şikayet
    itiraz ... banka*
    ödemeye/işleme/ödemeyi/harcamaya/çekime ... itiraz*
    yetkisiz/izinsiz çekim/ödeme/işlem/harcama
    """,
    deletion="""
    verilerimi/verilerimin/bilgilerimi/bilgilerimin/hesabımı/hesabımın/kişisel_verilerimi/kişisel_verilerimin/
    profilimi/bütün_verilerimi ... sil*/kaldır*/yok_ed*/imha*
    kvkk ... sil*/talep*/başvuru*
    unutulma hakk*
    hakkımda* ... her_şeyi/tüm/bilgileri ... sil*
    """,
    negated="""
    insanla/biriyle/temsilciyle/yetkiliyle/kimseyle/birisiyle/insan ... konuşmak/görüşmek ... istemiyorum/
    gerek_yok/gerekmiyor/istemem
    ölmek istemiyorum
    gülmekten/açlıktan/sıkıntıdan/sıcaktan/meraktan/soğuktan/utançtan ... öl*
    bitki*/çiçek*/böcek*/zararlı*/yaprak* ... öldür*/ölmek/ölüyor/ölsün
    """,
    greeting="merhaba|merhabalar|selam|selamlar|günaydın|iyi günler|iyi akşamlar|tünaydın|selamun aleyküm"
    "|aleyküm selam|nasılsın|nasılsınız|slm|mrb|mrhb|hey|naber|ne haber|alo|hayırlı günler|iyi çalışmalar"
    "|kolay gelsin|meraba",
    thanks="yardımın için|yardımınız için|her şey için|ilginiz için|teşekkürler|teşekkür ederim|çok teşekkürler"
    "|çok teşekkür ederim|sağ ol|sağol|sağolun|sağ olun|çok sağ ol|çok sağolun|eyvallah|minnettarım"
    "|yardımınız için teşekkürler|yardımın için teşekkürler|yardımınız için teşekkür ederim|harika|süper"
    "|mükemmel|çok iyi|çok güzel|güzel|tamamdır|anladım|anlaşıldı|harikasın|harikasınız|süpersin"
    "|süpersiniz|bir tanesin|çok yardımcı oldun|çok yardımcı oldunuz|bu kadar|tşk|tsk|tesekkurler"
    "|tesekkur ederim|teşekkür|bravo|aferin|elinize sağlık|kral|şahane",
    goodbye="hoşça kal|hoşçakal|hoşçakalın|güle güle|görüşürüz|görüşmek üzere|iyi geceler|iyi günler dilerim"
    "|kendine iyi bak|bay bay|bye|bb|allaha ısmarladık|baybay|iyi akşamlar dilerim|iyi hafta sonları",
    complaint="bu yanlış|yanlış|bu doğru değil|doğru değil|cevabın yanlış|cevabınız yanlış|cevap yanlış"
    "|yanlış cevap|verdiğin cevap yanlış|verdiğiniz cevap yanlış|yanılıyorsun|yanılıyorsunuz|hatalı"
    "|bu hatalı|bu yardımcı olmadı|yardımcı olmadı|yardımcı olmuyor|işe yaramadı|işe yaramıyor"
    "|bir işe yaramadı|bunu sormadım|ben bunu sormadım|sorduğum bu değildi|sorum bu değildi"
    "|soruma cevap vermedin|soruma cevap vermediniz|sorumu cevaplamadın|sorumu cevaplamadınız"
    "|beni anlamıyorsun|beni anlamıyorsunuz|anlamıyorsun|anlamıyorsunuz|saçma|saçmalık|bu saçmalık"
    "|çok saçma|işe yaramazsın|yalan|bu yalan|berbat|rezalet|kötü cevap|aptal bot|ne alaka|alakasız",
    abilities="ne yapabilirsin|neler yapabilirsin|ne yapabilirsiniz|neler yapabilirsiniz|nasıl yardımcı olabilirsin"
    "|nasıl yardımcı olabilirsiniz|bana nasıl yardımcı olabilirsin|sen kimsin|kimsin|siz kimsiniz|nesin"
    "|sen nesin|bot musun|robot musun|insan mısın|sen bot musun|gerçek misin|yardım|yardım et|yardım edin"
    "|bana yardım et|yardım eder misin|yardım eder misiniz|yardımcı olur musun|yardımcı olur musunuz"
    "|yardıma ihtiyacım var|bir sorum var|sorum var|bir soru sorabilir miyim|soru sorabilir miyim"
    "|bu nasıl çalışıyor|ne sorabilirim",
    presence="kimse var mı|orada kimse var mı|kimse yok mu|orada mısın|orada mısınız|orda mısın|orda mısınız"
    "|biri var mı|birisi var mı|hala orada mısın|kimse varmı|alo kimse var mı|burada mısın",
    person_short="insan|temsilci|müşteri temsilcisi|müşteri hizmetleri|yetkili|canlı destek|operatör|gerçek insan"
    "|canlı temsilci|gerçek kişi|yetkili biri|bir insan",
    filler="çok|ve|için|her|şey|lütfen|size|sana|evet|tamam|ok|hepinize|herkese|arkadaşlar|yardımınız|yardımın"
    "|cevap|hızlı|da|de|o|bu|ya|ah|oh|hocam|abi|bey|hanım|efendim|peki|gerçekten",
    laugh="haha|hahaha|ahaha|lol|sjsj|ksks|hehe|komik|tamam|ok|hmm|hm|peki|test|deneme|vay|olur",
)
