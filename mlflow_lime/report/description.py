"""The block on a review in the description of a model version, beside a person's own text.

A description that holds the block reads::

    whatever a person wrote

    the first line of the block
    <!-- lime:begin 1a2b3c4d below; a review rewrites all lines down to lime:end -->
    the rest of the block
    <!-- lime:end 1a2b3c4d -->
    whatever a person wrote

MLflow's list of versions shows the first line of a description as it is, so no mark stands there.
The number is a hash of the block's first line: a first line that a person has changed is theirs.
The word ``below`` says that the empty line above the block is part of it.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_lime.report.markdown import as_code, as_prose
from mlflow_lime.report.pages.numbers import MainNumber
from mlflow_lime.report.pages.summary import Summary
from mlflow_lime.report.wording import cut

__all__ = [
    "BLOCK_LIMIT",
    "DESCRIPTION_LIMIT",
    "Link",
    "compose_block",
    "with_block",
    "without_block",
]

BLOCK_LIMIT = 2500
"""Characters of a block at most, with its marks."""

DESCRIPTION_LIMIT = 5000
"""Characters that MLflow's database has room for."""

_ALWAYS = 2
"""The verdict and the link to the report: without these lines, a block is not worth having."""
_LONGEST_HEADLINE, _LONGEST_NAME = 240, 80

_GAP = "\n\n"
_GAPS = (_GAP, "\r\n\r\n")
_BLOCK = re.compile(
    r"^<!-- lime:begin (?P<sum>[0-9a-f]{8})(?P<below> below)?; [^\n]*-->\r?\n"
    r"(?:(?!<!-- lime:(?:begin|end) )[^\n]*\n)*"
    r"<!-- lime:end (?P=sum) -->",
    re.MULTILINE,
)
_SIGNS = {"ok": "✔", "look": "⚠", "stop": "✖"}
"""Signs that most fonts have, and that older databases can store."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link in Markdown.

    Attributes
    ----------
    text : str
        What a person reads; names from data may stand in it.
    target : str
        An address in which every sign with a meaning is coded.
    """

    text: str
    target: str

    def written(self, names: Sequence[str] = ()) -> str:
        """Return the link; names of versions in its text stay together."""
        return f"[{as_prose(cut(self.text, _LONGEST_NAME), names)}]({self.target})"


# Composing


def compose_block(
    summary: Summary,
    numbers: Sequence[MainNumber],
    *,
    report: Link | None = None,
    links: Sequence[Link] = (),
    picture: str = "",
    names: Sequence[str] = (),
) -> str:
    """Return the block of a review in Markdown, its most important lines first.

    Parameters
    ----------
    summary : Summary
        The verdict, which becomes the first line.
    numbers : sequence of MainNumber
        What the review measured, with intervals and changes against the baseline.
    report : Link, optional
        The report.
    links : sequence of Link
        What else there is to see.
    picture : str, optional
        Address of the overview.
    names : sequence of str
        What the versions are called in the texts, which then stays together.

    Returns
    -------
    str
        Lines of Markdown in which nothing that came from data has a meaning.
    """
    sign = _SIGNS.get(summary.level, "")
    headline = as_prose(cut(summary.headline, _LONGEST_HEADLINE), names)
    lines = [f"{sign} LIME: {headline}".strip()]
    lines += [f"**{report.written(names)}**"] if report else []
    lines += [" · ".join(link.written(names) for link in links)] if links else []
    since = next((number.since for number in numbers if number.since), "")
    if since:
        lines += ["", f"Numbers, with their change since {as_code(since)}:"]
    lines += ["", *map(_number_line, numbers)] if numbers else []
    lines += ["", f"![LIME overview]({picture})"] if picture else []
    return "\n".join(lines)


def _number_line(number: MainNumber) -> str:
    interval = f" ({as_prose(number.interval)})" if number.interval else ""
    change = f", {as_prose(number.change)}" if number.change else ""
    title, unit = (as_prose(cut(text, _LONGEST_NAME)) for text in (number.title, number.unit))
    return (
        f"- {title}{f' ({unit})' if unit else ''}: **{as_prose(number.value)}**{interval}{change}"
    )


# Putting it into a description


def with_block(text: str, block: str) -> str:
    r"""Return a description with a block, in place of the one that it had, or below its text.

    A block that is too long loses lines from its end. Where there is no room for its first two
    lines, the description is returned without a block.

    Parameters
    ----------
    text : str
        The description as it is; what a person wrote in it stays as it is, byte for byte.
    block : str
        What `compose_block` returns.

    Examples
    --------
    >>> text = with_block("My words.", "all is well\nnumbers")
    >>> text.splitlines()[:3]
    ['My words.', '', 'all is well']
    >>> without_block(text)
    'My words.'
    """
    above, below = _around(text)
    gap = _GAP if above else ""
    room = min(BLOCK_LIMIT, DESCRIPTION_LIMIT - len(above) - len(below)) - len(gap)
    framed = _framed(block, bool(above), room)
    return f"{above}{gap}{framed}{below}" if framed else _joined(above, below)


def without_block(text: str) -> str:
    """Return a description without its block: what a person wrote, byte for byte."""
    return _joined(*_around(text))


def _joined(above: str, below: str) -> str:
    # A person who wrote right behind the last mark did not mean to go on in the line above.
    gap = _GAP if above and below and not below.startswith(("\n", "\r")) else ""
    return f"{above}{gap}{below}"


def _around(text: str) -> tuple[str, str]:
    """Return what stands above the last block in a text, and below it."""
    found = list(_BLOCK.finditer(text))
    if not found:
        return text, ""
    mark = found[-1]
    above, below = text[: mark.start()], text[mark.end() :]
    before, _, first = above.removesuffix("\n").rpartition("\n")
    head = above[: len(before) + 1] if "\n" in above.removesuffix("\n") else ""
    if _digest(first.removesuffix("\r")) != mark["sum"]:
        return above, below  # a person's line now
    gap = next((gap for gap in _GAPS if mark["below"] and head.endswith(gap)), "")
    return head.removesuffix(gap), below


def _framed(block: str, below: bool, room: int) -> str:
    """Return a block between its marks, shortened to the room there is; empty without room."""
    lines = block.replace("<!--", "&lt;!--").strip().splitlines()
    if not lines:
        return ""
    digest = _digest(lines[0])
    place = " below" if below else ""
    begin = f"<!-- lime:begin {digest}{place}; a review rewrites all lines down to lime:end -->"
    end = f"<!-- lime:end {digest} -->"
    for count in range(len(lines), min(_ALWAYS, len(lines)) - 1, -1):
        framed = "\n".join([lines[0], begin, *lines[1:count], end])
        if len(framed) <= room:
            return framed
    return ""


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()[:8]
