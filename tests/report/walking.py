"""Markup walked strictly: every element closed in its turn, nothing that acts or fetches."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "input", "img", "link", "hr"}
PICTURE = re.compile(r"data:image/(png|webp);base64,[A-Za-z0-9+/]+=*")
FETCHING = {
    "src", "href", "srcset", "action", "formaction", "data", "poster", "background", "ping",
    "xlink:href", "srcdoc", "style",
}  # fmt: skip


class Walker(HTMLParser):
    """Notes the elements with the names of their attributes, in order, and refuses what acts.

    Attributes
    ----------
    elements : list of (str, tuple of str)
        Each start tag, and its attributes in order.
    told : list of str
        Text outside scripts and styles.
    inside : dict of str to list of str
        What scripts and styles hold.
    others : list of str
        Comments, declarations, and processing instructions.
    """

    def __init__(self):
        super().__init__()
        self.elements, self.told, self.others, self.open = [], [], [], []
        self.inside = {"script": [], "style": []}

    def handle_starttag(self, tag, attrs):
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, attrs)

    def _note(self, tag, attrs):
        names = tuple(name for name, _ in attrs)
        assert len(set(names)) == len(names), f"<{tag}> repeats an attribute: {names}"
        for name, value in attrs:
            assert not name.startswith("on"), f"<{tag} {name}>"
            if name in FETCHING:
                assert PICTURE.fullmatch(value or ""), f'<{tag} {name}="{value}">'
        self.elements.append((tag, names))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        last = self.open[-1] if self.open else ""
        self.inside.get(last, self.told).append(data)

    def handle_comment(self, data):
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def walk(markup):
    """Return what stands in `markup`."""
    walker = Walker()
    walker.feed(markup)
    walker.close()
    assert walker.open == []
    return walker
