"""Data Docs: one page a suite by Great Expectations' own renderer, and an index; counts only, nothing from afar."""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path
from typing import Any

from cairn.settings import Settings

_REMOTE = re.compile(r"<(script|link|img)\b[^>]*\bhttps?://[^>]*>(\s*</script>)?", re.IGNORECASE)
_REMOTE_STYLE = re.compile(r"url\(['\"]?https?://[^)]*\)", re.IGNORECASE)
_STYLE = (
    "<style>body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem;max-width:72rem}"
    "table{border-collapse:collapse}td,th{padding:.3rem .6rem;border-bottom:1px solid #ccc;text-align:left}</style>"
)


def folder(settings: Settings) -> Path:
    """Where Data Docs lie."""
    return settings.reports_dir / "data_docs"


def write(settings: Settings, gate: str, data_date: date, pages: list[tuple[str, Any]]) -> list[Path]:
    """Write the run's pages (title, validation result) and the index anew; returns the pages."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    target = folder(settings) / data_date.isoformat() / gate
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.html"):
        old.unlink()
    written = []
    view = DefaultJinjaPageView()  # one for all pages: each view compiles the templates anew
    for number, (title, result) in enumerate(pages, 1):
        page = view.render(ValidationResultsPageRenderer().render(result))
        local = _REMOTE_STYLE.sub("none", _REMOTE.sub("", page)).replace("</head>", f"{_STYLE}</head>", 1)
        path = target / f"{number:02d}-{re.sub(r'[^a-z0-9_.]+', '-', title.lower())}.html"
        path.write_text(local, encoding="utf-8")
        written.append(path)
    _write_index(settings)
    return written


def _write_index(settings: Settings) -> None:
    root = folder(settings)
    items = []
    for night in sorted((path for path in root.iterdir() if path.is_dir()), reverse=True):
        pages = sorted(night.glob("*/*.html"))
        links = "".join(
            f'<li><a href="{html.escape(page.relative_to(root).as_posix())}">'
            f"{html.escape(page.parent.name)}: {html.escape(page.stem[3:])}</a></li>"
            for page in pages
        )
        items.append(f"<h2>{html.escape(night.name)}</h2><ul>{links}</ul>")
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>'
        f'<meta name="viewport" content="width=device-width">{_STYLE}</head><body><h1>Data Docs</h1>'
        "<p>What each gate checked, by night. Counts only: rows that failed are named by id in ops.gate_result.</p>"
        f"{''.join(items)}</body></html>"
    )
    (root / "index.html").write_text(text, encoding="utf-8")
