"""Pages in two languages: which one is spoken, that the catalogue is whole, and that nothing stays untranslated."""

from __future__ import annotations

import ast
import re
import time
from html.parser import HTMLParser

import pytest
from babel.numbers import format_decimal

from answers import wording
from answers.pilot_answers import load_rollout_parts, load_scorecards
from answers.pinned_releases import Reader
from answers.told_sentences import LONGEST, told
from cairn.language import ENGLISH, LANGUAGES, catalogue_path, speaking, wanted
from cairn.settings import REPOSITORY
from feeds.write import write
from pilots import registry
from portal import catalogue
from portal.chart_words import drawn
from portal.operations_reads import gate_results
from portal.rollout_bars import Bar, bars
from portal.svg import as_written
from tests.portal.conftest import ACCOUNTS, PASSWORD, Pages, submit
from tests.portal.fixture_every_page import DIFFERENCE, LOG, TABLE
from tests.portal.fixture_release import FAMILY, GIVEN, sourced

SPANISH = {"accept-language": "es-US,es;q=0.9,en;q=0.5"}
OTHERS = [code for code in LANGUAGES if code != ENGLISH]
SCHOOL, CLASS = "/schools/school-a", "/schools/school-a/classes/school-a-class-1"
LISTS: tuple[str, ...] = ("needs-adult", "moves-on", "changes", "actions", "quick-checks", "groups", "classes", "pace")
LISTS += ("teachers-words", "not-enough-evidence", "by-class", "feed")
# Refusals and what is not there: pages too, with words of their own. Every other address shows what it is for.
REFUSED = {
    ("leader-a", "/schools/school-b"): 403,
    **{("leader-a", path): 404 for path in ("/schools/school-a/nothing",)},
    **{("central", path): 404 for path in ("/?sort=x", "/pilots/none", "/published/none.csv")},
    ("engineer", "/releases/a/b"): 404,
}
CENTRAL = (
    "/",
    "/?sort=trust",
    "/?as-of=2020-01-01",
    "/?sort=x",
    "/pilots",
    "/pilots/pilot-fractions",
    "/pilots/pilot-reading",
)
CENTRAL += ("/pilots/none", "/rollout", "/equity", "/equity?school=school-a", "/releases", "/operations")
CENTRAL += ("/named/schools/school-a", "/named/students/{pupil}", "/published/none.csv")
PAGES = [
    (None, "/login"),
    ("leader-a", SCHOOL),
    ("leader-b", "/schools/school-b"),
    *(("leader-a", f"{SCHOOL}/{name}") for name in LISTS),
    ("leader-a", "/students/{pupil}"),
    ("leader-a", "/schools/school-b"),
    ("leader-a", "/schools/school-a/nothing"),
    ("leader-a", "/logout"),
    ("teacher-a", "/classes"),
    ("teacher-a", CLASS),
    ("teacher-a", f"{CLASS}/print"),
    ("teacher-a", "/students/{pupil}"),
    ("central", SCHOOL),
    *(("central", path) for path in CENTRAL),
    *(("central", path) for path in (DIFFERENCE, TABLE)),
    *(("engineer", path) for path in ("/operations", LOG, TABLE, "/pilots", DIFFERENCE, "/releases/a/b")),
]
# Names of things that are one in every language.
NAMES: tuple[str, ...] = (
    "Cairn",
    "CSV",
    "Parquet",
    "SHA-256",
    "minisign",
    "UTC",
    "Letter",
    "English",
    "Español",
    "A4",
    "SD",
    "min",
)
NAMES += ("Data Docs", "Airflow", "dbt docs", "portal")
# What is Spanish, whatever it is in English: one word can be both.
ALIKE = {message.string for message in catalogue.load("es") if isinstance(message.string, str)}
WORDS = re.compile(r"[^\W\d_]{2,}")
# Names of files, and units of the framework.
FILE, UNIT = r"[\w.-]+\.(?:html|zip|json|csv|parquet|pub|minisig)", r"\d\.[A-Z]{2}\b"
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+[^>]*>")


class Texts(HTMLParser):
    """Every text of a page that is read or read out: between tags, and in labels."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.language = ""
        self.quiet = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take labels; text inside what is in another language, or is no text, is left out."""
        given = dict(attributes)
        if tag == "html":
            self.language = given.get("lang") or ""
        self.found += [given[name] or "" for name in ("aria-label", "title", "alt") if given.get(name)]
        if self.quiet or tag in ("style", "code") or (tag == "a" and "hreflang" in given):
            self.quiet += tag not in ("input", "img", "br", "meta", "link")

    def handle_endtag(self, tag: str) -> None:
        """Leave what is left out."""
        self.quiet = max(0, self.quiet - 1)

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if not self.quiet and data.strip():
            self.found.append(" ".join(data.split()))


def texts_of(html: str) -> Texts:
    """A page's texts."""
    found = Texts()
    found.feed(html)
    return found


def of_pilots(pages: Pages) -> set[str]:
    """What a district writes of its pilots: titles, hypotheses, owners, barriers, milestones, what adults learn."""
    release = Reader(pages.settings).current("evaluation")
    cards = load_scorecards(release)
    parts = load_rollout_parts(release)
    written = ("owner", "milestone", "competency", "what", "item", "school_name")
    found = {str(row[key]) for rows in parts.values() for row in rows for key in written if row.get(key)}
    found |= {str(card[key]) for card in cards for key in ("title", "hypothesis", "plan_hash")}
    found |= {str(row["reason"]) for card in cards for row in registry.decisions(pages.settings, card["pilot_id"])}
    return found | {str(school["school_name"]) for card in cards for school in card["schools"]}


@pytest.fixture(scope="module")
def data(every: Pages) -> re.Pattern[str]:
    """What is not the page's own words: names of people and things, in the fixture's marts and vault."""
    pages = every
    # Its page lists what it holds, each file in words.
    write(pages.settings, school="school-a")
    release = Reader(pages.settings).current("learning")
    assert release is not None
    values = {
        *NAMES,
        *ACCOUNTS,
        *GIVEN,
        *FAMILY,
        "Robin",
        *pages.people.values(),
        *(f"Teacher{n}{m}" for n in "012" for m in "01"),
    }
    columns = release.rows(
        "select table_name as name, column_name as col from information_schema.columns where data_type = 'VARCHAR'"
    )
    for name, column in ((row["name"], row["col"]) for row in columns):
        values.add(name)
        if column.endswith(("_title", "_name", "_names", "_code", "_id", "_url", "subject")):
            found = release.rows(f'select distinct "{column}" from {name}')
            values |= {str(row[column]) for row in found if row[column] is not None}
    values |= of_pilots(pages)
    values |= {str(row[key]) for row in gate_results(pages.settings) for key in ("rule_id", "table_name")}
    longest_first = sorted((value for value in values if value.strip()), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join([*map(re.escape, longest_first), FILE, UNIT])})(?!\w)")


@pytest.mark.parametrize(("who", "path"), PAGES)
def test_a_page_in_spanish_has_no_english_text(pages: Pages, data: re.Pattern[str], who: str | None, path: str) -> None:
    client = pages.client(who) if who else pages.anonymous()
    address = path.format(pupil=pages.people[sourced(0, 0)])
    answers = client.get(address, headers=SPANISH), client.get(address)
    assert {one.status_code for one in answers} == {REFUSED.get((who, path), 200)}
    spanish, english = (texts_of(one.text) for one in answers)
    assert (spanish.language, english.language) == ("es", "en")
    same = [data.sub("", text) for text in spanish.found if text in english.found and text not in ALIKE]
    assert [text for text in same if WORDS.search(text)] == []


@pytest.mark.parametrize("code", OTHERS)
def test_the_catalogue_has_the_texts_of_today_and_no_others(code: str) -> None:
    written = catalogue_path(code).read_bytes()
    assert written == catalogue.written(catalogue.updated(code)), (
        "run 'python -m portal.catalogue', translate what is new"
    )


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated_and_keeps_its_placeholders(code: str) -> None:
    for message in (one for one in catalogue.load(code) if one.id):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert len(strings) == len(ids) and all(strings), f"not translated: {ids}"
        for one, other in zip(ids, strings, strict=True):
            assert sorted(PLACEHOLDER.findall(one)) == sorted(PLACEHOLDER.findall(other)), (one, other)


def test_the_browsers_wish_is_heard_and_a_choice_is_stronger(pages: Pages) -> None:
    client = pages.anonymous()
    assert texts_of(client.get("/login").text).language == "en"
    assert texts_of(client.get("/login", headers=SPANISH).text).language == "es"
    answer = client.get("/language/es?next=/login%3Fnext%3D/classes")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/classes")
    assert texts_of(client.get("/login", headers={"accept-language": "en"}).text).language == "es"
    submit(client, "/login", "/login", name="teacher-a", password=PASSWORD)
    page = client.get("/classes")
    assert texts_of(page.text).language == "es" and 'href="/language/en?next=/classes"' in page.text
    submit(client, "/classes", "/logout")
    assert texts_of(client.get("/login").text).language == "es", "signing in and out keep the language"
    assert client.get("/language/xx").status_code == 404
    assert client.get("/language/en?next=//elsewhere.example").headers["location"] == "/"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-US,en;q=0.9,es;q=0.3", "en"),
        ("fr,es;q=0.5", "es"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=many", "en"),
        ("*", "en"),
    ],
)
def test_the_best_language_of_a_header(header: str, language: str) -> None:
    assert wanted(header) == language


def test_days_and_numbers_are_those_of_spanish_in_the_united_states() -> None:
    with speaking("es"):
        assert (wording.day("2026-10-14"), wording.short_day("2026-01-05")) == ("mié 14 oct 2026", "lun 5 ene")
        assert wording.plural(1, "pupil") == "1 estudiante" and wording.plural(1200, "pupil") == "1,200 estudiantes"
        # Spanish of the United States writes numbers as English does, so there is one way for both.
        for value, digits in ((1234567, 0), (0.5, 1), (1234.5, 1)):
            assert wording.number(value, digits) == format_decimal(value, locale="es_US")


def test_a_list_of_like_sentences_is_told_sentence_by_sentence() -> None:
    each = "3 of 3 planned schools reached, 3 were to be by now. 5 of 6 planned classes reached, 6 were to be by now"
    with speaking("es"):
        said = wording.retold(f"{each}. 85 % or more of 100 planned pupils reached")
    assert said == (
        "3 de 3 escuelas planeadas alcanzadas; a esta fecha debían ser 3. 5 de 6 clases planeadas alcanzadas; a esta"
        " fecha debían ser 6. 85 % o más de 100 estudiantes planeados alcanzados"
    )


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        (
            "Chance of a gain 62 %, of one that matters 17 %: would not say it yet.",
            "Probabilidad de una mejora: 62 %; de que importe: 17 %: todavía no lo diría.",
        ),
        ("under 10 of 40", "menos de 10 de 40"),
        ("40 or more", "40 o más"),
        ("1,200 or more", "1,200 o más"),
        # People's words, also where a part of them is a word of ours.
        ("account Other", "cuenta Other"),
        ("Mr. Good", "Mr. Good"),
        ("Reading: small groups", "Reading: small groups"),
        ("Reading so far", "Reading so far"),
        ("School ready", "School ready"),
        ("Good (coach)", "Good (coach)"),
        ("Guardrail: Reading.", "Salvaguarda: Reading."),
        ("Learned: Good", "Aprendido: Good"),
        ("Look to the school of the river", "Look to the school of the river"),
    ],
)
def test_a_sentence_is_told_whole_or_left_as_it_is(english: str, spanish: str) -> None:
    with speaking("es"):
        assert wording.retold(english) == spanish
    assert wording.retold(english) == english


def test_a_crafted_long_text_comes_back_as_it_is_and_at_once() -> None:
    crafted = f"1: 2 started on 3 ({') started on ' * 150}); the window from {'4 (' * 60}"
    begun = time.process_time()
    with speaking("es"):
        assert told(crafted, wording.retold) == crafted and told(crafted[:LONGEST], wording.retold) == crafted[:LONGEST]
    assert time.process_time() - begun < 0.5


def test_names_in_charts_stay_as_they_were_given() -> None:
    svg = bars(("ready", "not ready"), [Bar("Other", (1.0, 1.0), "1 of 2")])
    funnel = f"<text>{as_written('Good')}</text><text>pupils of the school</text>"
    assert svg is not None
    with speaking("es"):
        assert "<tspan>Other</tspan>" in drawn(svg)
        assert drawn(funnel) == "<text><tspan>Good</tspan></text><text>estudiantes de la escuela</text>"


@pytest.mark.parametrize(
    ("code", "english", "spanish"),
    [
        ("hispanic_or_latino", "Hispanic or Latino", "Hispano o latino"),
        ("black_or_african_american", "Black or African American", "Negro o afroamericano"),
        ("not reported", "Not reported", "No informado"),
        ("race_ethnicity", "Race or ethnicity", "Raza o etnia"),
        ("female", "Female", "Femenino"),
    ],
)
def test_the_rosters_groups_have_their_names(code: str, english: str, spanish: str) -> None:
    assert wording.plain(code) == english
    with speaking("es"):
        assert wording.retold(wording.plain(code)) == spanish


@pytest.mark.parametrize("table", ["mart_needs_adult", "mart_class_attention"])
def test_every_sentence_that_a_mart_makes_is_known(table: str) -> None:
    """Words of the SQL's own literals: each is part of a sentence that the pages can tell in another language."""
    query = (REPOSITORY / f"dbt_project/models/marts/learning/{table}.sql").read_text()
    told = " ".join(sentence for _, sentence in wording.HELD_SENTENCES)
    lines = [line for line in query.splitlines() if "{{" not in line and not line.strip().startswith("--")]
    literals = [one.strip(" ;,") for line in lines for one in re.findall(r"'([^']*)'", line)]
    assert literals
    for one in (one for one in literals if " " in one):
        assert one in told, f"{one!r} of {table} cannot be told in Spanish: add it to answers.wording"


def test_no_text_is_marked_where_the_catalogue_does_not_see_it() -> None:
    """Babel reads no text inside an f-string of Python: it would stay English with no test to say so."""
    unseen = []
    for path in (path for package in catalogue.PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))):
        inside = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.JoinedStr)]
        calls = [one for string in inside for one in ast.walk(string) if isinstance(one, ast.Call)]
        unseen += [f"{path.name}:{one.lineno}" for one in calls if _marks_a_text(one)]
    assert unseen == []


def _marks_a_text(call: ast.Call) -> bool:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    place = {"gettext": 0, "noted": 0, "ngettext": 0, "plural": 1}.get(name)
    return place is not None and isinstance(call.args[place], ast.Constant)
