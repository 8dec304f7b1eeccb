// Where the visitor writes and adds files. A file is uploaded first; the message then names it.

import { el, icon, iconButton } from "./dom";
import { bytes } from "./lines";
import { Refusal } from "./session";
import type { Key, Words } from "./strings";
import type { Problem, Said, Stored } from "./types";

const TALLEST = 132; // pixels
const MOST_FILES = 10;
const LONG = 600_000;

/** Which limit was reached: that of a minute, or that of a day. */
export function limit(problem: Problem): Key {
  return (problem.retry_after_ms ?? 0) > LONG ? "tooMuch" : "tooFast";
}

/** Why a file of a size that is allowed was refused. */
function reason(problem: Problem): Key {
  if (problem.code === "unsupported_media_type") return "badType";
  return problem.code === "rate_limited" ? limit(problem) : "uploadFailed";
}

export interface Sends {
  say(said: Said): void;
  typing(): void;
  tell(text: string): void;
  upload(file: File, progress: (part: number) => void, abort: AbortSignal): Promise<Stored>;
  note(text?: string): string;
  readonly maxFileSize: number;
}

interface Chip {
  node: HTMLLIElement;
  stored?: Stored;
  busy: boolean;
}

export class Composer {
  readonly node: HTMLElement;
  readonly input: HTMLTextAreaElement;
  private readonly list: HTMLUListElement;
  private chips: Chip[] = [];

  constructor(
    private readonly say: Words,
    private readonly sends: Sends,
    ask: HTMLElement,
  ) {
    const picker = el("input", { type: "file", multiple: true, class: "unseen", tabindex: -1, "aria-hidden": "true" });
    picker.addEventListener("change", () => {
      this.add(picker.files ?? []);
      picker.value = "";
    });
    this.list = el("ul", { class: "chips" });
    this.input = el("textarea", {
      rows: 1,
      maxlength: 8000,
      dir: "auto",
      "aria-label": say("message"),
      placeholder: say("placeholder"),
      enterkeyhint: "send",
      oninput: () => this.typed(),
      onkeydown: (event: KeyboardEvent) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit(event);
      },
      onpaste: (event: ClipboardEvent) => {
        const pasted = event.clipboardData?.files;
        if (!pasted?.length) return;
        event.preventDefault();
        this.add(pasted);
      },
    });
    this.input.value = sends.note();
    this.node = el(
      "form",
      { class: "composer", onsubmit: (event: Event) => this.submit(event) },
      ask,
      this.list,
      el(
        "div",
        { class: "field" },
        iconButton("clip", say("attach"), () => picker.click()),
        picker,
        this.input,
        el("button", { type: "submit", class: "icon send", "aria-label": say("send"), title: say("send") }, icon("send")),
      ),
    );
  }

  /** Files from the picker, the clipboard or a drop. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      if (this.chips.length >= MOST_FILES) return this.sends.tell(this.say("tooMany"));
      this.upload(file);
    }
  }

  /** Fit the field to its text, within bounds. */
  grow(): void {
    this.input.style.height = "auto";
    const border = this.input.offsetHeight - this.input.clientHeight;
    this.input.style.height = `${Math.min(this.input.scrollHeight + border, TALLEST)}px`;
    this.input.style.overflowY = this.input.scrollHeight > TALLEST ? "auto" : "hidden";
  }

  private typed(): void {
    this.grow();
    this.sends.note(this.input.value);
    if (this.input.value) this.sends.typing();
  }

  private submit(event: Event): void {
    event.preventDefault();
    const text = this.input.value.trim();
    const files = this.chips.flatMap((chip) => chip.stored ?? []);
    if (this.chips.some((chip) => chip.busy)) return this.sends.tell(this.say("uploadFirst"));
    if (!text && !files.length) return;
    this.sends.say({ text, ...(files.length && { files }) });
    this.chips = [];
    this.list.replaceChildren();
    this.input.value = "";
    this.sends.note("");
    this.grow();
    this.input.focus();
  }

  private upload(file: File): void {
    const stop = new AbortController();
    const bar = el("progress", { max: 100, value: 0, "aria-label": file.name });
    const remove = iconButton("close", this.say("remove", { name: file.name }), () => {
      stop.abort();
      this.drop(chip);
      this.input.focus();
    });
    const about = el("small", {}, bytes(file.size));
    const node = el("li", {}, icon("file"), el("span", { class: "title", dir: "auto" }, file.name), about, bar, remove);
    const chip: Chip = { node, busy: true };
    this.chips.push(chip);
    this.list.append(node);
    if (file.size > this.sends.maxFileSize) return this.fail(chip, file, "tooLarge");
    if (!file.size) return this.fail(chip, file, "empty");
    this.sends
      .upload(file, (part) => (bar.value = Math.round(part * 100)), stop.signal)
      .then((stored) => {
        chip.stored = stored;
        chip.busy = false;
        bar.remove();
        this.sends.tell(this.say("uploading", { name: file.name, n: 100 }));
      })
      .catch((error: unknown) => {
        const problem = error instanceof Refusal ? error.problem : undefined;
        if (!stop.signal.aborted) this.fail(chip, file, problem && reason(problem));
      });
  }

  private fail(chip: Chip, file: File, key: Key = "uploadFailed"): void {
    const reason = this.say(key, { n: Math.floor(this.sends.maxFileSize / 1_048_576) });
    chip.busy = false;
    chip.node.classList.add("wrong");
    chip.node.querySelector("progress")?.remove();
    chip.node.querySelector("small")?.replaceChildren(reason);
    if (key === "uploadFailed") {
      const again = () => {
        this.drop(chip);
        this.upload(file);
      };
      chip.node.querySelector("small")?.after(el("button", { type: "button", class: "small", onclick: again }, this.say("retry")));
    }
    this.sends.tell(`${file.name}: ${reason}`);
  }

  private drop(chip: Chip): void {
    this.chips = this.chips.filter((other) => other !== chip);
    chip.node.remove();
  }
}
