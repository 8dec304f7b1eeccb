// What the visitor says, until the server has acknowledged it: one message at a time, so that order holds.

import { newId, Queue, type Store } from "./store";
import type { Entry, Problem, Said } from "./types";

const ACK_WAIT = 5_000;
const RETRY_WAIT = 2_000;

export interface Told {
  queued(entry: Entry): void;
  acked(entry: Entry, message_id: string): void;
  failed(entry: Entry): void;
  delayed(problem: Problem): void;
}

export class Outgoing {
  readonly queue: Queue;
  private inFlight = "";
  private line = 0; // counts connections: what was begun on an earlier one is void
  private ready = false;
  private ackTimer = 0;

  constructor(
    store: Store,
    private readonly put: (frame: object) => boolean,
    private readonly dead: () => void,
    private readonly told: Told,
  ) {
    this.queue = new Queue(store);
  }

  async restore(): Promise<void> {
    await this.queue.open();
    for (const entry of this.queue.entries) this.told.queued(entry);
  }

  say(said: Said): void {
    this.add({ client_msg_id: newId(), at: Date.now(), ...said });
  }

  retry(id: string): void {
    const entry = this.queue.take(id);
    if (!entry) return;
    // What was refused because its id stands for another message needs a new one.
    if (entry.failed === "id_reused") entry.client_msg_id = newId();
    delete entry.failed;
    this.add(entry);
  }

  /** The line stands: send what waits. */
  open(): void {
    this.ready = true;
    this.flush();
  }

  closed(): void {
    this.ready = false;
    this.inFlight = "";
    this.line += 1;
    clearTimeout(this.ackTimer);
  }

  acked(id: string, message_id: string): void {
    this.settle(id, (entry) => this.told.acked(entry, message_id));
  }

  refused(problem: Problem, id: string): void {
    if (!problem.retryable) {
      return this.settle(id, (entry) => {
        entry.failed = problem.code;
        this.queue.add(entry);
        this.told.failed(entry);
      });
    }
    clearTimeout(this.ackTimer);
    this.told.delayed(problem);
    // It stays in flight meanwhile, so that nothing overtakes it.
    const line = this.line;
    setTimeout(() => {
      if (this.line !== line) return;
      this.inFlight = "";
      this.flush();
    }, problem.retry_after_ms ?? RETRY_WAIT);
  }

  private add(entry: Entry): void {
    this.queue.add(entry);
    this.told.queued(entry);
    this.flush();
  }

  private settle(id: string, tell: (entry: Entry) => void): void {
    clearTimeout(this.ackTimer);
    this.inFlight = "";
    const entry = this.queue.take(id);
    if (entry) tell(entry);
    this.flush();
  }

  private flush(): void {
    const entry = this.queue.next();
    if (!entry || !this.ready || this.inFlight) return;
    const { client_msg_id, text, files, choice } = entry;
    this.inFlight = client_msg_id;
    this.put({
      type: "message",
      client_msg_id,
      text,
      ...(files && { attachments: files.map((file) => file.id) }),
      ...(choice && { choice }),
    });
    // A socket can be dead without saying so: no ack in time means a new one.
    this.ackTimer = setTimeout(() => this.dead(), ACK_WAIT);
  }
}
