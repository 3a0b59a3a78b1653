import { ChevronRight, LogOut, ScrollText } from "lucide-react";
import { Fragment } from "react";
import { Link, useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { toastError } from "../../ui/toast";
import { logOut, useInstance, useMe } from "../session/session";
import { type SectionId, sectionsFor } from "./sections";
import styles from "./settings.module.css";

/** The list of the settings. `current` is the section that is shown beside it. */
export function SettingsList({ current }: { current?: SectionId | undefined }) {
  const t = useTexts("settings");
  const me = useMe();
  return (
    <nav aria-label={t("settings")} className={styles.list}>
      {sectionsFor(me, useInstance()).map(({ group, sections }) => (
        <Fragment key={group}>
          <h2 className={styles.group}>{t(`group_${group}`)}</h2>
          <ul>
            {sections.map(({ id, icon: Icon }) => (
              <li key={id}>
                <Link
                  to={`/settings/${id}`}
                  className={styles.entry ?? ""}
                  aria-current={id === current ? "page" : undefined}
                >
                  <Icon size={20} aria-hidden />
                  <span>{t(id)}</span>
                  <ChevronRight size={18} aria-hidden className={styles.chevron} />
                </Link>
              </li>
            ))}
          </ul>
        </Fragment>
      ))}
      {me?.role === "admin" && (
        <ul>
          <li>
            <Link to="/admin" className={styles.entry ?? ""}>
              <ScrollText size={20} aria-hidden />
              <span>{t("audit")}</span>
              <ChevronRight size={18} aria-hidden className={styles.chevron} />
            </Link>
          </li>
        </ul>
      )}
      {me && <LogOutButton />}
    </nav>
  );
}

function LogOutButton() {
  const t = useTexts("settings");
  const navigate = useNavigate();
  const leave = async () => {
    try {
      await logOut();
      navigate("/", { replace: true });
    } catch (error) {
      toastError(error);
    }
  };
  return (
    <div className={styles.logout}>
      <Button icon={LogOut} wide onClick={() => void leave()}>
        {t("log_out")}
      </Button>
    </div>
  );
}
