// <script src="https://support.example.com/widget.js" data-tenant="…" async></script> puts the chat on a page.

import { ParleyChat } from "./element";
import type { Identity } from "./session";

const TAG = "parley-chat";
const script = document.currentScript as HTMLScriptElement | null;

if (script) ParleyChat.server = new URL(".", script.src).href;
if (!customElements.get(TAG)) customElements.define(TAG, ParleyChat);

type Options = Record<string, string | undefined>;
const later: ((chat: ParleyChat) => void)[] = [];
let element: ParleyChat | undefined;

/** Now, or as soon as the chat is on the page. */
function when(act: (chat: ParleyChat) => void): void {
  if (element) act(element);
  else later.push(act);
}

function dress(chat: ParleyChat, options: Options): void {
  for (const [name, value] of Object.entries(options)) {
    const attribute = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value === undefined) chat.removeAttribute(attribute);
    else chat.setAttribute(attribute, value);
  }
}

/** The page's own handle: `window.Parley`. Every call may come at any time. */
const api = {
  /** Put the chat on the page. Options are the attributes of the element, `data-` left out. */
  boot(options: Options = {}): void {
    if (element) return;
    element = document.createElement(TAG) as ParleyChat;
    dress(element, { ...script?.dataset, ...options });
    document.body.append(element);
    for (const act of later.splice(0)) act(element);
  },

  /** The visitor has signed out: forget them on this device and take the chat off the page. */
  shutdown(): void {
    element?.forget();
    element?.remove();
    element = undefined;
  },

  /** Change attributes: after a change of language or theme on the page. */
  update: (options: Options) => when((chat) => dress(chat, options)),
  /** The visitor has signed in: a JWT that the site signed, or a function that fetches one. */
  identify: (identity: Identity) => when((chat) => chat.identify(identity)),
  /** Open the chat and say something in the visitor's name, as a button on the page may do. */
  ask: (text: string) => when((chat) => chat.ask(text)),
  open: () => when((chat) => chat.open()),
  close: () => when((chat) => chat.close()),
  toggle: () => when((chat) => chat.toggle()),
};

Object.assign(window, { Parley: api });
if (script?.dataset.tenant) {
  if (document.body) api.boot();
  else document.addEventListener("DOMContentLoaded", () => api.boot());
}
document.dispatchEvent(new CustomEvent("parley:ready", { detail: api }));
