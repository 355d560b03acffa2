"""Layouts without overlaps inside the view, and images with all labels and without scripts."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
import resvg_py

from cluster.mindmap.build import build_map
from cluster.mindmap.document.edit_layout import apply_edits
from cluster.mindmap.document.layout_nodes import RADIUS_PER_SIZE
from cluster.mindmap.render.canvas import estimate_text_width, format_duration
from cluster.mindmap.render.dashboard_tones import DASHBOARD_TONES
from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
from cluster.mindmap.render.flat_scene import SceneNode
from cluster.mindmap.render.images import to_svg
from cluster.mindmap.render.label_lines import wrap_label
from cluster.mindmap.render.png import (
    BUNDLED_FONTS,
    MAX_SIDE_PX,
    Fonts,
    bounded_side,
    missing_scripts,
    scaled_width,
    to_png,
)
from cluster.mindmap.render.radial_scene import radial_scene
from cluster.mindmap.render.thumbnail import to_thumbnail
from cluster.mindmap.render.tree_scene import tree_scene
from cluster.mindmap.render.tree_text import to_tree_text
from launch.samples import sample_names
from models.mindmap.document import TOPIC_COLORS, FlatLayoutName, MindmapDocument, Node, Point
from models.mindmap.operations import AddNode, Move, Place
from models.mindmap.validation import validate_document
from tests.support.map_sessions import make_page, make_session, sample_map

_NOTO_CJK = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def overlapping_nodes(document: MindmapDocument) -> list[tuple[str, str]]:
    """Pairs of nodes whose spheres intersect in the galaxy layout."""

    def distance(a: Node, b: Node) -> float:
        return math.dist((a.position.x, a.position.y, a.position.z), (b.position.x, b.position.y, b.position.z))

    def radius(node: Node) -> float:
        return node.size * RADIUS_PER_SIZE[node.type]

    pairs = combinations(document.nodes, 2)
    return [(a.id, b.id) for a, b in pairs if distance(a, b) < radius(a) + radius(b) - 1e-6]


@pytest.mark.parametrize("name", sample_names())
def test_galaxy_has_no_overlaps_and_fits_the_camera(name: str) -> None:
    document = sample_map(name)
    assert overlapping_nodes(document) == []
    for node in document.nodes:
        assert abs(node.position.x) <= 500
        assert abs(node.position.y) <= 290


def test_pages_that_move_below_a_new_part_of_their_topic_stand_around_it_in_the_galaxy() -> None:
    document = sample_map("06-long-research")
    types = {node.id: node.type for node in document.nodes}
    pages_of = {
        node_id: [child for child in children if types[child] == "page"]
        for node_id, children in document.children().items()
        if types[node_id] == "topic"
    }
    topic, pages = max(pages_of.items(), key=lambda item: len(item[1]))
    # The two pages that are farthest from each other, and a third.
    place = {node.id: (node.position.x, node.position.y, node.position.z) for node in document.nodes}
    first, second = max(combinations(pages, 2), key=lambda pair: math.dist(place[pair[0]], place[pair[1]]))
    moved = [first, second, next(page for page in pages if page not in (first, second))]
    add = AddNode(op_id="part", parent_id=topic, type="subtopic", label="A part")
    new_id = apply_edits(document, [add])[1][0].node_id
    assert new_id is not None
    moves = [Move(op_id=page, node_id=page, parent_id=new_id) for page in moved]
    edited, reports = apply_edits(document, [add, *moves])
    assert {report.status for report in reports} == {"applied"}
    after = {node.id: (node.position.x, node.position.y, node.position.z) for node in edited.nodes}
    before = max(math.dist(place[page], after[new_id]) for page in moved)
    farthest = max(math.dist(after[page], after[new_id]) for page in moved)
    assert farthest < min(before, 90.0)
    assert all(after[node_id] == place[node_id] for node_id in place if node_id not in moved)
    assert overlapping_nodes(edited) == []


@pytest.mark.parametrize("name", sample_names())
def test_pages_are_nearest_to_their_own_topic(name: str) -> None:
    document = sample_map(name)
    parents = document.parents()
    kinds = {node.id: node.type for node in document.nodes}
    topics = {node.id: node.position for node in document.nodes if node.type == "topic"}
    for node in document.nodes:
        if node.type == "page":
            home = parents[node.id]
            home = parents[home] if kinds[home] == "subtopic" else home
            p = node.position
            apart = {i: (p.x - t.x) ** 2 + (p.y - t.y) ** 2 + (p.z - t.z) ** 2 for i, t in topics.items()}
            assert min(apart, key=lambda i: apart[i]) == home


@pytest.mark.parametrize("name", sample_names())
@pytest.mark.parametrize(("layout", "apart"), [("tree", 25.0), ("radial", 14.0)])
def test_flat_layouts_keep_nodes_apart(name: str, layout: str, apart: float) -> None:
    points = sample_map(name).layouts[layout]
    for (_, a), (_, b) in combinations(sorted(points.items()), 2):
        assert (a.x - b.x) ** 2 + (a.y - b.y) ** 2 >= apart**2


def test_size_grows_with_importance() -> None:
    document = sample_map("06-long-research")
    for kind in ("page", "topic"):
        nodes = sorted((n for n in document.nodes if n.type == kind), key=lambda n: n.data.importance.score)
        assert [n.size for n in nodes] == sorted(n.size for n in nodes)
    pages = [node.size for node in document.nodes if node.type == "page"]
    assert max(pages) > 1.4 * min(pages)


def test_a_long_session_has_a_position_for_every_page() -> None:
    pages = [
        make_page(f"{page.url}/{copy}", f"{page.title} {copy}", f"{page.text}\nCopy number {copy}.", visit_order=(i,))
        for copy in range(20)
        for i, page in enumerate(make_session(per_subject=10))
    ]
    document = build_map(pages)
    assert validate_document(document, pages) == []
    assert document.coverage.on_map == 600
    assert len({(n.position.x, n.position.y, n.position.z) for n in document.nodes}) == len(document.nodes)


@pytest.mark.parametrize("layout", ["galaxy", "tree", "radial"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_images_contain_the_labels(layout: str, theme: str) -> None:
    document = sample_map("05-mixed-korean-english")
    svg = to_svg(document, layout, theme)  # type: ignore[arg-type]
    assert svg == to_svg(document, layout, theme)  # type: ignore[arg-type]
    root = ElementTree.fromstring(svg)
    shown = " ".join("".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text"))
    for node in document.nodes:
        if node.type in ("topic", "subtopic"):
            assert all(word.rstrip("…") in shown for word in node.label[:20].split())
        elif node.type == "page" and layout != "galaxy":
            # As on the screen: in the radial image the first line of each page.
            assert wrap_label(node.label, {"tree": 44, "radial": 28}[layout])[0] in shown
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "").replace(to_tree_text(document), "")


@pytest.mark.parametrize("layout", ["galaxy", "tree", "radial"])
def test_a_session_with_one_topic_is_named_once(layout: str) -> None:
    pages = make_session(per_subject=5)
    document = build_map([page for page in pages if page.title.split()[0] == pages[0].title.split()[0]])
    (topic,) = (node for node in document.nodes if node.type == "topic")

    def times_shown(label: str) -> int:
        named = {document.nodes[0].id: "Everything", topic.id: label}
        nodes = tuple(node.model_copy(update={"label": named.get(node.id, node.label)}) for node in document.nodes)
        root = ElementTree.fromstring(to_svg(document.model_copy(update={"nodes": nodes}), layout))  # type: ignore[arg-type]
        texts = (element for element in root.iter() if element.tag.endswith("}text") and not element.get("aria-hidden"))
        return sum("".join(element.itertext()) == label for element in texts)

    assert times_shown("Everything") == 1
    assert times_shown("Subject") == 1


def test_png_has_the_given_width() -> None:
    png = to_png(to_svg(sample_map("04-korean-office"), "radial"), width=600)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 600


def png_size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def blank_svg(width: int, height: int) -> str:
    """An image as `to_svg` begins it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" fill="#fff"/></svg>'
    )


@pytest.mark.parametrize("width", [None, 1, 200, 600, 4000])
@pytest.mark.parametrize("size", [(13_786, 13_799), (900, 60_000), (60_000, 900), (300, 200), (1, 9_999_999), (80, 1)])
def test_the_area_of_a_png_is_bounded(size: tuple[int, int], width: int | None) -> None:
    png_width, png_height = bounded_side(*size, width)
    assert (png_width is None) != (png_height is None)
    scale = png_width / size[0] if png_width is not None else (png_height or 0) / size[1]
    assert scale <= (width or size[0]) / size[0] or png_width == 1
    if max(size) < 100_000:  # larger ones as a blank image take seconds
        drawn = png_size(to_png(blank_svg(*size), width=width))
        assert max(drawn) <= MAX_SIDE_PX
        assert drawn[0] == width or width is None or max(drawn) == MAX_SIDE_PX
        # A picture that fits keeps its own size.
        assert drawn == size or width is not None or max(size) > MAX_SIDE_PX


def test_a_png_needs_an_image_with_a_size() -> None:
    for svg in ("", "<svg/>", '<svg xmlns="http://www.w3.org/2000/svg" width="10%" height="10%"/>'):
        with pytest.raises(ValueError, match="no size"):
            to_png(svg)


def _path(document: MindmapDocument, node_id: str) -> list[str]:
    """A node and the nodes above it."""
    parents, path = document.parents(), [node_id]
    while path[-1] in parents:
        path.append(parents[path[-1]])
    return path


def scene_of(document: MindmapDocument, layout: FlatLayoutName) -> dict[str, SceneNode]:
    """The nodes of the drawing of a flat layout, by id."""
    scene = tree_scene(document) if layout == "tree" else radial_scene(document, (), "#888888")
    return {at.node.id: at for at in scene.nodes}


@pytest.mark.parametrize("layout", ["tree", "radial"])
def test_an_image_shows_the_places_that_the_user_chose(layout: FlatLayoutName) -> None:
    document = build_map(make_session(per_subject=6))
    topic = next(node for node in document.nodes if node.type == "topic")
    page = next(node for node in document.nodes if node.type == "page")
    parents = document.parents()
    placed, _ = apply_edits(
        document,
        [
            Place(op_id="1", node_id=topic.id, layout=layout, offset=Point(x=-500, y=-300)),
            Place(op_id="2", node_id=page.id, layout=layout, offset=Point(x=70, y=90)),
        ],
    )
    before, after = scene_of(document, layout), scene_of(placed, layout)
    assert (before["core"].x, before["core"].y) == (after["core"].x, after["core"].y) == (0, 0)
    assert (after[topic.id].x, after[topic.id].y) == (-500, -300)
    parent = after[parents[page.id]]
    outward = -1 if parent.side == "left" else 1
    assert (after[page.id].x, after[page.id].y) == pytest.approx((parent.x + 70 * outward, parent.y + 90))
    # The topic was on the right.
    mirrored = -1 if layout == "tree" else 1
    for node in document.nodes:
        own = before[node.id]
        if parents.get(node.id) == topic.id and node.id != page.id:
            from_topic = own.x - before[topic.id].x, own.y - before[topic.id].y
            expected = -500 + mirrored * from_topic[0], -300 + from_topic[1]
            assert (after[node.id].x, after[node.id].y) == pytest.approx(expected)
        elif topic.id not in _path(document, node.id) and node.id != page.id:
            assert (after[node.id].x, after[node.id].y) == pytest.approx((own.x, own.y))
    other: FlatLayoutName = "radial" if layout == "tree" else "tree"
    assert to_svg(placed, layout) != to_svg(document, layout)
    assert to_svg(placed, other) == to_svg(document, other)
    assert (to_thumbnail(placed, "light") != to_thumbnail(document, "light")) == (layout == "radial")


@pytest.mark.parametrize("name", ["01-money-and-stars", "05-mixed-korean-english", "06-long-research"])
def test_branches_of_a_tree_are_on_both_sides_and_cover_nothing(name: str) -> None:
    scene = tree_scene(sample_map(name))
    topics = [at for at in scene.nodes if at.node.type == "topic"]
    assert {at.side for at in topics} == {"left", "right"}
    # The sides are about as high as each other, and the first topic is on the right.
    assert topics[0].side == "right"
    extents = {}
    for side in ("left", "right"):
        ys = [at.y for at in scene.nodes if at.side == side]
        extents[side] = max(ys) - min(ys)
    assert max(extents.values()) < 2.5 * min(extents.values()) + 100
    boxes = []
    for at in scene.nodes:
        left = {"center": at.x - at.label_width / 2, "left": at.x - at.label_width, "right": at.x}[at.side]
        boxes.append((left, at.y - at.label_height / 2, left + at.label_width, at.y + at.label_height / 2))
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def _texts(svg: str) -> list[ElementTree.Element]:
    """The texts of an image without their outlines."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [text for text in texts if not text.get("aria-hidden")]


@pytest.mark.parametrize("layout", ["tree", "radial"])
def test_folded_branches_have_the_number_of_what_they_hold(layout: FlatLayoutName) -> None:
    document = sample_map("06-long-research")
    topics = [node for node in document.nodes if node.type == "topic"]
    num_below = {topic.id: sum(topic.id in _path(document, node.id)[1:] for node in document.nodes) for topic in topics}
    whole = to_svg(document, layout, palette="dashboard")
    assert not [text for text in _texts(whole) if (text.text or "").isdigit()]
    folded = to_svg(document, layout, palette="dashboard", folded=[topics[0].id])
    (number,) = (text for text in _texts(folded) if (text.text or "").isdigit())
    assert number.text == str(num_below[topics[0].id])
    assert number.get("fill") == DASHBOARD_TONES["light"].theme.inks[DASHBOARD_TONES["light"].hues[0]]
    everything = to_svg(document, layout, palette="dashboard", folded=[topic.id for topic in topics])
    numbers = sorted(int(text.text or "") for text in _texts(everything) if (text.text or "").isdigit())
    assert numbers == sorted(num_below.values())


@pytest.mark.parametrize("layout", ["tree", "radial"])
def test_topics_are_discs_and_the_core_a_frame(layout: FlatLayoutName) -> None:
    document = sample_map("01-money-and-stars")
    theme = DASHBOARD_TONES["light"].theme
    root = ElementTree.fromstring(to_svg(document, layout, palette="dashboard"))
    shapes = root.find("{http://www.w3.org/2000/svg}g[@id='nodes']")
    assert shapes is not None
    (frame,) = shapes.iter("{http://www.w3.org/2000/svg}rect")
    assert (frame.get("fill"), frame.get("stroke")) == (theme.background, DASHBOARD_TONES["light"].accent)
    strokes = [
        (disc.get("fill", ""), disc.get("stroke", "")) for disc in shapes.iter("{http://www.w3.org/2000/svg}circle")
    ]
    num_names = sum(node.type in ("topic", "subtopic") for node in document.nodes)
    assert len([stroke for _, stroke in strokes if stroke != "none"]) == num_names
    for fill, stroke in strokes:
        assert fill == theme.fills[stroke] if stroke != "none" else fill in theme.fills


@pytest.mark.parametrize("name", ["04-korean-office", "06-long-research"])
def test_the_names_of_topics_have_space_in_the_radial_image(name: str) -> None:
    document = sample_map(name)
    scene = radial_scene(document, (), "#888888")
    shown = [text.text or "" for text in _texts(to_svg(document, "radial"))]
    for at in scene.nodes:
        if at.node.type in ("core", "topic"):
            assert set(at.lines) <= set(shown)
    pages = [at.lines[0] for at in scene.nodes if at.node.type == "page"]
    assert sum(line in shown for line in pages) > 0.9 * len(pages)


def test_a_branch_on_the_left_is_drawn_to_the_left_of_the_core() -> None:
    document = build_map(make_session(per_subject=6))
    topic = next(node for node in document.nodes if node.type == "topic")
    place = Place(op_id="1", node_id=topic.id, layout="tree", offset=Point(x=-400, y=0))
    placed, _ = apply_edits(document, [place])
    image = ElementTree.fromstring(to_svg(placed, "tree"))
    texts = {text.text: text for text in image.iter("{http://www.w3.org/2000/svg}text")}
    below = {node.label for node in document.nodes if topic.id in _path(document, node.id)[1:]}
    ends = {label: texts[label].get("text-anchor") for label in below if label in texts}
    assert ends
    assert set(ends.values()) == {"end"}
    # The image is large enough for them.
    left = float((image.get("viewBox") or "").split()[0])
    for label in ends:
        assert float(texts[label].get("x") or 0) - estimate_text_width(label, 12.5) > left


def test_hidden_nodes_are_not_drawn() -> None:
    from cluster.mindmap.document.edit_layout import apply_edits
    from models.mindmap.operations import Hide

    document = sample_map("01-money-and-stars")
    page = next(node for node in document.nodes if node.type == "page")
    hidden, _ = apply_edits(document, [Hide(op_id="1", node_id=page.id)])
    for text in (
        to_svg(hidden, "tree"),
        to_tree_text(hidden),
        to_markdown(hidden),
        to_opml(hidden),
        to_freemind(hidden),
    ):
        assert page.label not in text


def test_exports_contain_the_tree_with_links() -> None:
    document = sample_map("02-web-app-week")
    pages = [node for node in document.nodes if node.type == "page"]
    opml = ElementTree.fromstring(to_opml(document))
    assert len([o for o in opml.iter("outline") if o.get("type") == "link"]) == len(pages)
    freemind = ElementTree.fromstring(to_freemind(document))
    assert len([n for n in freemind.iter("node") if n.get("LINK")]) == len(pages)
    targets = {a.get("DESTINATION") for a in freemind.iter("arrowlink")}
    assert targets <= {n.get("ID") for n in freemind.iter("node")}
    assert to_markdown(document).count("](<https://") == len(pages)


def test_format_duration() -> None:
    assert [format_duration(ms) for ms in (0, 999, 45_000, 60_000, 90_000, 4_800_000, 7_200_000)] == [
        "0 s", "1 s", "45 s", "1 min", "2 min", "1 h 20 min", "2 h",
    ]  # fmt: skip
    # As `clients/api/test/format.test.ts` has them.
    assert [format_duration(ms, "ko") for ms in (150_000, 3_590_000, 5_510_000, -5)] == [
        "3분", "1시간", "1시간 32분", "0초",
    ]  # fmt: skip


def _svg_of(text: str) -> str:
    page = make_page("https://a.example/", text, f"{text}. " * 5)
    return to_svg(build_map([page]), "tree")


def test_a_png_names_the_scripts_that_have_no_font() -> None:
    bundled = Fonts(with_system_fonts=False)
    assert missing_scripts("GPU 한글 Ελλ Кириллица", bundled) == ()
    text = "大韓民國 あいう アイウ กาแฟ हिन्दी فارسی עברית"
    assert missing_scripts(text, bundled) == ("Hebrew", "Arabic", "Devanagari", "Thai", "Han")
    assert missing_scripts("한글 👩‍💻", bundled) == ("emoji",)
    svg = _svg_of("กาแฟไทย")
    with_note = to_png(svg, use_system_fonts=False)
    assert with_note.startswith(b"\x89PNG")
    plain = resvg_py.svg_to_bytes(svg_string=svg, font_files=list(BUNDLED_FONTS), skip_system_fonts=True)
    assert with_note != bytes(plain)


@pytest.mark.skipif(not _NOTO_CJK.exists(), reason="needs the Debian package fonts-noto-cjk, which the image installs")
def test_the_font_of_the_image_draws_hanja_chinese_and_japanese() -> None:
    dockerfile = (Path(__file__).parents[3] / "kuberay/Dockerfile").read_text()
    assert {"fonts-noto-cjk", "fonts-noto-core"} <= set(dockerfile.split())
    fonts = Fonts((*BUNDLED_FONTS, str(_NOTO_CJK)), with_system_fonts=False)
    assert missing_scripts("大韓民國 美中 日本語 かな カナ 中文思维导图 臺灣", fonts) == ()


def test_labels_from_right_to_left_have_their_own_direction() -> None:
    root = ElementTree.fromstring(_svg_of("پایگاه‌داده چیست؟"))
    labels = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    assert labels
    assert all(label.startswith("\u2067") and label.endswith("\u2069") for label in labels)
    assert "\u2067" not in _svg_of("Latin (עברית) text")


def test_the_outline_of_labels_is_an_element_of_its_own() -> None:
    svg = to_svg(sample_map("01-money-and-stars"), "galaxy")
    assert "paint-order" not in svg
    texts = [element for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
    outlines = [text for text in texts if text.get("stroke")]
    assert outlines
    for outline in outlines:
        # The next element draws the same letters without a stroke, on top.
        above = texts[texts.index(outline) + 1]
        assert (above.text, above.get("x"), above.get("stroke")) == (outline.text, outline.get("x"), None)


@pytest.mark.parametrize(
    ("label", "max_chars", "lines"),
    [
        ("one two three", 8, ["one two", "three"]),
        ("", 8, [""]),
        # A word that is too long is divided between characters, a mark on a letter with its letter.
        ("abcdefghij kl", 4, ["abcd", "efgh", "ij", "kl"]),
        ("e\u0301e\u0301e\u0301e\u0301", 2, ["e\u0301e\u0301", "e\u0301e\u0301"]),
        ("몰입과 성과", 8, ["몰입과", "성과"]),
    ],
)
def test_labels_are_divided_as_on_the_screen(label: str, max_chars: int, lines: list[str]) -> None:
    assert wrap_label(label, max_chars) == lines


def test_long_labels_without_blanks_are_divided_between_words() -> None:
    text = "超导量子计算机与离子阱量子计算机的比较"
    lines = wrap_label(text, 16)
    assert len(lines) > 2
    assert "".join(lines) == text
    assert all(len(line) <= 8 for line in lines)
    # The word for "computer" is whole.
    assert sum("计算机" in line for line in lines) == 2


def test_the_colours_of_the_dashboard_are_those_of_its_style_sheet() -> None:
    css = (Path(__file__).parents[3] / "clients/dashboard/src/styles/tokens.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    for name, block in (("light", light), ("dark", dark)):
        value = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        tones = DASHBOARD_TONES[name]
        assert tones.hues == tuple(value[f"t{hue}-line"] for hue in range(8))
        assert tuple(tones.theme.fills[hue] for hue in tones.hues) == tuple(value[f"t{hue}-fill"] for hue in range(8))
        assert tuple(tones.theme.inks[hue] for hue in tones.hues) == tuple(value[f"t{hue}-text"] for hue in range(8))
        assert tones.accent == value["accent"]
        assert (tones.theme.background, tones.theme.text, tones.theme.soft_text) == (
            value["surface"],
            value["text"],
            value["muted"],
        )


def test_an_image_can_have_the_colours_of_the_dashboard_and_its_folds() -> None:
    document = sample_map("06-long-research")
    topic = next(node for node in document.nodes if node.type == "topic")
    below = [node for node in document.nodes if document.parents().get(node.id) == topic.id]
    svg = to_svg(document, "tree", "dark", palette="dashboard", folded=[topic.id, "unknown"])
    labels = {element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")}
    # A label has as many lines as on the screen.
    assert set(wrap_label(topic.label, 24)) <= labels
    assert not labels & {node.label for node in below}
    assert DASHBOARD_TONES["dark"].hues[topic.data.hue or 0] in svg
    assert not any(color in svg for color in TOPIC_COLORS)
    assert len(labels) > 10


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["01-money-and-stars", "06-long-research"])
def test_a_thumbnail_is_filled_by_the_drawing(name: str, theme: str) -> None:
    document = sample_map(name)
    root = ElementTree.fromstring(to_thumbnail(document, theme))
    circles = [element for element in root.iter() if element.tag.endswith("}circle")]
    assert len(circles) == len(document.nodes)
    xs, ys = ([float(circle.get(side, "")) for circle in circles] for side in ("cx", "cy"))
    assert (min(xs), max(xs)) == (12, 168 - 12)
    assert (min(ys), max(ys)) == (12, 128 - 12)
    colors = {circle.get("fill") for circle in circles}
    assert colors <= {*DASHBOARD_TONES[theme].hues, DASHBOARD_TONES[theme].accent}
    assert not [element for element in root.iter() if element.tag.endswith("}text")]


def test_the_width_of_a_scaled_png() -> None:
    svg = to_svg(sample_map("01-money-and-stars"), "tree")
    width = int(ElementTree.fromstring(svg).get("width", ""))
    assert scaled_width(svg, 2) == 2 * width
    with pytest.raises(ValueError, match="no size"):
        scaled_width("<svg/>", 2)


def test_a_map_without_pages_has_a_thumbnail() -> None:
    assert ElementTree.fromstring(to_thumbnail(build_map([]), "light")).get("width") == "168"
