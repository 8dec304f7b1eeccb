"""A small set of messages by intent, and others that nobody was shown."""

from __future__ import annotations

EXAMPLES = {
    "delivery": (
        "Where is my parcel?",
        "my order has not arrived yet",
        "when will the package be delivered",
        "track my shipment please",
        "the courier says it was delivered but I have nothing",
        "is my order on its way",
        "how long does delivery take",
        "my parcel is late",
    ),
    "refund": (
        "I want my money back",
        "please refund my order",
        "when is the refund paid",
        "how do I get a refund",
        "give me back what I paid",
        "the refund is not on my account yet",
        "can I be refunded for the broken pot",
        "refund the shipping costs",
    ),
    "watering": (
        "How often do I water my plant?",
        "can I use tap water",
        "is rain water better",
        "the soil is dry, does it need water",
        "how much water does a sundew need",
        "should I water from above",
        "my water is hard, is that bad for the plant",
        "do I water less in winter",
    ),
    "login": (
        "I cannot log in",
        "I forgot my password",
        "reset my password",
        "the login page shows an error",
        "my account is locked",
        "how do I change my password",
        "sign in does not work",
        "the password e-mail never came",
    ),
}
UNSEEN = {
    "my parcel still has not come": "delivery",
    "has the courier got my package": "delivery",
    "I would like a refund for this": "refund",
    "when do I get my money": "refund",
    "does my flytrap need more water": "watering",
    "is hard tap water all right": "watering",
    "my password is wrong and I cannot sign in": "login",
    "the account login fails": "login",
}
STRANGE = (
    "who won the football match",
    "write a poem about the sea",
    "what is the capital of Mongolia",
    "convert ten dollars to yen",
)
