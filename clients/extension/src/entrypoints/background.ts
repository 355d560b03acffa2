import { type Browser, browser } from "wxt/browser";
import { defineBackground } from "wxt/utils/define-background";

import { App } from "../background/app";
import { createMenus, highlightSelection, menuClicked } from "../background/menus";
import { PAGE_PORT } from "../capture/messenger";
import { adoptPackagedServer, readSettings, watchSettings } from "../settings";

/** Chrome starts the worker for an event only if its listener is registered synchronously: all are registered here. */
export default defineBackground({
  type: "module",
  main() {
    const app = new App();

    browser.runtime.onMessage.addListener((message: unknown, sender, respond) => {
      const response = app.onMessage(message, sender);
      if (!response) return false;
      void response.then(respond);
      return true;
    });
    browser.runtime.onMessageExternal.addListener((message: unknown, sender, respond) => {
      void app.onExternalMessage(message, sender).then(respond);
      return true;
    });

    browser.runtime.onInstalled.addListener(({ reason }) => {
      void createMenus();
      const ready = reason === "install" ? adoptPackagedServer() : Promise.resolve();
      void ready.then(readSettings).then(({ consentedAt }) => {
        if (reason === "install" && consentedAt === null) {
          void browser.tabs.create({ url: "/welcome.html" });
        }
      });
    });
    browser.runtime.onStartup.addListener(() => void app.wake(true));
    browser.alarms.onAlarm.addListener(() => void app.wake(false));
    self.addEventListener("online", () => void app.wake(true));

    browser.permissions.onRemoved.addListener(() => void app.onPermissionRemoved());

    browser.runtime.onConnect.addListener((port) => {
      if (port.name !== PAGE_PORT || port.sender?.id !== browser.runtime.id) return;
      port.onDisconnect.addListener(() => void app.onPageDisconnected(port));
    });

    browser.tabs.onCreated.addListener(({ id, openerTabId }) => {
      if (id !== undefined && openerTabId !== undefined) {
        void app.ready.then(() => app.recorder.tabOpened(id, openerTabId));
      }
    });
    browser.tabs.onReplaced.addListener((newId, oldId) => void app.onTabReplaced(oldId, newId));
    browser.tabs.onRemoved.addListener((tabId) => {
      void app.onTabUnloaded(tabId).then(() => app.recorder.tabClosed(tabId));
    });
    browser.tabs.onUpdated.addListener((tabId, change, tab?: Browser.tabs.Tab) => {
      // The only signal that a recorded page was replaced by one that is not recorded.
      if (change.status === "loading") void app.onTabUnloaded(tabId);
      if (change.audible !== undefined) sendPresence(tabId, { isAudible: change.audible && !tab?.mutedInfo?.muted });
    });
    browser.tabs.onActivated.addListener(({ tabId }) => void app.recorder.signal("tab_activated", tabId));
    browser.windows.onFocusChanged.addListener((windowId) => {
      if (windowId === browser.windows.WINDOW_ID_NONE) return;
      void browser.tabs.query({ active: true, windowId }).then(([tab]) => {
        if (tab?.id) return app.recorder.signal("window_focus", tab.id);
      });
    });

    browser.idle.setDetectionInterval(120);
    browser.idle.onStateChanged.addListener((state) => {
      // Every tab: the user may return in another tab than the one that was told of the idleness.
      void browser.tabs.query({}).then((tabs) => {
        for (const { id, active } of tabs) {
          if (!id) continue;
          sendPresence(id, { isIdle: state !== "active" });
          if (active) void app.recorder.signal(state === "active" ? "active" : "idle", id);
        }
      });
    });
    const sendPresence = (tabId: number, presence: { isIdle?: boolean; isAudible?: boolean }) => {
      void browser.tabs.sendMessage(tabId, { kind: "presence", ...presence }).catch(() => undefined);
    };

    browser.commands.onCommand.addListener((name, tab) => void onCommand(name, tab));
    const onCommand = async (name: string, tab: Browser.tabs.Tab | undefined) => {
      await app.ready;
      const ongoing = await app.recorder.ongoing();
      if (name === "toggle-recording") {
        const { scope } = await readSettings();
        if (ongoing) await app.runCommand("stop", {});
        else await app.runCommand("start", { scope, tabId: tab?.id ?? null, windowId: tab?.windowId ?? null });
      } else if (name === "toggle-pause") {
        await app.runCommand(ongoing?.status === "paused" ? "resume" : "pause", {});
      } else if (name === "highlight" && tab?.id) {
        await highlightSelection(app, tab, "command", 0);
      }
    };

    browser.contextMenus.onClicked.addListener((info, tab) => void app.ready.then(() => menuClicked(app, info, tab)));
    watchSettings(() => {
      void createMenus();
      app.publishSoon();
    });
  },
});
