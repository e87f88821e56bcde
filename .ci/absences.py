#!/usr/bin/env python3
"""What must not be found in the sources: outside src/sys, code that knows libc, the OS clock or threads.

Comments do not count, doc examples included, nor do test modules, whether in line or in a file of their own. Leans on
rustfmt: the brace that ends a module stands in column 0. Prints each hit; exit status 1 if there is one.
"""

import pathlib
import re
import sys

FORBIDDEN = re.compile(r"\blibc(::|;)|Instant::now|SystemTime::now|thread::(spawn|Builder)")
CFG_TEST = re.compile(r"#\[cfg\((?!not\b)[^\]]*(?<!not\()\btest\b")
MODULE = re.compile(r"(?:pub(?:\([^)]*\))? )?mod (\w+)( \{|;)$")
COMMENT = re.compile(r"(^|[^:])//.*")  # not the "//" of an address


def without_tests(path, lines):
    """The lines of code with their numbers, and the names of the test modules that are files of their own."""
    code, elsewhere = [], []
    attribute = inside = False
    for number, line in enumerate(lines, 1):
        if inside:
            inside = line != "}"
            continue
        module = MODULE.match(line)
        if module and attribute:
            if module[2] == ";":
                elsewhere.append(module[1])
            else:
                inside = True
            attribute = False
            continue
        # Further attributes may stand between the one that counts and the module.
        attribute = bool(CFG_TEST.match(line)) or attribute and line.startswith("#[")
        code.append((number, COMMENT.sub(r"\1", line)))
    folder = path.parent if path.name in ("mod.rs", "lib.rs") else path.with_suffix("")
    return code, [folder / name for name in elsewhere]


def main():
    code, tests = {}, set()
    for path in sorted(pathlib.Path("src").rglob("*.rs")):
        code[path], more = without_tests(path, path.read_text().splitlines())
        tests.update(more)
    found = False
    for path, lines in code.items():
        places = {path.with_suffix(""), *path.parents}
        if places & {*tests, pathlib.Path("src/sys")}:
            continue
        for number, line in lines:
            if FORBIDDEN.search(line):
                print(f"{path}:{number}: {line.strip()}")
                found = True
    sys.exit(found)


if __name__ == "__main__":
    main()
