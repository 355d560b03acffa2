"""PDFs whose fonts are not embedded: what office programs of Korea, Japan and China wrote for years."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CjkPdf:
    """A text in the encoding of a predefined CMap of PDF 2.0 (ISO 32000-2, 9.7.5.2)."""

    text: str
    collection: str
    font: str
    cmap: str
    codec: str


CJK_PDFS = {
    "korean": CjkPdf("산호초는 작은 결정의 기록이다", "Korea1", "HYSMyeongJo-Medium", "UniKS-UCS2-H", "utf-16-be"),
    "korean-euc": CjkPdf("산호초의 기록", "Korea1", "HYGothic-Medium", "KSCms-UHC-H", "cp949"),
    "japanese": CjkPdf("珊瑚礁は小さな決定の記録である", "Japan1", "HeiseiMin-W3", "90ms-RKSJ-H", "cp932"),
    "japanese-unicode": CjkPdf("珊瑚礁の記録", "Japan1", "HeiseiKakuGo-W5", "UniJIS-UCS2-H", "utf-16-be"),
    "chinese": CjkPdf("珊瑚礁是无数小决定的记录", "GB1", "STSong-Light", "GBK-EUC-H", "gbk"),
    "taiwanese": CjkPdf("珊瑚礁是無數小決定的記錄", "CNS1", "MSung-Light", "ETen-B5-H", "big5"),
}  # fmt: skip


def pdf_of(objects: list[bytes]) -> bytes:
    """A PDF file; the first object is the catalog."""
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%sendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer<</Size %d/Root 1 0 R>>startxref\n%d\n%%%%EOF" % (len(objects) + 1, start)


def _page(content: bytes, *fonts: bytes) -> bytes:
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
            *fonts,
        ]
    )


def cjk_pdf(pdf: CjkPdf) -> bytes:
    shown = pdf.text.encode(pdf.codec).hex().encode()
    info = f"<</Registry(Adobe)/Ordering({pdf.collection})/Supplement 0>>"
    font = f"<</Type/Font/Subtype/Type0/BaseFont/{pdf.font}/Encoding/{pdf.cmap}/DescendantFonts[6 0 R]>>"
    descendant = (
        f"<</Type/Font/Subtype/CIDFontType0/BaseFont/{pdf.font}/CIDSystemInfo{info}/DW 1000/FontDescriptor"
        f"<</Type/FontDescriptor/FontName/{pdf.font}/Flags 4/Ascent 800/Descent -200/CapHeight 700/ItalicAngle 0"
        "/StemV 80/FontBBox[0 -200 1000 900]>>>>"
    )
    return _page(b"BT /F1 18 Tf 72 720 Td <%s> Tj ET" % shown, font.encode(), descendant.encode())


def scanned_pdf() -> bytes:
    """A page with lines and no text."""
    return _page(b"72 72 m 300 300 l S", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
