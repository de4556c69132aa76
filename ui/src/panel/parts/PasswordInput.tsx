import { createSignal } from "solid-js";

import { Icon } from "../icons/Icon";
import { TextInput, type TextInputProps } from "./AccountFields";

/** A password that can be looked at. */
export function PasswordInput(props: Omit<TextInputProps, "label" | "type" | "autocomplete" | "children">) {
  const t = () => props.model.texts();
  const [visible, setVisible] = createSignal(false);
  const name = () => (visible() ? t().signIn.hidePassword : t().signIn.showPassword);
  return (
    <TextInput {...props} label={t().signIn.password} type={visible() ? "text" : "password"} autocomplete="current-password">
      <button type="button" class="icon-button small in-field" aria-label={name()} title={name()} aria-pressed={visible()} onClick={() => setVisible(!visible())}>
        <Icon name={visible() ? "eye-off" : "eye"} size={16} />
      </button>
    </TextInput>
  );
}
