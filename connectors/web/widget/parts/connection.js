// One visitor's line to the server: session, socket, and a queue of what was not acknowledged yet.
// A message leaves the queue only with its ack. It is sent again with the same id, so the server shows it once.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const ACK_WAIT = 5_000;

export class Connection extends EventTarget {
  constructor({ base, tenant, account, locale, identity }) {
    super();
    this.chat = new URL(`v1/chat/${encodeURIComponent(tenant)}/`, base);
    this.account = account;
    this.locale = locale;
    this.identity = identity;
    this.key = `parley:${this.chat.href}:${account}`;
    this.waits = 0;
    this.lastSeq = 0;
    this.readSeq = 0;
    this.stopped = false;
    // A queue of this tab alone: two tabs must not both send what one of them wrote.
    this.queue = stored(sessionStorage, `${this.key}:queue`) || [];
  }

  start() {
    this.stopped = false;
    for (const entry of this.queue) this.tell("queued", entry);
    this.connect();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.ackTimer);
    this.socket?.close();
  }

  forget() {
    this.stop();
    drop(localStorage, this.key);
    drop(sessionStorage, `${this.key}:queue`);
    this.queue = [];
    this.lastSeq = this.readSeq = 0;
    this.identity = "";
    this.tell("forgotten");
    this.start();
  }

  /** @param {{text: string, choice?: object, attachments?: string[], files?: object[]}} said */
  say(said) {
    const entry = { client_msg_id: newId(), at: Date.now(), ...said };
    this.queue.push(entry);
    this.keep();
    this.tell("queued", entry);
    this.flush();
  }

  /** Send again what was refused. */
  retry(entry) {
    if (!this.queue.some((waiting) => waiting.client_msg_id === entry.client_msg_id)) this.queue.push(entry);
    this.keep();
    this.flush();
  }

  typing() {
    if (Date.now() - (this.typedAt || 0) > 2_000) {
      this.typedAt = Date.now();
      this.put({ type: "typing" });
    }
  }

  read(seq) {
    if (seq > this.readSeq && this.put({ type: "read", seq })) this.readSeq = seq;
  }

  feedback({ message_id, value }) {
    this.put({ type: "feedback", message_id, value });
  }

  async upload(file) {
    const form = new FormData();
    form.append("file", file);
    const headers = { Authorization: `Bearer ${this.token}` };
    const answer = await fetch(new URL("attachments", this.chat), { method: "POST", body: form, headers });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error?.message || "The file could not be sent");
    return body;
  }

  async connect() {
    this.tell("status", { state: this.waits ? "reconnecting" : "connecting" });
    try {
      await this.session();
    } catch (error) {
      if (error.final) return this.tell("status", { state: "refused", message: error.message });
      return this.later();
    }
    if (!this.stopped) this.open();
  }

  async session() {
    const before = stored(localStorage, this.key) || {};
    const body = { account: this.account };
    if (before.visitor_token) body.visitor_token = before.visitor_token;
    if (this.identity) body.identity = this.identity;
    if (/^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$/.test(this.locale)) body.locale = this.locale;
    const headers = { "Content-Type": "application/json" };
    const url = new URL("sessions", this.chat);
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body), headers });
    if (answer.status === 401 && before.visitor_token) {
      // Expired, or of an installation that was set up anew: begin again without it.
      drop(localStorage, this.key);
      return this.session();
    }
    const got = await answer.json();
    if (!answer.ok) {
      const error = new Error(got.error?.message || "The chat cannot be reached");
      error.final = !got.error?.retryable;
      throw error;
    }
    if (before.conversation_id && before.conversation_id !== got.conversation_id) {
      this.lastSeq = this.readSeq = 0;
      this.tell("forgotten");
    }
    this.token = got.visitor_token;
    keep(localStorage, this.key, { visitor_token: got.visitor_token, conversation_id: got.conversation_id });
  }

  open() {
    const url = new URL("socket", this.chat);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    this.welcomed = false;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "hello", token: this.token, last_seq: this.lastSeq }));
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      clearTimeout(this.ackTimer);
      this.welcomed = false;
      this.inFlight = null;
      if (event.code === 4403) return this.tell("status", { state: "refused", message: "This site may not use the chat." });
      this.later();
    };
  }

  later() {
    if (this.stopped) return;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.waits++);
    this.tell("status", { state: "reconnecting" });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), wait * (0.5 + Math.random()));
  }

  take(frame) {
    switch (frame.type) {
      case "welcome":
        this.waits = 0;
        this.welcomed = true;
        this.inFlight = null;
        this.tell("status", { state: "open" });
        return this.flush();
      case "ack":
        return this.settle(frame.client_msg_id, (entry) => this.tell("acked", { entry, ack: frame }));
      case "error":
        return this.refused(frame);
      case "message":
        // The server sends in order; what was seen before is a repeat.
        if (frame.message.seq <= this.lastSeq) return;
        this.lastSeq = frame.message.seq;
        return this.tell("message", frame.message);
      default:
        this.tell(frame.type, frame);
    }
  }

  refused({ error, client_msg_id }) {
    if (!client_msg_id) return;
    if (error.retryable) {
      this.inFlight = null;
      clearTimeout(this.ackTimer);
      setTimeout(() => this.flush(), error.retry_after_ms || 2_000);
      return;
    }
    this.settle(client_msg_id, (entry) => this.tell("failed", { entry, error }));
  }

  settle(clientId, tell) {
    const at = this.queue.findIndex((entry) => entry.client_msg_id === clientId);
    clearTimeout(this.ackTimer);
    this.inFlight = null;
    if (at >= 0) tell(this.queue.splice(at, 1)[0]);
    this.keep();
    this.flush();
  }

  /** One at a time, so that order holds and a long queue is no flood. */
  flush() {
    if (!this.welcomed || this.inFlight || !this.queue.length) return;
    const { client_msg_id, text, attachments, choice } = this.queue[0];
    this.inFlight = client_msg_id;
    this.put({ type: "message", client_msg_id, text, ...(attachments && { attachments }), ...(choice && { choice }) });
    // A socket can be dead without saying so: no ack in time means a new one.
    this.ackTimer = setTimeout(() => this.socket?.close(), ACK_WAIT);
  }

  put(frame) {
    if (!this.welcomed || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  keep() {
    keep(sessionStorage, `${this.key}:queue`, this.queue);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// crypto.randomUUID exists only on https pages; this exists everywhere.
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Storage may be full or forbidden; the chat then works until the page is left.
function stored(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

function keep(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    return;
  }
}

function drop(storage, key) {
  try {
    storage.removeItem(key);
  } catch {
    return;
  }
}
