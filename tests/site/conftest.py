"""The website, built once for all workers; a server for it; a browser."""

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
import time

import pytest
import run_in_lab
from build_notebooks import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site, whose name is the sub-path that it is served under."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-gw") else base  # of pytest-xdist's workers
    out, ended = shared / "course", shared / "course-built"
    try:
        (shared / "course-begun").mkdir()
    except FileExistsError:  # another worker builds it
        while not ended.exists():
            time.sleep(0.2)
    else:
        build = "import sys, pathlib, build_site; folders = map(pathlib.Path, sys.argv[1:]); "
        build += "sys.exit(build_site.build(*folders))"
        command = [sys.executable, "-c", build, shared / "course-source", out]
        paths = os.pathsep.join([str(ROOT / "tools"), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": paths}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        ended.write_text(run.stderr if run.returncode else "built")
    assert ended.read_text() == "built"
    return out


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served, under a sub-path."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(site.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}/"
        server.shutdown()


@pytest.fixture(scope="module")  # open for longer, it would keep other tests from a browser
def browser():
    """Chromium; without one the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = run_in_lab.find_browser()
    if path is None:
        pytest.skip(run_in_lab.NO_BROWSER)
    with (
        playwright.sync_playwright() as p,
        p.chromium.launch(
            executable_path=path,
            args=run_in_lab.BROWSER_FLAGS,
            chromium_sandbox=not run_in_lab._is_root(),
        ) as chromium,
    ):
        yield chromium


@pytest.fixture
def open_page(browser, address, site):
    """A function that opens a page of the site, which asks for nothing outside and has no error."""
    contexts, asked, errors = [], [], []

    def opened(name, width=1280, scripts=True, before="", base=address, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            reduced_motion="reduce",
            **options,
        )
        contexts.append(context)
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(base + name)
        return page

    yield opened
    for context in contexts:
        context.close()
    local = re.compile(r"data:|blob:|file:|" + re.escape(address.removesuffix(f"{site.name}/")))
    assert [url for url in asked if not local.match(url)] == []
    # The theme's own scripts know no browser that refuses storage.
    assert [error for error in errors if error != "storage is refused"] == []
