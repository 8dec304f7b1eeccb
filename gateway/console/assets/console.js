// What the console's pages can do beyond links and forms, which work without this file: parts that change by themselves,
// times as people say them, keys. Markup comes from the server alone, which has escaped it.
"use strict";

const LOOK_AGAIN = 2000;
const LONGEST_PAUSE = 30000;
const trusted = globalThis.trustedTypes?.createPolicy("parley-console", { createHTML: (text) => text });
const announcer = document.getElementById("announcer");

// Times

const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function length(seconds) {
  for (const [unit, size] of units) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}${seconds >= 2 * size ? "s" : ""}`;
  }
  return "less than a minute";
}

function ago(seconds) {
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(-Math.trunc(seconds / size), unit);
  }
  return seconds < 0 ? "in a moment" : "just now";
}

function tellTimes(root = document) {
  for (const node of root.querySelectorAll("time")) {
    const at = new Date(node.dateTime);
    const seconds = (Date.now() - at) / 1000;
    const waits = "wait" in node.dataset;
    const late = Boolean(node.dataset.due) && Date.now() > new Date(node.dataset.due);
    const told = "at" in node.dataset ? absolute.format(at) : ago(seconds);
    const text = waits ? length(Math.max(0, seconds)) + (late ? ", late" : "") : told;
    if (waits) {
      node.previousSibling.textContent = "waits ";
      node.classList.toggle("late", late);
    }
    if (node.textContent !== text) node.textContent = text;
    node.title = absolute.format(at);
  }
}

// Parts that change by themselves

function replace(live, html) {
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && keyOf(focused);
  const open = [...live.querySelectorAll("details[open][id]")].map((node) => node.id);
  const before = live.querySelector("[data-told]")?.dataset.told;
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  const page = new DOMParser().parseFromString(trusted ? trusted.createHTML(html) : html, "text/html");
  live.replaceChildren(...page.body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (place) [...live.querySelectorAll("a, button, summary")].find((node) => keyOf(node) === place)?.focus();
  tellTimes(live);
  find();
  mayAnswer(live);
  const told = live.querySelector("[data-told]")?.dataset.told;
  if (told && told !== before) announcer.textContent = told;
  if (atEnd && live.querySelector(".transcript")) scrollTo(0, document.documentElement.scrollHeight);
}

function keyOf(node) {
  return node.id || node.closest("[id]")?.id + node.localName + (node.value ?? "") + node.textContent;
}

async function follow(live) {
  let pause = LOOK_AGAIN;
  for (;;) {
    try {
      const answer = await fetch(live.dataset.live, { headers: { "X-Parley-Seen": live.dataset.seen } });
      if (answer.status === 401) return signedOut();
      if (answer.status === 200) {
        replace(live, await answer.text());
        live.dataset.seen = answer.headers.get("X-Parley-Tag");
      }
      if (answer.status < 300) {
        if (pause > LOOK_AGAIN) announcer.textContent = "Connected again.";
        pause = LOOK_AGAIN;
        if (answer.status === 200 || !document.hidden) continue;
      } else {
        pause = Math.min(2 * pause, LONGEST_PAUSE);
      }
    } catch {
      // The server is away; what is shown may be old.
      if (pause === LOOK_AGAIN) announcer.textContent = "The connection is lost; trying again.";
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

function signedOut() {
  // What somebody was typing stays on the page.
  const typed = document.getElementById("reply")?.value;
  if (typed) announcer.textContent = "You are signed out.";
  else location.assign("/console?" + new URLSearchParams({ next: location.pathname + location.search }));
}

// Keys

function move(event) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  const row = event.target.closest?.(".talks a");
  if (!step || !row || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = [...document.querySelectorAll(".talks li:not([hidden]) a")];
  rows[rows.indexOf(row) + step]?.focus();
  event.preventDefault();
}

function send(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.localName === "textarea") {
    event.target.form.requestSubmit();
  }
}

function find() {
  const field = document.getElementById("find");
  const wanted = field?.value.trim().toLowerCase() ?? "";
  for (const row of document.querySelectorAll(".talks li")) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
  }
}

// Forms

function submitted(event) {
  // A second click must not send it twice. Later, so that the pressed button's own value is still sent.
  const buttons = event.target.querySelectorAll("button");
  setTimeout(() => buttons.forEach((button) => (button.disabled = true)));
}

function shown() {
  // The page may come back as the browser kept it.
  document.querySelectorAll("button:disabled").forEach((button) => (button.disabled = false));
  mayAnswer(document);
}

function mayAnswer(live) {
  // While a colleague has the conversation nothing can be sent; what is typed stays.
  const button = document.querySelector(".composer > button");
  if (!button || !live.querySelector(".transcript, .holding")) return;
  button.disabled = live.querySelector("#taken") !== null;
}

function checkAll(box) {
  box.closest("label").hidden = false;
  const others = [...document.querySelectorAll("input[name=letter]")];
  box.checked = others.every((other) => other.checked);
  box.addEventListener("change", () => others.forEach((other) => (other.checked = box.checked)));
}

async function comeBack(main) {
  // Whoever follows a link from elsewhere is signed in, but their cookie was held back.
  const answer = await fetch("/console/session");
  if (answer.status === 204) location.replace(main.dataset.return);
}

tellTimes();
setInterval(tellTimes, 15000);
document.addEventListener("keydown", move);
document.addEventListener("keydown", send);
document.addEventListener("submit", submitted);
addEventListener("pageshow", shown);

const field = document.getElementById("find");
if (field) {
  field.closest("label").hidden = false;
  field.addEventListener("input", find);
}
const every = document.getElementById("every");
if (every) checkAll(every);
const returning = document.querySelector("main[data-return]");
if (returning && !document.querySelector("[role=alert]")) comeBack(returning);
for (const live of document.querySelectorAll("[data-live]")) {
  if (live.querySelector(".transcript")) scrollTo(0, document.documentElement.scrollHeight);
  mayAnswer(live);
  follow(live);
}
