// What the visitor sees and does. It knows nothing of sockets; it tells by events: say, retry, typing, feedback, upload.

import { bubble, drafted, own } from "./bubbles.js";
import { el, icon, iconButton } from "./dom.js";

const TYPING_SHOWN = 6_000;
const TALLEST = 140; // pixels of the input
const STATUS = {
  connecting: "Connecting …",
  reconnecting: "The connection is lost. Trying again …",
  open: "",
  refused: "The chat is not available.",
};

export class View extends EventTarget {
  constructor(root, { stylesheet, name, greeting }) {
    super();
    this.name = name;
    this.greeting = greeting;
    this.lastSeq = 0;
    this.shown = new Map(); // message id → element
    this.pending = new Map(); // client id → element
    this.drafts = new Map(); // turn id → element
    this.files = [];
    root.replaceChildren(el("link", { rel: "stylesheet", href: stylesheet }), this.build());
    this.clear();
  }

  build() {
    this.banner = el("p", { class: "banner", hidden: true });
    // Not live: a screen reader must not read every piece of a streaming answer. `told` says the whole once.
    this.log = el("ol", { class: "log", role: "log", "aria-live": "off", "aria-label": "Conversation", tabindex: "0" });
    this.told = el("p", { class: "unseen", role: "status" });
    this.typist = el("p", { class: "typist", hidden: true }, el("span", {}), el("i"), el("i"), el("i"));
    this.input = el("textarea", {
      rows: "1",
      maxlength: "8000",
      "aria-label": "Your message",
      placeholder: "Write a message",
      oninput: () => this.grow(),
      onkeydown: (event) => this.key(event),
    });
    this.picker = el("input", { type: "file", hidden: true, onchange: () => this.pick() });
    this.chips = el("ul", { class: "chips", "aria-label": "Files to send" });
    const form = el(
      "form",
      { onsubmit: (event) => this.submit(event) },
      iconButton("file", "Attach a file", () => this.picker.click()),
      this.picker,
      this.input,
      el("button", { type: "submit", class: "icon send", "aria-label": "Send" }, icon("send")),
    );
    const header = el("header", {}, el("h2", {}, this.name));
    const label = `Chat with ${this.name}`;
    return el(
      "section",
      { class: "chat", "aria-label": label },
      header, this.banner, this.log, this.typist, this.chips, form, this.told,
    );
  }

  clear() {
    this.shown.clear();
    this.pending.clear();
    this.drafts.clear();
    this.lastSeq = 0;
    this.log.replaceChildren();
    if (this.greeting) this.log.append(el("li", { class: "line agent greeting" }, el("div", { class: "text" }, this.greeting)));
  }

  status({ state, message }) {
    const text = message || STATUS[state] || "";
    this.banner.textContent = text;
    this.banner.hidden = !text || (state === "connecting" && !this.shown.size);
    this.banner.classList.toggle("final", state === "refused");
    if (state !== "connecting") this.say(text);
  }

  queued(entry) {
    const line = own(entry);
    this.pending.get(entry.client_msg_id)?.remove();
    this.pending.set(entry.client_msg_id, line);
    this.put(line);
  }

  acked(entry, ack) {
    const line = this.pending.get(entry.client_msg_id);
    this.pending.delete(entry.client_msg_id);
    if (this.shown.has(ack.message_id)) return line?.remove();
    if (!line) return;
    line.querySelector(".state").textContent = "Sent";
    line.dataset.acked = ack.message_id;
    this.shown.set(ack.message_id, line);
  }

  failed(entry, error) {
    const line = this.pending.get(entry.client_msg_id);
    if (!line) return;
    const again = () => {
      line.querySelector(".state").textContent = "Sending …";
      this.tell("retry", entry);
    };
    const retry = el("button", { type: "button", onclick: again }, "Try again");
    line.querySelector(".state").replaceChildren(`Not sent: ${error.message}. `, retry);
    this.say("Your message was not sent");
  }

  message(message) {
    this.lastSeq = Math.max(this.lastSeq, message.seq);
    const line = bubble(message, {
      choose: (choice) => this.choose(message, choice),
      rate: (value) => this.tell("feedback", { message_id: message.id, value }),
    });
    const before = this.shown.get(message.id);
    this.shown.set(message.id, line);
    if (message.author.kind !== "contact") {
      this.dropDrafts();
      this.typist.hidden = true;
      this.say(`${message.author.name || this.name}: ${line.querySelector(".text").textContent}`);
    } else {
      this.log.querySelectorAll(".choices").forEach((choices) => choices.remove());
    }
    if (before) before.replaceWith(line);
    else this.put(line);
    this.scroll();
  }

  choose(message, choice) {
    this.tell("say", { text: choice.label, choice: { in_reply_to: message.id, id: choice.id } });
    this.input.focus();
  }

  delta({ turn_id, text }) {
    let draft = this.drafts.get(turn_id);
    if (!draft) {
      draft = drafted();
      this.drafts.set(turn_id, draft);
      this.put(draft);
    }
    this.typist.hidden = true;
    draft.querySelector(".text").append(text);
    this.scroll();
  }

  abort({ turn_id }) {
    this.drafts.get(turn_id)?.remove();
    this.drafts.delete(turn_id);
  }

  dropDrafts() {
    for (const turn of [...this.drafts.keys()]) this.abort({ turn_id: turn });
  }

  typing(author) {
    this.typist.firstChild.textContent = `${author.name || this.name} is typing`;
    this.typist.hidden = this.drafts.size > 0;
    clearTimeout(this.typistTimer);
    this.typistTimer = setTimeout(() => (this.typist.hidden = true), TYPING_SHOWN);
  }

  receipt({ message_id, state }) {
    const mark = this.shown.get(message_id)?.querySelector(".state");
    if (mark && state === "failed") mark.textContent = "Could not be delivered";
  }

  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit(event);
    else this.tell("typing");
  }

  submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text && !this.files.length) return;
    const files = this.files;
    const attachments = files.map((file) => file.attachment_id);
    this.tell("say", { text, ...(files.length && { attachments, files }) });
    this.files = [];
    this.chips.replaceChildren();
    this.input.value = "";
    this.grow();
  }

  pick() {
    const file = this.picker.files[0];
    this.picker.value = "";
    if (!file) return;
    const chip = el("li", {}, `${file.name} …`);
    this.chips.append(chip);
    const done = (stored) => {
      this.files.push(stored);
      chip.textContent = stored.name;
    };
    const fail = (reason) => {
      chip.textContent = `${file.name}: ${reason}`;
      chip.classList.add("wrong");
      setTimeout(() => chip.remove(), 8_000);
    };
    this.tell("upload", { file, done, fail });
  }

  grow() {
    this.input.style.height = "auto";
    const border = this.input.offsetHeight - this.input.clientHeight;
    this.input.style.height = `${Math.min(this.input.scrollHeight + border, TALLEST)}px`;
    this.input.style.overflowY = this.input.scrollHeight > TALLEST ? "auto" : "hidden";
  }

  /** New lines go to the end, but what is not acknowledged yet stays below them. */
  put(line) {
    const waiting = line.dataset.client ? null : [...this.pending.values()].find((entry) => entry.isConnected);
    this.log.insertBefore(line, waiting || null);
    this.scroll();
  }

  scroll() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  say(text) {
    this.told.textContent = text;
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
