// Why something failed, in the user's language: the code of the problem decides, `detail` is for codes without a text.

import { AbortError, NetworkError, Problem } from "@blegram/client";
import { UnsupportedImage } from "./features/media/image-rules";
import { useTexts } from "./i18n";

/** A failure without a response of the API; `code` names its text, as that of a problem does. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";

  constructor(readonly code: string) {
    super(code);
  }
}

/** Returns the text of an error. */
export function useProblemText(): (error: unknown) => string {
  const t = useTexts("problems") as (key: string, values?: Record<string, string | number>) => string;
  return (error) => {
    if (error instanceof Problem) {
      const [field] = Object.values(error.fields);
      const code = error.code === "invalid" && field ? field.code : error.code;
      const text = t(code, { seconds: Math.ceil(error.retryAfter ?? 1) });
      if (text !== code) return text;
      return error.code === "invalid" && field ? field.detail : error.detail;
    }
    if (error instanceof NetworkError) return t(navigator.onLine ? "no-response" : "offline");
    if (error instanceof UnsupportedImage) return t(`image-${error.reason}`);
    if (error instanceof Unavailable) {
      const text = t(error.code);
      return text === error.code ? t("unexpected") : text;
    }
    if (error instanceof AbortError) return t("cancelled");
    return t(navigator.onLine ? "unexpected" : "offline");
  };
}

/** The texts of the rejected fields of a form, by JSON pointer: `fieldTexts(error)["/username"]`. */
export function useFieldTexts(): (error: unknown) => Record<string, string> {
  const t = useTexts("problems") as (key: string) => string;
  return (error) => {
    if (!(error instanceof Problem)) return {};
    return Object.fromEntries(
      Object.values(error.fields).map(({ pointer, code, detail }) => {
        const text = t(code);
        return [pointer, text === code ? detail : text];
      }),
    );
  };
}
