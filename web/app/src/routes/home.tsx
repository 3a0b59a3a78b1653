import { Globe, House } from "lucide-react";
import { useSearchParams } from "react-router";
import { postsKey } from "../features/posts/cache";
import { PostList } from "../features/posts/post-list";
import { Welcome } from "../features/posts/welcome";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { ButtonLink } from "../ui/button";
import { Page } from "../ui/page";
import { Empty } from "../ui/states";
import { TabLinks } from "../ui/tab-links";

/** What the accounts post that the viewer follows, and what everyone can see. */
export default function Home() {
  const t = useTexts("common");
  const texts = useTexts("posts");
  const me = useMe();
  const [search] = useSearchParams();
  const isEveryone = !me || search.get("view") === "everyone";
  return (
    <Page title={t("home")}>
      {me ? (
        <TabLinks
          label={t("home")}
          tabs={[
            { to: "/", label: texts("following"), isCurrent: !isEveryone },
            { to: "/?view=everyone", label: texts("everyone"), isCurrent: isEveryone },
          ]}
        />
      ) : (
        <Welcome />
      )}
      {isEveryone ? <Everyone /> : <Following />}
    </Page>
  );
}

function Following() {
  const t = useTexts("posts");
  return (
    <PostList
      key="home"
      queryKey={postsKey("home")}
      list={(query, options) => blegram.timelines.home(query, options)}
      label={t("following")}
      empty={
        <Empty icon={House} title={t("home_empty")}>
          <p>{t("home_empty_more")}</p>
          <ButtonLink to="/explore" kind="primary">
            {t("find_people")}
          </ButtonLink>
          <ButtonLink to="/?view=everyone">{t("see_everyone")}</ButtonLink>
        </Empty>
      }
    />
  );
}

function Everyone() {
  const t = useTexts("posts");
  const me = useMe();
  return (
    <PostList
      key="public"
      queryKey={postsKey("public")}
      list={(query, options) => blegram.timelines.public(query, options)}
      label={t("everyone")}
      empty={
        <Empty icon={Globe} title={t("public_empty")}>
          <p>{t("public_empty_more")}</p>
          <ButtonLink to={me ? "/new" : "/signup"} kind="primary">
            {me ? t("write_post") : t("join")}
          </ButtonLink>
        </Empty>
      }
    />
  );
}
