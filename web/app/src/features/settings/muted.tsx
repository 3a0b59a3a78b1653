import { VolumeX } from "lucide-react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { RelationList } from "./relation-list";

/** The muted accounts. */
export default function Muted() {
  const t = useTexts("settings");
  return (
    <RelationList
      queryKey={["users", "muted"]}
      list={(query, options) => blegram.users.listMutes(query, options)}
      label={t("muted")}
      icon={VolumeX}
      empty={t("muted_none")}
      emptyMore={t("muted_none_more")}
      end={(user) => blegram.users.unmute(user)}
      begin={(user) => blegram.users.mute(user)}
      endLabel={t("unmute")}
      endNamed={(name) => t("unmute_user", { name })}
      ended={(name) => t("unmuted", { name })}
    />
  );
}
