"""Polish."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    zabic/zabije/powiesic/powiesze/otruc/utopic/zastrzelic/skrzywdzic/pociac/okaleczyc/zabijam sie/siebie
    sie/siebie ... zabic/zabije/powiesic/powiesze/zastrzelic/pociac/okaleczyc
    samoboj*
    samookalecz*
    chce/chcialbym/chcialabym/wole/wolalbym/wolalabym/pragne ... umrzec/nie_zyc/zniknac_na_zawsze/umierac
    nie ... chce/moge/mam_sily/mam_po_co/umiem ... zyc/dalej_zyc
    nie chce ... zyc/sie_obudzic/istniec
    odebrac/odbiore ... zycie
    skonczyc/skoncze/zakonczyc/zakoncze ... ze_soba/zycie/z_zyciem/swoje_zycie/z_tym_wszystkim
    targnac/targne sie na/na_swoje
    zycie ... nie_ma/stracilo/bez ... sensu/sens
    lepiej ... gdybym/bylo ... nie_zyl/nie_zyla/beze_mnie/umarl/umarla
    mam dosc zycia/zyc
    przedawkow*
    polknal*/wzial*/wziel*/polkn* ... tabletki/tabletek/pigulki/leki/lekow
    podciac/podetne sobie zyly
    podciac zyly
    grozi/chce/probuje ... ze_mnie_zabije/mnie_zabic
    chce mnie zabic
    skoczyc/skocze/rzucic ... mostu/okna/dachu/pociag
    """,
    person="""
    porozmawi*/rozmawi*/pogada*/mowic/rozmow*/pomowic/polaczyc/polacz*/polaczenie/skontakt*/kontakt*/przelacz*/
    przekier*/pisac/czatowac/przekaz* ... z/do/ze czlowiek*/konsultant*/pracowni*/osob*/kims/doradc*/agent*/
    ludzmi/operator*/przedstawiciel*/obslug*/kierownik*/zywym/prawdziw*
    z/ze ... czlowiekiem/konsultant*/pracownik*/osoba/kims/doradca ... rozmawi*/porozmawi*/pogadac/polaczyc/
    skontakt*
    prawdziw*/zyw* czlowiek*/osob*/konsultant*
    chce/potrzebuje/poprosze/prosze_o/wole/zadam/chcialbym/chcialabym/dajcie/dajcie_mi/daj_mi ... czlowieka/
    konsultanta/konsultantke/konsultantem/pracownika/zywa/osobe/kogos_z/agenta
    czy ... moze/moglby/moglaby ... ktos/konsultant/czlowiek/pracownik ... pomoc/zadzwonic/odpowiedziec/
    oddzwonic/skontaktowac
    niech ktos ... zadzwoni/oddzwoni/skontaktuje/odpowie
    oddzwoncie/zadzwoncie/prosze_o_telefon/prosze_o_kontakt
    ktos ... zadzwonic/oddzwonic ... do_mnie
    nie chce ... rozmawiac/gadac/pisac ... z/ze botem/robotem/maszyna/automatem/komputerem/sztuczna
    """,
    legal="""
    pozwe/pozew/pozwac/pozywam/pozwu
    moj*/z/do/przez prawnik*/adwokat*
    skieruje/ide/pojde/spotkamy/oddam/zglosze/do/w ... sadu/sadzie/sad
    droge/drogi/kroki/konsekwencje/dzialania sadowa/sadowej/prawne/sadowe
    zglosze/zglaszam/zawiadomie ... uokik/policje/policji/rzecznik*/prokurat*
    zawiadomienie/doniesienie ... policj*/prokurat*
    """,
    chargeback="""
    chargeback*/obciazenie_zwrotne/obciazenia_zwrotnego
    zareklamowac/reklamuje/zareklamuje/zakwestion*/kwestion*/cofnac/cofne/odwolac ... platnosc/transakcje/
    obciazenie/przelew/w_banku/bank*
    bank/banku/bankowi/banku_zwrot ... cofn*/reklam*/zwrot*/anulow*
    spor ... paypal/bank*
    nieautoryzowan* platnosc/transakcja/obciazenie/transakcje
    """,
    deletion="""
    usun*/skasow*/wymaz*/skasuj*/usuw* ... moje/moich/moj/mojego/wszystkie_moje/swoje ... dane/danych/konto/
    konta/profil
    usun*/skasow*/skasuj* ... konto/dane ... moje
    prawo/prawa do bycia/usuniecia ... zapomnian*/danych
    rodo ... usun*/zadanie/wniosek
    usuniecie/usuniecia ... danych/konta
    """,
    negated="""
    nie ... chce/potrzebuje/musze/trzeba ... rozmawiac/porozmawiac/czlowieka/konsultanta/pracownika ... z/
    ze ... czlowiek*/konsultant*/kims/osob*/pracowni*
    nie ... potrzebuje/chce ... czlowieka/konsultanta/pracownika/agenta
    nie chce umierac/umrzec
    umrzec/umre/umieram/umieraj* ze/z smiechu/nudow/glodu/ciekawosci/goraca/zimna/wstydu
    roslina/rosliny/kwiat/kwiaty/mszyce/szkodnik*/owady/chwasty/przedziorki ... zabic/zabije/umrzec/umiera/otruc
    """,
    greeting="cześć|hej|witam|witaj|dzień dobry|dobry wieczór|siema|siemka|halo|hejka|dobry|witajcie|elo"
    "|co słychać|jak się masz|jak leci|czesc|dzien dobry|hello|szanowni państwo",
    thanks="za pomoc|za wszystko|za informację|dziękuję|dzięki|dziękuję bardzo|bardzo dziękuję|dzięki wielkie"
    "|wielkie dzięki|dziękuję za pomoc|dzięki za pomoc|dziękuję ślicznie|super|świetnie|świetna robota"
    "|doskonale|idealnie|ekstra|bardzo dobrze|dobrze|rozumiem|jasne|zrozumiałem|zrozumiałam|to wszystko"
    "|jesteś super|jesteś świetny|jesteś najlepszy|bardzo pomocne|pomogło|wspaniale|fajnie|miło|dzieki"
    "|dziekuje|dziena|spoko|bomba|git",
    goodbye="do widzenia|na razie|pa|pa pa|do zobaczenia|miłego dnia|dobranoc|do usłyszenia|cześć na razie|nara"
    "|żegnam|miłego wieczoru|miłego weekendu|trzymaj się|bye|pozdrawiam|udanego dnia",
    complaint="to nieprawda|nieprawda|to jest źle|źle|to błąd|błąd|to nie jest prawda|to nie jest poprawne"
    "|niepoprawnie|to niepoprawne|twoja odpowiedź jest zła|twoja odpowiedź jest błędna"
    "|odpowiedź jest błędna|odpowiedź była błędna|twoja odpowiedź była błędna|zła odpowiedź"
    "|błędna odpowiedź|mylisz się|myli się pan|to się nie zgadza|nie zgadza się|to nie pomaga"
    "|to mi nie pomaga|nie pomogło|to nie pomogło|nie o to pytałem|nie o to pytałam|nie o to pytam"
    "|to nie jest odpowiedź|to nie odpowiedź na moje pytanie|nie odpowiedziałeś na moje pytanie"
    "|nie rozumiesz|nic nie rozumiesz|nie rozumiesz mnie|bzdura|bzdury|bez sensu|to bez sensu"
    "|beznadziejnie|beznadziejne|jesteś bezużyteczny|bezużyteczne|kłamstwo|kłamiesz|głupoty|to jest błędne",
    abilities="co potrafisz|co umiesz|co możesz zrobić|w czym możesz pomóc|w czym możesz mi pomóc"
    "|jak możesz mi pomóc|jak możesz pomóc|kim jesteś|czym jesteś|czy jesteś botem|czy jesteś człowiekiem"
    "|jesteś botem|jesteś robotem|pomoc|pomocy|pomóż|pomóż mi|możesz mi pomóc|czy możesz mi pomóc"
    "|potrzebuję pomocy|mam pytanie|pytanie|jak to działa|o co mogę pytać|czy mogę o coś zapytać",
    presence="jest tam ktoś|jest tu ktoś|jest ktoś|ktoś tam jest|jesteś tam|jesteś|halo jest tam ktoś"
    "|czy jest tu ktoś|czy ktoś tam jest|ktoś tu jest|ktoś",
    person_short="człowiek|konsultant|konsultanta|człowieka|osoba|pracownik|agent|obsługa klienta|prawdziwy człowiek"
    "|żywy człowiek|rozmowa z konsultantem|konsultant proszę|operator",
    filler="i|bardzo|za|pomoc|wszystko|wszystkim|dobrze|ok|tak|proszę|pan|pani|panu|ci|wam|państwu|to|no|a|oj"
    "|ach|serdecznie|jeszcze|raz|też|już|dzisiaj|odpowiedź|szybką|twoją|super|bardzo",
    laugh="haha|hahaha|hehe|lol|xd|xdd|śmieszne|ok|okej|hm|hmm|aha|no|test|oj|rozumiem",
)
