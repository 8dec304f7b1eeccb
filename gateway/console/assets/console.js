// Additions to the console's links and forms, which work without this file: live updates, relative times and keyboard
// shortcuts. All markup comes from the server, which has escaped it.
"use strict";

const POLL_EVERY = 2000;
const MAX_PAUSE = 30000;
const trusted = globalThis.trustedTypes?.createPolicy("parley-console", { createHTML: (text) => text });
const announcer = document.getElementById("announcer");

// Times

const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function formatDuration(seconds) {
  for (const [unit, size] of units) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}${seconds >= 2 * size ? "s" : ""}`;
  }
  return "less than a minute";
}

function formatAge(seconds) {
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(-Math.trunc(seconds / size), unit);
  }
  return seconds < 0 ? "in a moment" : "just now";
}

function updateTimes(root = document) {
  for (const node of root.querySelectorAll("time")) {
    const at = new Date(node.dateTime);
    const seconds = (Date.now() - at) / 1000;
    const isWait = "wait" in node.dataset;
    const isLate = Boolean(node.dataset.due) && Date.now() > new Date(node.dataset.due);
    const moment = "at" in node.dataset ? absolute.format(at) : formatAge(seconds);
    const text = isWait ? formatDuration(Math.max(0, seconds)) + (isLate ? ", late" : "") : moment;
    if (isWait) {
      node.previousSibling.textContent = "waiting ";
      node.classList.toggle("late", isLate);
    }
    if (node.textContent !== text) node.textContent = text;
    node.title = absolute.format(at);
  }
}

// Live updates

function replace(live, html) {
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const focusKey = focused && keyOf(focused);
  const open = [...live.querySelectorAll("details[open][id]")].map((node) => node.id);
  const previous = live.querySelector("[data-announce]")?.dataset.announce;
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  const page = new DOMParser().parseFromString(trusted ? trusted.createHTML(html) : html, "text/html");
  live.replaceChildren(...page.body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focusKey) [...live.querySelectorAll("a, button, summary")].find((node) => keyOf(node) === focusKey)?.focus();
  updateTimes(live);
  filterRows();
  updateSendButton(live);
  const news = live.querySelector("[data-announce]")?.dataset.announce;
  if (news && news !== previous) announcer.textContent = news;
  if (atEnd && live.querySelector(".transcript")) scrollTo(0, document.documentElement.scrollHeight);
}

function keyOf(node) {
  return node.id || node.closest("[id]")?.id + node.localName + (node.value ?? "") + node.textContent;
}

async function pollUpdates(live) {
  let pause = POLL_EVERY;
  for (;;) {
    try {
      const response = await fetch(live.dataset.live, { headers: { "X-Parley-Seen": live.dataset.seen } });
      if (response.status === 401) return handleSignOut();
      if (response.status === 200) {
        replace(live, await response.text());
        live.dataset.seen = response.headers.get("X-Parley-Tag");
      }
      if (response.status < 300) {
        if (pause > POLL_EVERY) announcer.textContent = "Connected again.";
        pause = POLL_EVERY;
        if (response.status === 200 || !document.hidden) continue;
      } else {
        pause = Math.min(2 * pause, MAX_PAUSE);
      }
    } catch {
      // The server is not reachable, so the page may be out of date.
      if (pause === POLL_EVERY) announcer.textContent = "The connection is lost. Trying again.";
      pause = Math.min(2 * pause, MAX_PAUSE);
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

function handleSignOut() {
  // To go elsewhere would cancel the form, such as "Sign out", and its answer deletes the cookie.
  if (isSending) return;
  // A page with an unsent reply stays as it is.
  const typed = document.getElementById("reply")?.value;
  if (typed) announcer.textContent = "You are signed out.";
  else location.assign("/console?" + new URLSearchParams({ next: location.pathname + location.search }));
}

// Keyboard shortcuts

function moveBetweenRows(event) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  const row = event.target.closest?.(".talks a");
  // The letters also work while nothing has the focus: they begin with the first row.
  const isFree = event.target === document.body && event.key.length === 1;
  if (!step || !(row || isFree) || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = [...document.querySelectorAll(".talks li:not([hidden]) a")];
  rows[row ? rows.indexOf(row) + step : 0]?.focus();
  if (rows.length) event.preventDefault();
}

function sendByKey(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.localName === "textarea") {
    event.target.form.requestSubmit();
  }
}

function filterRows() {
  const field = document.getElementById("find");
  const text = field?.value.trim().toLowerCase() ?? "";
  for (const row of document.querySelectorAll(".talks li")) {
    row.hidden = text !== "" && !row.textContent.toLowerCase().includes(text);
  }
}

// Forms

let isSending = false;

function disableButtons(event) {
  isSending = true;
  // A second click must not send the form twice. Deferred, so that the value of the clicked button is still sent.
  const buttons = event.target.querySelectorAll("button");
  setTimeout(() => buttons.forEach((button) => (button.disabled = true)));
}

function enableButtons() {
  // The browser may restore the page from its cache.
  isSending = false;
  document.querySelectorAll("button:disabled").forEach((button) => (button.disabled = false));
  updateSendButton(document);
}

function updateSendButton(live) {
  // While a colleague has the conversation, nothing can be sent. A draft stays in the field.
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

async function returnIfSignedIn(main) {
  // After a link from another site, the browser did not send the cookie of an operator who is signed in.
  const response = await fetch("/console/session");
  if (response.status === 204) location.replace(main.dataset.return);
}

updateTimes();
setInterval(updateTimes, 15000);
document.addEventListener("keydown", moveBetweenRows);
document.addEventListener("keydown", sendByKey);
document.addEventListener("submit", disableButtons);
addEventListener("pageshow", enableButtons);

const field = document.getElementById("find");
if (field) {
  field.closest("label").hidden = false;
  field.addEventListener("input", filterRows);
}
const selectAll = document.getElementById("every");
if (selectAll) checkAll(selectAll);
const returning = document.querySelector("main[data-return]");
if (returning && !document.querySelector("[role=alert]")) returnIfSignedIn(returning);
for (const live of document.querySelectorAll("[data-live]")) {
  if (live.querySelector(".transcript")) scrollTo(0, document.documentElement.scrollHeight);
  updateSendButton(live);
  pollUpdates(live);
}
