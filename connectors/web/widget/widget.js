// The Parley chat as a custom element: <parley-chat tenant="…" account="main" name="…" greeting="…" color="#2f6f4f">.
// On another site: <script type="module" src="https://support.example.com/widget.js"></script> and the element.
// A signed-in visitor: element.identity = "<JWT>" before it is attached. Leaving: element.forget().
// Nothing is fetched from anywhere but the host that served this file.

import { Connection } from "./widget/connection.js";
import { View } from "./widget/view.js";

const HERE = new URL(".", import.meta.url);

class ParleyChat extends HTMLElement {
  connectedCallback() {
    if (this.connection) return;
    const setting = (name, other) => this.getAttribute(name) || other;
    const connection = new Connection({
      base: HERE,
      tenant: setting("tenant", ""),
      account: setting("account", "main"),
      locale: document.documentElement.lang || "",
      identity: this.identity || this.getAttribute("identity") || "",
    });
    const root = this.shadowRoot || this.attachShadow({ mode: "open" });
    const view = new View(root, {
      stylesheet: new URL("widget.css", HERE),
      name: setting("name", "Chat"),
      greeting: setting("greeting", ""),
    });
    if (/^#[0-9a-f]{6}$/i.test(setting("color", ""))) this.style.setProperty("--parley-color", setting("color", ""));
    this.connection = connection;
    join(connection, view);
    connection.start();
  }

  disconnectedCallback() {
    this.connection?.stop();
    this.connection = null;
    this.shadowRoot?.replaceChildren();
  }

  /** Forget the visitor on this device, for example when they sign out of the site. */
  forget() {
    this.connection?.forget();
  }
}

/** The view shows what the connection tells; the connection does what the view asks for. */
function join(connection, view) {
  const on = (name, act) => connection.addEventListener(name, (event) => act(event.detail));
  on("status", (status) => view.status(status));
  on("queued", (entry) => view.queued(entry));
  on("acked", ({ entry, ack }) => view.acked(entry, ack));
  on("failed", ({ entry, error }) => view.failed(entry, error));
  on("message", (message) => {
    view.message(message);
    if (message.author.kind !== "contact" && document.visibilityState === "visible") connection.read(message.seq);
  });
  on("delta", (frame) => view.delta(frame));
  on("abort", (frame) => view.abort(frame));
  on("typing", (frame) => view.typing(frame.author));
  on("receipt", (frame) => view.receipt(frame));
  on("forgotten", () => view.clear());

  view.addEventListener("say", (event) => connection.say(event.detail));
  view.addEventListener("retry", (event) => connection.retry(event.detail));
  view.addEventListener("typing", () => connection.typing());
  view.addEventListener("feedback", (event) => connection.feedback(event.detail));
  view.addEventListener("upload", async (event) => {
    const { file, done, fail } = event.detail;
    try {
      done(await connection.upload(file));
    } catch (error) {
      fail(error.message);
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") connection.read(view.lastSeq);
  });
}

if (!customElements.get("parley-chat")) customElements.define("parley-chat", ParleyChat);
