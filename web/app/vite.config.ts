import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** A running server, for `npm run dev`. */
const server = process.env["BLEGRAM_URL"] ?? "http://127.0.0.1:8080";

interface Modules {
  getModuleInfo(id: string): { importers: string[] } | null;
}

/** What the app and its home page import: the same for each visit, so it is one file, which compresses better than forty. */
const FIRST = /\/src\/(main|routes\/home)\.tsx$/;
/** The SDK imports it for those who want it at once; the app loads it later. */
const LATER = /\/client\/dist\/gateway/;
const isFirst = new Map<string, boolean>();

function firstPage(id: string, modules: Modules): string | null {
  return !FIRST.test(id) && !LATER.test(id) && isOfFirstPage(id, modules) ? "first" : null;
}

function isOfFirstPage(id: string, modules: Modules): boolean {
  const known = isFirst.get(id);
  if (known !== undefined) return known;
  // Modules that import each other.
  isFirst.set(id, false);
  const result =
    FIRST.test(id) ||
    (modules.getModuleInfo(id)?.importers.some((importer) => isOfFirstPage(importer, modules)) ?? false);
  isFirst.set(id, result);
  return result;
}

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    // The Content-Security-Policy has no `data:` for fonts and styles, and small files compress better together.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: true,
    rolldownOptions: {
      output: { codeSplitting: { includeDependenciesRecursively: false, groups: [{ name: firstPage }] } },
    },
  },
  server: {
    proxy: {
      "^/(api|media|login/.+|docs|problems|verify-email|reset-password|signup/.+|favicon)": {
        target: server,
        ws: true,
      },
    },
  },
});
