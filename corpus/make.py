#!/usr/bin/env python3
"""Makes the corpus: `sudo corpus/make.py DIR [--only TEXT] [--jobs N] [--missing] [--list]`."""
import argparse
import concurrent.futures
import fcntl
import importlib
import multiprocessing
import os
import pathlib
import signal
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ["PATH"] += ":/usr/sbin:/sbin"
# Names of namespaces come from hashes of names: the same in every run.
os.environ.setdefault("PYTHONHASHSEED", "0")

from lib import case as registry  # noqa: E402


def main():
    options = arguments()
    for file in sorted((HERE / "families").glob("*.py")):
        importlib.import_module(f"families.{file.stem}")
    chosen = [one for one in registry.CASES if any(text in one.name for text in options.only or [""])]
    root = pathlib.Path(options.folder).resolve()
    if options.missing:
        chosen = [one for one in chosen if one.name not in indexed(root, one.held)]
    if options.list:
        for one in chosen:
            print(f"{'held' if one.held else 'open'}\t{one.name}\t{one.label}\t{one.causes}")
        return 0
    if os.geteuid() != 0:
        sys.exit("corpus: namespaces need root; run it with sudo")
    root.mkdir(parents=True, exist_ok=True)
    interruptible()
    return build_all(chosen, root, options.jobs)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where the corpus goes")
    parser.add_argument("--only", action="append", help="cases whose name contains this (may be repeated)")
    parser.add_argument("--jobs", type=int, default=2, help="cases made at a time")
    parser.add_argument("--missing", action="store_true", help="only cases that the index lacks")
    parser.add_argument("--list", action="store_true", help="name the cases and make nothing")
    return parser.parse_args()


def build_all(chosen, root, jobs):
    failed = 0
    pool = concurrent.futures.ProcessPoolExecutor(jobs, initializer=interruptible)
    try:
        futures = {pool.submit(build, one.name, str(root)): one for one in chosen}
        for future in concurrent.futures.as_completed(futures):
            one, (error, seconds) = futures[future], future.result()
            failed += error is not None
            print(f"{'FAILED' if error else 'made  '} {one.name} {seconds:.1f} s", flush=True)
            if error:
                print(error, flush=True)
    except KeyboardInterrupt:
        # A plain kill reaches this process alone.
        for worker in multiprocessing.active_children():
            worker.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        print("corpus: stopped; namespaces are removed", file=sys.stderr)
        return 130
    pool.shutdown()
    return 1 if failed else 0


def interruptible():
    """Ctrl-C and a plain kill both unwind the process once, so that `with Lab()` cleans up undisturbed."""
    def unwind(*_):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, unwind)


def build(name, root):
    one = next(known for known in registry.CASES if known.name == name)
    begun = time.time()
    try:
        row = registry.make(one, root)
    except KeyboardInterrupt:
        return "stopped", time.time() - begun
    except Exception:
        return traceback.format_exc(), time.time() - begun
    enter(pathlib.Path(root), one, row)
    return None, time.time() - begun


def index_path(root, held):
    return root / ("INDEX-held.tsv" if held else "INDEX.tsv")


def indexed(root, held):
    path = index_path(root, held)
    if not path.exists():
        return set()
    return {line.split("\t")[0] for line in path.read_text().splitlines()[1:]}


def enter(root, one, row):
    """Writes a case's line into its index, under a lock, whole or not at all."""
    path = index_path(root, one.held)
    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = path.read_text().splitlines()[1:] if path.exists() else []
        rows = sorted([line for line in old if line.split("\t")[0] != one.name] + [row])
        fresh = path.with_suffix(".new")
        fresh.write_text("\n".join(["\t".join(registry.COLUMNS), *rows]) + "\n")
        fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main())
