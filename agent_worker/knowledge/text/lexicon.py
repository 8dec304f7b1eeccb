"""General English for search: stop words, irregular forms, spellings and synonyms.

Nothing here is specific to a tenant or trade: a trade's own words belong in the tenant's ``knowledge.synonyms``. The
groups are everyday words of buying, sending and asking.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _words(
    """
    a about above actually after afternoon again all already also always am an and any anybody anyhow anyone
    anything anyway are aren around as at away be because been before being below between bit both but by came can
    cannot cant cheers come could couldn couldnt dear did didn didnt do does doesn doesnt doing don dont down during
    each either else evening ever every everything few for from further get gets getting give given go goes going
    gone got had hadn has hasn hasnt have haven havent having he hello her here heres hers hey hi him his how
    however hows i id idea if ill im in into is isn isnt it its itself ive just kind know let lets like ll look
    looking looks lot lots madam made make makes many may maybe me might mine more morning most much must mustn my
    myself need needs never no nor not now of off ok okay on once one ones only onto or other others ought our ours
    out over own per perhaps please put question quite rather re really said same say says see seem seems shall she
    should shouldn shouldnt since sir so some somebody someone something sort still such sure take tell than thank
    thanks that the their theirs them then there theres these they theyre thing things think this those though
    through till to together too try under until up upon us use used using ve very want wants was wasn wasnt way we
    well went were weren what whatever whats when where whether which while who whom whose why will with within
    without won wonder wondering wont would wouldn wouldnt yes yet you your youre yours
    """
)

_IRREGULAR = """
    freeze froze frozen; send sent; pay paid; buy bought; bite bit bitten; grow grew grown; break broke broken;
    choose chose chosen; lose lost; find found; keep kept; sell sold; hold held; feel felt; leave left;
    fall fell fallen; die died dying dead death; eat ate eaten; drink drank drunk; write wrote written;
    begin began begun; bring brought; catch caught; cut cutting; dig dug; draw drew drawn;
    forget forgot forgotten; hear heard; hide hid hidden;
    meet met; mean meant; rise rose risen; run ran; shrink shrank shrunk; speak spoke spoken; spend spent;
    stand stood; steal stole stolen; swell swelled swollen; teach taught; throw threw thrown; understand understood;
    wear wore worn; win won; child children; leaf leaves; foot feet; tooth teeth; mouse mice; person people;
    shelf shelves; half halves; life lives; knife knives; fungus fungi; larva larvae; cactus cacti; index indices;
    good better best; bad worse worst; deep depth; wide width; long length; high height; warm warmth; hot heat heating;
    strong strength; arrive arrival; deliver delivery; refuse refusal; renew renewal; propose proposal;
    cancel cancellation
"""
IRREGULAR: dict[str, str] = {
    form: forms.split()[0] for forms in _IRREGULAR.split(";") if forms.split() for form in forms.split()
}

# British endings and their American form.
SPELLINGS: tuple[tuple[str, str], ...] = (
    ("isation", "ization"),
    ("ise", "ize"),
    ("ised", "ized"),
    ("ising", "izing"),
    ("iser", "izer"),
    ("isers", "izers"),
    ("yse", "yze"),
    ("ysed", "yzed"),
    ("our", "or"),
    ("ours", "ors"),
    ("oured", "ored"),
    ("ouring", "oring"),
    ("ourful", "orful"),
    ("itre", "iter"),
    ("itres", "iters"),
    ("metre", "meter"),
    ("metres", "meters"),
    ("entre", "enter"),
    ("lled", "led"),
    ("lling", "ling"),
    ("ogue", "og"),
    ("cheque", "check"),
    ("grey", "gray"),
    ("mould", "mold"),
    ("plough", "plow"),
    ("tyre", "tire"),
)

# Each line is a group of words that mean the same, so that one may be written instead of another. "_" joins two words.
_SAME = """
    pushchair stroller buggy pram
    toilet loo wc restroom
    mother mum mom
    child kid
    luggage baggage suitcase
    lift elevator
    holiday vacation
    bike bicycle
    motorbike motorcycle
    pensioner senior
    television tv telly
    air_conditioning aircon air_con
    breakfast brekkie brekky
    fridge refrigerator
    wi-fi wifi
    babysitting babysitter
    photo picture
    telephone phone
    apartment flat
"""
SAME: tuple[tuple[str, ...], ...] = tuple(tuple(line.split()) for line in _SAME.strip().splitlines())

# Each line is a group of words of which one may stand for another in a search.
_GROUPS = """
    ship shipping shipment postage post deliver delivery send dispatch mail transport transit freight
    parcel package packet box consignment shipment
    courier carrier delivery_company postman
    price cost fee charge pay rate expensive cheap
    pay payment
    refund money reimburse reimbursement repay
    return back withdraw withdrawal
    cancel cancellation withdraw
    discount voucher coupon promo code rebate
    buy order purchase checkout
    preorder reserve reservation deposit
    reserve hold book
    broken damage damaged defect defective faulty smashed crushed
    wrong incorrect mistaken mislabelled mixup
    missing lost absent incomplete
    late delay overdue stuck
    fast quick express urgent rapid
    cold freeze frost chill ice chilled frosty
    hot heat warm
    rot mush rotten decay
    begin start
    guarantee warranty insurance insured cover
    claim complaint complain report
    photo picture image
    card credit_card visa mastercard debit
    invoice bill receipt
    tax vat duty customs import
    paper document certificate paperwork
    phone telephone call ring
    email mail
    address street
    account login profile
    password login
    delete erase remove
    data privacy personal store save
    newsletter subscribe unsubscribe subscription
    loyalty points reward bonus
    expire expiry validity valid
    gift present
    visit tour opening
    open opening hours
    shop store
    wheelchair accessible accessibility disabled
    dog pet cat animal
    child kid baby toddler
    adult grownup grown_up
    friend mate buddy
    toilet restroom bathroom loo wc
    teenager teen youth
    sibling brother sister
    bike bicycle cycle
    ill sick illness sickness unwell
    exchange swap
    video film record
    wifi internet
    laundry washing
    staff employee
    poison poisonous toxic harmful dangerous danger safe safety
    lamp light lighting bulb
    window windowsill sill
    size big large small
    label tag name
    wholesale reseller trade bulk
    flat apartment home house indoors
    garden outdoors outside
    change alter modify amend
    track tracking trace
    stock available availability
    job vacancy career apprenticeship
    week day
    month week
    tall height
    chat conversation message
    pickup collect collection
    depot warehouse
    europe eu
    uk britain england scotland wales
    film foil wrap
    hurt injury sting wound
    swallow eat chew bite
"""
GROUPS: tuple[tuple[str, ...], ...] = (*SAME, *(tuple(line.split()) for line in _GROUPS.strip().splitlines()))

# Places that a customer names → the country that price lists and terms name.
_PLACES = """
    germany: munich berlin hamburg cologne frankfurt stuttgart dresden leipzig bavaria german
    austria: vienna graz salzburg linz innsbruck austrian
    france: paris lyon marseille toulouse bordeaux nice french
    italy: rome milan turin naples florence venice bologna italian sicily
    spain: madrid barcelona seville valencia bilbao spanish
    portugal: lisbon porto portuguese
    netherlands: amsterdam rotterdam utrecht eindhoven holland dutch
    belgium: brussels antwerp ghent bruges liege belgian
    switzerland: zurich geneva basel bern lausanne swiss
    norway: oslo bergen trondheim norwegian
    sweden: stockholm gothenburg malmo swedish
    denmark: copenhagen aarhus odense danish
    finland: helsinki tampere finnish
    ireland: dublin cork galway irish
    poland: warsaw krakow gdansk wroclaw polish
    czechia: prague brno czech
    hungary: budapest hungarian
    greece: athens thessaloniki greek
    uk: london manchester leeds birmingham glasgow edinburgh liverpool bristol cardiff sheffield british
    eu: germany austria france italy spain portugal netherlands belgium sweden denmark finland ireland poland czechia
    eu: hungary greece croatia romania bulgaria slovakia slovenia estonia latvia lithuania malta cyprus luxembourg
"""
PLACES: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
    (country.strip(), tuple(names.split()))
    for country, _, names in (line.partition(":") for line in _PLACES.strip().splitlines())
)
