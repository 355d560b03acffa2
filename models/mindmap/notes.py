"""What a reader should know about how a map was made. Each note has a code, which clients word in their language."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

#: The English sentence of each code.
SENTENCES: Final = {
    "no_models": "Made without a model: this server uses none.",
    "consent_missing": "Made without a model: you have not agreed to send pages to {vendors}.",
    "out_of_tokens": "Made without a model: your plan's tokens are used up until {until}.",
    "models_late": "No model answered in time: the topics are our own.",
    "models_failed": "No model could outline this session ({reason}): the topics are our own.",
    "pages_not_described": "{count} of {total} pages were not described by a model ({reasons}).",
    "provider_replaced": "{expected} could not be used; {provider} made this map.",
    "map_invalid": "The map {provider} made broke the rules of maps.",
    "private_pages_excluded": "Pages on private networks were not recorded (for example localhost or 192.168.0.1).",
    "error_pages": "{count} pages were error pages of their sites.",
    "texts_unreadable": "The text of {count} pages could not be read, for example of scanned PDF files.",
    "words_only": "Topics were found by words alone: the package that compares meaning is not installed.",
    "unknown_pages": "{count} page ids were not of this session and were dropped.",
    "repeated_pages": "{count} pages had more than one place; the first was kept.",
}


class MapNote(BaseModel):
    """One note. `values` fill the gaps of its sentence."""

    model_config = ConfigDict(frozen=True)

    code: str
    values: dict[str, str] = {}

    @property
    def sentence(self) -> str:
        """The note in English. Raises KeyError for an unknown code."""
        return SENTENCES[self.code].format(**self.values)


def map_note(code: str, **values: object) -> MapNote:
    """The note `code` with its values as text."""
    return MapNote(code=code, values={name: str(value) for name, value in values.items()})
