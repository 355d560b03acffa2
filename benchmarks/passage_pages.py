"""Pages and passages for `make eval-passages`: what people mark by hand, in three languages and in awkward markup."""

from __future__ import annotations

import html
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.replay import read_session_file

_SAMPLES = Path(__file__).parents[1] / "launch" / "samples"
_SESSIONS = {"en": "02-web-app-week", "ko": "04-korean-office"}
#: Sentences of our own, because no sample is Japanese.
_JAPANESE = [
    "東京都の図書館では、毎週土曜日に子ども向けの読み聞かせを開催しています。",
    "検索結果から開いたページは、あとで地図の上にまとめて表示されます。",
    "この機能を使うと、読んだ文章の中から大切な部分だけを取り出せます。",
    "新しい版では、データベースの接続が切れたときに自動で再接続します。",
    "利用者は設定画面で、記録しないサイトをいくつでも登録できます。",
    "会議の議事録は、話題ごとに分けて保存しておくと探しやすくなります。",
    "山の天気は変わりやすいので、出発の前に必ず予報を確認してください。",
    "料理の手順を写真とともに記録すると、次に作るときに役立ちます。",
    "古い写真を整理していたら、祖父が書いた手紙が何通も見つかりました。",
    "この論文は、言語モデルの評価方法について詳しく説明しています。",
    "駅から歩いて五分のところに、静かで居心地のよい喫茶店があります。",
    "毎朝同じ時間に起きることが、体調を整えるいちばんの近道です。",
]


@dataclass(frozen=True)
class MarkedPage:
    """A page and what is selected on it: offsets in `document.body.textContent`, which a mouse drag would leave."""

    name: str
    language: str
    kind: str
    html: str
    start: int
    end: int
    route: str = ""


def _sentences(language: str) -> list[str]:
    """Sentences of the samples in a language, each 40 to 220 characters long."""
    if language == "ja":
        return list(_JAPANESE)
    found: list[str] = []
    for event in read_session_file(_SAMPLES / f"{_SESSIONS[language]}.events.json"):
        for line in (event.get("content") or "").splitlines():
            text = " ".join(line.split())
            is_korean = any("가" <= char <= "힣" for char in text)
            if 40 <= len(text) <= 220 and is_korean == (language == "ko") and text not in found:
                found.append(text)
    return found


def _with_inline_markup(text: str, rng: random.Random) -> str:
    """Some words in `<b>`, `<a>` or `<code>`; in Korean without the particle behind them."""
    words = [html.escape(word) for word in text.split(" ")]
    for i in rng.sample(range(len(words)), min(len(words), 3)):
        tag = rng.choice(["b", "a", "code"])
        cut = max(1, len(words[i]) - 1) if any("가" <= c <= "힣" for c in words[i]) and "&" not in words[i] else None
        head, tail = (words[i][:cut], words[i][cut:]) if cut else (words[i], "")
        words[i] = f"<{tag}>{head}</{tag}>{tail}"
    return " ".join(words)


def _markup(kind: str, sentences: list[str], rng: random.Random) -> str:
    """The blocks of a page of one kind. The page begins with a summary that repeats the beginnings of its sentences."""
    escaped = [html.escape(sentence) for sentence in sentences]
    if kind == "inline":
        return "".join(f"<p>{_with_inline_markup(sentence, rng)}</p>\n" for sentence in sentences)
    if kind == "list":
        return "<ul>\n" + "".join(f"  <li>{sentence}</li>\n" for sentence in escaped) + "</ul>"
    if kind == "table":
        rows = zip(escaped[::2], escaped[1::2], strict=False)
        return "<table>" + "".join(f"<tr><td>{a}</td><td>{b}</td></tr>\n" for a, b in rows) + "</table>"
    if kind == "break":
        return "<p>" + "<br>\n".join(escaped) + "</p>"
    if kind == "headings":
        return "".join(f"<h2>{s[: len(s) // 2]}</h2>\n<p>{s}</p>\n" for s in escaped)
    return "".join(f"<p>{sentence}</p>\n" for sentence in escaped)


KINDS = ("paragraph", "inline", "list", "table", "break", "headings", "route")


def marked_pages(seed: int = 20261128) -> Iterator[MarkedPage]:
    """More than two hundred marked passages: languages × markup × ways to mark."""
    rng = random.Random(seed)
    for language in ("en", "ko", "ja"):
        sentences = _sentences(language)
        for kind in KINDS:
            for i in range(11):
                chosen = rng.sample(sentences, 8)
                body = _markup("paragraph" if kind == "route" else kind, chosen, rng)
                space = "<p style='height:1400px'></p>"
                yield _marked(f"{language}-{kind}-{i}", language, kind, f"{space}{body}{space}", chosen, i, rng)


def _marked(
    name: str, language: str, kind: str, body: str, sentences: list[str], number: int, rng: random.Random
) -> MarkedPage:
    """A page with a passage that begins and ends where a hand stops: in the middle of a word, or in the next block."""
    text = _text_of(body)
    sentence = sentences[rng.randrange(2, 6)]
    # The second occurrence of a heading's text is the paragraph.
    at = text.rindex(sentence)
    length = len(sentence)
    if number % 3 == 0:  # a whole sentence
        start, end = at, at + length
    elif number % 3 == 1:  # some words, cut at both ends
        start = at + rng.randrange(1, length // 3)
        end = min(at + length, start + max(12, length // 2))
    else:  # into the next block
        start = at + rng.randrange(length // 3, length // 2)
        end = min(len(text.rstrip()), at + length + rng.randrange(20, 60))
    return MarkedPage(name, language, kind, body, start, end, "#/doc/7" if kind == "route" else "")


def _text_of(markup: str) -> str:
    """`textContent` of markup without comments and scripts."""
    parts, rest = [], markup
    while rest:
        before, _, rest = rest.partition("<")
        parts.append(before)
        rest = rest.partition(">")[2]
    return html.unescape("".join(parts))
