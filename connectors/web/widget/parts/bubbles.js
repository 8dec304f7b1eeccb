// The lines of the conversation.

import { el, iconButton, isSafeLink, link, safeNodes } from "./dom.js";

/** A message of the transcript. */
export function bubble(message, { choose, rate }) {
  const { author } = message;
  const line = el("li", { class: `line ${author.kind}`, "data-id": message.id });
  if (author.kind !== "contact" && author.name) line.append(el("p", { class: "author" }, author.name));
  const text = el("div", { class: "text" });
  text.append(safeNodes(message.html));
  line.append(text);
  if (message.attachments.length) line.append(files(message.attachments));
  if (message.citations.length) line.append(sources(message.citations));
  if (message.choices.length) line.append(choices(message.choices, choose));
  const foot = el("p", { class: "foot" }, el("span", { class: "state" }, word(message)), clock(message.created_at));
  if (author.kind === "agent") foot.append(thumbs(rate));
  line.append(foot);
  return line;
}

/** What the visitor just wrote and the server has not acknowledged yet. */
export function own(entry) {
  const text = el("div", { class: "text" }, el("p", { class: "typed" }, entry.text));
  const line = el("li", { class: "line contact waiting", "data-client": entry.client_msg_id }, text);
  for (const file of entry.files || []) line.append(el("p", { class: "file" }, file.name));
  line.append(el("p", { class: "foot" }, el("span", { class: "state" }, "Sending …")));
  return line;
}

/** An answer that is still being written; plain text until the message itself comes. */
export function drafted() {
  return el("li", { class: "line agent draft" }, el("div", { class: "text typed" }));
}

function word({ author, state }) {
  if (state === "failed") return "Could not be delivered";
  return author.kind === "contact" ? "Sent" : "";
}

function clock(at) {
  const shown = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return el("time", { datetime: at }, shown);
}

function sources(citations) {
  const list = el("ol", { class: "sources", "aria-label": "Sources" });
  for (const { n, title, url, quote } of citations) {
    const name = isSafeLink(url) ? link(el("a", {}, title), url) : el("span", {}, title);
    list.append(el("li", { value: String(n) }, el("details", {}, el("summary", {}, `[${n}] `, name), el("q", {}, quote))));
  }
  return list;
}

function choices(offered, choose) {
  const box = el("div", { class: "choices", role: "group", "aria-label": "Choose an answer" });
  for (const choice of offered) {
    const pick = () => {
      box.remove();
      choose(choice);
    };
    box.append(el("button", { type: "button", onclick: pick }, choice.label));
  }
  return box;
}

function files(attachments) {
  const box = el("div", { class: "files" });
  for (const { name, type, url, size } of attachments) {
    const anchor = el("a", { href: url, target: "_blank", rel: "noopener" });
    if (/^image\/(png|jpeg|gif|webp)$/.test(type)) anchor.append(el("img", { src: url, alt: name, loading: "lazy" }));
    else anchor.append(`${name} (${Math.max(1, Math.round(size / 1024))} KB)`);
    box.append(anchor);
  }
  return box;
}

function thumbs(rate) {
  const box = el("span", { class: "thumbs" });
  const button = (value, label) =>
    iconButton(value, label, (event) => {
      rate(value);
      box.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
      event.currentTarget.setAttribute("aria-pressed", "true");
    });
  box.append(button("up", "This helped"), button("down", "This did not help"));
  return box;
}
