import { useState } from "react";
import { useTexts } from "../../i18n";
import { chooseTheme, chosenTheme, THEMES, type Theme } from "../../theme";
import { Choice } from "./parts";

/** Light or dark, on this device. */
export default function Appearance() {
  const t = useTexts("settings");
  const [theme, setTheme] = useState(chosenTheme);
  const choose = (chosen: Theme) => {
    chooseTheme(chosen);
    setTheme(chosen);
  };
  const options = THEMES.map((value) => ({ value, label: t(`theme_${value}`) }));
  return <Choice<Theme> label={t("appearance")} value={theme} options={options} onChange={choose} />;
}
