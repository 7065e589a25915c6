"""What axe-core finds in a page as a browser shows it: faults that keep readers out."""

import json
from importlib import resources
from typing import Any

from tests.report.browser import Browser

GRAVE = ("serious", "critical")


def grave_findings(browser: Browser) -> list[str]:
    """The serious and critical findings of axe-core in the page that is open, each with the first place it is at."""
    browser.evaluate((resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    # what is inside of a chart has its name from the chart's, and ten times as many nodes as the rest of a page
    what = "{exclude: [['.chart svg']]}, {resultTypes: ['violations']}"
    found: dict[str, Any] = json.loads(browser.evaluate(f"axe.run({what}).then(JSON.stringify)"))
    assert len(found["passes"]) > 5, "axe-core looked at nothing"
    return [
        f"{rule['id']} ({rule['impact']}, {len(rule['nodes'])} places): {rule['nodes'][0]['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in GRAVE
    ]
