"""A report with a hostile script, opened by one who is signed in: it runs, and reaches nothing of the portal."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><title>report</title><link rel="stylesheet" href="static/style.css">
<p id="text">words</p><p id="own"></p><p id="data"></p><p id="cookie"></p><p id="page"></p>
<a id="next" href="next.html">next</a><script src="static/code.js"></script>"""
CODE = """
const say = (id, text) => { document.getElementById(id).textContent = text; };
say("own", "script ran, origin " + window.origin);
try { say("cookie", "cookie " + document.cookie); } catch (error) { say("cookie", error.name); }
fetch("static/data.json").then((got) => got.json()).then((data) => say("data", data.word), (e) => say("data", e.name));
fetch("/operations", {credentials: "include"}).then((got) => got.text())
  .then((text) => say("page", text), (error) => say("page", error.name));
"""


def test_a_script_in_a_report_reaches_nothing_of_the_portal(browser: Any, portal: Any, signed_in: Any) -> None:
    folder = portal["settings"].reports_dir / "data_docs"
    (folder / "static").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "next.html").write_text("<!doctype html><title>second</title>")
    (folder / "static" / "style.css").write_text("#text { color: rgb(1, 2, 3) }")
    (folder / "static" / "code.js").write_text(CODE)
    (folder / "static" / "data.json").write_text('{"word": "its own data"}')
    context = browser.new_context(storage_state=signed_in("central"))
    page = context.new_page()
    page.goto(portal["base"] + "/operations/data-docs/")
    page.wait_for_function("['data', 'page'].every((id) => document.getElementById(id).textContent)")
    text = {one: page.inner_text(f"#{one}") for one in ("own", "data", "cookie", "page")}
    assert text == {
        "own": "script ran, origin null",
        "data": "its own data",
        "cookie": "SecurityError",
        "page": "TypeError",  # refused by the browser: another origin's page
    }
    assert page.evaluate("getComputedStyle(document.getElementById('text')).color") == "rgb(1, 2, 3)"
    page.click("#next")
    page.wait_for_load_state("load")
    assert page.title() == "second"
    page.goto(portal["base"] + "/operations")
    assert page.title().startswith("Operations")
    context.close()
