import { Suspense, useSyncExternalStore } from "react";
import { useTexts } from "../../i18n";
import NotFound from "../../routes/not-found";
import { Boundary } from "../../ui/boundary";
import { Page } from "../../ui/page";
import { Spinner } from "../../ui/states";
import { ConfirmIdentity } from "../session/confirm-identity";
import { useInstance, useMe } from "../session/session";
import { ToLogin } from "../session/to-login";
import { needsLogin, sectionsFor } from "./sections";
import styles from "./settings.module.css";
import { SettingsList } from "./settings-list";

const WIDE = window.matchMedia("(min-width: 900px)");

function subscribe(listener: () => void) {
  WIDE.addEventListener("change", listener);
  return () => WIDE.removeEventListener("change", listener);
}

/** The list of the settings, a section of them, and on wide screens both. */
export function SettingsPage({ id }: { id?: string | undefined }) {
  const t = useTexts("settings");
  const me = useMe();
  const isWide = useSyncExternalStore(subscribe, () => WIDE.matches);
  const sections = sectionsFor(me, useInstance()).flatMap((group) => group.sections);
  const section = id ? sections.find((section) => section.id === id) : isWide ? sections[0] : undefined;
  if (id && !section) {
    if (!me && needsLogin(id)) return <ToLogin />;
    return <NotFound />;
  }
  if (!section)
    return (
      <Page title={t("settings")}>
        <SettingsList />
      </Page>
    );
  const { id: name, Content } = section;
  const content = (
    <div className={styles.section}>
      <Boundary place={name}>
        <Suspense fallback={<Spinner />}>
          <Content key={name} />
        </Suspense>
      </Boundary>
      <ConfirmIdentity />
    </div>
  );
  return (
    <div className={isWide ? styles.columns : ""}>
      {isWide && (
        <div className={styles.side}>
          <p className={styles.heading}>{t("settings")}</p>
          <SettingsList current={name} />
        </div>
      )}
      <div className={styles.main}>
        <Page title={t(name)} back={!isWide}>
          {content}
        </Page>
      </div>
    </div>
  );
}
