// What of the page and the device the chat follows: the colour scheme, the size, the keyboard, whether it is looked at.

import { DARK, PHONE } from "./looks";
import type { Store } from "./store";

export interface Follows {
  scheme(): void;
  size(): void;
  keyboard(): void;
  looked(): void;
  /** Another tab has changed what is kept under this name. */
  otherTab(name: string): void;
  readonly store?: Store;
}

/** Until what is returned is called. */
export function follow(chat: Follows): () => void {
  const undo: (() => void)[] = [];
  const listen = (target: EventTarget | null, name: string, act: () => void) => {
    target?.addEventListener(name, act);
    undo.push(() => target?.removeEventListener(name, act));
  };
  listen(matchMedia(DARK), "change", () => chat.scheme());
  listen(matchMedia(PHONE), "change", () => chat.size());
  listen(document, "visibilitychange", () => chat.looked());
  listen(window.visualViewport, "resize", () => chat.keyboard());
  listen(window.visualViewport, "scroll", () => chat.keyboard());
  if (chat.store) undo.push(chat.store.watch((name) => chat.otherTab(name)));
  return () => undo.forEach((act) => act());
}
