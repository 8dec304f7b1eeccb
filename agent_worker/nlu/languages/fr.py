"""French."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    me/m suicider/tuer/pendre/noyer/foutre_en_l_air/flinguer/buter/mutiler/scarifier/suicide
    je me suicide/tue/mutile/scarifie/suiciderai/tuerai
    suicid*
    je/j/jaimerais ... veux/voudrais/vais/aimerais/prefere/prefererais/souhaite/jaimerais/voudrai mourir/
    etre_mort/etre_morte/crever/disparaitre_pour_toujours/en_finir
    jaimerais/veux mourir/crever/etre_mort/etre_morte
    envie de/d/den mourir/crever/finir/en_finir/me_foutre_en_l_air
    envie ... mourir/en_finir/crever
    mettre/mets/mettrai fin a mes_jours/ma_vie/tout
    mettre un terme a ma_vie/mes_jours
    en finir avec la_vie/ma_vie/tout
    veux/peux/envie/souhaite/supporte ... plus/pas ... vivre/continuer_a_vivre/continuer_comme_ca/me_reveiller/
    exister/etre_en_vie
    plus/pas/aucune/aucun envie/raison/gout/force ... de/a vivre
    vie ... plus/pas/vaut/aucun ... sens/peine/etre_vecue
    mieux ... mort/morte/sans_moi
    me faire du_mal/mal_a_moi_meme
    fatigue/fatiguee/marre/assez/ras_le_bol de vivre/la_vie/ma_vie
    overdose/surdose
    pris/avale/prendre/avaler ... cachets/medicaments/comprimes/pilules/somniferes
    m_ouvrir les veines
    me ouvrir/taillader/couper les veines
    menace/essaie/veut de me tuer
    veut/va me tuer
    automutil*
    sauter/jeter/jette ... pont/train/toit/fenetre/balcon
    """,
    person="""
    parler/parle/discuter/echanger/communiquer/contacter/joindre/passer/passez/transferer/transferez/transfert/
    mettre/mettez/relation/chatter/entretenir/tchatter/m_adresser/adresser/orienter/orientez ... a/avec/vers/
    un/une/au/en_relation ... humain/humaine/personne/quelqu_un/quelquun/conseiller/conseillere/agent/
    operateur/operatrice/collegue/employe/responsable/representant/service_client/etre_humain/collaborateur/
    technicien/superieur/manager/vendeur
    vraie/veritable/reelle/vrai/etre personne/humain/conseiller/agent
    personne reelle/physique/humaine
    quelqu_un/quelquun de reel/vrai/humain/competent
    un quelqu un
    veux/voudrais/souhaite/besoin/aimerais/prefere/exige/demande/donnez_moi/donne_moi ... d_un/un/une/
    d_une humain/conseiller/conseillere/agent/operateur/personne/vraie_personne/etre_humain/interlocuteur
    peut/pourrait/peux/est_ce_qu ... humain/conseiller/collegue/personne/quelqu_un/quelquun ... aider/m_aider/
    appeler/m_appeler/rappeler/me_rappeler/repondre/me_repondre/contacter/me_contacter
    rappelez/appelez/rappeler/contactez moi
    pouvez vous me rappeler/appeler
    me rappelle/rappeler/rappelle_quelqu_un
    quelqu_un/quelquun ... m_appelle/me_rappelle/m_appeler/me_rappeler/me_contacter
    veux/voudrais/souhaite ... pas/plus ... parler/discuter a/avec ... robot/bot/machine/ia/chatbot
    """,
    legal="""
    mon/mes/notre/un/une avocat/avocats/avocate
    poursuivre/poursuivrai/poursuis/attaquer/attaquerai ... en_justice/justice/tribunal/tribunaux/vous
    porter/porterai/porte/depose/deposer/deposerai ... plainte
    en justice
    au/devant_le/devant_les/saisir_le/saisir_les/saisirai_le tribunal/tribunaux
    action/actions/demarche/demarches/poursuites/procedure/suites en_justice/judiciaire/judiciaires/legale/
    legales/juridique/juridiques
    vous attaquer/poursuivre/assigner
    repression des fraudes
    mise en demeure
    """,
    chargeback="""
    chargeback*/retrofacturation
    contester/conteste/contesterai/opposition ... paiement/prelevement/debit/transaction/carte/
    achat ... banque/carte
    contester/conteste/contesterai le/ce/ces/un/cette/votre paiement/prelevement/debit/transaction
    opposition ... paiement/prelevement/debit/banque
    ma/la/par_ma banque ... rembourse/annule/annuler/rembourser/rejeter/contester/opposition
    litige ... paypal/banque
    ouvrir/ouvert/ouvre/ouvrirai ... litige
    prelevement/debit/paiement/transaction non_autorise/non_autorisee/frauduleux/frauduleuse/
    que_je_n_ai_pas_autorise
    rejeter le prelevement
    """,
    deletion="""
    supprim*/effac*/detrui* ... mes/mon/toutes_mes/ma ... donnees/compte/informations/profil/coordonnees/infos
    suppression/effacement de/des ... mes/mon/donnees ... donnees/compte/personnelles/informations
    supprim*/effac* ... tout ... sur/me moi/concernant/concerne
    droit a l_oubli/l_effacement
    demande/requete rgpd
    rgpd ... suppression/effacement/supprim*/effac*
    cloturer/fermer ... compte ... supprim*/effac*
    """,
    negated="""
    es_tu/etes_vous/tu_es/vous_etes/t_es/c_est ... personne/humain/vraie/etre/reelle
    est_ce_que je parle a/avec ... humain/personne/quelquun
    je parle a/avec ... humain/personne ... ou
    dois_je/faut_il ... parler/appeler
    pas/plus/sans/inutile/besoin_de/jamais ... parler/discuter/passer a/avec ... humain/personne/quelqu_un/
    quelquun/conseiller/agent/collegue/operateur
    ne/n veux/souhaite/voudrais/ai pas/pas_besoin ... parler/d_un/d_une/un/une/de ... humain/personne/
    quelqu_un/quelquun/conseiller/agent/operateur
    ne veux/voudrais pas mourir
    mourir/creve/mort/meurs de rire/faim/soif/chaud/froid/ennui/honte/peur
    plante/plantes/pucerons/insectes/parasites/cochenilles/orchidee ... tuer/mourir/morte/suicider
    """,
    greeting="bonjour|bonsoir|salut|coucou|hello|bjr|slt|bonjour à tous|bonne journée à tous|ça va|comment ça va"
    "|comment allez vous|comment vas tu|bien le bonjour|yo|hey|allô|rebonjour|bsr",
    thanks="pour l'aide|pour votre aide|pour ton aide|pour tout|pour votre réponse|merci|merci beaucoup"
    "|merci bien|mille mercis|un grand merci|merci infiniment|je vous remercie|je te remercie"
    "|merci pour votre aide|merci pour ton aide|merci de votre aide|super|parfait|génial|excellent|top"
    "|nickel|très bien|formidable|c'est gentil|c'est très gentil|vous êtes super|tu es super|tu es génial"
    "|t'es génial|vous êtes génial|bravo|impeccable|c'est parfait|c'est noté|compris|c'est compris"
    "|ça m'a aidé|ça m'aide|c'est tout|cool|mrc|merci à vous|merci à toi|ça marche|bien reçu",
    goodbye="au revoir|à bientôt|à plus|à plus tard|à demain|bonne journée|bonne soirée|bonne nuit|adieu|bye|ciao"
    "|bon week end|bon weekend|à la prochaine|bonne fin de journée|bonne continuation|tchao",
    complaint="c'est faux|c'est pas vrai|ce n'est pas vrai|ce n'est pas correct|c'est incorrect|incorrect|faux"
    "|c'est pas ça|ce n'est pas ça|c'est pas bon|ce n'est pas bon|votre réponse est fausse"
    "|ta réponse est fausse|la réponse est fausse|votre réponse était fausse|ta réponse était fausse"
    "|mauvaise réponse|vous vous trompez|tu te trompes|vous avez tort|tu as tort|ça ne m'aide pas"
    "|cela ne m'aide pas|ça m'aide pas|ça n'aide pas|ce n'est pas ma question|c'est pas ma question"
    "|ce n'était pas ma question|ce n'est pas ce que j'ai demandé|c'est pas ce que j'ai demandé"
    "|vous n'avez pas répondu à ma question|tu n'as pas répondu à ma question|vous ne comprenez pas"
    "|tu ne comprends pas|tu comprends rien|n'importe quoi|c'est n'importe quoi|nul|c'est nul"
    "|vous êtes nul|t'es nul|tu es nul|inutile|c'est inutile|mensonge|ça n'a aucun sens|ça ne sert à rien"
    "|votre réponse ne m'aide pas",
    abilities="tu es une vraie personne|vous êtes une vraie personne|es tu une vraie personne"
    "|êtes vous une vraie personne|tu es humain|vous êtes humain|je parle à un robot"
    "|est ce que je parle à un humain|est ce que je parle à un robot|que peux tu faire"
    "|que pouvez vous faire|qu'est ce que tu peux faire|qu'est ce que vous pouvez faire|que sais tu faire"
    "|que savez vous faire|comment peux tu m'aider|comment pouvez vous m'aider|en quoi pouvez vous m'aider"
    "|en quoi peux tu m'aider|qui es tu|qui êtes vous|es tu un robot|êtes vous un robot|êtes vous humain"
    "|es tu humain|tu es un bot|t'es un bot|êtes vous un bot|aide|à l'aide|aidez moi|aide moi"
    "|pouvez vous m'aider|peux tu m'aider|tu peux m'aider|vous pouvez m'aider|j'ai besoin d'aide"
    "|j'ai une question|j'aurais une question|une question|comment ça marche|tu sers à quoi"
    "|quelles questions puis je poser",
    presence="il y a quelqu'un|y a quelqu'un|quelqu'un|vous êtes là|tu es là|t'es là|êtes vous là|es tu là"
    "|toujours là|allô quelqu'un|vous êtes toujours là|y'a quelqu'un",
    person_short="humain|un humain|conseiller|un conseiller|une personne|agent|un agent|opérateur|service client"
    "|vraie personne|une vraie personne|être humain|parler à quelqu'un|responsable|un responsable",
    filler="et|très|bien|beaucoup|tout|de|le|la|les|c'est|vous|toi|à|s'il|plaît|vous plaît|svp|stp|monsieur"
    "|madame|oui|ok|d'accord|pour|votre|ton|aide|tous|oh|ah|alors|mais|encore|là|équipe|l'équipe|réponse"
    "|cette|vraiment|trop|mes|amis",
    laugh="mdr|lol|ptdr|haha|hihi|hahaha|xd|ok|d'accord|ah|ah bon|hm|euh|test|ah d'accord",
)
