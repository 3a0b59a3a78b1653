import { Compass } from "lucide-react";
import { useTexts } from "../i18n";
import { ButtonLink } from "../ui/button";
import { Page } from "../ui/page";
import { Empty } from "../ui/states";

export default function NotFound() {
  const t = useTexts("common");
  return (
    <Page title={t("not_found")} back>
      <Empty icon={Compass} title={t("not_found")}>
        <p>{t("not_found_more")}</p>
        <ButtonLink to="/" kind="primary">
          {t("to_home")}
        </ButtonLink>
      </Empty>
    </Page>
  );
}
