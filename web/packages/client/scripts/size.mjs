// Fails if the whole package, as a bundler minifies it, is larger than promised.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 15 * 1024;

const { outputFiles } = await build({
  entryPoints: [new URL("../src/index.ts", import.meta.url).pathname],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
});
const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(`@blegram/client: ${size} bytes minified and gzipped, of at most ${LIMIT}`);
if (size > LIMIT) process.exit(1);
