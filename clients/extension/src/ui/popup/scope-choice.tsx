/** The choice between all tabs, one window and one tab. */

import { useId } from "preact/hooks";
import { changeSettings } from "../../settings";
import { useUi } from "../context";
import "./scope-choice.css";

export function ScopeChoice() {
  const { settings, messages } = useUi();
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="hidden">{messages.ready.scope}</legend>
      {(["all", "window", "tab"] as const).map((scope) => (
        <label key={scope}>
          <input
            type="radio"
            name={name}
            checked={settings.scope === scope}
            onChange={() => void changeSettings({ scope })}
          />
          <span>{messages.ready.scopes[scope]}</span>
        </label>
      ))}
    </fieldset>
  );
}
