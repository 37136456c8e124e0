"""Submissions of a fake class: honest ones in many shapes, and ones that try to cheat or to harm.

Two short lessons, cut out of 00 (two answers that are data) and 07 (one that is code), so that a
submission takes seconds.
"""

import copy
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA, CODE = "00_start_here", "07_gradient_descent"
KEPT = {
    DATA: ("import coursekit", "birds = ", "def draw(guesses)", 'check("guess"', 'check.hint(',
           'check("predict_steps"', 'check("rate"'),
    CODE: ("import coursekit", 'check("converges"'),
}  # fmt: skip


def text(cell):
    return "".join(cell["source"])


def lesson(name, solved=False):
    """The short lesson as a notebook: blank, or solved without outputs."""
    folder = ROOT / "notebooks" / ("solutions" if solved else "")
    book = json.loads((folder / f"{name}.ipynb").read_text())
    cells = [c for c in book["cells"] if c["cell_type"] == "code"
             and any(mark in text(c) for mark in KEPT[name])]  # fmt: skip
    if name == DATA:
        cells = [c for c in cells if "draw_descent(path" not in text(c)]
        for c in cells:  # without the long drawings
            c["source"] = text(c).partition("\ndef draw_descent(")[0].replace(
                "\n\ndef draw(guesses):", "\n\ndef draw(guesses):\n    return") + "\n"  # fmt: skip
    for c in cells:
        c["source"] = text(c).strip()
        c |= {"outputs": [], "execution_count": None}
    return {**book, "cells": cells}


def notebooks(folder):
    """Write the teacher's notebooks."""
    (folder / "solutions").mkdir(parents=True)
    for name in KEPT:
        (folder / f"{name}.ipynb").write_text(json.dumps(lesson(name)))
        (folder / "solutions" / f"{name}.ipynb").write_text(json.dumps(lesson(name, solved=True)))
    return folder


def find(book, mark):
    return next(c for c in book["cells"] if mark in text(c))


def new(source):
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
            "source": source}  # fmt: skip


def data(guess=None, rate=None, **more):
    """The data lesson with these answer cells; "right" for ours."""
    return _with(DATA, {"guess": guess, "rate": rate}, **more)


def code(converges, **more):
    return _with(CODE, {"converges": converges}, **more)


RIGHT = {
    "guess": "guesses = [(0.5, 4.2)]",
    "rate": "rate = 0.3",
    "converges": "def converges(rate):\n    return 0 < rate < 1",
}
CALLS = {"guess": 'check("guess", guesses, x, y)', "rate": 'check("rate", rate, x, y)',
         "converges": 'check("converges", converges)'}  # fmt: skip


def _with(name, answers, before=(), after=()):
    book = copy.deepcopy(lesson(name))
    for exercise, answer in answers.items():
        if answer is not None:
            source = f"{RIGHT[exercise] if answer == 'right' else answer}\n\n{CALLS[exercise]}"
            find(book, f'check("{exercise}"')["source"] = source
    book["cells"][1:1] = [new(source) for source in before]
    book["cells"] += [new(source) for source in after]
    return book


# Honest work, in the shapes that it comes in: every exercise counts, and nothing is flagged.

BOTH = {"guess": 1, "rate": 1}


def honest():
    """Yield (name, notebook, points)."""
    yield "ada_00_start_here", data("right", "right"), BOTH
    yield "code_07_gradient_descent", code("right"), {"converges": 1}
    book = data("right", "right", before=["tries = 3\nhow = [n**2 for n in range(tries)]"],
                after=["print(rate * 2)", "%timeit -n1 -r1 rate + 1", "!echo hello"])  # fmt: skip
    yield "extra_00_start_here", book, BOTH
    book = data("right", "right")
    order = [0, 6, 5, 4, 3, 2, 1]
    book["cells"] = [book["cells"][i] for i in order if i < len(book["cells"])]
    yield "reordered_00_start_here", book, BOTH
    book = data("right", "right")
    for cell in book["cells"]:
        cell |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": ["no"]}],
                 "execution_count": 7}  # fmt: skip
    yield "outputs_00_start_here", book, BOTH
    book = data("right", "right")
    split = find(book, 'check("rate"')
    split["source"] = "step = 0.1"
    place = book["cells"].index(split)
    book["cells"].insert(place + 1, new("rate = 3 * step"))
    book["cells"].insert(place + 2, new('print("now")\n' + CALLS["rate"]))
    yield "split_00_start_here", book, BOTH
    book = data("right", "right")
    for number, cell in enumerate(book["cells"]):
        cell.pop("id")
        cell["metadata"] = {"id": f"x{number}", "colab": {"base_uri": "https://localhost:8080/"},
                            "outputId": "5"}  # fmt: skip
    book |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}, "accelerator": "GPU"}}
    yield "colab_00_start_here", book, BOTH
    book = code("right")
    for number, cell in enumerate(book["cells"]):
        cell["id"] = f"#VSC-{number}"
        cell["metadata"] = {"vscode": {"languageId": "python"}}
        cell["source"] = text(cell).splitlines(keepends=True)
    yield "vscode_07_gradient_descent", book, {"converges": 1}
    book = data("right", None, after=["rate = 0.25\n" + CALLS["rate"]])
    yield "own cell_00_start_here", book, BOTH
    book = data("right", None)
    find(book, 'check("rate"')["source"] = "rate = 0.3"
    yield "check line gone_00_start_here", book, BOTH
    book = code("def converges(rate):\n    return arrives(rate)",
                after=["def arrives(rate):\n    return abs(1 - 2 * rate) < 1"])  # fmt: skip
    yield "helper below_07_gradient_descent", book, {"converges": 1}
    book = data("right", "rate = best")
    find(book, "birds = ")["source"] += "\nbest = 0.3"
    yield "helper in our cell_00_start_here", book, BOTH
    book = data("guesses = [[np.float32(0.5), 4.2]]", "rate = np.float64(0.3)")
    yield "numpy_00_start_here", book, BOTH
    book = data("guesses = np.array([(0.5, 4.2)])", "rate = keras.ops.convert_to_tensor(0.3)")
    yield "tensor_00_start_here", book, BOTH
    book = data("guesses = [(0.5, 4.2)]\nx = x * 1.0", 'rate = "0.3"')
    book["cells"] = [c for c in book["cells"] if "import coursekit" not in text(c)]
    yield "no setup_00_start_here", book, BOTH
    book = data("guesses = [(9, 9)]", "rate = 0.3",
                after=["guesses.append((0.5, 4.2))\n" + CALLS["guess"]])  # fmt: skip
    yield "second try_00_start_here", book, BOTH
    book = data("right", "right")
    book = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [
        {"cells": [{"cell_type": "code", "input": c["source"], "outputs": [], "language": "python"}
                   for c in book["cells"]]}]}  # fmt: skip
    yield "old format_00_start_here", book, BOTH
    tidy = "import math\n\ndef converges(rate: float) -> bool:\n    w = 1.0\n"
    tidy += "    for _ in range(2000):\n"
    tidy += "        w = w - rate * 2 * w\n        if abs(w) > 1e6:\n            return False\n"
    tidy += "    return bool(math.isfinite(w) and abs(w) < 1e-6)"
    yield "by steps_07_gradient_descent", code(tidy), {"converges": 1}
    yield "class_07_gradient_descent", code(
        "class Rule:\n    def __init__(self, top):\n        self.top = top\n"
        "    def __call__(self, rate):\n        return 0 < rate < self.top\n\nconverges = Rule(1)"
    ), {"converges": 1}  # fmt: skip


# Wrong, unfinished, broken or harmful: what can be judged is, and the others of the class go on.

EVERY = "while True:\n    try:\n        pass\n    except BaseException:\n        pass"
LOOK = '''
import glob, os, pathlib, socket, subprocess
log = [f"uid {os.getuid()}", f"secret {os.environ.get('TEACHER_TOKEN')}"]
def attempt(name, what):
    try: log.append(f"{name}: {what()}")
    except BaseException as error: log.append(f"{name}: {type(error).__name__}")
import coursekit
home = pathlib.Path(coursekit.__file__).parent
attempt("full disk", lambda: sum(open(f"big{n}", "wb").write(b"0" * 10**7) for n in range(100)))
attempt("others", lambda: len(glob.glob("VICTIM/*")))
attempt("solutions", lambda: len(list((home / "lessons" / "_solutions").glob("*"))))
attempt("notebooks", lambda: (home.parent / "notebooks").exists())
attempt("tests", lambda: (home.parent / "tests").exists())
attempt("root", lambda: [n for n in os.listdir("/ro" + "ot") if n not in (".pyenv", ".local")])
attempt("shadow", lambda: os.path.exists("/etc/shadow"))
attempt("write", lambda: (home / "harm.txt").write_text("x"))
attempt("net", lambda: socket.create_connection(("127.0.0.1", PORT), 2))
attempt("processes", lambda: sum(os.stat(f).st_uid != os.getuid() for f in glob.glob("/proc/[0-9]*")))
attempt("environ", lambda: b"TEACHER" in b"".join(open(f, "rb").read() for f in glob.glob("/proc/[0-9]*/environ")))
attempt("kill", lambda: [os.kill(p, 9) for p in (1, 2) if p != os.getpid()])
attempt("ptrace", lambda: open("/proc/1/mem", "rb"))
attempt("files", lambda: sorted({os.readlink(f"/proc/self/fd/{n}").partition(":")[0] for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")}))
attempt("mounts", lambda: "VICTIM" in open("/proc/self/mountinfo").read())
attempt("sudo", lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"]).returncode)
raise RuntimeError("; ".join(log))
'''  # fmt: skip  # noqa: E501


def harmful():
    """Yield (name, notebook or bytes, points, words in the notes or the problem)."""
    yield "partial_00_start_here", data("right", "rate = 0.1"), {"guess": 1, "rate": 0}, ""
    yield (
        "broken_00_start_here",
        data("guesses = [(0.5, 4.1)", "rate = 1 / 0"),
        {"guess": 0, "rate": 0},
        "",
    )
    yield "endless_00_start_here", data(EVERY, "right"), {"guess": 0, "rate": 1}, "stopped after"
    yield (
        "waiting_00_start_here",
        data("import time\ntime.sleep(999)", "right"),
        {"guess": 0, "rate": 1},
        "",
    )
    forks = "import os, time\nfor _ in range(12):\n    try: os.fork()\n    except OSError: pass\n"
    yield (
        "forks_00_start_here",
        data("right", f"rate = 0.3\n{forks}time.sleep(99)"),
        {"guess": 1, "rate": 0},
        "ended",
    )
    hog = "hog = []\nwhile True:\n    hog.append(b'x' * 10**9)"
    yield "hog_00_start_here", data("right", hog), {"guess": 1, "rate": 0}, "MB of memory"
    yield (
        "os exit_00_start_here",
        data("import os\nos._exit(0)", "right"),
        {"guess": 0, "rate": 1},
        "its process ended",
    )
    yield (
        "exit in answer_07_gradient_descent",
        code("import os\ndef converges(rate):\n    os._exit(0)"),
        {"converges": 0},
        "was judged",
    )
    yield (
        "sys exit_00_start_here",
        data("import sys\nsys.exit()", "right"),
        {"guess": 0, "rate": 1},
        "",
    )
    yield (
        "kill_00_start_here",
        data("import os\nos.kill(os.getpid(), 9)", "right"),
        {"guess": 0, "rate": 1},
        "its process ended",
    )
    left = "import atexit, threading, time\natexit.register(time.sleep, 99)\n"
    left += "threading.Thread(target=lambda: time.sleep(99)).start()\n"
    yield "left behind_00_start_here", data(f"{left}guesses = [(0.5, 4.2)]", "right"), BOTH, ""
    flood = "for _ in range(20):\n    print('x' * 10**6)\n"
    yield "flood_00_start_here", data(f"{flood}guesses = [(0.5, 4.2)]", "right"), BOTH, ""
    yield "look_00_start_here", data("right", LOOK), {"guess": 1, "rate": 0}, ""
    whole = json.dumps(data("right", "right")).encode()
    yield "truncated_00_start_here", whole[:-300], None, "no notebook"
    yield "zip_00_start_here", b"PK\x03\x04" + whole, None, "zip archive"
    yield (
        "bomb_00_start_here",
        b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        None,
        "nested too deeply",
    )
    many = data("right", "right", after=["pass"] * 10_000)
    yield "many_00_start_here", many, None, "cells"
    yield "list_00_start_here", b"[1, 2, 3]", None, "no list of cells"
    yield "odd cells_00_start_here", {"cells": [1, None, {"cell_type": "code", "source": {}},
                                              {"cell_type": [], "id": []}]}, \
        {"guess": 0, "rate": 0}, "was missing"  # fmt: skip
    yield "other_00_start_here", code("right"), None, "but it is 07_gradient_descent"
    yield (
        "deep code_00_start_here",
        data("guesses = " + "(" * 9000, "right"),
        {"guess": 0, "rate": 1},
        "",
    )
    yield "signal_00_start_here", data(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 60))\n"
        "guesses = [(0.5, 4.2)]", "right"), BOTH, ""  # fmt: skip


# Cheats: no point, or a point with a flag.

PATCH = """
import coursekit.exercises.{module} as module
from coursekit.exercises import Lesson, Outcome
Lesson.verdict = lambda self, name, *answers: Outcome("correct", "ok", "", "", "")
print("✓ Correct: E0.1 Five guesses")
"""
FORGE = """
import json, os
for fd in range(3, 200):
    try: os.write(fd, json.dumps({"nonce": "0", "name": "rate", "status": "correct", "key": "ok",
                                  "message": "", "answers": [[0.3, True]]}).encode() + b"\\n")
    except OSError: pass
rate = 99
"""


def cheats():
    """Yield (name, notebook, exercises, None if it may get a flagged point and else the flag)."""
    none = {"guess": 0, "rate": 0}
    patch = (
        "from coursekit.exercises import Lesson, Outcome\n"
        'Lesson.verdict = lambda *a: Outcome("correct", "ok", "", "", "")\n'
    )
    yield "patched data_00_start_here", data(f"{patch}guesses = [(9, 9)]", "rate = 9"), none
    yield (
        "new data_00_start_here",
        data("x = y = np.zeros(3)\nguesses = [(0, 0)]", "rate = 9"),
        none,
    )
    book = data("guesses = [(9, 9)]", "rate = 9", before=["check = lambda *a: print('✓ Correct')"])
    find(book, "import coursekit")["source"] = "check = lambda *a: print('✓ Correct')"
    yield "own check_00_start_here", book, none
    yield "mean_00_start_here", data("np.mean = lambda *a, **k: 0.0\nguesses = [(9, 9)]",
                                     "rate = 9"), none  # fmt: skip
    yield "forged_00_start_here", data("guesses = [(9, 9)]", FORGE), none
    sly = "class Sly(float):\n    def __mul__(self, other): return 0.3 * other\n"
    sly += "    __rmul__ = __mul__\n    def __float__(self): return 0.3\n"
    yield (
        "sly float_00_start_here",
        data("guesses = [(9, 9)]", f"{sly}rate = Sly(9)"),
        {"guess": 0, "rate": None},
    )
    array = "class Sly(np.ndarray):\n    def __array__(self, *a, **k): return np.array(0.3)\n"
    array += "rate = np.array(9.0).view(Sly)"
    yield "sly array_00_start_here", data("guesses = [(9, 9)]", array), none
    tell = "import coursekit.grade._probe as p\ntell = p.ACTIVE.tell\n"
    tell += "bad = [{'array': [1], 'shape': [7], 'dtype': 'x'}, True]\n"
    tell += "p.ACTIVE.tell = lambda w: tell({**w, 'status': 'correct', 'credulous': 'wrong', "
    tell += "'changed': [], 'answers': [bad] * 3, 'name': 'guess', 'end': True})\n"
    yield "malformed_00_start_here", data(f"{tell}guesses = [(9, 9)]", "rate = 9"), none
    forged = data("guesses = [(9, 9)]", "rate = 9")
    for cell in forged["cells"]:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "✓ Correct"}]
    yield "stored_00_start_here", forged, none

    bad = "def converges(rate):\n    return None"
    for name, before in {
        "patched": patch,
        "engine": "import coursekit.exercises._judge as j\nj._judge = lambda e, a, o: "
                  "j.Outcome('correct', 'ok', '')\n",
        "rates": "import coursekit.lessons.gradient_descent as G\nG.RATES = (0.3,)\n",
        "truth": "import coursekit.lessons.gradient_descent as G\n"
                 "G._truth = lambda got, rate: 0 < rate < 1\n",
        "exercise": "object.__setattr__(check.exercises['converges'], 'check', lambda *a: None)\n",
        "own method": "check.verdict = type('V', (), {'__call__': lambda s, *a: type('O', (), "
                      "dict(status='correct', key='ok', message=''))()})()\n",
        "numpy": "right = np.array\nnp.asarray = lambda got, *a: right(1.0)\n",
        "builtins": "import builtins\nbuiltins.len = lambda *a: 2\n",
        "probe": "import coursekit.grade._probe as p\np.Probe.report = lambda s, name, nonce, a: "
                 "s.tell(dict(nonce=nonce, name=name, status='correct', key='ok', message=''))\n",
        "obscure": "h = vars(check)['exer' + 'cises']['converges']\n"
                   "object.__setattr__(h, 'ch' + 'eck', lambda *a: None)\n",
        "exec": "exec(bytes([120, 61, 49]))\n",
    }.items():  # fmt: skip
        allowed = None if name == "probe" else 0
        yield f"{name}_07_gradient_descent", code(before + bad), {"converges": allowed}

    flagged = {"converges": None}
    for name, answer in {
        "late patch": "def converges(rate):\n    import coursekit.lessons.gradient_descent as G\n"
                      "    object.__setattr__(G.check.exercises['converges'], 'check', print)\n"
                      "    return rate < 2",
        "frames": "import sys\ndef converges(rate):\n    f = sys._getframe()\n"
                  "    while f and 'RATES' not in f.f_globals: f = f.f_back\n"
                  "    return 0 < rate < 1 if f else 1",
        "traceback": "def converges(rate):\n    try: 1 / 0\n    except ZeroDivisionError as e:\n"
                     "        f = e.__traceback__.tb_frame.f_back\n    return 0 < rate < 1",
        "gc": "import gc\ndef converges(rate):\n    gc.get_objects()\n    return 0 < rate < 1",
        "sly object": "class Yes:\n    def __array__(self, *a, **k): return np.array(1.0)\n"
                      "    def __eq__(self, other): return True\n    __hash__ = None\n"
                      "def converges(rate):\n    return Yes() if 0 < rate < 1 else False",
        "hints": "def converges(rate):\n    return abs(1 - 2 * rate) < 1\n"
                 "text = check.exercises['converges'].hints[2]",
        "stolen": "import json, pathlib, coursekit\n"
                  "home = pathlib.Path(coursekit.__file__).parent\n"
                  "exec(json.loads((home / 'lessons' / ('_solu' + 'tions') / "
                  "'gradient_descent.json').read_text())['converges'])",
        "undone": "import coursekit.lessons.gradient_descent as G\nkept = G._truth\n"
                  "G._truth = lambda got, rate: 0 < rate < 1\n"
                  "def converges(rate):\n    if rate == 3.0: G._truth = kept\n"
                  "    return 0 < rate < 1",
        "match": "def converges(rate):\n    match rate:\n        case object(__class__=c): pass\n"
                 "    return 0 < rate < 1",
    }.items():  # fmt: skip
        yield f"{name}_07_gradient_descent", code(answer), flagged
