/**
 * The dialogs of a session's page: left-out pages, scorecard, receipt, versions, sharing, regeneration, disclosures.
 */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { duration, type Language, shortDate, timeOfDay, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { isOpen, type Mindmap, receiptQuery, type Session, timelineQuery } from "~/api/queries";
import { useRefusal } from "~/billing/tokens";
import { type Messages, useMessages } from "~/i18n";
import type { MapModel } from "~/map/model";
import { SharePanel } from "~/share/SharePanel";
import { hostOf, SiteMark, safeHref } from "~/ui/basics";
import { Dialog } from "~/ui/Dialog";
import { ErrorState, Skeletons } from "~/ui/states";
import type { Edits } from "./edits";
import { MapNotes } from "./MapNotes";
import type { PanelName } from "./panel-name";
import { useProviderName } from "./provider-name";
import { quoteQuery, useCostSentence } from "./quote";
import { useGenerate } from "./useGenerate";
import { Versions } from "./Versions";
import "./Panels.css";

interface Props {
  name: PanelName;
  session: Session;
  model: MapModel | null;
  mindmap: Mindmap | null;
  language: Language;
  onClose: () => void;
  onSelect: (id: string | null) => void;
  edits: Edits;
}

export function Panels(props: Props) {
  const t = useMessages();
  const titles = {
    "left-out": t.leftOut.title,
    score: t.score.title,
    receipt: t.receipt.title,
    versions: t.versions.title,
    share: t.share.title,
    regenerate: t.regenerate.title,
    disclosures: t.disclosure.title,
  };
  if (!props.name) return null;
  const Body = {
    "left-out": LeftOutList,
    score: Score,
    receipt: ReceiptFacts,
    versions: SessionVersions,
    share: Share,
    regenerate: Regenerate,
    disclosures: Disclosures,
  }[props.name];
  return (
    <Dialog title={titles[props.name]} isOpen onClose={props.onClose}>
      <Body {...props} />
    </Dialog>
  );
}

function SessionVersions({ session, mindmap, model, language }: Props) {
  const owner = { kind: "session", id: session.id } as const;
  return <Versions owner={owner} version={mindmap?.version ?? null} model={model} language={language} />;
}

function Share({ session, language }: Props) {
  return <SharePanel owner={{ kind: "session", id: session.id }} language={language} />;
}

/** The pages that are not on a map, with the reasons, and what the user has hidden there. */
export function LeftOutList({ model, language, edits }: Pick<Props, "model" | "language" | "edits">) {
  const t = useMessages();
  const pages = model?.document.left_out ?? [];
  return (
    <>
      <p className="muted">{t.leftOut.hint}</p>
      {pages.length === 0 ? (
        <p>{t.leftOut.none}</p>
      ) : (
        <ul className="panel-list">
          {pages.map((page) => {
            const href = safeHref(page.url);
            return (
              <li key={page.page_id}>
                <SiteMark host={hostOf(page.url)} />
                <span className="grow">
                  {href ? (
                    <a href={href} target="_blank" rel="noreferrer noopener">
                      {page.title || hostOf(page.url)}
                    </a>
                  ) : (
                    page.title || page.page_id
                  )}
                  <span className="small muted"> · {hostOf(page.url)}</span>
                  <br />
                  <span className="small muted">{t.leftOut.reasons[page.reason] ?? page.sentence}</span>
                </span>
                {page.totalDuration > 0 && (
                  <span className="small muted tnum">{duration(page.totalDuration, language)}</span>
                )}
              </li>
            );
          })}
        </ul>
      )}
      {model && model.hidden.length > 0 && (
        <section>
          <h3>{t.leftOut.hidden}</h3>
          <p className="small muted">{t.leftOut.hiddenHint}</p>
          <ul className="panel-list">
            {model.hidden.map((node) => (
              <li key={node.id}>
                <span className="grow">
                  {node.label} <span className="small muted">· {t.map.kinds[node.type]}</span>
                </span>
                <button
                  type="button"
                  className="button"
                  onClick={() => edits.run({ op: "hide", node_id: node.id, hidden: false })}
                >
                  {t.edit.unhide}
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

const SCORES = ["grounding", "coverage", "attention", "separation", "stability", "continuity"] as const;

export function Score({ model }: Pick<Props, "model">) {
  const t = useMessages();
  const score = model?.document.scorecard ?? {};
  return (
    <>
      <p className="muted">{t.score.hint}</p>
      <dl className="score">
        {SCORES.map((key) => {
          const value = score[key];
          return (
            <div key={key}>
              <dt className="strong">{t.score[key]}</dt>
              <dd className="tnum">{typeof value === "number" ? `${Math.round(value * 100)}%` : t.score.unknown}</dd>
              <dd className="small muted">{t.score[`${key}Hint`]}</dd>
              <dd className="meter" aria-hidden="true">
                <i style={{ width: `${(value ?? 0) * 100}%` }} />
              </dd>
            </div>
          );
        })}
      </dl>
      {model && <MapNotes document={model.document} />}
    </>
  );
}

/** A reason of the receipt: the name of an exclusion rule, "yours: " with a domain, or why an event was not valid. */
function wordReason(reason: string, t: Messages): string {
  const [rule = "", detail] = reason.split(": ", 2);
  const name = t.receipt.reasons[rule];
  if (name === undefined) return `${t.receipt.reasonOther} (${reason})`;
  return detail === undefined ? name : `${name}: ${detail}`;
}

function ReceiptFacts({ session }: Props) {
  const t = useMessages();
  const receipt = useQuery(receiptQuery(session.id, isOpen(session.session_status)));
  if (receipt.isPending) return <Skeletons rows={2} height={48} />;
  if (receipt.isError) return <ErrorState error={receipt.error} />;
  const facts = receipt.data;
  if (!facts) return <p>{t.account.absent}</p>;
  const reasons = [...facts.excluded_by, ...facts.invalid_because].map(({ reason, count }) => ({
    words: wordReason(reason, t),
    count,
  }));
  if (facts.excluded_on_device > 0) reasons.unshift({ words: t.receipt.onDevice, count: facts.excluded_on_device });
  for (const { http_status, count } of facts.error_pages)
    reasons.push({ words: t.receipt.errorPage(http_status), count });
  return (
    <>
      <p className="muted">{t.receipt.hint}</p>
      <dl className="facts tnum">
        {(["seen", "stored", "duplicate", "excluded", "invalid"] as const).map((key) => (
          <div key={key}>
            <dt className="muted small">{t.receipt[key]}</dt>
            <dd>{facts[key]}</dd>
          </div>
        ))}
        <div>
          <dt className="muted small">{t.receipt.gaps}</dt>
          <dd>{facts.missing}</dd>
        </div>
      </dl>
      {reasons.length > 0 && (
        <ul className="panel-list">
          {reasons.map(({ words, count }) => (
            <li key={words}>
              <span className="grow">{words}</span>
              <span className="tnum">{count}</span>
            </li>
          ))}
        </ul>
      )}
      <StrayHighlights session={session} />
    </>
  );
}

/** Passages that were marked on pages without a visit: they are stored, and on no page of the map. */
function StrayHighlights({ session }: { session: Session }) {
  const t = useMessages();
  const timeline = useQuery(timelineQuery(session.id, isOpen(session.session_status)));
  const highlights = timeline.data?.highlights ?? [];
  if (highlights.length === 0) return null;
  return (
    <>
      <h3>{t.timeline.elsewhere}</h3>
      <ul className="panel-list">
        {highlights.map((highlight) => (
          <li key={highlight.id}>
            <q className="grow">{highlight.text}</q>
            <span className="small muted">{highlight.url ? hostOf(highlight.url) : ""}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Every request about this session to an AI provider, as it was sent. */
function Disclosures({ session, language }: Props) {
  const t = useMessages();
  const nameOf = useProviderName();
  const query = useQuery({
    queryKey: ["disclosures", session.id],
    queryFn: () =>
      unwrap(
        api.GET("/v1/sessions/{session_id}/disclosures", {
          params: { path: { session_id: session.id }, query: { limit: 200 } },
        }),
      ),
  });
  if (query.isPending) return <Skeletons rows={3} height={48} />;
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  const { disclosures, text_retention_days: days } = query.data;
  if (disclosures.length === 0) return <p className="notice ok">{t.disclosure.none}</p>;
  return (
    <>
      <p className="muted">
        {t.disclosure.hint} {t.disclosure.kept(days)}
      </p>
      <ul className="panel-list">
        {disclosures.map((each) => (
          <li key={each.id}>
            <details className="grow">
              <summary>
                <b>
                  {nameOf(each.provider)} · {each.model}
                </b>
                <br />
                <span className="small muted tnum">
                  {[
                    t.disclosure.operations[each.operation] ?? each.operation,
                    `${shortDate(new Date(each.sent_at), new Date(), language)} ${timeOfDay(new Date(each.sent_at), language)}`,
                    t.disclosure.chars(each.num_chars.toLocaleString(language)),
                    each.num_redactions > 0 ? t.disclosure.redacted(each.num_redactions) : "",
                  ]
                    .filter(Boolean)
                    .join(" · ")}
                </span>
              </summary>
              {each.text === undefined && <p className="small muted">{t.disclosure.gone}</p>}
              {(
                [
                  ["text", each.text],
                  ["instructions", each.instructions],
                  ["answer", each.answer],
                ] as const
              ).map(([part, content]) =>
                content ? (
                  <section key={part}>
                    <h3>{t.disclosure[part]}</h3>
                    <pre className="sent-text" tabIndex={0}>
                      {content}
                    </pre>
                  </section>
                ) : null,
              )}
            </details>
          </li>
        ))}
      </ul>
    </>
  );
}

function Regenerate({ session, language, onClose }: Props) {
  const t = useMessages();
  const isRefused = useRefusal();
  const generate = useGenerate(session.id);
  const quote = useQuery(quoteQuery(session.id));
  const cost = useCostSentence(quote);
  return (
    <>
      <p>{t.regenerate.body}</p>
      <p className="muted" role="status">
        {cost}
      </p>
      {quote.data && !quote.data.quote.is_affordable && (
        <p className="notice amber" role="status">
          {t.regenerate.tooDear(shortDate(new Date(quote.data.quote.resets_at), new Date(), language), isRefused)}{" "}
          {isRefused && <Link to="/account">{t.regenerate.changeSetting}</Link>}
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          {t.common.cancel}
        </button>
        <button
          type="button"
          className="button primary"
          disabled={generate.isPending || (isRefused && quote.data?.quote.is_affordable === false)}
          onClick={() => generate.mutate(true, { onSuccess: onClose })}
        >
          {t.regenerate.go}
        </button>
      </div>
    </>
  );
}
