import { useTexts } from "../../i18n";
import { ButtonLink } from "../../ui/button";
import { useInstance } from "../session/session";
import styles from "./welcome.module.css";

/** Says to visitors what this place is. */
export function Welcome() {
  const t = useTexts("posts");
  const common = useTexts("common");
  const { name, registration } = useInstance();
  return (
    <section className={styles.welcome} aria-labelledby="welcome">
      <h2 id="welcome">{t("welcome", { name })}</h2>
      <p>{t("welcome_more")}</p>
      <div>
        {registration === "open" && (
          <ButtonLink to="/signup" kind="primary">
            {common("sign_up")}
          </ButtonLink>
        )}
        <ButtonLink to="/login">{common("log_in")}</ButtonLink>
      </div>
    </section>
  );
}
