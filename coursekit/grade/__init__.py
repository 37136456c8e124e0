r"""Grade a class's notebooks: `python -m coursekit.grade FOLDER`.

```
class/ada/00_start_here.ipynb          a folder for each student, or
class/grace_00_start_here.ipynb        the student's name before the lesson's

sudo .venv/bin/python -m coursekit.grade class
class-graded/grades.csv                a row for each student
class-graded/grades.html               misconceptions of the class, what was tampered with
```

Each notebook is merged into the blank one and run again: nothing stored in it counts. On Linux, as
root, each runs as a user of its own that owns nothing, without network, in a file system that shows
Python and the course's package without its solutions; with limits of time, memory, processes and
file size. Elsewhere nothing is run, unless `--unprotected` says that you trust the class; a
container gives the protection on any system:

```
docker run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
    --security-opt apparmor=unconfined -v "$PWD":/course -w /course -v /path/to/class:/class \
    IMAGE python -m coursekit.grade /class --out /class/graded
```

An answer that is plain data is judged again in a process that ran no line of the student's. One
that is code is judged where it runs: tamper-evident, not tamper-proof. A point that such code got
is flagged where anything speaks against it, and the lines are shown.
"""

__all__: list[str] = []
