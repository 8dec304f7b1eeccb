"""English."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    cant/can_not/cannot/dont_want_to keep/go_on/carry_on living
    dont/do_not/cant/no_longer ... see a/any/the reason/point/sense to/in ... living/live/carry_on/go_on
    wish/hope i ... not/never/wouldnt/dont/wont wake_up
    wish ... fall_asleep/sleep ... never wake_up
    ways to die/kill_myself/end_it
    family/everyone/world/everybody/they/people ... better/happier if/when/once i ... gone/dead/not_here/disappeared
    i ... ending everything/it_all/it_tonight
    want to disappear/vanish forever/for_good
    nobody/no_one ... miss/notice if/when i ... dead/gone/died
    i/im ... burden ... exist/everyone/live/dead
    on the/a bridge/roof/ledge ... ready/let_go/jump
    dont deserve to live
    kill/killing/hurt/hurting/harm/harming/hang/hanging/drown/drowning/shoot/poison/unalive/offing/murder myself
    end/ending/ended my_life/my_own_life/it_all/this_life
    take/taking/took my_life/my_own_life
    commit/committing/attempt suicide
    suicid*
    i/im/ive/id/ill ... want/wanna/wish/rather/prefer/like/hope die/to_die/be_dead/to_be_dead/to_just_die/
        just_die/
    just_to_die/to_be_dead/i_could_die/i_was_dead/i_would_die/i_could_just_die/not_to_exist
    i wish/wished i was/were/am dead/never_born/not_alive
    i/im/ive/id/ill ... wish i had/was/were never been_born/born
    i/im/ive/id/ill ... better off dead
    better off without me
    i/im/ive/id/ill ... dont/do_not/not/never want/wanna/wish ... live/be_alive/exist/wake_up/go_on_living/
        be_here_anymore/
    be_on_this_earth
    i/im/ive/id/ill ... cant/can_not/cannot go_on/carry_on/live/keep_going/keep_living anymore/any_more/
        like_this/living/
    any_longer
    i/im/ive/id/ill ... cant/can_not/cannot take/bear/stand life/living/being_alive
    no/any reason/point to/in/for live/living/being_alive/go_on_living
    life ... not/isnt/no_longer worth living
    my life is over/worthless
    tired/sick/done of/with living/life/being_alive/existing
    self harm*
    selfharm*
    i/im/ive/id/ill ... overdos*
    i/im/ive/id/ill ... took/swallowed/taken ... all/whole/too_many/bottle/lots/dozens ... pills/tablets/meds/
        medication/
    sleeping_pills
    i/im/ive/id/ill ... jump off/from/in_front ... bridge/building/roof/train/window/balcony
    is/are trying/threatening/threatened/going to kill me
    i/im/ive/id/ill ... cut/slit/cutting my wrists/wrist/veins/arms
    goodbye cruel world
    someone ... is/has dying/stopped_breathing
    """,
    person="""
    living_soul/flesh_and_blood/proper_person/proper_human
    someone/somebody who ... works there/for_you/at
    reach/contact/speak ... one/someone/somebody of/from your staff/team/people/colleagues
    human/person/colleague taking/take over
    escalate this/it/me to
    talk/speak/chat/speaking/talking/chatting/connect/connected/transfer/transferred/through/forward/forwarded/
    escalate/escalated/passed/handed/switch/switched ... to/with ... human/human_being/humans/person/people/
    agent/agents/someone/somebody/representative/representatives/rep/colleague/colleagues/employee/operator/
    staff/advisor/adviser/support_team/manager/supervisor/customer_service/customer_support/customer_care/
    staff_member/member_of_staff/team_member/consultant/specialist
    real/live/actual/living human/person/agent/representative/human_being/people/operator
    somebody/someone/anybody/anyone real/human
    want/need/get/give/find/like/have/prefer/send me/a/an/some human/person/agent/representative/operator/
    supervisor/real_person/real_human
    get/give/find/send me a/an/some human/person/agent/representative/operator/supervisor/manager
    i/im/ive/id/ill ... want/need/like a/an human/person/agent/representative/operator/supervisor
    hand/pass/put/patch/transfer me over/off/on/through to
    human/real/live agent/support/help/assistance/person/being/operator please
    can/could/may/will a/an/some human/person/colleague/employee/representative ... help/call/contact/answer/
    take_over/write/reply/look
    i/im/ive/id/ill ... dont/do_not/not want/wanna/like ... talk/speak/chat/deal to/with ... bot/robot/machine/
        computer/ai/
    chatbot
    i/im/ive/id/ill ... want/need/have somebody/someone/anybody from/of/at/in ... team/support/staff/company/shop
    have/let/ask somebody/someone/a_colleague/a_human/a_person ... call/contact/phone/ring/email/write me
    can/could/please somebody/someone/anyone call/phone/ring/contact me
    call/ring/phone me back
    stop ... bot/robot/automated ... human/person/people/somebody
    """,
    legal="""
    my lawyer/lawyers/attorney/attorneys/solicitor/solicitors/barrister
    legal action/proceedings/steps
    lawsuit*
    sue/suing you/your_company/your_shop/this_company
    see/meet you in court
    take/taking you/this/it to court
    i/im/ive/id/ill ... going/go to court
    small claims
    press/file/pressing/filing ... charges against_you
    report/reported/reporting you to_the_police/to_the_authorities/to_trading_standards
    """,
    chargeback="""
    chargeback*
    charge_back/charged_back
    dispute/disputing/disputed ... charge/payment/transaction ... bank/card/paypal
    dispute/disputing/disputed the/this/that/your charge/payment
    reverse/reversing the/this/my charge/payment ... bank
    dispute it with my bank
    reported/report it to my bank
    ask/tell/told/call/have my bank/card_company/card_issuer to ... reverse/refund/return/cancel/take_back
    open/opened/opening/file/filed a paypal dispute/case/claim
    unauthorized/unauthorised/fraudulent charge*
    """,
    deletion="""
    delete/erase/remove/wipe/destroy/deleting/erasing/deleted/erased ... my/all_my data/account/personal_data/
    information/personal_information/profile/details/customer_account
    delete/erase/remove ... everything ... about/of/on me
    right to be forgotten
    gdpr request/deletion/erasure
    close my account and delete
    """,
    negated="""
    are/is/were/if you/this/it/really ... human/person/agent/human_being/people/real/live
    am i ... speaking/talking/chatting to/with ... human/person/human_being/someone/people/somebody/agent
    you/this/it are/were/is ... human/person/human_being
    do/would/will/must/should i have/need to ... talk/speak/call/chat to/with
    a/the/my/made/make/money/send/sent transfer/payment/transfers ... to someone/somebody/person/people
    dont/do_not/not/no_need/never/without ... want/need/have/wish/like/to ... talk/speak/chat/talking/
    speaking to/with ... human/person/agent/someone/somebody/people/representative/colleague/rep/operator/
    staff/advisor/adviser/manager/employee/human_being/customer_service/customer_care/support_team/
    customer_support/staff_member/member_of_staff
    dont/do_not/not/no_need talk/speak/chat/to_talk/to_speak/need_to_talk/need_to_speak to/with ... human/
    person/agent/someone/somebody/people/representative/colleague/rep/operator/staff/advisor/adviser/manager/
    employee
    dont/do_not/not want/need a/an/any human/person/agent/representative/operator
    die of/from/laughing/for/to boredom/laughter/heat/embarrassment/hunger/thirst/laughing/know/have/get
    die laughing
    die/died for it/them/that/this/one/these/those
    hurt/harm/hurting myself on/with/by/when/while/at
    dont/do_not/not want/like/wish it/them/this/my_plant/my_plants/the_plant/him/her to die
    not want/going to die
    dont/do_not want ... plant/plants/tree/flowers/cat/dog/fish to_die
    i dont want to die
    hope/want/like/wish ... it/they/he/she/plant/plants/this/that/not_to/wont/doesnt/does_not/not/will_not/
    never die
    suicid* squad/note/prevention/bomber/plant/plants/palm/palms/tree/trees/door/doors/rate/rates/movie
    """,
    greeting="hello|hi|hey|hiya|howdy|yo|good morning|good afternoon|good evening|good day|morning|afternoon"
    "|evening|greetings|hello there|hi there|hey there|heya|hi all|hello everyone|hello team|how are you"
    "|how are you doing|how are you today|how is it going|hows it going|whats up|wassup|sup"
    "|nice to meet you|how do you do|helo|hallo",
    thanks="for the help|for your help|for all your help|for helping|for helping me|for all the help|thanks"
    "|thank you|thank u|thankyou|thx|ty|tysm|tks|cheers|many thanks|thanks a lot|thanks so much"
    "|thank you so much|thank you very much|thanks very much|much appreciated|i appreciate it"
    "|appreciate it|great|awesome|brilliant|cool|lovely|nice|perfect|super|wonderful|amazing|excellent"
    "|fantastic|youre great|you are great|youre the best|you are the best|youre awesome|you are awesome"
    "|you rock|great help|that helped|that helps|that helped a lot|very helpful|youre so helpful|well done"
    "|good job|good bot|great job|love it|i love you|that was helpful|youre amazing|you are amazing"
    "|nice one|got it|understood|good to know|that is all|thats all|it works|it works now|all good"
    "|all good now|very kind|so kind of you|youre very kind|you have been very helpful"
    "|thanks for your help|thank you for your help|thanks for the help|you helped me a lot|legend"
    "|you legend",
    goodbye="bye|bye bye|byebye|goodbye|good bye|cu|cya|see you|see ya|see you later|see you soon|farewell"
    "|good night|goodnight|have a nice day|have a great day|have a good day|have a good one|take care"
    "|talk to you later|ttyl|until next time|so long|have a nice evening|have a good evening"
    "|have a nice weekend|have a good weekend|ciao",
    complaint="wrong|thats wrong|that is wrong|this is wrong|its wrong|wrong answer|your answer was wrong"
    "|your answer is wrong|the answer is wrong|the answer was wrong|that was wrong|you are wrong"
    "|youre wrong|thats not right|that is not right|thats not correct|that is not correct"
    "|this is not correct|incorrect|that is incorrect|thats incorrect|not true|thats not true"
    "|that is not true|that doesnt help|that does not help|this doesnt help|that didnt help"
    "|that did not help|not helpful|youre not helping|you are not helping|that makes no sense"
    "|this makes no sense|thats not what i asked|that is not what i asked|not what i asked"
    "|thats not my question|that was not my question|you didnt answer my question"
    "|you did not answer my question|thats not what i meant|you dont understand|you do not understand"
    "|you dont understand me|you misunderstood me|you misunderstood|useless|youre useless|you are useless"
    "|this is useless|bad answer|bad bot|stupid bot|terrible answer|nonsense|thats nonsense|rubbish"
    "|bullshit|wtf|you got it wrong|you are lying|thats a lie|this is ridiculous|that is not an answer"
    "|thats not an answer|worst bot ever|you gave me the wrong answer|you gave me wrong information"
    "|your answer was not helpful|your answer doesnt help",
    abilities="are you a human|are you a person|are you a real person|are you a real human|are you really human"
    "|are you a human being|are you a machine|am i talking to a human|am i talking to a real person"
    "|are you ai|is this a human|is this a real person|are you a human or a bot"
    "|are you a real person or a bot|are you a bot or a human|what can you do|what can you help with"
    "|what can you help me with|what do you do|how can you help|how can you help me|how do you work"
    "|who are you|what are you|help|help me|can you help me|can you help|i need help|could you help me"
    "|what can i ask|what can i ask you|are you a bot|are you a robot|are you human|are you real"
    "|are you an ai|is this a bot|am i talking to a bot|what are you able to do|what can i do here"
    "|how does this work|what topics can you help with|i have a question|i have a question for you"
    "|can i ask you something|can i ask a question|i need some help|i got a question",
    presence="is anyone there|anyone there|is anybody there|anybody there|are you there|you there|is someone there"
    "|anybody home|still there|are you still there|hello anyone|is there anyone|is anybody here"
    "|is anyone here|anyone|anybody|knock knock",
    person_short="human|a human|agent|an agent|representative|a representative|operator|an operator|person|a person"
    "|real person|human agent|live agent|live chat|live support|customer service|speak to human"
    "|talk to human|talk to agent|human please|supervisor|manager|a manager",
    filler="a|again|all|and|are|been|bot|day|doing|everyone|folks|for|good|have|help|helped|how|i|im|is|it|later"
    "|lot|me|much|night|of|ok|okay|one|see|so|team|that|thats|the|there|this|to|today|very|was|well|you"
    "|your|please|pls|really|oh|wow|ah|haha|then|guys|sir|madam|mate|dear|friend|buddy|man|just|now|again"
    "|too|also|again",
    laugh="lol|lmao|rofl|haha|hahaha|hehe|hihi|xd|lolol|ha ha|funny|thats funny|omg|wow|hm|hmm|hmmm|huh|ok|okay"
    "|k|kk|test|testing",
)
