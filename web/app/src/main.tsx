import "./theme";
import "./styles/tokens.css";
import "./styles/base.css";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { meQuery } from "./features/session/session";
import { loadTexts } from "./i18n";
import { queries } from "./query";
import { preload } from "./routes";

// A new version was deployed, and the server no longer has the code of this one: load the new one, once. Drafts are stored.
window.addEventListener("vite:preloadError", (event) => {
  // Offline, a reload would lose the page.
  if (!navigator.onLine) return;
  const failed = "blegram-reloaded";
  if (Date.now() - Number(sessionStorage.getItem(failed) ?? 0) < 60_000) return;
  event.preventDefault();
  sessionStorage.setItem(failed, String(Date.now()));
  location.reload();
});

// Everything that the first page needs, at once.
preload();
void queries.prefetchQuery(meQuery);
await Promise.all([loadTexts("common"), loadTexts("problems")]);

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
