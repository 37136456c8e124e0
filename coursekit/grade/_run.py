"""Run a merged notebook by nbclient, from beside its kernel: another process, another user.

What comes from the kernel is a stranger's: outputs are thrown away, and whatever the messages do
to this process, it ends with its room and takes nothing along.
"""

import asyncio
import contextlib
import json
import math
import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, cast

MOST_TOLD = 32_000_000  # bytes that a kernel may tell
STATUSES = ("correct", "wrong", "raised", "todo", "broken", "error")
STOPPED = {"ename": "TimeIsUp", "evalue": "", "traceback": []}


class Fatal(Exception):
    """The kernel is gone, or does not answer any more."""


class Told:
    """What the probe in the kernel tells by its pipe: verdicts by their nonce, and evidence."""

    def __init__(self, pipe: int):
        self.by_nonce: dict[str, dict] = {}
        self.looks: list[str] = []
        self.ready = threading.Event()
        self.odd = ""
        self._pipe = pipe
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        total = 0
        with os.fdopen(self._pipe, "rb") as file:
            for line in iter(lambda: file.readline(MOST_TOLD), b""):
                total += len(line)
                try:
                    data = json.loads(line)
                    if "look" in data:
                        self.looks.append(str(data["look"])[:200])
                    elif "ready" in data:
                        self.ready.set()
                    else:
                        self.by_nonce[str(data["nonce"])] = data
                except (ValueError, KeyError, TypeError, RecursionError):
                    self.odd = "something wrote into the judge's channel"
                if total > MOST_TOLD:
                    self.odd = "the judge's channel was flooded"
                    return


class Notebook:
    """A kernel that is asked cell by cell.

    Args:
        connection: its connection file.
        is_alive: says whether its process lives.
    """

    def __init__(self, connection: str, is_alive: Callable[[], bool]):
        from jupyter_client.asynchronous.client import AsyncKernelClient
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionComplete
        from nbformat.v4 import new_code_cell, new_notebook

        class Client(AsyncKernelClient):
            async def is_alive(self):
                return is_alive()

        class Runner(NotebookClient):
            def process_message(self, msg, cell, cell_index):
                state = msg.get("content", {}).get("execution_state")
                if msg.get("msg_type") == "status" and state == "idle":
                    raise CellExecutionComplete

        self.kernel = Client()
        self.kernel.load_connection_file(connection)
        self.kernel.allow_stdin = False
        self.kernel.start_channels(hb=False)
        for channel in (self.kernel.shell_channel, self.kernel.control_channel):
            channel.socket.sndtimeo = 2000  # a kernel that broke its sockets holds up nobody
        self.runner = Runner(
            new_notebook(cells=[new_code_cell()]), allow_errors=True, interrupt_on_timeout=True
        )
        self.runner.error_on_timeout = STOPPED
        self.runner.iopub_timeout = 10
        self.runner.raise_on_iopub_timeout = True
        self.runner.kc, self.runner.km = self.kernel, cast(Any, self)
        self.runner.on_cell_executed = self._answered
        self.reply: dict[str, Any] = {}

    def _answered(self, cell, cell_index, execute_reply) -> None:
        self.reply = execute_reply["content"]

    async def interrupt_kernel(self) -> None:
        """Interrupt what runs; nbclient calls this."""
        message = self.kernel.session.msg("interrupt_request", {})
        self.kernel.control_channel.send(message)

    async def start(self) -> None:
        """Wait until the kernel answers."""
        await self.kernel.wait_for_ready(timeout=120)

    async def run(self, code: str, seconds: float, history: bool = True) -> str:
        """Run a cell; return how it failed, or "".

        Raises:
            Fatal: if nothing more can be run.
        """
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from nbformat.v4 import new_code_cell

        self.runner.timeout, self.reply = math.ceil(seconds), {}
        begin = time.monotonic()
        try:
            await self.runner.async_execute_cell(new_code_cell(code), 0, store_history=history)
        except DeadKernelError:
            raise Fatal("its process ended") from None
        except CellTimeoutError:
            late = time.monotonic() - begin >= seconds
            why = f"stopped after {seconds:.0f} s" if late else "it printed without end"
            raise Fatal(why) from None
        except Exception as error:  # a message that is not one
            raise Fatal(f"its messages cannot be read: {type(error).__name__}") from None
        if self.reply.get("status") != "error":
            return ""
        if self.reply.get("ename") == STOPPED["ename"]:
            return f"stopped after {seconds:.0f} s"
        return f"{self.reply.get('ename')}: {self.reply.get('evalue')}"[:600]


async def run_units(
    units: list[dict[str, Any]],
    asked: dict[str, dict[str, Any]],
    notebook: Notebook,
    told: Told,
    skip: set[str],
    seconds: float,
    send: Callable[[dict[str, Any]], None],
) -> None:
    """Run and judge, and send each outcome as it comes.

    Args:
        units: what `merge` returned.
        asked: a judgement of each exercise, for those that have none at the end.
        notebook: the kernel.
        told: what it tells.
        skip: the keys of units that have ended or held up a kernel before.
        seconds: how long a cell may take.
        send: takes one message.
    """
    await notebook.start()
    done, failed, again = set(), {}, {}
    rest = [{"kind": "end"}]
    for number, unit in enumerate([*units, *rest]):
        key = str(number)
        if unit["kind"] == "run" and key not in skip:
            send({"at": key, "whose": unit["whose"]})
            error = await notebook.run(unit["code"], seconds)
            found = seen(told)
            if unit["whose"] == "course":
                found["looks"] = []
            send({"ran": key, "whose": unit["whose"], "error": error, **found})
            failed[key] = error
        elif unit["kind"] == "judge" and key not in skip:
            cell = str(number - 1 if units[number - 1]["kind"] == "run" else number - 2)
            if failed.get(cell, "skipped"):
                send({"name": unit["name"], "status": "error", "key": "",
                      "message": failed.get(cell, "")})  # fmt: skip
                again[unit["name"]] = units[int(cell)]
            else:
                send({"at": key, "whose": "answer", "judges": unit["name"]})
                status = await judge(unit, notebook, told, seconds, send)
                done |= {unit["name"]} if status in ("correct", "wrong") else set()
    for name, unit in asked.items():  # written further down, or in a cell that no longer asks
        key = f"end {name}"
        if name not in done and key not in skip:
            send({"at": key, "whose": "answer", "judges": name})
            if name in again and not failed_for_good(failed, units, again[name]):
                await notebook.run(again[name]["code"], seconds)
            await judge(unit, notebook, told, seconds, send)
    send({"end": True, **seen(told)})


def failed_for_good(failed: dict[str, str], units: list, unit: dict) -> bool:
    """Say whether a cell's error leaves no hope that it runs now: it took too long."""
    return failed.get(str(units.index(unit)), "skipped").startswith(("stopped", "skipped"))


async def judge(
    unit: dict[str, Any],
    notebook: Notebook,
    told: Told,
    seconds: float,
    send: Callable[[dict[str, Any]], None],
) -> str:
    """Have one exercise judged in the kernel; send and return what it says."""
    nonce = secrets.token_hex(16)
    answers = "".join(f"{a}, " for a in unit["answers"])
    probe = "__import__('coursekit.grade._probe', fromlist=['_']).ACTIVE"
    code = f"{probe}.report({unit['name']!r}, {nonce!r}, lambda: ({answers}))"
    error = await notebook.run(code, seconds, history=False)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_until(lambda: nonce in told.by_nonce), 0.1 if error else 10)
    nothing = {"status": "error", "message": error or "the judge's answer did not come"}
    outcome = in_shape(told.by_nonce.get(nonce, nothing), len(unit["answers"]))
    send({**outcome, "name": unit["name"], "given": unit["given"], **seen(told)})
    return outcome["status"]


def in_shape(told: dict[str, Any], count: int) -> dict[str, Any]:
    """Return what a kernel told of an outcome, with nothing else in it, and of the right kinds."""
    answers = told.get("answers")
    answers = answers if isinstance(answers, list) and len(answers) == count else [None] * count
    texts = {name: told[name] if isinstance(told.get(name), list) else []
             for name in ("kinds", "changed")}  # fmt: skip
    status = told.get("status")
    return {
        "status": status if isinstance(status, str) and status in STATUSES else "error",
        "key": str(told.get("key", ""))[:40],
        "message": str(told.get("message", ""))[:600],
        "answers": [a if isinstance(a, list) and len(a) == 2 else None for a in answers],
        **{name: [str(text)[:200] for text in some[:100]] for name, some in texts.items()},
        "credulous": str(told.get("credulous", ""))[:20],
    }


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.02)


def seen(told: Told) -> dict[str, Any]:
    """Return the evidence since the last time."""
    looks, told.looks = told.looks, []
    return {"looks": looks, "odd": told.odd}
