// What stays on this device. Storage may be full or forbidden; the chat then works until the page is left.

import type { Entry, Thumb } from "./types";

export interface Kept {
  session: { visitor_token: string; conversation_id: string; at: number };
  read: number;
  sound: boolean;
  thumbs: Record<string, Thumb>;
}

const MANY_THUMBS = 200;

export class Store {
  constructor(readonly prefix: string) {}

  get<K extends keyof Kept>(name: K): Kept[K] | undefined {
    return read(() => localStorage, this.prefix + name) as Kept[K] | undefined;
  }

  set<K extends keyof Kept>(name: K, value: Kept[K]): void {
    write(() => localStorage, this.prefix + name, value);
  }

  /** Everything of this visitor, also what other tabs have not sent. */
  clear(): void {
    for (const key of keys(this.prefix)) if (!key.endsWith(":sound")) write(() => localStorage, key, undefined);
  }

  thumb(message: string, value: Thumb): void {
    const newest = Object.entries({ ...this.get("thumbs"), [message]: value }).slice(-MANY_THUMBS);
    this.set("thumbs", Object.fromEntries(newest));
  }

  /** Calls back with the name of what another tab has changed. */
  watch(changed: (name: string) => void): () => void {
    const listen = (event: StorageEvent) => {
      if (event.key?.startsWith(this.prefix)) changed(event.key.slice(this.prefix.length));
    };
    addEventListener("storage", listen);
    return () => removeEventListener("storage", listen);
  }

  /** A note of this tab alone, which survives a reload. */
  note(name: string, value?: string | null): string {
    if (value !== undefined) write(() => sessionStorage, this.prefix + name, value || undefined);
    return String(read(() => sessionStorage, this.prefix + name) ?? "");
  }
}

/** Each tab queues for itself, so that two tabs never both send what one of them wrote. A tab that is gone for good
 * leaves its queue to the next one. A message that is sent twice all the same has the same id, and is shown once. */
export class Queue {
  entries: Entry[] = [];
  private tab = "";

  constructor(private readonly store: Store) {}

  async open(): Promise<void> {
    this.tab = this.store.note("tab") || newId();
    if (!(await hold(this.name(this.tab)))) {
      this.tab = newId(); // a duplicated tab comes with its original's name
      await hold(this.name(this.tab));
    }
    this.store.note("tab", this.tab);
    const mine = this.stored(this.name(this.tab));
    const gone = await this.abandoned();
    this.entries = [...gone.flatMap((name) => this.stored(name)), ...mine].sort((one, two) => one.at - two.at);
    this.keep();
    for (const name of gone) write(() => localStorage, name, undefined);
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    this.keep();
  }

  take(id: string): Entry | undefined {
    const at = this.entries.findIndex((entry) => entry.client_msg_id === id);
    const found = at < 0 ? undefined : this.entries.splice(at, 1)[0];
    this.keep();
    return found;
  }

  /** The oldest that may be sent. */
  next(): Entry | undefined {
    return this.entries.find((entry) => !entry.failed);
  }

  keep(): void {
    write(() => localStorage, this.name(this.tab), this.entries.length ? this.entries : undefined);
  }

  private name(tab: string): string {
    return `${this.store.prefix}queue:${tab}`;
  }

  private stored(name: string): Entry[] {
    const found = read(() => localStorage, name);
    return Array.isArray(found) ? (found as Entry[]) : [];
  }

  private async abandoned(): Promise<string[]> {
    const others = keys(this.name("")).filter((name) => name !== this.name(this.tab));
    if (!others.length || !navigator.locks) return [];
    const held = new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
    return others.filter((name) => !held.has(name));
  }
}

/** Hold a name as long as this page lives. True where nobody else holds it, and where locks do not exist. */
function hold(name: string): Promise<boolean> {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => undefined);
      })
      .catch(() => resolve(true));
  });
}

/** Run alone among the tabs of this site. Locks exist on secure pages only; elsewhere tabs settle it afterwards. */
export function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks ? (navigator.locks.request(name, work) as Promise<T>) : work();
}

/** crypto.randomUUID exists on secure pages only; this exists everywhere. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keys(prefix: string): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  } catch {
    return [];
  }
}

function read(storage: () => Storage, key: string): unknown {
  try {
    return JSON.parse(storage().getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage: () => Storage, key: string, value: unknown): void {
  try {
    if (value === undefined) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
  } catch {
    // full or forbidden: what is kept in memory goes on
  }
}
