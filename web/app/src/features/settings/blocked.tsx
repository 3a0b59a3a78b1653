import { Ban } from "lucide-react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { RelationList } from "./relation-list";

/** The blocked accounts. */
export default function Blocked() {
  const t = useTexts("settings");
  return (
    <RelationList
      queryKey={["users", "blocked"]}
      list={(query, options) => blegram.users.listBlocks(query, options)}
      label={t("blocked")}
      icon={Ban}
      empty={t("blocked_none")}
      emptyMore={t("blocked_none_more")}
      end={(user) => blegram.users.unblock(user)}
      begin={(user) => blegram.users.block(user)}
      endLabel={t("unblock")}
      endNamed={(name) => t("unblock_user", { name })}
      ended={(name) => t("unblocked", { name })}
    />
  );
}
