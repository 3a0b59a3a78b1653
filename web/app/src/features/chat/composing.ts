// Input methods compose syllables: Hangul, Kana, and what phones suggest.

import type { KeyboardEvent as ReactKeyboardEvent } from "react";

/** The key code of keys that an input method has handled. */
const HANDLED = 229;

/**
 * Whether a key belongs to the input method: Enter ends the syllable then, and does not send. Safari reports the key after the
 * end of the composition, with the code only.
 */
export function isComposing({ nativeEvent }: Pick<ReactKeyboardEvent, "nativeEvent">): boolean {
  return nativeEvent.isComposing || nativeEvent.keyCode === HANDLED;
}
