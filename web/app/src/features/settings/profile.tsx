import type { Account } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Field, TextArea } from "../../ui/field";
import { toast } from "../../ui/toast";
import { Form, useFormErrors } from "../session/form";
import { useInstance, useMe } from "../session/session";
import { ProfilePicture } from "./profile-picture";
import { isTooLong, textLength } from "./text-length";

/** The picture, the name and the text of the profile. */
export default function Profile() {
  const me = useMe();
  const { features } = useInstance();
  if (!me) return null;
  return (
    <>
      {features.media && <ProfilePicture me={me} />}
      <ProfileForm me={me} />
    </>
  );
}

function ProfileForm({ me }: { me: Account }) {
  const t = useTexts("settings");
  const { limits } = useInstance();
  const [name, setName] = useState(me.display_name);
  const [bio, setBio] = useState(me.bio);
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => blegram.users.updateMe({ display_name: name.trim() || null, bio: bio.trim() || null }),
    onSuccess: (account) => {
      queries.setQueryData(ME, account);
      setName(account.display_name);
      setBio(account.bio);
      toast(t("saved"));
    },
  });
  const errors = useFormErrors(error, { "/display_name": [], "/bio": [] });
  const isNameTooLong = isTooLong(name, limits.display_name_max_chars, limits.display_name_max_bytes);
  const isBioTooLong = isTooLong(bio, limits.bio_max_chars, limits.bio_max_bytes);
  const isChanged = name !== me.display_name || bio !== me.bio;
  const count = (text: string, max: number) => `${textLength(text)}/${max}`;
  return (
    <Form onSubmit={mutate} error={error} general={errors.general}>
      <Field
        label={t("display_name")}
        hint={`${t("display_name_hint")} ${count(name, limits.display_name_max_chars)}`}
        dir="auto"
        value={name}
        autoComplete="nickname"
        onChange={(event) => setName(event.target.value)}
        error={
          isNameTooLong
            ? t("too_long", { length: count(name, limits.display_name_max_chars) })
            : errors.at("/display_name")
        }
      />
      <TextArea
        label={t("bio")}
        hint={count(bio, limits.bio_max_chars)}
        dir="auto"
        value={bio}
        rows={4}
        onChange={(event) => setBio(event.target.value)}
        error={isBioTooLong ? t("too_long", { length: count(bio, limits.bio_max_chars) }) : errors.at("/bio")}
      />
      <Button type="submit" kind="primary" busy={isPending} disabled={!isChanged || isNameTooLong || isBioTooLong}>
        {t("save")}
      </Button>
    </Form>
  );
}
