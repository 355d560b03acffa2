"""Local sites on several hosts: articles, a single-page app, a PDF, frames, a login page, a bank."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.extension import page_kinds
from tests.extension.article_text import paragraph
from tests.extension.pdf_pages import pdf_of


def article(number: int) -> str:
    body = "".join(
        f"<p id='p{i}'>Paragraph {i} of article {number}. {paragraph(number * 11 + i)}</p>" for i in range(12)
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Article {number}</title>"
        f"<meta name='description' content='About article {number}'></head><body><nav><a href='/'>Home</a></nav>"
        f"<main><article><h1>Article {number}</h1>{body}<p><a id='next' href='/article/{number + 1}'>Next</a></p>"
        f"</article></main><footer>Footer words</footer></body></html>"
    )


_APP = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>App</title></head><body>
<nav><a href="/app/one">One</a> <a href="/app/two">Two</a></nav><main id="m"><h1>App home</h1></main><script>
const show = () => { const name = location.pathname.split('/')[2] || 'home';
  document.title = 'App ' + name;
  document.getElementById('m').innerHTML = '<h1>View ' + name + '</h1><p>' +
    ('Words about ' + name + '. ').repeat(60) + '</p>'; };
document.addEventListener('click', e => { const a = e.target.closest('a'); if (!a) return; e.preventDefault();
  history.pushState({}, '', a.href); setTimeout(show, 30); });
addEventListener('popstate', show); show();
</script></body></html>"""

_LOGIN = """<!doctype html><html><head><title>Members only</title></head><body><h1>Members</h1>
<form><input name="u"><input type="password" name="p"></form><p>Secret words of the members page.</p></body></html>"""

_FRAMES = """<!doctype html><html><head><title>Page with frames</title></head><body><h1>Outer page</h1>
<p>Outer words around the frame.</p>
<iframe id="f" src="http://other.reef.test:{port}/article/90" width="600" height="400">
</iframe></body></html>"""


def _pdf() -> bytes:
    """One page of text, small and valid."""
    text = b"BT /F1 24 Tf 72 720 Td (A paper about reefs) Tj ET"
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


class LocalSite:
    """Serves every host on one port. Chromium is told to resolve `*.test` to this machine."""

    def __init__(self) -> None:
        site = self
        self.ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                reply = page_kinds.reply_to(path) or site.page(path)
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                if reply.location:
                    self.send_header("Location", reply.location)
                if not reply.is_endless:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                time.sleep(reply.delay_s)
                self.wfile.write(reply.body)
                if reply.is_endless:
                    site.ended.wait(60)

        class Http(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Ignore browsers that disconnect."""

        self._http = Http(("127.0.0.1", 0), Handler)
        self.port: int = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str, host: str = "news.trail.test") -> str:
        return f"http://{host}:{self.port}{path}"

    def page(self, path: str) -> page_kinds.Reply:
        if path.startswith("/article/"):
            return page_kinds.Reply(article(int(path.rsplit("/", 1)[1])).encode())
        if path == "/app" or path.startswith("/app/"):
            return page_kinds.Reply(_APP.encode())
        if path == "/members":
            return page_kinds.Reply(_LOGIN.encode())
        if path == "/frames":
            return page_kinds.Reply(_FRAMES.replace("{port}", str(self.port)).encode())
        if path == "/paper.pdf":
            return page_kinds.Reply(_pdf(), "application/pdf")
        return page_kinds.Reply(b"<!doctype html><title>Home</title><main><h1>Home</h1><p>Plain words.</p></main>")
