import { useTexts } from "../../i18n";
import { Switch } from "../../ui/field";
import { useInstance, useMe } from "../session/session";
import { Choice, Part } from "./parts";
import { useUpdateSettings } from "./use-update-me";

const SENDERS = ["everyone", "followed", "nobody"] as const;
type Sender = (typeof SENDERS)[number];

/** Who sees the account, and who can write to it. */
export default function Privacy() {
  const t = useTexts("settings");
  const me = useMe();
  const { features } = useInstance();
  const { mutate: update } = useUpdateSettings();
  if (!me) return null;
  return (
    <>
      <Part>
        <Switch
          label={t("is_private")}
          hint={t("is_private_hint")}
          checked={me.is_private}
          onChange={(is_private) => update({ is_private })}
        />
        <Switch
          label={t("discoverable")}
          hint={t("discoverable_hint")}
          checked={me.discoverable}
          onChange={(discoverable) => update({ discoverable })}
        />
      </Part>
      {features.chat && (
        <Choice<Sender>
          label={t("messages_from")}
          // A value of a later version is shown as none of these.
          value={me.messages_from as Sender}
          options={SENDERS.map((value) => ({ value, label: t(`messages_${value}`) }))}
          onChange={(messages_from) => update({ messages_from })}
        />
      )}
    </>
  );
}
