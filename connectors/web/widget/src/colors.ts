// A brand colour may be anything; what is written on it, and written in it, must stay readable (WCAG: 4.5 to 1).

type Rgb = [number, number, number];

const READABLE = 4.6;
const LIGHT: Rgb = [255, 255, 255];
const DARK: Rgb = [20, 24, 22];

export const LIGHT_BACK = "#eef2f0";
export const DARK_BACK = "#2a332e";

export function isColor(text: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(text);
}

/** White or near-black, whichever reads better on `color`. */
export function onColor(color: string): string {
  const back = rgb(color);
  return hex(contrast(LIGHT, back) >= READABLE || contrast(LIGHT, back) >= contrast(DARK, back) ? LIGHT : DARK);
}

/** `color`, made lighter or darker by as much as it takes to be read on `back`. */
export function readable(color: string, back: string): string {
  const on = rgb(back);
  const [factor, plus] = luminance(on) > 0.4 ? [0.93, 0] : [1.06, 3];
  let shade = rgb(color);
  for (let step = 0; contrast(shade, on) < READABLE && step < 40; step++) {
    shade = shade.map((part) => Math.min(255, part * factor + plus)) as Rgb;
  }
  return hex(shade);
}

/** `color` as a surface that carries its text readably: a mid tone on which neither white nor black reads well is darkened. */
export function surface(color: string): string {
  let shade = rgb(color);
  const light = onColor(color) === hex(LIGHT);
  for (let step = 0; light && contrast(LIGHT, shade) < READABLE && step < 20; step++) {
    shade = shade.map((part) => part * 0.93) as Rgb;
  }
  return hex(shade);
}

function rgb(color: string): Rgb {
  const value = parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function hex(color: Rgb): string {
  return `#${color.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: Rgb, two: Rgb): number {
  const [dark, light] = [luminance(one), luminance(two)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
