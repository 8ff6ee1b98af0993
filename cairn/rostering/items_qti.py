"""Items in a QTI package: what the manifest says of the curriculum standards of each item.

Standards: 1EdTech QTI 2.1, 2.2 and 3.0 packages (``imsmanifest.xml``). A resource of type ``imsqti_item_...`` may carry
curriculumStandardsMetadata (``labelledGUID`` with GUID, which is a CASE identifier, and label), and IEEE LOM with a
classification whose purpose is a competency or an educational objective. Elements are known by their local names, since
publishers use several namespaces.

The manifest comes from outside: it is read as a stream, and one that declares a document type is refused before any
entity of it is looked at.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.parsers import expat

from cairn.errors import CairnError
from cairn.rostering.items_named import Named, item_name
from cairn.rostering.zips import opened_zip

MANIFEST = "imsmanifest.xml"
ITEM_TYPE = "imsqti_item"
LARGEST_MANIFEST_BYTES = 256 << 20
# Purposes of LOM's classification that name what a learner should be able to do.
PURPOSES = ("competency", "educational objective")


def read_qti_items(path: Path, template: str) -> list[Named]:
    """The items of a package (zip, folder or its manifest) with what they name standards by, GUIDs before labels.

    Raises CairnError for what is no package with a manifest, for XML that is not well-formed or declares a document
    type, and for a package without items.
    """
    content = _manifest(path)
    reader = _Reader(path.name, template)
    found = reader.read(content)
    if not found:
        raise CairnError(
            f"{path.name}: no resource of type {ITEM_TYPE}... in {MANIFEST}: expected a QTI package of items"
        )
    return found


def _manifest(path: Path) -> bytes:
    if path.is_dir():
        path = path / MANIFEST
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return _bounded(path, file.read(LARGEST_MANIFEST_BYTES + 1))
        with opened_zip(path) as (archive, named):
            found = sorted((name for name in named if name.name.lower() == MANIFEST), key=lambda name: len(name.parts))
            if not found:
                raise CairnError(f"{path}: no {MANIFEST} in the zip: give the package as the authoring tool exports it")
            with archive.open(named[found[0]]) as file:
                return _bounded(path, file.read(LARGEST_MANIFEST_BYTES + 1))
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({error.strerror}): check the path") from error


def _bounded(path: Path, content: bytes) -> bytes:
    if len(content) > LARGEST_MANIFEST_BYTES:
        raise CairnError(f"{path}: the manifest is larger than {LARGEST_MANIFEST_BYTES} bytes: split the package")
    return content


class _Reader:
    """One pass over a manifest: the resource it is in, and the names that this gives so far."""

    def __init__(self, file: str, template: str) -> None:
        self._file, self._template = file, template
        self._found: list[Named] = []
        self._way: list[str] = []
        self._text: list[str] = []
        self._item: tuple[str, int] | None = None
        self._guids: dict[str, None] = {}
        self._labels: dict[str, None] = {}
        self._taxa: dict[str, None] = {}
        self._purpose = ""

    def read(self, content: bytes) -> list[Named]:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, attributes: self._begin(name, attributes, parser.CurrentLineNumber)
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise CairnError(f"{self._file}:{error.lineno}: not well-formed XML: export the package again") from None
        return self._found

    def _refuse_doctype(self, *_: object) -> None:
        raise CairnError(f"{self._file}: the manifest declares a document type, which a package needs not: not read")

    def _begin(self, name: str, attributes: dict[str, str], line: int) -> None:
        local = name.rsplit(":", 1)[-1]
        self._way.append(local)
        self._text.clear()
        if local == "resource":
            is_item = attributes.get("type", "").startswith(ITEM_TYPE)
            self._item = (attributes.get("identifier", ""), line) if is_item else None
            self._guids, self._labels, self._taxa = {}, {}, {}
        elif local == "classification":
            self._purpose, self._taxa = "", {}

    def _end(self, name: str) -> None:
        local = self._way.pop()
        text = "".join(self._text).strip()
        self._text.clear()
        if self._item is None:
            return
        if local == "resource":
            identifier, line = self._item
            named = tuple(self._guids) or tuple(self._labels)
            self._found.append(Named(item_name(identifier, self._template), line, named))
            self._item = None
        elif local == "GUID" and text:
            self._guids[text] = None
        elif local == "label" and text and "labelledGUID" in self._way:
            self._labels[text] = None
        elif "classification" in self._way:
            if local == "value" and self._way[-1] == "purpose":
                self._purpose = text.lower()
            elif local == "id" and self._way[-1] == "taxon" and text:
                self._taxa[text] = None
        elif local == "classification" and self._purpose in PURPOSES:
            self._guids |= self._taxa
