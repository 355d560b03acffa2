"""Gives the pages of stored maps, edits, visits and search rows the ids of the present rules for addresses.

A page is renamed where its visits tell that it is one: the id on the visit is the one that the former rules gave its
address, and the present rules give another. A page that was several (routes behind `#/`) or became part of another is
renamed once at most; its map is right after it is made again. Running it twice changes nothing.
"""

from __future__ import annotations

import uuid
from itertools import groupby

import sqlalchemy as sa
from alembic import op

from models.urls import former_page_id, page_id

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

_VISITS = sa.text('SELECT session_id, page_id, url FROM visits ORDER BY session_id, ordinal')
_DOCUMENTS = sa.text('''
    SELECT v.id, v.data::text, v.generated::text FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id
    WHERE m.session_id = :session
''')
_EDITS = sa.text('''
    SELECT e.mindmap_id, e.seq, e.entry::text FROM mindmap_edits e JOIN mindmaps m ON m.id = e.mindmap_id
    WHERE m.session_id = :session
''')


def upgrade() -> None:
    connection = op.get_bind()
    # One session at a time: an installation may have millions of visits.
    rows = connection.execute(_VISITS, execution_options={'stream_results': True, 'yield_per': 5_000})
    changed: list[tuple[uuid.UUID, dict[str, str]]] = []
    for session, visits in groupby(rows, key=lambda row: row[0]):
        if ids := _renamed([(stored, url) for _, stored, url in visits]):
            changed.append((session, ids))
    for session, ids in changed:
        _rename(connection, session, ids)


def _renamed(visits: list[tuple[str, str]]) -> dict[str, str]:
    """The former id → the present id, of each page of one session that keeps all its visits."""
    ids: dict[str, str] = {}
    # A page that is recorded under its present id keeps it alone.
    taken = {stored for stored, _ in visits}
    for stored, url in visits:
        present = page_id(url)
        if present != stored and stored not in ids and present not in taken and stored == former_page_id(url):
            ids[stored] = present
            taken.add(present)
    return ids


def _rename(connection: sa.Connection, session: uuid.UUID, ids: dict[str, str]) -> None:
    def replaced(text: str | None) -> str | None:
        for former, present in ids.items():
            text = text.replace(f'"{former}"', f'"{present}"') if text else text
        return text

    for version, data, generated in connection.execute(_DOCUMENTS, {'session': session}).fetchall():
        changed = {'id': version, 'data': replaced(data), 'generated': replaced(generated)}
        if (changed['data'], changed['generated']) != (data, generated):
            connection.execute(
                sa.text('UPDATE mindmap_versions SET data = CAST(:data AS jsonb),'
                        ' generated = CAST(:generated AS jsonb) WHERE id = :id'), changed)
    for mindmap, seq, entry in connection.execute(_EDITS, {'session': session}).fetchall():
        if replaced(entry) != entry:
            connection.execute(
                sa.text('UPDATE mindmap_edits SET entry = CAST(:entry AS jsonb) WHERE mindmap_id = :map AND seq = :seq'),
                {'map': mindmap, 'seq': seq, 'entry': replaced(entry)})
    for former, present in ids.items():
        names = {'session': session, 'former': former, 'present': present}
        for table in ('visits', 'highlights', 'search_pages'):
            connection.execute(
                sa.text(f'UPDATE {table} SET page_id = :present WHERE session_id = :session AND page_id = :former'), names)


def downgrade() -> None:
    """The former ids are not restored: maps and visits stay consistent, and edits find their pages."""
