// The sections of the settings, in the order of the list. Each is loaded when it is opened.

import type { Account, Instance } from "@blegram/client";
import {
  Ban,
  CircleUserRound,
  HardDrive,
  Info,
  KeyRound,
  Languages,
  Link2,
  Lock,
  type LucideIcon,
  Mail,
  MonitorSmartphone,
  ShieldCheck,
  SunMoon,
  Trash2,
  UserPen,
  VolumeX,
} from "lucide-react";
import { type ComponentType, lazy } from "react";

interface Section {
  /** The end of its address. */
  id: SectionId;
  icon: LucideIcon;
  Content: ComponentType;
}

export type Group = "account" | "security" | "privacy" | "app";

const lazily = (load: () => Promise<{ default: ComponentType }>) => lazy(load);

const SECTIONS = {
  account: {
    profile: [CircleUserRound, lazily(() => import("./profile"))],
    username: [UserPen, lazily(() => import("./username"))],
    email: [Mail, lazily(() => import("./email"))],
    storage: [HardDrive, lazily(() => import("./storage"))],
  },
  security: {
    password: [KeyRound, lazily(() => import("./password"))],
    "second-factor": [ShieldCheck, lazily(() => import("./second-factor"))],
    sessions: [MonitorSmartphone, lazily(() => import("./sessions"))],
    logins: [Link2, lazily(() => import("./logins"))],
  },
  privacy: {
    privacy: [Lock, lazily(() => import("./privacy"))],
    blocked: [Ban, lazily(() => import("./blocked"))],
    muted: [VolumeX, lazily(() => import("./muted"))],
  },
  app: {
    language: [Languages, lazily(() => import("./language"))],
    appearance: [SunMoon, lazily(() => import("./appearance"))],
    about: [Info, lazily(() => import("./about"))],
    delete: [Trash2, lazily(() => import("./delete-account"))],
  },
} as const satisfies Record<Group, Record<string, readonly [LucideIcon, ComponentType]>>;

type IdsOf<T> = T extends unknown ? keyof T : never;
export type SectionId = IdsOf<(typeof SECTIONS)[Group]>;

/** What visitors can set, too: it is about this browser. */
const PUBLIC: readonly SectionId[] = ["language", "appearance", "about"];

/** The sections that there are for the account, or for visitors, on this site. */
export function sectionsFor(me: Account | null, instance: Instance): { group: Group; sections: Section[] }[] {
  const isThere = (id: SectionId) => {
    if (!me) return PUBLIC.includes(id);
    if (id === "second-factor") return instance.features.second_factors;
    if (id === "logins") return instance.login_providers.length > 0;
    if (id === "storage") return instance.features.media;
    return true;
  };
  return (Object.keys(SECTIONS) as Group[])
    .map((group) => ({
      group,
      sections: Object.entries<readonly [LucideIcon, ComponentType]>(SECTIONS[group])
        .map(([id, [icon, Content]]) => ({ id: id as SectionId, icon, Content }))
        .filter(({ id }) => isThere(id)),
    }))
    .filter(({ sections }) => sections.length > 0);
}

/** Whether the address of a section is that of one for accounts. */
export const needsLogin = (id: string) =>
  Object.values(SECTIONS).some((sections) => id in sections) && !(PUBLIC as readonly string[]).includes(id);
