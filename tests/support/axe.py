"""axe-core, which finds accessibility problems of a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page

SCRIPT = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
TRANSITION_MS = 300  # All CSS transitions have ended after this.
RUN = """async (root) => {
    const results = await axe.run(root, {resultTypes: ["violations"]});
    const serious = results.violations.filter((one) => ["serious", "critical"].includes(one.impact));
    return serious.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""


def load_axe(page: Page) -> None:
    """Load axe-core into a page."""
    page.add_script_tag(path=SCRIPT)


def serious_problems(root: Locator) -> list[str]:
    """Return the serious and critical problems of an element, after its transitions."""
    root.page.mouse.move(0, 0)
    root.page.wait_for_timeout(TRANSITION_MS)
    problems: list[str] = root.evaluate(RUN)
    return problems
