// Every word the widget says by itself, in English. Other languages are in ../locales and come with the theme.

const en = {
  open: "Open chat",
  unread: "{n} unread",
  close: "Close chat",
  chatWith: "Chat with {name}",
  conversation: "Conversation",
  assistant: "AI assistant",
  waiting: "Waiting for a person",
  withPerson: "{name} is with you",
  aPerson: "A colleague",
  askPerson: "Talk to a person",
  askPersonText: "I would like to talk to a person.",
  asked: "A person has been asked. You can keep writing.",
  message: "Your message",
  placeholder: "Write a message",
  send: "Send",
  attach: "Attach a file",
  dropHere: "Drop files here",
  remove: "Remove {name}",
  uploading: "{name}: {n} % uploaded",
  uploadFirst: "A file is still being uploaded.",
  tooMany: "At most 10 files in one message",
  tooLarge: "larger than {n} MB",
  badType: "this kind of file is not accepted",
  uploadFailed: "could not be uploaded",
  empty: "the file is empty",
  lost: "Connection lost. Trying again …",
  back: "Connected again.",
  refused: "The chat is not available here.",
  sending: "Sending",
  accepted: "Sent",
  delivered: "Delivered",
  read: "Seen",
  failed: "Not sent",
  undelivered: "Could not be delivered",
  retry: "Retry",
  tooFast: "Too many messages at once. It will be sent in a moment.",
  tooMuch: "You have reached today's limit. Please try again tomorrow.",
  expired: "Your sign-in has expired. Please reload this page.",
  typing: "{name} is typing",
  sources: "Sources",
  source: "Source {n}: {title}",
  openSource: "Open the source",
  choose: "Choose an answer",
  helpful: "This helped",
  unhelpful: "This did not help",
  thanks: "Thank you for telling us.",
  why: "What was missing? (optional)",
  submit: "Submit",
  earlier: "Earlier messages",
  newest: "Newest messages",
  transcribed: "Transcribed automatically",
  deleted: "This message was deleted.",
  soundOn: "Sound on",
  soundOff: "Sound off",
  you: "You",
};

export type Key = keyof typeof en;
export type Table = Record<Key, string>;

const RIGHT_TO_LEFT = /^(ar|fa|he|ur|ps|sd|ug|yi|dv|ckb)\b/i;

export interface Words {
  locale: string;
  dir: "ltr" | "rtl";
  (key: Key, values?: Record<string, string | number>): string;
}

/** The words of a locale such as "de-AT", from the table that the server has for it. Without one, or where it lacks a
 * key, English is said, in the direction of English. */
export function words(locale: string, served: Partial<Table> = {}): Words {
  const known = /^en\b/i.test(locale) || Object.keys(served).length > 0;
  const table: Table = { ...en, ...served };
  const say = (key: Key, values: Record<string, string | number> = {}) =>
    table[key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
  return Object.assign(say, {
    locale: known ? locale.replace("_", "-") : "en",
    dir: known && RIGHT_TO_LEFT.test(locale) ? ("rtl" as const) : ("ltr" as const),
  });
}
