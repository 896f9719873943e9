"""The registry of cases: a family file names its cases, `make.py` runs them and writes the index."""
import hashlib
import pathlib
import random
import shutil

COLUMNS = ("case", "files", "flags", "class", "causes", "vectors", "note")
CASES = []


class Case:
    """One input with its label. `build(work)` fills the case's folder and returns the names of its files."""

    def __init__(self, name, label, causes, build, vectors="", note="", held=False):
        self.name, self.label, self.causes = name, label, causes
        self.build, self.vectors, self.note, self.held = build, vectors, note, held

    def row(self, files, flags):
        cells = (self.name, " ".join(files), " ".join(flags), self.label, self.causes, self.vectors, self.note)
        return "\t".join(cells)


class Work:
    """What a builder gets: its folder, randomness that only the case's name decides, and its flags."""

    def __init__(self, case, folder):
        self.name = case.name
        self.folder = folder
        self.held = case.held
        seed = int.from_bytes(hashlib.sha256(case.name.encode()).digest()[:8], "big")
        self.rng = random.Random(seed)
        self.flags = []

    def path(self, name):
        return self.folder / name

    def flag(self, option, file):
        """Gives `triage` an option with a file of this case."""
        self.flags += [option, f"{self.folder.parent.name}/{self.folder.name}/{file}"]


def case(name, label, causes, vectors="", note="", held=False):
    """Registers the decorated builder as a case."""
    def register(build):
        add(name, label, causes, build, vectors, note, held)
        return build
    return register


def add(name, label, causes, build, vectors="", note="", held=False):
    if any(known.name == name for known in CASES):
        raise ValueError(f"two cases are named {name}")
    CASES.append(Case(name, label, causes, build, vectors, note, held))


def make(one, root):
    """Builds one case under `root` and returns its line of the index."""
    half = "held" if one.held else "open"
    folder = pathlib.Path(root) / half / one.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    work = Work(one, folder)
    files = one.build(work)
    for name in files:
        if work.path(name).stat().st_size == 0:
            raise RuntimeError(f"{name} is empty")
    kept = set(files) | {word.rsplit("/", 1)[-1] for word in work.flags}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
    return one.row([f"{half}/{one.name}/{name}" for name in files], work.flags)
