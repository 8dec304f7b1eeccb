"""Spanish."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    matarme/suicidarme/ahorcarme/quitarme_la_vida/cortarme_las_venas/autolesionarme/tirarme_por_la_ventana/
    tirarme_del_puente
    me ... quiero/voy_a/quisiera matar/suicidar/ahorcar/quitar_la_vida
    me ... mato/suicido
    suicid*
    autolesion*
    quiero/quisiera/deseo/prefiero/preferiria/ojala/ganas_de morir/morirme/estar_muerto/estar_muerta/
    estuviera_muerto/estuviera_muerta
    me ... quiero/quisiera morir
    no ... quiero/puedo/deseo ... vivir/seguir_viviendo/seguir_asi/despertar/existir
    no ... aguanto/soporto ... vivir/vida/seguir_viviendo
    no ... sentido/ganas/razon/razones/motivos ... de/para/en vivir/seguir_viviendo
    vida ... no ... sentido/vale
    acabar/terminar con mi_vida/todo/mi_sufrimiento
    quitarme/quito/quitar la vida
    mejor ... muerto/muerta/sin_mi
    hacerme dano
    cansado/cansada/harto/harta de vivir/la_vida/mi_vida
    sobredosis
    tome/tomado/trague/tomarme ... pastillas
    amenaza/amenazado/amenazan/intenta/quiere con/de/a matarme
    quiere/quieren/va_a matarme
    """,
    person="""
    hablar/habla/hable/hablo/chatear/comunicarme/comunicar/comuniqueme/comunicame/contactar/conectar/conectame/
    pasame/paseme/pasar/transferir/transfiereme/transfierame/atienda/hablarle/platicar ... con/a/
    por ... persona/humano/humana/alguien/agente/asesor/asesora/operador/operadora/representante/empleado/
    empleada/responsable/encargado/encargada/supervisor/gerente/companero/companera/ejecutivo/ejecutiva/
    atencion_al_cliente/personal/trabajador/especialista
    persona/humano/agente/operador/asesor real/de_verdad/humano/humana/de_carne
    alguien real/de_verdad/humano/del_equipo
    quiero/necesito/quisiera/prefiero/busco/exijo/solicito/dame/deme un/una/a_un/a_una/que_me_atienda_una/
    que_me_atienda_un persona/humano/agente/asesor/asesora/operador/operadora/representante/ser_humano/
    supervisor
    puede/podria/puedo/pueden ... persona/humano/agente/asesor/companero/alguien ... ayudar/ayudarme/llamar/
    llamarme/atender/atenderme/contestar/contestarme/contactarme
    que ... llame/llamen/atienda/conteste/contacte ... persona/alguien/humano/asesor/agente
    que me llame/llamen/contacten/contacte
    me atienda/atiende/atendiera una/un/alguien
    pueden/puede/podrian/podria llamarme/devolverme_la_llamada
    no ... quiero/deseo ... hablar/chatear con ... robot/bot/maquina/ia/chatbot
    """,
    legal="""
    voy_a/vamos_a/pienso/pensamos demandar*
    demandar/demandare/demandarlos/demandarles/demandarlas/denunciar/denunciare/denunciarlos/denunciarles/
    denunciarlas/querellarme
    los/les/te/os voy_a/vamos_a demandar/denunciar
    los/les/te/os demandare/denunciare/denuncio/demando
    mi/mis/nuestro/un abogado/abogada/abogados
    acciones/accion/medidas legales/legal/judiciales
    por la via judicial/legal
    a/ante los_tribunales/juicio/un_tribunal/el_juzgado
    interponer/presentar/poner ... denuncia/demanda/querella
    pondre/presentare ... denuncia/demanda
    denunci* ... consumo/policia/consumidor/profeco
    """,
    chargeback="""
    contracargo*/chargeback*
    devolver/devolucion/anular/revertir/retroceder/reclamar/disputar/impugnar ... cargo/cobro/pago/
    recibo ... banco/tarjeta
    disputar/impugnar/desconocer/disputare/impugnare el/este/ese/la/esta cargo/cobro/pago/transaccion
    mi/con_mi/a_mi/al/el banco ... devuelva/revierta/anule/reclamar/devolver/disputa/anular
    abrir/abrire/abierto/abri ... disputa/caso/reclamacion ... paypal/banco
    cargo/cobro/pago no autorizado/reconocido/reconozco
    cargo fraudulento
    reportar/reportado/reporte/reportare ... cargo/cobro ... banco
    """,
    deletion="""
    borr*/elimin*/suprim*/cancelen/quiten ... mis/mi/todos_mis/toda_mi ... datos/cuenta/informacion/perfil/
    informacion_personal
    borr*/elimin*/suprim* ... datos/informacion ... de_mi/sobre_mi/mios
    derecho al olvido/a_la_supresion
    datos ... borr*/eliminad*/eliminen/supriman
    derecho ... supresion
    baja ... borr* ... datos
    """,
    negated="""
    eres/es/sois/esto ... persona/humano/humana/agente/real
    estoy ... hablando/chateando con ... persona/humano/alguien
    tengo/debo ... que ... hablar con
    no/sin/tampoco quiero/necesito/deseo/hace_falta/quisiera/tengo_que ... hablar/chatear ... persona/humano/
    alguien/agente/asesor/operador/representante
    no/sin hablar ... con ... persona/humano/alguien/agente/asesor
    no/sin quiero/necesito un/una/a_un persona/agente/asesor/humano/operador
    no quiero morir/morirme
    morir/morirme/muero de risa/aburrimiento/hambre/calor/frio/sed/sueno/ganas/verguenza/amor
    plaga/plagas/bichos/cochinilla/pulgones/planta/plantas/insectos/hierbas ... matar/morir/muerta/matarme
    """,
    greeting="hola|buenas|buenos días|buenas tardes|buenas noches|buen día|qué tal|hola qué tal|cómo estás"
    "|cómo está|cómo están|holi|holaa|saludos|hey|hola a todos|qué onda|hola buenas|muy buenas|cómo te va"
    "|qué hay|oiga|oye",
    thanks="por la ayuda|por tu ayuda|por su ayuda|por todo|por la información|gracias|muchas gracias"
    "|mil gracias|muchísimas gracias|gracias por la ayuda|gracias por tu ayuda|gracias por su ayuda"
    "|te lo agradezco|se lo agradezco|genial|perfecto|excelente|estupendo|fantástico|muy bien|muy amable"
    "|qué amable|eres genial|eres el mejor|eres la mejor|buenísimo|listo|entendido|me ayudó mucho"
    "|me has ayudado mucho|eso es todo|nada más|graciass|grax|bien|qué bien|maravilloso|ok gracias"
    "|buen trabajo|súper|chévere|bacán|eres increíble",
    goodbye="adiós|hasta luego|hasta pronto|hasta mañana|chao|chau|nos vemos|bye|que tengas un buen día"
    "|que tenga un buen día|buen fin de semana|hasta la próxima|hasta la vista|cuídate|feliz día"
    "|que te vaya bien|que esté bien|adiosito",
    complaint="eso no es correcto|no es correcto|está mal|eso está mal|incorrecto|es incorrecto|eso es incorrecto"
    "|tu respuesta está mal|su respuesta está mal|la respuesta está mal|tu respuesta es incorrecta"
    "|su respuesta es incorrecta|la respuesta es incorrecta|respuesta incorrecta|respuesta equivocada"
    "|estás equivocado|está equivocado|te equivocas|se equivoca|te equivocaste|no es verdad"
    "|eso no es verdad|eso no es cierto|no es cierto|eso no me ayuda|no me ayuda|no ayuda|no sirve"
    "|eso no sirve|no me sirve|no me entiendes|no me entiende|no entiendes nada|no es lo que pregunté"
    "|eso no es lo que pregunté|no fue lo que pregunté|eso no responde mi pregunta"
    "|no respondiste mi pregunta|no contestaste mi pregunta|qué tontería|tonterías|mentira|es mentira"
    "|eres inútil|inútil|mal|muy mal|pésimo|no tiene sentido|eso no tiene sentido|eso no es lo que quería"
    "|qué porquería",
    abilities="eres una persona real|eres una persona de verdad|estoy hablando con una persona"
    "|estoy hablando con un robot|es usted un robot|es usted humano|eres real|eres un humano"
    "|qué puedes hacer|qué sabes hacer|qué puede hacer|en qué puedes ayudarme|en qué me puedes ayudar"
    "|en qué puede ayudarme|cómo puedes ayudarme|cómo me puedes ayudar|quién eres|qué eres|eres un bot"
    "|eres un robot|eres humano|eres una persona|ayuda|ayúdame|necesito ayuda|me puedes ayudar"
    "|me puede ayudar|puedes ayudarme|puede ayudarme|tengo una pregunta|tengo una duda|una pregunta"
    "|una consulta|cómo funciona esto|qué puedo preguntar|para qué sirves|quisiera hacer una consulta",
    presence="hay alguien|hay alguien ahí|alguien ahí|estás ahí|está ahí|sigues ahí|me lees|hola hay alguien"
    "|alguien|están ahí|hay alguien aquí|me escuchas",
    person_short="humano|un humano|persona|una persona|agente|un agente|asesor|un asesor|operador|operadora"
    "|representante|persona real|atención al cliente|ejecutivo|hablar con alguien|supervisor",
    filler="y|muy|todo|todos|por|favor|de|nada|bueno|ok|vale|sí|a|ti|usted|ustedes|equipo|amigo|amiga|hoy|mucho"
    "|tan|señor|señora|ah|oh|pues|claro|eres|tu|su|la|el|que|ya|otra|vez|pero|igualmente|ayuda",
    laugh="jaja|jajaja|jajajaja|jeje|lol|jiji|xd|ok|okay|vale|mmm|ah|ajá|prueba|jajaj",
)
