"""The event queue of the extension: reads it, and fills it as it is after a day without a network."""

from __future__ import annotations

from tests.extension.browser import wait_until
from tests.extension.cdp import Tab


def insert_queued_events(popup: Tab, count: int) -> None:
    """Insert `count` events into the current recording; every tenth is a page visit with 18,000 characters."""
    popup.evaluate(_INSERT_SCRIPT.replace("COUNT", str(count)))


def wait_for_queued_texts(popup: Tab, count: int) -> None:
    """Wait until `count` visits in the queue have the text of their page."""
    wait_until(lambda: popup.evaluate(_COUNT_TEXTS_SCRIPT) == count, what=f"{count} texts in the queue")


_COUNT_TEXTS_SCRIPT = """(async () => {
  const db = await new Promise((ok) => { const r = indexedDB.open('trailmind'); r.onsuccess = () => ok(r.result); });
  const events = await new Promise((ok) => {
    const r = db.transaction('events').objectStore('events').getAll(); r.onsuccess = () => ok(r.result); });
  db.close();
  return events.filter(({ body }) => body.type === 'page_visit' && body.content).length;
})()"""
_INSERT_SCRIPT = """(async () => {
  const db = await new Promise((ok) => { const r = indexedDB.open('trailmind'); r.onsuccess = () => ok(r.result); });
  const tx = db.transaction(['recordings', 'events'], 'readwrite');
  const recordings = await new Promise((ok) => {
    const r = tx.objectStore('recordings').getAll(); r.onsuccess = () => ok(r.result); });
  const [recording] = recordings;
  for (let i = 0; i < COUNT; i += 1) {
    const visit = i % 10 === 0;
    const body = { event_id: crypto.randomUUID(), type: visit ? 'page_visit' : 'scroll', timestamp: Date.now(),
      url: 'https://example.com/' + Math.floor(i / 10),
      ...(visit ? { title: 'Page ' + i, content: 'words '.repeat(3000) } : {}) };
    tx.objectStore('events').add({ recording: recording.id, place: recording.nextPlace++, seq: null,
      eventId: body.event_id, heldUntil: 0, queuedAt: Date.now(), bytes: JSON.stringify(body).length + 24, body });
    recording.counts.seen += 1;
    recording.counts.pages += visit ? 1 : 0;
  }
  tx.objectStore('recordings').put(recording);
  await new Promise((ok) => { tx.oncomplete = ok; });
  db.close();
})()"""
