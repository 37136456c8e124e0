"""Run a notebook in JupyterLab, as a learner sees it, and report what happened.

    python tools/run_in_lab.py notebooks/02_training_loop.ipynb --screenshot loop.png

A copy of the notebook, without its stored outputs, is opened in headless Chromium and run with
"Run All Cells". The notebook itself, the reader's Jupyter settings and progress stay untouched,
and no network is needed. The exit code is 0 if every code cell ran and raised nothing but what
its tag ``raises-exception`` announces, 1 if not, and 2 if there is no browser or no Playwright.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = (
    f"No browser was found: install Chromium so that one of {', '.join(BROWSERS)} is on the PATH, "
    "or set CHROMIUM to its program file."
)
BROWSER_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
START_SECONDS = 120
WIDTH, LOWEST, TALLEST, OVERLAP = 1100, 400, 16000, 40  # pixels; Chromium draws up to 16384

# Clicking "Run All" before the kernel is ready runs nothing and says nothing, hence the waiting.
# The command is done at the first error, even an expected one; the kernel answers when all is.
# A cell that is still running has a count already; JupyterLab runs no cell that is blank.
RUN_ALL = """async ([path, milliseconds]) => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = [...app.shell.widgets('main')].find(widget => widget.context?.path === path);
  const session = panel.sessionContext;
  const work = async () => {
    await panel.context.ready;
    await session.ready;
    await session.session.kernel.info;
    app.shell.activateById(panel.id);
    await app.commands.execute('notebook:run-all-cells');
    await session.session.kernel.requestKernelInfo();
    return '';
  };
  const stopped = await Promise.race([
    work().catch(error => `the kernel did not go on (${error.message})`),
    new Promise(resolve => session.statusChanged.connect((sender, status) => {
      if (['autorestarting', 'dead'].includes(status)) resolve('the kernel died');
    })),
    new Promise(resolve => setTimeout(resolve, milliseconds, 'the time was up')),
  ]);
  const cells = [...panel.content.model.cells].map((cell, index) => ({
    number: index + 1,
    code: cell.type === 'code' && cell.sharedModel.source.trim() !== '',
    ran: cell.executionCount != null && cell.executionState !== 'running',
    tags: cell.getMetadata('tags') ?? [],
    outputs: cell.outputs?.toJSON() ?? [],
  }));
  return [stopped, cells.filter(cell => cell.code)];
}"""

# Formulas and pictures arrive late: the height counts once it has not changed for a second.
MEASURE = """async scroller => {
  await document.fonts.ready;
  let height = -1;
  for (let equal = 0, turn = 0; equal < 4 && turn < 40; turn++) {
    await new Promise(resolve => setTimeout(resolve, 250));
    equal = scroller.scrollHeight === height ? equal + 1 : 0;
    height = scroller.scrollHeight;
  }
  return [height, window.innerHeight - scroller.clientHeight];
}"""


class LabError(RuntimeError):
    """JupyterLab or the browser could not be brought to run the notebook."""


@dataclass
class Report:
    """What happened to the code cells of a notebook; cells are counted from 1, as they appear."""

    cells: int
    ran: int
    stopped: str = ""  # why the run was broken off
    errors: list[str] = field(default_factory=list)
    expected_errors: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)
    screenshots: list[Path] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every cell ran, in time and without an unexpected error."""
        return not self.stopped and self.ran == self.cells and not self.errors

    def __str__(self) -> str:
        """Return the report as text of a few lines."""
        lines = [f"{self.ran} of {self.cells} code cells ran, {self.seconds:.0f} s in all"]
        if self.stopped:
            lines.append(f"broken off: {self.stopped}")
        for title, found in (
            ("errors", self.errors),
            ("expected errors", self.expected_errors),
            ("outputs on stderr", self.stderr),
            ("errors in the browser's console", self.console_errors),
        ):
            lines.append(f"{title}: {len(found)}")
            lines.extend(f"  {line}" for line in found)
        lines.extend(f"screenshot: {path}" for path in self.screenshots)
        return "\n".join(lines)


def find_browser() -> str | None:
    """Return the path of Chromium or Chrome (``CHROMIUM``, then the PATH), or None."""
    wanted = os.environ.get("CHROMIUM")
    names = [wanted] if wanted else BROWSERS
    return next((path for path in map(shutil.which, names) if path), None)


def run(
    notebook: str | Path,
    screenshot: str | Path | None = None,
    *,
    height: int = TALLEST,
    dark: bool = False,
    expand: bool = False,
    timeout: float = 300,
) -> Report:
    """Run all cells of a notebook in JupyterLab.

    Args:
        notebook: The notebook. Its file is only read.
        screenshot: A PNG file for a picture of the whole notebook after the run.
        height: The tallest picture, 400 to 16000 pixels. A longer notebook goes on in ``-2.png``.
        dark: Whether to use JupyterLab's dark theme.
        expand: Whether to open all folded parts (``<details>``) before the picture is taken.
        timeout: Seconds that the cells may take together.

    Returns:
        The report.

    Raises:
        LabError: If there is no browser, or JupyterLab does not open the notebook.
        ValueError: If ``height`` is out of its range.
    """
    if not LOWEST <= height <= TALLEST:
        raise ValueError(f"`height` must be {LOWEST} to {TALLEST} pixels. Received: {height=}")
    # Imported here, so that find_browser can be asked where playwright is not installed.
    from playwright.sync_api import Error, sync_playwright

    browser_path = find_browser()
    if browser_path is None:
        raise LabError(NO_BROWSER)
    start = time.monotonic()
    try:
        with (
            # A kernel may still be writing while it ends.
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            _server(Path(folder), Path(notebook), dark) as address,
            sync_playwright() as playwright,
            playwright.chromium.launch(
                executable_path=browser_path, args=BROWSER_FLAGS, chromium_sandbox=not _is_root()
            ) as browser,
        ):
            page = browser.new_page(viewport={"width": WIDTH, "height": 900})
            console: list[str] = []
            page.on("console", lambda m: console.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda error: console.append(str(error)))
            page.goto(address, timeout=START_SECONDS * 1000)
            page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_SECONDS * 1000)
            report = _summary(*page.evaluate(RUN_ALL, [Path(notebook).name, timeout * 1000]))
            if screenshot is not None:
                report.screenshots = _photograph(page, Path(screenshot), height, expand)
    except Error as error:
        # Its other lines are the browser's log.
        reason = error.message.partition("\n")[0]
        raise LabError(f"The browser did not show the notebook: {reason}") from error
    report.console_errors = console
    report.seconds = time.monotonic() - start
    return report


@contextlib.contextmanager
def _server(folder: Path, notebook: Path, dark: bool) -> Iterator[str]:
    """Start JupyterLab on a copy of the notebook in ``folder`` and yield the copy's address."""
    root = folder / "root"
    root.mkdir()
    try:
        content = nbformat.read(notebook, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise LabError(f"{notebook} cannot be read as a notebook: {error}") from error
    content.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for cell in content.cells:
        if cell.cell_type == "code":
            # A stored count would pass for a cell that ran.
            cell.execution_count, cell.outputs = None, []
    nbformat.write(content, root / notebook.name)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser"),
        *(f"--ServerApp.root_dir={root}", f"--ServerApp.port={port}"),
        *("--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
        "--LabApp.expose_app_in_browser=True",
        *(["--allow-root"] if _is_root() else []),
    ]
    environment = _environment(folder, dark)
    log = folder / "server.log"
    with log.open("wb") as output:
        # Its own session: on Ctrl-C this program ends the server, the terminal does not.
        server = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                end = log.read_text(errors="replace")[-2000:]
                raise LabError(f"JupyterLab did not start. The end of its log:\n{end}")
            time.sleep(0.1)
        token = environment["JUPYTER_TOKEN"]
        yield f"http://127.0.0.1:{port}/lab/tree/{quote(notebook.name)}?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _environment(folder: Path, dark: bool) -> dict[str, str]:
    """Return environment variables that keep everything which is written inside ``folder``."""
    settings = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "apputils-extension/themes": {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"},
        # JupyterLab removes cells out of sight from the page; a picture of all needs them there.
        "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    }
    for name, values in settings.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    return {
        **os.environ,
        "COURSEKIT_HOME": str(folder / "coursekit"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this Python, not one of the user's
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_TOKEN": secrets.token_hex(),
    }


def _answers(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _is_root() -> bool:
    """Return whether this program runs as root, whom Chromium and Jupyter need told so."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _summary(stopped: str, cells: list[dict[str, Any]]) -> Report:
    """Make the report from what the page says about the code cells."""
    report = Report(len(cells), sum(cell["ran"] for cell in cells), stopped)
    for cell in cells:
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                text = f"{output['ename']}: {output['evalue']}"
                expected = "raises-exception" in cell["tags"]
                found = report.expected_errors if expected else report.errors
            elif output.get("name") == "stderr":
                text, found = "".join(output["text"]), report.stderr
            else:
                continue
            found.append(f"cell {cell['number']}: {text.strip().partition(chr(10))[0]}")
    return report


def _photograph(page: Any, target: Path, height: int, expand: bool) -> list[Path]:
    """Save pictures of the whole notebook and return their paths."""
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    if expand:
        page.locator(".jp-Notebook details").evaluate_all("all => all.forEach(d => d.open = true)")
    scroller = page.locator(".jp-NotebookPanel:visible .jp-WindowedPanel-outer")
    length, frame = scroller.evaluate(MEASURE)
    page.set_viewport_size({"width": WIDTH, "height": min(length + frame, height)})
    length, frame = scroller.evaluate(MEASURE)
    step = page.viewport_size["height"] - frame - OVERLAP
    paths = []
    for number, top in enumerate(range(0, max(length - OVERLAP, 1), step), start=1):
        path = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        scroller.evaluate("(scroller, top) => scroller.scrollTop = top", top)
        page.screenshot(path=path)
        paths.append(path)
    return paths


def main(arguments: list[str] | None = None) -> int:
    """Run a notebook, print the report and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="save the whole notebook")
    parser.add_argument(
        "--height",
        type=int,
        default=TALLEST,
        help="tallest picture in pixels; a longer notebook goes on in PNG-2 (default: %(default)s)",
    )
    parser.add_argument("--dark", action="store_true", help="use the dark theme")
    parser.add_argument("--expand", action="store_true", help="open folded parts in the picture")
    parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("playwright") is None:
        print("Playwright is not installed: python -m pip install playwright", file=sys.stderr)
        return 2
    if find_browser() is None:
        print(NO_BROWSER, file=sys.stderr)
        return 2
    try:
        report = run(**vars(options))
    except (LabError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    # Python ends at once on SIGTERM; an exception lets the server be ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
