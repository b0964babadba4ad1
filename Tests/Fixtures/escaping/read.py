"""Reads what Retort escaped as the language's own reader does: read.py LANGUAGE FILE prints a JSON list of texts."""
import csv
import html.parser
import json
import sys


class Texts(html.parser.HTMLParser):
    """The texts of elements of one name, and the values of their attribute `title`."""

    def __init__(self, element):
        super().__init__(convert_charrefs=True)
        self.element, self.depth, self.texts, self.titles = element, 0, [], []

    def handle_starttag(self, tag, attributes):
        if tag == self.element:
            self.depth += 1
            self.texts.append("")
            self.titles += [value for name, value in attributes if name == "title"]

    def handle_endtag(self, tag):
        self.depth -= tag == self.element

    def handle_data(self, data):
        if self.depth:
            self.texts[-1] += data


def read(language, text):
    if language == "yaml11":
        import yaml

        return yaml.load(text, yaml.SafeLoader)
    if language == "yaml12":
        from ruamel.yaml import YAML

        reader = YAML(typ="safe", pure=True)
        reader.version = (1, 2)
        return reader.load(text)
    if language == "csv":
        return list(csv.reader(text.splitlines(keepends=True), strict=True))
    if language == "html":
        reader = Texts("p")
        reader.feed(text)
        return [list(pair) for pair in zip(reader.texts, reader.titles, strict=True)]
    if language == "markdown":
        from markdown_it import MarkdownIt

        page = MarkdownIt("commonmark").enable("table").render(text)
        texts = {}
        for element in ["h2", "li", "td"]:
            reader = Texts(element)
            reader.feed(page)
            texts[element] = reader.texts
        return texts
    if language == "dot":
        return [draw["text"] for node in json.loads(text)["objects"] for draw in node["_ldraw_"] if draw["op"] == "T"]
    sys.exit(f"no reader for {language}")


with open(sys.argv[2], newline="", encoding="utf-8") as file:
    json.dump(read(sys.argv[1], file.read()), sys.stdout)
