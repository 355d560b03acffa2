"""Korean words without their particles, learnt from the session itself: no dictionary, no model.

Korean glues particles and verb endings to a noun. A fixed list of endings cuts words that merely look inflected
("온라인" ends in "인", "해상도" in "도"). What is really a noun gives itself away in a session: it appears with
*different* particles, or bare. So every way of cutting a word is a candidate, and the stem with the most company wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.mindmap.text.words import KOREAN_STOP_WORDS, ONE_SYLLABLE_NOUNS, split_words

PARTICLES = split_words(
    """
    을 를 은 는 이 가 의 에 에서 에게 에는 에도 로 으로 로는 으로는 로서 으로서 로써 으로써 와 과 도 만 부터
    까지 보다 처럼 마다 이나 나 이란 란 이라는 라는 이라고 라고 에서는 에서도 에게서 한테 이며 며 에만 만을 만의
    들 들을 들은 들의 들이 들에 들과 별 별로 상의 내의 간의 시에 시의 으로의 로의 에서의 과의 와의 까지의 부터의
    이라면 라면 이나마 조차 마저 대로
    """
)
#: Endings of 하다, 되다, 이다: what stands before them is a noun, and the word was used as a verb.
VERB_ENDINGS = split_words(
    """
    합니다 합니까 하십시오 하세요 하려면 하는 하고 하여 하면 하기 하지 하거나 하도록 하는데 하므로 하며 하면서
    한 할 함 했습니다 했다 해야 해서 해 하다 한다 하였습니다 하게 하던 하자 할지 할까요 하나요 하죠 했을 했는데
    하려는 하려고 되었습니다 됩니다 되는 되고 되어 되면 되지 되거나 되도록 되며 된 될 됨 됐습니다 되다 된다 되기
    되어야 입니다 이다 인 였다 이었다 인가요 인지 이므로 이고 시키는 시킵니다 시켜 시킬 시키기 받는 받은 스러운
    스럽게 적인 적으로
    """
)
_UNAMBIGUOUS_PARTICLES = frozenset(
    split_words(
        """
    을 를 은 는 의 에서 으로 에는 까지 부터 에서는 으로는
    """
    )
)
#: Endings no noun has: words that end so are verbs or adjectives, whatever stands before.
_NON_NOUN_ENDINGS = split_words(
    """
    니다 습니다 십시오 세요 어요 아요 해요 네요 군요 지요 나요 까요 는다 었다 았다 였다 겠다 려면 면서 거나 도록
    지만 는데 은데 므로 어서 아서 여서 던지 든지 었던 았던 었을 았을 려고 려는 더라도 어도 아도 을까 ㄹ까 시오
    시면 으면 어야 아야 여야 고서 자마자 느라 길래 더니 았고 었고 겠지 라면 없는 있는 않는 않은 같은 있을 없을
    다는 자는 냐는 고자
    """
)
_NOUN_EXCEPTIONS = frozenset(
    split_words(
        """
    화면 표면 측면 정면 단면 장면 가면 라면 평면 도면 방면 국면 지면 수면 내면 노면 냉면 하드웨어 소프트웨어
    """
    )
)


@dataclass(frozen=True, slots=True)
class KoreanWord:
    """How one spelling is read: its stem, whether a particle or ending was cut off, whether the stem is surely a noun,
    whether the word is a verb or a stop word and so names nothing, and whether the stem names something done (삽입,
    연결): a noun, but used as a verb as often."""

    stem: str
    has_suffix: bool
    is_noun: bool
    is_stop_word: bool
    is_verbal_noun: bool = False


def learn_stems(words: Iterable[str]) -> dict[str, KoreanWord]:
    """The reading of every Hangul word of a session. Depends on the set of words alone, not on order or counts."""
    distinct = sorted(set(words))
    bare = set(distinct)
    company: dict[str, set[str]] = {}
    verbal: dict[str, set[str]] = {}
    cuts: dict[str, list[tuple[str, str, bool]]] = {}
    for word in distinct:
        options: list[tuple[str, str, bool]] = []
        for size in range(min(5, len(word) - 1), 0, -1):
            ending, stem = word[-size:], word[:-size]
            if len(stem) < 2 and stem not in ONE_SYLLABLE_NOUNS:
                continue
            if stem[-1] in _VERB_STEM_FINALS:
                continue  # "접근하는" is 접근 + 하는, never a noun "접근하" with a particle.
            if ending in _PARTICLE_SET:
                company.setdefault(stem, set()).add(ending)
                options.append((stem, ending, False))
            elif ending in _VERB_SET:
                verbal.setdefault(stem, set()).add(ending)
                options.append((stem, ending, True))
        cuts[word] = options
    readings: dict[str, KoreanWord] = {}
    for word in distinct:
        best = (word, "", False)
        best_score = len(company.get(word, ())) + 0.5 * min(2, len(verbal.get(word, ()))) + 1.0
        for stem, ending, is_verb in cuts[word]:
            score = len(company.get(stem, ())) + 0.5 * min(3, len(verbal.get(stem, ())))
            score += 1.0 if stem in bare else 0.0
            score += 0.5 if ending in _UNAMBIGUOUS_PARTICLES else 0.0
            score += 0.3 if len(ending) >= 2 else 0.0
            if score > best_score:
                best, best_score = (stem, ending, is_verb), score
        stem, ending, is_verb = best
        num_particles = len(company.get(stem, ()))
        num_verbal = len(verbal.get(stem, ()))
        conjugated = (
            not ending and word.endswith(_NON_NOUN_ENDINGS) and word not in _NOUN_EXCEPTIONS and num_particles < 2
        )
        is_noun = num_particles >= 2 or (num_particles == 1 and not num_verbal) or (stem in bare and num_particles >= 1)
        empty = stem in KOREAN_STOP_WORDS or word in KOREAN_STOP_WORDS or conjugated
        if (len(stem) == 1 and stem not in ONE_SYLLABLE_NOUNS) or word in _PARTICLE_SET or word in _VERB_SET:
            empty = True
        if not ending and len(word) == 2 and word[1] in "을를은는" and not num_particles:
            empty = True  # A noun of one syllable with its particle: too little to name anything.
        is_action = num_verbal >= 2 and num_verbal >= num_particles
        readings[word] = KoreanWord(stem, bool(ending), is_noun and not conjugated, empty, is_action)
    return readings


#: Last syllables of verb stems.
_VERB_STEM_FINALS = frozenset("하되있없않였했됐었았겠")
_PARTICLE_SET = frozenset(PARTICLES)
_VERB_SET = frozenset(VERB_ENDINGS)
