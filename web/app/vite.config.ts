import { readdirSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** A running server, for `npm run dev`. */
const server = process.env["BLEGRAM_URL"] ?? "http://127.0.0.1:8080";

interface Modules {
  getModuleInfo(id: string): { importers: string[] } | null;
}

const ICONS = /^import \{([^}]+)\} from "lucide-react";$/gm;
const ICON_FILE = /\/lucide-react\/dist\/esm\/icons\//;

/**
 * Imports each icon from its own file: from the index of all icons, the bundler does not know which page uses which, and the
 * first page would have those of all pages.
 */
const icons: Plugin = {
  name: "icons",
  transform(code, id) {
    if (!id.includes("/app/src/")) return null;
    return code.replace(ICONS, (_, names: string) =>
      names
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name && !name.startsWith("type "))
        .map((name) => `import ${name} from "lucide-react/icons/${fileOf(name)}";`)
        .join(" "),
    );
  },
};

/** The files of the icons by name: `FileX2` is in `file-x-2`, and `Grid3x3` in `grid-3x3`. */
const files = new Map(
  readdirSync(new URL(".", import.meta.resolve("lucide-react/icons/x")))
    .filter((file) => file.endsWith(".mjs"))
    .map((file) => [file.replaceAll("-", ""), file.slice(0, -".mjs".length)]),
);
const fileOf = (icon: string) => files.get(`${icon.toLowerCase()}.mjs`) ?? icon;

/** What the app and its home page import: the same for each visit, so it is one file, which compresses better than forty. */
const FIRST = /\/src\/(main|routes\/home)\.tsx$/;
/** The SDK imports it for those who want it at once; the app loads it later. */
const LATER = /\/client\/dist\/gateway/;
const isFirst = new Map<string, boolean>();

function firstPage(id: string, modules: Modules): string | null {
  if (!FIRST.test(id) && !LATER.test(id) && isOfFirstPage(id, modules)) return "first";
  return ICON_FILE.test(id) ? "icons" : null;
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
  // The site may be below a path that only its operator knows. The server completes the addresses in the document.
  base: "./",
  plugins: [icons, react()],
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
