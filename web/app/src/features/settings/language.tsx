import { chooseLanguage, LANGUAGES, type Language, language, useTexts } from "../../i18n";
import { Choice } from "./parts";

/** The language of the app on this device. */
export default function LanguageSection() {
  const t = useTexts("settings");
  const options = (Object.keys(LANGUAGES) as Language[]).map((value) => ({
    value,
    label: LANGUAGES[value],
    lang: value,
  }));
  return <Choice<Language> label={t("language")} value={language} options={options} onChange={chooseLanguage} />;
}
