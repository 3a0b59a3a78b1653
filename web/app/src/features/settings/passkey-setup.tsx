import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { toast } from "../../ui/toast";
import { Form, useFormErrors } from "../session/form";
import { withIdentity } from "../session/identity";
import { createPasskey } from "../session/passkeys";
import styles from "./factors.module.css";

interface SetupProps {
  onClose: () => void;
  onAdded: () => Promise<void>;
}

/** Adds a passkey under a name. */
export default function PasskeySetup({ onClose, onAdded }: SetupProps) {
  const t = useTexts("settings");
  const [name, setName] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: async () => {
      const { id, options } = await withIdentity(() =>
        blegram.secondFactor.startPasskey({ name: name.trim() || null }),
      );
      await blegram.secondFactor.finishPasskey(id, { credential: await createPasskey(options) });
    },
    onSuccess: async () => {
      toast(t("passkey_added"));
      await onAdded();
    },
  });
  const errors = useFormErrors(error, { "/name": [] });
  return (
    <Dialog title={t("add_passkey")} onClose={onClose}>
      <Form onSubmit={mutate} error={error} general={errors.general}>
        <p className={styles.step}>{t("passkey_lead")}</p>
        <Field
          label={t("passkey_name")}
          hint={t("passkey_name_hint")}
          value={name}
          autoFocus
          data-autofocus
          autoComplete="off"
          dir="auto"
          onChange={(event) => setName(event.target.value)}
          error={errors.at("/name")}
        />
        <Button type="submit" kind="primary" wide busy={isPending}>
          {t("passkey_create")}
        </Button>
      </Form>
    </Dialog>
  );
}
