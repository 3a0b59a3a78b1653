import { House } from "lucide-react";
import { postsKey } from "../features/posts/cache";
import { PostList } from "../features/posts/post-list";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { Page } from "../ui/page";
import { Empty } from "../ui/states";

/** The home timeline, and for visitors what everyone can see. */
export default function Home() {
  const t = useTexts("common");
  const me = useMe();
  return (
    <Page title={t("home")}>
      <PostList
        key={me?.id}
        queryKey={postsKey(me ? "home" : "public")}
        list={(query, options) =>
          me ? blegram.timelines.home(query, options) : blegram.timelines.public(query, options)
        }
        label={t("home")}
        empty={<Empty icon={House} title={t("home")} />}
      />
    </Page>
  );
}
