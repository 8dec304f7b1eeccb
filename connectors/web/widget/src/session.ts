// Who the visitor is: the token, how it is got, and what is asked with it over HTTP.

import { alone, type Store } from "./store";
import type { ChatMessage, Problem, Stored } from "./types";

const LOCALE = /^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$/;

export type Identity = string | (() => string | Promise<string>);

export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

const AWAY: Problem = { code: "unavailable", message: "", retryable: true };

export class Session {
  token = "";
  conversation = "";
  identity: Identity = "";

  constructor(
    readonly chat: URL,
    private readonly account: string,
    private readonly locale: () => string,
    private readonly store: Store,
  ) {}

  /** Resume or begin; the highest number of the conversation. Only one tab at a time, or a first visit with two tabs
   * would be two visitors. Rejects with a Refusal, or with what fetch rejects with. */
  start(): Promise<number> {
    return alone(`${this.store.prefix}session`, () => this.greet());
  }

  /** Sign out on the server. Nobody waits for it: the page may be about to close. */
  end(): void {
    const token = this.token || this.store.get("session")?.visitor_token;
    if (!token) return;
    const headers = { Authorization: `Bearer ${token}` };
    fetch(new URL("sessions", this.chat), { method: "DELETE", headers, keepalive: true }).catch(() => undefined);
  }

  leave(): void {
    this.token = this.conversation = "";
  }

  /** Messages after a number, oldest first. */
  async read(after: number): Promise<ChatMessage[]> {
    const url = new URL(`messages?after=${after}`, this.chat);
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${this.token}` } });
    return answer.ok ? (parsed(await answer.text()).messages as ChatMessage[]) : [];
  }

  /** Rejects with a Refusal. Progress is from 0 to 1. */
  async upload(file: File, progress: (part: number) => void, abort: AbortSignal): Promise<Stored> {
    if (!this.token) await this.start();
    return new Promise((resolve, reject) => {
      // fetch cannot tell how far an upload is.
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append("file", file, file.name);
      request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      request.onerror = request.onabort = () => reject(new Refusal(AWAY));
      request.onload = () => {
        const body = parsed(request.responseText);
        if (request.status !== 201) return reject(new Refusal(body.error ?? AWAY));
        resolve({ id: body.attachment_id, name: body.name, type: body.type, size: body.size });
      };
      abort.addEventListener("abort", () => request.abort());
      request.open("POST", new URL("attachments", this.chat));
      request.setRequestHeader("Authorization", `Bearer ${this.token}`);
      request.send(form);
    });
  }

  private async greet(signed = true, token = this.store.get("session")?.visitor_token): Promise<number> {
    const identity = signed && (typeof this.identity === "function" ? await this.identity() : this.identity);
    const body = {
      account: this.account,
      ...(token && { visitor_token: token }),
      ...(identity && { identity }),
      ...(LOCALE.test(this.locale()) && { locale: this.locale() }),
    };
    const answer = await fetch(new URL("sessions", this.chat), {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json" },
    });
    const got = parsed(await answer.text());
    // The identity may have run out while the token is still good; and the token may be of an installation that is gone.
    if (answer.status === 401 && identity && token) return this.greet(false, token);
    if (answer.status === 401 && token) return this.greet(true, "");
    if (!answer.ok) throw new Refusal(got.error ?? { ...AWAY, retryable: answer.status >= 500 });
    this.token = got.visitor_token;
    this.conversation = got.conversation_id;
    this.store.set("session", { visitor_token: this.token, conversation_id: this.conversation, at: Date.now() });
    return got.seq;
  }
}

export function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
