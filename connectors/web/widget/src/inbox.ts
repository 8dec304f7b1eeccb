// What has been said so far, and what of it the visitor has read, on any of their tabs.

import type { Store } from "./store";
import type { ChatMessage } from "./types";

export class Inbox {
  messages: ChatMessage[] = [];
  private before = 0;

  constructor(private readonly store: Store) {}

  /** What is numbered up to `seq` was there when the page was opened: it is no news. */
  opened(seq: number): void {
    this.before = Math.max(this.before, seq);
  }

  clear(): void {
    this.messages = [];
    this.before = 0;
  }

  /** True when the message is news. */
  add(message: ChatMessage): boolean {
    this.messages.push(message);
    return message.seq > this.before;
  }

  change(message: ChatMessage): void {
    this.messages = this.messages.map((known) => (known.id === message.id ? message : known));
  }

  /** Everything has been seen; the number up to which that is. */
  read(): number {
    const last = this.messages[this.messages.length - 1]?.seq ?? 0;
    if (last > (this.store.get("read") ?? 0)) this.store.set("read", last);
    return last;
  }

  unread(): number {
    const read = this.store.get("read") ?? 0;
    return this.messages.filter((message) => message.seq > read && message.author.kind !== "contact").length;
  }
}
