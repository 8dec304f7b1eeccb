// Small pieces of DOM. Text goes in as text; the server's HTML is walked once more before it is shown.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  send: "M3 20l18-8L3 4v6l12 2-12 2z",
  file: "M16 6v10a4 4 0 0 1-8 0V5a2.5 2.5 0 0 1 5 0v10a1 1 0 0 1-2 0V6h-1.5v9a2.5 2.5 0 0 0 5 0V5a4 4 0 0 0-8 0v11a5.5 5.5 0 0 0 11 0V6z",
  up: "M2 21h4V9H2zm20-11a2 2 0 0 0-2-2h-6.3l1-4.6v-.3a1.5 1.5 0 0 0-.5-1L13.2 1 6.6 7.6A2 2 0 0 0 6 9v10a2 2 0 0 0 2 2h9a2 2 0 0 0 1.8-1.2l3-7.1a2 2 0 0 0 .2-.7z",
  down: "M22 3h-4v12h4zM2 14a2 2 0 0 0 2 2h6.3l-1 4.6v.3c0 .4.2.8.5 1l1 1.1 6.6-6.6a2 2 0 0 0 .6-1.4V5a2 2 0 0 0-2-2H7a2 2 0 0 0-1.8 1.2l-3 7.1a2 2 0 0 0-.2.7z",
};
const KEPT = new Set(
  "P BR HR STRONG EM S CODE PRE BLOCKQUOTE UL OL LI A H1 H2 H3 H4 H5 H6 TABLE THEAD TBODY TR TH TD".split(" "),
);
const SAFE_LINK = /^(https?:|mailto:)/i;

/** An element with attributes and children; strings become text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Drawn here, because an emoji is an empty box where its font is missing.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick) {
  return el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick }, icon(name));
}

/** The server's HTML as nodes: only known elements, only safe links, nothing else. */
export function safeNodes(html) {
  const inert = new DOMParser().parseFromString(html, "text/html");
  const out = document.createDocumentFragment();
  out.append(...[...inert.body.childNodes].flatMap(copy));
  return out;
}

function copy(node) {
  if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const children = [...node.childNodes].flatMap(copy);
  if (!KEPT.has(node.tagName)) return children;
  const kept = document.createElement(node.tagName);
  const href = node.getAttribute("href");
  if (node.tagName === "A" && SAFE_LINK.test(href || "")) link(kept, href);
  if (node.tagName === "OL" && node.start > 1) kept.start = node.start;
  kept.append(...children);
  return [kept];
}

export function link(anchor, href) {
  anchor.href = href;
  anchor.target = "_blank";
  anchor.rel = "noopener nofollow";
  return anchor;
}

export function isSafeLink(href) {
  return SAFE_LINK.test(href || "");
}
