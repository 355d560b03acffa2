"""No sentence of the server promises a mail where none is sent."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from cluster.mail.sender import WITHOUT_MAIL
from serve import mail_sentences
from serve.mail_sentences import MailSentence

ROOT = Path(mail_sentences.__file__).parents[1]
#: A sentence to the user of the API or the clients that says that a mail comes, or a link by mail.
PROMISE = re.compile(
    r"\bby mail\b|mail is on its way|link (has been|was|is) sent|in the (next )?mail\b"
    r"|(we|server) (write|mail|send)s? you|check your (mail|inbox)|메일로|메일을 보냈|링크를 보냈",
    re.IGNORECASE,
)
#: Texts that speak of a mail and promise none to a user of this server.
NO_PROMISE = {
    WITHOUT_MAIL,
    "The server sends mail: the next step is in the mail",
    "this server sends the link by mail",
    "From the link in the mail",
    "no mail server is set: forgotten passwords cannot be reset by mail",
}


def texts_of(path: Path) -> Iterator[str]:
    """The literals of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_the_words_of_a_promise_are_found() -> None:
    sentences = [each for each in vars(mail_sentences).values() if isinstance(each, MailSentence)]
    assert len(sentences) == 3
    for sentence in sentences:
        assert PROMISE.search(sentence.worded(sends_mail=True)), sentence
        assert not PROMISE.search(sentence.worded(sends_mail=False)), sentence


def test_only_one_module_promises_mails() -> None:
    promises = [
        text
        for package in ("serve", "models", "cluster", "actors")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path != Path(mail_sentences.__file__)
        for text in texts_of(path)
        if PROMISE.search(text)
    ]
    assert set(promises) == NO_PROMISE
