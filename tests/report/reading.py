"""HTML read as browsers read it."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser


class Reader(HTMLParser):
    """Reads markup and notes what stands in it."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text.append(data)


def read(markup):
    """Return what stands in `markup`, which must be well-formed: every element closed."""
    reader = Reader()
    reader.feed(markup)
    reader.close()
    ET.fromstring(markup.removeprefix("<!DOCTYPE html>").strip())
    return reader
