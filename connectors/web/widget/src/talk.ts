// The conversation itself: lines in their order, answers while they are written, and how far each message has come.

import { el, icon } from "./dom";
import { day, draft, line, pending, setTick, type Acts } from "./lines";
import type { Words } from "./strings";
import type { Author, ChatMessage, Entry, Presence, Theme } from "./types";

const TYPING_SHOWN = 6_000;
const NEAR_END = 80; // pixels: whoever reads further up is not pulled down

export interface Watches {
  /** Say to screen readers, once. */
  tell(text: string): void;
  presence(presence: Presence): void;
  earlier(): void;
}

export class Talk {
  readonly node: HTMLElement;
  private readonly log: HTMLElement;
  private readonly list = el("ol");
  private readonly typist = el("p", { class: "typist", hidden: true }, el("span", { class: "unseen" }), el("i"), el("i"), el("i"));
  private readonly jump: HTMLButtonElement;
  private readonly older: HTMLButtonElement;
  private readonly shown = new Map<string, HTMLLIElement>();
  private readonly waiting = new Map<string, { node: HTMLLIElement; entry: Entry }>();
  private readonly drafts = new Map<string, { node: HTMLLIElement; next: number; whole: boolean }>();
  private agentName = "";
  private typistTimer = 0;
  /** Whether the newest line was in view before the list grew. */
  private following = true;
  private height = 0;

  constructor(
    private readonly theme: Theme,
    private readonly say: Words,
    private readonly acts: Acts,
    private readonly watches: Watches,
  ) {
    const down = () => this.toEnd();
    this.jump = el("button", { type: "button", class: "jump", hidden: true, onclick: down, "aria-label": say("newest") }, icon("down"));
    this.older = el("button", { type: "button", class: "small older", hidden: true, onclick: () => watches.earlier() }, say("earlier"));
    // Not live: a screen reader must not read every piece of a streaming answer. The whole is told once.
    const about = { class: "log", role: "log", "aria-live": "off", "aria-label": say("conversation"), tabindex: 0 };
    this.log = el("div", about, this.older, this.list, this.typist);
    const scrolled = () => {
      // If the height has changed, too, it was not the reader who moved; the observer comes next.
      if (this.height === this.measure()) this.following = this.isAtEnd();
      this.jump.hidden = this.following;
    };
    this.log.addEventListener("scroll", scrolled, { passive: true });
    // A picture has no height until it has loaded, which may be after the lines below it came; and files that wait in the
    // composer take some of ours.
    const watcher = new ResizeObserver(() => {
      this.height = this.measure();
      if (this.following) this.toEnd();
      else this.jump.hidden = this.isAtEnd();
    });
    watcher.observe(this.list);
    watcher.observe(this.log);
    this.node = el("div", { class: "middle" }, this.log, this.jump);
    this.clear();
  }

  clear(): void {
    for (const known of [this.shown, this.waiting, this.drafts]) known.clear();
    this.list.replaceChildren();
    if (!this.theme.greeting) return;
    const text = el("div", { class: "text", dir: "auto" }, this.theme.greeting);
    this.list.append(el("li", { class: "line agent greeting" }, el("p", { class: "author", dir: "auto" }, this.theme.name), text));
  }

  hasEarlier(there: boolean): void {
    this.older.hidden = !there;
  }

  queued(entry: Entry): void {
    this.waiting.get(entry.client_msg_id)?.node.remove();
    const node = pending(entry, this.say, this.acts);
    this.waiting.set(entry.client_msg_id, { node, entry });
    this.put(node);
    this.endChoices();
    this.toEnd();
  }

  acked(entry: Entry, message_id: string): void {
    const node = this.waiting.get(entry.client_msg_id)?.node;
    this.waiting.delete(entry.client_msg_id);
    if (!node) return;
    if (this.shown.has(message_id)) return node.remove();
    setTick(node, "accepted", this.say);
    this.shown.set(message_id, node);
  }

  failed(entry: Entry): void {
    this.queued(entry);
    this.watches.tell(this.say("failed"));
  }

  /** `fresh`: not part of what was said before this page was opened. */
  message(message: ChatMessage, fresh: boolean): void {
    const node = line(message, this.say, this.acts);
    const { kind, name } = message.author;
    const before = this.shown.get(message.id) ?? (kind === "contact" ? this.sentAs(message) : this.drafted(kind));
    const atEnd = this.isAtEnd();
    this.shown.set(message.id, node);
    if (before) before.replaceWith(node);
    else this.put(node);
    if (kind === "contact") this.endChoices();
    else {
      this.typist.hidden = true;
      this.seen();
      if (kind === "agent") this.agentName = name || this.agentName;
      this.watches.presence(resolved(message) ? { kind: "agent", name: "" } : { kind: kind === "system" ? "asked" : kind, name });
      if (fresh) this.watches.tell(`${this.acts.name(message)}: ${plain(node)}`);
    }
    this.group();
    if (atEnd || kind === "contact") this.toEnd();
  }

  /** In its place; screen readers are told when its author has other words now. */
  changed(message: ChatMessage): void {
    const before = this.shown.get(message.id);
    if (!before) return;
    const node = line(message, this.say, this.acts);
    this.shown.set(message.id, node);
    before.replaceWith(node);
    this.endChoices();
    this.group();
    if (message.author.kind !== "contact") this.watches.tell(`${this.acts.name(message)}: ${plain(node)}`);
  }

  /** Older messages, above all others. */
  prepend(messages: ChatMessage[]): void {
    const height = this.log.scrollHeight;
    const nodes = messages.map((message) => {
      const node = line(message, this.say, this.acts);
      this.shown.set(message.id, node);
      return node;
    });
    const greeting = this.list.querySelector(".greeting");
    if (greeting) greeting.after(...nodes);
    else this.list.prepend(...nodes);
    this.endChoices();
    this.seen();
    this.group();
    this.log.scrollTop += this.log.scrollHeight - height;
  }

  delta(turn: string, index: number, text: string): void {
    let known = this.drafts.get(turn);
    const atEnd = this.isAtEnd();
    if (!known) {
      known = { node: draft(this.agentName || this.theme.name), next: index, whole: index === 0 };
      this.drafts.set(turn, known);
      // Without its beginning it would make no sense either.
      if (known.whole) this.put(known.node);
      this.seen();
    }
    if (index < known.next) return;
    // Signals may be lost: what follows a gap would make no sense, and the whole answer comes anyway.
    known.whole &&= index === known.next;
    known.next = index + 1;
    this.typist.hidden = known.whole;
    if (known.whole) known.node.querySelector(".text")?.append(`${index ? " " : ""}${text.replace(/\*\*|__|`/g, "")}`);
    if (atEnd) this.toEnd();
  }

  abort(turn: string): void {
    this.drafts.get(turn)?.node.remove();
    this.drafts.delete(turn);
  }

  typing(author: Author): void {
    const who = author.name || (author.kind === "person" ? this.say("aPerson") : this.theme.name);
    const atEnd = this.isAtEnd();
    if (author.kind === "agent") this.agentName ||= author.name;
    (this.typist.firstChild as HTMLElement).textContent = this.say("typing", { name: who });
    this.typist.hidden = this.drafts.size > 0;
    this.seen();
    clearTimeout(this.typistTimer);
    this.typistTimer = setTimeout(() => (this.typist.hidden = true), TYPING_SHOWN);
    if (atEnd) this.toEnd();
  }

  receipt(message_id: string, state: string): void {
    const node = this.shown.get(message_id);
    if (!node) return;
    if (node.classList.contains("own")) setTick(node, state, this.say);
    else if (state === "failed" && !node.querySelector(".wrong")) {
      node.querySelector(".foot")?.append(el("span", { class: "wrong" }, this.say("undelivered")));
    }
  }

  toEnd(): void {
    this.following = true;
    this.height = this.measure();
    this.log.scrollTop = this.log.scrollHeight;
    this.jump.hidden = true;
  }

  /** The line of what was sent from here, when the server tells it before it could acknowledge it. */
  private sentAs(message: ChatMessage): HTMLLIElement | undefined {
    for (const [id, { node, entry }] of this.waiting) {
      const spoken = message.attachments.some((file) => file.speech?.text);
      if (entry.failed || (entry.text !== message.text && !spoken) || (entry.files?.length ?? 0) !== message.attachments.length) continue;
      this.waiting.delete(id);
      return node;
    }
    return undefined;
  }

  /** The draft that an answer replaces. */
  private drafted(kind: string): HTMLLIElement | undefined {
    if (kind !== "agent" && kind !== "system") return undefined;
    const [first, ...others] = [...this.drafts.keys()];
    const node = first === undefined ? undefined : this.drafts.get(first)?.node;
    for (const turn of others) this.abort(turn);
    this.drafts.clear();
    return node;
  }

  private put(node: HTMLLIElement): void {
    // What is not acknowledged yet stays below all else.
    const own = [...this.waiting.values()].some((waiting) => waiting.node === node);
    const first = own ? null : [...this.waiting.values()].find(({ node: other }) => other.isConnected)?.node;
    this.list.insertBefore(node, first ?? null);
    this.group();
  }

  /** Whoever speaks several times in a row is named once; a new day is marked. */
  private group(): void {
    this.list.querySelectorAll(".day").forEach((node) => node.remove());
    let before: HTMLElement | undefined;
    let date = new Date().toDateString();
    for (const node of this.list.querySelectorAll<HTMLElement>(".line")) {
      const author = `${node.className.split(" ")[1]}${node.querySelector(".author")?.textContent ?? ""}`;
      const at = node.dataset.at ?? "";
      if (at && new Date(at).toDateString() !== date) node.before(day(at, this.say));
      if (at) date = new Date(at).toDateString();
      node.classList.toggle("more", before !== undefined && before.dataset.by === author);
      before?.classList.toggle("last", before.dataset.by !== author);
      node.dataset.by = author;
      before = node;
    }
    before?.classList.add("last");
  }

  /** Somebody is answering, so what was written before has been seen. */
  private seen(): void {
    for (const node of this.list.querySelectorAll<HTMLElement>(".own")) {
      if ([...this.waiting.values()].every((waiting) => waiting.node !== node)) setTick(node, "read", this.say);
    }
  }

  private endChoices(): void {
    const lines = [...this.list.querySelectorAll(".line")];
    const last = lines.map((node) => node.classList.contains("own")).lastIndexOf(true);
    lines.slice(0, Math.max(0, last)).forEach((node) => node.querySelector(".choices")?.remove());
  }

  private measure(): number {
    return this.log.scrollHeight - this.log.clientHeight;
  }

  private isAtEnd(): boolean {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END;
  }
}

/** Whether people have closed the conversation: then they ask how it went, and the assistant answers what comes next. */
function resolved(message: ChatMessage): boolean {
  return message.author.kind === "system" && message.choices.some(({ id }) => id.startsWith("rating:"));
}

function plain(node: HTMLElement): string {
  const text = node.querySelector(".text")?.cloneNode(true) as HTMLElement | undefined;
  text?.querySelectorAll(".mark").forEach((mark) => mark.remove());
  return text?.textContent?.trim() ?? "";
}
