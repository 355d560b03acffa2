/** The versions of a map: of one session, or over several. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type JointVersionReply, type Language, shortDate, timeOfDay, unwrap, type VersionReply } from "@trailmind/api";
import { api } from "~/api/client";
import { type MapOwner, optionalQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { type Messages, useMessages } from "~/i18n";
import { type MapModel, parseMap } from "~/map/model";
import { errorMessage } from "~/ui/error-message";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { describeChange } from "./changes";
import { mapKey } from "./edits";
import { useProviderName } from "./provider-name";

type AnyVersion = VersionReply | JointVersionReply;

/** The requests about the versions of either kind of map. */
function versionRequests({ kind, id }: MapOwner) {
  const [ofSession, ofMap] = [{ session_id: id }, { map_id: id }];
  const path = (number: number) => ({ ofSession: { ...ofSession, number }, ofMap: { ...ofMap, number } });
  return kind === "joint"
    ? {
        list: (): Promise<{ versions: AnyVersion[] }> =>
          unwrap(api.GET("/v1/maps/{map_id}/versions", { params: { path: ofMap } })),
        read: (number: number) =>
          unwrap(api.GET("/v1/maps/{map_id}/versions/{number}", { params: { path: path(number).ofMap } })),
        diff: (number: number, to: number) =>
          unwrap(
            api.GET("/v1/maps/{map_id}/versions/{number}/diff", {
              params: { path: path(number).ofMap, query: { to } },
            }),
          ),
        restore: async (number: number): Promise<{ data?: unknown }> => {
          const params = { path: path(number).ofMap };
          return (await unwrap(api.POST("/v1/maps/{map_id}/versions/{number}/restore", { params }))).map;
        },
      }
    : {
        list: (): Promise<{ versions: AnyVersion[] }> =>
          unwrap(api.GET("/v1/sessions/{session_id}/mindmap/versions", { params: { path: ofSession } })),
        read: (number: number) =>
          unwrap(
            api.GET("/v1/sessions/{session_id}/mindmap/versions/{number}", {
              params: { path: path(number).ofSession },
            }),
          ),
        diff: (number: number, to: number) =>
          unwrap(
            api.GET("/v1/sessions/{session_id}/mindmap/versions/{number}/diff", {
              params: { path: path(number).ofSession, query: { to } },
            }),
          ),
        restore: async (number: number): Promise<{ data?: unknown }> => {
          const params = { path: path(number).ofSession };
          return (await unwrap(api.POST("/v1/sessions/{session_id}/mindmap/versions/{number}/restore", { params })))
            .mindmap;
        },
      };
}

/** Why a version was made; `before` is the one before it. */
function versionCause(
  version: AnyVersion,
  before: AnyVersion | undefined,
  nameOf: (provider: string) => string,
  t: Messages,
): string {
  if (version.restored_from) return t.versions.causes.restored(version.restored_from);
  if (!before) return t.versions.causes.first;
  if (version.edits_seq !== before.edits_seq && version.input_digest === before.input_digest)
    return t.versions.causes.edited;
  if (version.provider !== before.provider) return t.versions.causes.provider(nameOf(before.provider));
  return version.input_digest === before.input_digest ? t.versions.causes.again : t.versions.causes.changed;
}

export function Versions(props: {
  owner: MapOwner;
  /** The version shown; null while there is none. */
  version: number | null;
  model: MapModel | null;
  language: Language;
}) {
  const { owner, version, model, language } = props;
  const t = useMessages();
  const nameOf = useProviderName();
  const client = useQueryClient();
  const requests = versionRequests(owner);
  const key = ["versions", owner.id];
  const versions = useQuery(optionalQuery(key, requests.list));
  const compare = useMutation({
    mutationFn: async (number: number) => {
      const [{ changes }, old] = await Promise.all([requests.diff(number, version ?? number), requests.read(number)]);
      const labelsOf = (map: MapModel | null) => new Map(map?.document.nodes.map((node) => [node.id, node.label]));
      return { number, changes, labels: { before: labelsOf(parseMap(old.version.data)), after: labelsOf(model) } };
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  const restore = useMutation({
    mutationFn: requests.restore,
    onSuccess: (restored, number) => {
      storeReply(client, mapKey(owner), restored);
      toast(t.versions.restored(number));
      // Until then the list does not have the version that is shown.
      return client.invalidateQueries({ queryKey: key });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  if (versions.isPending) return <Skeletons rows={3} height={40} />;
  if (versions.isError) return <ErrorState error={versions.error} />;
  if (!versions.data) return <p>{t.account.absent}</p>;
  const list = versions.data.versions;
  // The version shown has the same topics, and the same edits: restoring it would change nothing.
  const shownAgain = list.find((each) => each.number === version)?.restored_from;
  return (
    <>
      <p className="muted">{list.length <= 1 ? t.versions.none : t.versions.keepsEdits}</p>
      <ul className="panel-list">
        {list.map((each, i) => (
          <li key={each.number}>
            <span className="grow">
              <b>{t.versions.version(each.number)}</b>{" "}
              <span className="small muted tnum">
                {shortDate(new Date(each.created_at), new Date(), language)}{" "}
                {timeOfDay(new Date(each.created_at), language)} · {t.versions.by(nameOf(each.provider))}
                <br />
                {versionCause(each, list[i + 1], nameOf, t)}
              </span>
            </span>
            {each.number === version ? (
              <span className="badge">{t.versions.current}</span>
            ) : (
              <>
                <button type="button" className="button quiet" onClick={() => compare.mutate(each.number)}>
                  {t.versions.compare}
                </button>
                {each.number !== shownAgain && (
                  <button
                    type="button"
                    className="button"
                    disabled={restore.isPending}
                    onClick={() => restore.mutate(each.number)}
                  >
                    {restore.isPending && restore.variables === each.number ? t.versions.restoring : t.versions.restore}
                  </button>
                )}
              </>
            )}
          </li>
        ))}
      </ul>
      {compare.data && (
        <ul className="stack tight" aria-live="polite">
          {compare.data.changes.length === 0 && <li className="muted">{t.versions.same}</li>}
          {compare.data.changes.map((change) => {
            const { sentence, why } = describeChange(change, language, compare.data.labels);
            return (
              <li key={change.sentence}>
                {sentence} {why && <span className="muted">{why}</span>}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}
