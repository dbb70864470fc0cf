"""A page as tests read it: strictly, and with an eye for what could load or run."""

import re
from html.parser import HTMLParser

LINK = re.compile(r"#[\w-]+|\.\./(\d{4}-\d\d-\d\d/report|index)\.html")
"""Places on the page, and its neighbours among the nights; nothing else is linked."""
VOID = {"meta", "br", "hr", "img", "input", "link", "source", "wbr", "col", "base", "area"}


class Page(HTMLParser):
    """A strict reading of a page: every element closed in order, attributes and texts kept."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.places: list[tuple[str, ...]] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
            self.places.append(tuple(self.open))

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def assert_inert(page: Page, html: str) -> None:
    """Nothing is loaded, nothing runs, nothing leaves the page."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "img",
        "form",
        "base",
        "image",
    }
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"<{tag} {name}>"
            assert name not in {"src", "srcset", "action", "data", "poster", "xlink:href"}
            assert "url(" not in (value or ""), f"<{tag} {name}={value}>"
            if name == "href":
                assert LINK.fullmatch(value or ""), value
    style = "".join(re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL))
    assert html.count("<style") == 1
    assert not re.search(r"url\(|@import|@font-face", style)
    policies = [a["content"] for a in page.find("meta") if a.get("http-equiv")]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]
