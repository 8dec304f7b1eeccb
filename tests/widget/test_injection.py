"""Script that strangers write is never run: 50 payloads, each in every place that a stranger can write to.

The page's content security policy is switched off here, so that a payload which gets into the document does run.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.harness.installation import Installation
from tests.widget.chat_page import ChatPage, Window, expect, wait_for_value

RUN = "pwned()"
PAYLOADS = [
    "<script>pwned()</script>",
    "<SCRIPT SRC=data:text/javascript,pwned()></SCRIPT>",
    "<scr<script>ipt>pwned()</scr</script>ipt>",
    "<script>/*\n*/pwned()//</script>",
    "<img src=x onerror=pwned()>",
    "<img src=x onerror=\"pwned()\" alt='x'>",
    "<IMG SRC=x ONERROR=pwned()>",
    "<img/src=x/onerror=pwned()>",
    "<img src=`x` onerror=pwned()>",
    "<img src=x onerror&#61;pwned()>",
    "<svg onload=pwned()>",
    "<svg/onload=pwned()>",
    "<svg><script>pwned()</script></svg>",
    "<svg><animate onbegin=pwned() attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:pwned()><text y=20>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=pwned()></svg>#x'></use></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=pwned()></style></mglyph></table></mtext></math>",
    "<math href=javascript:pwned()>x</math>",
    "<body onload=pwned()>",
    "<iframe src=javascript:pwned()></iframe>",
    "<iframe srcdoc='<script>parent.pwned()</script>'></iframe>",
    "<object data=javascript:pwned()></object>",
    "<embed src=javascript:pwned()>",
    "<video><source onerror=pwned()></video>",
    "<audio src=x onerror=pwned()></audio>",
    "<details open ontoggle=pwned()>x</details>",
    "<input autofocus onfocus=pwned()>",
    "<select autofocus onfocus=pwned()>",
    "<textarea autofocus onfocus=pwned()></textarea>",
    "<marquee onstart=pwned()>x</marquee>",
    "<form action=javascript:pwned()><button>x</button></form>",
    "<button formaction=javascript:pwned()>x</button>",
    "<a href=javascript:pwned()>x</a>",
    "<a href='java\tscript:pwned()'>x</a>",
    "<a href='&#106;avascript:pwned()'>x</a>",
    "<div style='animation-name:x' onanimationstart=pwned()>x</div>",
    "<style>@keyframes x{}</style><p style=animation-name:x onanimationend=pwned()>",
    "<link rel=stylesheet href=javascript:pwned()>",
    "<base href=javascript:pwned()//>",
    "<meta http-equiv=refresh content=0;url=javascript:pwned()>",
    "<noscript><p title='</noscript><img src=x onerror=pwned()>'>",
    "<template><img src=x onerror=pwned()></template>",
    '"><img src=x onerror=pwned()>',
    "'-pwned()-'",
    "</div></section><img src=x onerror=pwned()>",
    "[x](javascript:pwned())",
    "[x](JaVaScRiPt:pwned())",
    "[x](data:text/html,<script>pwned()</script>)",
    '![x](x" onerror="pwned())',
    "<javascript:pwned()> [x]: javascript:pwned()\n\n[x]",
]
DOCUMENTS = 10
ASK = """async ([url, token, names]) => {
  const prefix = Object.keys(localStorage).find(key => key.endsWith(":session"));
  const { visitor_token } = JSON.parse(localStorage.getItem(prefix));
  const headers = { Authorization: `Bearer ${visitor_token}` };
  const ids = [];
  for (const name of names) {
    const form = new FormData();
    form.append("file", new File([`about ${name}`], name, { type: "text/plain" }));
    const answer = await fetch(url + "attachments", { method: "POST", body: form, headers });
    ids.push((await answer.json()).attachment_id);
  }
  const body = JSON.stringify({ client_msg_id: token, text: "files", attachments: ids });
  headers["Content-Type"] = "application/json";
  const answer = await fetch(url + "messages", { method: "POST", body, headers });
  return answer.status;
}"""
INSPECT = """node => {
  const FORBIDDEN = /^(script|iframe|object|embed|link|meta|base|style|math|video|audio|marquee|template|select)$/;
  const bad = [];
  for (const one of node.shadowRoot.querySelectorAll("*")) {
    const name = one.localName;
    if (FORBIDDEN.test(name)) bad.push(name);
    if (name === "img" && !one.matches(".face, .files img")) bad.push(one.outerHTML);
    if (name === "form" && one.hasAttribute("action")) bad.push(one.outerHTML);
    for (const { name: attribute, value } of one.attributes) {
      if (/^on|srcdoc|formaction/.test(attribute)) bad.push(`${name} ${attribute}`);
      if (attribute === "href" && !/^(https?|mailto):/.test(value)) bad.push(value);
      if (attribute === "style" && !one.matches(".root, textarea")) bad.push(value);
    }
  }
  return bad;
}"""


@pytest.fixture
async def open_tab(browser: Browser, parley: Installation) -> Any:
    """A page without a policy of its own, and what was run on it."""
    window = await Window.open(browser, parley.base, bypass_csp=True)
    ran: list[str] = []

    def pwned(*_: object) -> None:
        ran.append("ran")

    await window.context.expose_function("pwned", pwned)
    yield await window.tab(), ran
    await window.context.close()


def test_there_are_fifty_payloads() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 50
    assert all(RUN in payload for payload in PAYLOADS)


async def test_the_trap_catches_what_is_inserted_as_it_is(open_tab: tuple[ChatPage, list[str]]) -> None:
    """Otherwise the tests below would show nothing."""
    tab, ran = open_tab
    await tab.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=pwned()>')")

    async def caught() -> bool:
        return bool(ran)

    await wait_for_value(caught)


async def test_nothing_that_a_visitor_or_a_person_writes_is_run(
    parley: Installation, open_tab: tuple[ChatPage, list[str]]
) -> None:
    """As the visitor's words, as a colleague's markdown, and as names of files."""
    tab, ran = open_tab
    await tab.ask("Can I use tap water?")
    conversation = await tab.conversation()
    said = []
    for payload in PAYLOADS:
        body = {"client_msg_id": uuid.uuid4().hex, "text": payload}
        said.append(parley.admin("POST", f"conversations/{conversation}/messages", json=body))
    await asyncio.gather(*said)
    await expect(tab.chat.locator(".line.person")).to_have_count(len(PAYLOADS))
    await tab.page.evaluate("texts => texts.forEach(text => Parley.ask(text))", PAYLOADS)
    await expect(tab.own).to_have_count(len(PAYLOADS) + 1)
    await expect(tab.chat.locator(".tick[data-state=sending]")).to_have_count(0)
    url = f"{parley.base}/v1/chat/plantstore/"
    for at in range(0, len(PAYLOADS), 10):
        status = await tab.page.evaluate(ASK, [url, f"files-{at}", PAYLOADS[at : at + 10]])
        assert status == 202
    await expect(tab.own.locator(".files > *")).to_have_count(len(PAYLOADS))
    await _is_harmless(tab, ran)
    await tab.page.reload()
    await expect(tab.own.locator(".files > *").first).to_be_visible()
    await _is_harmless(tab, ran)


async def test_nothing_that_stands_in_a_document_is_run(
    parley: Installation, open_tab: tuple[ChatPage, list[str]]
) -> None:
    """As its text, its title and its address: in the answer, in the quote, on the source and in an offered choice."""
    tab, ran = open_tab
    for n in range(DOCUMENTS):
        word, payloads = f"zygopetalum{n}", PAYLOADS[n::DOCUMENTS]
        title, url = f"{word} {payloads[0]} {payloads[1]}", f"https://example.com/?{payloads[2]}"
        body = f"# {title}\n\nThe {word} needs " + " and ".join(payloads) + " every day.\n"
        document = {"title": title, "body": body}
        # An address that is not accepted is one way to be harmless.
        for more in ({}, {"url": url}, {"url": "javascript:pwned()"}):
            await parley.admin("PUT", f"knowledge/hostile-{n}", json=document | more, ok=False)
    shown = 0
    for n in range(DOCUMENTS):
        reply = await tab.ask(f"What does the zygopetalum{n} need every day?")
        if await reply.locator(".choices").count():
            reply = await tab.pick(reply)
        if mark := await reply.locator(".mark").all():
            await mark[0].click()
            shown += 1
    assert shown > DOCUMENTS // 2, "most answers cite the hostile document"
    await _is_harmless(tab, ran)


async def _is_harmless(tab: ChatPage, ran: list[str]) -> None:
    assert await tab.chat.evaluate(INSPECT) == []
    for link in await tab.log.locator(".text a").all():
        assert "javascript" not in (await link.get_attribute("href") or "").lower()
    # What a payload may have started needs a moment of the page's own time to run.
    await tab.page.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done), 50))")
    await asyncio.sleep(0)
    assert ran == []
