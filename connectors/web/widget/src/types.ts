// What goes over the wire (docs/widget.md, the chat protocol), and what waits to be sent.

export interface Author {
  kind: "contact" | "agent" | "person" | "system";
  name: string;
}

export interface Citation {
  n: number;
  document: string;
  title: string;
  url: string;
  quote: string;
}

export interface Choice {
  id: string;
  label: string;
}

export interface Stored {
  id: string;
  name: string;
  type: string;
  size: number;
  url?: string;
  /** The transcription of a voice note; its text is also part of the message's text. */
  speech?: { text: string; language: string; problem: string };
}

export interface ChatMessage {
  seq: number;
  id: string;
  author: Author;
  text: string;
  html: string;
  citations: Citation[];
  choices: Choice[];
  attachments: Stored[];
  created_at: string;
  in_reply_to: string | null;
  state: string;
}

/** A message of the visitor that the server has not acknowledged. `failed` holds the code of a final refusal. */
export interface Entry {
  client_msg_id: string;
  at: number;
  text: string;
  files?: Stored[];
  choice?: { in_reply_to: string; id: string };
  failed?: string;
}

export interface Problem {
  code: string;
  message: string;
  retryable: boolean;
  retry_after_ms?: number;
}

export type Said = Pick<Entry, "text" | "files" | "choice">;
export type Status = "idle" | "connecting" | "open" | "lost" | "refused";
export type Thumb = "up" | "down";
/** Who speaks for the other side: the agent, nobody yet (a person was asked), or a person. */
export type Presence = { kind: "agent" | "asked" | "person"; name: string };

export interface Theme {
  name: string;
  color: string;
  logo: string;
  greeting: string;
  position: "left" | "right";
  locale: string;
  words: Record<string, string>;
  max_file_size: number;
}
