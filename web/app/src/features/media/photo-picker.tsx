import { ImagePlus, type LucideIcon } from "lucide-react";
import { useRef } from "react";
import { IconButton } from "../../ui/button";

interface PhotoPickerProps {
  /** What the button does. */
  label: string;
  onPick: (files: File[]) => void;
  multiple?: boolean;
  disabled?: boolean;
  icon?: LucideIcon;
}

/** A button that opens the picker of the device. The files are those of the user: pass each to `prepareImage`. */
export function PhotoPicker({ label, onPick, multiple = true, disabled = false, icon = ImagePlus }: PhotoPickerProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <IconButton icon={icon} label={label} disabled={disabled} onClick={() => input.current?.click()} />
      <input
        ref={input}
        type="file"
        hidden
        aria-label={label}
        // `image/*` alone makes iPhones convert HEIC, and videos are not offered.
        accept="image/*"
        multiple={multiple}
        onChange={({ currentTarget }) => {
          onPick([...(currentTarget.files ?? [])]);
          // The same file can be chosen again.
          currentTarget.value = "";
        }}
      />
    </>
  );
}
