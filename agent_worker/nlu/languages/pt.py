"""Portuguese."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    me/mim matar/suicidar/enforcar/cortar_os_pulsos/afogar/machucar_de_proposito
    matar/suicidar/enforcar me
    matarme/suicidarme
    vou/quero/penso/pensando/pensei ... me_matar/matar_me/suicid*/tirar_a_minha_vida/tirar_minha_vida
    suicid*
    quero/queria/gostaria/prefiro/preferia/desejo/vontade ... morrer/estar_morto/estar_morta/sumir_do_mundo
    nao ... quero/aguento/consigo/suporto/desejo ... mais ... viver/vida/existir/acordar/continuar_vivendo/
    seguir_em_frente
    nao ... quero/aguento/consigo ... viver
    nao ... vontade/razao/motivo/motivos/sentido ... de/para/em viver/viver_mais
    vida ... nao ... sentido/vale
    tirar/tiro/acabar/terminar/por_fim ... minha/propria/a_minha/com_a_minha ... vida
    acabar com ... minha_vida/tudo
    por/dar fim/um_fim a_minha_vida/na_minha_vida/a_vida
    melhor ... morto/morta/sem_mim
    cansado/cansada/farto/farta de viver/da_vida/da_minha_vida
    automutil*/autoles*
    overdose
    tomei/engoli/tomar ... comprimidos/remedios/pilulas
    cortar os pulsos
    ameacou/ameacando/ameaca/quer/tentando/tenta ... me_matar/matar_me
    pular/saltar/atirar ... ponte/predio/janela/trem/comboio
    """,
    person="""
    falar/falo/conversar/converso/comunicar/contatar/contactar/passar/passa/passe/transferir/transfere/
    transfira/conectar/atendido/chamar/encaminhar/encaminhe/ligar ... com/para/por/a/um/uma ... pessoa/humano/
    humana/alguem/atendente/agente/operador/operadora/assistente_humano/funcionario/funcionaria/colega/
    representante/responsavel/gerente/supervisor/colaborador/ser_humano/suporte/atendimento/vendedor/
    especialista
    pessoa/atendente/humano real/de_verdade/humano/humana/de_carne
    alguem real/de_verdade/humano/da_equipe/da_equipa
    quero/preciso/gostaria/queria/prefiro/exijo/quero_um/me_da/chama/chame ... de_um/de_uma/um/uma pessoa/
    humano/atendente/agente/operador/ser_humano/representante/atendimento_humano/supervisor
    atendimento/atendente/suporte/ajuda humano/humana
    pode/poderia/posso/podem ... pessoa/humano/atendente/colega/alguem ... ajudar/me_ajudar/ligar/me_ligar/
    responder/me_responder/contatar/atender/me_atender
    alguem ... me_ligue/me_liga/me_ligar/ligue_me/me_contate/entre_em_contato
    me liguem/liga_de_volta/ligue_de_volta
    liguem me
    nao ... quero ... falar/conversar com ... robo/bot/maquina/ia/chatbot
    """,
    legal="""
    processar/processarei/processa_los/vou_processar voces/vocês/empresa/a_empresa/a_loja/los/vos/voce
    vou processar
    meu/meus/minha/nosso/um/uma/com_o_meu advogado/advogada/advogados
    acao/acoes/medidas/providencias judicial/judiciais/legal/legais/juridica
    na justica/em_tribunal/para_tribunal
    entrar/entro/vou/levar ... justica/tribunal
    procon/reclame_aqui/deco ... reclam*/denunci*/acion*/queixa
    reclam*/denunci*/acionar/acionarei/vou_ao/vou_no procon/no_procon/ao_procon/o_procon/a_deco
    denunciar voces
    apresentar/fazer/registrar ... queixa/boletim ... policia/crime/ocorrencia
    """,
    chargeback="""
    chargeback*/estorno ... banco/cartao
    chargeback*
    contestar/contestarei/contestei/disputar ... compra/cobranca/pagamento/debito/transacao
    estornar/estorno/reverter/cancelar ... banco/cartao/operadora
    banco/operadora_do_cartao ... estorn*/contest*/revert*/devolv*
    abrir/abri/abrirei ... disputa/reclamacao ... paypal/banco/cartao/mercado_pago
    cobranca/debito/pagamento/compra nao autorizada/autorizado/reconhecida/reconheco/reconhecido
    """,
    deletion="""
    apag*/exclu*/elimin*/delet*/remov*/apagu* ... meus/minha/minhas/todos_os_meus/os_meus ... dados/conta/
    informacoes/perfil/cadastro
    apag*/exclu*/elimin*/delet*/remov* ... tudo ... sobre_mim/de_mim/meu
    direito ao esquecimento/a_exclusao/ao_apagamento
    exclusao/eliminacao/apagamento ... dados/conta
    lgpd ... exclu*/apag*/solicit*/elimin*
    dados ... apagados/excluidos/eliminados/deletados
    """,
    negated="""
    voce_e/e_voce/es/tu_es/voce_eh/isso_e ... pessoa/humano/humana/real
    estou ... falando/a_falar com ... pessoa/humano/alguem
    tenho de/que falar com
    nao/sem/nem quero/preciso/queria/gostaria/precisa ... falar/conversar/de_falar ... pessoa/humano/alguem/
    atendente/agente/operador
    nao/sem falar com ... pessoa/humano/alguem/atendente
    nao quero/preciso um/uma/de_um/de_uma/de pessoa/atendente/humano/agente/falar
    nao quero morrer
    morrer/morrendo/morro/morri de rir/fome/tedio/calor/frio/sede/vergonha/saudade/amores
    praga/pragas/planta/plantas/pulgoes/cochonilha/insetos/ervas/mato ... matar/morrer/morta
    """,
    greeting="olá|oi|bom dia|boa tarde|boa noite|oie|oiê|e aí|tudo bem|tudo bom|como vai|como está|como estás|alô"
    "|opa|oi tudo bem|olá tudo bem|hey|saudações|viva|oi gente",
    thanks="pela ajuda|pela sua ajuda|pela tua ajuda|por tudo|pela atenção|obrigado|obrigada|muito obrigado"
    "|muito obrigada|obg|brigado|brigada|valeu|vlw|agradeço|agradecido|agradecida|obrigado pela ajuda"
    "|obrigada pela ajuda|perfeito|ótimo|excelente|maravilha|maravilhoso|show|legal|muito bem|muito bom"
    "|você é demais|você é ótimo|és o melhor|você é o melhor|ajudou muito|ajudou bastante|me ajudou muito"
    "|entendi|entendido|beleza|era só isso|é só isso|só isso|fantástico|fixe|impecável|que bom|top|massa"
    "|gratidão|tmj|bom trabalho|incrível",
    goodbye="tchau|adeus|até logo|até mais|até amanhã|até breve|até já|tenha um bom dia|tenha uma boa tarde"
    "|bom fim de semana|bye|xau|falou|flw|fui|abraço|abraços|um abraço|até a próxima|passar bem",
    complaint="está errado|isso está errado|tá errado|isso tá errado|errado|não está certo|isso não está certo"
    "|não está correto|isso não está correto|isso não é verdade|não é verdade|sua resposta está errada"
    "|a resposta está errada|tua resposta está errada|a tua resposta está errada"
    "|a sua resposta está errada|resposta errada|você está errado|estás errado|você errou|isso não ajuda"
    "|não ajuda|isso não me ajuda|não ajudou|isso não ajudou|não foi isso que perguntei"
    "|não foi o que perguntei|não perguntei isso|não é isso|não era isso|você não entendeu"
    "|não entendeu nada|não respondeu minha pregunta|não respondeu minha pergunta"
    "|não respondeu a minha pergunta|você não respondeu minha pergunta|mentira|isso é mentira|inútil"
    "|você é inútil|péssimo|péssima resposta|não faz sentido|isso não faz sentido|absurdo|que absurdo"
    "|que porcaria|incorreto|isso é incorreto|não serve|não serve para nada",
    abilities="você é uma pessoa|você é uma pessoa real|você é uma pessoa de verdade|estou falando com uma pessoa"
    "|estou falando com um robô|és uma pessoa|você é real|é humano|o que você pode fazer|o que você faz"
    "|o que sabe fazer|o que podes fazer|o que você sabe fazer|como você pode me ajudar"
    "|como pode me ajudar|como podes ajudar|como me podes ajudar|em que pode ajudar"
    "|em que você pode me ajudar|quem é você|quem és|quem és tu|você é um robô|é um robô|você é humano"
    "|és um robô|ajuda|me ajuda|me ajude|pode me ajudar|você pode me ajudar|podes ajudar me"
    "|preciso de ajuda|tenho uma dúvida|tenho uma pergunta|uma dúvida|como funciona|o que posso perguntar"
    "|como isso funciona|você é um bot|pode ajudar me",
    presence="tem alguém aí|alguém aí|tem alguém|está aí|estás aí|você está aí|ainda está aí|alô tem alguém"
    "|há alguém aí|está alguém aí|cadê você|alguém|tá aí",
    person_short="humano|um humano|pessoa|uma pessoa|atendente|um atendente|agente|operador|pessoa real|atendimento"
    "|atendimento humano|falar com alguém|falar com atendente|suporte humano|supervisor",
    filler="e|muito|bem|por|favor|pf|pfv|de|da|do|você|vocês|a|o|os|as|todos|equipe|equipa|sim|ok|tá|então|ah|oh"
    "|tudo|sua|tua|ajuda|pela|pelo|mesmo|também|só|já|hoje|amigo|amiga|senhor|senhora|moço|moça|é|foi",
    laugh="kkk|kkkk|kkkkk|kk|rs|rsrs|rsrsrs|haha|hahaha|lol|hehe|ok|tá|tá bom|hum|ah|ué|teste|nossa",
)
