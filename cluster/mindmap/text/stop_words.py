"""Words of grammar in other languages than English and Korean, by script and by language (package `stopwordsiso`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

import stopwordsiso

from cluster.mindmap.text.words import STOP_WORDS, split_words

#: Languages whose letters are not Latin: their words of grammar cannot be confused with words of another language
#: that is read in the same session.
_OTHER_SCRIPTS = ("ar", "bg", "bn", "el", "fa", "gu", "he", "hi", "hy", "ja", "mr", "ru", "th", "uk", "ur", "zh")
_LATIN_LANGUAGES = (
    "af", "ca", "cs", "da", "de", "es", "et", "eu", "fi", "fr", "ga", "gl", "hr", "hu", "id", "it", "lt", "lv", "ms",
    "nl", "no", "pl", "pt", "ro", "sk", "sl", "sv", "sw", "tl", "tr", "vi",
)  # fmt: skip
# Scripts without a list in the package, and forms that its lists lack.
_MORE = frozenset(
    split_words(
        """
    ແລະ ຂອງ ທີ່ ໃນ ເປັນ ມີ ໄດ້ ຈະ ກັບ ໃຫ້ ບໍ່ ຄື ນີ້ ນັ້ນ ຈາກ ໄປ ມາ ຕ້ອງ ແຕ່ ຫຼື ກໍ່ ກໍ ຢູ່ ເພື່ອ ໂດຍ ຫຼາຍ ທຸກ ຖືກ ແມ່ນ ຂຶ້ນ ຄວາມ ການ
    និង ជា នៃ ដែល ក្នុង មាន បាន ដើម្បី ពី ទៅ ដោយ នេះ នោះ ត្រូវ អាច គឺ ឬ ឲ្យ ឱ្យ នៅ លើ ក៏ មិន ដល់ របស់ ការ ដ៏ យើង ទៀត
    သည် ၏ နှင့် တွင် မှ ကို များ သော ဖြစ် ဖြစ်သည် ရှိ ရှိသည် ပါသည် ပါ တစ် ခု ဤ ထို ရန် ၍ ကြ လည်း ဖြင့် အတွက် မှာ က
    மற்றும் ஒரு இந்த அந்த என்று இது அது உள்ள ஆகும் என மேலும் போன்ற அல்லது ஆனால் தான் வேண்டும்
    の に は を た が で て と し れ さ も な です ます した して いる ある する から まで という ような など
    है हैं में के की का को से और पर यह कि एक ने तो भी
    的 是 在 了 和 与 有 我们 他们 一个 一种 可以 进行 使用 之间 需要 方法 个 是否 以及 通常 並 與 個 們 這
    của và là các những một cho với được trong không có để khi này
    """
    )
)


@cache
def _words_of(language: str) -> frozenset[str]:
    return frozenset(word.lower() for word in stopwordsiso.stopwords(language))


@cache
def other_script_stop_words() -> frozenset[str]:
    """Words of grammar that are written in other scripts than Latin and Hangul."""
    words = {word for language in _OTHER_SCRIPTS for word in _words_of(language) if not word.isascii()}
    return frozenset(words) | _MORE


def is_function_word(word: str) -> bool:
    """Whether a word in another script than Latin and Hangul is a word of grammar."""
    return not word.isascii() and word.lower() in other_script_stop_words()


def latin_stop_words(languages: Iterable[str]) -> frozenset[str]:
    """The words of grammar of the Latin-script `languages`, other than English."""
    return frozenset(word for code in languages if code in _LATIN_LANGUAGES for word in _words_of(code))


@cache
def _languages_of_word() -> dict[str, tuple[str, ...]]:
    """The Latin-script languages that have each word of grammar."""
    languages: dict[str, list[str]] = {}
    for code in _LATIN_LANGUAGES:
        for word in _words_of(code):
            if len(word) > 1:
                languages.setdefault(word, []).append(code)
    return {word: tuple(codes) for word, codes in languages.items()}


#: A language is told by at least so many words of grammar, and by more than English has.
_MIN_MATCHES = 4


def latin_language(words: Iterable[str]) -> str:
    """The language of a page in Latin letters, by the words of grammar among its distinct `words`; "en" in doubt."""
    languages_of = _languages_of_word()
    distinct = {word.lower() for word in words}
    matches = languages_of.keys() & distinct
    num_english = len(STOP_WORDS & distinct)
    if len(matches) <= max(num_english, _MIN_MATCHES - 1):
        return "en"
    counts = Counter(code for word in matches for code in languages_of[word])
    # Long lists match more words by chance, so a match counts less in them.
    best = min(counts, key=lambda code: (-counts[code] / len(_words_of(code)) ** 0.25, code))
    return best if counts[best] >= _MIN_MATCHES and counts[best] > num_english else "en"
