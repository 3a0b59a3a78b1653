import { useParams } from "react-router";
import { SettingsPage } from "../features/settings/settings-page";

/** A section of the settings. */
export default function SettingsSection() {
  return <SettingsPage id={useParams()["section"]} />;
}
