"""German."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    am_liebsten/lieber ware/waere ich tot/nicht_mehr_da/gestorben
    mich/mir ... umbringen/umzubringen/toten/toeten/erhangen/erhaengen/ertranken/erschiessen/vergiften/umbring/
    umbringe/ritzen/aufhangen/aufzuhangen
    bring/bringe/brings mich ... um
    mir ... leben nehmen/zu_nehmen
    nehme/nehm mir ... leben
    mir etwas/was/etwas_an antun/anzutun/antue
    mir ... antun/anzutun
    selbstmord*
    suizid*
    selbstverletz*
    selbst verletzen
    mich selbst/selber verletz*/verletze
    verletze mich selbst/selber
    ich ... will/mochte/moechte/mocht/wunschte/wuerde/wurde/wollte/wunsche ... sterben/tot_sein/tot_ware/
    nicht_mehr_da_sein/nicht_mehr_aufwachen/nicht_mehr_existieren
    ich ... will/mochte/moechte/kann/mag/wollte ... nicht_mehr/nimmer/nicht_langer leben/weiterleben/da_sein/
    aufwachen/existieren
    ich ... nicht_mehr/nimmer leben/weiterleben
    keine_lust/keinen_sinn/kein_sinn/kein_grund/keinen_grund ... mehr/zu ... leben/weiterzuleben
    leben ... keinen_sinn/sinnlos/nicht_mehr_lebenswert/nicht_lebenswert/nicht_mehr_wert/nicht_mehr_ertragen
    ich ... halte/ertrage ... leben ... nicht
    leben/allem/allem_ein ein ende setzen/machen/bereiten/zu_setzen
    mach/mache schluss mit ... leben/allem
    meinem/meinen leben ... ende/beenden
    mein leben ... beenden/zu_ende/vorbei/nehmen
    lebensmude*
    ohne mich besser dran/ist_besser
    besser/lieber tot/nicht_mehr_da
    ware/waere/war lieber/besser/am_liebsten tot
    am liebsten tot
    von/vor der/einer/die/einen/den brucke/zug/hochhaus/dach springen/werfen/springe/werfe
    mich ... vor ... zug ... werfen/werfe/schmeissen
    pulsadern
    uberdosis
    zu_viele/alle/ganze/viele ... tabletten/schlaftabletten/pillen ... genommen/geschluckt/nehmen/schlucken
    will/wollen/versucht/droht mich/uns umzubringen/umbringen/toten
    nicht mehr weiterleben
    """,
    person="""
    jemand/jemanden/wen/mitarbeiter/mitarbeiterin/chef ... vom/von/aus/im ... sprechen/erreichen
    jemand/jemanden/wen sprechen/erreichen
    mit ... mensch*/mitarbeiter*/kolleg*/berater*/kundenberater*/jemand/jemandem/jemanden/person/personal/
    kundenservice/kundendienst/support/chef*/vorgesetzt*/verantwortlich*/ansprechpartner* ... sprech*/spreche/
    red*/reden/chatten/schreiben/telefonier*/verbind*/verbunden/verbinden/kommunizier*/unterhalten/zu_tun
    sprech*/rede/reden/red/verbind*/verbinden/verbunden/chatten/telefonier* ... mit ... mensch*/mitarbeiter*/
    kolleg*/berater*/kundenberater*/jemand/jemandem/person/kundenservice/kundendienst/support_mitarbeiter/chef/
    vorgesetzt*/ansprechpartner*
    an ... mensch*/mitarbeiter*/kolleg*/berater*/jemanden/kundenservice/kundendienst/team weiterleiten/
    weitergeben/ubergeben/weiterreichen/weiter/weitergeleitet
    echt*/richtig*/lebend*/wirklich*/menschlich* mensch*/person/mitarbeiter*/ansprechpartner*/berater*/
    unterstutzung/hilfe
    jemand* echt*/richtig*/menschlich*
    ich ... brauche/brauch/will/mochte/moechte/mocht/verlange/wunsche/hatte ... einen/ne/nen/ein/eine/
    mit_einem menschen/mitarbeiter/mitarbeiterin/berater/kundenberater/ansprechpartner/kollegen/kollegin/
    echte_person/menschliche_person
    gib/gebt/geben/hol/holt/holen mir/sie_mir/sie ... mensch*/mitarbeiter*/kolleg*/berater*/jemand*
    kann/konnte/konnt/koennte/bitte ... mensch/mitarbeiter/mitarbeiterin/kollege/kollegin/berater ... helfen/
    anrufen/melden/ubernehmen/antworten/kontaktieren/schreiben/draufschauen/kummern/draufschaut
    kann/konnte/soll/bitte ... jemand ... anrufen/zuruckrufen/melden/vom_team/aus_dem_team/persoenlich/personlich
    ruft/rufen/ruf ... mich/mich_bitte an/zuruck
    bitte um/ein/einen ruckruf
    ich/will/mochte nicht/nicht_mehr/keinen/kein/nicht_langer ... mit ... bot/roboter/maschine/computer/ki/
    chatbot/automaten
    keinen/kein/keine bot/roboter/maschine/chatbot/ki/computer sondern
    schluss mit ... bot
    """,
    legal="""
    verklage*/verklag*
    anwalt*/anwalt/anwaltin/rechtsanwalt*/anwalte/anwalts ... einschalten/gehen/sprechen/beauftrag*/schreiben/
    horen/melden/informier*/kontaktier*/ubergeb*
    mein*/meinen/meinem/meiner/unser*/zum/einen/von anwalt/rechtsanwalt/anwaltin/rechtsanwaltin/anwalte
    rechtlich*/juristisch*/gerichtlich* schritt*/vorgehen/konsequenz*/vorzugehen
    vor gericht
    rechtsweg
    klage ... einreichen/erheben/ein
    reiche/erhebe ... klage
    anzeige ... erstatte*/gegen_sie/gegen_euch
    erstatte ... anzeige
    zeige sie/euch/dich an
    sie/euch anzeigen
    verbraucherzentrale/verbraucherschutz ... wende*/melde*/einschalte*/gehe*/schalte*/beschwer*
    wende/wenden/gehe/melde ... verbraucherzentrale/verbraucherschutz
    """,
    chargeback="""
    ruckbuch*/ruckbuchung*/chargeback*/ruecklastschrift*/rucklastschrift*
    buche/buch/hole/hol/fordere/ziehe ... geld/zahlung/betrag/lastschrift ... zuruck ... bank
    lasse/lass/lassen/werde ... geld/zahlung/betrag/lastschrift/abbuchung ... zuruckbuchen/zuruckholen/
    zuruckziehen/zuruckgeben
    zuruckbuchen
    uber/durch/von/bei meine/meiner/die/der bank/kreditkarte* ... zuruckhol*/zuruckforder*/reklamier*/
    zuruckbuch*/stornier*
    widerspreche der/dieser lastschrift/abbuchung/zahlung
    lastschrift ... widerspr*/zuruck
    kaeuferschutz/kauferschutz ... offne*/melde*/paypal/einschalt*/beantrag*
    paypal fall/streitfall/konflikt
    unberechtigt*/unautorisiert*/nicht_autorisiert* abbuch*/zahlung/belastung
    """,
    deletion="""
    losch*/loesch*/entfern* ... mein*/alle_meine/all_meine/samtliche/personlich*/personenbezogen* ... daten/
    konto/account/kundenkonto/profil/kundendaten/angaben
    daten/konto/account/kundenkonto/profil/kundendaten ... losch*/loesch*/geloscht/zu_loschen/geloescht/
    entfernt/entfernen
    recht auf vergessen*/loschung
    dsgvo ... losch*/anfrage/antrag/auskunft
    losch*/loesch* ... alles ... uber/ueber/von mich/mir
    losch*/loesch* mich ... system/datenbank/kartei
    datenloschung
    """,
    negated="""
    bist/sind/seid du/sie/ihr ... mensch*/person/mitarbeiter*
    spreche/rede/schreibe/chatte ich ... mit ... mensch*/person/mitarbeiter*/roboter
    muss/musste/soll ich ... mit ... mensch*/jemand*/mitarbeiter* ... sprechen/reden
    nicht/kein/keinen/keine/ohne/nie/niemals mit ... mensch*/mitarbeiter*/kolleg*/jemand/jemandem/person/
    berater* ... sprech*/reden/schreiben/chatten/verbunden
    brauche/brauch/will/mochte/moechte keinen/keine/kein menschen/mitarbeiter/person/berater/mitarbeiterin
    nicht ... an ... mensch*/mitarbeiter*/kolleg* weiter*/ubergeben
    will/mochte/moechte nicht sterben
    dass/weil/ob/wenn/warum/bevor ... sterben/tot
    sterben vor/fur langeweile/lachen/hunger/hitze/neugier
    vor langeweile/lachen/hunger/hitze/neugier/scham sterben/tot*
    pflanze*/blume*/schadling*/laus*/lause/unkraut/monstera/orchidee*/kaktus/trauermucken/milben ... umbring*/
    umzubringen/toten/sterben/tot/vergiften
    mir/mich keine/keinen ... umbringen
    bringt mich ... um der
    """,
    greeting="hallo|hi|hey|moin|moinsen|moin moin|servus|grüezi|grüß gott|gruss gott|guten morgen|guten tag"
    "|guten abend|mahlzeit|hallöchen|hallo zusammen|tag|guten tach|na|wie gehts|wie geht es dir"
    "|wie geht es ihnen|wie gehts dir|wie läufts|was geht|na wie gehts|grüß dich|gruess gott"
    "|schönen guten tag|sehr geehrte damen und herren|griaß di",
    thanks="für die hilfe|für deine hilfe|für ihre hilfe|für eure hilfe|für die schnelle hilfe|für alles|danke"
    "|dankeschön|danke schön|danke sehr|vielen dank|herzlichen dank|besten dank|tausend dank|merci"
    "|dank dir|danke dir|danke ihnen|danke euch|ich danke dir|ich danke ihnen|super|toll|klasse|prima"
    "|perfekt|spitze|genial|cool|wunderbar|sehr gut|gut|sehr nett|sehr hilfreich|das hilft"
    "|das hat geholfen|hat geholfen|danke für die hilfe|vielen dank für die hilfe|danke für ihre hilfe"
    "|danke für deine hilfe|du bist super|du bist toll|sie sind toll|du bist der beste|alles klar"
    "|verstanden|passt|top|mega|lieb von dir|lieb|bestens|sehr schön|schön|gut gemacht|super gemacht"
    "|großartig|das wars|das war alles|mehr brauche ich nicht|ok danke|dankee|danke vielmals|gern"
    "|freut mich|hat geklappt|klappt",
    goodbye="tschüss|tschüß|tschau|ciao|auf wiedersehen|wiedersehen|bis bald|bis dann|bis später|bis morgen|ade"
    "|servus|gute nacht|schönen tag|schönen tag noch|schönen abend|schönen abend noch|mach es gut"
    "|machs gut|bye|tschüssi|tschö|bis zum nächsten mal|auf wiederhören|schönes wochenende"
    "|einen schönen tag noch|einen schönen tag|bis denne|wiederschauen",
    complaint="falsch|das ist falsch|das stimmt nicht|stimmt nicht|stimmt so nicht|das stimmt so nicht"
    "|das stimmt doch nicht|falsche antwort|deine antwort ist falsch|deine antwort war falsch"
    "|ihre antwort ist falsch|ihre antwort war falsch|die antwort ist falsch|die antwort war falsch"
    "|das war falsch|das ist nicht richtig|nicht richtig|das hilft nicht|das hilft mir nicht"
    "|das hilft mir nicht weiter|das hat nicht geholfen|hilft nicht|nicht hilfreich"
    "|das war nicht hilfreich|das war nicht meine frage|das habe ich nicht gefragt"
    "|danach habe ich nicht gefragt|das ist keine antwort|das war keine antwort|du verstehst mich nicht"
    "|sie verstehen mich nicht|du hast mich falsch verstanden|unsinn|quatsch|blödsinn|so ein quatsch"
    "|so ein unsinn|das ist unsinn|das ist quatsch|schwachsinn|das ist gelogen|das meinte ich nicht"
    "|das habe ich nicht gemeint|nutzlos|du bist nutzlos|das bringt mir nichts|das bringt nichts"
    "|blöder bot|schlechter bot|was für ein mist|so ein mist|mist|du liegst falsch|sie liegen falsch"
    "|meine frage wurde nicht beantwortet|du hast meine frage nicht beantwortet|das ergibt keinen sinn"
    "|unbrauchbar|das ist nicht wahr",
    abilities="bist du ein echter mensch|sind sie ein echter mensch|spreche ich mit einem menschen"
    "|rede ich mit einem menschen|rede ich mit einem bot|spreche ich mit einem bot|bist du eine maschine"
    "|bist du ein computer|bist du eine echte person|was kannst du|was kannst du alles|was können sie"
    "|was kannst du tun|was können sie tun|was kannst du machen|wobei kannst du helfen"
    "|wobei kannst du mir helfen|wobei können sie helfen|wobei können sie mir helfen"
    "|wie kannst du mir helfen|wie können sie mir helfen|wer bist du|wer sind sie|was bist du|hilfe"
    "|bist du ein bot|bist du ein mensch|bist du echt|sind sie ein mensch|kannst du mir helfen"
    "|können sie mir helfen|ich brauche hilfe|ich habe eine frage|ich hätte eine frage|hätte eine frage"
    "|wie funktioniert das|was kann ich fragen|was kann ich dich fragen|hilf mir|bist du eine ki"
    "|bist du ein roboter|kann ich dich was fragen|ich hab eine frage|hab eine frage",
    presence="ist da jemand|jemand da|ist jemand da|bist du da|sind sie da|bist du noch da|sind sie noch da"
    "|noch da|hallo jemand da|wer da|ist hier jemand|hört mich jemand|seid ihr da|haaallo",
    person_short="mensch|ein mensch|einen menschen|mitarbeiter|mitarbeiterin|ein mitarbeiter|kundenberater|berater"
    "|kundenservice|kundendienst|echter mensch|ein echter mensch|ansprechpartner|person"
    "|support mitarbeiter|menschen|rückruf|chef|kollege",
    filler="ja|ok|okay|und|dann|auch|so|sehr|mal|noch|ihr|du|sie|euch|dir|mir|zusammen|leute|bitte|heute|da|alle"
    "|alles|für|die|das|der|ist|war|hilfe|schnelle|antwort|wirklich|echt|oh|ah|ach|na|also|lieber|liebe"
    "|liebes|team|an|von|aber|doch|ganz|schon|nett|wieder|total|super",
    laugh="haha|hihi|hehe|lol|lustig|witzig|ok|okay|hm|hmm|aha|ach so|achso|soso|test|oha|krass|wow|na ja|naja",
)
