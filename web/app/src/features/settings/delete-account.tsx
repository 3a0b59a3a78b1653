import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { toast } from "../../ui/toast";
import { Form, useFormErrors } from "../session/form";
import { withIdentity } from "../session/identity";
import { AccountName, PasswordField } from "../session/password-field";
import { endSession, useMe } from "../session/session";
import { Lead, Part } from "./parts";
import styles from "./parts.module.css";

const DELETED = ["delete_posts", "delete_messages", "delete_relations", "delete_sessions"] as const;

/** The deletion of the account: what is deleted, a password, and a last question. */
export default function DeleteAccount() {
  const t = useTexts("settings");
  const me = useMe();
  const [password, setPassword] = useState("");
  const [isAsking, setAsking] = useState(false);
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => endSession(() => withIdentity(() => blegram.users.deleteMe({ password: password || null }))),
    onMutate: () => setAsking(false),
    onSuccess: () => toast(t("deleted")),
  });
  const errors = useFormErrors(error, { "/password": ["wrong-password"] });
  if (!me) return null;
  return (
    <Form onSubmit={() => setAsking(true)} error={error} general={errors.general}>
      <Part title={t("delete_title", { name: me.username })}>
        <ul className={styles.facts}>
          {DELETED.map((key) => (
            <li key={key}>{t(key)}</li>
          ))}
        </ul>
        <Lead>{t("delete_username")}</Lead>
        <AccountName />
        {me.has_password && (
          <PasswordField
            label={t("your_password")}
            value={password}
            onChange={setPassword}
            autoComplete="current-password"
            error={errors.at("/password")}
          />
        )}
        <Button type="submit" kind="danger" busy={isPending} disabled={me.has_password && !password}>
          {t("delete")}
        </Button>
      </Part>
      {isAsking && (
        <Confirm
          title={t("delete_sure")}
          action={t("delete_forever")}
          onConfirm={() => mutate()}
          onClose={() => setAsking(false)}
        >
          <p>{t("delete_sure_more")}</p>
        </Confirm>
      )}
    </Form>
  );
}
