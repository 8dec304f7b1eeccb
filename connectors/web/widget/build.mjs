// Builds widget.js from src/. Run by `make widget`, which installs the two tools from package-lock.json first.
// The first line of the bundle names its source by hash, so that a test can tell without these tools whether the bundle
// in the repository is the one that its source makes.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const { buildSync, transformSync } = createRequire(join(resolve(process.argv[2] ?? HERE), "package.json"))("esbuild");

/** SHA-256 over name and content of everything that the bundle is made from. */
function sourceHash() {
  const names = ["build.mjs", "package-lock.json", ...readdirSync(join(HERE, "src")).map((name) => `src/${name}`)];
  const hash = createHash("sha256");
  for (const name of names.sort()) hash.update(`${name}\0`).update(readFileSync(join(HERE, name))).update("\0");
  return hash.digest("hex");
}

const { code: css } = transformSync(readFileSync(join(HERE, "src/widget.css"), "utf8"), { loader: "css", minify: true, target: "chrome100" });
const built = buildSync({
  stdin: { contents: 'import "./main.ts";', resolveDir: join(HERE, "src") },
  bundle: true,
  minify: true,
  format: "iife",
  charset: "utf8",
  target: "es2022",
  legalComments: "none",
  write: false,
  define: { CSS_TEXT: JSON.stringify(css) },
});
const code = built.outputFiles[0].text;
const codeHash = createHash("sha256").update(code).digest("hex");
writeFileSync(join(HERE, "widget.js"), `/*! Parley chat, Apache-2.0. source ${sourceHash()} code ${codeHash} */\n${code}`);
