// Lines of the conversation: what the other side said, what the visitor said, what is being written.

import { anchor, el, icon, iconButton, safeNodes, unseen, webLink } from "./dom";
import type { IconName } from "./icons";
import type { Key, Words } from "./strings";
import type { ChatMessage, Choice, Citation, Entry, Stored, Thumb } from "./types";

const AUDIO = /^audio\//;
const IMAGE = /^image\/(png|jpeg|gif|webp)$/;
const TICKS: Record<string, [IconName, Key]> = {
  sending: ["clock", "sending"],
  accepted: ["check", "accepted"],
  delivered: ["checks", "delivered"],
  read: ["checks", "read"],
  failed: ["alert", "failed"],
};

export interface Acts {
  choose(message: ChatMessage, choice: Choice): void;
  rate(message: ChatMessage, value: Thumb, comment: string): void;
  rated(message: ChatMessage): Thumb | undefined;
  retry(entry: Entry): void;
  fileUrl(url: string): string;
  name(message: ChatMessage): string;
}

/** A message as the server tells it. */
export function line(message: ChatMessage, say: Words, acts: Acts): HTMLLIElement {
  const own = message.author.kind === "contact";
  const deleted = message.state === "deleted";
  const node = shell(own ? "own" : message.author.kind, message.created_at, say);
  const cited = sources(message.citations, say);
  const body = el("div", { class: "text", dir: "auto" });
  if (deleted) body.append(el("em", {}, say("deleted")));
  else body.append(safeNodes(message.html, (text) => marks(text, message.citations, cited.show, say)));
  const name = own ? say("you") : acts.name(message);
  node.prepend(own ? unseen(`${name}: `) : el("p", { class: "author", dir: "auto" }, name));
  if (body.textContent?.trim()) node.querySelector(".foot")?.before(body);
  const foot = node.querySelector(".foot") as HTMLElement;
  if (message.attachments.length) foot.before(files(message.attachments, say, acts));
  if (message.citations.length) foot.before(cited.node);
  if (message.choices.length) foot.before(choices(message, say, acts));
  if (message.author.kind === "agent" && !deleted) foot.append(thumbs(message, say, acts));
  if (!own && message.state === "failed") foot.append(el("span", { class: "wrong" }, say("undelivered")));
  if (own) foot.append(tick("delivered", say));
  return node;
}

/** A message of the visitor that the server has not confirmed. */
export function pending(entry: Entry, say: Words, acts: Acts): HTMLLIElement {
  const node = shell("own", new Date(entry.at).toISOString(), say);
  const foot = node.querySelector(".foot") as HTMLElement;
  node.prepend(unseen(`${say("you")}: `));
  if (entry.text) foot.before(el("div", { class: "text typed", dir: "auto" }, entry.text));
  if (entry.files?.length) foot.before(files(entry.files, say, acts));
  foot.append(tick(entry.failed ? "failed" : "sending", say));
  if (entry.failed) {
    node.classList.add("failed");
    foot.append(el("button", { type: "button", class: "small", onclick: () => acts.retry(entry) }, say("retry")));
  }
  return node;
}

/** An answer while it is written. Its pieces are plain text; the whole one replaces them. */
export function draft(name: string): HTMLLIElement {
  return el(
    "li",
    { class: "line agent draft" },
    el("p", { class: "author", dir: "auto" }, name),
    el("div", { class: "text typed", dir: "auto" }),
  );
}

export function day(at: string, say: Words): HTMLLIElement {
  const date = new Date(at);
  const text = new Intl.DateTimeFormat(say.locale, { weekday: "long", day: "numeric", month: "long" }).format(date);
  return el("li", { class: "day", "data-day": date.toDateString() }, el("span", {}, text));
}

/** Show how far a message of the visitor has come; only ever forwards. */
export function setTick(node: HTMLElement, state: string, say: Words): void {
  const before = node.querySelector<HTMLElement>(".tick");
  if (before && rank(state) > rank(before.dataset.state ?? "")) before.replaceWith(tick(state, say));
}

function rank(state: string): number {
  return ["sending", "failed", "accepted", "delivered", "read"].indexOf(state);
}

function tick(state: string, say: Words): HTMLSpanElement {
  const [name, key] = TICKS[state] ?? (TICKS.sending as [IconName, Key]);
  return el("span", { class: "tick", "data-state": state }, icon(name), el("span", { class: "word" }, say(key)));
}

function shell(kind: string, at: string, say: Words): HTMLLIElement {
  const time = new Intl.DateTimeFormat(say.locale, { hour: "numeric", minute: "2-digit" }).format(new Date(at));
  return el("li", { class: `line ${kind}`, "data-at": at }, el("div", { class: "foot" }, el("time", { datetime: at }, time)));
}

/** `[2]` in the text becomes a button that shows source 2; it stays on the line of the word before it. */
function marks(text: string, citations: Citation[], show: (n: number) => void, say: Words): (Node | string)[] {
  const out: (Node | string)[] = [];
  for (const piece of text.split(/(\S*\s?\[\d+\])/)) {
    const [, word = "", digits] = /^(\S*\s?)\[(\d+)\]$/.exec(piece) ?? [];
    const n = Number(digits);
    const cited = citations.find((citation) => citation.n === n);
    if (!cited) {
      out.push(piece);
      continue;
    }
    const label = say("source", { n, title: cited.title });
    const about = { type: "button", class: "mark", "aria-label": label, title: cited.title, onclick: () => show(n) };
    out.push(el("span", { class: "kept" }, word, el("button", about, String(n))));
  }
  return out;
}

function sources(citations: Citation[], say: Words): { node: HTMLElement; show(n: number): void } {
  const quote = el("div", { class: "quote", hidden: true });
  const chips = new Map<number, HTMLButtonElement>();
  const show = (n: number, toggle = false) => {
    const chip = chips.get(n);
    const [cited, ...others] = citations.filter((each) => (toggle ? chips.get(each.n) === chip : each.n === n));
    if (!chip || !cited) return;
    const open = !(toggle && chip.getAttribute("aria-expanded") === "true");
    for (const other of chips.values()) other.setAttribute("aria-expanded", String(other === chip && open));
    quote.hidden = !open;
    const url = webLink(cited.url);
    quote.replaceChildren(
      ...[cited, ...others].map((each) => el("blockquote", { dir: "auto" }, each.quote)),
      url ? anchor(url, say("openSource"), icon("open")) : "",
    );
    chip.after(quote);
    if (open && !toggle) chip.focus();
    quote.scrollIntoView({ block: "nearest" });
  };
  const node = el("div", { class: "sources", role: "group", "aria-label": say("sources") });
  for (const { n, title, document } of citations) {
    // One chip for each document: several with the same title say nothing.
    const same = chips.get(citations.find((each) => each.document === document)?.n ?? n);
    if (same) {
      same.querySelector(".n")?.append(`, ${n}`);
      chips.set(n, same);
      continue;
    }
    const chip = el(
      "button",
      { type: "button", "aria-expanded": "false", onclick: () => show(n, true) },
      el("span", { class: "n" }, String(n)),
      el("span", { class: "title", dir: "auto" }, title),
    );
    chips.set(n, chip);
    node.append(chip);
  }
  return { node, show };
}

function choices(message: ChatMessage, say: Words, acts: Acts): HTMLElement {
  const box = el("div", { class: "choices", role: "group", "aria-label": say("choose") });
  for (const choice of message.choices) {
    const onclick = () => acts.choose(message, choice);
    box.append(el("button", { type: "button", class: "pill", dir: "auto", onclick }, choice.label));
  }
  return box;
}

function files(stored: Stored[], say: Words, acts: Acts): HTMLElement {
  const box = el("div", { class: "files" });
  for (const { name, type, url, size, speech } of stored) {
    const shown = [icon("file"), el("span", { dir: "auto" }, name), el("small", {}, bytes(size))];
    const href = url ? webLink(acts.fileUrl(url)) : "";
    if (href && IMAGE.test(type)) box.append(anchor(href, el("img", { src: href, alt: name, loading: "lazy" })));
    else if (href && AUDIO.test(type)) {
      box.append(el("audio", { src: href, controls: true, preload: "none", "aria-label": name }));
      if (speech?.text) box.append(el("small", {}, say("transcribed")));
    } else box.append(href ? anchor(href, ...shown) : el("span", {}, ...shown));
  }
  return box;
}

export function bytes(size: number): string {
  return size < 1_000_000 ? `${Math.max(1, Math.round(size / 1000))} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}

function thumbs(message: ChatMessage, say: Words, acts: Acts): HTMLElement {
  const box = el("span", { class: "thumbs" });
  const press = (value: Thumb) => {
    acts.rate(message, value, "");
    paint(value);
    box.parentElement?.parentElement?.querySelector(".why")?.remove();
    if (value !== "down") return;
    const form = why(message, say, acts, down);
    box.parentElement?.after(form);
    // Below the last line it would lie outside of what is in view.
    form.scrollIntoView({ block: "nearest" });
  };
  const up = iconButton("yes", say("helpful"), () => press("up"));
  const down = iconButton("no", say("unhelpful"), () => press("down"));
  const paint = (value?: Thumb) => {
    up.setAttribute("aria-pressed", String(value === "up"));
    down.setAttribute("aria-pressed", String(value === "down"));
  };
  paint(acts.rated(message));
  box.append(up, down);
  return box;
}

/** One more question after a thumb down, which may be left unanswered. */
function why(message: ChatMessage, say: Words, acts: Acts, back: HTMLElement): HTMLElement {
  const field = el("textarea", { rows: 2, maxlength: 2000, "aria-label": say("why"), placeholder: say("why"), dir: "auto" });
  const onsubmit = (event: Event) => {
    event.preventDefault();
    if (field.value.trim()) acts.rate(message, "down", field.value.trim());
    form.replaceWith(el("p", { class: "thanks", role: "status" }, say("thanks")));
    back.focus();
  };
  const form = el("form", { class: "why", onsubmit }, field, el("button", { type: "submit", class: "small" }, say("submit")));
  return form;
}
