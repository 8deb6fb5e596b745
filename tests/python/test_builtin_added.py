# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING says about adding a builtin: one C file with its table, here in a library of its own."""

import importlib.util
import json
import shutil
import subprocess

import cella
import pytest
from cella.builtin import Parameter
from cella.functions import builtin_package
from zygote_driver import BUILD, BUILTIN, PROFILES, ROOT, ZygoteDriver

_spec = importlib.util.spec_from_file_location("publish", ROOT / "builtins/publish.py")
publish = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(publish)

SOURCE = r'''
/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#define REPEAT(X)                                                                                                    \
    X(TEXT, word, 1, 80, NULL, "what to repeat")                                                                     \
    X(INTEGER, times, 1, 100, "2", "how often")                                                                      \
    X(REAL, epsilon, 0, 10, "0", "what it spends")                                                                   \
    X(REAL, delta, 0, 1, "0", "the same")                                                                            \
    X(OPTIONAL_INPUT, rows, "lines", "nothing is read")                                                              \
    X(INPUTS, list, 0, 3, "lines", "nor here")                                                                       \
    X(OUTPUT, pages, "lines", "where to")

CELLA_BUILTIN(repeat, "repeat", REPEAT, .version = "1", .documentation = "Repeat a word.",
              .returns = "the number of letters written",
              .privacy = { .inputs = "rows|list", .epsilon = "epsilon", .delta = "delta" },
              .example = ">>> cella.builtins.repeat(word=\"ab\").pages\nb'ab\\nab\\n'\n")
{
    (void) epsilon, (void) delta, (void) rows, (void) list;
    for (int64_t i = 0; i < times; i++) {
        CELLA_TRY(cella_builtin_output_write(pages, *word));
        CELLA_TRY(cella_builtin_output_print(pages, "\n"));
    }
    return cella_builtin_result(call, "%zu", (size_t) times * word->size);
}

static const struct cella_builtin *const all[] = { &cella_builtin_repeat, NULL };
extern const struct cella_builtin_module cella_builtin_module;
__attribute__((visibility("default"))) const struct cella_builtin_module cella_builtin_module = {
    sizeof(struct cella_builtin), all
};
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of programs with a profile that names the library."""
    programs = tmp_path_factory.mktemp("programs")
    for name in ("builtins", "profiles"):
        (programs / name).mkdir()
    source = programs / "repeat.c"
    source.write_text(SOURCE)
    sanitized = ["-fsanitize=address,undefined"] if BUILD.name in ("dev", "asan") else []
    subprocess.run(
        ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", *sanitized,
         f"-I{ROOT}", f"-I{ROOT / 'executor'}", source, BUILD / "libcella_builtins.a", BUILD / "libcella_base.a",
         "-o", programs / "builtins/repeat.so"],
        check=True, timeout=120)
    profile = json.loads((PROFILES / "python.json").read_text("utf-8"))
    (programs / "profiles/mine.json").write_text(json.dumps({**profile, "name": "mine", "builtins": ["repeat.so"]}))
    yield programs
    shutil.rmtree(programs)


def test_it_is_there_as_a_task_and_from_scripts(folder):
    with ZygoteDriver(folder / "profiles/mine.json") as zygote:
        report = zygote.run("", entry="repeat", kind=BUILTIN, arguments={"word": "ab"}, outputs=["pages"])
        assert (report.status, report.result, report.outputs["pages"]) == ("DONE", "4", b"ab\nab\n")
        report = zygote.run("", entry="repeat", kind=BUILTIN, arguments={"word": "ab", "times": 101}, outputs=["pages"])
        assert report.status == "BAD_ARGUMENT" and "between 1 and 100" in report.message
        report = zygote.run("import cella, inspect\ndef main():\n    f = cella.builtins.repeat\n"
                            "    return [f(word='x', times=3).pages.decode(), str(inspect.signature(f)), f.__doc__]")
        assert report.result[:2] == ["x\nx\nx\n", "(rows: bytes | None = None, *list: bytes, word: str, times: int = 2, "
                                      "epsilon: float = 0.0, delta: float = 0.0)"]
        assert report.result[2].startswith("Repeat a word.") and "From 1 to 100." in report.result[2]


def test_its_table_is_printed(folder):
    done = subprocess.run([BUILD / "tools/cella-builtin-table", folder / "builtins", "repeat.so"], capture_output=True,
                          check=True, text=True)
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows["repeat.so"]] == ["repeat"] and rows["repeat.so"][0]["alias"] is None
    assert rows["repeat.so"][0]["privacy"] == {"inputs": ["rows", "list"], "epsilon": "epsilon", "delta": "delta"}


def test_its_package_declares_what_a_run_spends(folder):
    """In the names of the package; nothing where the package has no argument that says how much, or no input that is protected."""
    done = subprocess.run([BUILD / "tools/cella-builtin-table", folder / "builtins", "repeat.so"], capture_output=True,
                          check=True, text=True)
    row = {**json.loads(done.stdout)["repeat.so"][0], "profiles": ["mine"]}
    repeat = cella.Builtin(**{**row, "parameters": tuple(Parameter(**each) for each in row["parameters"])})

    def declared(**given):
        return json.loads(repeat.package(**given)).get("privacy")

    both = {"epsilon": "epsilon", "delta": "delta"}
    assert declared(inputs=["rows"]) == {**both, "inputs": ["rows"]}
    assert declared(inputs=["list0", "list1", "rows"]) == {**both, "inputs": ["list0", "list1", "rows"]}
    assert declared(inputs=["rows"], arguments=["word"], locked={"epsilon": 0.5}) == {"epsilon": "epsilon", "inputs": ["rows"]}
    assert declared(inputs=["rows"], arguments=["word", "delta"]) is None
    assert declared() is None
    assert cella.Builtin.find("echo").privacy is None
    assert "a run spends `epsilon` and `delta` of the privacy of `rows`, `list`" in publish.section(row)


@pytest.mark.parametrize("library, text", [
    ("absent.so", "absent.so"), ("../builtins/repeat.so", "there is no such library"), ("text.so", "invalid ELF header"),
])
def test_a_profile_whose_library_is_not_there_is_not_offered(folder, library, text, capfd):
    (folder / "builtins/text.so").write_text("x" * 100)
    profile = json.loads((folder / "profiles/mine.json").read_text("utf-8"))
    (folder / "profiles/other.json").write_text(json.dumps({**profile, "name": "other", "builtins": [library]}))
    with pytest.raises(Exception):
        ZygoteDriver(folder / "profiles/other.json").__enter__()
    said = capfd.readouterr().err
    assert "profile other is not offered" in said and text in said


def test_the_text_of_contributing(folder):
    """Its C file, its command, its profile and its call."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("**Outside of this repository**")[1]
    source, command = (text.split(f"```{kind}\n")[1].split("```")[0] for kind in ("c", "sh"))
    (folder / "louder.c").write_text(source)
    assert command.count("build/release/bin/builtins/louder.so") == 1
    command = (command.replace("build/release/bin", str(folder)).replace("build/release", str(BUILD))
               .replace(" louder.c", f" {folder / 'louder.c'}"))
    if BUILD.name in ("dev", "asan"):
        command = command.replace(" -shared", " -shared -fsanitize=address,undefined")
    subprocess.run(["sh", "-ec", command], check=True, timeout=120, cwd=ROOT)
    profile = json.loads((PROFILES / "python.json").read_text("utf-8"))
    (folder / "profiles/loud.json").write_text(json.dumps({**profile, "name": "loud", "builtins": ["louder.so"]}))
    package = json.loads(builtin_package("louder", inputs=["words"], outputs=["shout"], arguments=["times"], profile="loud"))
    assert (package["entry"], package["profile"]) == ("louder", "loud")
    with ZygoteDriver(folder / "profiles/loud.json") as zygote:
        said = zygote.run("import cella\ndef main():\n    return cella.builtins.louder(b'ho', times=3).shout.decode()")
        assert said.result == "ho!!!"
        report = zygote.run("", entry="louder", kind=BUILTIN, inputs={"words": b"ho"}, outputs=["shout"])
        assert (report.status, report.result, report.outputs["shout"]) == ("DONE", "3", b"ho!")
