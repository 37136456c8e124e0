"""A wheel with less in it: ``python tools/light_wheel.py`` writes the package alone.

`make wheel-alone` builds the full wheel and runs this. dist/alone then holds a wheel without the
course's data, lessons and grader, for those who want coursekit alone. Its name says so, as a build
of the same version: keras_coursekit-...-0alone-py3-none-any.whl.
"""

import base64
import csv
import hashlib
import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COURSE = ["coursekit/data/", "coursekit/lessons/", "coursekit/grade/"]


def without(wheel: Path, folder: Path, left_out: Sequence[str], build: str = "") -> Path:
    """Write a wheel again without some of its files; its list of files says so.

    Args:
        wheel: the full wheel.
        folder: where the other one goes.
        left_out: how the names of the files begin that are left out.
        build: a tag for its name and its metadata, which begins with a digit.
    """
    name, version, rest = wheel.name.split("-", 2)
    target = folder / ("-".join([name, version, build, rest]) if build else wheel.name)
    changed: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as full, zipfile.ZipFile(target, "w") as light:
        # The list of files comes last: it has the sums of the others.
        for item in sorted(full.infolist(), key=lambda i: i.filename.endswith("/RECORD")):
            if item.filename.startswith(tuple(left_out)):
                continue
            data = full.read(item)
            if build and item.filename.endswith(".dist-info/WHEEL"):
                data = changed[item.filename] = data.rstrip() + f"\nBuild: {build}\n".encode()
            if item.filename.endswith(".dist-info/RECORD"):
                data = _listed(data.decode(), left_out, changed).encode()
            light.writestr(item, data, zipfile.ZIP_DEFLATED)
    return target


def _listed(record: str, left_out: Sequence[str], changed: dict[str, bytes]) -> str:
    """Return a wheel's list of files without those that are left out."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for name, digest, size in csv.reader(io.StringIO(record)):
        if not name.startswith(tuple(left_out)):
            new = changed.get(name)
            rows.writerow([name, digest, size] if new is None else [name, _sum(new), len(new)])
    return out.getvalue()


def _sum(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"


def problems(wheel: Path) -> list[str]:
    """Say which files of a wheel are not those of its list; none if all is well."""
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        record = next(n for n in names if n.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(io.StringIO(file.read(record).decode())))
        wrong = sorted(names ^ {r[0] for r in rows})
        for name, digest, _ in rows:
            if digest and name in names and digest != _sum(file.read(name)):
                wrong.append(name)
    return wrong


def main() -> int:
    """Write dist/alone from the newest wheel in dist."""
    wheels = sorted((ROOT / "dist").glob("keras_coursekit-*.whl"), key=lambda p: p.stat().st_mtime)
    if not wheels:
        print(f"There is no wheel in {ROOT / 'dist'}: make wheel-alone")
        return 1
    folder = ROOT / "dist" / "alone"
    folder.mkdir(exist_ok=True)
    light = without(wheels[-1], folder, COURSE, build="0alone")
    print(f"The package alone: {light}, {light.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
