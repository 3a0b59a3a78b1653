import { useTexts } from "../../i18n";
import { serverPage } from "../../site";
import { useInstance } from "../session/session";
import { Row } from "./parts";

const LICENCES = "MIT, Apache-2.0";

/** What runs this site. */
export default function About() {
  const t = useTexts("settings");
  const { name, version } = useInstance();
  return (
    <ul>
      <Row
        title={t("site")}
        notes={[
          <span key="name" dir="auto">
            {name}
          </span>,
        ]}
      />
      <Row title={t("version")} notes={[`blegram ${version}`]} />
      <Row title={t("licence")} notes={[t("licence_more", { licences: LICENCES })]} />
      <Row
        title={t("developers")}
        notes={[
          t("developers_more"),
          <a key="docs" href={serverPage("/docs")} className="link">
            {t("api_docs")}
          </a>,
        ]}
      />
    </ul>
  );
}
