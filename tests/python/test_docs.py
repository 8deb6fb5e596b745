# SPDX-License-Identifier: Apache-2.0
"""The documents are true: what they name exists, what exists is named, links resolve, examples work."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {".git", "build", "dist", "__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", "venv"}
REQUIRED = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/attestation.md",
            "docs/cells.md", "docs/evidence.md", "docs/operations.md", "docs/protocol.md", "docs/sealed-file.md", "docs/threat-model.md",
            "docs/usage.md")
DOCUMENTS = tuple(sorted({*REQUIRED, *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))}))
TOP_FOLDERS = ("executor", "host", "builtins", "python", "examples", "tests", "docs")


@lru_cache(maxsize=None)
def files() -> tuple[Path, ...]:
    """Every file of the repository that people write, relative to it."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in ELSEWHERE or path.name.endswith(".egg-info") or path.is_symlink():
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path.relative_to(ROOT)

    return tuple(walk(ROOT))


@lru_cache(maxsize=None)
def text(path: str | Path) -> str:
    """Content of a text file; empty for what is none."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def document(name: str) -> str:
    """Content of a document; a loud skip where it is not written yet."""
    if not (ROOT / name).exists():
        pytest.skip(f"NOT WRITTEN: {name}")
    return text(name)


def section(name: str, heading: str) -> str:
    """A section of a document, up to the next heading of the same depth."""
    depth = re.escape(heading.partition(" ")[0])
    match = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^{depth} |\Z)", document(name), re.DOTALL | re.MULTILINE)
    assert match is not None, f"{name} has no {heading!r}"
    return match.group(1)


def prose(name: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", document(name), flags=re.DOTALL | re.MULTILINE)


@lru_cache(maxsize=None)
def statuses() -> dict[str, tuple[int, str]]:
    """Status code -> number and category, from the table."""
    rows = re.findall(r"^\s*ROW\((\w+),\s*(\d+),\s*(\w+),", text("executor/base/status.h"), re.MULTILINE)
    return {name: (int(number), category) for name, number, category in rows}


@lru_cache(maxsize=None)
def words_of_the_code() -> frozenset[str]:
    """Every identifier in code, scripts and build files."""
    kinds = {".c", ".h", ".py", ".pyi", ".txt", ".json", ".toml"}
    found: set[str] = set()
    for path in files():
        if path.parts[0] in {"docs", "shared"} or path.name == Path(__file__).name:
            continue
        if path.suffix in kinds or path.name == "run":
            found.update(re.findall(r"\w+", text(path)))
    found.update(statuses())
    return frozenset(found)


# Every document is there


def test_all_documents_are_written():
    assert [name for name in REQUIRED if not (ROOT / name).exists()] == []


def test_no_document_is_forgotten_in_the_readme():
    pages = {str(path) for path in files() if path.suffix == ".md" and (path.parts[0] == "docs" or len(path.parts) == 1)}
    linked = set(re.findall(r"\]\(([\w./-]+\.md)", document("README.md")))
    assert pages - {"README.md"} <= linked


# Operations and status codes


def test_operations_are_those_of_the_protocol():
    table = re.findall(r"^\| ((?:`[a-z]+\.[a-z]+`(?:, )?)+) \|", section("docs/protocol.md", "## 4. Operations"), re.MULTILINE)
    documented = {name for cell in table for name in re.findall(r"`([a-z.]+)`", cell)}
    built = set(re.findall(r'^\s*\{ "([a-z]+\.[a-z]+)", cella_operation_\w+,', text("executor/monitor/operation.c"), re.MULTILINE))
    assert documented == built
    assert len(built) >= 20


RELATIONS = {
    "PARTY": "any party", "SELF": "the party itself", "ADMINISTRATOR": "administrators", "MANAGER": "managers",
    "MEMBER": "members", "OWNER": "owners", "ALLOWED": "allowed", "LISTED": "listed", "PARTICIPANT": "participants",
    "CREATOR": "the creator", "REVIEWER": "reviewers", "RECEIVER": "receivers",
}
ROLES = {"NO_ROLE": "–", "FUNCTION_OWNER": "`function_owner`", "DATA_OWNER": "`data_owner`"}


def test_rights_are_those_of_the_source():
    """The table of who may do what, line by line; and every operation but enrolling has a line."""

    def words(relations: str) -> str:
        return ", ".join(RELATIONS[one] for one in relations.split(" | "))

    source = re.findall(r'\{ "([a-z]+\.[a-z]+)", (\w+), ([A-Z |]+), ([A-Z |]+) \},', text("executor/monitor/right.c"))
    lines = re.findall(r"^\| `[a-z]+\.[a-z]+` \| .*$", section("docs/protocol.md", "## 12. Rights"), re.MULTILINE)
    assert lines == [f"| `{op}` | {ROLES[role]} | {words(may)} | {words(know)} |" for op, role, may, know in source]
    built = re.findall(r'^\s*\{ "([a-z]+\.[a-z]+)", cella_operation_\w+,', text("executor/monitor/operation.c"), re.MULTILINE)
    assert sorted(op for op, *_ in source) == sorted(set(built) - {"party.enrol"})


def test_operations_are_declared_and_have_a_handler():
    table = re.findall(r'"([a-z]+)\.([a-z]+)", (cella_operation_\w+),', text("executor/monitor/operation.c"))
    for noun, verb, handler in table:
        assert handler == f"cella_operation_{noun}_{verb}"
        assert handler in text("executor/monitor/operation.h")


def test_the_client_knows_which_operations_read():
    body = re.search(r"READS = frozenset\(\s*\{(.*?)\}", text("python/cella/executor.py"), re.DOTALL)
    assert body is not None
    built = set(re.findall(r'\{ "([a-z]+\.[a-z]+)", cella_operation', text("executor/monitor/operation.c")))
    assert set(re.findall(r'"([a-z.]+)"', body.group(1))) <= built


@pytest.mark.parametrize("name", DOCUMENTS)
def test_names_in_capitals_exist(name):
    """STATUS_CODES, CELLA_NAMES and the like, in backquotes, are known to the code."""
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`", prose(name)))
    foreign = {"AES256_GCM_HKDF_1MB", "AES256_GCM_HKDF_4KB", "PT_GNU_RELRO", "SOCK_SEQPACKET", "TMPDIR"}
    assert {word for word in named if len(word) > 2} - foreign - words_of_the_code() == set()


def test_numbers_of_status_codes_are_right():
    for name in DOCUMENTS:
        if not (ROOT / name).exists():
            continue
        for code, number, category in re.findall(r'"code":"(\w+)","number":(\d+),"category":"(\w+)"', text(name)):
            assert statuses()[code] == (int(number), category), name
        for code, number in re.findall(r"^\| `?([A-Z][A-Z_]+)`? \| (\d{3}) \|", text(name), re.MULTILINE):
            assert statuses()[code][0] == int(number), f"{name}: {code}"


def test_checks_of_the_report():
    table = re.findall(r"^\| `(\w+)` \|.*\| `([A-Z_]+)`", section("docs/attestation.md", "## 6. Checks and report"), re.MULTILINE)
    built = re.findall(r'^    \{ "(\w+)", check_\w+ \},', text("executor/trust/evidence.c"), re.MULTILINE)
    assert [check for check, _ in table] == [*built, "connection"]
    assert {code for _, code in table} <= set(statuses())


def test_http_statuses():
    said = " ".join(section("docs/protocol.md", "## 8. Errors").split())
    code = text("executor/front/reply.c")
    for category, number in re.findall(r"\[CELLA_CATEGORY_(\w+)\] = (\d+)", code):
        if category != "NONE":
            assert re.search(rf"\b{category} {number}\b", said), f"{category} {number}"
    for status, number in re.findall(r"\{ CELLA_(\w+), (\d+) \}", code):
        assert re.search(rf"\b{status}`?(?: is)? {number}\b", said), f"{status} {number}"


# Attestation and sealed files


def test_layout_of_soft_evidence():
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", section("docs/attestation.md", "## 3. Soft evidence"), re.MULTILINE)
    end = 0
    for offset, size in rows:
        assert int(offset) == end
        end += int(size)
    assert f"#define CELLA_EVIDENCE_SOFT_SIZE {end}" in text("executor/trust/evidence_soft.h")


def test_layers():
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", section("docs/attestation.md", "## 3. Soft evidence"), re.MULTILINE)
    built = re.findall(r'ROW\(\w+,\s+(\d), "(\w+)"\)', text("executor/base/layers.h"))
    assert rows == built


@pytest.mark.parametrize("block, array", [("measured-libraries", "libraries"), ("measured-trees", "trees")])
def test_what_is_measured(block, array):
    said = re.search(rf"^```{block}\n(.*?)^```", document("docs/attestation.md"), re.DOTALL | re.MULTILINE)
    body = re.search(rf"\b{array}\[\] = \{{(.*?)\}};", text("executor/platform/files.c"), re.DOTALL)
    assert said is not None and body is not None
    assert said.group(1).split() == re.findall(r'"([^"]+)"', body.group(1))


def native():
    return pytest.importorskip("cella._native", reason="NOT BUILT: the client's extension module")


def trust_file() -> dict:
    match = re.search(r"^```toml\n(.*?)^```", document("docs/attestation.md"), re.DOTALL | re.MULTILINE)
    assert match is not None
    return tomllib.loads(match.group(1))


def test_the_trust_file_of_the_document_is_accepted():
    native()
    import cella

    terms = cella.Trust.load(trust_file()).terms
    assert terms["min_level"] == 2


def test_required_terms_and_defaults_of_the_trust_file():
    native()
    import cella

    rows = re.findall(r"^\| `([\w.]+)` \| (yes|no|with)", section("docs/attestation.md", "## 5. The trust file"), re.MULTILINE)
    assert len(rows) == 10
    for term, required in rows:
        content = trust_file()
        table, _, key = term.rpartition(".")
        place = content[table] if table else content
        place.pop(key, None)
        if table and not place:
            del content[table]
        if required == "no":
            cella.Trust.load(content)
        else:
            with pytest.raises(cella.PolicyError):
                cella.Trust.load(content)
    content = trust_file()
    del content["min_level"], content["charter"], content["soft"]["layers"]
    terms = cella.Trust.load(content).terms
    assert "charter" not in terms
    assert terms["soft"]["layers"] == ["namespaces", "landlock", "seccomp", "capabilities", "rlimits", "undumpable"]


KINDS = {
    "soft": "evidence_soft.c", "snp": "evidence_snp.c", "tdx": "evidence_tdx.c", "sgx": "evidence_sgx.c", "tpm": "tpm_quote.c",
    "nitro": "evidence_nitro.c", "az-snp": "evidence_azure.c",
}


def default_of(term) -> str:
    """A term's default as the tables of docs/evidence.md show it."""
    if term.required:
        return "must be stated"
    if term.default is None:
        return "not looked at"
    if isinstance(term.default, dict):
        return "see below"
    shown = json.dumps(term.default)
    digits = shown.strip('["]')
    return "zeros" if len(digits) >= 32 and set(digits) == {"0"} else f"`{shown}`"


def documented_terms() -> dict[str, list[tuple[str, ...]]]:
    """Kind of evidence -> rows of its table."""
    found = {}
    for heading, body in re.findall(r"^## \d+\. (.*?)\n(.*?)(?=^## |\Z)", document("docs/evidence.md"), re.DOTALL | re.MULTILINE):
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \|$", body, re.MULTILINE)
        kinds = re.findall(r"`([a-z-]+)`", heading)
        if rows and kinds:
            found[kinds[0]] = rows
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_terms_are_those_of_the_source(kind):
    built = re.findall(r'^    \{ \.name = "(\w+)",\s+\.claim', text(f"executor/trust/{KINDS[kind]}"), re.MULTILINE)
    assert [row[0] for row in documented_terms()[kind]] == built
    assert len(built) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_terms_have_the_kind_default_and_meaning_of_the_code(kind):
    native()
    from cella.terms import kind_of

    built = [(term.name, term.kind, default_of(term), term.meaning) for term in kind_of(kind).terms]
    assert documented_terms()[kind] == built


def test_both_azure_kinds_have_the_same_terms():
    native()
    from cella.terms import kind_of

    assert kind_of("az-snp").terms == kind_of("az-tdx").terms


def test_every_kind_of_evidence_has_its_section():
    built = re.findall(r'\{ CELLA_EVIDENCE_\w+, "([a-z-]+)" \}', text("executor/trust/policy.c"))
    headings = " ".join(re.findall(r"^## \d+\. .*$", document("docs/evidence.md"), re.MULTILINE))
    assert built and all(f"`{kind}`" in headings for kind in built)
    row = re.search(r"^\| `accept` \|.*$", document("docs/attestation.md"), re.MULTILINE)
    assert row is not None and set(built) <= set(re.findall(r"`([a-z-]+)`", row.group(0)))


def test_floors_of_the_document_are_the_default():
    native()
    from cella.terms import kind_of

    block = re.search(r"^```toml\n\[snp.tcb\]\n(.*?)^```", document("docs/evidence.md"), re.DOTALL | re.MULTILINE)
    assert block is not None
    default = next(term.default for term in kind_of("snp").terms if term.name == "tcb")
    assert tomllib.loads(block.group(1)) == default


@pytest.mark.parametrize("name", ["docs/attestation.md", "docs/evidence.md"])
def test_tests_that_documents_name_exist(name):
    tests = "".join(text(path) for path in files() if path.parts[0] == "tests" and path.suffix in {".c", ".py"} and path.name != "test_docs.py")
    defined = set(re.findall(r"^def (test_\w+)|^static void (test_\w+)", tests, re.MULTILINE))
    known = {name for pair in defined for name in pair if name} | {path.stem for path in files() if path.name.startswith("test_")}
    named = set(re.findall(r"`(test_\w+)`", document(name)))
    assert named and named - known == set()


def test_every_forgotten_check_is_in_the_table():
    built = set(re.findall(r"^def (test_\w+)", text("tests/python/test_forgotten_checks.py"), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", document("docs/attestation.md")))
    assert built - named == {"test_status_of_a_report_that_failed"}


def test_sizes_of_sealed_files():
    plain_size = native().plain_size
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \|$", section("docs/sealed-file.md", "## 3. Sizes"), re.MULTILINE)
    assert len(rows) >= 8
    for plain, small, large in rows:
        assert plain_size(int(small), "4KB") == int(plain)
        assert plain_size(int(large), "1MB") == int(plain)


# Links and paths


def slug(heading: str) -> str:
    """Anchor of a heading, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_resolve(name):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / name).parent / path if path else ROOT / name
        if not place.exists():
            broken.append(target)
        elif anchor and anchor not in {slug(line) for line in re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE)}:
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_exist(name):
    """Paths in backquotes that begin with a folder of the repository."""
    named = re.findall(rf"`((?:{'|'.join(TOP_FOLDERS)})/[\w./-]*)`", prose(name))
    # Placeholders of the check lists: NAME stands for what the reader adds. build/ holds what is made.
    missing = [path for path in named if "NAME" not in path and not (ROOT / path).exists()]
    assert missing == []


def test_the_code_names_documents_that_exist():
    missing = set()
    for path in files():
        if path.name == Path(__file__).name:
            continue
        if path.suffix in {".c", ".h", ".py", ".pyi", ".txt"} or path.name == "run":
            for page in re.findall(r"\bdocs/[\w-]+\.md\b", text(path)):
                if not (ROOT / page).exists():
                    missing.add(f"{path}: {page}")
    assert missing == set()


def test_sections_that_the_code_names_exist():
    """"docs/protocol.md section 4" in a comment: the page has a section 4."""
    missing = set()
    for path in files():
        if path.suffix not in {".c", ".h", ".py"}:
            continue
        for page, number in re.findall(r"\b(docs/[\w-]+\.md) section (\d+)", text(path)):
            if (ROOT / page).exists() and not re.search(rf"^## {number}\. ", text(page), re.MULTILINE):
                missing.add(f"{path}: {page} section {number}")
    assert missing == set()


# Examples


def test_the_python_example_of_the_readme():
    native()
    import cella

    example = re.search(r"^```python\nimport cella\n(.*?)^```", document("README.md"), re.DOTALL | re.MULTILINE)
    assert example is not None
    tree = ast.parse(example.group(1))
    assert len(example.group(1).splitlines()) <= 15
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cella":
            assert hasattr(cella, node.attr)


def test_the_script_of_the_readme_runs():
    native()
    import cella

    source = re.search(r"^```python\n(def count.*?)^```", document("README.md"), re.DOTALL | re.MULTILINE)
    assert source is not None
    script = cella.Script.parse(source.group(1), "count.py")
    assert script.entry == "count"
    namespace: dict = {}
    exec(compile(source.group(1), "count.py", "exec"), namespace)

    class Written:
        content = b""

        def write(self, data):
            self.content += data

    class Text:
        def text(self):
            return "the cell and the key"

    written = Written()
    assert namespace["count"](Text(), written) == {"count": 2}
    assert written.content == b"the: 2\n"


def command_lines(name: str) -> Iterator[list[str]]:
    """Every call of the client in the shell blocks and the indented blocks of a document."""
    fenced = re.findall(r"^```(?:sh)?\n(.*?)^```", document(name), re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?:^    .*\n)+", prose(name), re.MULTILINE)
    for block in (*fenced, *indented):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ").removeprefix("./run ")
            if re.match(r"cella [a-z-]", line):
                yield shlex.split(re.split(r" [|>] ", line)[0], comments=True)[1:]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_and_their_options_exist(name):
    native()
    click = pytest.importorskip("click")
    from cella.cli.main import cella as root

    for words in command_lines(name):
        command = root
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, f"{name}: there is no command {words[0]}"
            command, words = found, words[1:]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        known |= {"--help", "-h", "--version"}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
        assert used <= known, f"{name}: {sorted(used - known)}"


def test_run_has_the_commands_that_documents_name():
    known = set(re.findall(r"^(\w+)\)$", text("run"), re.MULTILINE))
    for name in DOCUMENTS:
        if (ROOT / name).exists():
            used = set(re.findall(r"\./run ([a-z]+)", text(name)))
            assert used <= known, name


# Every file


def test_files_begin_with_their_licence():
    without = []
    for path in files():
        is_script = path.suffix == "" and text(path).startswith("#!")
        if path.suffix in {".c", ".h", ".py", ".pyi", ".sh", ".toml", ".cmake"} or path.name == "CMakeLists.txt" or is_script:
            first = text(path).splitlines()[:2]
            if text(path) and not any("SPDX-License-Identifier: Apache-2.0" in line for line in first):
                without.append(str(path))
    assert without == []


def test_no_line_names_a_machine_or_is_unfinished():
    """Paths of somebody's home, and marks of work that was put off."""
    marks = ["TO" + "DO", "FIX" + "ME", "X" * 3]
    home = r"(?<![\w.)}\]/-])/(?:root|home|Users)/"
    pattern = re.compile(rf"{home}|\b(?:{'|'.join(marks)})\b")
    found = []
    for path in files():
        if path.name == "LICENSE" or path.suffix in {".so", ".npz", ".gz"} or "corpus" in path.parts:
            continue
        for number, line in enumerate(text(path).splitlines(), 1):
            if pattern.search(line) and not (path.name == Path(__file__).name and "(?:root" in line):
                found.append(f"{path}:{number}: {line.strip()[:80]}")
    assert found == []


def test_lines_have_no_trailing_blanks_and_files_end_with_one_newline():
    wrong = []
    for path in files():
        if path.suffix in {".c", ".h", ".py", ".pyi", ".md", ".toml"} and text(path):
            if not text(path).endswith("\n") or text(path).endswith("\n\n"):
                wrong.append(f"{path}: end")
            wrong += [f"{path}:{n}" for n, line in enumerate(text(path).splitlines(), 1) if line != line.rstrip()]
    assert wrong == []


def test_versions_agree():
    cmake = re.search(r"project\(cella VERSION ([\d.]+)", text("CMakeLists.txt"))
    setup = re.search(r'^VERSION = "([\d.]+)"', text("setup.py"), re.MULTILINE)
    assert cmake is not None and setup is not None
    assert cmake.group(1) == setup.group(1)
    assert cmake.group(1).rpartition(".")[0] in document("README.md")


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
