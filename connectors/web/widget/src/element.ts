// The custom element: reads its attributes and the served theme, and joins connection, window and launcher.

import { Connection, type Heard } from "./connection";
import { el } from "./dom";
import { Inbox } from "./inbox";
import { Launcher } from "./launcher";
import { accountOf, attribute, chatOf, clothe, fetchTheme, fit, holdFocus, localeOf, LOOKS, paint, PHONE, themeOf } from "./looks";
import { Panel, type Asks } from "./panel";
import type { Identity } from "./session";
import { beep } from "./sound";
import { Store } from "./store";
import { follow } from "./surroundings";
import { words } from "./strings";
import type { ChatMessage, Problem, Status, Theme } from "./types";

const RECENT = 86_400_000; // ms: a visitor who was here today is told of new messages without opening the chat
export class ParleyChat extends HTMLElement {
  static server = "";
  static observedAttributes = LOOKS;

  private root?: HTMLElement;
  private panel?: Panel;
  private launcher?: Launcher;
  private connection?: Connection;
  private store?: Store;
  private served?: Theme;
  private inbox?: Inbox;
  private identity: Identity = "";
  private leave: (() => void)[] = [];

  connectedCallback(): void {
    if (this.connection) return;
    const chat = chatOf(this, this.server());
    const account = accountOf(this);
    this.store = new Store(`parley:${chat.href}:${account}:`);
    this.inbox = new Inbox(this.store);
    this.connection = new Connection(chat, account, () => localeOf(this), this.store, this.hears());
    this.connection.session.identity = this.identity || attribute(this, "identity");
    void this.appear();
  }

  disconnectedCallback(): void {
    for (const undo of this.leave.splice(0)) undo();
    this.connection?.stop();
    this.launcher?.unread(0);
    if (this.isOpen) this.show(false);
    this.connection = this.panel = this.launcher = this.root = this.inbox = undefined;
    this.shadowRoot?.replaceChildren();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (!this.root || before === after) return;
    if (name === "locale") void this.dress();
    else this.render();
  }

  // ── What a page may call ───────────────────────────────────────────────────────────────────────────────────────────

  get isOpen(): boolean {
    return this.inline || (this.root?.classList.contains("open") ?? false);
  }

  open(focus = true): void {
    if (!this.root || !this.panel) return this.setAttribute("open", "");
    this.show(true);
    this.store?.note("open", "1");
    void this.connection?.start();
    this.panel.composer.grow();
    this.panel.talk.toEnd();
    if (focus) this.panel.composer.input.focus();
    this.read();
    this.event("open");
  }

  close(): void {
    if (this.inline || !this.isOpen) return;
    this.show(false);
    this.store?.note("open", "");
    this.launcher?.node.focus();
    this.event("close");
  }

  toggle = (): void => (this.isOpen ? this.close() : this.open());

  ask(text: string): void {
    this.open();
    if (text.trim()) this.connection?.say({ text: text.trim() });
  }

  /** May be called before and after the element is on the page. */
  identify(identity: Identity): void {
    this.identity = identity;
    this.connection?.identify(identity);
  }

  forget(): void {
    this.connection?.forget();
    this.identity = "";
    this.close();
  }

  // ── Looks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private async appear(): Promise<void> {
    if (!(await this.dress()) || !this.connection) return;
    this.attend();
    const { at } = this.store?.get("session") ?? { at: 0 };
    const again = this.hasAttribute("open") || (this.store?.note("open") === "1" && !matchMedia(PHONE).matches);
    if (again || this.inline) this.open(this.hasAttribute("open"));
    else if (Date.now() - at < RECENT) void this.connection.start();
  }

  /** Fetch the looks and show them. False when there is no such chat. */
  private async dress(): Promise<boolean> {
    const theme = await fetchTheme(this, this.server());
    if (theme === null) {
      console.error("parley: there is no such tenant or web account");
      return false;
    }
    // Without an answer the chat shows itself in plain clothes, and asks again when the line stands.
    this.served = theme ?? this.served;
    if (this.connection) this.render();
    return true;
  }

  private render(): void {
    const open = this.isOpen;
    const focused = this.panel?.node.contains(this.shadowRoot?.activeElement ?? null);
    const theme = this.theme();
    const say = words(theme.locale, theme.words);
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    clothe(shadow);
    this.panel = new Panel(theme, say, this.asks(), this.inline);
    this.launcher = this.inline ? undefined : new Launcher(theme, say, () => this.toggle());
    const root = el("div", { class: `root ${this.inline ? "inline" : theme.position}`, dir: say.dir, lang: say.locale });
    root.append(this.panel.node, this.launcher?.node ?? "");
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.close();
      else if (event.key === "Tab" && this.panel) holdFocus(event, this.panel.node, shadow.activeElement);
    });
    this.root = root;
    this.paint();
    shadow.replaceChildren(root);
    this.replay();
    this.show(open);
    this.count();
    if (focused) this.panel.composer.input.focus();
  }

  private replay(): void {
    const { panel, connection } = this;
    if (!panel || !connection) return;
    for (const message of this.inbox?.messages ?? []) panel.talk.message(message, false);
    for (const entry of connection.outgoing.queue.entries) panel.talk.queued(entry);
    panel.talk.hasEarlier(connection.firstSeq > 0);
    panel.status(connection.status);
  }

  private theme(): Theme {
    return themeOf(this, this.served, this.server());
  }

  private paint(): void {
    if (this.root) paint(this.root, this.theme().color, this.getAttribute("theme"));
  }

  private show(open: boolean): void {
    const phone = open && !this.inline && matchMedia(PHONE).matches;
    this.root?.classList.toggle("open", open);
    this.launcher?.opened(open);
    if (!this.panel) return;
    this.panel.node.hidden = !open && !this.inline;
    if (phone) this.panel.node.setAttribute("aria-modal", "true");
    else this.panel.node.removeAttribute("aria-modal");
    // On a phone the chat covers the page, so the page beneath must not scroll.
    if (!this.inline) document.documentElement.style.overflow = phone ? "hidden" : "";
    if (this.root) fit(this.root);
  }

  // ── Behaviour ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private attend(): void {
    this.leave.push(
      follow({
        scheme: () => this.paint(),
        size: () => this.show(this.isOpen),
        keyboard: () => this.root && fit(this.root),
        looked: () => this.read(),
        otherTab: (name) => {
          if (name === "read") this.count();
          if (name === "session") this.connection?.adopt();
        },
        store: this.store,
      }),
    );
  }

  private hears(): Heard {
    return {
      status: (status: Status, problem) => {
        this.panel?.status(status, this.explain(status, problem));
        if (status === "open") this.attached();
      },
      greeted: (seq) => this.inbox?.opened(seq),
      queued: (entry) => this.panel?.talk.queued(entry),
      acked: (entry, id) => {
        this.panel?.talk.acked(entry, id);
        this.panel?.notice("");
      },
      failed: (entry) => this.panel?.talk.failed(entry),
      delayed: (problem) => this.panel?.delayed(problem),
      message: (message) => this.message(message),
      changed: (message) => {
        this.inbox?.change(message);
        this.panel?.talk.changed(message);
      },
      delta: (turn, index, text) => this.panel?.talk.delta(turn, index, text),
      abort: (turn) => this.panel?.talk.abort(turn),
      typing: (author) => this.panel?.talk.typing(author),
      receipt: (id, state) => this.panel?.talk.receipt(id, state),
      refused: (problem) => console.warn(`parley: ${problem.code}: ${problem.message}`),
      forgotten: () => {
        this.inbox?.clear();
        this.panel?.talk.clear();
        this.count();
      },
    };
  }

  /** Why there is no chat. The page may have a fresh identity for a visitor whose old one is refused. */
  private explain(status: Status, problem?: Problem): string {
    if (problem?.code === "forbidden") return problem.message;
    if (status !== "refused" || problem?.code !== "unauthorized") return "";
    console.warn(`parley: ${problem.message}`);
    if (!this.connection?.session.identity) return problem.message;
    this.event("identity");
    return words(this.theme().locale, this.theme().words)("expired");
  }

  /** The line stands: what could not be said or asked before is due. */
  private attached(): void {
    this.panel?.talk.hasEarlier((this.connection?.firstSeq ?? 0) > 0);
    if (!this.served) void this.dress();
    this.read();
  }

  private message(message: ChatMessage): void {
    const fresh = this.inbox?.add(message) ?? false;
    this.panel?.talk.message(message, fresh);
    if (fresh && message.author.kind !== "contact") {
      if (this.store?.get("sound") && !(this.isOpen && document.visibilityState === "visible")) beep();
      this.event("message", { id: message.id, author: message.author.kind });
    }
    this.read();
  }

  private asks(): Asks {
    const element = this;
    return {
      say: (said) => this.connection?.say(said),
      retry: (id) => this.connection?.retry(id),
      typing: () => this.connection?.typing(),
      tell: (text) => this.panel?.tell(text),
      upload: (file, progress, abort) => (this.connection as Connection).upload(file, progress, abort),
      note: (text) => this.store?.note("draft", text) ?? "",
      get maxFileSize() {
        return element.theme().max_file_size;
      },
      rate: (id, value, comment) => {
        this.store?.thumb(id, value);
        this.connection?.feedback(id, value, comment);
      },
      rated: (id) => this.store?.get("thumbs")?.[id],
      fileUrl: (url) => new URL(url, this.server()).href,
      earlier: () => void this.earlier(),
      close: () => this.close(),
      sound: (on) => {
        if (on !== undefined) this.store?.set("sound", on);
        if (on) beep();
        return this.store?.get("sound") ?? false;
      },
    };
  }

  private async earlier(): Promise<void> {
    const older = (await this.connection?.earlier()) ?? [];
    this.inbox?.messages.unshift(...older);
    this.panel?.talk.prepend(older);
    this.panel?.talk.hasEarlier((this.connection?.firstSeq ?? 0) > 0);
  }

  /** What is on an open chat in a visible page has been read. */
  private read(): void {
    if (this.isOpen && document.visibilityState === "visible") this.connection?.read(this.inbox?.read() ?? 0);
    this.count();
  }

  private count(): void {
    const unread = this.inbox?.unread() ?? 0;
    if (this.launcher?.unread(unread)) this.event("unread", { count: unread });
  }

  private get inline(): boolean {
    return this.hasAttribute("inline");
  }

  private server(): string {
    return attribute(this, "server") || ParleyChat.server || location.href;
  }

  private event(name: string, detail: object = {}): void {
    this.dispatchEvent(new CustomEvent(`parley:${name}`, { detail, bubbles: true, composed: true }));
  }
}
