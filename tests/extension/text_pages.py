"""Pages whose text is easily read wrong, each with what has to be in it, and what must not."""

from __future__ import annotations

from dataclasses import dataclass

_SENTENCES = (
    "The reef off the northern cape lost a third of its coral in two summers.",
    "Divers counted ninety species of fish where the charts of 1974 name a hundred and forty.",
    "The park closed the inner lagoon to anchors, and the sea grass came back within a year.",
    "Nurseries raise fragments of staghorn coral on ropes and plant them out at low tide.",
    "Storms break the young colonies, so the nurseries plant three for each one they hope to keep.",
)
_PROSE = "".join(f"<p>{sentence}</p>" for sentence in _SENTENCES)
_KANJI = (
    "<ruby>京都<rp>(</rp><rt>きょうと</rt><rp>)</rp></ruby>の"
    "<ruby>紅葉<rt>こうよう</rt></ruby>は十一月に見頃を迎えます。"
)
_MATHML = (
    "<math><semantics><mrow><mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup></mrow>"
    "<annotation encoding='application/x-tex'>E=mc^{2}</annotation></semantics></math>"
)
_CLIPPED = "position:absolute;clip:rect(1px,1px,1px,1px);width:1px;height:1px;overflow:hidden"


@dataclass(frozen=True)
class TextPage:
    """`lines` stand on lines of their own; `once` stands once."""

    body: str
    has: tuple[str, ...] = ()
    has_not: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    head: str = ""

    @property
    def html(self) -> str:
        return (
            f"<!doctype html><html lang=en><head><meta charset=utf-8><title>T</title>{self.head}</head>"
            f"<body>{self.body}</body></html>"
        )


def _shadow(tag: str, inner: str, light: str = "") -> str:
    return f"<{tag}><template shadowrootmode=open>{inner}</template>{light}</{tag}>"


_COMMENT = (
    "<div class=c><b>reader{n}</b><p>I do not agree with the author at all, because when my family went there in the "
    "summer of 199{n} everything was fine, and nobody in the village ever spoke of this in all the years.</p></div>"
)
_COMMENTS = "".join(_COMMENT.format(n=n) for n in range(8))
_BIO = (
    "<p>The writer is a chief evangelist, a board member, an author of fifteen books, and a host of a podcast, and "
    "lives with his wife, four children and two dogs by the sea, where he surfs, and writes, and reads.</p>"
    "<p>He has two degrees and an honorary doctorate, and was a fellow of the school of engineering, a trustee of the "
    "foundation, and a brand ambassador for a maker of cameras, cars, and software.</p>"
)
_LIST = "<ul>" + "".join(f"<li><b>Rule {n}.</b> {s}</li>" for n, s in enumerate(_SENTENCES)) + "</ul>"

PAGES: dict[str, TextPage] = {
    "shadow": TextPage(
        "<p>Cookies help us to improve this site. Accept or refuse.</p>"
        + _shadow("my-article", f"<main>{_PROSE}</main>"),
        has=_SENTENCES,
    ),
    "shadow-in-shadow": TextPage(_shadow("my-app", _shadow("my-article", _PROSE)), has=_SENTENCES),
    "slots": TextPage(
        _shadow(
            "my-card",
            "<main><h2>Card</h2><slot name=body></slot><slot>"
            "<p>Words that stand here, because nothing is assigned to this slot, and so on.</p></slot></main>",
            f"<div slot=body>{_PROSE}</div>",
        ),
        has=(*_SENTENCES, "Words that stand here"),
    ),
    "not-slotted": TextPage(_shadow("my-card", _PROSE, "<p>These words are in no slot.</p>"), has_not=("in no slot",)),
    "details": TextPage(
        "<article><h1>Questions</h1>"
        + "".join(f"<details open><summary>Question {n}</summary>{s}</details>" for n, s in enumerate(_SENTENCES))
        + "</article>",
        lines=("Question 0", _SENTENCES[0], "Question 4"),
    ),
    "closed-details": TextPage(
        f"<article><h1>More</h1>{_PROSE}<details><summary>Why</summary>The answer is in here.</details>"
        "<div hidden=until-found><p>Found by search.</p></div></article>",
        has=("The answer is in here.", "Found by search."),
    ),
    "blocks": TextPage(
        f"<article>{_PROSE}<form><fieldset><legend>Ratings</legend>Nine of ten come back.</fieldset></form>"
        "<hgroup><h2>Fees</h2></hgroup><dialog open>Opening hours</dialog>"
        "<table><caption>Prices</caption><tr><td>Day</td><td>12</td></tr></table></article>",
        lines=("Ratings", "Nine of ten come back.", "Prices"),
    ),
    "custom-elements": TextPage(
        f"<main>{_PROSE}<tab-title>open</tab-title><tab-body>The reef is closed.</tab-body>"
        "<x-row style='display:block'>first row</x-row><x-row style='display:block'>second row</x-row></main>",
        has_not=("openThe", "rowsecond"),
        lines=("first row", "second row"),
    ),
    "styled-blocks": TextPage(
        "<article>" + "".join(f"<span>{s}</span>" for s in _SENTENCES) + "</article>",
        lines=_SENTENCES,
        head="<style>span { display: block }</style>",
    ),
    "flex": TextPage(
        f"<main>{_PROSE}<div style='display:flex'><span>Depth</span><span>Twelve metres</span></div></main>",
        lines=("Depth", "Twelve metres"),
    ),
    "ruby": TextPage(
        "<article><h1>京都</h1>"
        + f"<p>{_KANJI}嵐山の渡月橋は早朝が空いていて、写真を撮る人が多いです。</p>" * 6
        + "</article>",
        has=("京都の紅葉は十一月に",),
        has_not=("きょうと", "こうよう", "()"),
    ),
    "math-hidden": TextPage(
        f"<article>{_PROSE}<p>Related by <span><span style='display:none'>{_MATHML}</span>"
        "<img alt='E=mc^{2}' aria-hidden=true></span>, an equation of 1905.</p></article>",
        once=("E=mc^2",),
        has_not=("{2}",),
    ),
    "math-katex": TextPage(
        f"<article>{_PROSE}<p>Related by <span class=katex><span style='{_CLIPPED}'>{_MATHML}</span>"
        "<span class=katex-html aria-hidden=true><span>E</span><span>=</span><span>m</span><span>c</span><sup>2</sup>"
        "</span></span>, an equation of 1905.</p></article>",
        once=("E=mc^2", "equation of 1905"),
        has_not=("E=mc2", "{2}"),
    ),
    "math-native": TextPage(
        f"<article>{_PROSE}<p>Related by {_MATHML}, of 1905.</p></article>", once=("E=mc^2",), has_not=("{2}",)
    ),
    "price-twice": TextPage(
        f"<main>{_PROSE}<p>It costs <span style='{_CLIPPED}'>12.50 euros</span><span aria-hidden=true>12<sup>.50</sup>"
        " euros</span>.</p></main>",
        has_not=("12.50 euros12",),
        once=("euros",),
    ),
    "hidden-by-style": TextPage(
        f"<article>{_PROSE}<p class=x>Nobody saw this paragraph of the page.</p><p class=y>Nor this one, which is here."
        "</p><p class=z>Nor these words far outside.</p></article>",
        has=_SENTENCES,
        has_not=("Nobody saw", "Nor this one", "far outside"),
        head="<style>.x { display: none } .y { visibility: hidden } .z { position: absolute; left: -9999px }</style>",
    ),
    "hidden-behind-dialog": TextPage(
        f"<main aria-hidden=true><article>{_PROSE}</article></main><div role=dialog>Accept cookies</div>",
        has=_SENTENCES,
    ),
    "comments": TextPage(
        "<div id=page><div class=post><h1>Coral</h1>"
        + "".join(f"<div>{s}</div>" for s in _SENTENCES)
        + f"</div><div class=discussion>{_COMMENTS}</div></div>",
        has=_SENTENCES,
        has_not=("I do not agree",),
    ),
    "comments-by-id": TextPage(
        f"<div><div>{_PROSE}</div><section id=comments>{_COMMENTS}</section></div>",
        has=_SENTENCES,
        has_not=("reader3",),
    ),
    "discussion-is-the-page": TextPage(
        f"<main><h1>Is the reef dying?</h1><div class=discussion>{_COMMENTS}</div></main>", has=("I do not agree",)
    ),
    "list-article": TextPage(
        f"<article><header><h1>The art of asking</h1></header><div>{_LIST}</div>"
        f"<div class=about>{_BIO}</div></article>",
        has=_SENTENCES,
        has_not=("chief evangelist",),
    ),
    "list-article-no-class": TextPage(
        f"<article><h1>The art of asking</h1><div>{_LIST}</div><div>{_BIO}</div></article>", has=_SENTENCES
    ),
    "typed": TextPage(
        f"<main>{_PROSE}<div contenteditable=true>My private draft.</div><textarea>More of it.</textarea></main>",
        has=_SENTENCES,
        has_not=("private draft", "More of it"),
    ),
    "layout": TextPage(
        f"<article>{_PROSE}<pre><code><span>def</span> dive(depth):\n    for metre in range(depth):\n\treturn metre"
        "</code></pre><div style='white-space:pre'>a = 1\n    b = 2   # two</div><table><tr><td>7</td><td style="
        "'white-space:pre-wrap'>        return None</td></tr></table><pre>depth   fish\n   10     90</pre>"
        "<p>The reef off\n     the northern cape.</p><p style='white-space:pre-line'>Line A\nLine   B</p></article>",
        has=(
            "def dive(depth):\n    for metre in range(depth):\n\treturn metre",
            "a = 1\n    b = 2   # two",
            "\n        return None",
            "depth   fish\n   10     90",
            "The reef off the northern cape.",
            "Line A\nLine B",
        ),
    ),
    "raised": TextPage(
        f"<article>{_PROSE}<p>About 10<sup>6</sup> larvae, 10<sup>-3</sup> mol, H<sub>2</sub>O, the reef<sup><a href=#>"
        "12</a></sup>, the 1<sup>st</sup>, x<sup>n+1</sup>, a note<sup>[3]</sup>.</p></article>",
        has=("10⁶ larvae", "10⁻³ mol", "H2O", "reef¹²,", "the 1st", "xⁿ⁺¹", "note[3]"),
    ),
    "beside-each-other": TextPage(
        f"<main>{_PROSE}<p><b style='display:inline-block;margin:4px'>coral</b><b style='display:inline-block;padding:"
        "0 4px'>polyp</b><b style='display:inline-block'>R</b><b style='display:inline-block'>eef</b> <label>Depth"
        "</label><input value=12><output>Twelve</output><meter>Sixty</meter><i style=\"font-family:'Material Icons'\">"
        "arrow_back</i> Back</p></main>",
        has=("coral polyp Reef", "Depth Twelve", "Back"),
        has_not=("arrow_back", "Sixty"),
    ),
    "drawing": TextPage(
        f"<article>{_PROSE}<svg width=300 height=80><title>Of machines</title><desc>Described</desc><text y=20>Larva"
        "</text><text x=100 y=20>Polyp</text><foreignObject width=99 height=50><div>Colony</div></foreignObject></svg>"
        "<canvas>Instead of a picture</canvas><noscript>Enable scripts</noscript><template>Not used</template>"
        "<div style='display:contents'>First box</div><div style='display:contents'>Second box</div></article>",
        has_not=("Of machines", "Described", "Instead of", "Enable", "Not used"),
        lines=("Larva", "Polyp", "Colony", "First box", "Second box"),
    ),
    "out-of-sight": TextPage(
        f"<article>{_PROSE}<div style='content-visibility:hidden'>Gone one.</div><h2 style='text-indent:-9999px'>"
        "Gone two.</h2><p style='font-size:0'>Gone three.</p><p style='clip-path:inset(100%)'>Gone four.</p><p style="
        "'transform:scale(0)'>Gone five.</p><p style='margin-left:-9999px'>Gone six.</p><p style='position:relative;"
        "left:-5000px'>Gone seven.</p><dialog>Gone eight.</dialog><div popover>Gone nine.</div>"
        "<div style='content-visibility:auto'>Seen one.</div><div style='max-height:0;overflow:hidden'>Seen two.</div>"
        "<p style='font-size:0'><b style='font-size:16px'>Seen three.</b></p><div aria-hidden=true>Seen four.</div>"
        "</article>",
        has=("Seen one.", "Seen two.", "Seen three.", "Seen four."),
        has_not=("Gone",),
    ),
    "closed-shadow": TextPage(
        f"<a-a><template shadowrootmode=closed><main>{_PROSE}<b-b><template shadowrootmode=closed><p>Closed in closed."
        "</p></template></b-b></main></template></a-a>",
        has=(*_SENTENCES, "Closed in closed."),
    ),
    "closed-shadow-by-script": TextPage(
        "<a-a></a-a><script>document.querySelector('a-a').attachShadow({mode: 'closed'}).innerHTML = "
        f"'<main>{_PROSE}</main>'</script>",
        has=_SENTENCES,
    ),
    "slot-in-slot": TextPage(
        _shadow(
            "a-a",
            "<b-b><template shadowrootmode=open><main><slot name=x></slot></main></template><slot name=x slot=x></slot>"
            "</b-b>",
            f"<div slot=x>{_PROSE}</div>",
        ),
        has=_SENTENCES,
    ),
    "page-in-a-frame": TextPage(
        "<iframe srcdoc=\"<iframe src='/text/slots' style='width:100%;height:700px'></iframe>\" style='width:100%;"
        "height:800px'></iframe>",
        has=_SENTENCES,
    ),
    "frames-beside": TextPage(
        f"<main>{_PROSE}<iframe srcdoc='<p>Buy this now.</p>' width=300 height=250></iframe><iframe srcdoc='<p>Unseen "
        "words.</p>' style='display:none' width=900 height=700></iframe><iframe src='data:text/html,<p>Words of "
        "another site.</p>' style='width:100%;height:900px'></iframe></main>",
        has=_SENTENCES,
        has_not=("Buy this", "Unseen", "another site"),
    ),
}
