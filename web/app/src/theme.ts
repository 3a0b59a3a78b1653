// Light or dark: as the system says, or as the user has chosen on this device. Imported first, so that the first paint has
// the right colours.

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** Where the choice is stored. */
export const THEME_CHOICE = "blegram-theme";
/** The colour of the browser's own bars; the documents have one for each scheme. */
const BARS = [...document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')];
const bySystem = BARS.map(({ content }) => content);

/** The theme that was chosen on this device. */
export function chosenTheme(): Theme {
  try {
    const chosen = localStorage.getItem(THEME_CHOICE) as Theme | null;
    return chosen && THEMES.includes(chosen) ? chosen : "system";
  } catch {
    // Storage is blocked.
    return "system";
  }
}

/** Shows the app in a theme, here and in the other tabs. */
export function chooseTheme(theme: Theme): void {
  try {
    localStorage.setItem(THEME_CHOICE, theme);
  } catch {
    // Then it is for this page only.
  }
  show(theme);
}

function show(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  for (const [index, bar] of BARS.entries()) {
    const scheme = theme === "system" ? index : BARS.findIndex(({ media }) => media.includes(theme));
    bar.content = bySystem[scheme] ?? bar.content;
  }
}

show(chosenTheme());
window.addEventListener("storage", ({ key, newValue }) => {
  // Without a value, the storage was cleared, as logouts do: the choice stays.
  if (key === THEME_CHOICE && newValue !== null) show(chosenTheme());
});
