"""What a reader should know about how a map was made. Each note has a code, which clients word in their language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

#: The English sentence of each code.
SENTENCES: Final = {
    "no_models": "Made without a model: this server uses none.",
    "consent_missing": "Made without a model: you have not agreed to send pages to {vendors}.",
    "out_of_tokens": "Made without a model: your plan's tokens do not cover it. They are renewed on {until}.",
    "models_late": "No model answered in time: the topics are our own.",
    "models_failed": "No model could outline this session ({reason}): the topics are our own.",
    "pages_not_described": "A model described only some pages; missing: {count} of {total} ({reasons}).",
    "provider_replaced": "{expected} could not be used; {provider} made this map.",
    "map_invalid": "The map {provider} made broke the rules of maps.",
    "private_pages_excluded": "Pages on private networks were not recorded (for example localhost or 192.168.0.1).",
    "error_pages": "Error pages of their sites: {count}.",
    "texts_unreadable": "Pages whose text could not be read, for example scanned PDF files: {count}.",
    "words_only": "Topics were found by words alone: the package that compares meaning is not installed.",
    "unknown_pages": "Pages that the model named and that are not in this session, which were ignored: {count}.",
    "repeated_pages": "Pages that the model placed twice, which kept the first place: {count}.",
    "local_topics_kept": "{provider} grouped the pages less aptly than we do: the topics are our own.",
    "local_names_kept": "Names and descriptions by {provider} that do not fit their pages: {count}. Ours replace them.",
    "low_stability": "Some topics of this map may be wrong: many of its pages are near to more than one topic.",
}

#: The same in Korean, for what the server writes in the language of a map. The dashboard has words of its own.
KOREAN_SENTENCES: Final = {
    "no_models": "이 서버에 모델이 없어 모델 없이 만들었어요.",
    "consent_missing": "{vendors}에 페이지를 보내는 데 동의하지 않아 모델 없이 만들었어요.",
    "out_of_tokens": "요금제에 남은 토큰이 모자라 모델 없이 만들었어요. 토큰은 {until}에 다시 채워져요.",
    "models_late": "제때 답한 모델이 없어 모델 없이 주제를 나눴어요.",
    "models_failed": "쓸 수 있는 모델이 없어({reason}) 모델 없이 주제를 나눴어요.",
    "pages_not_described": "{total}페이지 가운데 {count}페이지는 모델이 설명하지 못했어요({reasons}).",
    "provider_replaced": "{expected} 모델 대신 {provider} 모델로 만들었어요.",
    "map_invalid": "{provider} 모델의 답이 올바른 지도가 아니었어요.",
    "private_pages_excluded": "사설 네트워크의 페이지(예: localhost, 192.168.0.1)는 기록하지 않았어요.",
    "error_pages": "사이트의 오류 페이지: {count}개.",
    "texts_unreadable": "스캔한 PDF처럼 본문을 읽지 못한 페이지: {count}개.",
    "words_only": "의미를 비교하는 패키지가 설치되어 있지 않아 낱말만으로 주제를 나눴어요.",
    "unknown_pages": "이 세션에 없는 페이지 {count}개를 무시했어요.",
    "repeated_pages": "두 번 놓인 페이지 {count}개는 첫 자리만 남겼어요.",
    "local_topics_kept": "{provider} 모델보다 저희가 페이지를 더 알맞게 나눠서 저희 주제를 그대로 두었어요.",
    "local_names_kept": "{provider} 모델의 이름과 설명 가운데 맞지 않는 {count}개는 저희 것으로 바꿨어요.",
    "low_stability": "여러 주제에 가까운 페이지가 많아서 일부 주제가 맞지 않을 수 있어요.",
}

#: The company whose API each provider speaks.
API_VENDORS: Final = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Google"}

#: The values of a note that hold providers, and the words for a model on the operator's own server.
_PROVIDERS: Final = ("expected", "provider")
_OWN_MODEL: Final = {"en": "this server's model", "ko": "이 서버의 자체"}
#: A provider whose setting is gone: it may have been the company, or any server with its API.
_FORMER: Final = {"en": "{vendor} or a compatible server", "ko": "{vendor} 또는 호환 서버의"}


class MapNote(BaseModel):
    """One note. `values` fill the gaps of its sentence."""

    model_config = ConfigDict(frozen=True)

    code: str
    values: dict[str, str] = {}

    @property
    def sentence(self) -> str:
        """The note in English. Raises KeyError for an unknown code."""
        return SENTENCES[self.code].format(**self.values)

    def sentence_in(self, language: str) -> str:
        """The note in Korean for "ko", otherwise in English. Raises KeyError for an unknown code."""
        sentences = KOREAN_SENTENCES if language == "ko" else SENTENCES
        return sentences[self.code].format(**self.values)

    def with_provider_names(self, names: Mapping[str, str | None], language: str) -> Self:
        """A copy that calls providers by `names`, for readers; None is a model on the operator's own server.

        A provider that is not in `names` is called by the company whose API it speaks, and by the doubt about that.
        """
        spoken = language if language in _OWN_MODEL else "en"

        def name_of(provider: str) -> str:
            if provider in names:
                return names[provider] or _OWN_MODEL[spoken]
            vendor = API_VENDORS.get(provider)
            return _FORMER[spoken].format(vendor=vendor) if vendor else provider

        named = {key: name_of(provider) for key, provider in self.values.items() if key in _PROVIDERS}
        return self.model_copy(update={"values": {**self.values, **named}})


def map_note(code: str, **values: object) -> MapNote:
    """The note `code` with its values as text."""
    return MapNote(code=code, values={name: str(value) for name, value in values.items()})
