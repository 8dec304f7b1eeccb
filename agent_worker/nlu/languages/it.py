"""Italian."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    uccidermi/ammazzarmi/suicidarmi/impiccarmi/togliermi_la_vita/farla_finita/farmi_del_male/farmi_male/
    tagliarmi_le_vene/autolesion*
    mi ... uccido/ammazzo/suicido/uccidero/ammazzero/tolgo_la_vita
    mi ... voglio/vorrei/vado_a uccidere/ammazzare/suicidare
    suicid*
    voglio/vorrei/desidero/preferirei/voglia_di/spero_di morire/essere_morto/essere_morta/crepare/
    sparire_per_sempre
    non ... voglio/riesco/posso/ce_la_faccio/sopporto ... piu ... vivere/andare_avanti/esistere/svegliarmi/
    la_vita/la_mia_vita
    non ... voglio/ho_voglia ... vivere/di_vivere
    non ... senso/motivo/ragione/voglia ... di/per/a vivere
    vita ... non ... senso/vale
    porre/mettere fine alla_mia_vita/alla_vita/a_tutto
    meglio ... morto/morta/senza_di_me
    stanco/stanca/stufo/stufa di vivere/della_vita
    overdose
    preso/ingoiato/ingerito/prendere ... pillole/pasticche/compresse/sonniferi
    vuole/minaccia/minacciato/cerca di uccidermi/ammazzarmi
    vuole uccidermi/ammazzarmi
    buttarmi/lanciarmi/gettarmi/butto/lancio ... ponte/treno/finestra/tetto/balcone
    """,
    person="""
    parlare/parlo/parlarne/comunicare/chattare/contattare/passatemi/passami/passarmi/mettermi/mettetemi/
    trasferitemi/trasferirmi/collegarmi/collegami/mi_passi/mi_passa/essere_contattato/essere_contattata/
    interagire ... con/a/un/una/da/in_contatto ... persona/umano/umana/qualcuno/operatore/operatrice/agente/
    addetto/collega/responsabile/rappresentante/essere_umano/assistenza/consulente/dipendente/supervisore/
    servizio_clienti/impiegato/commesso
    persona/operatore vera/reale/umano/in_carne/umana/vero
    qualcuno di vero/reale/umano/competente
    voglio/vorrei/serve/bisogno/preferisco/preferirei/datemi/dammi/esigo/richiedo un/una/di_un/di_una/
    l persona/umano/operatore/operatrice/agente/essere_umano/consulente/addetto/assistenza_umana
    puo/potrebbe/possono/potete ... persona/umano/operatore/collega/qualcuno ... aiutare/aiutarmi/chiamare/
    chiamarmi/rispondere/rispondermi/contattarmi/richiamarmi
    potete/puo/potreste richiamarmi/chiamarmi
    qualcuno ... mi_chiami/mi_richiami/mi_contatti/chiamarmi/contattarmi/richiamarmi
    richiamatemi/chiamatemi
    non ... voglio ... parlare/chattare con ... robot/bot/macchina/ia/chatbot
    """,
    legal="""
    vi/la/ti denuncio/denuncero/querelo/querelero/cito/citero/porto/portero ... in_giudizio/in_tribunale
    vi/la/ti denuncio/denuncero/querelo/querelero
    denunciarvi/denunciarla/querelarvi/citarvi
    mio/miei/nostro/un/una/il_mio avvocato/avvocati/avvocata/legale
    azione/azioni/vie legale/legali/giudiziarie
    in/al/davanti_al/dal tribunale/giudice
    per vie legali
    far_causa/faro_causa/fare_causa/fare_denuncia/sporgere_denuncia/sporgo_denuncia/sporgero_denuncia/
    presentare_denuncia
    associazione consumatori
    faccio causa/denuncia
    """,
    chargeback="""
    chargeback*/storno ... banca/carta
    chargeback*
    contestare/contesto/contestero/disconoscere/disconosco ... addebito/pagamento/transazione/operazione
    banca/carta ... stornare/storno/rimborsare/annullare/contestare/annulla/riaddebito
    stornare/stornero/faro_stornare ... addebito/pagamento/banca
    aprire/aperto/apro/apriro ... contestazione/controversia/disputa ... paypal/banca
    addebito/pagamento/transazione non autorizzato/autorizzata/riconosciuto
    """,
    deletion="""
    cancell*/elimin*/rimuov* ... miei/mio/mia/tutti_i_miei ... dati/account/profilo/informazioni/dati_personali
    cancellazione/eliminazione/rimozione ... dati/account
    cancell*/elimin* ... tutto ... su_di_me/di_me
    diritto all_oblio/alla_cancellazione
    gdpr ... richiesta/cancell*/elimin*
    dati ... cancellati/eliminati/rimossi
    """,
    negated="""
    sei/e/siete ... persona/umano/umana/reale/vero/vera
    sto ... parlando con ... persona/umano/qualcuno
    devo ... parlare con
    non/senza/nemmeno voglio/vorrei/ho_bisogno/serve/devo/bisogno ... parlare/di_parlare ... persona/umano/
    qualcuno/operatore/agente/collega
    non/senza parlare con ... persona/qualcuno/operatore
    non voglio/serve/ho_bisogno/mi_serve un/una/di_un/di_una persona/operatore/umano/agente
    non voglio morire
    morire/morto/muoio/morendo dal/di/dalle dal_ridere/ridere/fame/noia/caldo/freddo/sete/vergogna/risate/sonno
    pianta/piante/parassiti/afidi/insetti/cocciniglia/erbacce ... uccidere/ammazzare/morire/morta
    """,
    greeting="ciao|salve|buongiorno|buonasera|buon giorno|buona sera|buon pomeriggio|ehi|hey|hola|ciao a tutti"
    "|come va|come stai|come sta|pronto|ehilà|buond|buondì",
    thanks="per l'aiuto|dell'aiuto|per il tuo aiuto|per tutto|per il suo aiuto|grazie|grazie mille|molte grazie"
    "|tante grazie|grazie tante|ti ringrazio|la ringrazio|vi ringrazio|grazie dell'aiuto"
    "|grazie per l'aiuto|perfetto|ottimo|fantastico|eccellente|benissimo|molto bene|bravo|brava|bravissimo"
    "|sei grande|sei il migliore|sei fantastico|gentilissimo|gentilissima|molto gentile|capito|ho capito"
    "|tutto chiaro|è tutto|mi hai aiutato molto|super|bene|che bello|utilissimo|molto utile|a posto|grz",
    goodbye="arrivederci|a presto|a dopo|a domani|ci vediamo|buona giornata|buona serata|buonanotte|buona notte"
    "|addio|bye|alla prossima|buon weekend|buon fine settimana|arrivederla|ci sentiamo|saluti"
    "|cordiali saluti",
    complaint="è sbagliato|sbagliato|questo è sbagliato|non è corretto|non è giusto|non è vero|questo non è vero"
    "|la tua risposta è sbagliata|la sua risposta è sbagliata|la risposta è sbagliata"
    "|la tua risposta era sbagliata|la vostra risposta è sbagliata|risposta sbagliata|ti sbagli|si sbaglia"
    "|hai sbagliato|hai torto|non mi aiuta|non aiuta|non serve|non serve a niente|non mi è utile"
    "|non è utile|non è quello che ho chiesto|non ho chiesto questo|non era la mia domanda"
    "|non hai risposto alla mia domanda|non ha risposto alla mia domanda|non mi capisci|non capisci"
    "|non capisci niente|non hai capito|inutile|sei inutile|assurdo|sciocchezze|stupidaggini|falso|è falso"
    "|bugia|non ha senso|pessimo|scorretto|errato|che schifo",
    abilities="sei una persona vera|sei una persona reale|sto parlando con una persona|sto parlando con un robot"
    "|sei vero|sei un umano|sei un essere umano|cosa puoi fare|cosa sai fare|che cosa puoi fare|cosa fai"
    "|come puoi aiutarmi|come può aiutarmi|in cosa puoi aiutarmi|chi sei|cosa sei|sei un robot|sei un bot"
    "|sei umano|sei una persona|aiuto|aiutami|mi puoi aiutare|puoi aiutarmi|può aiutarmi|mi può aiutare"
    "|ho bisogno di aiuto|ho una domanda|avrei una domanda|una domanda|come funziona|cosa posso chiedere"
    "|cosa posso chiederti|posso farti una domanda",
    presence="c'è qualcuno|c'è nessuno|ci sei|ci siete|sei lì|sei ancora lì|c'è ancora qualcuno|qualcuno"
    "|qualcuno c'è|mi senti|pronto c'è qualcuno",
    person_short="umano|un umano|persona|una persona|operatore|un operatore|agente|persona reale|persona vera"
    "|assistenza clienti|servizio clienti|essere umano|responsabile|operatore umano|parlare con qualcuno",
    filler="e|molto|tutto|tutti|per|favore|piacere|di|sì|ok|va|bene|allora|ah|oh|davvero|tanto|il|la|lo|a|lei|te"
    "|voi|aiuto|risposta|oggi|ragazzi|signore|signora|ancora|ma|così|proprio|anche|sei|siete",
    laugh="ahah|ahahah|haha|ahaha|hahaha|lol|xd|hehe|ok|va bene|mah|boh|hm|uhm|ah|prova|test|eheh",
)
