// SPDX-License-Identifier: Apache-2.0
// An empty Python function in Pyodide under node: node pyodide_empty.mjs PYODIDE_MJS fresh STATUS
//   or, from a memory snapshot:                   node pyodide_empty.mjs PYODIDE_MJS SNAPSHOT STATUS
//   to make the snapshot:                         node pyodide_empty.mjs PYODIDE_MJS make SNAPSHOT
// Leaves with STATUS, which goes through Python, so that it shows that Python ran.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [library, how, last] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(library).href);
if (how === "make") {
    const pyodide = await loadPyodide({ _makeSnapshot: true });
    writeFileSync(last, pyodide.makeMemorySnapshot());
} else {
    const options = how === "fresh" ? {} : { _loadSnapshot: readFileSync(how) };
    const pyodide = await loadPyodide(options);
    process.exitCode = pyodide.runPython(`def main():\n    return ${Number(last)}\nmain()`);
}
