"""One tab of a headless Chromium, driven by Playwright: what it shows, asks for, complains of."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # containers have no user namespaces; the page is our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
)


def installed() -> str | None:
    """Path of a Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """Waits at most ``patience`` seconds for anything.

    Attributes
    ----------
    asked
        Addresses that were asked for.
    complaints
        Exceptions, and all that stands in the console: what the policy blocked, too.
    """

    def __init__(self, program: str, patience: float = 60.0) -> None:
        self.patience = patience
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=program, args=FLAGS)
        context = self._chromium.new_context(reduced_motion="reduce")
        context.set_default_timeout(1000 * patience)
        self.page = context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._tools = context.new_cdp_session(self.page)

    def close(self) -> None:
        """End it."""
        self._chromium.close()
        self._playwright.stop()

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        """Load a page and wait until it is there."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(url, wait_until="load")

    @contextmanager
    def beside(self, url: str, *, scripts: bool = True, first: str = "") -> Iterator[Page]:
        """A page in another tab: of a reader without scripts, or after a script of ours."""
        context = self._chromium.new_context(java_script_enabled=scripts)
        context.add_init_script(first)
        page = context.new_page()
        page.goto(url, wait_until="load")
        yield page
        context.close()

    def run(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page; promises are awaited."""
        return self.page.evaluate(expression)

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + self.patience
        while not self.run(condition):  # the page's policy forbids what `wait_for_function` does
            if time.monotonic() > deadline:
                raise TimeoutError(condition)
            self.page.wait_for_timeout(20)

    def press(self, key: str) -> None:
        """Press and release one key."""
        self.page.keyboard.press(key)

    def move(self, x: float, y: float) -> None:
        """Put the pointer there."""
        self.page.mouse.move(x, y)

    def prefer(
        self, scheme: Literal["light", "dark"], media: Literal["screen", "print"] = "screen"
    ) -> None:
        """Light or dark, on a screen or on paper."""
        self.page.emulate_media(media=media, color_scheme=scheme)

    def enforce_policy(self, enforced: bool) -> None:
        """Whether the page's content-security policy holds for scripts that are put into it."""
        self._tools.send("Page.setBypassCSP", {"enabled": not enforced})
