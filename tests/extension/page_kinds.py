"""Pages of the kinds that recorders get wrong: each is one trick that real sites play."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import pi, sin

from tests.extension.article_text import paragraph
from tests.extension.pdf_pages import CJK_PDFS, cjk_pdf, scanned_pdf
from tests.extension.text_pages import PAGES

_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """The answer to a request. The body follows `delay_s` after the headers; `is_endless`: it never ends."""

    body: bytes
    kind: str = _HTML
    status: int = 200
    location: str | None = None
    delay_s: float = 0.0
    is_endless: bool = False


def words(seed: int, num_paragraphs: int = 8) -> str:
    """Paragraphs of an article that differ from seed to seed."""
    return "".join(f"<p id='p{i}'>Item {seed} part {i}. {paragraph(seed * 13 + i)}</p>" for i in range(num_paragraphs))


def _document(title: str, body: str, head: str = "") -> str:
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>{head}</head>"
        f"<body>{body}</body></html>"
    )


def _replacing(address: str, how: str = "replaceState", delay_ms: int | None = None) -> str:
    change = f"history.{how}(null, '', '{address}')"
    script = change if delay_ms is None else f"setTimeout(() => {change}, {delay_ms})"
    body = f"<main><h1>Pay</h1><p>CARDSECRET your card and address.</p>{words(1)}</main>"
    return _document("Shop", f"<script>{script}</script>{body}")


_SPA = _document(
    "First view",
    "<nav><a id='one' href='/spa/one'>One</a> <a id='two' href='/spa/two'>Two</a></nav><main id='m'></main><script>"
    "const texts = " + repr({"one": "<h1>First</h1>" + words(1), "two": "<h1>Second</h1>" + words(2)}) + ";"
    "const show = async (name, first) => {"
    " if (!first) await (await fetch('/slow/' + (new URLSearchParams(location.search).get('wait') ?? 2))).text();"
    " document.getElementById('m').innerHTML = texts[name];"
    " const title = name === 'one' ? 'First view' : 'Second view';"
    " const isLate = new URLSearchParams(location.search).has('latetitle') && !first;"
    " setTimeout(() => document.title = title, isLate ? 2000 : 0); };"
    "document.addEventListener('click', e => { const a = e.target.closest('a'); if (!a) return; e.preventDefault();"
    " history.pushState({}, '', a.pathname + location.search); show(a.id); });"
    "show('one', true);</script>",
)

_LATE_BODY = _document(
    "Loading",
    "<div id='m'>Loading</div><script>setTimeout(() => { document.title = 'Late article';"
    f" document.getElementById('m').innerHTML = {('<article><h1>Late</h1>' + words(3, 14) + '</article>')!r};"
    " }, 4000)</script>",
)

_INNER_SCROLLER = _document(
    "Inner scroller",
    f"<div id='box' style='height:100vh; overflow:auto'>{words(4, 40)}</div>",
    "<style>body { margin: 0 }</style>",
)

_DOCUMENT_OPEN = _document(
    "Before",
    f"<main>{words(5)}</main><script>addEventListener('load', () => setTimeout(() => {{ document.open();"
    " document.write('<title>Written anew</title><main><h1>Anew</h1>' + "
    f"{words(6)!r} + '</main>'); document.close(); }}, 1800))</script>",
)

_DECORATION = _document(
    "Decoration",
    f"<canvas id='c'></canvas><video id='v' muted autoplay loop playsinline></video><main>{words(7)}</main><script>"
    "const c = document.getElementById('c'), x = c.getContext('2d'); let n = 0;"
    "setInterval(() => x.fillRect(n++ % 100, 0, 5, 5), 40);"
    "const v = document.getElementById('v'); v.srcObject = c.captureStream(25); v.play();</script>",
)

_MAP = _document(
    "Map",
    f"<main><h1>Map</h1>{words(8)}</main><script>let n = 0; setInterval(() => n++ < 6 &&"
    " history.replaceState(null, '', `/map/@37.${50 + n}N,127.0E,${n}z`), 650)</script>",
)


def _endless(number: int) -> str:
    item = "<article><h1>Article ${n}</h1>${texts[n]}</article>"
    return _document(
        f"Article {number}",
        f"<main id='m'><article><h1>Article {number}</h1>{words(number, 12)}</article></main><script>"
        f"const texts = {[words(n, 12) for n in range(1, 6)]!r}; texts.unshift('');"
        f"let n = {number}; addEventListener('scroll', () => {{"
        " if (n >= 3 || scrollY + innerHeight < document.documentElement.scrollHeight - 50) return;"
        f" n += 1; document.getElementById('m').insertAdjacentHTML('beforeend', `{item}`);"
        " document.title = `Article ${n}`; history.replaceState(null, '', '/endless/' + n); });</script>",
    )


_THREAD = _document(
    "How to mend a net",
    f"<main id='m'><h1>How to mend a net</h1><div class='post'>{words(30, 12)}</div></main><script>"
    f"const post = {words(31, 12)!r}; let n = 1; addEventListener('scroll', () => {{"
    " if (n >= 5 || scrollY + innerHeight < document.documentElement.scrollHeight - 50) return;"
    " n += 1; document.getElementById('m').insertAdjacentHTML('beforeend',"
    " `<div class='post'>Post ${n}. ${post}</div>`);"
    " history.replaceState(null, '', '/thread/how-to-mend-a-net/812/' + n); });</script>",
)

_SHADOW = _document(
    "In the shadow",
    "<p>Cookies help us. Accept or refuse.</p><my-article></my-article><script>"
    "const root = document.querySelector('my-article').attachShadow({mode: 'open'});"
    f"root.innerHTML = {('<style>p { margin: 1em }</style><main><h1>Shadows</h1>' + words(9) + '</main>')!r};"
    "</script>",
)
_SHADOW_LOGIN = _document(
    "Members",
    f"<main>{words(10)}</main><my-login></my-login><script>"
    "document.querySelector('my-login').attachShadow({mode: 'open'}).innerHTML = '<input type=password>';</script>",
)

_MARKS = _document(
    "Marks",
    "<button id='copy'>Copy</button><pre id='code'>pip install reef-survey --upgrade</pre>"
    f"<main>{words(11)}</main><script>document.getElementById('copy').onclick = () => {{"
    " const range = document.createRange(); range.selectNodeContents(document.getElementById('code'));"
    " getSelection().removeAllRanges(); getSelection().addRange(range); };</script>",
)

_AUDIO = _document(
    "Audio",
    f"<audio id='a' src='/tone.wav' loop></audio><a id='next' href='/article/2'>Next</a><main>{words(12)}</main>",
)


def _tone() -> bytes:
    """Two seconds of a quiet tone as WAV, 8 kHz, 16 bits."""
    samples = b"".join(struct.pack("<h", int(3_000 * sin(2 * pi * 440 * i / 8_000))) for i in range(16_000))
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, 8_000, 16_000, 2, 16
    )
    return header + b"data" + struct.pack("<I", len(samples)) + samples


_PAGES = {
    "/replace-pay": _replacing("/checkout/payment"),
    "/replace-pay-late": _replacing("/checkout/payment", delay_ms=900),
    "/push-pay": _replacing("/checkout/payment", how="pushState"),
    "/replace-pay-read": _replacing("/checkout/payment", delay_ms=3_500),
    "/replace-home": _replacing("/home"),
    "/checkout/leave": _document(
        "Shop home", f"<script>history.replaceState(null, '', '/shop')</script><main>{words(20)}</main>"
    ),
    "/late-body": _LATE_BODY,
    "/inner-scroller": _INNER_SCROLLER,
    "/refresh0": _document("Wait", "<p>One moment.</p>", "<meta http-equiv='refresh' content='0;url=/article/1'>"),
    "/jsreplace": _document("Going", "<script>setTimeout(() => location.replace('/article/2'), 250)</script>"),
    "/document-open": _DOCUMENT_OPEN,
    "/decoration": _DECORATION,
    "/map/start": _MAP,
    "/thread/how-to-mend-a-net/812": _THREAD,
    "/live": _document(
        "Live",
        f"<main><h1>Live</h1>{words(13)}</main><script>sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1;"
        "let reload = setTimeout(() => { reload = null; location.reload(); }, 2500)</script>",
    ),
    "/shadow": _SHADOW,
    "/shadow-login": _SHADOW_LOGIN,
    "/closed-shadow-login": _SHADOW_LOGIN.replace("open", "closed"),
    "/frame-login": _document("Frame", "<iframe src='/shadow-login' style='width:100%;height:800px'></iframe>"),
    "/marks": _MARKS,
    "/audio": _AUDIO,
    "/alert": _document("Alert", f"<main>{words(14)}</main>"),
    "/ticker": _document(
        "0", f"<main>{words(15)}</main><script>let n = 0; setInterval(() => document.title = ++n, 500)</script>"
    ),
    "/endless-image": _document("Endless image", f"<main>{words(16)}</main><img src='/never.png'>"),
    "/opener": _document("Opener", f"<a id='link' href='/article/5'>Five</a><main>{words(17)}</main>"),
}


def reply_to(path: str) -> Reply | None:
    """The answer for `path`, None if this module has no such page."""
    if path in _PAGES:
        return Reply(_PAGES[path].encode())
    if path.startswith("/text/"):
        return Reply(PAGES[path.removeprefix("/text/")].html.encode())
    if path.startswith("/pdf/"):
        name = path.removeprefix("/pdf/").removesuffix(".pdf")
        return Reply(scanned_pdf() if name == "scan" else cjk_pdf(CJK_PDFS[name]), "application/pdf")
    if path.startswith("/spa/"):
        return Reply(_SPA.encode())
    if path.startswith("/map/"):
        return Reply(_MAP.encode())
    if path.startswith("/endless/"):
        return Reply(_endless(int(path.rsplit("/", 1)[1])).encode())
    if path.startswith("/slow/"):
        return Reply(b"ok", "text/plain", delay_s=float(path.rsplit("/", 1)[1]))
    match path:
        case "/never.png":
            return Reply(b"\x89PNG", "image/png", is_endless=True)
        case "/tone.wav":
            return Reply(_tone(), "audio/wav")
        case "/missing":
            return Reply(_document("Not found", "<p>Sorry, this page does not exist.</p>").encode(), status=404)
        case "/redirect":
            return Reply(b"", status=302, location="/article/3")
    return None
