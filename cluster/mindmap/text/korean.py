"""Korean stems without particles and endings, learnt from the words of one session: no dictionary and no model.

Korean attaches particles and verb endings to a noun. Stripping a fixed list of endings also cuts words that only look
inflected ("온라인" ends in "인", "해상도" in "도"). A real noun occurs in a session with several different particles,
or bare. So every possible cut of a word is a candidate, and the stem with the most different endings wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cluster.mindmap.text.words import KOREAN_STOP_WORDS, ONE_SYLLABLE_NOUNS, split_words

PARTICLES = split_words(
    """
    을 를 은 는 이 가 의 에 에서 에게 에는 에도 로 으로 로는 으로는 로서 으로서 로써 으로써 와 과 도 만 부터
    까지 보다 처럼 마다 이나 나 이란 란 이라는 라는 이라고 라고 에서는 에서도 에게서 한테 이며 며 에만 만을 만의
    들 들을 들은 들의 들이 들에 들과 별 별로 상의 내의 간의 시에 시의 으로의 로의 에서의 과의 와의 까지의 부터의
    이라면 라면 이나마 조차 마저 대로
    """
)
#: Endings of the verbs 하다, 되다 and 이다: the stem before them is a noun that is used as a verb.
VERB_ENDINGS = split_words(
    """
    합니다 합니까 하십시오 하세요 하려면 하는 하고 하여 하면 하기 하지 하거나 하도록 하는데 하므로 하며 하면서
    한 할 함 했습니다 했다 해야 해서 해 하다 한다 하였습니다 하게 하던 하자 할지 할까요 하나요 하죠 했을 했는데
    하려는 하려고 되었습니다 됩니다 되는 되고 되어 되면 되지 되거나 되도록 되며 된 될 됨 됐습니다 되다 된다 되기
    되어야 입니다 이다 인 였다 이었다 인가요 인지 이므로 이고 시키는 시킵니다 시켜 시킬 시키기 받는 받은 스러운
    스럽게 적인 적으로
    """
)
#: Particles that are rarely the last syllable of a noun.
_UNAMBIGUOUS_PARTICLES = frozenset(
    split_words(
        """
    을 를 은 는 의 에서 으로 에는 까지 부터 에서는 으로는
    """
    )
)
#: Endings that no noun has: a word with one of them is a verb or an adjective.
_NON_NOUN_ENDINGS = split_words(
    """
    니다 습니다 십시오 세요 어요 아요 해요 네요 군요 지요 나요 까요 는다 었다 았다 였다 겠다 려면 면서 거나 도록
    지만 는데 은데 므로 어서 아서 여서 던지 든지 었던 았던 었을 았을 려고 려는 더라도 어도 아도 을까 ㄹ까 시오
    시면 으면 어야 아야 여야 고서 자마자 느라 길래 더니 았고 었고 겠지 라면 없는 있는 않는 않은 같은 있을 없을
    다는 자는 냐는 고자
    """
)
#: Nouns that look like words with one of `_NON_NOUN_ENDINGS`.
_NOUN_EXCEPTIONS = frozenset(
    split_words(
        """
    화면 표면 측면 정면 단면 장면 가면 라면 평면 도면 방면 국면 지면 수면 내면 노면 냉면 하드웨어 소프트웨어
    """
    )
)


_PARTICLE_SET = frozenset(PARTICLES)
_VERB_ENDING_SET = frozenset(VERB_ENDINGS)
#: Last syllables of verb stems: "접근하는" is 접근 + 하는, never a noun "접근하" with a particle.
_VERB_STEM_FINALS = frozenset("하되있없않였했됐었았겠")
_MAX_ENDING_SYLLABLES = 5


@dataclass(frozen=True, slots=True)
class KoreanWord:
    """The analysis of one spelling.

    `has_suffix`: a particle or an ending was cut off. `is_noun`: the stem is a noun with high confidence.
    `is_stop_word`: the word is a verb form or a stop word and names nothing. `is_verbal_noun`: the stem is a noun that
    names an action (삽입, 연결) and is used with verb endings at least as often as with particles.
    """

    stem: str
    has_suffix: bool
    is_noun: bool
    is_stop_word: bool
    is_verbal_noun: bool = False


@dataclass(frozen=True, slots=True)
class _Cut:
    """One way to cut a word; `ending` is empty when the word is its own stem."""

    stem: str
    ending: str


@dataclass(slots=True)
class _Endings:
    """The different particles and verb endings seen with every stem of the session."""

    particles: dict[str, set[str]] = field(default_factory=dict)
    verb_endings: dict[str, set[str]] = field(default_factory=dict)

    def num_particles(self, stem: str) -> int:
        return len(self.particles.get(stem, ()))

    def num_verb_endings(self, stem: str) -> int:
        return len(self.verb_endings.get(stem, ()))


def learn_stems(words: Iterable[str]) -> dict[str, KoreanWord]:
    """The analysis of every Hangul word of a session.

    Depends on the set of words alone, not on their order or frequency.
    """
    distinct = sorted(set(words))
    bare_words = set(distinct)
    endings = _Endings()
    cuts = {word: _possible_cuts(word, endings) for word in distinct}
    return {
        word: _analyze(word, _best_cut(word, cuts[word], endings, bare_words), endings, bare_words) for word in distinct
    }


def _possible_cuts(word: str, endings: _Endings) -> list[_Cut]:
    """Every cut of `word` into a stem and a known ending, longest ending first; records the endings seen."""
    cuts = []
    for size in range(min(_MAX_ENDING_SYLLABLES, len(word) - 1), 0, -1):
        ending, stem = word[-size:], word[:-size]
        if (len(stem) < 2 and stem not in ONE_SYLLABLE_NOUNS) or stem[-1] in _VERB_STEM_FINALS:
            continue
        if ending in _PARTICLE_SET:
            endings.particles.setdefault(stem, set()).add(ending)
        elif ending in _VERB_ENDING_SET:
            endings.verb_endings.setdefault(stem, set()).add(ending)
        else:
            continue
        cuts.append(_Cut(stem, ending))
    return cuts


def _best_cut(word: str, cuts: list[_Cut], endings: _Endings, bare_words: set[str]) -> _Cut:
    """The cut whose stem has the most different endings; the whole word unless a cut scores higher."""
    best = _Cut(word, "")
    best_score = endings.num_particles(word) + 0.5 * min(2, endings.num_verb_endings(word)) + 1.0
    for cut in cuts:
        score = endings.num_particles(cut.stem) + 0.5 * min(3, endings.num_verb_endings(cut.stem))
        score += 1.0 if cut.stem in bare_words else 0.0
        score += 0.5 if cut.ending in _UNAMBIGUOUS_PARTICLES else 0.0
        score += 0.3 if len(cut.ending) >= 2 else 0.0
        if score > best_score:
            best, best_score = cut, score
    return best


def _analyze(word: str, cut: _Cut, endings: _Endings, bare_words: set[str]) -> KoreanWord:
    num_particles, num_verb_endings = endings.num_particles(cut.stem), endings.num_verb_endings(cut.stem)
    is_conjugated = (
        not cut.ending and word.endswith(_NON_NOUN_ENDINGS) and word not in _NOUN_EXCEPTIONS and num_particles < 2
    )
    occurs_as_noun = (
        num_particles >= 2
        or (num_particles == 1 and not num_verb_endings)
        or (cut.stem in bare_words and num_particles >= 1)
    )
    return KoreanWord(
        stem=cut.stem,
        has_suffix=bool(cut.ending),
        is_noun=occurs_as_noun and not is_conjugated,
        is_stop_word=is_conjugated or _is_stop_word(word, cut, num_particles),
        is_verbal_noun=num_verb_endings >= 2 and num_verb_endings >= num_particles,
    )


def _is_stop_word(word: str, cut: _Cut, num_particles: int) -> bool:
    if cut.stem in KOREAN_STOP_WORDS or word in KOREAN_STOP_WORDS:
        return True
    if word in _PARTICLE_SET or word in _VERB_ENDING_SET:
        return True
    if len(cut.stem) == 1 and cut.stem not in ONE_SYLLABLE_NOUNS:
        return True
    # A noun of one syllable with its particle: too short to name a topic.
    return not cut.ending and len(word) == 2 and word[1] in "을를은는" and not num_particles
