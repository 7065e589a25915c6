"""The site that ``make docs`` built, as a browser shows it: readable for all, and no wider than a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.accessibility import grave_findings
from tests.docs.snippets import ROOT
from tests.report.browser import CHROMIUM, Browser

SITE = ROOT / "build" / "docs"
PAGES = sorted(page for page in SITE.rglob("*.html") if "_static" not in page.parts)
LOOKS = [(390, "dark"), (1280, "light")]
"""Width and scheme that each page is looked at with; colours depend on the scheme, what fits on the width."""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(not PAGES, reason="there is no site; make docs builds it"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_read_by_all(browser: Browser, page: Path) -> None:
    for width, scheme in LOOKS:
        browser.open(page, width, ready="true", prefers_color_scheme=scheme)
        assert grave_findings(browser) == []
        assert browser.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
