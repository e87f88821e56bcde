"""Plants the bugs of README.md, one at a time, and demands that the seeds find each.

    python3 tests/gallery/plant.py                    all
    python3 tests/gallery/plant.py "timer" "barrier"  those whose headings contain one of these
    JOBS=2 SEEDS=50000                                side by side; how many seeds each may take

A bug is found when the seeds fail, or do not end in time: then with what they said last.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[2]
JOBS = int(os.environ.get("JOBS", "2"))
SEEDS = int(os.environ.get("SEEDS", "50000"))
# Far above what the seeds take without a bug.
LIMIT = 300
COPIED = ["src", "tests/seeds", "Cargo.toml", "Cargo.lock", "README.md", "docs"]


def pictures():
    """Heading, file, what is taken out and what is put in, of each."""
    text = (ROOT / "tests/gallery/README.md").read_text()
    for part in text.split("\n## ")[1:]:
        heading = part.split("\n", 1)[0]
        change = re.search(r"```diff\n(\S+)\n(.*?)\n```", part, re.S)
        assert change, f"{heading}: no change is shown"
        lines = change[2].split("\n")
        assert all(line[:1] in ("-", "+", " ", "") for line in lines), f"{heading}: a line is neither left nor changed"
        before = "\n".join(line[1:] for line in lines if line[:1] != "+")
        after = "\n".join(line[1:] for line in lines if line[:1] != "-")
        yield heading, change[1], before, after


def prepare(folder):
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.exists():
            shutil.copy(source, folder / name)
    # Only the seeds are built, again and again: what counts is how soon the compiler is done.
    manifest = folder / "Cargo.toml"
    manifest.write_text(manifest.read_text() + "\n[profile.dev]\ndebug = 0\n")


def build(folder):
    command = ["cargo", "test", "--quiet", "--test", "seeds", "--no-run", "--message-format=json"]
    environment = dict(os.environ, CARGO_INCREMENTAL="1", CARGO_TARGET_DIR=str(folder / "target"))
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert built.returncode == 0, built.stderr[-3000:] + built.stdout[-3000:]
    return re.findall(r'"executable":"([^"]+)"', built.stdout)[-1]


def run(program):
    """Whether the seeds found something, and what they said."""
    environment = dict(os.environ, CORACLE_SEEDS=f"0..{SEEDS}", RUST_BACKTRACE="0")
    command = [program, "mix", "--nocapture"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment)
    except subprocess.TimeoutExpired:
        return True, f"did not end within {LIMIT} s"
    said = [line for line in (done.stdout + done.stderr).split("\n") if line.strip()]
    panicked = next((at for at, line in enumerate(said) if "panicked at" in line), 0)
    return done.returncode != 0, " ".join(said[panicked : panicked + 2])[:300]


def find(folder, picture):
    heading, name, before, after = picture
    file = folder / name
    clean = file.read_text()
    if clean.count(before) != 1:
        return False, f"{name} has these lines {clean.count(before)} times: the picture is out of date"
    file.write_text(clean.replace(before, after))
    try:
        return run(build(folder))
    except AssertionError as error:
        return False, f"does not compile:\n{error}"
    finally:
        file.write_text(clean)


def main():
    words = sys.argv[1:]
    chosen = [picture for picture in pictures() if not words or any(word in picture[0] for word in words)]
    with tempfile.TemporaryDirectory() as scratch:
        folders = Queue()
        for number in range(JOBS):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            prepare(folder)
            folders.put(folder)

        first = folders.get()
        found, said = run(build(first))
        folders.put(first)
        if found:
            sys.exit(f"without any bug the seeds fail: {said}")

        def one(picture):
            folder = folders.get()
            try:
                return find(folder, picture)
            finally:
                folders.put(folder)

        missed = []
        with ThreadPoolExecutor(JOBS) as threads:
            for picture, (found, said) in zip(chosen, threads.map(one, chosen)):
                print(f"{'found ' if found else 'MISSED'}  {picture[0]}: {said}", flush=True)
                if not found:
                    missed.append(picture[0])
    print(f"{len(chosen) - len(missed)} of {len(chosen)} planted bugs were found within {SEEDS} seeds")
    sys.exit(1 if missed else 0)


main()
