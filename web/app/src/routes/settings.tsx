import { SettingsPage } from "../features/settings/settings-page";

/** The list of the settings. */
export default function Settings() {
  return <SettingsPage />;
}
