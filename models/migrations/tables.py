"""Every module with tables: importing this makes them known to `models.base.Base`."""

from __future__ import annotations
