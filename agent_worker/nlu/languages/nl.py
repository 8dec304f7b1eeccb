"""Dutch."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    mezelf/mijzelf/mezelve/me_zelf/mijn_eigen ... vermoorden/doden/ophangen/van_kant_maken/iets_aandoen/
    aandoen/pijn_doen/snijden/verdrinken/verwonden/wat_aandoen
    maak/maken mezelf/me/mij ... van_kant/kapot
    zelfmoord*
    suicid*/suïcid*
    een/eind/einde ... einde/aan/maken ... mijn_leven/leven
    ik ... wil/zou/liever/wou/wens ... dood/sterven/doodgaan/dood_zijn/er_niet_meer_zijn/niet_meer_wakker_worden
    ik ... wil/kan/hoef ... niet_meer ... leven/verder/wakker_worden/bestaan
    ik ... wil/kan niet_meer/niet_langer leven/verder_leven
    leven ... niet_meer/geen/niet/zinloos zin/waard/zin_meer/leven
    geen zin/reden ... meer/om ... leven/te_leven
    beter ... dood/zonder_mij
    moe/klaar/zat van/met ... leven
    overdosis
    pillen/tabletten/slaappillen ... genomen/geslikt/ingenomen/slikken
    wil/probeert/dreigt ... mij/me te/dood/vermoorden vermoorden/maken/doden
    polsen ... doorsnijden/snijden
    van ... brug/dak/flat springen
    voor ... trein springen
    springen voor de trein
    """,
    person="""
    met ... mens/medewerker/medewerkster/persoon/iemand/collega/klantenservice/echt/menselijk*/adviseur/
    leidinggevende/manager/agent/operator ... spreken/praten/chatten/bellen/verbonden/doorverbonden/
    doorverbinden/verbinden/contact/overleggen
    spreken/praten/spreek/praat/chatten/verbind/verbinden/doorverbinden/bellen/contact ... met ... mens/
    medewerker/medewerkster/persoon/iemand/collega/klantenservice/adviseur/manager
    echt/echte/levend/levende mens/persoon/medewerker/iemand
    iemand echt
    ik/mag/kan ... wil/wilt/heb/wens/eis ... een/graag_een ... mens/medewerker/echt_persoon/
    menselijke_medewerker/echte_medewerker
    geef/haal mij/me ... mens/medewerker/persoon/iemand/collega
    kan/kunnen/zou/laat ... medewerker/collega/mens/persoon/iemand ... helpen/bellen/terugbellen/antwoorden/
    contact/reageren/overnemen
    bel/bellen/terugbellen ... mij/me ... terug/terugbellen
    bel me
    doorverbinden/doorverbonden/doorsturen/doorgezet ... mens/medewerker/collega/persoon
    niet ... met ... bot/robot/machine/computer/chatbot ... praten/spreken/chatten
    """,
    legal="""
    mijn/onze/een advocaat/advocaten/jurist
    klaag/sleep/daag/aanklagen/aanspannen/dagvaarden ... jullie/u/je/voor_de_rechter/aan
    jullie/u aanklagen/dagvaarden/voor_de_rechter
    juridische/gerechtelijke/rechts stappen/actie/procedure
    naar/voor de rechter/rechtbank
    rechtszaak*
    aangifte ... doen/politie
    doe ... aangifte
    """,
    chargeback="""
    chargeback*/storneren/storneer/stornering/gestorneerd/terugboeken/terugboeking
    laat/laten/ga ... betaling/bedrag/incasso/afschrijving ... terugboeken/terugdraaien/storneren/terughalen/
    betwisten
    betwist/betwisten de/deze betaling/afschrijving/transactie
    bank/creditcard* ... terug*/storneren/betwisten/geschil
    geschil ... paypal/openen/bank
    onbevoegde/ongeautoriseerde/niet_geautoriseerde/onterechte afschrijving/betaling/incasso
    """,
    deletion="""
    verwijder*/wis/wissen/gewist ... mijn/al_mijn ... gegevens/account/profiel/data/persoonsgegevens
    mijn/al_mijn gegevens/account/profiel/data/persoonsgegevens ... verwijder*/wissen/gewist/wist/vernietig*
    recht op vergetelheid/verwijdering
    recht om vergeten
    avg ... verzoek/verwijder*
    verwijder* ... alles ... over/van mij/me
    """,
    negated="""
    ben/bent/is je/jij/u/dit ... mens/persoon/medewerker/echt
    praat/spreek ik ... met ... mens/persoon/robot
    moet ik ... met ... iemand/medewerker
    niet/geen/zonder/nooit ... met ... mens/medewerker/persoon/iemand/collega ... spreken/praten/chatten/bellen
    geen/niet mens/medewerker/persoon/menselijke_medewerker nodig
    hoef/wil/wens geen/niet ... mens/medewerker/persoon
    wil niet dood/sterven
    dood/sterf/sterven/doodgaan van de_honger/verveling/het_lachen/lachen/de_dorst/honger
    plant/planten/bladluis/luizen/insecten/onkruid/ongedierte/kat/hond ... dood/sterven/doden/doodgaan
    """,
    greeting="hallo|hoi|hey|hi|goedemorgen|goedemiddag|goedenavond|goedendag|goeiedag|goeiemorgen|dag"
    "|hallo allemaal|hoe gaat het|hoe gaat het met u|hoe gaat het met jou|hoe is het|alles goed|hee|hoihoi"
    "|goeden dag|beste",
    thanks="voor de hulp|voor je hulp|voor uw hulp|voor alles|bedankt|dank je|dank je wel|dankjewel|dank u"
    "|dank u wel|dankuwel|hartelijk dank|heel erg bedankt|hartstikke bedankt|super bedankt"
    "|bedankt voor de hulp|bedankt voor je hulp|bedankt voor uw hulp|super|geweldig|perfect|top|prima|fijn"
    "|mooi|goed zo|heel fijn|heel goed|je bent geweldig|je bent top|duidelijk|begrepen|dat helpt"
    "|dat was alles|dat is alles|fantastisch|toppie|thanks|thx|lief|uitstekend|goed gedaan|helder|mooi zo",
    goodbye="doei|dag|tot ziens|tot later|tot straks|tot morgen|tot snel|fijne dag|fijne avond|fijne dag nog"
    "|nog een fijne dag|goede nacht|welterusten|bye|houdoe|doeg|doei doei|goed weekend|fijn weekend"
    "|groetjes|groeten|tot de volgende keer|ciao",
    complaint="dat klopt niet|klopt niet|dit klopt niet|dat is fout|fout|dat is verkeerd|verkeerd|dat is niet juist"
    "|niet juist|dat is niet waar|dat is onjuist|onjuist|je antwoord klopt niet|jouw antwoord klopt niet"
    "|uw antwoord klopt niet|je antwoord is fout|uw antwoord is fout|je antwoord was fout"
    "|het antwoord is fout|het antwoord klopt niet|verkeerd antwoord|fout antwoord|dat helpt niet"
    "|dat helpt me niet|daar heb ik niks aan|daar heb ik niets aan|dat was mijn vraag niet"
    "|dat vroeg ik niet|dat is geen antwoord|dat is geen antwoord op mijn vraag|je begrijpt me niet"
    "|u begrijpt me niet|je snapt het niet|onzin|dat is onzin|wat een onzin|nutteloos|waardeloos"
    "|slecht antwoord|leugen|dat slaat nergens op|je hebt het mis|u heeft het mis",
    abilities="ben je een echt mens|bent u een mens|praat ik met een mens|praat ik met een robot|ben je echt"
    "|ben je een echt persoon|wat kan je|wat kun je|wat kan je doen|wat kun je doen|wat kunt u doen"
    "|wat kun je voor me doen|waarmee kun je helpen|waarmee kan je helpen|waar kun je mee helpen"
    "|hoe kun je me helpen|wie ben je|wie bent u|wat ben je|ben je een robot|ben je een bot"
    "|ben je een mens|ben jij een mens|hulp|help|help me|kun je me helpen|kunt u mij helpen"
    "|kan je me helpen|kunt u me helpen|ik heb hulp nodig|ik heb een vraag|een vraag|hoe werkt dit"
    "|wat kan ik vragen",
    presence="is er iemand|iemand daar|is daar iemand|ben je er|bent u er|ben je er nog|ben je daar|nog daar"
    "|hallo iemand|zijn jullie er|is er iemand aanwezig|iemand",
    person_short="mens|een mens|medewerker|een medewerker|persoon|echt persoon|echt mens|klantenservice"
    "|menselijke medewerker|een echt mens|een echt persoon|iemand spreken|leidinggevende",
    filler="en|heel|erg|veel|ook|wel|nog|alles|allemaal|alvast|ja|ok|oké|oke|graag|alsjeblieft|alstublieft|aub"
    "|voor|de|het|je|u|jullie|hulp|snelle|antwoord|hoor|dan|dus|nou|oh|ah|zo|maar|toch|echt|team|mensen"
    "|een|is|dat",
    laugh="haha|hahaha|lol|hihi|hehe|grappig|ok|oke|oké|hm|hmm|oh|aha|tja|test|jeetje",
)
