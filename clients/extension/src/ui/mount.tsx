/** Renders a page after its settings and view were read, so that the first frame shows the current state. */

import { type ComponentType, render } from "preact";

import { messagesFor } from "../i18n/messages";
import { viewItem } from "../recording/view";
import { readSettings } from "../settings";
import { type InitialState, UiProvider } from "./context";
import "./base.css";

export function mount(Page: ComponentType): void {
  void Promise.all([readSettings(), viewItem.getValue()]).then(([settings, view]) => {
    const root = document.getElementById("root");
    const start: InitialState = { settings, view };
    document.documentElement.lang = messagesFor(settings.language).language;
    if (root) {
      render(
        <UiProvider start={start}>
          <Page />
        </UiProvider>,
        root,
      );
      root.dataset["ready"] = String(Math.round(performance.now()));
    }
  });
}
