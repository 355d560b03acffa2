import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { sessionQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import type { MapNode } from "~/map/model";
import { sessionName } from "~/sessions/session-name";
import type { Edits } from "./edits";

/** For a label that its user gave in another session: from which one, and the generated label to use instead. */
export function ReusedLabel({ node, edits }: { node: MapNode; edits: Edits | null }) {
  const source = node.data.reused_from;
  return source ? <Origin source={source} nodeId={node.id} edits={edits} /> : null;
}

function Origin(props: { source: NonNullable<MapNode["data"]["reused_from"]>; nodeId: string; edits: Edits | null }) {
  const { source, nodeId, edits } = props;
  const t = useMessages();
  const language = useLanguage();
  // A session that is deleted is named no more, and its label goes with it.
  const session = useQuery({ ...sessionQuery(source.session_id), retry: false });
  return (
    <p className="row wrap small">
      {session.data ? (
        <span>
          {t.evidence.reusedFrom}{" "}
          <Link to="/sessions/$id" params={{ id: source.session_id }}>
            {sessionName(session.data, language)}
          </Link>
        </span>
      ) : (
        <span>{t.evidence.reused}</span>
      )}
      {edits?.isAvailable && (
        <button type="button" className="button" onClick={() => edits.rename(nodeId, source.generated_label)}>
          {t.evidence.keepGenerated(source.generated_label)}
        </button>
      )}
    </p>
  );
}
