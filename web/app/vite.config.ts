import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** A running server, for `npm run dev`. */
const server = process.env["BLEGRAM_URL"] ?? "http://127.0.0.1:8080";

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
