# SPDX-License-Identifier: Apache-2.0
"""Write the runtime package's sources as a C file: embed.py OUTPUT SOURCE..."""

import pathlib
import sys


def main(output: str, sources: list[str]) -> None:
    """Write ``output`` so that it defines what ``cell/embedded.h`` declares."""
    lines = ["/* Made by embed.py. */", '#include "cell/embedded.h"', ""]
    rows = []
    for number, source in enumerate(sorted(sources)):
        content = pathlib.Path(source).read_bytes()
        lines.append(f"static const char source_{number}[] = {{")
        for start in range(0, len(content), 24):
            lines.append("    " + "".join(f"{byte if byte < 128 else byte - 256}," for byte in content[start:start + 24]))
        lines += ["    0", "};", ""]
        rows.append(f'    {{ "{pathlib.Path(source).stem}", source_{number}, {len(content)} }},')
    lines += ["const struct cella_embedded cella_embedded_runtime[] = {", *rows, "};", ""]
    lines.append(f"const size_t cella_embedded_runtime_count = {len(rows)};")
    pathlib.Path(output).write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
