import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Body, type Language, type ShareReply, shortDate, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { type MapOwner, optionalQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { pictureLook } from "~/session/export-path";
import { copyText } from "~/ui/clipboard";
import { errorMessage } from "~/ui/error-message";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";

/** The requests about the links of a session, or of a map over several. */
function linkRequests({ kind, id }: MapOwner) {
  const [ofSession, ofMap] = [{ session_id: id }, { map_id: id }];
  return kind === "joint"
    ? {
        list: () => unwrap(api.GET("/v1/maps/{map_id}/shares", { params: { path: ofMap } })),
        create: (body: ShareCreate) => unwrap(api.POST("/v1/maps/{map_id}/shares", { params: { path: ofMap }, body })),
        revoke: (share_id: string) =>
          unwrap(api.DELETE("/v1/maps/{map_id}/shares/{share_id}", { params: { path: { ...ofMap, share_id } } })),
      }
    : {
        list: () => unwrap(api.GET("/v1/sessions/{session_id}/shares", { params: { path: ofSession } })),
        create: (body: ShareCreate) =>
          unwrap(api.POST("/v1/sessions/{session_id}/shares", { params: { path: ofSession }, body })),
        revoke: (share_id: string) =>
          unwrap(
            api.DELETE("/v1/sessions/{session_id}/shares/{share_id}", { params: { path: { ...ofSession, share_id } } }),
          ),
      };
}

/** The requests about the links to the picture of a session's map, or of a map over several. */
function pictureRequests({ kind, id }: MapOwner) {
  const [ofSession, ofMap] = [{ params: { path: { session_id: id } } }, { params: { path: { map_id: id } } }];
  return kind === "joint"
    ? {
        create: () => unwrap(api.POST("/v1/maps/{map_id}/picture", ofMap)),
        revoke: () => unwrap(api.DELETE("/v1/maps/{map_id}/picture", ofMap)),
      }
    : {
        create: () => unwrap(api.POST("/v1/sessions/{session_id}/mindmap/picture", ofSession)),
        revoke: () => unwrap(api.DELETE("/v1/sessions/{session_id}/mindmap/picture", ofSession)),
      };
}

type ShareCreate = Body<"create_share">;

/** Creates, lists and revokes read-only links. */
export function SharePanel({ owner, language }: { owner: MapOwner; language: Language }) {
  const t = useMessages();
  const client = useQueryClient();
  const [shows, setShows] = useState<ShareReply["shows"]>("pages");
  const [days, setDays] = useState(7);
  const requests = linkRequests(owner);
  const key = ["shares", owner.id];
  const links = useQuery(optionalQuery(key, requests.list));
  const refresh = () => client.invalidateQueries({ queryKey: key });
  const create = useMutation({
    mutationFn: () => requests.create({ shows, expires_in_days: days }),
    onSuccess: async ({ share }) => {
      // A link is made to be sent: it is on the clipboard without another click. Browsers allow that for seconds only.
      toast((await copyText(share.url)) ? t.share.createdAndCopied : t.share.created);
      await refresh();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  const revoke = useMutation({
    mutationFn: requests.revoke,
    onSuccess: () => {
      toast(t.share.revoked);
      return refresh();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  if (links.isPending) return <Skeletons rows={2} height={44} />;
  if (links.isError) return <ErrorState error={links.error} />;
  if (!links.data) return <p>{t.account.absent}</p>;
  const { shares } = links.data;
  return (
    <>
      <p className="muted">{t.share.body}</p>
      <div className="row wrap">
        <select
          className="input compact grow"
          aria-label={t.share.what}
          value={shows}
          onChange={(e) => setShows(e.target.value as ShareReply["shows"])}
        >
          <option value="map">{t.share.map}</option>
          <option value="pages">{t.share.pages}</option>
          <option value="highlights">{t.share.highlights}</option>
        </select>
        <select
          className="input compact grow"
          aria-label={t.share.expires}
          value={days}
          onChange={(e) => setDays(Number(e.target.value))}
        >
          <option value={1}>{t.share.day}</option>
          <option value={7}>{t.share.week}</option>
          <option value={30}>{t.share.month}</option>
        </select>
        <button type="button" className="button primary" disabled={create.isPending} onClick={() => create.mutate()}>
          {t.share.create}
        </button>
      </div>
      <h3>{t.share.existing}</h3>
      {shares.length === 0 && <p className="muted">{t.share.none}</p>}
      <ul className="panel-list">
        {shares.map((share) => (
          <li key={share.id}>
            <span className="grow">
              <input
                className="input compact"
                readOnly
                aria-label={t.share.title}
                value={share.url}
                onFocus={(e) => e.currentTarget.select()}
              />
              <span className="small muted">
                {t.share[share.shows]} · {t.share.expires} {shortDate(new Date(share.expires_at), new Date(), language)}
              </span>
            </span>
            <button
              type="button"
              className="button"
              onClick={() => void copyText(share.url).then((ok) => toast(ok ? t.common.copied : t.common.copyFailed))}
            >
              {t.common.copy}
            </button>
            <button
              type="button"
              className="button danger"
              disabled={revoke.isPending}
              onClick={() => revoke.mutate(share.id)}
            >
              {t.share.revoke}
            </button>
          </li>
        ))}
      </ul>
      <PictureLinks owner={owner} />
    </>
  );
}

/** Makes and revokes links to the map's picture. They are signed and not stored, so there is no list of them. */
function PictureLinks({ owner }: { owner: MapOwner }) {
  const t = useMessages();
  const requests = pictureRequests(owner);
  const create = useMutation({
    mutationFn: requests.create,
    onSuccess: async ({ url }) =>
      toast((await copyText(`${url}?${pictureLook()}`)) ? t.share.pictureCopied : t.common.copyFailed),
    onError: (error) => toast(errorMessage(error, t)),
  });
  const revoke = useMutation({
    mutationFn: requests.revoke,
    onSuccess: () => toast(t.share.picturesRevoked),
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <>
      <h3>{t.share.pictures}</h3>
      <p className="muted">{t.share.picturesHint}</p>
      <div className="row wrap">
        <button type="button" className="button" disabled={create.isPending} onClick={() => create.mutate()}>
          {t.share.copyPicture}
        </button>
        <button type="button" className="button danger" disabled={revoke.isPending} onClick={() => revoke.mutate()}>
          {t.share.revokePictures}
        </button>
      </div>
    </>
  );
}
