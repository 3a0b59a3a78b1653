// The server has browsers delete what they stored of the site when a session ends (`Clear-Site-Data`). The theme and the language
// are choices for the device, whichever account logs in next: they are stored again.

import { LANGUAGE_CHOICE } from "../../i18n";
import { THEME_CHOICE } from "../../theme";

type Choices = readonly (readonly [string, string])[];

/** What was chosen on this device. */
export function deviceChoices(): Choices {
  try {
    return [THEME_CHOICE, LANGUAGE_CHOICE].flatMap((key) => {
      const value = localStorage.getItem(key);
      return value === null ? [] : [[key, value] as const];
    });
  } catch {
    // Storage is blocked.
    return [];
  }
}

/** Stores the choices again. */
export function restoreChoices(choices: Choices): void {
  for (const [key, value] of choices) localStorage.setItem(key, value);
}
