// One visitor's line to the server: the session, the socket, and what goes over it.

import { Outgoing, type Told } from "./outgoing";
import { parsed, Refusal, Session, type Identity } from "./session";
import type { Store } from "./store";
import type { Author, ChatMessage, Problem, Said, Status, Stored, Thumb } from "./types";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const QUIET = 60_000; // a socket that has said nothing for so long may be dead without knowing it
const TYPING_EVERY = 2_000;
const HISTORY = 60; // messages shown at once; earlier ones on request

export interface Heard extends Told {
  status(status: Status, problem?: Problem): void;
  /** The session stands; what is numbered up to `seq` was there before. */
  greeted(seq: number): void;
  message(message: ChatMessage): void;
  /** It says something else now, or nothing any more. */
  changed(message: ChatMessage): void;
  delta(turn: string, index: number, text: string): void;
  abort(turn: string): void;
  typing(author: Author): void;
  receipt(message_id: string, state: string): void;
  refused(problem: Problem): void;
  forgotten(): void;
}

export class Connection {
  status: Status = "idle";
  lastSeq = 0;
  firstSeq = 0;
  readonly outgoing: Outgoing;
  readonly session: Session;
  private socket?: WebSocket;
  private welcomed = false;
  private waits = 0;
  private stopped = true;
  private timer = 0;
  private typedAt = 0;
  private heardAt = 0;
  private seen = 0;
  private later: object[] = [];
  private opening?: Promise<void>;

  constructor(
    chat: URL,
    account: string,
    locale: () => string,
    private readonly store: Store,
    private readonly heard: Heard,
  ) {
    const dead = () => {
      this.hangUp();
      this.again();
    };
    this.outgoing = new Outgoing(store, (frame) => this.put(frame), dead, heard);
    this.session = new Session(chat, account, locale, store);
  }

  /** Idempotent. Resolves once what waited from before is known. */
  start(): Promise<void> {
    if (!this.stopped) return this.opening ?? Promise.resolve();
    this.stopped = false;
    addEventListener("online", this.wake);
    addEventListener("offline", this.drop);
    document.addEventListener("visibilitychange", this.look);
    this.opening ??= this.outgoing.restore();
    void this.opening.then(() => this.connect());
    return this.opening;
  }

  stop(): void {
    this.stopped = true;
    removeEventListener("online", this.wake);
    removeEventListener("offline", this.drop);
    document.removeEventListener("visibilitychange", this.look);
    clearTimeout(this.timer);
    this.hangUp();
    this.tell("idle");
  }

  /** Leave this visitor behind: after a sign-out nothing of theirs may show. */
  forget(): void {
    const running = !this.stopped;
    this.session.end();
    this.stop();
    this.store.clear();
    this.reset();
    this.outgoing.queue.entries = [];
    this.session.leave();
    this.session.identity = "";
    if (running) void this.start();
  }

  /** Another tab has another conversation now, because the visitor signed in or out there. */
  adopt(): void {
    const stored = this.store.get("session");
    const { conversation } = this.session;
    if (this.stopped || !conversation || stored?.conversation_id === conversation) return;
    this.session.leave();
    this.reset();
    this.renew();
  }

  /** Begin a new session at once: the visitor has signed in. What they said before stays with the token they had. */
  identify(identity: Identity): void {
    this.session.identity = identity;
    this.renew();
  }

  say(said: Said): void {
    void this.start().then(() => this.outgoing.say(said));
  }

  retry(id: string): void {
    this.outgoing.retry(id);
  }

  typing(): void {
    if (Date.now() - this.typedAt < TYPING_EVERY) return;
    if (this.put({ type: "typing" })) this.typedAt = Date.now();
  }

  read(seq: number): void {
    if (seq > this.seen && this.put({ type: "read", seq })) this.seen = seq;
  }

  feedback(message_id: string, value: Thumb, comment: string): void {
    this.eventually({ type: "feedback", message_id, value, ...(comment && { comment }) });
  }

  /** Up to 60 messages before the first one known, oldest first. */
  async earlier(): Promise<ChatMessage[]> {
    const after = Math.max(0, this.firstSeq - HISTORY);
    const older = (await this.session.read(after)).filter((message) => message.seq <= this.firstSeq);
    this.firstSeq = after;
    return older;
  }

  /** Rejects with a Refusal. Progress is from 0 to 1. */
  async upload(file: File, progress: (part: number) => void, abort: AbortSignal): Promise<Stored> {
    await this.start();
    return this.session.upload(file, progress, abort);
  }

  private async connect(): Promise<void> {
    clearTimeout(this.timer);
    if (this.stopped || this.socket) return;
    this.tell(this.waits ? "lost" : "connecting");
    try {
      await this.greet();
    } catch (error) {
      const problem = error instanceof Refusal ? error.problem : undefined;
      if (problem && !problem.retryable) return this.tell("refused", problem);
      return this.again(problem?.retry_after_ms);
    }
    if (!this.stopped && !this.socket) this.open();
  }

  private async greet(): Promise<void> {
    const before = this.session.conversation;
    const seq = await this.session.start();
    if (before && before !== this.session.conversation) this.reset();
    if (this.lastSeq) return;
    this.lastSeq = this.firstSeq = Math.max(0, seq - HISTORY);
    this.heard.greeted(seq);
  }

  private renew(): void {
    if (this.stopped) return;
    this.hangUp();
    this.waits = 0;
    void this.connect();
  }

  private open(): void {
    const url = new URL("socket", this.session.chat);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", token: this.session.token, last_seq: this.lastSeq }));
    socket.onmessage = (event) => {
      this.heardAt = Date.now();
      if (this.socket === socket) this.take(parsed(event.data));
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      const wasGood = this.welcomed;
      this.hangUp();
      if (event.code === 4403) return this.tell("refused");
      // The identity has run out: nothing is wrong with the line, and a fresh one may be had at once.
      if (event.code === 4401 && wasGood) return this.renew();
      this.again();
    };
  }

  private hangUp(): void {
    const socket = this.socket;
    this.socket = undefined;
    this.welcomed = false;
    this.outgoing.closed();
    socket?.close();
  }

  private again(wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.waits) * (0.5 + Math.random())): void {
    if (this.stopped) return;
    this.waits += 1;
    this.tell("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), wait);
  }

  private readonly wake = (): void => {
    if (this.status !== "refused") this.renew();
  };

  private readonly drop = (): void => {
    this.hangUp();
    this.again();
  };

  private readonly look = (): void => {
    if (document.visibilityState === "visible" && Date.now() - this.heardAt > QUIET) this.wake();
  };

  private take(frame: any): void {
    switch (frame.type) {
      case "welcome":
        return this.welcome();
      case "ack":
        return this.outgoing.acked(frame.client_msg_id, frame.message_id);
      case "error":
        if (frame.client_msg_id) return this.outgoing.refused(frame.error, frame.client_msg_id);
        return this.heard.refused(frame.error);
      case "message":
        // The server sends in order; what was seen before is a repeat.
        if (frame.message.seq <= this.lastSeq) return;
        this.lastSeq = frame.message.seq;
        return this.heard.message(frame.message);
      case "changed":
        return this.heard.changed(frame.message);
      case "delta":
        return this.heard.delta(frame.turn_id, frame.index, frame.text);
      case "abort":
        return this.heard.abort(frame.turn_id);
      case "typing":
        return this.heard.typing(frame.author);
      case "receipt":
        return this.heard.receipt(frame.message_id, frame.state);
    }
  }

  private welcome(): void {
    this.waits = 0;
    this.welcomed = true;
    this.tell("open");
    for (const frame of this.later.splice(0)) this.put(frame);
    this.outgoing.open();
  }

  private eventually(frame: object): void {
    if (!this.put(frame)) this.later.push(frame);
  }

  private put(frame: object): boolean {
    if (!this.welcomed || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private reset(): void {
    this.lastSeq = this.firstSeq = this.seen = 0;
    this.later = [];
    this.heard.forgotten();
  }

  private tell(status: Status, problem?: Problem): void {
    this.status = status;
    this.heard.status(status, problem);
  }
}
