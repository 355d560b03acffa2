/** Builds the events that are sent. Pure, so that the preview page shows exactly what is sent. */

import { redactUrl } from "../privacy/redact";
import type { PageMessageOf } from "../protocol";
import type { EventBody, OpenVisit } from "../queue/model";
import type { PageExtract } from "./pages";

const depth = (value: number): number => Math.round(value * 1_000) / 1_000;

export function visitEvent(
  message: Pick<PageMessageOf<"visit">, "visitId" | "at" | "via" | "url" | "httpStatus">,
  where: { tabId: number; openerVisitId?: string | undefined },
): EventBody {
  return {
    event_id: message.visitId,
    type: "page_visit",
    timestamp: Math.round(message.at),
    url: redactUrl(message.url),
    metadata: {
      tab_id: where.tabId,
      via: message.via,
      ...(where.openerVisitId ? { opener_visit_id: where.openerVisitId } : {}),
      ...(message.httpStatus ? { http_status: message.httpStatus } : {}),
    },
  };
}

/** Title, text and metadata of a visit, known once the page has settled. Empty values are omitted. */
export function visitDetails(title: string, referrer: string, extract: PageExtract | null): Partial<EventBody> {
  return {
    ...(title ? { title } : {}),
    ...(referrer ? { referrer: redactUrl(referrer) } : {}),
    ...(extract?.text ? { content: extract.text } : {}),
    ...(extract
      ? {
          metadata: {
            text_method: extract.method,
            ...(extract.missing ? { text_missing: extract.missing } : {}),
            ...(extract.isTruncated ? { text_truncated: true } : {}),
            ...(extract.language ? { language: extract.language } : {}),
            ...(extract.description ? { description: extract.description } : {}),
            ...(extract.canonical ? { canonical: redactUrl(extract.canonical) } : {}),
          },
        }
      : {}),
  };
}

/** Corrects title and text of a visit whose event was sent before they were final. */
export function updateEvent(visit: OpenVisit, details: Partial<EventBody>, at: number, eventId: string): EventBody {
  return {
    ...details,
    event_id: eventId,
    type: "page_update",
    timestamp: Math.round(at),
    url: visit.url,
    metadata: { ...details.metadata, visit_id: visit.id, tab_id: visit.tabId },
  };
}

export function leaveEvent(visit: OpenVisit, at: number, eventId: string): EventBody {
  const activeMs = Math.round(visit.activeMs);
  return {
    event_id: eventId,
    type: "page_leave",
    timestamp: Math.round(Math.max(at, visit.startedAt)),
    url: visit.url,
    duration_ms: activeMs,
    max_scroll_depth: depth(visit.maxScroll),
    // `active_ms` states that the duration was measured, not derived from wall-clock time.
    metadata: { visit_id: visit.id, tab_id: visit.tabId, active_ms: activeMs },
  };
}

export function scrollEvent(visit: OpenVisit, at: number, eventId: string): EventBody {
  return {
    event_id: eventId,
    type: "scroll",
    timestamp: Math.round(at),
    url: visit.url,
    scroll_depth: depth(visit.maxScroll),
    metadata: { visit_id: visit.id, tab_id: visit.tabId },
  };
}

export function highlightEvent(
  message: PageMessageOf<"highlight">,
  visit: { id: string | null; url: string; tabId: number },
  frameUrl: string | null,
): EventBody {
  return {
    event_id: message.highlightId,
    type: "highlight",
    timestamp: Math.round(message.at),
    url: visit.url,
    text: message.text,
    ...(message.selector ? { selector: message.selector } : {}),
    metadata: {
      ...(visit.id ? { visit_id: visit.id } : {}),
      tab_id: visit.tabId,
      via: message.via,
      ...(frameUrl ? { frame_url: redactUrl(frameUrl) } : {}),
      ...(message.anchor
        ? {
            anchor: [
              { type: "TextQuoteSelector", ...message.anchor.quote },
              ...(message.anchor.position ? [{ type: "TextPositionSelector", ...message.anchor.position }] : []),
            ],
          }
        : {}),
    },
  };
}

export function signalEvent(
  type: "tab_activated" | "window_focus" | "window_blur" | "idle" | "active",
  visit: OpenVisit,
  at: number,
  eventId: string,
): EventBody {
  return {
    event_id: eventId,
    type,
    timestamp: Math.round(at),
    url: visit.url,
    metadata: { visit_id: visit.id, tab_id: visit.tabId },
  };
}
