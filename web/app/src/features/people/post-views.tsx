import type { Post } from "@blegram/client";
import { Grid3x3, type LucideIcon, Rows3 } from "lucide-react";
import type { ReactNode } from "react";
import { useLocation, useSearchParams } from "react-router";
import { useTexts } from "../../i18n";
import { itemsOf, usePages } from "../../query";
import { ButtonLink } from "../../ui/button";
import { Empty } from "../../ui/states";
import { TabLinks } from "../../ui/tab-links";
import { PostList } from "../posts/post-list";
import { PhotoGrid } from "./photo-grid";

interface PostViewsProps {
  queryKey: readonly unknown[];
  list: Parameters<typeof usePages<Post>>[1];
  label: string;
  icon: LucideIcon;
  /** What to do if there are no posts. */
  empty: { title: string; more?: ReactNode };
}

/** Posts as a grid of their photos, or one below the other. */
export function PostViews({ queryKey, list, label, icon, empty }: PostViewsProps) {
  const t = useTexts("people");
  const { pathname } = useLocation();
  const isList = useSearchParams()[0].get("view") === "list";
  // The view loads them.
  const hasPosts = itemsOf(usePages<Post>(queryKey, list, { enabled: false }).data).length > 0;
  return (
    <>
      <TabLinks
        label={label}
        tabs={[
          { to: pathname, label: t("as_grid"), icon: Grid3x3, isCurrent: !isList },
          { to: `${pathname}?view=list`, label: t("as_list"), icon: Rows3, isCurrent: isList },
        ]}
      />
      {isList ? (
        <PostList
          queryKey={queryKey}
          list={list}
          label={label}
          empty={
            <Empty icon={icon} title={empty.title}>
              {empty.more}
            </Empty>
          }
        />
      ) : (
        <PhotoGrid
          queryKey={queryKey}
          list={list}
          label={label}
          empty={
            <Empty icon={icon} title={hasPosts ? t("no_photos") : empty.title}>
              {hasPosts ? <ButtonLink to={`${pathname}?view=list`}>{t("see_posts")}</ButtonLink> : empty.more}
            </Empty>
          }
        />
      )}
    </>
  );
}
