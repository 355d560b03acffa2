/** Tells the server where the user lives, so that its mails arrive by day. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import { useEffect } from "react";
import { api } from "~/api/client";
import { settingsQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";

/** Stores this browser's time zone with an account that has none. A failure is left to the next visit. */
export function useToldTimeZone(): void {
  const client = useQueryClient();
  const settings = useQuery(settingsQuery()).data?.settings;
  const isUnknown = settings !== undefined && settings.time_zone === undefined;
  useEffect(() => {
    const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!isUnknown || !time_zone) return;
    unwrap(api.PATCH("/v1/users/me/settings", { body: { time_zone } })).then(
      (reply) => storeReply(client, settingsQuery().queryKey, reply),
      () => undefined,
    );
  }, [isUnknown, client]);
}
