// Name, colours, logo and side: what the server says, what the page says, and what can be read.

import { DARK_BACK, isColor, LIGHT_BACK, onColor, readable, surface } from "./colors";
import { webLink } from "./dom";
import type { Theme } from "./types";

const GIVEN = ["color", "name", "logo", "greeting", "position"];
export const LOOKS = ["locale", "theme", ...GIVEN];
export const DARK = "(prefers-color-scheme: dark)";
export const PHONE = "(max-width: 480px), (max-height: 380px)";

const DEFAULTS: Theme = {
  name: "Chat",
  color: "#2f6f4f",
  logo: "",
  greeting: "",
  position: "right",
  locale: "en",
  words: {},
  max_file_size: 10_485_760,
};

export function attribute(element: Element, name: string): string {
  return element.getAttribute(name) ?? "";
}

export function accountOf(element: Element): string {
  return attribute(element, "account") || "main";
}

/** Where the tenant's chat API is. */
export function chatOf(element: Element, server: string): URL {
  return new URL(`v1/chat/${encodeURIComponent(attribute(element, "tenant"))}/`, server);
}

/** What the page says, else what the browser prefers; "" leaves it to the server. */
export function localeOf(element: Element): string {
  return attribute(element, "locale") || document.documentElement.lang || navigator.language;
}

/** What the server says; null when it has no such chat, undefined when it is away. */
export async function fetchTheme(element: Element, server: string): Promise<Theme | null | undefined> {
  const query = new URLSearchParams({ account: accountOf(element), locale: localeOf(element) });
  try {
    const answer = await fetch(new URL(`theme?${query}`, chatOf(element, server)));
    if (answer.status === 404) return null;
    return answer.ok ? ((await answer.json()) as Theme) : undefined;
  } catch {
    return undefined;
  }
}

/** Constructed, so that a page may forbid inline styles. */
export function clothe(shadow: ShadowRoot): void {
  if (shadow.adoptedStyleSheets.length) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS_TEXT);
  shadow.adoptedStyleSheets = [sheet];
}

/** The served theme, with what the element's own attributes say instead. */
export function themeOf(element: Element, served: Theme | undefined, server: string): Theme {
  const theme: Theme = { ...DEFAULTS, ...served };
  for (const name of GIVEN) {
    const value = element.getAttribute(name);
    if (value !== null) Object.assign(theme, { [name]: value });
  }
  theme.logo = theme.logo && webLink(new URL(theme.logo, server).href);
  if (!isColor(theme.color)) theme.color = DEFAULTS.color;
  return theme;
}

/** Light or dark, and colours that can be read on either. `wanted`: light, dark, or what the system has. */
export function paint(root: HTMLElement, color: string, wanted: string | null): void {
  const dark = wanted === "dark" || (wanted !== "light" && matchMedia(DARK).matches);
  const brand = surface(color);
  root.setAttribute("data-scheme", dark ? "dark" : "light");
  root.style.setProperty("--brand", brand);
  root.style.setProperty("--on-brand", onColor(brand));
  root.style.setProperty("--accent", readable(color, dark ? DARK_BACK : LIGHT_BACK));
}

/** On a phone the keyboard takes a part of the screen; the chat keeps to what is left. */
export function fit(root: HTMLElement): void {
  const view = window.visualViewport;
  if (!view) return;
  root.style.setProperty("--view-height", `${view.height}px`);
  root.style.setProperty("--view-top", `${view.offsetTop}px`);
}

/** Keep the focus inside, where the window covers the page. */
export function holdFocus(event: KeyboardEvent, inside: HTMLElement, at: Element | null): void {
  if (!inside.hasAttribute("aria-modal")) return;
  const all = [...inside.querySelectorAll<HTMLElement>("button, a[href], textarea, [tabindex='0']")];
  const there = all.filter((node) => node.getClientRects().length && node.tabIndex >= 0);
  const [first, last] = [there[0], there[there.length - 1]];
  if (at !== (event.shiftKey ? first : last)) return;
  event.preventDefault();
  (event.shiftKey ? last : first)?.focus();
}
