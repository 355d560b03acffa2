import { useVirtualizer } from "@tanstack/react-virtual";
import { duration, type Language, timeOfDay } from "@trailmind/api";
import { Clock3, ExternalLink, Hourglass, Pause, RotateCcw } from "lucide-react";
import { type KeyboardEvent, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import type { Timeline as TimelineData } from "~/api/queries";
import { type Messages, useLanguage, useMessages } from "~/i18n";
import { type MapModel, subtree } from "~/map/model";
import { EmptyState, hostOf, SiteMark, safeHref } from "~/ui/basics";
import { TimelineMinimap } from "./TimelineMinimap";
import { filterRows, type Range, type Row, rowAt, timelineRows, timeSpan } from "./timeline-rows";
import "./Timeline.css";

export function Timeline(props: {
  timeline: TimelineData;
  model: MapModel | null;
  selected: string | null;
  topic: string | null;
  isLive: boolean;
  onSelect: (node: string | null) => void;
  onTopic: (topic: string | null) => void;
}) {
  const { timeline, model, selected, topic, isLive, onSelect, onTopic } = props;
  const t = useMessages();
  const language = useLanguage();
  const [range, setRange] = useState<Range | null>(null);
  const nextRow = useRef<number | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(
    () =>
      timelineRows(timeline, {
        nodeOfPage: (page) => model?.byPage.get(page)?.id ?? null,
        hueOf: (id) => model?.hueOf(id) ?? null,
      }),
    [timeline, model],
  );
  const span = useMemo(() => timeSpan(rows), [rows]);
  const shown = useMemo(
    () => filterRows(rows, topic && model ? subtree(model, topic) : null, range),
    [rows, topic, model, range],
  );
  const titles = useMemo(
    () => new Map(timeline.visits.map((visit) => [visit.id, visit.title || hostOf(visit.url)])),
    [timeline],
  );
  const longest = useMemo(() => Math.max(60_000, ...timeline.visits.map((visit) => visit.duration_ms)), [timeline]);
  const highlighted = useMemo(
    () => (selected && model?.byId.has(selected) ? subtree(model, selected) : null),
    [selected, model],
  );
  const list = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: (i) =>
      shown[i]?.kind === "highlight"
        ? 84
        : shown[i]?.kind === "visit"
          ? 62 + 58 * (shown[i].visit.highlights.length > 0 ? 1 : 0)
          : 40,
    getItemKey: (i) => shown[i]?.key ?? i,
    overscan: 12,
  });

  // A page selected on the map is scrolled into view; one selected here is visible already.
  const isOwnChoice = useRef(false);
  const scrollToChosen = useEffectEvent(() => {
    const at = shown.findIndex((row) => row.kind === "visit" && row.nodeId !== null && highlighted?.has(row.nodeId));
    if (at >= 0) list.scrollToIndex(at, { align: "center" });
  });
  useEffect(() => {
    if (selected && !isOwnChoice.current) scrollToChosen();
    isOwnChoice.current = false;
  }, [selected]);
  // While recording, the newest page stays visible unless the user has scrolled away.
  const count = shown.length;
  const wasAtEnd = useRef(true);
  const scrollTo = useEffectEvent((index: number) => list.scrollToIndex(index));
  useEffect(() => {
    if (isLive && wasAtEnd.current && count > 0) scrollTo(count - 1);
  }, [count, isLive]);

  if (timeline.visits.length === 0 && timeline.highlights.length === 0)
    return (
      <EmptyState
        icon={<Clock3 className="figure" size={32} strokeWidth={1.5} />}
        title={isLive ? t.timeline.empty : t.timeline.emptyDoneTitle}
      >
        {isLive ? t.timeline.emptyHint : t.timeline.emptyDone}
      </EmptyState>
    );

  /** The timeline is one stop for the Tab key: up and down lead to the next visit, left and right inside a visit. */
  const moveBetweenRows = (event: KeyboardEvent<HTMLDivElement>) => {
    const focused = event.target as HTMLElement;
    const inside = { ArrowLeft: ".visit-title", ArrowRight: ".visit-out" }[event.key];
    if (inside) return focused.closest("article")?.querySelector<HTMLElement>(inside)?.focus();
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    // A key that is held down is faster than the rows are rendered.
    const start = nextRow.current ?? Number(focused.closest<HTMLElement>("[data-index]")?.dataset.index ?? -1);
    let index = start + by;
    const isStop = (row: Row) => row.kind === "visit" || row.kind === "highlight";
    for (let row = shown[index]; row && !isStop(row); row = shown[index]) index += by;
    if (!shown[index]) return;
    nextRow.current = index;
    list.scrollToIndex(index);
    // The row is rendered after the scroll.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        if (nextRow.current !== index) return;
        nextRow.current = null;
        scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] :is(button, a)`)?.focus();
      }),
    );
  };
  return (
    <div className="timeline">
      {span && (
        <TimelineMinimap
          rows={rows}
          span={span}
          range={range}
          onRange={setRange}
          onJump={(at) => list.scrollToIndex(rowAt(shown, at), { align: "start" })}
        />
      )}
      <div className="row wrap timeline-tools">
        {!(isLive && !model) && (
          <select
            className="input compact"
            aria-label={t.timeline.topicFilter}
            disabled={!model?.topics.length}
            value={topic ?? ""}
            onChange={(e) => onTopic(e.target.value || null)}
          >
            <option value="">{t.timeline.allTopics}</option>
            {model?.topics.map((each) => (
              <option key={each.id} value={each.id}>
                {each.label}
              </option>
            ))}
          </select>
        )}
        {range && (
          <button type="button" className="chip" aria-pressed="true" onClick={() => setRange(null)}>
            {t.timeline.range(timeOfDay(new Date(range.fromMs), language), timeOfDay(new Date(range.toMs), language))} ·{" "}
            {t.common.clear}
          </button>
        )}
        <span className="muted small tnum" aria-live="polite">
          {t.timeline.count(shown.filter((row) => row.kind === "visit").length)}
        </span>
      </div>
      {shown.length === 0 ? (
        <EmptyState
          title={t.timeline.filteredOut}
          actions={
            <button
              type="button"
              className="button"
              onClick={() => {
                setRange(null);
                onTopic(null);
              }}
            >
              {t.sessions.clearFilters}
            </button>
          }
        />
      ) : (
        <div
          ref={scroller}
          className="timeline-scroll"
          tabIndex={0}
          role="group"
          aria-label={t.timeline.title}
          onKeyDown={moveBetweenRows}
          onScroll={(e) => {
            const box = e.currentTarget;
            wasAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
          }}
        >
          <ol style={{ height: list.getTotalSize(), position: "relative" }}>
            {list.getVirtualItems().map((item) => {
              const row = shown[item.index];
              if (!row) return null;
              return (
                <li
                  key={item.key}
                  ref={list.measureElement}
                  data-index={item.index}
                  className="timeline-item"
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {row.kind === "visit" ? (
                    <VisitRow
                      row={row}
                      longest={longest}
                      hasMap={model !== null}
                      isHighlighted={Boolean(row.nodeId && highlighted?.has(row.nodeId))}
                      isDim={highlighted !== null && !(row.nodeId && highlighted.has(row.nodeId))}
                      origin={titles.get(row.visit.opened_from ?? "") ?? null}
                      onOrigin={() => {
                        const at = shown.findIndex((each) => each.key === row.visit.opened_from);
                        if (at >= 0) list.scrollToIndex(at, { align: "center" });
                      }}
                      onSelect={() => {
                        isOwnChoice.current = true;
                        onSelect(row.nodeId === selected ? null : row.nodeId);
                      }}
                    />
                  ) : row.kind === "highlight" ? (
                    <StrayHighlight row={row} />
                  ) : (
                    <p className="timeline-pause muted small">
                      {row.kind === "pause" ? <Pause size={14} aria-hidden /> : <Hourglass size={14} aria-hidden />}
                      {breakSentence(row, t, language)}
                    </p>
                  )}
                </li>
              );
            })}
          </ol>
        </div>
      )}
    </div>
  );
}

/** What a row without a page says. */
function breakSentence(row: Exclude<Row, { kind: "visit" | "highlight" }>, t: Messages, language: Language): string {
  if (row.kind === "gap") return t.timeline.gap(duration(row.lengthMs, language));
  const length = row.lengthMs === null ? null : duration(row.lengthMs, language);
  if (row.kind === "pause") return length === null ? t.timeline.pauseOpen : t.timeline.pause(length);
  return t.timeline.away[row.reason](length);
}

/** A passage that was marked on a page without a visit, for example in a tab that is not recorded. */
function StrayHighlight({ row }: { row: Extract<Row, { kind: "highlight" }> }) {
  const t = useMessages();
  const language = useLanguage();
  const { highlight } = row;
  const href = highlight.url ? safeHref(highlight.url) : null;
  const host = highlight.url ? hostOf(highlight.url) : "";
  return (
    <article className="visit stray">
      <time className="visit-time tnum" dateTime={highlight.created_at}>
        {timeOfDay(new Date(row.atMs), language)}
      </time>
      <div className="grow">
        <p className="visit-meta small muted">
          {t.timeline.elsewhere}
          {href && (
            <>
              {" · "}
              <a href={href} target="_blank" rel="noreferrer noopener">
                {host}
              </a>
            </>
          )}
        </p>
        <blockquote className="quote" dir="auto">
          {highlight.text}
          {highlight.note && (
            <footer className="small muted">
              {t.timeline.note}: {highlight.note}
            </footer>
          )}
        </blockquote>
      </div>
    </article>
  );
}

function VisitRow(props: {
  row: Extract<Row, { kind: "visit" }>;
  longest: number;
  hasMap: boolean;
  isHighlighted: boolean;
  isDim: boolean;
  /** The title of the visit that led to this one. */
  origin: string | null;
  onOrigin: () => void;
  onSelect: () => void;
}) {
  const { row, longest, hasMap, isHighlighted, isDim, onSelect } = props;
  const t = useMessages();
  const language = useLanguage();
  const { visit } = row;
  const host = hostOf(visit.url);
  const title = visit.title || visit.url;
  const href = safeHref(visit.url);
  return (
    <article
      className={`visit ${isHighlighted ? "chosen" : ""} ${isDim ? "dim" : ""}`}
      data-hue={row.hue ?? "none"}
      data-visit={visit.id}
    >
      <time className="visit-time tnum" dateTime={visit.visited_at}>
        {timeOfDay(new Date(row.atMs), language)}
      </time>
      <span className="visit-hue" aria-hidden="true" />
      <div className="grow">
        <div className="visit-head">
          <SiteMark host={host} hue={row.hue} />
          {row.nodeId ? (
            <button
              type="button"
              tabIndex={-1}
              className="visit-title"
              aria-pressed={isHighlighted}
              onClick={onSelect}
              title={title}
            >
              {title}
            </button>
          ) : (
            <span className="visit-title" title={title}>
              {title}
            </span>
          )}
          {href && (
            <a
              className="visit-out"
              tabIndex={-1}
              href={href}
              target="_blank"
              rel="noreferrer noopener"
              aria-label={`${t.timeline.openPage(title)} (${t.common.newTab})`}
            >
              <ExternalLink size={14} />
            </a>
          )}
        </div>
        <div className="visit-meta small muted tnum">
          <span className="visit-from">
            <span className="ellipsis">{host}</span>
            {visit.is_revisit && (
              <span className="row">
                <RotateCcw size={11} aria-hidden />
                {t.timeline.revisit}
              </span>
            )}
            {visit.http_status && <span className="ellipsis">{t.timeline.errorPage(visit.http_status)}</span>}
            {visit.text_missing && <span className="ellipsis">{t.timeline.textMissing(visit.text_missing)}</span>}
            {hasMap && !row.nodeId && <span>{t.timeline.offMap}</span>}
            {props.origin !== null ? (
              <button type="button" tabIndex={-1} className="link ellipsis visit-origin" onClick={props.onOrigin}>
                {t.timeline.from(props.origin)}
              </button>
            ) : (
              visit.referrer && <span className="ellipsis">{t.timeline.from(hostOf(visit.referrer))}</span>
            )}
          </span>
          <span className="visit-bar" aria-hidden="true">
            <i style={{ width: `${Math.max(2, (visit.duration_ms / longest) * 100)}%` }} />
            <b style={{ width: `${visit.max_scroll_depth * 100}%` }} />
          </span>
          <span className="visit-dwell">
            {duration(visit.duration_ms, language)}
            <span className="sr">{` ${t.timeline.scroll(Math.round(visit.max_scroll_depth * 100))}`}</span>
          </span>
        </div>
        {visit.highlights.map((highlight) => (
          <blockquote key={highlight.id} className="quote" dir="auto">
            {highlight.text}
            {highlight.note && (
              <footer className="small muted">
                {t.timeline.note}: {highlight.note}
              </footer>
            )}
          </blockquote>
        ))}
      </div>
    </article>
  );
}
