import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { shortDate, type ThreadReply, unwrap } from "@trailmind/api";
import { Spline } from "lucide-react";
import { api } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { sessionName } from "~/sessions/session-name";
import { EmptyState } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import "./ThreadsPage.css";

const KEY = ["threads"];

/** Topics that recur over sessions, each with its confidence, its sessions, and a way to take one out. */
export function ThreadsPage() {
  const t = useMessages();
  const threads = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => unwrap(api.GET("/v1/threads", { params: { query: { limit: 100 } }, signal })),
  });
  return (
    <div className="page">
      <title>{`${t.threads.title} · ${t.brand}`}</title>
      <div className="page-head">
        <div className="grow">
          <h1>{t.threads.title}</h1>
          <p className="muted">{t.threads.hint}</p>
        </div>
      </div>
      {threads.isPending ? (
        <Skeletons rows={4} height={96} />
      ) : threads.isError && !threads.data ? (
        <ErrorState error={threads.error} onRetry={() => void threads.refetch()} />
      ) : threads.data.threads.length === 0 ? (
        <EmptyState icon={<Spline className="figure" size={32} strokeWidth={1.5} />} title={t.threads.none}>
          {t.threads.noneHint}
        </EmptyState>
      ) : (
        <ul className="threads">
          {threads.data.threads.map((thread) => (
            <Thread key={thread.id} thread={thread} />
          ))}
        </ul>
      )}
    </div>
  );
}

type TopicRef = Pick<ThreadReply["members"][number], "session_id" | "topic_id">;

const topicRef = ({ session_id, topic_id }: TopicRef) => ({ session_id, topic_id });

function Thread({ thread }: { thread: ThreadReply }) {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: KEY });
  const link = useMutation({
    mutationFn: ([topic, other]: [TopicRef, TopicRef]) =>
      unwrap(api.POST("/v1/threads/link", { body: { topic: topicRef(topic), other: topicRef(other) } })),
    onSuccess: refresh,
    onError: (error) => toast(errorMessage(error, t)),
  });
  const unlink = useMutation({
    mutationFn: (topic: TopicRef) => unwrap(api.POST("/v1/threads/unlink", { body: topicRef(topic) })),
    onSuccess: (_, topic) => {
      // A thread of two is gone from the screen, so that nothing else could bring the topic back.
      const other = thread.members.find(({ session_id }) => session_id !== topic.session_id);
      toast(t.threads.unlinked, other && { label: t.common.undo, run: () => link.mutate([topic, other]) });
      return refresh();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <li className="thread">
      <div className="row wrap">
        <h2>{thread.label}</h2>
        <span className="badge tnum">{t.threads.confidence(Math.round(thread.confidence * 100))}</span>
        <span className="small muted">{t.threads.sessions(thread.members.length)}</span>
      </div>
      {thread.terms.length > 0 && (
        <div className="tags">
          {thread.terms.slice(0, 6).map((term) => (
            <span key={term}>{term}</span>
          ))}
        </div>
      )}
      <ul className="panel-list">
        {thread.members.map((member) => (
          <li key={`${member.session_id}-${member.topic_id}`}>
            <span className="grow">
              <Link to="/sessions/$id" params={{ id: member.session_id }} search={{ node: member.topic_id }}>
                {member.label}
              </Link>
              <br />
              <span className="small muted tnum">
                {sessionName({ ...member, title: member.session_title }, language)} ·{" "}
                {shortDate(new Date(member.started_at), new Date(), language)} ·{" "}
                {member.linked_by === "user"
                  ? t.threads.byYou
                  : t.threads.confidence(Math.round(member.confidence * 100))}
              </span>
            </span>
            <button
              type="button"
              className="button"
              disabled={unlink.isPending}
              aria-label={t.threads.unlinkThis(member.label)}
              onClick={() => unlink.mutate(member)}
            >
              {t.threads.unlink}
            </button>
          </li>
        ))}
      </ul>
    </li>
  );
}
