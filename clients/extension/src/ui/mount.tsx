/** Starts a page of the extension: settings and the last snapshot first, so that the first frame is the true one. */

import { type ComponentType, render } from "preact";

import { messagesFor } from "../i18n/messages";
import { viewItem } from "../recording/view";
import { readSettings } from "../settings";
import { type InitialState, UiProvider } from "./context";

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
