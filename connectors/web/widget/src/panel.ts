// The window of the chat: header, conversation, composer. It knows nothing of sockets.

import { Composer, limit, type Sends } from "./composer";
import { el, icon, iconButton, webLink } from "./dom";
import type { Acts } from "./lines";
import type { Words } from "./strings";
import { Talk } from "./talk";
import type { ChatMessage, Choice, Entry, Presence, Problem, Said, Status, Theme, Thumb } from "./types";

export interface Asks extends Sends {
  retry(id: string): void;
  rate(message_id: string, value: Thumb, comment: string): void;
  rated(message_id: string): Thumb | undefined;
  fileUrl(url: string): string;
  earlier(): void;
  close(): void;
  sound(on?: boolean): boolean;
}

export class Panel implements Acts {
  readonly node: HTMLElement;
  readonly composer: Composer;
  readonly talk: Talk;
  private readonly told = el("p", { class: "unseen", role: "status" });
  private readonly banner = el("p", { class: "banner", hidden: true });
  private readonly sub = el("p", { class: "sub" });
  private readonly ask: HTMLButtonElement;
  private readonly asked = el("p", { class: "asked", hidden: true });
  private current: Presence = { kind: "agent", name: "" };

  constructor(
    private readonly theme: Theme,
    private readonly say: Words,
    private readonly asks: Asks,
    inline: boolean,
  ) {
    const askPerson = () => this.askForPerson();
    this.ask = el("button", { type: "button", class: "pill ask", onclick: askPerson }, icon("person"), say("askPerson"));
    this.composer = new Composer(say, asks, el("div", { class: "person" }, this.ask, this.asked));
    this.talk = new Talk(theme, say, this, {
      tell: (text) => this.tell(text),
      presence: (presence) => this.presence(presence),
      earlier: () => asks.earlier(),
    });
    const drop = el("div", { class: "drop", "aria-hidden": "true" }, icon("file"), say("dropHere"));
    this.node = el(
      "section",
      { class: "panel", part: "panel", "aria-label": say("chatWith", { name: theme.name }), ...(!inline && { role: "dialog" }) },
      this.header(inline),
      this.banner,
      this.talk.node,
      this.composer.node,
      drop,
      this.told,
    );
    this.takeDrops();
    this.presence(this.current);
  }

  status(status: Status, text = ""): void {
    const words = { lost: this.say("lost"), refused: text || this.say("refused"), connecting: "", open: "", idle: "" }[status];
    const returned = status === "open" && !this.banner.hidden;
    this.banner.textContent = words;
    this.banner.hidden = !words;
    if (words || returned) this.tell(words || this.say("back"));
  }

  choose(message: ChatMessage, choice: Choice): void {
    this.composer.input.focus();
    this.asks.say({ text: choice.label, choice: { in_reply_to: message.id, id: choice.id } });
  }

  rate(message: ChatMessage, value: Thumb, comment: string): void {
    this.asks.rate(message.id, value, comment);
    if (!comment) this.tell(this.say("thanks"));
  }

  rated(message: ChatMessage): Thumb | undefined {
    return this.asks.rated(message.id);
  }

  retry(entry: Entry): void {
    this.asks.retry(entry.client_msg_id);
    this.composer.input.focus();
  }

  fileUrl(url: string): string {
    return this.asks.fileUrl(url);
  }

  private askForPerson(): void {
    const said: Said = { text: this.say("askPersonText"), choice: { in_reply_to: "", id: "person" } };
    this.asks.say(said);
    this.presence({ kind: "asked", name: "" });
    this.composer.input.focus();
  }

  name(message: ChatMessage): string {
    if (message.author.kind === "person") return message.author.name || this.say("aPerson");
    return message.author.name || this.theme.name;
  }

  /** Say to screen readers, once. */
  tell(text: string): void {
    this.told.textContent = text;
  }

  /** What was said could not be taken yet, and will be. */
  delayed(problem: Problem): void {
    this.notice(this.say(problem.code === "rate_limited" ? limit(problem) : "lost"));
  }

  /** Show what is not the visitor's doing and passes. */
  notice(text: string): void {
    this.banner.textContent = text;
    this.banner.hidden = !text;
    if (text) this.tell(text);
  }

  private header(inline: boolean): HTMLElement {
    const { name, logo } = this.theme;
    const face = webLink(logo)
      ? el("img", { class: "face", src: logo, alt: "" })
      : el("span", { class: "face", "aria-hidden": "true" }, [...name][0] ?? "");
    const sound = iconButton("mute", "", () => paint(this.asks.sound(!this.asks.sound())));
    const paint = (on: boolean) => {
      const label = this.say(on ? "soundOn" : "soundOff");
      sound.setAttribute("aria-label", label);
      sound.title = label;
      sound.replaceChildren(icon(on ? "sound" : "mute"));
    };
    paint(this.asks.sound());
    const title = el("div", { class: "who" }, el("h2", {}, el("bdi", {}, name)), this.sub);
    const close = !inline && iconButton("close", this.say("close"), () => this.asks.close());
    return el("div", { class: "head", part: "header" }, face, title, sound, close);
  }

  private presence(presence: Presence): void {
    // A person who has come stays until the agent speaks again; the system's words change nothing about that.
    if (presence.kind === "asked" && this.current.kind === "person") return;
    this.current = presence;
    const { kind, name } = presence;
    const who = name || this.say("aPerson");
    const text = { agent: this.say("assistant"), asked: this.say("waiting"), person: this.say("withPerson", { name: who }) }[kind];
    this.sub.replaceChildren(el("span", { class: `dot is-${kind}`, "aria-hidden": "true" }), text);
    this.ask.hidden = kind !== "agent";
    this.asked.hidden = kind === "agent";
    this.asked.replaceChildren(icon("person"), kind === "asked" ? this.say("asked") : this.say("withPerson", { name: who }));
  }

  private takeDrops(): void {
    const has = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
    this.node.addEventListener("dragover", (event) => {
      if (!has(event)) return;
      event.preventDefault();
      this.node.classList.add("dropping");
    });
    for (const name of ["dragleave", "drop"] as const) {
      this.node.addEventListener(name, (event) => {
        if (name === "drop" || event.target === this.node.querySelector(".drop")) this.node.classList.remove("dropping");
        if (name !== "drop" || !has(event)) return;
        event.preventDefault();
        this.composer.add(event.dataTransfer?.files ?? []);
      });
    }
  }
}
