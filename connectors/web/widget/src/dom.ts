// Small pieces of DOM. Text goes in as text; the server's HTML is walked once more before it is shown.

import { PATHS, type IconName } from "./icons";

const SVG = "http://www.w3.org/2000/svg";
const KEPT = new Set(
  "P BR HR STRONG EM S CODE PRE BLOCKQUOTE UL OL LI A H1 H2 H3 H4 H5 H6 TABLE THEAD TBODY TR TH TD".split(" "),
);
const WEB_LINK = /^https?:\/\//i;
const ANY_LINK = /^(https?:\/\/|mailto:)/i;

type Value = string | number | boolean | null | undefined | ((event: never) => void);
type Child = Node | string | null | undefined | false;

/** An element with attributes, listeners (`on…`) and children; strings become text. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child): child is Node | string => child != null && child !== false));
  return node;
}

/** Drawn here, because an emoji is an empty box where its font is missing. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `i i-${name}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name: IconName, label: string, onclick: (event: MouseEvent) => void, kind = ""): HTMLButtonElement {
  return el("button", { type: "button", class: `icon ${kind}`, "aria-label": label, title: label, onclick }, icon(name));
}

/** Words for screen readers only. */
export function unseen(text: string): HTMLSpanElement {
  return el("span", { class: "unseen" }, text);
}

/** `href` when it leads to a web page, else "". */
export function webLink(href: string): string {
  return WEB_LINK.test(href) ? href : "";
}

export function anchor(href: string, ...children: Child[]): HTMLAnchorElement {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

// Pages that require Trusted Types name this one policy; what it lets through is walked below and never inserted itself.
const policy = (() => {
  try {
    const types = (window as unknown as { trustedTypes?: { createPolicy(name: string, rules: object): { createHTML(text: string): string } } })
      .trustedTypes;
    return types?.createPolicy("parley-chat", { createHTML: (text: string) => text });
  } catch {
    return undefined;
  }
})();

/** The server's HTML as nodes: only known elements, only safe links, nothing else. `mark` may turn text into nodes. */
export function safeNodes(html: string, mark: (text: string) => Child[] = (text) => [text]): DocumentFragment {
  const inert = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
  const out = document.createDocumentFragment();
  out.append(...[...inert.body.childNodes].flatMap((node) => copy(node, mark)));
  return out;
}

function copy(node: Node, mark: (text: string) => Child[]): (Node | string)[] {
  if (node instanceof Text) return mark(node.data) as (Node | string)[];
  if (!(node instanceof Element)) return [];
  const verbatim = node.tagName === "CODE" || node.tagName === "A";
  const children = [...node.childNodes].flatMap((child) => copy(child, verbatim ? (text) => [text] : mark));
  if (!KEPT.has(node.tagName)) return children;
  const href = node.getAttribute("href") ?? "";
  if (node.tagName === "A") return ANY_LINK.test(href) ? [anchor(href, ...children)] : children;
  const kept = document.createElement(node.tagName);
  if (node instanceof HTMLOListElement && node.start > 1) (kept as HTMLOListElement).start = node.start;
  kept.append(...children);
  // Wide pieces scroll by themselves, and what scrolls must be reachable by keyboard.
  return kept.tagName === "TABLE" || kept.tagName === "PRE" ? [el("div", { class: "wide", tabindex: 0 }, kept)] : [kept];
}
