import { useQueries } from "@tanstack/react-query";
import { duration, type PageTextReply, type Passage, shortDate, timeOfDay } from "@trailmind/api";
import { BookOpenText, CornerUpRight, ExternalLink, Pencil, X } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { type MapOwner, pageTextQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { loadPart } from "~/load-part";
import { ancestors, type MapModel, type MapNode } from "~/map/model";
import { LabelInput } from "~/map/RenameField";
import { hostOf, IconButton, passageHref, SiteMark, safeHref } from "~/ui/basics";
import { EditActions } from "./EditActions";
import type { Edits } from "./edits";
import { distinctQuotes } from "./evidence-quotes";
import { ForgetPage } from "./ForgetPage";
import { useProviderName } from "./provider-name";
import { ReusedLabel } from "./ReusedLabel";
import "./Evidence.css";

const Reader = lazy(() => loadPart(() => import("./Reader")));

const PARTS = ["dwell", "highlights", "scroll", "revisits", "centrality"] as const;

/** The sources of a node's label: quotes with their pages, and the parts of the node's size. */
export function Evidence(props: {
  node: MapNode;
  model: MapModel;
  version: number;
  onSelect: (id: string | null) => void;
  onFocus: (topic: string | null) => void;
  focused: string | null;
  edits: Edits | null;
  /** Whose captured pages can be read; null for a visitor of a shared map. */
  owner: MapOwner | null;
}) {
  const { node, model, version, onSelect, onFocus, focused, edits, owner } = props;
  const [reading, setReading] = useState<{ pageId: string; quote: string | null } | null>(null);
  const [namingId, setNamingId] = useState<string | null>(null);
  const textOf = usePageTexts(owner, node);
  const nameOf = useProviderName();
  const t = useMessages();
  const language = useLanguage();
  const head = useRef<HTMLDivElement>(null);
  const { data } = node;
  const { evidence, highlights } = distinctQuotes(node);
  const importance = data.importance;
  const total = PARTS.reduce((sum, part) => sum + (importance[part] ?? 0), 0);
  const children = (model.children.get(node.id) ?? []).flatMap((id) => model.byId.get(id) ?? []);
  const related = model.cross
    .filter((edge) => edge.source === node.id || edge.target === node.id)
    .sort((a, b) => b.weight - a.weight)
    .flatMap((edge) => {
      const other = model.byId.get(edge.source === node.id ? edge.target : edge.source);
      // The user's name of the link says more than the terms it was found by.
      return other ? [{ other, edge, terms: edge.label || edge.terms.join(", ") }] : [];
    });
  const href = safeHref(data.urls[0]);
  const path = ancestors(model, node.id)
    .reverse()
    .filter((id) => id !== model.root.id);

  useEffect(() => {
    // On a phone the panel opens over the map and takes the focus, so that Escape and screen readers act on it.
    if (matchMedia("(max-width: 767px)").matches) head.current?.focus();
  }, []);

  return (
    <aside
      className="evidence"
      aria-label={t.evidence.title}
      data-hue={model.hueOf(node.id) ?? "none"}
      onKeyDown={(e) => {
        // Keys pressed in a dialog that the panel has opened belong to the dialog.
        if (e.key === "Escape" && e.currentTarget.contains(e.target as Node)) onSelect(null);
      }}
    >
      <div className="evidence-head" ref={head} tabIndex={-1}>
        <div className="grow">
          <p className="small muted evidence-path">
            <i className="dot" />
            {path.length > 0
              ? path.map((id) => (
                  <button type="button" key={id} onClick={() => onSelect(id)}>
                    {model.byId.get(id)?.label}
                  </button>
                ))
              : t.map.kinds[node.type]}
          </p>
          <h2>{node.label}</h2>
        </div>
        <IconButton label={t.evidence.close} onClick={() => onSelect(null)}>
          <X size={18} />
        </IconButton>
      </div>
      <div className="evidence-body">
        <p className="row wrap small muted tnum">
          {data.totalDuration > 0 && <span>{t.timeline.dwell(duration(data.totalDuration, language))}</span>}
          {data.visitCount > 0 && <span>{t.evidence.visits(data.visitCount)}</span>}
          {data.label_by === "user" && <span className="badge">{t.evidence.byYou}</span>}
          {data.pinned && <span className="badge">{t.edit.pin}</span>}
        </p>
        <ReusedLabel node={node} edits={edits} />
        {node.type === "page" && href && (
          <p className="row wrap">
            <a className="button" href={href} target="_blank" rel="noreferrer noopener">
              <ExternalLink size={15} />
              {t.evidence.openPage}
            </a>
            {owner && data.page_id && (
              <button
                type="button"
                className="button"
                onClick={() => setReading({ pageId: data.page_id ?? "", quote: null })}
              >
                <BookOpenText size={15} />
                {t.reader.open}
              </button>
            )}
            {owner?.kind === "session" && edits && data.page_id && data.urls[0] && (
              <ForgetPage
                page={{
                  sessionId: owner.id,
                  pageId: data.page_id,
                  url: data.urls[0],
                  visitedMs: data.last_visited_at_ms ?? null,
                }}
                onForgotten={() => onSelect(null)}
              />
            )}
          </p>
        )}
        {(node.type === "topic" || node.type === "subtopic") && model.topicOf.get(node.id) === node.id && (
          <button
            type="button"
            className="button"
            aria-pressed={focused === node.id}
            onClick={() => onFocus(focused === node.id ? null : node.id)}
          >
            {focused === node.id ? t.map.unfocus : t.map.focus}
          </button>
        )}
        {edits?.isAvailable && version > 0 && node.type !== "core" && (
          <EditActions node={node} model={model} edits={edits} />
        )}
        <section>
          <h3>{t.evidence.from}</h3>
          {evidence.length === 0 && <p className="muted">{t.evidence.none}</p>}
          {evidence.map((each, i) => {
            const page = model.byPage.get(each.page_id);
            const url = page?.data.urls[0] ?? (node.type === "page" ? data.urls[0] : undefined);
            const isPassage = each.field === "text" || each.field === "highlight";
            const open = url ? passageHref(url, passageOf(isPassage ? each.quote : "", textOf(each.page_id))) : null;
            const at = each.visited_at_ms[0];
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: one page may be quoted twice with the same words
              <figure key={`${each.page_id}-${i}`} className="evidence-quote">
                <blockquote dir="auto">“{each.quote}”</blockquote>
                <figcaption className="small muted">
                  <SiteMark host={page?.data.host ?? hostOf(url)} hue={model.hueOf(node.id)} />
                  <span className="grow">
                    {page && page.id !== node.id ? (
                      <button type="button" className="link" onClick={() => onSelect(page.id)}>
                        {page.data.title || page.label}
                      </button>
                    ) : (
                      (page?.data.title ?? node.label)
                    )}
                    <span className="tnum">
                      {" "}
                      · {page?.data.host ?? hostOf(url)}
                      {at
                        ? ` · ${t.evidence.visited(`${shortDate(new Date(at), new Date(), language)} ${timeOfDay(new Date(at), language)}`)}`
                        : ""}
                    </span>
                  </span>
                  {owner && isPassage && (
                    <IconButton
                      label={t.reader.open}
                      onClick={() => setReading({ pageId: each.page_id, quote: each.quote })}
                    >
                      <BookOpenText size={15} />
                    </IconButton>
                  )}
                  {open && (
                    <a
                      href={open}
                      target="_blank"
                      rel="noreferrer noopener"
                      aria-label={`${t.evidence.open} (${t.common.newTab})`}
                      title={t.evidence.open}
                    >
                      <CornerUpRight size={15} />
                    </a>
                  )}
                </figcaption>
              </figure>
            );
          })}
        </section>
        {highlights.length > 0 && (
          <section>
            <h3>{t.evidence.highlights}</h3>
            {highlights.map((text) => (
              <blockquote key={text} className="quote" dir="auto">
                {text}
              </blockquote>
            ))}
          </section>
        )}
        {total > 0 && (
          <section>
            <h3>{t.evidence.why}</h3>
            <dl className="why">
              {PARTS.map((part) => {
                const share = (importance[part] ?? 0) / total;
                return share > 0.004 ? (
                  <div key={part}>
                    <dt>{t.evidence.parts[part]}</dt>
                    <dd>
                      <span className="meter" aria-hidden="true">
                        <i style={{ width: `${share * 100}%` }} />
                      </span>
                      <span className="tnum">{Math.round(share * 100)}%</span>
                    </dd>
                  </div>
                ) : null;
              })}
            </dl>
          </section>
        )}
        {related.length > 0 && (
          <section>
            <h3>{t.evidence.related}</h3>
            <ul className="stack tight">
              {related.map(({ other, edge, terms }) => (
                <li key={other.id} data-hue={model.hueOf(other.id)} className="related-row">
                  {namingId === other.id ? (
                    <LabelInput
                      label={edge.label ?? ""}
                      name={t.edit.linkName}
                      onEnd={(label) => {
                        setNamingId(null);
                        if (label) edits?.run({ op: "label_edge", source: edge.source, target: edge.target, label });
                      }}
                    />
                  ) : (
                    <button type="button" className="related" onClick={() => onSelect(other.id)}>
                      <i className="dot" />
                      <span className="grow">
                        {other.label}
                        {terms && (
                          <span className="small muted">
                            {" "}
                            · {edge.label ? terms : `${t.evidence.shares}: ${terms}`}
                          </span>
                        )}
                      </span>
                    </button>
                  )}
                  {edits?.isAvailable && version > 0 && namingId !== other.id && (
                    <IconButton label={t.edit.nameLink(other.label)} onClick={() => setNamingId(other.id)}>
                      <Pencil size={15} />
                    </IconButton>
                  )}
                </li>
              ))}
            </ul>
          </section>
        )}
        {children.length > 0 && (
          <section>
            <h3>{t.evidence.pages}</h3>
            <ul>
              {children.map((child) => (
                <li key={child.id} data-hue={model.hueOf(child.id) ?? "none"}>
                  <button type="button" className="related" onClick={() => onSelect(child.id)}>
                    <i className="dot" />
                    <span className="grow">{child.label}</span>
                    {child.data.totalDuration > 0 && (
                      <span className="small muted tnum">{duration(child.data.totalDuration, language)}</span>
                    )}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
        {data.searches.length > 0 && (
          <section>
            <h3>{t.evidence.searches}</h3>
            <p className="tags">
              {data.searches.map((word) => (
                <span key={word}>{word}</span>
              ))}
            </p>
          </section>
        )}
        {data.keywords.length > 0 && (
          <section>
            <h3>{t.evidence.keywords}</h3>
            <p className="tags">
              {data.keywords.map((word) => (
                <span key={word}>{word}</span>
              ))}
            </p>
          </section>
        )}
        {version > 0 && (
          <p className="small muted">{t.evidence.provider(nameOf(model.document.provider || "local"), version)}</p>
        )}
      </div>
      <Suspense fallback={null}>
        {reading && owner && <Reader owner={owner} {...reading} onClose={() => setReading(null)} />}
      </Suspense>
    </aside>
  );
}

/** Pages whose text is loaded for the links of one panel. */
const MAX_PAGE_TEXTS = 6;

/**
 * The captured texts of the pages that a node quotes. With them a link finds a passage that begins inside a word, spans
 * several blocks, or stands on its page twice.
 */
function usePageTexts(owner: MapOwner | null, node: MapNode): (pageId: string) => PageTextReply | undefined {
  const quoted = node.data.evidence.filter((each) => each.field === "text" || each.field === "highlight");
  const pageIds = [...new Set(quoted.map((each) => each.page_id))].slice(0, MAX_PAGE_TEXTS);
  const texts = useQueries({
    queries: pageIds.map((pageId) => ({
      ...pageTextQuery(owner ?? { kind: "session", id: "" }, pageId),
      enabled: owner !== null,
      retry: false,
    })),
  });
  return (pageId) => texts[pageIds.indexOf(pageId)]?.data;
}

function passageOf(quote: string, page: PageTextReply | undefined): Passage {
  if (!page) return { quote };
  const highlight = page.highlights.find((each) => each.text === quote);
  return {
    quote,
    pageText: page.text,
    language: page.language ?? null,
    ...(highlight ? { prefix: highlight.prefix, suffix: highlight.suffix } : {}),
  };
}
