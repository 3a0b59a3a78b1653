// Fails if what a browser loads before it shows the first page is larger than promised: the document, and the scripts and
// styles of the app and of the home page with the larger language.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 120 * 1024;
const FIRST = ["index.html", "src/routes/home.tsx"];

const dist = new URL("../../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
// It is of no use to the server.
rmSync(new URL(".vite", dist), { recursive: true });
const gzipped = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;

const files = new Set(["index.html"]);
function add(key) {
  const { file, css = [], imports = [] } = manifest[key];
  for (const name of [file, ...css]) files.add(name);
  for (const other of imports) add(other);
}
for (const key of FIRST) add(key);
const texts = (language) =>
  Object.values(manifest).filter(
    ({ src }) => /^src\/i18n\/\w+\/(common|problems|posts)\.json$/.test(src ?? "") && src.includes(`/${language}/`),
  );
const sizeOf = (names) => names.reduce((sum, name) => sum + gzipped(name), 0);
const languages = readdirSync(new URL("../src/i18n/", import.meta.url), { withFileTypes: true }).filter((entry) =>
  entry.isDirectory(),
);
const largest = Math.max(...languages.map(({ name }) => sizeOf(texts(name).map(({ file }) => file))));

const size = sizeOf([...files]) + largest;
for (const file of files) console.log(`  ${String(gzipped(file)).padStart(7)}  ${file}`);
console.log(`  ${String(largest).padStart(7)}  texts`);
console.log(`@blegram/app: the first page loads ${size} bytes gzipped, of at most ${LIMIT}`);
if (size > LIMIT) process.exit(1);
