/** Starts a page of the extension: settings and the last snapshot first, so that the first frame is the true one. */

import { type ComponentType, render } from "preact";

import { dictionaryFor } from "../i18n/dictionary";
import { viewItem } from "../recording/view";
import { readSettings } from "../settings";
import { Shared, type Start } from "./shared";

export function mount(Page: ComponentType): void {
  void Promise.all([readSettings(), viewItem.getValue()]).then(([settings, view]) => {
    const root = document.getElementById("root");
    const start: Start = { settings, view };
    document.documentElement.lang = dictionaryFor(settings.language).language;
    if (root) {
      render(
        <Shared start={start}>
          <Page />
        </Shared>,
        root,
      );
      root.dataset["ready"] = String(Math.round(performance.now()));
    }
  });
}
