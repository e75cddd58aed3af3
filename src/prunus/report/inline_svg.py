"""A drawing as part of a page: its colours follow the page's variables, and nothing in it needs inline style."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
ATTRIBUTES = re.compile(r"(fill|stroke)(-[a-z]+)?|opacity|text-anchor|font-size|font-weight")
"""What of a style is kept, each as the attribute of that name; the font is the page's."""


def inline_svg(
    content: bytes,
    name: str,
    title: str,
    description: str,
    titles: Mapping[str, str],
    variables: Mapping[str, str],
    look: str = "",
) -> str:
    """Markup of a drawing, to stand in a page under a policy that forbids inline style.

    name: prefix of all ids, so that drawings of one page do not share any.
    titles: id of a group -> text shown over it. variables: colour -> CSS variable. look: a class more.
    The input is this program's own drawing; names in it were escaped when it was drawn and are escaped again here.
    """
    root = ElementTree.fromstring(content)  # noqa: S314
    ids: dict[str, str] = {}
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        _restyle(element, variables)
        _shorten(element)
        _refer(element, ids, name)
    _name(root, ids, titles)
    _flatten(root)
    view_box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {"viewBox": view_box, "class": f"drawing {look}".rstrip(), "role": "img"}
    root.set("aria-labelledby", f"{name}-title {name}-description")
    for position, (tag, identity, text) in enumerate((("title", "title", title), ("desc", "description", description))):
        root.insert(position, _text(tag, text, {"id": f"{name}-{identity}"}))
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _restyle(element: Element, variables: Mapping[str, str]) -> None:
    """A style becomes attributes, its colours variables."""
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = (text.strip() for text in part.partition(":"))
        if key == "font":
            if size := re.search(r"(?:^|\s)([\d.]+)px", value):
                element.set("font-size", size[1])
        elif key in ("fill", "stroke") and value.lower() in variables:
            element.set(key, f"var(--{variables[value.lower()]})")
        elif ATTRIBUTES.fullmatch(key):
            element.set(key, value.removesuffix("px"))


def _shorten(element: Element) -> None:
    """Numbers to a tenth of a point, no rotation by nothing."""
    if outline := element.get("d"):
        element.set("d", shortened_path(outline))
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for key in ("x", "y", "width", "height", "transform"):
        number = element.get(key)
        if number and "scale" not in number:
            element.set(key, _rounded(number))


def _refer(element: Element, ids: dict[str, str], name: str) -> None:
    """What refers to an id refers to a short one of this drawing."""

    def short(identity: str) -> str:
        return ids.setdefault(identity, f"{name}-{len(ids)}")

    if link := element.attrib.pop(LINK, None):
        element.set("href", f"#{short(link.removeprefix('#'))}")
    if clip := element.get("clip-path"):
        element.set("clip-path", re.sub(r"url\(#(.*)\)", lambda match: f"url(#{short(match[1])})", clip))


def _name(root: Element, ids: Mapping[str, str], titles: Mapping[str, str]) -> None:
    """Ids stay where something refers to them; groups that are series get a class and their text."""
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity is not None and identity in ids:
            element.set("id", ids[identity])
        elif identity and identity.startswith(("series", "reference")):
            element.set("class", identity.partition("-")[0])
            if identity in titles:
                element.insert(0, _text("title", titles[identity]))


def _flatten(parent: Element) -> None:
    """Groups that say nothing give way to what is in them."""
    children: list[Element] = []
    for child in parent:
        _flatten(child)
        if child.tag in ("metadata", "style") or (child.tag == "defs" and not len(child)):
            continue
        children.extend(child if child.tag == "g" and not child.attrib else [child])
    parent[:] = children


def _text(tag: str, text: str, attributes: Mapping[str, str] | None = None) -> Element:
    element = Element(tag, dict(attributes or {}))
    element.text = text
    return element


def shortened_path(path: str) -> str:
    """Coordinates to a tenth of a point, no needless spaces.

    >>> shortened_path("M 57.612 307.584 \\nL 60 12.04 ")
    'M57.6 307.6L60 12'
    """
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", _rounded(path)).replace("\n", " ").strip()


def _rounded(text: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), text)
