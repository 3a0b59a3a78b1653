import type { Texts } from "../../i18n";

/** Says how many characters are left, or how many are too many. */
export const charsText = (t: Texts<"compose">, left: number) =>
  left < 0 ? t("chars_over", { count: -left }) : t("chars_left", { count: left });
