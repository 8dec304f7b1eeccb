// The round button in the corner, its badge, and the count in the page's title.

import { el, icon, unseen } from "./dom";
import type { Words } from "./strings";
import type { Theme } from "./types";

const COUNTED = /^\(\d+\+?\) /;
const MOST = 9;

export class Launcher {
  readonly node: HTMLButtonElement;
  private readonly badge = el("span", { class: "badge", hidden: true });
  private count = 0;

  constructor(
    theme: Theme,
    private readonly say: Words,
    toggle: () => void,
  ) {
    this.node = el(
      "button",
      { type: "button", class: "launcher", part: "launcher", title: theme.name, onclick: toggle },
      icon("chat"),
      icon("down"),
      this.badge,
    );
    this.opened(false);
  }

  opened(open: boolean): void {
    this.node.setAttribute("aria-expanded", String(open));
    this.label(open);
  }

  /** True when the count has changed. */
  unread(count: number): boolean {
    if (count === this.count) return false;
    this.count = count;
    const shown = count > MOST ? `${MOST}+` : String(count);
    this.badge.hidden = !count;
    this.badge.replaceChildren(shown, unseen(` ${this.say("unread", { n: "" }).trim()}`));
    this.label(this.node.getAttribute("aria-expanded") === "true");
    const title = document.title.replace(COUNTED, "");
    document.title = count ? `(${shown}) ${title}` : title;
    return true;
  }

  private label(open: boolean): void {
    const label = this.say(open ? "close" : "open");
    this.node.setAttribute("aria-label", this.count ? `${label}, ${this.say("unread", { n: this.count })}` : label);
  }
}
